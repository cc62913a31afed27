"""Reports from end to end: numbers, arrays, pages in a browser, odd models, runs that are stopped."""

import json
import shutil
import signal
import time

import numpy as np
import onnx
import pytest
import typer
from onnx import numpy_helper
from PIL import Image

import onnxpath
from tests.cli.program import (
    CLASSES,
    CNN,
    IMAGES,
    ONE_IMAGE,
    PREPROCESS,
    run,
    run_apart,
    started,
    tree,
)
from tests.conftest import BROWSER
from tests.models import SAMPLES, input_name, mlp, parse, relative, sample, sample_images
from tests.models import run as run_model


def make(folder, model, inputs, *options):
    """Write a report and return its data."""
    done = run("report", model, inputs, *options, "-o", folder)
    assert done.code == 0, done
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


def softmax(values):
    shifted = np.exp(values - values.max())
    return shifted / shifted.sum()


def check_numbers(folder, data, model, x):
    """Predictions are those of ONNX Runtime itself, arrays load, pathways are read back."""
    (logits,) = run_model(model, {input_name(model): x}).values()
    assert len(data["items"]) == len(x)
    for item, row in zip(data["items"], logits, strict=True):
        best = np.argsort(-row, kind="stable")[:5]
        assert [p["index"] for p in item["predictions"]] == best.tolist()
        np.testing.assert_allclose([p["logit"] for p in item["predictions"]], row[best], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(
            [p["softmax"] for p in item["predictions"]], softmax(row)[best], rtol=1e-3, atol=1e-6
        )
        assert item["target"]["index"] == best[0] == item["pathway"]["prediction"]["index"]
        with np.load(folder / item["arrays"]) as arrays:
            assert relative(arrays["logits"], row) < 1e-5
            for method in data["run"]["methods"]:
                values = arrays[f"map_{method}"]
                assert values.shape == x.shape[1:] and values.dtype == np.float32 and np.isfinite(values).all()
        pathway = onnxpath.Pathway.load(folder / item["arrays"])
        assert pathway.density == item["pathway"]["density"] and pathway.kept_prediction == item["pathway"]["kept"]
        assert sum(int(mask.sum()) for mask in pathway.masks.values()) == sum(
            c["kept"] for c in item["pathway"]["layers"]
        )
        assert pathway.density <= 0.1 + 1e-3


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """A report of each sample model: name -> (folder, data)."""
    made = {}
    for name in SAMPLES:
        folder = tmp_path_factory.mktemp(name)
        made[name] = folder, make(folder, sample(name), IMAGES, "--preprocess", PREPROCESS, "--classes", CLASSES)
    return made


@pytest.mark.parametrize("name", SAMPLES)
def test_numbers_of_a_report(reports, name):
    folder, data = reports[name]
    check_numbers(folder, data, sample(name), sample_images())
    assert data["run"]["provider"] in ("cpu", "cuda") and data["warnings"] == [] and data["failures"] == []
    assert data["items"][0]["predictions"][0]["name"] == "7"  # digit_00_label_7.png
    made = ["arrays", "job.json", "report.html", "report.json", "timings.jsonl", "units"]
    assert sorted(p.name for p in folder.iterdir()) == made
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert all(item["name"] in page for item in data["items"])


@pytest.mark.needs(BROWSER, "playwright")
def test_pages_in_a_browser(reports, browser):
    for folder, data in reports.values():
        page = browser.new_page()
        told, asked = [], []
        page.on("console", lambda message, told=told: told.append(message.text))
        page.on("pageerror", lambda error, told=told: told.append(str(error)))
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.goto((folder / "report.html").as_uri())
        assert told == [] and [url for url in asked if not url.startswith("data:")] == [page.url]
        assert page.locator("article").count() == len(data["items"]) == 12
        assert page.locator("article").first.locator("text=digit_00_label_7.png").count()
        page.close()


def timeless(data):
    data["run"].pop("date"), data["run"].pop("seconds"), data["run"].pop("command")
    for item in data["items"]:
        item.pop("seconds")
    return data


def test_the_same_report_twice(reports, tmp_path):
    folder, first = reports["digits_cnn"]
    second = make(tmp_path, CNN, IMAGES, "--preprocess", PREPROCESS, "--classes", CLASSES)
    assert timeless(json.loads(json.dumps(first))) == timeless(second)
    assert tree(tmp_path) == tree(folder)
    files = list((folder / "arrays").rglob("*.npz"))
    assert len(files) == 12
    for file in files:
        assert file.read_bytes() == (tmp_path / file.relative_to(folder)).read_bytes()


def test_a_selector_that_draws_is_repeatable_and_says_its_seed(tmp_path):
    options = ["--preprocess", PREPROCESS, "--selector", "random", "--seed", "3"]
    one, two = (make(tmp_path / name, CNN, IMAGES, *options) for name in ("one", "two"))
    assert one["run"]["seed"] == 3 and timeless(one) == timeless(two)
    other = make(tmp_path / "three", CNN, IMAGES, *options[:-1], "4")
    assert [i["pathway"]["layers"] for i in other["items"]] != [i["pathway"]["layers"] for i in one["items"]]


def test_every_method_and_option(tmp_path):
    methods = ["gradient", "input-x-gradient", "integrated-gradients", "pathway-gradient"]
    options = [part for method in methods for part in ("--method", method)]
    options += ["--steps", "8", "--scope", "layer", "--sparsity", "0.5", "--target", "3", "--title", "Only <threes>"]
    data = make(tmp_path, CNN, ONE_IMAGE, "--preprocess", PREPROCESS, *options)
    assert [m["method"] for m in data["items"][0]["maps"]] == methods == data["run"]["methods"]
    assert data["items"][0]["target"]["index"] == 3 and data["run"]["sparsity"] == 0.5
    assert data["run"]["scope"] == "layer"
    assert "convergence delta" in data["items"][0]["maps"][2]["note"]
    assert "Only &lt;threes&gt;" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_pictures_without_preprocessing_are_a_warning(tmp_path):
    with Image.open(ONE_IMAGE) as grey:
        rgb = grey.convert("RGB")
    rgb.save(tmp_path / "x.png")
    rng = np.random.default_rng(0)
    nodes = "c = Conv(x, w); r = Relu(c); p = GlobalAveragePool(r); f = Flatten(p); y = MatMul(f, v)"
    arrays = {"w": rng.normal(size=(4, 3, 3, 3)), "v": rng.normal(size=(4, 2))}
    text = f"m (float[n, 3, height, width] x) => (float[n, 2] y) {{ {nodes} }}"
    onnx.save(parse(text, **{name: a.astype(np.float32) for name, a in arrays.items()}), tmp_path / "m.onnx")
    data = make(tmp_path / "out", tmp_path / "m.onnx", tmp_path / "x.png")
    says = "no --preprocess was given: pictures went into the model as RGB values from 0 to 255"
    assert data["warnings"] == [says] and says in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert data["model"]["neuron_layers"][0]["neurons"] is None  # the picture's size decides
    np.savez(tmp_path / "x.npz", images=np.asarray(rgb)[None].repeat(2, 0))
    data = make(tmp_path / "out2", tmp_path / "m.onnx", tmp_path / "x.npz")
    assert data["warnings"] == [says] and len(data["items"]) == 2


def test_pictures_go_into_an_input_of_uint8_as_they_are(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 256, (9, 8, 3), np.uint8)
    Image.fromarray(rgb).save(tmp_path / "x.png")
    nodes = "f = Cast <to = 1> (x); c = Conv(f, w); r = Relu(c); p = GlobalAveragePool(r); y = Flatten(p)"
    weight = np.random.default_rng(1).normal(size=(4, 3, 3, 3)).astype(np.float32)
    text = f"m (uint8[n, 3, height, width] x) => (float[n, 4] y) {{ {nodes} }}"
    onnx.save(parse(text, w=weight), tmp_path / "m.onnx")
    data = make(tmp_path / "out", tmp_path / "m.onnx", tmp_path / "x.png", "--method", "gradient")
    assert data["warnings"] == [
        "no --preprocess was given: pictures went into the model as RGB values from 0 to 255, in uint8 as its input is"
    ]
    assert data["run"]["preprocess"]["dtype"] == "uint8" and data["failures"] == []
    windows = np.lib.stride_tricks.sliding_window_view(rgb.transpose(2, 0, 1).astype(np.float32), (3, 3), (1, 2))
    logits = np.maximum(np.einsum("cijkl,ockl->oij", windows, weight), 0).mean((1, 2))
    found = {p["index"]: p["logit"] for p in data["items"][0]["predictions"]}
    np.testing.assert_allclose([found[i] for i in range(4)], logits, rtol=1e-4)


def test_arrays_that_are_ready_need_no_preprocessing(tmp_path):
    x = sample_images()
    np.savez(tmp_path / "x.npz", x=x, labels=np.arange(12) % 10, classes=np.array(list("abcdefghij")))
    data = make(tmp_path / "out", CNN, tmp_path / "x.npz")
    check_numbers(tmp_path / "out", data, CNN, x)
    assert data["warnings"] == [] and data["items"][1]["label"] == {"index": 1, "name": "b"}


def test_vectors_into_a_perceptron(tmp_path):
    x = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
    onnx.save(mlp(), tmp_path / "m.onnx")
    np.save(tmp_path / "many.npy", x[:4])
    np.save(tmp_path / "one.npy", x[4])
    (tmp_path / "in").mkdir()
    for name in ("many.npy", "one.npy"):
        (tmp_path / name).rename(tmp_path / "in" / name)
    data = make(tmp_path / "out", tmp_path / "m.onnx", tmp_path / "in")
    assert [item["name"] for item in data["items"]] == [*(f"many.npy[{i}]" for i in range(4)), "one.npy"]
    check_numbers(tmp_path / "out", data, tmp_path / "m.onnx", x)


def test_regression_with_one_output(tmp_path):
    onnx.save(mlp(widths=(6, 8, 5, 1)), tmp_path / "m.onnx")
    x = np.random.default_rng(1).normal(size=(20, 6)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    data = make(tmp_path / "out", tmp_path / "m.onnx", tmp_path / "x.npy")
    whole = run_model(tmp_path / "m.onnx", {"x": x})["y"][:, 0]
    alone = np.array([item["pathway"]["masked_logit"] for item in data["items"]])
    for item, y in zip(data["items"], whole, strict=True):
        assert item["pathway"]["kept"] is None and item["pathway"]["logit"] == pytest.approx(y, abs=1e-5)
    summary = data["summary"]
    assert summary["pathways"] == 20 and {summary[f"kept{end}"] for end in ("", "_fraction", "_low", "_high")} == {None}
    assert summary["mean_output"] == pytest.approx(whole.mean(), abs=1e-5)
    change = np.abs(alone - whole).sum() / np.abs(whole).sum()
    assert summary["output_change"] == pytest.approx(change, abs=1e-5) and change > 0.01
    page = (tmp_path / "out" / "report.html").read_text("utf-8").split("<form")[0]
    assert f"<b>{100 * change:.1f}".removesuffix(".0") + " %</b> change of the output" in page
    assert "rediction kept" not in page and "redictions kept" not in page and "relative change" not in page
    item = data["items"][0]
    assert len(item["predictions"]) == 1 and item["predictions"][0]["softmax"] is None
    assert item["pathway"]["softmax"] is None and item["pathway"]["margin"] is None
    assert not any("one entry" in warning for warning in item["warnings"])  # true of every input, said by the legend


def test_an_output_of_higher_rank_has_entries_and_no_classes(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {"w": rng.normal(size=(4, 1, 3, 3)), "v": rng.normal(size=(2, 4, 3, 3))}
    text = "m (float[n, 1, 16, 16] x) => (float[n, 2, 12, 12] y) { c = Conv(x, w); r = Relu(c); y = Conv(r, v) }"
    onnx.save(parse(text, **{k: a.astype(np.float32) for k, a in arrays.items()}), tmp_path / "m.onnx")
    data = make(tmp_path / "out", tmp_path / "m.onnx", IMAGES, "--preprocess", PREPROCESS, "--classes", CLASSES)
    (y,) = run_model(tmp_path / "m.onnx", {"x": sample_images()}).values()
    for item, row in zip(data["items"], y.reshape(12, -1), strict=True):
        assert item["target"]["index"] == row.argmax() and item["target"]["name"] == str(row.argmax())
        assert all(p["name"] == str(p["index"]) and p["softmax"] is None for p in item["predictions"])
        assert item["pathway"]["softmax"] is None and item["label"] is None
        assert any("2×12×12: entries of the flattened row" in w for w in item["warnings"])
    assert data["warnings"] == ["the output is 2×12×12, so that class names do not apply"]


@pytest.mark.parametrize("verb", ["report", "pathway", "activations"])
def test_half_precision(tmp_path, verb):
    """What ONNX Runtime can run in float16 is right; the rest is a clear error."""
    model = mlp()
    half = onnx.TensorProto.FLOAT16
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = half
    for tensor in model.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))
    onnx.save(model, tmp_path / "half.onnx")
    onnx.save(mlp(), tmp_path / "full.onnx")
    x = np.random.default_rng(1).normal(size=(3, 6)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    done = run(verb, tmp_path / "half.onnx", tmp_path / "x.npy", "-o", tmp_path / "half")
    assert done.code == 0, done
    if verb != "report":
        return
    data, full = (
        json.loads((tmp_path / "half" / "report.json").read_text()),
        make(tmp_path / "full", tmp_path / "full.onnx", tmp_path / "x.npy"),
    )
    for item, other in zip(data["items"], full["items"], strict=True):
        assert item["target"] == other["target"]
        with np.load(tmp_path / "half" / item["arrays"]) as a, np.load(tmp_path / "full" / other["arrays"]) as b:
            assert a["map_gradient"].dtype == np.float16 and relative(a["map_gradient"], b["map_gradient"]) < 1e-2


def test_explain_and_activations_agree_with_onnx_runtime(tmp_path):
    x = sample_images()
    exposed = onnxpath.expose(CNN, ["/Relu_output_0", "conv1.weight"])
    done = run(
        "activations",
        CNN,
        IMAGES,
        "--preprocess",
        PREPROCESS,
        "-o",
        tmp_path / "a",
        "--json",
        *("--tensor", "/Relu_output_0"),
        *("--tensor", "conv1.weight"),
    )
    wanted = run_model(exposed, {"image": x})
    for index, row in enumerate(done.json["results"]):
        with np.load(row["file"]) as arrays:
            assert relative(arrays["/Relu_output_0"], wanted["/Relu_output_0"][index]) < 1e-6
            np.testing.assert_array_equal(arrays["conv1.weight"], wanted["conv1.weight"])
    done = run(
        "explain", CNN, IMAGES, "--preprocess", PREPROCESS, "--method", "gradient", "-o", tmp_path / "e", "--json"
    )
    maps = onnxpath.attribute(CNN, x, method="gradient").values
    for index, row in enumerate(done.json["results"]):
        with np.load(row["array"]) as arrays:
            assert relative(arrays["map"], maps[index]) < 1e-5
        with Image.open(row["picture"]) as picture:
            assert picture.size == (16, 16)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_report_that_is_stopped_leaves_no_page(tmp_path, number, code):
    (tmp_path / "in").mkdir()
    np.save(tmp_path / "in" / "many.npy", np.repeat(sample_images(), 4000, 0))
    arguments = ["report", CNN, tmp_path / "in", "--preprocess", PREPROCESS, "-o", tmp_path / "out"]
    process = started(*arguments)
    try:
        until = time.monotonic() + 60
        arrays = tmp_path / "out" / "arrays"
        while not list(arrays.glob("*/*.npz")) and process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == code, err
    assert out == "" and "Traceback" not in err and "stopped; files written so far are whole" in err
    kept = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"arrays", "job.json"} <= kept <= {"arrays", "job.json", "units", "timings.jsonl"}
    for path in (tmp_path / "out" / "arrays").glob("*/*"):
        assert path.suffix in (".npz", ".json")
        np.load(path).close() if path.suffix == ".npz" else json.loads(path.read_text())


def test_a_report_in_a_process_of_its_own_reads_paths_with_spaces(tmp_path):
    folder = tmp_path / "two words"
    shutil.copytree(IMAGES, folder)
    done = run_apart("report", CNN, folder, "--preprocess", PREPROCESS, "-o", tmp_path / "a report")
    assert done.code == 0 and done.err == "", done
    data = json.loads((tmp_path / "a report" / "report.json").read_text())
    assert f"'{folder}'" in data["run"]["command"]


def test_an_error_on_the_way_out_of_an_interrupt_is_no_bug(monkeypatch, capsys):
    """zipfile raises ValueError where Ctrl-C stops it in the middle of a file."""
    from onnxpath_cli.errors import errors_as_text

    @errors_as_text
    def verb():
        try:
            raise KeyboardInterrupt
        finally:
            raise ValueError("Can't close the ZIP file")

    with pytest.raises(typer.Exit) as left:
        verb()
    assert left.value.exit_code == 130
    assert "stopped" in capsys.readouterr().err
