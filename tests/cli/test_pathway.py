"""`onnxpath pathway` with several selectors, analyses and a file for Netron."""

import json

import numpy as np
import onnx
import pytest

import onnxpath
from onnxpath.pathway.analyses.named import ANALYSES
from tests.cli.program import CLASSES, CNN, IMAGES, ONE_IMAGE, PREPROCESS, refused, run, tree
from tests.models import mlp, parse, sample_images

BOTH = ("--selector", "neuron-mct", "--selector", "random")
EVERY_ANALYSIS = [part for name in ANALYSES.names() for part in ("--analysis", name)]


def pathways(*options):
    done = run("pathway", CNN, IMAGES, "--preprocess", PREPROCESS, *options)
    assert done.code == 0, done
    return done


def test_one_selector_writes_as_before(tmp_path):
    done = pathways("-o", tmp_path / "out", "--json").json
    assert set(done) == {"results", "failures", "warnings"} and len(done["results"]) == 12
    assert len(tree(tmp_path / "out")) == 12 and all("/" not in name for name in tree(tmp_path / "out"))


def test_several_selectors_and_all_analyses(tmp_path):
    out = tmp_path / "out"
    done = pathways(*BOTH, *EVERY_ANALYSIS, "--classes", CLASSES, "-o", out, "--json").json
    assert [row["selector"] for row in done["results"][:2]] == ["neuron-mct", "random"] and len(done["results"]) == 24
    found = {}
    for name in ("neuron-mct", "random"):
        files = [row["file"] for row in done["results"] if row["selector"] == name]
        found[name] = [onnxpath.Pathway.load(file) for file in files]
        wanted = onnxpath.critical_pathway(CNN, sample_images(), selector=name)
        for p, q in zip(found[name], wanted, strict=True):
            assert p.jaccard(q) > 0.999 and p.target == q.target
    expected = ANALYSES.get("overlap")(found).pairs[0].pooled
    (pair,) = done["analyses"]["overlap"]["pairs"]
    assert pair["pooled"]["jaccard"] == pytest.approx(expected.jaccard)
    assert json.loads((out / "pathways.json").read_text())["analyses"] == done["analyses"]
    assert done["page"] == (out / "pathways.html").as_posix()
    with np.load(out / "classes" / "random" / "7.npz") as arrays:
        assert all(values.dtype == np.float32 and values.max() <= 1 for values in arrays.values())


def test_lines_for_people(tmp_path):
    text = pathways(*BOTH, *EVERY_ANALYSIS, "-o", tmp_path / "out").out
    assert "neuron-mct – random: Jaccard" in text and "independent choices 5.26 %" in text
    assert "within a class" in text and "dead 0 %" in text and "pathways.html: " in text


def test_an_output_of_one_entry_is_told_by_its_values(tmp_path):
    onnx.save(mlp(widths=(6, 8, 1)), tmp_path / "m.onnx")
    np.save(tmp_path / "x.npy", np.ones((1, 6), np.float32))
    out = ("-o", tmp_path / "out")
    (row,) = run("pathway", tmp_path / "m.onnx", tmp_path / "x.npy", *out, "--json").json["results"]
    text = run("pathway", tmp_path / "m.onnx", tmp_path / "x.npy", *out).out
    assert row["kept"] is None
    change = (row["masked_logit"] - row["logit"]) / abs(row["logit"]) * 100
    told = f"x.npy[0]: {row['logit']:.4g}, with the pathway alone {row['masked_logit']:.4g} ("
    assert told in text and f"{change:.1f}".removesuffix(".0").replace("-", "−") + " %)" in text
    assert "predict" not in text
    lines = run("pathway", tmp_path / "m.onnx", tmp_path / "x.npy", "--analysis", "layers", *out).out
    page = (tmp_path / "out" / "pathways.html").read_text("utf-8")
    assert f"neuron-mct: change of the output {abs(change):.1f}".removesuffix(".0") in lines
    assert "predictions kept" not in lines + page and "Target softmax" not in page and "Change of the output" in page


def test_an_analysis_of_one_input(tmp_path):
    done = run("pathway", CNN, ONE_IMAGE, "--preprocess", PREPROCESS, *EVERY_ANALYSIS, "-o", tmp_path / "out")
    assert done.code == 0 and (tmp_path / "out" / "pathways.html").is_file(), done


