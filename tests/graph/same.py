"""The oracle of canonization: ONNX Runtime on the file itself."""

import onnx

from onnxpath.graph.canonize import load_graph
from tests.models import relative, run


def check_same(model, feeds, **options):
    """The canonized model is valid, says no more than the model, and gives its outputs; return it."""
    result = load_graph(model).to_model()
    onnx.checker.check_model(result, full_check=True)
    expected, found = run(model, feeds, **options), run(result, feeds, **options)
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert found[name].dtype == value.dtype
        assert relative(found[name], value) <= 1e-6, name
    return result
