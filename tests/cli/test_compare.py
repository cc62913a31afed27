"""`onnxpath compare` from end to end: two models, two finished reports, and what cannot be compared."""

import json
import shutil

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import onnxpath
from onnxpath.batch.likeness import likeness
from tests.batch.test_compare import changed
from tests.batch.token_models import classifier
from tests.cli.program import CLASSES, CNN, IMAGES, PREPROCESS, refused, run, tree
from tests.formats import quantised
from tests.models import mlp, parse, sample, sample_images
from tests.models import run as run_model

RUN = ("--preprocess", PREPROCESS, "--classes", CLASSES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A changed model, a quantised one, and reports of the first two."""
    place = tmp_path_factory.mktemp("compare")
    last = [t.name for t in onnx.load(CNN).graph.initializer if t.name.endswith("weight")][-1]
    onnx.save(changed(CNN, last, -1), place / "changed.onnx")
    shutil.move(quantised(CNN, place, sample_images()), place / "int8.onnx")
    for name, model in (("before", CNN), ("after", place / "changed.onnx")):
        done = run("report", model, IMAGES, *RUN, "--target", 3, "-o", place / name)
        assert done.code == 0, done
    return place


def compare(one, other, *options):
    done = run("compare", one, other, *options)
    assert done.code == 0, done
    return done


def test_two_models(folder, tmp_path):
    out = tmp_path / "out"
    done = compare(CNN, folder / "changed.onnx", IMAGES, *RUN, "-o", out, "--json").json
    found = onnxpath.compare(CNN, folder / "changed.onnx", sample_images())
    assert done["page"] == (out / "compare.html").as_posix() and done["summary"]["inputs"] == 12
    assert done["summary"]["agreement"] == pytest.approx(found.agreement) and done["summary"]["changed"] > 6
    assert done["summary"]["overlap"] == pytest.approx(found.overlap, abs=1e-3)
    plain = json.loads((out / "compare.json").read_text())
    assert [r["name"] for r in plain["comparison"]["inputs"]] == sorted(p.name for p in IMAGES.glob("*.png"))
    assert plain["comparison"]["one"] == CNN.name and plain["comparison"]["other"] == "changed.onnx"
    assert plain["one"]["sha256"] != plain["other"]["sha256"]
    assert len([f for f in tree(out) if f.endswith(".npz")]) == 12


def test_outputs_of_one_entry_have_no_predictions_that_could_agree(tmp_path):
    x = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    models = [tmp_path / "one.onnx", tmp_path / "other.onnx"]
    for seed, path in enumerate(models):
        onnx.save(mlp(np.random.default_rng(seed), widths=(6, 8, 1)), path)
        assert run("report", path, tmp_path / "x.npy", "-o", path.with_suffix("")).code == 0
    a, b = (run_model(path, {"x": x})["y"][:, 0] for path in models)
    change = np.median(np.abs(a - b) / np.maximum(np.abs(a), np.abs(b)))
    out = tmp_path / "out"
    for asked in ((*models, tmp_path / "x.npy"), [path.with_suffix("") for path in models]):
        done = compare(*asked, "-o", out, "--json").json
        assert {done["summary"][name] for name in ("agreement", "agreement_low", "agreement_high")} == {None}
        assert done["summary"]["logits"] == pytest.approx(change, rel=1e-4) and done["changed"] == []
        rows = json.loads((out / "compare.json").read_text())["comparison"]["inputs"]
        np.testing.assert_allclose([[r["one"]["value"], r["other"]["value"]] for r in rows], np.stack([a, b], 1), 1e-4)
        page = (out / "compare.html").read_text("utf-8")
        assert "no prediction can change: outputs differ by" in page and "Changed predictions" not in page
        assert "same prediction" not in page and "predictions agree" not in page
        assert "outputs differ by" in compare(*asked, "-o", out).out


def test_raw_arrays_are_the_maps_of_both(folder, tmp_path):
    compare(CNN, folder / "int8.onnx", IMAGES, *RUN, "-o", tmp_path / "out")
    plain = json.loads((tmp_path / "out" / "compare.json").read_text())
    files = sorted((tmp_path / "out" / "arrays").glob("*.npz"))
    for entry, file in zip(plain["comparison"]["inputs"], files, strict=True):
        with np.load(file) as arrays:
            one, other = arrays["map_gradient_one"], arrays["map_gradient_other"]
            assert one.shape == (1, 16, 16) and arrays["logits_one"].shape == (10,)
            assert entry["maps"]["gradient"]["cosine"] == pytest.approx(likeness(one, other).cosine)
    assert plain["quantised"] and "nodes_to_exclude" in (tmp_path / "out" / "compare.html").read_text()


def test_lines_for_people(folder, tmp_path):
    text = compare(CNN, folder / "int8.onnx", IMAGES, *RUN, "-o", tmp_path / "out", "--threshold", "0.001").out
    assert "predictions agree on 100 % of 12 inputs" in text and "pathways: mean Jaccard" in text
    assert "first layer with a median difference above 0.1 %: '/Relu_output_0'" in text
    assert "int8.onnx: rules 'straight-through'" in text and "4 by order and shape" in text


def test_models_without_a_layer_in_common_are_not_said_to_agree(tmp_path):
    text = compare(CNN, sample("digits_resnet"), IMAGES, *RUN, "-o", tmp_path / "out").out
    assert "no layer of one could be matched" in text and "median difference" not in text


def test_an_input_that_fails_stops_nothing(folder, tmp_path):
    shutil.copytree(IMAGES, tmp_path / "in")
    (tmp_path / "in" / "broken.png").write_bytes(b"no picture")
    done = run("compare", CNN, folder / "int8.onnx", tmp_path / "in", *RUN, "-o", tmp_path / "out", "--json")
    assert done.code == 1 and done.json["failures"][0]["input"] == "broken.png" and done.json["summary"]["inputs"] == 12
    assert "broken.png" in (tmp_path / "out" / "compare.html").read_text()


def test_two_runs(folder, tmp_path):
    done = compare(folder / "before", folder / "after", "-o", tmp_path / "out", "--json").json
    found = onnxpath.compare(CNN, folder / "changed.onnx", sample_images(), target=3)
    assert done["summary"]["agreement"] == pytest.approx(found.agreement)
    assert done["summary"]["overlap"] == pytest.approx(found.overlap, abs=1e-3)
    for told, expected in zip(done["summary"]["maps"], found.maps(), strict=True):
        assert told["method"] == expected.method and told["cosine"] == pytest.approx(expected.cosine, abs=1e-3)
    assert "the model files differ" in done["notes"] and done["summary"]["first_diverging"] is None
    page = (tmp_path / "out" / "compare.html").read_text()
    assert "before against after" in page and "Difference of activations</b>" not in page


def test_a_run_compared_with_itself(folder, tmp_path):
    done = compare(folder / "before", folder / "before", "-o", tmp_path / "out", "--json").json
    summary = done["summary"]
    assert summary["agreement"] == 1 and summary["overlap"] == 1 and "both runs are of one file" in done["notes"]
    assert all(m["cosine"] == pytest.approx(1) for m in summary["maps"])


def test_only_inputs_of_both_runs_are_compared(folder, tmp_path):
    shutil.copytree(IMAGES, tmp_path / "in")
    first, *_ = sorted((tmp_path / "in").glob("*.png"))
    first.rename(first.with_name("other.png"))
    made = run("report", CNN, tmp_path / "in", *RUN, "--sparsity", "0.8", "--method", "gradient", "-o", tmp_path / "r")
    assert made.code == 0, made
    done = compare(folder / "before", tmp_path / "r", "-o", tmp_path / "out", "--json").json
    plain = json.loads((tmp_path / "out" / "compare.json").read_text())["comparison"]
    assert (
        done["summary"]["inputs"] == 11 and plain["only_one"] == [first.name] and plain["only_other"] == ["other.png"]
    )
    notes = " ".join(done["notes"])
    assert "methods of one run alone are left out: pathway-gradient" in notes and "explained for different" in notes
    assert done["summary"]["overlap"] is None


def broken(folder, name, change):
    """A copy of a report whose report.json is changed."""
    shutil.copytree(folder / "before", folder / name)
    path = folder / name / "report.json"
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    return folder / name


def test_runs_that_cannot_be_compared(folder, tmp_path):
    out = tmp_path / "out"
    before, after = folder / "before", folder / "after"
    onnx.save(mlp(), tmp_path / "mlp.onnx")
    np.save(tmp_path / "x.npy", np.ones((2, 6), np.float32))
    assert run("report", tmp_path / "mlp.onnx", tmp_path / "x.npy", "-o", tmp_path / "mlp").code == 0
    assert "the runs are of different models: one takes and gives N×1×16×16 -> N×10, the other N×6 -> N×3" in refused(
        out, "compare", before, tmp_path / "mlp"
    )
    other = broken(folder, "renamed", lambda data: [item.update(name="x" + item["name"]) for item in data["items"]])
    assert "the runs have no input in common" in refused(out, "compare", before, other)
    newer = broken(folder, "newer", lambda data: data.update(schema=99))
    assert "has format 99" in refused(out, "compare", before, newer)
    odd = broken(folder, "odd", lambda data: data.pop("model"))
    assert "is not the data of a report" in refused(out, "compare", odd, after)
    lost = broken(folder, "lost", lambda data: data["items"][0].update(arrays="arrays/gone.npz"))
    assert "gone.npz' of input" in refused(out, "compare", before, lost)
    assert "holds no finished report" in refused(out, "compare", before, IMAGES)
    assert "leave the inputs away" in refused(out, "compare", before, after, IMAGES)
    text = refused(out, "compare", before, after, "--sparsity", "0.5", "--method", "gradient")
    assert "--method, --sparsity: two finished reports are compared as they are" in text
    assert "is a folder and" in refused(out, "compare", before, CNN)


def test_models_that_cannot_be_compared(folder, tmp_path):
    out = tmp_path / "out"
    onnx.save(mlp(), tmp_path / "mlp.onnx")
    assert "the models take different inputs" in refused(out, "compare", CNN, tmp_path / "mlp.onnx", IMAGES, *RUN)
    assert "no inputs were named" in refused(out, "compare", CNN, CNN)
    text = refused(out, "compare", CNN, tmp_path / "no.onnx", tmp_path / "no.png", "--method", "gradent", *RUN)
    for part in ("no.onnx' does not exist", "no.png' does not exist", "did you mean 'gradient'?"):
        assert part in text
    assert "threshold is a relative difference" in refused(out, "compare", CNN, CNN, IMAGES, "--threshold", "3", *RUN)
    assert "no gradient passes QuantizeLinear" in refused(
        out, "compare", CNN, folder / "int8.onnx", IMAGES, "--rules", "gradient", *RUN
    )
    assert "did you mean 'logits'?" in refused(out, "compare", CNN, CNN, IMAGES, "--output", "logit", *RUN)


def test_models_without_neurons_are_compared_by_their_reports(tmp_path):
    paths = [tmp_path / "a.onnx", tmp_path / "b.onnx"]
    for sign, path in zip((1, -1), paths, strict=True):
        w = np.float32(sign * np.eye(3))
        onnx.save(parse("m (float[n, 3] x) => (float[n, 3] y) { y = MatMul(x, w) }", w=w), path)
    np.save(tmp_path / "x.npy", np.eye(3, dtype=np.float32))
    text = refused(tmp_path / "out", "compare", *paths, tmp_path / "x.npy", "--methods", "gradient")
    assert "model 'a.onnx' has no neuron layer" in text and "make a report of each with methods that need none" in text
    folders = [path.with_suffix("") for path in paths]
    for path, made in zip(paths, folders, strict=True):
        assert run("report", path, tmp_path / "x.npy", "--methods", "gradient", "-o", made).code == 0
    assert "predictions agree on 0 % of 3 inputs" in compare(*folders, "-o", tmp_path / "out").out


def test_two_sample_models_of_one_task(tmp_path):
    """Other layers altogether: what can be compared is, and what cannot is said."""
    done = compare(CNN, sample("digits_resnet"), IMAGES, *RUN, "-o", tmp_path / "out", "--json").json
    assert done["summary"]["agreement"] > 0.8 and any("without a partner" in note for note in done["notes"])


def test_rows_of_a_table(tmp_path):
    onnx.save(mlp(), tmp_path / "one.onnx")
    onnx.save(mlp(np.random.default_rng(5)), tmp_path / "other.onnx")
    rows = np.random.default_rng(1).normal(size=(4, 6)).round(3)
    (tmp_path / "rows.csv").write_text("a,b,c,d,e,f\n" + "".join(",".join(map(str, r)) + "\n" for r in rows))
    out = tmp_path / "out"
    done = compare(tmp_path / "one.onnx", tmp_path / "other.onnx", tmp_path / "rows.csv", "-o", out, "--json").json
    found = onnxpath.compare(tmp_path / "one.onnx", tmp_path / "other.onnx", rows.astype(np.float32))
    assert done["summary"]["agreement"] == found.agreement and done["summary"]["logits"] > 0
    assert 'class="vector"' in (out / "compare.html").read_text()


def test_token_ids(tmp_path):
    model = classifier(inputs=("input_ids", "attention_mask"))
    onnx.save(model, tmp_path / "one.onnx")
    (table,) = (t for t in model.graph.initializer if t.name == "w")
    table.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(table), "w"))
    onnx.save(model, tmp_path / "other.onnx")
    records = [{"input_ids": ids, "attention_mask": [1] * len(ids)} for ids in ([2, 4, 6, 3], [2, 5, 3])]
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    out = tmp_path / "out"
    done = compare(tmp_path / "one.onnx", tmp_path / "other.onnx", tmp_path / "texts.jsonl", "-o", out, "--json").json
    assert done["summary"]["inputs"] == 2 and done["summary"]["first_diverging"]
    with np.load(sorted((out / "arrays").glob("*.npz"))[0]) as arrays:
        assert arrays["map_gradient_one"].shape[1] == 8
