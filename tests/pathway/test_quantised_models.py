"""Quantised models against the float32 models that they were made from: neuron layers, gradients, pathways."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import onnxpath
from onnxpath.errors import ModelError
from onnxpath.pathway.pathway import Pathway
from tests.formats import one_hot, quantised
from tests.models import (
    cosine,
    input_name,
    mlp,
    operators,
    real_input,
    relative,
    run,
    sample,
    sample_images,
    value_info,
)

STRAIGHT = "straight-through"
FORMS = {
    "uint8": {},
    "uint8, ReLUs kept": {"QDQKeepRemovableActivations": True},
    "int8 per channel": {"activations": "QInt8", "per_channel": True},
    "int8 per channel, ReLUs kept": {"activations": "QInt8", "per_channel": True, "QDQKeepRemovableActivations": True},
    "int8 symmetric": {"activations": "QInt8", "ActivationSymmetric": True},
    "a pair for each consumer": {"DedicatedQDQPair": True},
}


@pytest.fixture(scope="module", params=FORMS, ids=FORMS.keys())
def digits(request, tmp_path_factory):
    """The form's name and the digits CNN in it."""
    folder = tmp_path_factory.mktemp("digits")
    return request.param, quantised(sample("digits_cnn"), folder, sample_images(), **FORMS[request.param])


def kept_relus(form):
    return "kept" in form or "symmetric" in form


def test_every_relu_is_one_neuron_layer(digits):
    form, path = digits
    exact, layers = onnxpath.load(sample("digits_cnn")).layers(), onnxpath.load(path).layers()
    assert [layer.shape for layer in layers] == [layer.shape for layer in exact]
    assert [layer.channel_axis for layer in layers] == [layer.channel_axis for layer in exact]
    assert all(layer.has_zero for layer in layers)
    assert operators(onnx.load(path)).count("Relu") == (4 if kept_relus(form) else 0)
    assert {layer.op for layer in layers} == {"Relu" if kept_relus(form) else "Relu in QuantizeLinear"}
    if not kept_relus(form):
        largest = run(onnxpath.expose(path, [n.name for n in layers]), {"image": sample_images()})
        for layer in layers:
            assert largest[layer.name].max() <= layer.saturation * (1 + 1e-6) <= largest[layer.name].max() * 1.05
            assert largest[layer.name].min() == 0


def test_the_program_computes_what_the_model_does(digits):
    """The kernels may be others (floats between Q and DQ instead of integers), which moves a value by one step."""
    _, path = digits
    expected = run(path, {"image": sample_images()})["logits"]
    found = onnxpath.attribute(onnxpath.load(path, rules=STRAIGHT), sample_images(), method="gradient")
    assert np.abs(found.logits - expected).max() <= 2 * np.unique(np.diff(np.unique(expected))).min() + 1e-6
    np.testing.assert_array_equal(found.prediction, expected.argmax(1))


def test_gradient_follows_that_of_float32(digits):
    form, path = digits
    exact = onnxpath.attribute(sample("digits_cnn"), sample_images(), method="gradient")
    rough = onnxpath.attribute(onnxpath.load(path, rules=STRAIGHT), sample_images(), method="gradient")
    np.testing.assert_array_equal(exact.prediction, rough.prediction)
    angles = [cosine(a, b) for a, b in zip(exact.values, rough.values, strict=True)]
    # Symmetric activations behind a ReLU use half of their integers.
    assert np.median(angles) > (0.95 if "symmetric" in form else 0.97), angles
    assert min(angles) > 0.9, angles


def test_gradient_is_that_of_a_clip_with_the_rounding_held_fixed(digits):
    """An independent form of the estimate: each pair as Clip(x) + e, where e = pair(x) - Clip(x) is an input."""
    _, path = digits
    clipped, rounding = without_rounding(path, sample_images())
    y = run(path, {"image": sample_images()})["logits"]
    expected = onnxpath.gradient_graph(clipped, wrt=["image"])
    expected = run(expected, {"image": sample_images(), "grad_logits": one_hot(y), **rounding})
    found = onnxpath.gradient_graph(path, rules=STRAIGHT)
    found = run(found, {"image": sample_images(), "grad_logits": one_hot(y)})
    assert relative(expected["logits"], y) < 0.02
    assert relative(found["grad_image"], expected["grad_image"]) < 0.01


