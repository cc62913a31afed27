"""What `attribute` takes and returns, whatever the method: batches, inputs of every layout, images, files, errors."""

import json

import numpy as np
import onnx
import onnx.shape_inference
import onnx.utils
import pytest

import onnxpath
from onnxpath.attribution.methods import METHODS
from onnxpath.attribution.methods.cam import CAMS
from onnxpath.attribution.perturb import BLACK_BOX
from onnxpath.errors import InputError, JobError, ModelError, OnnxPathError, UnknownName, UnsupportedOperator
from onnxpath.rules.gradient import gradient
from tests.models import SAMPLES, input_name, mlp, parse, real_input, relative, run, sample, sample_images

RNG = np.random.default_rng(14)
RELEVANCE = {"lrp", "rap"}
NEED_A_LAYER = {"layer-activation", "layer-gradient-x-activation", "conductance", "internal-influence"}
NEED_A_LAYER |= {"neuron-conductance"}
DEEPLIFT = {"deeplift", "deeplift-shap"}
every_method = pytest.mark.parametrize("method", [n for n in METHODS.names() if n not in NEED_A_LAYER])
through_rules = pytest.mark.parametrize("method", [n for n in METHODS.names() if n not in {*BLACK_BOX, *NEED_A_LAYER}])
by_gradients = pytest.mark.parametrize(
    "method", [n for n in METHODS.names() if n not in {*RELEVANCE, *CAMS, *BLACK_BOX, *NEED_A_LAYER, *DEEPLIFT}]
)
AVERAGES = {"expected-gradients", "gradient-shap", "deeplift-shap"}
TUNNELS = {"smoothgrad", "smoothgrad-squared", "vargrad"}
QUICK = {"shapley-value-sampling": {"n_samples": 1}, "rise": {"n_masks": 20}}
QUICK |= {name: {"n_samples": 3} for name in [*TUNNELS, *(AVERAGES - DEEPLIFT)]}
# Their orders, or their noise, are drawn over the places of an input, which are others in another layout.
DRAWN_BY_PLACE = {"shapley-value-sampling", *TUNNELS}
WITH_PATHWAYS = {"pathway-gradient", "prunegrad", "pruneint"}
WITH_DELTA = {"integrated-gradients", *DEEPLIFT, *AVERAGES, *RELEVANCE}


@pytest.fixture(autouse=True)
def same_draws():
    """Every test draws the same, whichever ran before it in its process."""
    global RNG
    RNG = np.random.default_rng(14)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def attribute(model, x, **options):
    return onnxpath.attribute(
        onnxpath.load(model, providers="cpu"), x, **QUICK.get(options.get("method"), {}) | options
    )


# ---------------------------------------------------------------------------------------------------------- batches


@every_method
@pytest.mark.parametrize("name", SAMPLES)
def test_a_batch_of_seven_is_seven_batches_of_one(name, method):
    x, model = sample_images()[:7], onnxpath.load(sample(name), providers="cpu")
    if name == "digits_vit" and method in RELEVANCE:
        with pytest.raises(UnsupportedOperator, match=r"Softmax(.|\n)*: only the composite attnlrp has a rel"):
            onnxpath.attribute(model, x, method=method)
        return
    if name == "digits_vit" and method in CAMS:
        with pytest.raises(ModelError, match="does not keep the axes of image"):
            onnxpath.attribute(model, x, method=method)
        return
    together = attribute(model, x, method=method)
    single = [attribute(model, x[i : i + 1], method=method) for i in range(7)]
    assert together.values.shape == x.shape and together.values.dtype == np.float32
    assert relative(together.values, np.concatenate([s.values for s in single])) <= 1e-2
    for field in ("target", "prediction"):
        np.testing.assert_array_equal(getattr(together, field), np.concatenate([getattr(s, field) for s in single]))
    assert relative(together.logits, np.concatenate([s.logits for s in single])) <= 1e-5


@every_method
def test_a_small_memory_budget_changes_nothing(method):
    x = sample_images()[:5]
    name = "digits_cnn" if method in {*RELEVANCE, *CAMS} else "digits_vit"
    small, large = (onnxpath.load(sample(name), providers="cpu", memory=m) for m in (1, 2**30))
    assert small.rows_per_run({"image": x}) == 1
    one, other = (attribute(m, x, method=method) for m in (small, large))
    assert relative(one.values, other.values) <= 1e-3
    np.testing.assert_array_equal(one.target, other.target)
    assert len(one.pathways or []) == len(other.pathways or [])


