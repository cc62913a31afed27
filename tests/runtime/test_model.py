"""The loaded model: its facts, what may be fed, how rows are cut into runs, and its sessions."""

import hashlib

import numpy as np
import onnxruntime as ort
import pytest

import onnxpath
from onnxpath.errors import InputError, ModelError, UnknownName
from onnxpath.rules.gradient import gradient
from onnxpath.runtime.feeds import rows_of
from onnxpath.runtime.model import MOST_ROWS
from onnxpath.runtime.session import Session
from tests.models import mlp, parse, run, sample, sample_images

RNG = np.random.default_rng(6)


def load(model, **options):
    return onnxpath.load(model, providers="cpu", **options)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


MIXED = """m (float[n, 4] x, int64[n] i, double[n, 2] d, bool[n] b) => (float[n, 4] y) {
    c = Cast<to = 1>(d); s = ReduceSum<keepdims = 1>(c, axes); f = Cast<to = 1>(i); g = Unsqueeze(f, axes)
    h = Cast<to = 1>(b); k = Unsqueeze(h, axes); p = Mul(x, s); q = Add(p, g); y = Mul(q, k)
}"""
AXES = {"axes": np.int64([1])}


def mixed_feeds(rows=3):
    return {"x": normal(rows, 4), "i": np.arange(rows), "d": RNG.normal(size=(rows, 2)), "b": np.ones(rows, bool)}


# ------------------------------------------------------------------------------------------------------------ facts


def test_facts_of_a_sample_model():
    model = load(sample("digits_cnn"))
    assert [(i.name, i.dtype, i.shape) for i in model.inputs] == [("image", "float32", ("batch", 1, 16, 16))]
    assert [(o.name, o.shape) for o in model.outputs] == [("logits", ("batch", 10))]
    assert (model.opset, model.ir_version) == (17, 8)
    assert model.sha256 == hashlib.sha256(sample("digits_cnn").read_bytes()).hexdigest()
    counts = [16 * 9 + 16, 32 * 16 * 9 + 32, 32 * 32 * 9 + 32, 32 * 16 * 32 + 32, 32 * 10 + 10]
    assert model.parameters == sum(counts)
    assert [layer.neurons for layer in model.layers()] == [16 * 256, 32 * 64, 32 * 16, 32]
    assert load(sample("digits_cnn").read_bytes()).sha256 is None
    assert load(model.graph).inputs == model.inputs and onnxpath.load(model) is model


def test_coverage(monkeypatch):
    monkeypatch.delitem(gradient._rules, "Det", raising=False)
    assert load(mlp()).coverage() == {
        "exact": {"Gemm": ["Gemm_0", "Gemm_2", "Gemm_4"], "Relu": ["Relu_1", "Relu_3"]},
        "zero": {},
        "straight-through": {},
        "missing": {},
    }
    text = "m (float[n, 2, 2] x) => (float y) { f = Floor(x); g = Add(f, x); q, y, z = DynamicQuantizeLinear(g) }"
    table = load(parse(text)).coverage()
    assert (table["exact"], table["zero"]) == ({"Add": ["Add_1"]}, {"Floor": ["Floor_0"]})
    assert table["missing"] == {"DynamicQuantizeLinear": ["DynamicQuantizeLinear_2"]}
    with pytest.raises(UnknownName, match="no rule set named 'relevant'"):
        load(mlp()).coverage("relevant")


# ------------------------------------------------------------------------------------------------------------ feeds


def test_inputs_as_array_list_and_dict():
    feeds = mixed_feeds()
    model = load(parse(MIXED, **AXES))
    for given in (feeds, list(feeds.values()), tuple(feeds.values()), dict(reversed(feeds.items()))):
        made = model.feeds(given)
        assert list(made) == ["x", "i", "d", "b"]
        for name, value in feeds.items():
            np.testing.assert_array_equal(made[name], value)
            assert made[name].dtype == value.dtype
    assert list(load(mlp()).feeds(normal(2, 6).tolist())) == ["x"]


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.uint8, np.int64, bool])
def test_values_are_cast_where_that_is_safe(dtype):
    made = load(mlp()).feeds(np.ones((2, 6), dtype))["x"]
    assert made.dtype == np.float32 and made.flags.c_contiguous
    np.testing.assert_array_equal(made, np.ones((2, 6)))


