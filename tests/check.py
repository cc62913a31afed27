"""The oracles: is a gradient model right? Each check raises AssertionError that says what differs, and where.

A builder is a function `(model, wrt) -> model` with the contract of `onnxpath.gradient_graph`. A check takes a row of
the operator table (tests/cases) and a builder:

- check_derivative: the float64 gradient model, run by onnx.reference, against finite differences of the case itself;
- check_provider: the float32 gradient model on ONNX Runtime, optimised, against the float64 one;
- check_symbolic: the same for the model with symbolic dimensions.
"""

from __future__ import annotations

import warnings

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from tests.reference_ops import fixes

STEP = 1e-3  # of finite differences; cases keep their kinks farther away than this
DERIVATIVE_TOLERANCE = 1e-7  # relative: two Richardson steps leave 1e-12 of truncation and 1e-12 of rounding
PROVIDER_TOLERANCE = 2e-4  # relative to the largest element: float32 sums in another order
DIRECTIONS = 3
SINGLE = {"Resize": (2,), "Upsample": (1,)}  # inputs that stay float32 in a float64 model
LATE = {"Celu", "GroupNormalization", "MeanVarianceNormalization", "RotaryEmbedding"}
LATE |= {"QuantizeLinear", "DequantizeLinear"}
"""Operators of which no valid float64 model exists, or none that onnx can infer shapes in."""
OPSETS, IR_VERSIONS = range(21, 27), range(10, 14)


# ---------------------------------------------------------------------------------------------------- running models


def whole(model):
    """The model of a program with the weights that it only points to; of a ModelProto itself."""
    if isinstance(model, onnx.ModelProto):
        return model
    made = onnx.ModelProto()
    made.CopyFrom(model.model)
    for weight in made.graph.initializer:
        if weight.name in model.weights:
            weight.CopyFrom(onnx.numpy_helper.from_array(model.weights[weight.name], weight.name))
    return made


def reference(model, feeds):
    """Run a model, or a program, with onnx.reference; name -> array."""
    model = whole(model)
    opset = next(entry.version for entry in model.opset_import if entry.domain == "")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # numpy's overflow and 0/0: the values are compared anyway
        outputs = ReferenceEvaluator(model, new_ops=fixes(opset)).run(None, feeds)
    return dict(zip((output.name for output in model.graph.output), outputs, strict=True))


def provider(model, feeds, name="CPUExecutionProvider"):
    """Run a model with ONNX Runtime at its default options, one thread; name -> array."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3  # a warning that a declared shape is wrong: check_contract looks for that itself
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=[name])
    outputs = session.run(None, feeds)
    return dict(zip((output.name for output in model.graph.output), outputs, strict=True))


def to_double(model):
    """A copy of the model, or program, in which every float32 tensor, attribute and cast is float64."""
    double = onnx.ModelProto()
    double.CopyFrom(whole(model))
    _double_graph(double.graph)
    return double


def _double_graph(graph):
    # The factors of Resize are float32 by definition.
    single = {node.input[at] for node in graph.node for at in SINGLE.get(node.op_type, ()) if at < len(node.input)}
    for value in [*graph.input, *graph.output, *graph.value_info]:
        if value.type.tensor_type.elem_type == TensorProto.FLOAT and value.name not in single:
            value.type.tensor_type.elem_type = TensorProto.DOUBLE
    for tensor in graph.initializer:
        if tensor.name not in single:
            _double_tensor(tensor)
    for attribute in [attribute for node in graph.node for attribute in node.attribute]:
        if attribute.type == onnx.AttributeProto.GRAPH:
            _double_graph(attribute.g)
        elif attribute.name == "to" and attribute.i == TensorProto.FLOAT:
            attribute.i = TensorProto.DOUBLE
        elif attribute.name in ("value_float", "value_floats"):
            numbers = attribute.f if attribute.name == "value_float" else list(attribute.floats)
            attribute.CopyFrom(helper.make_attribute("value", numpy_helper.from_array(np.array(numbers, np.float64))))
        elif attribute.type == onnx.AttributeProto.TENSOR:
            _double_tensor(attribute.t)


def _double_tensor(tensor):
    if tensor.data_type == TensorProto.FLOAT:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))


def doubled(feeds):
    return {name: array.astype(np.float64) if array.dtype == np.float32 else array for name, array in feeds.items()}


# ---------------------------------------------------------------------------------------------------------- the checks


def check_derivative(case, build):
    """The float64 gradient, in random directions, against central differences of <cotangents, case>."""
    forward = to_double(case.model(lifted=True))
    cotangents = cotangents_of(case)
    grads = gradients(case, build)
    point = doubled(case.feeds(lifted=True))

    def objective(name, values):
        outputs = reference(forward, {**point, name: values})
        return sum(np.sum(cotangent * outputs[output]) for output, cotangent in cotangents.items())

    for name in case.wrt:
        assert np.isfinite(grads[name]).all(), f"{case.name}: gradient by '{name}' is\n{grads[name]}"
        for number in range(DIRECTIONS):
            direction = case.rng(f"direction {number} of {name}").uniform(0.3, 1, point[name].shape)
            direction *= case.rng(f"signs {number} of {name}").choice([-1, 1], point[name].shape)
            expected, doubt = difference(lambda values, name=name: objective(name, values), point[name], direction)
            found, scale = np.sum(grads[name] * direction), np.sum(np.abs(grads[name] * direction)) + abs(expected)
            assert doubt <= 1e-3 * scale + 1e-6, f"{case.name}: '{name}' sits on a kink; change the case, not the rule"
            assert abs(found - expected) <= DERIVATIVE_TOLERANCE * (scale + 1), (
                f"{case.name}: derivative by '{name}' in a random direction is {found:.10g}, "
                f"finite differences give {expected:.10g}; gradient:\n{grads[name]}"
            )


def check_provider(case, build):
    """The float32 gradient on ONNX Runtime against the float64 one, and the outputs against the case's own."""
    compare(case, gradients(case, build, run=provider, double=False), gradients(case, build))