@every_method
def test_a_fixed_batch_of_one(method, data_dir):
    path = data_dir / "models" / "mnist8_cntk.onnx"
    x = real_input(data_dir, "mnist8_cntk", 3)
    found = attribute(path, x, method=method)
    assert found.values.shape == x.shape
    expected = [next(iter(run(path, {input_name(path): x[i : i + 1]}).values())).argmax() for i in range(3)]
    assert found.prediction.tolist() == found.target.tolist() == expected
    for row in range(3):
        alone = attribute(path, x[row : row + 1], method=method).values[0]
        # These sum over a row, or run perturbed rows, and in which order depends on how many there are.
        near = 1e-4 if method in BLACK_BOX else 1e-5 if method in {"rap", *CAMS} else 0
        assert relative(found.values[row], alone) <= near


# ----------------------------------------------------------------------------------------- inputs of every layout


def test_rows_of_one_axis():
    model, x = mlp(), normal(5, 6)
    w = {t.name: t for t in model.graph.initializer}
    w = {k: np.frombuffer(t.raw_data, np.float32).reshape(t.dims) for k, t in w.items()}
    z0 = x @ w["W0"] + w["b0"]
    z1 = np.maximum(z0, 0) @ w["W1"] + w["b1"]
    expected = ((w["W2"][:, 2] * (z1 > 0)) @ w["W1"].T * (z0 > 0)) @ w["W0"].T
    assert relative(attribute(model, x, target=2, method="gradient").values, expected) <= 1e-5
    assert relative(attribute(model, x, target=2, method="input-x-gradient").values, x * expected) <= 1e-5
    with pytest.raises(InputError, match=r"an image needs rows of three axes; these have 1\. Use `\.values`"):
        attribute(model, x, target=2, method="gradient").to_image()


@pytest.mark.parametrize("method", [n for n in METHODS.names() if n not in NEED_A_LAYER | DRAWN_BY_PLACE])
def test_channels_last(method):
    nodes = "t = Transpose<perm = [0, 3, 1, 2]>(x); c = Conv<pads = [1, 1, 1, 1]>(t, K); a = Relu(c); {}"
    tail = "p = GlobalAveragePool(a); f = Flatten(p); y = MatMul(f, W)"
    weights = {"K": normal(4, 2, 3, 3), "W": normal(4, 3)}
    last = parse(f"m (float[n, 5, 6, 2] x) => (float[n, 3] y) {{ {nodes.format(tail)} }}", **weights)
    first = nodes.replace("t = Transpose<perm = [0, 3, 1, 2]>(x); ", "").replace("(t, K)", "(x, K)")
    first = parse(f"m (float[n, 2, 5, 6] x) => (float[n, 3] y) {{ {first.format(tail)} }}", **weights)
    x = normal(3, 5, 6, 2)
    found = attribute(last, x, method=method, target=1)
    expected = attribute(first, x.transpose(0, 3, 1, 2), method=method, target=1)
    assert relative(found.values, expected.values.transpose(0, 2, 3, 1)) <= 1e-4
    assert found.to_image(1, channel_axis=-1).shape == (5, 6)
    assert relative(found.to_image(1, channel_axis=-1), expected.to_image(1)) <= 1e-4


TWO = """m (float[n, 6] x, float[n, 4] z, int64[n] i, float[n, 2] off) => (float[n, 3] y, float[n, 2] o) {
    p = MatMul(x, W); q = MatMul(z, V); s = Add(p, q); a = Relu(s); e = Gather(E, i); m = Mul(a, e); y = MatMul(m, U)
    o = Tanh(off)
}"""
TWO_WEIGHTS = {"W": normal(6, 5), "V": normal(4, 5), "E": normal(7, 5), "U": normal(5, 3)}


def two_feeds(rows=4):
    return {"x": normal(rows, 6), "z": normal(rows, 4), "i": RNG.integers(0, 7, rows), "off": normal(rows, 2)}


