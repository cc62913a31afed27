"""Models that cannot be used: a clear error, exit code 2, nothing written, and no input read."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from onnxpath.batch import explain
from tests.cli.program import CNN, IMAGES, ONE_IMAGE, PREPROCESS, refused, run
from tests.models import mlp, parse, value_info

IMAGE_VERBS = ["activations", "explain", "pathway", "report"]


@pytest.fixture
def no_reading(monkeypatch):
    """Fail the test where an input is read."""

    def read(*arguments, **named):
        raise AssertionError("an input was read though the model cannot be used")

    monkeypatch.setattr(explain, "read_item", read)


def saved(folder, model):
    path = folder / "model.onnx"
    onnx.save(model, path)
    return path


def refuse(folder, model, verb="report", *options, inputs=IMAGES):
    return refused(folder / "out", verb, model, inputs, *options)


@pytest.mark.parametrize("verb", IMAGE_VERBS)
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"this is not a model", "is not an ONNX model or is truncated (19 bytes); export or copy the file again"),
        (b"", "export or copy the file again"),
        (CNN.read_bytes()[:60000], "export or copy the file again"),
    ],
    ids=["text", "empty", "truncated"],
)
def test_files_that_are_no_model(tmp_path, no_reading, verb, content, says):
    (tmp_path / "model.onnx").write_bytes(content)
    assert says in refuse(tmp_path, tmp_path / "model.onnx", verb)


@pytest.mark.parametrize("verb", IMAGE_VERBS)
def test_missing_file_and_folder(tmp_path, no_reading, verb):
    assert "no.onnx' does not exist; give the path of an .onnx file" in refuse(tmp_path, tmp_path / "no.onnx", verb)
    assert "is a folder, not a file; give the path of an .onnx file" in refuse(tmp_path, tmp_path, verb)


def external(folder, location="weights.bin"):
    model = mlp()
    onnx.save(model, folder / "model.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    return saved(folder, model)


def test_external_data_that_is_missing(tmp_path, no_reading):
    path = external(tmp_path)
    (tmp_path / "weights.bin").unlink()
    text = refuse(tmp_path, path)
    assert "'W0': file 'weights.bin' is missing beside the model" in text and "'b2'" in text


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/hostname", "deep/../../weights.bin"])
def test_external_data_outside_the_folder(tmp_path, no_reading, location):
    folder = tmp_path / "model"
    folder.mkdir()
    path = external(folder, location)
    (folder / "weights.bin").rename(tmp_path / "weights.bin")
    assert f"'{location}' points outside the model's folder (refused)" in refuse(tmp_path, path)


def test_external_data_through_a_link_outside_the_folder(tmp_path, no_reading):
    folder = tmp_path / "model"
    folder.mkdir()
    path = external(folder)
    (folder / "weights.bin").rename(tmp_path / "weights.bin")
    (folder / "weights.bin").symlink_to(tmp_path / "weights.bin")
    assert "points outside the model's folder (refused)" in refuse(tmp_path, path)


def test_external_data_that_is_truncated(tmp_path, no_reading):
    path = external(tmp_path)
    data = (tmp_path / "weights.bin").read_bytes()
    (tmp_path / "weights.bin").write_bytes(data[:100])
    assert "weights" in refuse(tmp_path, path)


NO_PATH = "m (float[n, 3] x) => (float[n, 3] y) { i = Cast<to = 7>(x); f = Cast<to = 1>(i); r = Relu(f); y = Neg(r) }"


@pytest.mark.parametrize("verb", ["explain", "report"])
def test_no_float_path(tmp_path, no_reading, verb):
    np.save(tmp_path / "x.npy", np.zeros((2, 3), np.float32))
    path = saved(tmp_path, parse(NO_PATH))
    text = refuse(tmp_path, path, verb, inputs=tmp_path / "x.npy")
    assert "no float path leads from x to y, so there is no gradient; explain another output" in text
    assert "no float path leads from x to y" in refused(tmp_path / "gradient.onnx", "gradient", path)


def test_integer_input_has_pathways_and_maps_where_it_becomes_float(tmp_path):
    table, w = np.random.default_rng(0).normal(size=(2, 10, 10)).astype(np.float32)
    nodes = "e = Gather(table, ids); r = Relu(e); s = ReduceSum<keepdims = 0>(r, axes); y = MatMul(s, w)"
    text = f"m (int64[n, 5] ids) => (float[n, 10] y) {{ {nodes} }}"
    path = saved(tmp_path, parse(text, table=table, w=w, axes=np.int64([1])))
    np.save(tmp_path / "ids.npy", np.arange(10).reshape(2, 5))
    assert run("pathway", path, tmp_path / "ids.npy", "-o", tmp_path / "out").code == 0
    assert run("explain", path, tmp_path / "ids.npy", "-o", tmp_path / "maps").code == 0
    cast = "m (int64[n, 5] ids) => (float[n, 5] y) { f = Cast<to = 1>(ids); y = Relu(f) }"
    for method in ("gradient", "rise"):
        out = tmp_path / f"cast-{method}"
        done = run("explain", saved(tmp_path, parse(cast)), tmp_path / "ids.npy", "--method", method, "-o", out)
        assert done.code == 0, done.stderr
    twice = cast.replace("y = Relu(f)", "g = Cast<to = 1>(ids); a = Relu(f); b = Sigmoid(g); y = Add(a, b)")
    text = refuse(tmp_path, saved(tmp_path, parse(twice)), "explain", inputs=tmp_path / "ids.npy")
    assert "neither looked up in a table nor each cast to float in one place: 'ids' (int64); name float tensors" in text


def custom(domain, name="Warp"):
    node = helper.make_node(name, ["x"], ["w"], "warp/grid", domain=domain)
    relu = helper.make_node("Relu", ["w"], ["y"], "relu")
    graph = helper.make_graph([node, relu], "m", [value_info("x", ["n", 3])], [value_info("y", ["n", 3])])
    imports = [helper.make_opsetid("", 17)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


@pytest.mark.parametrize("verb", IMAGE_VERBS)
@pytest.mark.parametrize(
    ("domain", "says"),
    [
        ("", ["ai.onnx::Warp (opset 17): node 'warp/grid'", "standard ai.onnx operators"]),
        ("com.example", ["com.example::Warp", "node 'warp/grid'", "standard ai.onnx operators"]),
        ("com.microsoft.nchwc", ["com.microsoft.nchwc::Warp", "level BASIC, use the file that it was made from"]),
        ("com.microsoft", ["com.microsoft::Warp", "level BASIC, use the file that it was made from"]),
    ],
)
def test_operators_that_nobody_defines(tmp_path, no_reading, verb, domain, says):
    text = refuse(tmp_path, saved(tmp_path, custom(domain)), verb)
    assert all(part in text for part in says), text


@pytest.mark.parametrize("verb", ["explain", "report", "pathway"])
def test_operators_without_a_rule_are_all_listed_before_an_input_is_read(tmp_path, no_reading, verb):
    nodes = "r = Relu(x); a = Bernoulli(r); t = Tanh(a); b = Bernoulli(r); y = Add(t, b)"
    path = saved(tmp_path, parse(f"m (float[n, 3, 3] x) => (float[n, 3, 3] y) {{ {nodes} }}"))
    np.save(tmp_path / "x.npy", np.eye(3, dtype=np.float32)[None])
    text = refuse(tmp_path, path, verb, inputs=tmp_path / "x.npy")
    assert "no gradient rule for" in text and "Bernoulli (opset 21): node" in text and "and 1 more" in text
    assert "onnxpath inspect MODEL" in text
    if verb == "pathway":
        done = run("pathway", path, tmp_path / "x.npy", "--selector", "random", "-o", tmp_path / "out")
        assert "no gradient rule" not in done.err
    assert run("inspect", path).code == 0


def test_no_neuron_layer(tmp_path, no_reading):
    path = saved(tmp_path, parse("m (float[n, 3] x) => (float[n, 3] y) { y = Neg(x) }"))
    np.save(tmp_path / "x.npy", np.ones((1, 3), np.float32))
    advice = {"activations": "name others with --tensor"}
    for verb in ("pathway", "report", "activations"):
        text = refuse(tmp_path, path, verb, inputs=tmp_path / "x.npy")
        assert "the model has no neuron layer" in text
        assert advice.get(verb, "methods such as gradient or feature-ablation do not") in text


def test_no_float_output(tmp_path, no_reading):
    path = saved(tmp_path, parse("m (float[n, 3] x) => (int64[n] y) { y = ArgMax<axis = 1, keepdims = 0>(x) }"))
    assert "the model has no float output" in refuse(tmp_path, path)


@pytest.mark.parametrize("verb", IMAGE_VERBS)
def test_several_inputs(tmp_path, no_reading, verb):
    path = saved(
        tmp_path,
        parse("m (float[n, 3] a, float[n, 3] b) => (float[n, 3] y) { s = Add(a, b); r = Relu(s); y = Neg(r) }"),
    )
    text = refuse(tmp_path, path, verb)
    assert "models with one input or with token ids, and this one has 2: a, b; use onnxpath.attribute" in text


@pytest.mark.parametrize("dtype", [TensorProto.STRING])
def test_inputs_that_no_file_can_feed(tmp_path, no_reading, dtype):
    node = helper.make_node("Identity", ["x"], ["i"])
    weight = numpy_helper.from_array(np.ones((1, 3), np.float32), "w")
    relu = helper.make_node("Relu", ["w"], ["y"])
    outputs = [value_info("y", [1, 3]), value_info("i", ["n", 3], dtype)]
    graph = helper.make_graph([node, relu], "m", [value_info("x", ["n", 3], dtype)], outputs, [weight])
    path = saved(tmp_path, helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10))
    assert "files are fed to float and integer inputs" in refuse(tmp_path, path, "pathway")


def test_input_of_unknown_rank(tmp_path, no_reading):
    model = mlp()
    model.graph.input[0].type.tensor_type.ClearField("shape")
    assert "export the model with the rank of its input" in refuse(tmp_path, saved(tmp_path, model), "pathway")


@pytest.mark.parametrize("verb", ["gradient", "compile"])
def test_a_model_is_never_replaced_by_what_is_made_of_it(tmp_path, verb):
    path = saved(tmp_path, mlp())
    before = path.read_bytes()
    (tmp_path / "folder").mkdir()
    other = tmp_path / "folder" / ".." / path.name
    assert "is what is read, and would be lost; name another file" in run(verb, path, "-o", other).err
    assert path.read_bytes() == before
    assert "cannot be written: it is a folder; name a file in it" in run(verb, path, "-o", tmp_path / "folder").err


def test_gradient_of_names_that_are_taken_or_unknown(tmp_path):
    model, first, out = saved(tmp_path, mlp()), tmp_path / "first.onnx", tmp_path / "second.onnx"
    assert run("gradient", model, "-o", first).code == 0
    assert "choose another `prefix`" in refused(out, "gradient", first, "--of", "y")
    assert "did you mean 'logits'?" in refused(out, "gradient", CNN, "--of", "logit")
    assert "did you mean 'image'?" in refused(out, "gradient", CNN, "--wrt", "imagee")
    assert run("gradient", first, "--prefix", "again_", "-o", out).code == 0


def test_preprocess_and_image_exist():
    """So that the tests above fail for the reason that they name."""
    assert PREPROCESS.is_file() and ONE_IMAGE.is_file()


def test_a_model_that_only_onnx_runtime_finds_fault_with(tmp_path):
    """Found by fuzzing: the weight of a convolution with one axis. What a rule trips over is then no bug."""
    model = onnx.load(CNN)
    weight = next(t for t in model.graph.initializer if len(t.dims) == 4)
    weight.dims[:] = [int(np.prod(weight.dims))]
    for node in model.graph.node:
        if weight.name in node.input:
            del node.attribute[:]
    text = refuse(tmp_path, saved(tmp_path, model), "explain", "--preprocess", PREPROCESS)
    assert "ONNX Runtime does not load" in text or "contradict each other" in text


def test_a_bug_is_a_bug_where_onnx_runtime_loads_the_model(tmp_path, monkeypatch):
    monkeypatch.setattr("onnxpath.runtime.model.load_graph", lambda *given, **options: 1 / 0)
    done = run("inspect", CNN)
    assert done.code == 2 and "this is a bug in onnxpath: ZeroDivisionError" in done.err
    bad = saved(tmp_path, parse("m (float[n, 3] x) => (float[n, 3] y) { y = MatMul(x, w) }", w=np.ones(5, np.float32)))
    done = run("inspect", bad)
    assert done.code == 2 and "ONNX Runtime does not load" in done.err and "bug in onnxpath" not in done.err


@pytest.mark.parametrize("method", ["gradient", "integrated-gradients"])
def test_an_output_that_is_a_weight_has_no_explainer(tmp_path, method):
    """Found by fuzzing: nothing of the input reaches it."""
    model = mlp()
    model.graph.output[0].name = model.graph.initializer[0].name
    text = refused(tmp_path / "out.onnx", "compile", saved(tmp_path, model), "--method", method)
    assert "no float path leads from x to W0, so there is no gradient; explain another output" in text