def test_views_become_contiguous():
    x = normal(6, 2).T
    made = load(mlp()).feeds(x)["x"]
    assert made.flags.c_contiguous
    np.testing.assert_array_equal(made, x)


def test_everything_that_does_not_fit_is_said_at_once():
    feeds = mixed_feeds() | {
        "x": normal(3, 5),
        "i": np.ones(3),
        "d": np.full((3, 2), np.nan),
        "b": np.ones((3, 1), bool),
    }
    with pytest.raises(InputError) as error:
        load(parse(MIXED, **AXES)).feeds(feeds)
    lines = str(error.value).splitlines()
    assert lines == [
        "input 'x' wants N×4, and 3×5 was given",
        "input 'i' wants int64, and float64 was given",
        "input 'd' holds NaN or Inf as float64, first in row 0",
        "input 'b' wants N, and 3×1 was given",
    ]


BAD = {
    "no leading axis": (np.zeros(6), r"wants N×6, and 6 was given; a single row needs a leading axis"),
    "a number": (np.float32(1), "a scalar was given"),
    "no rows": (np.zeros((0, 6)), "has no rows"),
    "a path": (
        "images/",
        "input 'x' wants an array, and 'images/' was given; onnxpath.report and the verbs read files",
    ),
    "text": (np.full((1, 6), "a"), "wants float32, and <U1 was given"),
    "objects": (np.array([[None] * 6]), "wants float32, and object was given"),
    "complex": (np.zeros((1, 6), complex), "wants float32, and complex128 was given"),
    "Inf": (np.array([[0.0] * 6, [np.inf] * 6]), "holds NaN or Inf as float32, first in row 1"),
    "too large for float32": (np.full((2, 6), 1e300), "holds NaN or Inf as float32, first in row 0"),
    "ragged": ([[1.0, 2.0], [3.0]], "input 'x' is not an array: its rows or columns differ in length"),
}


@pytest.mark.parametrize(("kind", "value"), [("int32", 2**32 + 3), ("uint8", -1), ("bool", 2)])
def test_whole_numbers_that_do_not_fit(kind, value):
    model = load(parse(f"m (float[n, 1] x, {kind}[n] i) => (float[n] y) {{ f = Cast<to = 1>(i); y = Add(x, f) }}"))
    with pytest.raises(InputError, match=f"input 'i' is {kind}, which cannot hold {value}"):
        model.feeds({"x": normal(2, 1), "i": np.array([1, value])})


@pytest.mark.parametrize(("value", "text"), BAD.values(), ids=BAD.keys())
def test_values_that_do_not_fit(value, text):
    with pytest.raises(InputError, match=text):
        load(mlp()).feeds(value)


def test_rows_must_agree():
    with pytest.raises(InputError, match=r"different numbers of rows.*'x': 3.*'i': 2"):
        load(parse(MIXED, **AXES)).feeds(mixed_feeds() | {"i": np.arange(2)})


def test_names_must_be_right_and_complete():
    model = load(parse(MIXED, **AXES))
    with pytest.raises(UnknownName, match=r"no input named 'xx'; did you mean 'x'\?"):
        model.feeds({"xx": normal(3, 4)})
    with pytest.raises(InputError, match="no value was given for d, b"):
        model.feeds([normal(3, 4), np.arange(3)])
    with pytest.raises(InputError, match="4 inputs, and 5 values were given"):
        model.feeds([*mixed_feeds().values(), np.ones(3)])


# ---------------------------------------------------------------------------------------------------------- batches


def runs(model, x):
    feeds = model.feeds(x)
    return [(len(part["x"]), rows.start, rows.stop) for part, rows in model.batches(feeds)]