def test_several_inputs():
    f, w = two_feeds(), TWO_WEIGHTS
    found = attribute(parse(TWO, **w), f, target=1, method="gradient")
    inner = w["U"][:, 1] * w["E"][f["i"]] * (f["x"] @ w["W"] + f["z"] @ w["V"] > 0)
    assert list(found.values) == ["x", "z", "off"]
    assert relative(found.values["x"], inner @ w["W"].T) <= 1e-5
    assert relative(found.values["z"], inner @ w["V"].T) <= 1e-5
    np.testing.assert_array_equal(found.values["off"], np.zeros((4, 2)))


def test_integrated_gradients_of_several_inputs_share_the_path():
    f, w = two_feeds(), TWO_WEIGHTS
    starts = {"x": 0.5, "z": normal(1, 4)}
    found = attribute(parse(TWO, **w), f, target=1, method="integrated-gradients", baselines=starts, n_steps=200)

    def logit(x, z):
        return ((np.maximum(x @ w["W"] + z @ w["V"], 0) * w["E"][f["i"]]) @ w["U"])[:, 1]

    change = logit(f["x"], f["z"]) - logit(np.full_like(f["x"], 0.5), np.broadcast_to(starts["z"], (4, 4)))
    total = sum(v.sum(1) for v in found.values.values())
    np.testing.assert_allclose(total, change, atol=0.05)
    np.testing.assert_allclose(found.delta, total - change, atol=1e-3)
    np.testing.assert_array_equal(found.values["off"], np.zeros((4, 2)))
    order = onnxpath.load(parse(TWO, **w)).sources
    in_order = tuple(starts.get(name, 0) for name in order)
    as_tuple = attribute(parse(TWO, **w), f, target=1, method="integrated-gradients", baselines=in_order, n_steps=200)
    for name in order:
        np.testing.assert_array_equal(as_tuple.values[name], found.values[name])


@every_method
def test_every_method_takes_several_inputs(method):
    if method in CAMS:
        with pytest.raises(ModelError, match="no layer with positions lies between x, z, off and 'y'"):
            attribute(parse(TWO, **TWO_WEIGHTS), two_feeds(), method=method)
        return
    found = attribute(parse(TWO, **TWO_WEIGHTS), two_feeds(), method=method)
    assert {k: v.shape for k, v in found.values.items()} == {"x": (4, 6), "z": (4, 4), "off": (4, 2)}


# ----------------------------------------------------------------------------------------------------- what comes back


@every_method
def test_what_is_said(method):
    x = sample_images()[:3]
    found = attribute(sample("digits_cnn"), x, method=method, target=4)
    logits = run(sample("digits_cnn"), {"image": x})["logits"]
    assert found.method == method and found.options == METHODS.get(method).defaults | QUICK.get(method, {})
    assert found.target.tolist() == [4, 4, 4] and relative(found.logits, logits) <= 1e-5
    np.testing.assert_array_equal(found.prediction, logits.argmax(1))
    assert (found.delta is not None) == (method in WITH_DELTA)
    assert (found.pathways is not None) == (method in WITH_PATHWAYS)


def test_rows_that_must_be_run_one_by_one_are_said():
    model = parse("m (float[n, 6] x) => (float[n, 6] y) { s = Softmax<axis = 0>(x); y = Tanh(s) }")
    (note,) = attribute(model, normal(3, 6), method="gradient").notes
    assert note.startswith("rows are run one by one: ") and "Softmax" in note
    assert attribute(model, normal(1, 6), method="gradient").notes == []


def test_images_are_signed_and_symmetric():
    x = sample_images()[:2]
    found = attribute(sample("digits_cnn"), x, method="gradient")
    image = found.to_image(1)
    assert image.shape == (16, 16) and np.abs(image).max() == pytest.approx(1)
    assert relative(image * np.abs(found.values[1, 0]).max(), found.values[1, 0]) <= 1e-6
    np.testing.assert_array_equal(found.to_image(1, input="image"), image)
    zero = attribute(sample("digits_cnn"), x, method="input-x-gradient", target=np.zeros((2, 10), np.float32))
    np.testing.assert_array_equal(zero.to_image(), np.zeros((16, 16)))
    with pytest.raises(UnknownName, match=r"no input with a map named 'picture'(.|\n)*known: image"):
        found.to_image(input="picture")