def without_rounding(path, x):
    """The model with its pairs on computed tensors as Clip(x) + e, and the values of e."""
    model = onnx.load(path)
    arrays = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    pairs = [n for n in model.graph.node if n.op_type == "QuantizeLinear"]
    behind = {n.input[0]: n for n in model.graph.node if n.op_type == "DequantizeLinear"}
    exposed = [t for q in pairs for t in (q.input[0], behind[q.output[0]].output[0])]
    values = run(onnxpath.expose(path, exposed), {"image": x}) | {"image": x}
    rounding = {}
    for q in pairs:
        source, made = q.input[0], behind[q.output[0]].output[0]
        scale, zero = (arrays[name].item() for name in q.input[1:])
        limits = np.iinfo(arrays[q.input[2]].dtype)
        low = limits.min - (1e-4 if zero == limits.min else 0.5)
        high = limits.max + (1e-4 if zero == limits.max else 0.5)
        low, high = scale * (low - zero), scale * (high - zero)
        rounding[f"{made}_e"] = values[made] - np.clip(values[source], np.float32(low), np.float32(high))
        model.graph.initializer.append(numpy_helper.from_array(np.float32(low), f"{made}_low"))
        model.graph.initializer.append(numpy_helper.from_array(np.float32(high), f"{made}_high"))
        model.graph.input.append(value_info(f"{made}_e", ["n", *values[made].shape[1:]]))
        clip = helper.make_node("Clip", [source, f"{made}_low", f"{made}_high"], [f"{made}_c"])
        place = list(model.graph.node).index(q)
        model.graph.node.remove(q)
        model.graph.node.remove(behind[q.output[0]])
        model.graph.node.insert(place, helper.make_node("Add", [f"{made}_c", f"{made}_e"], [made]))
        model.graph.node.insert(place, clip)
    return model, rounding


@pytest.mark.parametrize("selector", ["neuron-mct", "neuron-intgrad"])
def test_pathways_follow_those_of_float32(digits, selector):
    _, path = digits
    exact = onnxpath.critical_pathway(sample("digits_cnn"), sample_images(), selector=selector)
    rough = onnxpath.critical_pathway(onnxpath.load(path, rules=STRAIGHT), sample_images(), selector=selector)
    overlap = []
    for a, b in zip(exact, rough, strict=True):
        assert b.options["rules"] == STRAIGHT
        assert b.kept_prediction and b.dead_fraction == 0
        assert abs(a.base_sparsity - b.base_sparsity) < 0.02
        renamed = dict(zip(a.masks, b.masks.values(), strict=True))
        overlap.append(jaccard(a.masks, renamed))
    assert np.median(overlap) > 0.7, overlap


def jaccard(one, other):
    both, either = (sum(int(f(one[n], other[n]).sum()) for n in one) for f in (np.logical_and, np.logical_or))
    return both / either


def test_every_optimisation_of_the_runtime_loads_the_programs(digits):
    """ONNX Runtime moves pairs past what reads the logits, and took int8 for uint8 behind a Reshape."""
    model, x = onnxpath.load(digits[1], rules=STRAIGHT), sample_images()[:2]
    made = onnxpath.compile(model, sparsity=0.5)
    wanted = onnxpath.attribute(model, x, sparsity=0.5)
    np.testing.assert_allclose(run(made, {"image": x})["attribution"], wanted.values, rtol=1e-4, atol=1e-6)
    (gates, *_) = onnxpath.critical_pathway(model, x, selector="dgr", n_steps=2)
    assert gates.density > 0


def test_results_name_the_rules(digits, tmp_path):
    _, path = digits
    model = onnxpath.load(path, rules=STRAIGHT)
    found = onnxpath.attribute(model, sample_images()[:2], sparsity=0.8)
    assert found.options["rules"] == STRAIGHT
    assert any("the gradient passes QuantizeLinear where x / scale + zero_point lies inside" in n for n in found.notes)
    found.pathways[0].save(tmp_path / "p.npz")
    assert Pathway.load(tmp_path / "p.npz").options["rules"] == STRAIGHT
    kinds = model.coverage()
    assert kinds[STRAIGHT].keys() == {"QuantizeLinear"} and not kinds["zero"] and not kinds["missing"]


@pytest.mark.parametrize("explain", [onnxpath.attribute, onnxpath.critical_pathway])
def test_without_the_estimate_nothing_runs(digits, explain):
    _, path = digits
    with pytest.raises(ModelError, match=r"no gradient passes QuantizeLinear.* choose rules='straight-through'"):
        explain(path, sample_images()[:2])


def test_rules_of_a_methods_own_are_not_said_to_be_chosen(digits):
    model = onnxpath.load(digits[1], rules=STRAIGHT)
    with pytest.raises(ModelError, match="the rules 'guided-backprop' have no estimate for that: choose a method"):
        onnxpath.attribute(model, sample_images(), method="guided-backprop")