def fixed(rows):
    model = mlp()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = rows
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = rows
    return model


def test_a_fixed_batch_gets_exactly_its_rows():
    assert load(fixed(4)).fixed_rows == 4
    x = normal(10, 6)
    assert runs(load(fixed(4)), x) == [(4, 0, 4), (4, 4, 8), (4, 8, 10)]
    last = list(load(fixed(4)).batches({"x": x}))[-1][0]["x"]
    np.testing.assert_array_equal(last, x[[8, 9, 9, 9]])
    assert runs(load(fixed(4)), x[:1]) == [(4, 0, 1)]


def test_a_symbolic_batch_is_cut_by_the_memory_budget():
    assert load(mlp()).fixed_rows is None
    assert runs(load(mlp()), normal(10, 6)) == [(10, 0, 10)]
    assert runs(load(mlp(), memory=1), normal(3, 6)) == [(1, 0, 1), (1, 1, 2), (1, 2, 3)]
    assert runs(load(mlp()), normal(MOST_ROWS + 1, 6)) == [(MOST_ROWS, 0, MOST_ROWS), (1, MOST_ROWS, MOST_ROWS + 1)]


@pytest.mark.parametrize("name", ["digits_cnn", "digits_vit"])
def test_twice_the_budget_is_twice_the_rows(name):
    x = sample_images()
    rows = [load(sample(name), memory=m * 2**22).rows_per_run({"image": x}) for m in (1, 2, 4)]
    assert rows[0] >= 1 and abs(rows[1] - 2 * rows[0]) <= 1 and abs(rows[2] - 4 * rows[0]) <= 3


def test_open_sizes_count_as_they_are_fed():
    text = "m (float[n, 1, h, w] x) => (float[n, 1, h, w] y) { a = Relu(x); y = Neg(a) }"
    model = load(parse(text), memory=2**20)
    small, large = (model.rows_per_run({"x": normal(1, 1, s, s)}) for s in (16, 64))
    assert small == pytest.approx(16 * large, rel=0.2)
    joined = "m (float[n, 1, h, w] x) => (float[n, k] y) { a = Flatten(x); y = Neg(a) }"
    assert load(parse(joined), memory=2**20).rows_per_run({"x": normal(1, 1, 64, 64)}) == large


def test_values_count_by_their_width():
    text = "m ({kind}[n, 512] x) => ({kind}[n, 512] y) {{ a = Relu(x); y = Neg(a) }}"
    narrow, single, double = (
        load(parse(text.format(kind=kind)), memory=2**18).rows_per_run({"x": normal(1, 512)})
        for kind in ("float16", "float", "double")
    )
    assert narrow == 2 * single == 4 * double


def test_rows_of():
    assert rows_of({"x": normal(3, 2), "scale": np.float32(2)}) == 3


SCALED = "m (float[{n}, 6] x, {kind} s) => (float[{n}, 6] y) {{ f = Cast<to = 1>(s); a = Tanh(x); y = Mul(a, f) }}"


@pytest.mark.parametrize("n", ["n", "1", "2"])
@pytest.mark.parametrize("kind", ["float", "int64"])
def test_a_scalar_is_fed_to_every_run_and_explained_in_none(kind, n):
    model = load(parse(SCALED.format(kind=kind, n=n)), memory=1)
    x = normal(5, 6)
    assert model.sources == ["x"] and model.fixed_rows == (2 if n == "2" else None)
    found = onnxpath.attribute(model, {"x": x, "s": 3}, target=1, method="input-x-gradient")
    np.testing.assert_allclose(found.values[:, 1], 3 * x[:, 1] * (1 - np.tanh(x[:, 1]) ** 2), rtol=1e-5)
    assert model.session("model", model.program).to_device(np.float32(3)).shape() == []
    ablated = onnxpath.attribute(model, {"x": x, "s": 3}, target=1, method="feature-ablation")
    np.testing.assert_allclose(ablated.values[:, 1], 3 * np.tanh(x[:, 1]), rtol=1e-5)
    with pytest.raises(UnknownName, match="no computed float tensor named 's'"):
        model.about(["s"])


