"""Models of one operator of another domain, checked against ONNX Runtime's own kernel."""

from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import helper, numpy_helper

from onnxpath import gradient_graph
from onnxpath.graph.canonize import load_graph
from tests.models import run

VERSIONS = {"com.microsoft": 1, "ai.onnx.ml": 3}


@dataclass
class Kernel:
    """One operator with its inputs.

    inputs: arrays by name in the operator's order, None for one left out; constant: names that are initializers;
    outputs: names, "" for one left out; kernel: whether ONNX Runtime's CPU provider has the operator (else the
    expansion is only compared with finite differences of itself); atol: of the outputs; still: inputs without a
    derivative that finite differences could see.
    """

    operator: str
    inputs: dict
    attributes: dict = field(default_factory=dict)
    outputs: tuple = ("y",)
    constant: tuple = ()
    domain: str = "com.microsoft"
    kernel: bool = True
    atol: float = 1e-5
    still: tuple = ()
    name: str = ""
    opset: int = 18

    def model(self, symbolic=False):
        """The model; symbolic: every size is open."""
        given = {name: np.asarray(value) for name, value in self.inputs.items() if value is not None}
        names = [name if name in given else "" for name in self.inputs]
        while not names[-1]:
            names.pop()
        node = helper.make_node(self.operator, names, self.outputs, "node", domain=self.domain, **self.attributes)
        fed = [
            helper.make_tensor_value_info(name, _elem(value), self.shape(name, value) if symbolic else value.shape)
            for name, value in given.items()
            if name not in self.constant
        ]
        graph = helper.make_graph(
            [node],
            "one",
            fed,
            [helper.make_empty_tensor_value_info(name) for name in self.outputs if name],
            [numpy_helper.from_array(given[name], name) for name in self.constant],
        )
        imports = [helper.make_opsetid(domain, VERSIONS.get(domain, self.opset)) for domain in {"", self.domain}]
        return helper.make_model(graph, opset_imports=imports, ir_version=9)

    def shape(self, name, value):
        """The declared shape with an open first size."""
        return ["n", *value.shape[1:]] if value.ndim else []

    @property
    def feeds(self):
        """The inputs that are fed."""
        given = {name: value for name, value in self.inputs.items() if value is not None}
        return {name: np.asarray(value) for name, value in given.items() if name not in self.constant}

    def __str__(self):
        return self.name or self.operator


def _elem(value):
    return onnx.TensorProto.STRING if value.dtype == object else helper.np_dtype_to_tensor_dtype(value.dtype)


def check_forward(case):
    """The expanded model is valid standard ONNX and its outputs equal the kernel's."""
    model = case.model()
    expanded = load_graph(model).to_model()
    onnx.checker.check_model(expanded, full_check=True)
    assert not [n.op_type for n in expanded.graph.node if n.domain == "com.microsoft"]
    found = run(expanded, case.feeds, optimised=False)
    if not case.kernel:
        return
    for name, expected in run(model, case.feeds, optimised=False).items():
        assert found[name].dtype == expected.dtype and found[name].shape == expected.shape, name
        if expected.dtype.kind == "f":
            np.testing.assert_allclose(found[name], expected, rtol=1e-5, atol=case.atol, err_msg=name)
        else:
            assert (found[name] == expected).all(), name


def check_gradient(case, seed=0, step=1e-2, rtol=2e-2):
    """The gradient equals finite differences of the kernel (float32, in random directions)."""
    rng = np.random.default_rng(seed)
    model = case.model()
    original = model if case.kernel else load_graph(model).to_model()
    graph = gradient_graph(model)
    values = run(original, case.feeds, optimised=False)
    seeds = [i.name.removeprefix("grad_") for i in graph.graph.input if i.name.startswith("grad_")]
    cotangents = {n: rng.normal(size=values[n].shape).astype(values[n].dtype) for n in seeds}
    found = run(graph, {**case.feeds, **{f"grad_{n}": c for n, c in cotangents.items()}}, optimised=False)

    def total(feeds):
        made = run(original, feeds, optimised=False)
        return sum((made[n].astype(np.float64) * c).sum() for n, c in cotangents.items())

    for name, value in case.feeds.items():
        if value.dtype.kind != "f" or name in case.still:
            continue
        way = rng.normal(size=value.shape)
        way = (way / np.linalg.norm(way)).astype(value.dtype)
        ends = [total({**case.feeds, name: value + sign * np.float32(step) * way}) for sign in (1, -1)]
        expected = (ends[0] - ends[1]) / (2 * step)
        given = float((found[f"grad_{name}"].astype(np.float64) * way).sum())
        assert abs(given - expected) <= rtol * max(abs(given), abs(expected), 0.1), (name, given, expected)
