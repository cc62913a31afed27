"""A loaded model in float64 whose programs onnx's reference evaluator runs, whatever method they belong to."""

import warnings
from contextlib import contextmanager
from unittest.mock import patch

from onnx.reference import ReferenceEvaluator

import onnxpath
from tests.check import to_double, whole
from tests.reference_ops import fixes


class ReferenceSession:
    """Stands in for onnxpath's session."""

    def __init__(self, model, provider="cpu", *options):
        self.provider = provider
        model = whole(model)
        self.inputs = [i.name for i in model.graph.input]
        self.outputs = [o.name for o in model.graph.output]
        opset = next(entry.version for entry in model.opset_import if entry.domain == "")
        self._evaluator = ReferenceEvaluator(model, new_ops=fixes(opset))

    def run(self, feeds, outputs=None):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # 0/0 where the other side of a Where is taken
            values = self._evaluator.run(None, {k: feeds[k] for k in self.inputs if k in feeds})
        found = dict(zip(self.outputs, values, strict=True))
        return found if outputs is None else {name: found[name] for name in outputs}


@contextmanager
def in_double(proto):
    """Yield the float32 model loaded as a float64 one; its programs run on the reference while the block lasts."""
    with patch("onnxpath.runtime.model.Session", ReferenceSession):
        yield onnxpath.load(to_double(proto), providers="cpu")
