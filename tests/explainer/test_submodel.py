"""A pathway as a model: it answers what the masked network answers, and is smaller where channels are off."""

import re

import numpy as np
import onnx
import pytest

import onnxpath
from onnxpath.errors import InputError
from onnxpath.explainer.submodel import pathway_model
from tests.explainer.test_compile import run
from tests.models import SAMPLES, parse, sample, sample_images

RNG = np.random.default_rng(5)


def facts(made):
    return {p.key.removeprefix("onnxpath."): p.value for p in made.metadata_props}


def removed(made):
    return int(facts(made)["removed_channels"])


def weights(made):
    return sum(int(np.prod(t.dims)) for t in made.graph.initializer if t.data_type == onnx.TensorProto.FLOAT)


def masked(model, pathway, x):
    """The masked network by its mask inputs."""
    feeds = {"mask_" + name: m[None].repeat(len(x), 0).astype(np.float32) for name, m in pathway.masks.items()}
    return next(iter(run(onnxpath.insert_masks(model, list(pathway.masks)), {**feeds, **x_of(model, x)}).values()))


def x_of(model, x):
    return {onnxpath.load(model).inputs[0].name: x}


@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.9, 0.99, 1.0])
@pytest.mark.parametrize("name", SAMPLES)
def test_it_answers_as_the_masked_network(name, sparsity):
    x, path = sample_images()[:4], sample(name)
    pathway = onnxpath.critical_pathway(path, x[:1], sparsity=sparsity)[0]
    made = pathway_model(path, pathway)
    onnx.checker.check_model(made, full_check=True)
    found = run(made, {"image": x})["logits"]
    np.testing.assert_allclose(found, masked(path, pathway, x), rtol=1e-4, atol=1e-5)
    assert found[0, pathway.target] == pytest.approx(pathway.masked.logit, rel=1e-4, abs=1e-5)


SAME = "pads = [1, 1, 1, 1]"
HEAD = "g = GlobalAveragePool(t); f = Flatten(g); y = Gemm<transB = 1>(f, L, l)"
FIRST = f"c = Conv<{SAME}>(x, A, a); r = Relu(c);"
NETWORKS = {
    "chain": f"{FIRST} p = MaxPool<kernel_shape = [2, 2]>(r); d = Conv(p, B, b); t = Relu(d); {HEAD}",
    "flattened": f"{FIRST} d = Conv(r, B, b); s = Relu(d); f = Flatten(s); z = MatMul(f, F); t = Relu(z); "
    "y = Gemm<transB = 1>(t, L, l)",
    "concatenated": f"{FIRST} e = Conv<{SAME}>(x, A2, a2); q = Relu(e); k = Concat<axis = 1>(r, q); "
    f"d = Conv(k, B2, b); t = Relu(d); {HEAD}",
    "depthwise": f"c = Conv<{SAME}>(x, A, a); r = Clip(c, zero, six); w = Conv<{SAME}, group = 8>(r, D, a2); "
    f"s = Clip(w, zero, six); e = Conv(s, B, b); t = Relu(e); {HEAD}",
    "residual": f"{FIRST} e = Conv<{SAME}>(r, E, a2); s = Relu(e); h = Conv<{SAME}>(s, E2, b); v = Add(r, h); "
    f"t = Relu(v); {HEAD}",
    "shared": f"{FIRST} e = Conv<{SAME}>(r, E, a); t = Relu(e); {HEAD}",
}
REMOVED = {"chain": 10, "flattened": 15, "concatenated": 15, "depthwise": 15, "residual": 5, "shared": 0}
"""A residual layer's channels are added to others that stay; a weight that two nodes read stays."""


def network(name):
    def normal(*shape):
        return RNG.normal(size=shape).astype(np.float32)

    values = {
        **{"A": normal(8, 3, 3, 3), "A2": normal(8, 3, 3, 3), "a": normal(8), "a2": normal(8), "B": normal(8, 8, 3, 3)},
        **{"b": normal(8), "B2": normal(8, 16, 3, 3), "D": normal(8, 1, 3, 3), "E": normal(8, 8, 3, 3)},
        **{"E2": normal(8, 8, 3, 3), "L": normal(4, 8), "l": normal(4), "F": normal(8 * 6 * 6, 8)},
        **{"zero": np.float32(0), "six": np.float32(6)},
    }
    read = set(re.findall(r"\w+", NETWORKS[name]))
    text = f"m (float[N, 3, 8, 8] x) => (float[N, 4] y) {{ {NETWORKS[name]} }}"
    return parse(text, **{k: v for k, v in values.items() if k in read})


