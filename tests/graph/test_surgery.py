"""Masks and exposed tensors."""

import numpy as np
import onnx
import pytest

import onnxpath
from onnxpath.errors import ShapeError, UnknownName
from onnxpath.graph.surgery import MASK_PREFIX
from tests.models import (
    LARGE,
    REAL,
    SAMPLES,
    input_name,
    mlp,
    parse,
    real_input,
    relative,
    run,
    sample,
    sample_images,
)

RNG = np.random.default_rng(5)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def mask_shapes(model, rows):
    """name -> shape of each mask input, with `rows` for the one size that is open."""
    inputs = [value for value in model.graph.input if value.name.startswith(MASK_PREFIX)]
    return {v.name: tuple(d.dim_value or rows for d in v.type.tensor_type.shape.dim) for v in inputs}


def ones(model, rows):
    return {name: np.ones(shape, np.float32) for name, shape in mask_shapes(model, rows).items()}


# ---------------------------------------------------------------------------------------------------- masks of one


def check_ones(path, x, per="neuron"):
    masked = onnxpath.insert_masks(path, per=per)
    onnx.checker.check_model(masked, full_check=True)
    feeds = {input_name(path): x}
    fed = {**feeds, **ones(masked, len(x))}
    assert len(fed) > 1
    for name, expected in run(path, feeds, optimised=False).items():
        np.testing.assert_array_equal(run(masked, fed, optimised=False)[name], expected)
    for name, expected in run(path, feeds).items():
        found = run(masked, fed)[name]
        assert relative(found, expected) <= 1e-6
        np.testing.assert_array_equal(found.argmax(1), expected.argmax(1))


@pytest.mark.parametrize("per", ["neuron", "channel"])
@pytest.mark.parametrize("name", SAMPLES)
def test_masks_of_one_change_no_sample_model(name, per):
    check_ones(sample(name), sample_images()[:5], per)


@pytest.mark.parametrize("name", [*REAL, *LARGE])
def test_masks_of_one_change_no_real_model(name, data_dir):
    rows = 1 if name in ("mnist8_cntk", *LARGE) else 3
    check_ones(data_dir / "models" / f"{name}.onnx", real_input(data_dir, name, rows))


# ------------------------------------------------------------------------------------------------ what masks switch


def layers_of(path):
    return onnxpath.load(path, providers="cpu").layers()


@pytest.mark.parametrize("name", SAMPLES)
def test_a_mask_of_zero_is_the_activation_at_zero(name):
    """Against the same layer cut out of the file: its activation's node is replaced by zeros."""
    x = sample_images()[:3]
    for layer in layers_of(sample(name)):
        masked = onnxpath.insert_masks(sample(name), [layer.name])
        mask = np.zeros((3, *layer.shape), np.float32)
        found = run(masked, {"image": x, MASK_PREFIX + layer.name: mask})["logits"]
        cut = onnx.load(sample(name))
        for node in cut.graph.node:
            if layer.name in node.output:
                cut.graph.initializer.append(
                    onnx.numpy_helper.from_array(np.zeros((1, *layer.shape), np.float32), "zero")
                )
                node.CopyFrom(onnx.helper.make_node("Mul", [node.input[0], "zero"], [layer.name]))
        assert relative(found, run(cut, {"image": x})["logits"]) <= 1e-5, layer.name


def test_every_neuron_of_a_mask_is_its_own():
    x, masked = normal(4, 6), onnxpath.insert_masks(mlp())
    m0, m1 = RNG.integers(0, 2, (4, 8)).astype(np.float32), RNG.integers(0, 2, (4, 5)).astype(np.float32)
    w = {t.name: onnx.numpy_helper.to_array(t) for t in mlp().graph.initializer}
    a0 = np.maximum(x @ w["W0"] + w["b0"], 0) * m0
    a1 = np.maximum(a0 @ w["W1"] + w["b1"], 0) * m1
    found = run(masked, {"x": x, "mask_a0": m0, "mask_a1": m1})["y"]
    assert relative(found, a1 @ w["W2"] + w["b2"]) <= 1e-6


def test_every_row_has_its_own_mask():
    x, masked = sample_images()[:4], onnxpath.insert_masks(sample("digits_cnn"))
    shapes = mask_shapes(masked, 4)
    masks = {name: RNG.integers(0, 2, shape).astype(np.float32) for name, shape in shapes.items()}
    together = run(masked, {"image": x, **masks})["logits"]
    for row in range(4):
        one = {name: mask[row : row + 1] for name, mask in masks.items()}
        assert relative(run(masked, {"image": x[row : row + 1], **one})["logits"], together[row : row + 1]) <= 1e-5


@pytest.mark.parametrize("name", SAMPLES)
def test_masks_per_channel_are_masks_per_neuron_that_repeat(name):
    x, layers = sample_images()[:3], layers_of(sample(name))
    by_channel = onnxpath.insert_masks(sample(name), per="channel")
    shapes = mask_shapes(by_channel, 3)
    for layer in layers:
        expected = [3] + [size if axis == layer.channel_axis else 1 for axis, size in enumerate(layer.shape, 1)]
        assert list(shapes[MASK_PREFIX + layer.name]) == expected
    masks = {n: RNG.integers(0, 2, shape).astype(np.float32) for n, shape in shapes.items()}
    wide = {MASK_PREFIX + la.name: masks[MASK_PREFIX + la.name] + np.zeros((3, *la.shape), np.float32) for la in layers}
    found = run(by_channel, {"image": x, **masks}, optimised=False)["logits"]
    by_neuron = run(onnxpath.insert_masks(sample(name)), {"image": x, **wide}, optimised=False)["logits"]
    np.testing.assert_array_equal(found, by_neuron)