def test_inputs_that_fail_are_on_the_page(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(ONE_IMAGE.read_bytes())
    (tmp_path / "in" / "b.png").write_bytes(b"no picture")
    out = tmp_path / "out"
    done = run("pathway", CNN, tmp_path / "in", "--preprocess", PREPROCESS, "--analysis", "layers", "-o", out)
    assert done.code == 1 and "1 of 2 inputs failed" in done.err
    assert json.loads((out / "pathways.json").read_text())["failures"][0]["name"] == "b.png"


def test_netron_file(tmp_path):
    file = tmp_path / "netron.json"
    done = pathways(*BOTH, "--netron", file, "-o", tmp_path / "out", "--json").json
    assert done["netron"] == file.as_posix()
    attached = json.loads(file.read_text())
    assert attached["signature"] == "netron:attachment"
    graph = onnx.load(CNN).graph
    names = {"node": {n.name for n in graph.node}, "value": {t for n in graph.node for t in n.output}, "model": {""}}
    seen = {}
    for entry in attached["metrics"]:
        assert entry["target"] in names[entry["kind"]] and np.isfinite(entry["value"])
        key = (entry["kind"], entry["target"], entry["name"])
        assert key not in seen, "Netron shows the last of equal names"
        seen[key] = entry["value"]
    x = sample_images()
    mct = onnxpath.critical_pathway(CNN, x)
    for index, layer in enumerate(mct[0].layers):
        kept = seen["value", layer.name, "kept fraction by neuron-mct"]
        assert kept == pytest.approx(np.mean([p.layers[index].kept / layer.neurons for p in mct]), abs=1e-6)
    assert sum(v for (kind, _, name), v in seen.items() if (kind, name) == ("node", "share of all contributions")) == (
        pytest.approx(1.0)
    )


def test_contributions_are_those_of_torchs_definition():
    """activation · gradient, with the gradient from onnxpath's gradient graph of the layer as an input of its own."""
    from onnxpath.pathway.contributions import layer_contributions
    from onnxpath.runtime.model import load
    from onnxpath.runtime.targets import resolve_target
    from tests.models import run as run_model

    x = sample_images()[:3]
    model = load(CNN)
    target = np.array([1, 2, 3])
    sums = layer_contributions(model, model.feeds(x), resolve_target(model, target, 3))
    seed = np.eye(10, dtype=np.float32)[target]
    for layer, found in sums.items():
        made = onnxpath.gradient_graph(onnxpath.expose(CNN, [layer]), wrt=[layer], of=["logits"])
        values = run_model(made, {"image": x, "grad_logits": seed}, outputs=[layer, f"grad_{layer}"])
        wanted = np.abs(values[layer] * values[f"grad_{layer}"]).reshape(3, -1).sum(1)
        np.testing.assert_allclose(found, wanted, rtol=1e-4)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--analysis", "overlp"), "no analysis named 'overlp'; did you mean 'overlap'?"),
        (("--netron", "model.txt"), "Netron, which takes such files only as .json"),
        (("--selector", "random", "--selector", "neuron-mtc"), "did you mean 'neuron-mct'?"),
    ],
)
def test_options_that_cannot_be_used(tmp_path, options, says):
    assert says in refused(tmp_path / "out", "pathway", CNN, IMAGES, "--preprocess", PREPROCESS, *options)


def test_inputs_of_several_sizes_cannot_be_analysed(tmp_path):
    nodes = "r = Relu(x); p = GlobalMaxPool(r); f = Flatten(p); y = MatMul(f, v)"
    text = f"m (float[n, 1, h, w] x) => (float[n, 2] y) {{ {nodes} }}"
    onnx.save(parse(text, v=np.ones((1, 2), np.float32)), tmp_path / "m.onnx")
    (tmp_path / "in").mkdir()
    for name, size in {"1": 4, "2": 4, "3": 6, "4": 4}.items():
        np.save(tmp_path / "in" / f"{name}.npy", np.ones((1, size, 4), np.float32))
    words = ["pathway", tmp_path / "m.onnx", tmp_path / "in", "-o", tmp_path / "out"]
    done = run(*words, "--analysis", "overlap")
    assert done.code == 2 and done.out == ""
    assert "input '3.npy' has another size than '1.npy': neuron layer 'r' is 1×6×4, there 1×4×4, and" in done.err
    assert sorted(p.name[0] for p in (tmp_path / "out").iterdir()) == ["1", "2"]
    assert run(*words).code == 0