def test_controls_need_no_gradient(digits):
    _, path = digits
    (found,) = onnxpath.critical_pathway(path, sample_images()[:1], selector="activation-only")
    assert "rules" not in found.options and found.kept_prediction


def test_masks_of_ones_change_nothing(digits):
    _, path = digits
    masked = onnxpath.insert_masks(path)
    x = sample_images()
    names = [i.name for i in masked.graph.input if i.name.startswith("mask_")]
    layers = {f"mask_{n.name}": n.shape for n in onnxpath.load(path).layers()}
    masks = {name: np.ones((len(x), *layers[name]), np.float32) for name in names}
    assert len(names) == 4
    expected = run(path, {"image": x}, optimised=False)["logits"]
    np.testing.assert_array_equal(run(masked, {"image": x, **masks}, optimised=False)["logits"], expected)


def test_the_quantised_input_is_no_neuron_layer(tmp_path):
    """Inputs above zero have the smallest integer as zero point too."""
    x = np.random.default_rng(0).uniform(0, 1, (32, 6)).astype(np.float32)
    onnx.save(mlp(), tmp_path / "mlp.onnx")
    layers = onnxpath.load(quantised(tmp_path / "mlp.onnx", tmp_path, x)).layers()
    assert [layer.shape for layer in layers] == [(8,), (5,)]


@pytest.mark.parametrize("name", ["digits_resnet", "digits_vit"])
def test_other_architectures(name, tmp_path):
    path = quantised(sample(name), tmp_path, sample_images())
    exact, rough = onnxpath.load(sample(name)), onnxpath.load(path, rules=STRAIGHT)
    assert [n.shape for n in rough.layers()] == [n.shape for n in exact.layers()]
    pair = [onnxpath.attribute(m, sample_images(), method="gradient").values for m in (exact, rough)]
    assert np.median([cosine(a, b) for a, b in zip(*pair, strict=True)]) > 0.95


@pytest.mark.parametrize("kept", [False, True])
def test_resnet20(data_dir, tmp_path, kept):
    """By default none of its 19 ReLU nodes is left."""
    path = data_dir / "models" / "resnet20_cifar10.onnx"
    x = real_input(data_dir, "resnet20_cifar10", 64)
    small = quantised(path, tmp_path, x, QDQKeepRemovableActivations=kept)
    assert operators(onnx.load(small)).count("Relu") == (19 if kept else 0)
    exact, rough = onnxpath.load(path), onnxpath.load(small, rules=STRAIGHT)
    assert [n.shape for n in rough.layers()] == [n.shape for n in exact.layers()]
    rows = x[:16]
    y = run(path, {input_name(path): rows})["logits"]
    grads = [onnxpath.attribute(m, rows, one_hot(y), method="gradient").values for m in (exact, rough)]
    assert np.median([cosine(a, b) for a, b in zip(*grads, strict=True)]) > 0.88
    paths = [onnxpath.critical_pathway(m, rows, y.argmax(1)) for m in (exact, rough)]
    overlap = [jaccard(a.masks, dict(zip(a.masks, b.masks.values(), strict=True))) for a, b in zip(*paths, strict=True)]
    assert np.median(overlap) > 0.5, overlap


def test_a_logit_beyond_the_quantised_range_has_a_gradient(tmp_path):
    """Calibrated on small inputs: every logit of a large one is clipped, and so explained as the largest integer."""
    onnx.save(mlp(activation="Tanh"), tmp_path / "mlp.onnx")
    rng = np.random.default_rng(0)
    path = quantised(tmp_path / "mlp.onnx", tmp_path, rng.normal(0, 1, (32, 6)).astype(np.float32))
    model = onnx.load(path)
    scale = next(t for t in model.graph.initializer if t.name == "y_scale")
    scale.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(scale) / np.float32(50), "y_scale"))
    x = rng.normal(0, 1, (8, 6)).astype(np.float32)
    model = onnxpath.load(model, rules=STRAIGHT)
    exact = onnxpath.attribute(tmp_path / "mlp.onnx", x, 1, method="gradient")
    found = onnxpath.attribute(model, x, 1, method="gradient")
    assert np.median([cosine(a, b) for a, b in zip(exact.values, found.values, strict=True)]) > 0.97
    assert onnxpath.attribute(model, x, 1, sparsity=0.5).values.any(1).all()
    assert onnxpath.critical_pathway(model, x, 1, selector="neuron-intgrad")[0].density > 0