def test_masks_on_named_layers_only():
    masked = onnxpath.insert_masks(mlp(), ["a1"])
    assert [v.name for v in masked.graph.input] == ["x", "mask_a1"]
    tags = [{p.key: p.value for p in n.metadata_props} for n in masked.graph.node if n.metadata_props]
    assert tags == [{"onnxpath.role": "mask", "onnxpath.origin": "a1"}]


def test_masks_keep_the_dtype_of_the_layer():
    model = parse("m (float16[n, 4] x) => (float16[n, 4] y) { a = Relu(x); y = Neg(a) }")
    masked = onnxpath.insert_masks(model)
    assert masked.graph.input[1].type.tensor_type.elem_type == onnx.TensorProto.FLOAT16


def test_a_layer_with_several_readers_is_masked_for_all():
    model = parse("m (float[n, 4] x) => (float[n, 4] y) { a = Relu(x); b = Neg(a); c = Exp(a); y = Add(b, c) }")
    found = run(onnxpath.insert_masks(model), {"x": normal(2, 4), "mask_a": np.zeros((2, 4), np.float32)})["y"]
    np.testing.assert_array_equal(found, np.ones((2, 4)))


def test_a_readout_layer_is_left_out_unless_it_is_named():
    nodes = "a = Relu(x); c = Conv(a, K); b = Relu(c); p = GlobalAveragePool(b); y = Flatten(p)"
    model = parse(f"m (float[n, 4, 5, 5] x) => (float[n, 4] y) {{ {nodes} }}", K=normal(4, 4, 1, 1))
    assert [v.name for v in onnxpath.insert_masks(model).graph.input] == ["x", "mask_a"]
    assert [v.name for v in onnxpath.insert_masks(model, ["b"]).graph.input] == ["x", "mask_b"]


def test_unknown_layers_and_kinds():
    with pytest.raises(UnknownName, match=r"no neuron layer named 'a00'; did you mean 'a0'\?(.|\n)*known: a0, a1"):
        onnxpath.insert_masks(mlp(), ["a00", "a1"])
    with pytest.raises(UnknownName, match="no neuron layer named 'z0'"):
        onnxpath.insert_masks(mlp(), ["z0"])
    with pytest.raises(UnknownName, match="no kind of mask named 'pixel'"):
        onnxpath.insert_masks(mlp(), per="pixel")


def test_a_layer_of_unknown_rank_cannot_be_masked():
    nodes = "r = Reshape(x, s); a = Relu(r); b = Reshape(a, t); y = Neg(b)"
    text = f"m (float[n, 4] x, int64[k] s) => (float[n, 4] y) {{ {nodes} }}"
    with pytest.raises(ShapeError, match=r"rank of tensor 'a'"):
        onnxpath.insert_masks(parse(text, t=np.int64([-1, 4])))


def test_the_given_graph_is_not_changed():
    model = onnxpath.load(mlp(), providers="cpu")
    before = model.graph.to_model()
    onnxpath.insert_masks(model)
    onnxpath.expose(model, ["a0"])
    assert model.graph.to_model() == before


# ----------------------------------------------------------------------------------------------------------- expose


def test_exposed_tensors_are_outputs_under_their_names():
    x, w = normal(3, 6), {t.name: onnx.numpy_helper.to_array(t) for t in mlp().graph.initializer}
    result = onnxpath.expose(mlp(), ["a1", "z0", "a1", "y"])
    onnx.checker.check_model(result, full_check=True)
    found = run(result, {"x": x})
    assert list(found) == ["y", "a1", "z0"]
    assert relative(found["z0"], x @ w["W0"] + w["b0"]) <= 1e-6
    a1 = np.maximum(np.maximum(found["z0"], 0) @ w["W1"] + w["b1"], 0)
    assert relative(found["a1"], a1) <= 1e-6
    np.testing.assert_array_equal(found["y"], run(mlp(), {"x": x})["y"])


def test_inputs_and_initializers_can_be_exposed():
    x = normal(3, 6)
    result = onnxpath.expose(mlp(), ["x", "W0"])
    onnx.checker.check_model(result, full_check=True)
    found = run(result, {"x": x})
    assert list(found) == ["y", "x", "W0"]
    np.testing.assert_array_equal(found["x"], x)


def test_unknown_tensors_list_the_nearest():
    with pytest.raises(UnknownName, match=r"no tensor named 'logit'; did you mean 'logits'\?"):
        onnxpath.expose(sample("digits_cnn"), ["logits", "logit"])


def test_layers_on_the_way_to_any_output_have_masks():
    nodes = "a = Relu(x); y = MatMul(a, W); b = Tanh(x); z = MatMul(b, W); c = Exp(b); d = Sigmoid(c)"
    model = parse(f"m (float[n, 4] x) => (float[n, 4] y, float[n, 4] z, float[n, 4] d) {{ {nodes} }}", W=normal(4, 4))
    assert [v.name for v in onnxpath.insert_masks(model).graph.input] == ["x", "mask_a", "mask_b"]