@every_method
def test_saved_maps(method, tmp_path):
    found = attribute(sample("digits_cnn"), sample_images()[:2], method=method)
    found.save(tmp_path / "map.npz")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["map.json", "map.npz"]
    with np.load(tmp_path / "map.npz") as data:
        np.testing.assert_array_equal(data["map_image"], found.values)
        for field in ("target", "prediction", "logits"):
            np.testing.assert_array_equal(data[field], getattr(found, field))
        assert ("delta" in data) == (method in WITH_DELTA)
    about = json.loads((tmp_path / "map.json").read_text())
    assert about == {"method": method, "options": dict(found.options), "inputs": ["image"], "notes": found.notes}


def test_maps_that_cannot_be_saved(tmp_path):
    (tmp_path / "file").write_text("")
    found = attribute(sample("digits_vit"), sample_images()[:1], method="gradient")
    with pytest.raises(JobError, match="cannot be written"):
        found.save(tmp_path / "file" / "map.npz")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


# ------------------------------------------------------------------------------------------------- what cannot be asked


def test_unknown_methods_and_options():
    x = sample_images()[:1]
    with pytest.raises(UnknownName, match=r"no attribution method named 'gradients'; did you mean 'gradient'\?"):
        attribute(sample("digits_cnn"), x, method="gradients")
    with pytest.raises(UnknownName, match=r"no option of method 'integrated-gradients' named 'steps'; did you mean"):
        attribute(sample("digits_cnn"), x, method="integrated-gradients", steps=3)
    with pytest.raises(UnknownName, match="of method 'pathway-gradient' or selector 'neuron-mct' named 'n_step'"):
        attribute(sample("digits_cnn"), x, n_step=3)


@pytest.mark.parametrize(
    ("baseline", "error", "text"),
    [
        (
            np.zeros((3, 1, 16, 16)),
            InputError,
            r"`baselines` does not fit input 'image' \(2, 1, 16, 16\)",
        ),
        (np.zeros(5), InputError, r"`baselines` does not fit input 'image'"),
        ("black", InputError, r"`baselines` .*'image'"),
        ({"imag": 0}, UnknownName, r"no float input named 'imag'; did you mean 'image'\?"),
        (np.nan, InputError, r"`baselines` .*NaN or Inf"),
    ],
    ids=["rows", "shape", "text", "name", "NaN"],
)
def test_baselines_that_do_not_fit(baseline, error, text):
    with pytest.raises(error, match=text):
        attribute(sample("digits_cnn"), sample_images()[:2], method="integrated-gradients", baselines=baseline)


@through_rules
def test_no_float_path_is_an_error(method):
    model = parse("m (float[n, 6] x) => (float[n, 6] y) { a = Relu(x); i = Cast<to = 7>(a); y = Cast<to = 1>(i) }")
    with pytest.raises(OnnxPathError, match=r"no (float path|neuron layer)"):
        attribute(model, np.ones((2, 6)), method=method)


@by_gradients
def test_operators_without_a_rule_are_listed(method, monkeypatch):
    monkeypatch.delitem(gradient._rules, "Tanh")
    model = parse("m (float[n, 6] x) => (float[n, 6] y) { a = Relu(x); y = Tanh(a) }")
    with pytest.raises(
        UnsupportedOperator, match=r"no [a-z-]+ rule for 1 operator (.|\n)*Tanh \(opset 21\): node 'Tanh_"
    ):
        attribute(model, np.ones((2, 6)), method=method)


# ------------------------------------------------------------------------------------------------- hidden tensors


@pytest.mark.parametrize("method", ["gradient", "integrated-gradients", "guided-backprop", "lrp"])
def test_a_neuron_is_explained_as_the_output_of_the_model_cut_there(method):
    x, whole = sample_images()[:3], onnxpath.load(sample("digits_cnn"), providers="cpu")
    layer = whole.layers()[1].name
    cut = onnx.shape_inference.infer_shapes(onnx.load(sample("digits_cnn")))
    cut = onnx.utils.Extractor(cut).extract_model(["image"], [layer])
    neuron = (3, 1, 2)
    found, wanted = (
        onnxpath.attribute(m, x, [neuron] * 3, method=method, output=layer) for m in (whole, cut.SerializeToString())
    )
    np.testing.assert_array_equal(found.target, wanted.target)
    assert relative(found.logits, wanted.logits) <= 1e-6 and relative(found.values, wanted.values) <= 1e-5


def test_a_tensor_that_is_not_there_cannot_be_explained():
    with pytest.raises(UnknownName, match=r"no float output named 'nothing'(.|\n)*any other float tensor"):
        attribute(sample("digits_cnn"), sample_images()[:1], output="nothing")
