"""One row of the operator table per operator in float16 and in float64, against float32, on the provider."""

import numpy as np
import pytest
from onnx import TensorProto, helper

import onnxpath
from onnxpath.graph.ir import FLOATS
from tests.cases import CASES
from tests.check import cotangents_of, provider
from tests.formats import in_format
from tests.models import relative

TOLERANCE = {TensorProto.FLOAT16: 0.02, TensorProto.DOUBLE: 1e-4}
FIRST = {case.name.partition("/")[0]: case for case in reversed(CASES)}


@pytest.mark.parametrize("dtype", TOLERANCE, ids=["float16", "float64"])
@pytest.mark.parametrize("case", FIRST.values(), ids=FIRST.keys())
def test_format(case, dtype):
    model, numpy_dtype = in_format(case.model(), dtype), helper.tensor_dtype_to_np_dtype(dtype)
    feeds, cotangents = case.feeds(), {f"grad_{name}": value for name, value in cotangents_of(case).items()}
    narrow = {k: v.astype(numpy_dtype) if v.dtype == np.float32 else v for k, v in {**feeds, **cotangents}.items()}
    if not runs(model, {name: narrow[name] for name in feeds}):
        pytest.skip("ONNX Runtime does not run the operator itself in this format")
    expected = provider(onnxpath.gradient_graph(case.model(), wrt=case.wrt), {**feeds, **cotangents})
    made = onnxpath.gradient_graph(model, wrt=case.wrt)
    found = provider(made, narrow)
    for name in case.wrt:
        grad, exact = found[f"grad_{name}"], expected[f"grad_{name}"]
        assert grad.dtype == numpy_dtype
        assert np.abs(exact).max(initial=0) < 1e-3 or relative(grad, exact) < TOLERANCE[dtype], f"{case.name}: {name}"


def runs(model, feeds):
    try:
        provider(model, feeds)
    except Exception:  # ONNX Runtime's own classes: no kernel, a type that the operator is not defined for
        return False
    return True


@pytest.mark.parametrize("operator", ["Relu", "Clip"])
@pytest.mark.parametrize("dtype", sorted(FLOATS - {TensorProto.FLOAT}))
def test_masks_by_a_steep_slope_are_for_float32_alone(operator, dtype):
    case = FIRST[operator]
    written = {node.op_type for node in onnxpath.gradient_graph(in_format(case.model(), dtype)).graph.node}
    assert "HardSigmoid" not in written and "Cast" in written
    assert "HardSigmoid" in {node.op_type for node in onnxpath.gradient_graph(case.model()).graph.node}