@pytest.mark.parametrize("name", NETWORKS)
def test_channels_that_are_off_are_removed(name):
    """Five channels of eight are switched off by hand in every layer."""
    model = network(name)
    loaded = onnxpath.load(model)
    x = RNG.normal(size=(3, 3, 8, 8)).astype(np.float32)
    pathway = onnxpath.critical_pathway(loaded, x[:1], sparsity=0.3, scope="layer")[0]
    for mask in pathway.masks.values():
        mask[3:] = False
        mask[:3] = RNG.random(mask[:3].shape) < 0.7
        mask[0] = True
    made = pathway_model(model, pathway)
    onnx.checker.check_model(made, full_check=True)
    np.testing.assert_allclose(run(made, {"x": x})["y"], masked(model, pathway, x), rtol=1e-4, atol=1e-4)
    assert removed(made) == REMOVED[name]
    assert weights(made) <= weights(model) and facts(made)["parameters"].startswith(f"{weights(made)} of ")


@pytest.mark.parametrize(("name", "output", "left"), [("chain", "c", 5), ("chain", "d", 5), ("depthwise", "w", 5)])
def test_what_the_model_puts_out_keeps_its_channels(name, output, left):
    """A convolution whose values are an output of the model, beside the activation that reads them."""
    model = network(name)
    model.graph.output.append(onnx.helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, None))
    x = RNG.normal(size=(2, 3, 8, 8)).astype(np.float32)
    pathway = onnxpath.critical_pathway(model, x[:1], sparsity=0.3)[0]
    for mask in pathway.masks.values():
        mask[:3], mask[3:] = True, False
    made = pathway_model(model, pathway)
    found = run(made, {"x": x})
    np.testing.assert_allclose(found["y"], masked(model, pathway, x), rtol=1e-4, atol=1e-4)
    assert found[output].shape[1] == 8 and removed(made) == left


def test_a_layer_that_is_off_keeps_one_channel():
    model = network("chain")
    x = RNG.normal(size=(2, 3, 8, 8)).astype(np.float32)
    pathway = onnxpath.critical_pathway(model, x[:1], sparsity=1.0)[0]
    assert not any(m.any() for m in pathway.masks.values())
    made = pathway_model(model, pathway)
    np.testing.assert_allclose(run(made, {"x": x})["y"], masked(model, pathway, x), rtol=1e-5)
    assert removed(made) == 14


def test_a_depthwise_layer_keeps_what_the_layer_before_it_needs():
    model = network("depthwise")
    x = RNG.normal(size=(2, 3, 8, 8)).astype(np.float32)
    pathway = onnxpath.critical_pathway(model, x[:1], sparsity=0.0)[0]
    first, second, *_ = pathway.masks.values()
    for mask in pathway.masks.values():
        mask[:] = True
    first[2:6] = False
    second[4:] = False
    made = pathway_model(model, pathway)
    np.testing.assert_allclose(run(made, {"x": x})["y"], masked(model, pathway, x), rtol=1e-4, atol=1e-4)
    assert removed(made) == 2 * 2


def test_a_pathway_file(tmp_path):
    pathway = onnxpath.critical_pathway(sample("digits_cnn"), sample_images()[:1])[0]
    pathway.save(tmp_path / "p.npz")
    made = pathway_model(sample("digits_cnn"), tmp_path / "p.npz")
    assert facts(made)["pathway"] == "neuron-mct, sparsity 0.9, density 0.100030"


def test_a_pathway_of_another_model():
    pathway = onnxpath.critical_pathway(sample("digits_resnet"), sample_images()[:1])[0]
    with pytest.raises(InputError, match=r"not one of digits_cnn.onnx:\n  layer '.*' is not in the model"):
        pathway_model(sample("digits_cnn"), pathway)