def check_symbolic(case, build, dims):
    """The gradient of the model with symbolic dimensions (see Case.model) against the static float64 one."""
    compare(case, gradients(case, build, dims=dims, run=provider, double=False), gradients(case, build))


def gradients(case, build, *, dims="static", run=reference, double=True):
    """Build the gradient model of a case, check its form, run it; name in wrt -> gradient.

    In float64 the model is converted before it is differentiated; after, where no valid float64 model exists: some
    operators have none, and onnx's version converter gives older models float32 constants.
    """
    late = case.opset < 13 or bool(LATE & case.operators) or case.single_outputs
    model, convert = case.model(dims), doubled if double else dict
    if double and not late:
        model = to_double(model)
    result = build(model, list(case.wrt))
    cotangents = cotangents_of(case)
    check_contract(case, model, result, cotangents)
    if double and late:
        model, result = to_double(model), to_double(result)
    feeds = convert({**case.feeds(), **{f"grad_{name}": value for name, value in cotangents.items()}})
    values = run(result, feeds)
    check_declared(case, result, values)
    for name, expected in run(model, convert(case.feeds())).items():
        assert close(values[name], expected, 1e-5), f"{case.name}: output '{name}' of the gradient model has changed"
    return {name: values[f"grad_{name}"] for name in case.wrt}


def compare(case, grads, expected):
    for name in case.wrt:
        assert grads[name].dtype == np.float32, f"{case.name}: gradient by '{name}' is {grads[name].dtype}"
        assert close(grads[name], expected[name], PROVIDER_TOLERANCE), (
            f"{case.name}: gradient by '{name}' is\n{grads[name]}\nin float32 on the provider, "
            f"in float64 it is\n{expected[name]}"
        )


def check_contract(case, model, result, cotangents):
    """Inputs and outputs of a gradient model: those of the model, then one per cotangent, one per gradient."""
    onnx.checker.check_model(result, full_check=True)
    inputs, outputs = names(model.graph.input), names(model.graph.output)
    assert names(result.graph.input) == inputs + [f"grad_{name}" for name in cotangents], case.name
    assert names(result.graph.output) == outputs + [f"grad_{name}" for name in case.wrt], case.name
    assert {entry.domain for entry in result.opset_import} == {""}, f"{case.name}: not only ai.onnx"
    assert result.opset_import[0].version in OPSETS and result.ir_version in IR_VERSIONS, case.name
    nodes = [node.name for node in result.graph.node]
    assert len(set(nodes)) == len(nodes), f"{case.name}: nodes that share a name"


def check_declared(case, result, values):
    """Shapes and types that the model declares are those that come out: ONNX Runtime would only warn."""
    for output in result.graph.output:
        declared, array = output.type.tensor_type, values[output.name]
        dtype = helper.np_dtype_to_tensor_dtype(array.dtype)
        assert declared.elem_type == dtype, f"{case.name}: '{output.name}' comes out as {array.dtype}"
        if declared.HasField("shape"):
            sizes = [dim.dim_value if dim.HasField("dim_value") else None for dim in declared.shape.dim]
            fits = len(sizes) == array.ndim and all(s in (None, n) for s, n in zip(sizes, array.shape, strict=True))
            assert fits, f"{case.name}: '{output.name}' is declared as {sizes}, comes out as {array.shape}"
    for name in case.wrt:
        assert values[f"grad_{name}"].shape == case.values(name).shape, (
            f"{case.name}: shape of the gradient by '{name}'"
        )


# ------------------------------------------------------------------------------------------------------------- helpers


def difference(function, point, direction):
    """Derivative of a scalar function along a direction: central differences at two steps, extrapolated; and how far
    the two steps disagree."""
    coarse, fine = (
        (function(point + step * direction) - function(point - step * direction)) / (2 * step)
        for step in (STEP, STEP / 2)
    )
    return (4 * fine - coarse) / 3, abs(fine - coarse)


def cotangents_of(case):
    """A random cotangent per float output, the same for every form of the case; float32."""
    outputs = reference(case.model(), case.feeds())
    return {
        name: case.rng(f"cotangent of {name}").uniform(-1, 1, array.shape).astype(np.float32)
        for name, array in outputs.items()
        if array.dtype.kind == "f"
    }


def close(found, expected, tolerance):
    """Elementwise, relative to the largest expected element (at least 0.1); NaN and Inf are never close."""
    if found.shape != expected.shape or not np.isfinite(found).all():
        return False
    if expected.dtype.kind != "f":
        return bool(np.array_equal(found, expected))
    return bool(np.all(np.abs(found - expected) <= tolerance * (np.abs(expected).max(initial=0) + 0.1)))


def names(values):
    return [value.name for value in values]