# --------------------------------------------------------------------------------------------------------- sessions


def test_a_program_is_built_once():
    model, built = load(mlp()), []

    def build():
        built.append(1)
        return model.graph.to_model()

    first = model.session(("a", 1), build)
    assert model.session(("a", 1), build) is first and len(built) == 1
    assert model.session(("a", 2), build) is not first and len(built) == 2
    loose = model.session("b", build, keep=False)
    assert model.session("b", build, keep=False) is not loose


def test_repeated_calls_open_no_more_sessions(monkeypatch):
    model, x = load(sample("digits_cnn")), sample_images()[:2]
    opened = []
    start = Session.__init__
    monkeypatch.setattr(Session, "__init__", lambda self, *a, **k: (opened.append(1), start(self, *a, **k))[1])
    onnxpath.attribute(model, x)
    count = len(opened)
    assert count
    for target in (None, 3, [1, 2]):
        onnxpath.attribute(model, x, target=target, sparsity=0.5)
        onnxpath.critical_pathway(model, x, target=target, sparsity=0.7)
    assert len(opened) == count + 2  # contributions with activity, and the masked network without a gradient


def test_what_onnx_runtime_refuses_is_a_model_error():
    model = parse("m (float[n, 4] x) => (float[n, 3] y) { y = MatMul(x, W) }", W=np.zeros((5, 3), np.float32))
    with pytest.raises(ModelError, match=r"does not load the program: .*|contradict each other"):
        onnxpath.attribute(load(model), normal(2, 4), method="gradient")


def test_what_fails_while_running_is_an_input_error():
    model = parse("m (float[n, k] x) => (float[n, 3] y) { y = MatMul(x, W) }", W=np.zeros((5, 3), np.float32))
    session = Session(model)
    with pytest.raises(InputError, match="ONNX Runtime failed on this input: "):
        session.run({"x": normal(2, 4)})
    with pytest.raises(InputError, match="ONNX Runtime failed on this input: "):
        session.run_on_device({"x": normal(2, 4)})


def test_sessions_run_on_arrays_and_on_device_values():
    session, x = Session(mlp()), normal(3, 6)
    expected = run(mlp(), {"x": x})["y"]
    np.testing.assert_array_equal(session.run({"x": x, "not an input": x})["y"], expected)
    made = session.run_on_device({"x": x})["y"]
    np.testing.assert_array_equal(made.numpy(), expected)
    back = Session(parse("m (float[n, 3] x) => (float[n, 3] y) { y = Neg(x) }")).run({"x": made}, ["y"])
    np.testing.assert_array_equal(back["y"], -expected)


def test_a_model_made_from_another_keeps_its_settings():
    model = onnxpath.load(sample("digits_cnn"), providers="cpu", memory=1 << 20, threads=1, rules="straight-through")
    model = model.derived(spinning=False)
    layer = model.layers()[0].name
    for other in (model.about([layer]), model.beginning_at([layer]), model.derived(graph=model.graph.copy())):
        for setting in ("provider", "memory", "rules", "threads", "precision", "spinning"):
            assert getattr(other, setting) == getattr(model, setting), setting
    assert model.derived(path=None).path is None and model.derived().path == model.path


@pytest.mark.parametrize("spinning", [True, False])
def test_threads_of_a_model_spin_or_not(spinning, monkeypatch):
    told, add = {}, ort.SessionOptions.add_session_config_entry

    def entry(options, key, value):
        told[key] = value
        add(options, key, value)

    monkeypatch.setattr(ort.SessionOptions, "add_session_config_entry", entry)
    onnxpath.attribute(load(mlp()).derived(spinning=spinning), normal(2, 6), method="gradient")
    assert told["session.intra_op.allow_spinning"] == str(int(spinning))
