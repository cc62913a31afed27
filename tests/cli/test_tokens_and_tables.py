"""Texts and tables through the program: what is written, what the page shows, and what is refused."""

import json
import shutil

import numpy as np
import onnx
import pytest

from tests.batch.token_models import LOOK_UP, classifier, save_tokenizer
from tests.cli.program import refused, run
from tests.conftest import BROWSER
from tests.models import mlp

FEATURES = ["age", "income", "height", "debt", "rooms", "a <b>"]
METHODS = ("--method", "gradient", "--method", "feature-ablation")


def saved(folder, model):
    path = folder / "model.onnx"
    onnx.save(model, path)
    return path


@pytest.fixture
def texts(tmp_path):
    """(model, file of ids, options) of a classifier with ids, mask and types."""
    path = tmp_path / "texts.jsonl"
    records = [
        {"input_ids": [2, 4, 6, 3], "tokens": ["[CLS]", "good", "<film>", "[SEP]"], "label": "better"},
        {"input_ids": [2, 5, 3], "label": 0},
    ]
    for record in records:
        record |= {"attention_mask": [1] * len(record["input_ids"]), "token_type_ids": [0] * len(record["input_ids"])}
    path.write_text("".join(json.dumps(r) + "\n" for r in records))
    (tmp_path / "classes.txt").write_text("worse\nbetter\n")
    return saved(tmp_path, classifier()), path, ("--wrt", LOOK_UP, "--classes", tmp_path / "classes.txt")


@pytest.fixture
def table(tmp_path):
    """(model, table) of a perceptron of six features, three rows."""
    path = tmp_path / "rows.csv"
    rows = np.random.default_rng(1).normal(size=(3, 6)).round(3)
    path.write_text(
        ",".join(FEATURES) + ",label\n" + "".join(",".join(map(str, r)) + f",{i}\n" for i, r in enumerate(rows))
    )
    return saved(tmp_path, mlp()), path, rows.astype(np.float32)


def expected(model, feeds, method, **options):
    import onnxpath

    return onnxpath.attribute(model, feeds, method=method, **options).values


def test_scores_of_tokens_are_sums_over_the_embedding(texts, tmp_path):
    model, path, options = texts
    done = run("report", model, path, *options, *METHODS, "-o", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    first = report["items"][0]
    assert first["parts_are"] == "tokens"
    assert [p["name"] for p in first["parts"]] == ["[CLS]", "good", "<film>", "[SEP]"]
    assert [p["value"] for p in first["parts"]] == [2, 4, 6, 3]
    ids = np.int64([[2, 4, 6, 3]])
    feeds = {"input_ids": ids, "attention_mask": ids * 0 + 1, "token_type_ids": ids * 0}
    gradient = expected(model, feeds, "gradient", wrt=[LOOK_UP])[0]
    assert gradient.shape == (4, 8)
    np.testing.assert_allclose(first["maps"][0]["scores"], gradient.sum(1), rtol=1e-4, atol=1e-6)
    assert "summed over 8 channels" in first["maps"][0]["note"]
    ablated = expected(model, feeds, "feature-ablation", wrt=[LOOK_UP])[0]
    np.testing.assert_allclose(first["maps"][1]["scores"], ablated, rtol=1e-4, atol=1e-6)
    assert [item["label"]["name"] for item in report["items"]] == ["better", "worse"]
    with np.load(tmp_path / "out" / first["arrays"]) as arrays:
        assert arrays["tokens"].tolist() == ["[CLS]", "good", "<film>", "[SEP]"]
        np.testing.assert_allclose(arrays["map_gradient"], gradient, rtol=1e-5)


def test_scores_of_features_have_the_names_of_the_header(table, tmp_path):
    model, path, rows = table
    done = run("report", model, path, *METHODS, "-o", tmp_path / "out")
    assert done.code == 0 and done.err == "", done.err
    items = json.loads((tmp_path / "out" / "report.json").read_text())["items"]
    assert [item["label"]["index"] for item in items] == [0, 1, 2]
    for item, row, scores in zip(items, rows, expected(model, {"x": rows}, "feature-ablation"), strict=True):
        assert item["parts_are"] == "features" and [p["name"] for p in item["parts"]] == FEATURES
        np.testing.assert_allclose([p["value"] for p in item["parts"]], row, rtol=1e-6)
        np.testing.assert_allclose(item["maps"][1]["scores"], scores, rtol=1e-4, atol=1e-6)


def test_explain_prints_and_saves_them(table, texts, tmp_path):
    rows_model = tmp_path / "mlp.onnx"
    onnx.save(mlp(), rows_model)
    done = run(
        "explain",
        rows_model,
        table[1],
        "--method",
        "gradient",
        "-o",
        tmp_path / "a",
        "--json",
    )
    scores = done.json["results"][0]["scores"]
    assert [score["name"] for score in scores] == FEATURES
    with np.load(done.json["results"][0]["array"]) as arrays:
        assert arrays["features"].tolist() == FEATURES
        np.testing.assert_allclose(arrays["map"], [score["score"] for score in scores], rtol=1e-6)
    done = run("explain", texts[0], texts[1], *texts[2], "--method", "gradient", "-o", tmp_path / "b", "--json")
    tokens = done.json["results"][1]["scores"]
    assert [s["name"] for s in tokens] == ["2", "5", "3"]
    line = run("explain", texts[0], texts[1], *texts[2], "--method", "gradient", "-o", tmp_path / "b").out.splitlines()[
        1
    ]
    largest = sorted(tokens, key=lambda s: -abs(s["score"]))
    assert ": " + ", ".join(f"{s['name']} {s['score']:.3g}" for s in largest) + " -> " in line


def test_options_of_methods(table, tmp_path):
    model, path, rows = table
    np.save(tmp_path / "typical.npy", rows.mean(0))
    given = ("--option", f"baselines={tmp_path / 'typical.npy'}", "--option", "n-samples=3")
    both = ("--method", "shapley-value-sampling", "--method", "feature-ablation", "--method", "gradient")
    done = run("report", model, path, *both, *given, "--seed", "7", "-o", tmp_path / "out")
    assert done.code == 0, done.err
    maps = json.loads((tmp_path / "out" / "report.json").read_text())["items"][1]["maps"]
    options = {"baselines": rows.mean(0)}
    shapley = expected(model, {"x": rows}, "shapley-value-sampling", **options, n_samples=3, seed=7)
    np.testing.assert_allclose(maps[0]["scores"], shapley[1], rtol=1e-4, atol=1e-6)
    ablation = expected(model, {"x": rows}, "feature-ablation", **options)
    np.testing.assert_allclose(maps[1]["scores"], ablation[1], rtol=1e-4, atol=1e-6)
    windows = ("--method", "occlusion", "--option", "sliding_window_shapes=[2]", "--option", "strides=2", "--json")
    done = run("explain", model, path, *windows, "-o", tmp_path / "b")
    found = [[score["score"] for score in row["scores"]] for row in done.json["results"]]
    occlusion = expected(model, {"x": rows}, "occlusion", sliding_window_shapes=(2,), strides=2)
    np.testing.assert_allclose(found, occlusion, rtol=1e-4, atol=1e-6)


def test_options_that_no_method_has_or_that_cannot_be_read(table, tmp_path):
    model, path, _ = table
    wrong = ("--option", "baseline=0", "--option", "n_samples", "--option", f"baselines={tmp_path / 'no.npy'}")
    text = refused(tmp_path / "out", "report", model, path, *METHODS, *wrong)
    assert "no option of method 'gradient' or 'feature-ablation' named 'baseline'; did you mean 'baselines'" in text
    assert "'n_samples' is not NAME=VALUE" in text and "no.npy' cannot be read: [Errno 2]" in text


@pytest.mark.needs("tokenizers")
def test_texts_with_a_tokenizer(tmp_path):
    model, out = saved(tmp_path, classifier(inputs=("input_ids", "attention_mask"))), tmp_path / "out"
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "t.txt").write_text("A very good film\nnot bad\n")
    tokenizer = save_tokenizer(tmp_path / "tokenizer.json")
    done = run("report", model, tmp_path / "in", "--tokenizer", tokenizer, *METHODS, "-o", out)
    assert done.code == 0 and done.err == "", done.err
    items = json.loads((out / "report.json").read_text())["items"]
    assert [p["name"] for p in items[1]["parts"]] == ["[CLS]", "not", "bad", "[SEP]"]
    for verb in ("pathway", "activations"):
        assert run(verb, model, *ids_of(tmp_path), "-o", tmp_path / verb).code == 0


def ids_of(folder):
    path = folder / "ids.jsonl"
    path.write_text(json.dumps({"input_ids": [2, 4, 3], "attention_mask": [1, 1, 1]}))
    return [path]


def test_metrics_of_texts(texts, tmp_path):
    model, path, options = texts
    asked = [*options[:2], "--method", "gradient", "--metric", "deletion", "--metric-option", "steps=0,50,100"]
    assert "texts of one length" in run("evaluate", model, path, *asked, "-o", tmp_path / "out").err
    first = tmp_path / "first.jsonl"
    first.write_text(path.read_text().splitlines()[0])
    done = run("evaluate", model, first, *asked, "--samples", 20, "-o", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    assert {score["method"] for score in done.json["scores"]} == {"gradient", "random"}


@pytest.mark.needs("tokenizers")
def test_models_are_compared_on_texts(tmp_path):
    model, out = saved(tmp_path, classifier()), tmp_path / "out"
    (tmp_path / "t.txt").write_text("A very good film\nnot bad\n")
    compare = ["compare", model, model, tmp_path / "t.txt", "--method", "gradient", "--json", "-o", out]
    ways = ["--tokenizer", save_tokenizer(tmp_path / "tokenizer.json"), "--wrt", LOOK_UP]
    assert run(*compare, *ways).code == 0
    (found,) = json.loads((out / "compare.json").read_text())["comparison"]["inputs"][0]["maps"].values()
    assert found["cosine"] == pytest.approx(1)
    assert "looked up in 2 tables" in run(*compare, *ways[:2]).err
    assert run(*compare, *ways[:2], "--wrt", "nothing").err.count("no computed float tensor named 'nothing'") == 1


@pytest.mark.needs("skl2onnx")
def test_tree_ensembles_by_methods_that_only_run_the_model(tmp_path):
    import skl2onnx
    from sklearn.datasets import load_iris
    from sklearn.ensemble import RandomForestClassifier

    x, y = load_iris(return_X_y=True)
    forest = RandomForestClassifier(5, random_state=0).fit(x, np.array(["a", "b", "c"])[y])
    model = saved(tmp_path, skl2onnx.to_onnx(forest, x[:1].astype(np.float32), target_opset={"": 21, "ai.onnx.ml": 3}))
    path = tmp_path / "iris.csv"
    path.write_text("sl,sw,pl,pw\n5.1,3.5,1.4,0.2\n6.7,3.0,5.2,2.3\n")
    options = ("--method", "feature-ablation", "--method", "shapley-value-sampling", "--seed", "3")
    done = run("report", model, path, *options, "-o", tmp_path / "out")
    assert done.code == 0, done.err
    text = refused(tmp_path / "no", "report", model, path)
    assert "no gradient rule" in text and "feature-ablation" in text


def test_what_is_wrong_is_named_with_file_line_and_column(table, texts, tmp_path):
    model, path, _ = table
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1], "1,x,,4,5,6,0", "1,2,3"]) + "\n")
    onnx.save(mlp(), model)
    done = run("report", model, path, *METHODS, "-o", tmp_path / "out")
    assert done.code == 1
    assert "2 of 3 inputs failed" in done.err
    assert "table rows.csv, line 3: column 'income' is 'x', not a number; column 'height' is empty" in done.err
    assert "line 4: column 'debt' is missing; column 'rooms' is missing; column 'a <b>' is missing" in done.err
    path.write_text("a,b\n1,2\n")
    shutil.rmtree(tmp_path / "out")
    done = run("explain", model, path, "--method", "gradient", "-o", tmp_path / "out")
    assert done.code == 2 and "it has 2 columns of features (a, b), model input 'x' wants 6" in done.err


def test_token_models_that_are_not_told_enough(texts, tmp_path):
    model, path, options = texts
    text = refused(tmp_path / "a", "report", model, path, *METHODS)
    assert "looked up in 2 tables; name one or more of these tensors in `wrt`" in text and LOOK_UP in text
    text = refused(tmp_path / "b", "report", model, path, *options, "--tokenizer", tmp_path / "no.json", *METHODS)
    assert "tokenizer" in text and "cannot be read" in text


@pytest.mark.needs(BROWSER, "playwright")
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_shows_tokens(browser, texts, tmp_path, width, scheme):
    model, path, options = texts
    assert run("report", model, path, *options, *METHODS, "-o", tmp_path / "out").code == 0
    page = opened(browser, tmp_path / "out" / "report.html", width, scheme)
    shown = page.locator("#item-0 .tokens").first
    assert shown.get_attribute("aria-label") == "Tokens of texts.jsonl[0] by gradient"
    assert shown.locator(".token").all_inner_texts() == ["[CLS]", "good", "<film>", "[SEP]"]
    items = json.loads((tmp_path / "out" / "report.json").read_text())["items"]
    scores = items[0]["maps"][0]["scores"]
    written = [text.replace("−", "-") for text in shown.locator(".score").all_inner_texts()]
    np.testing.assert_allclose([float(text) for text in written], scores, rtol=0.05)
    # The side is told by more than a colour.
    sides = shown.locator("li").evaluate_all("all => all.map(one => one.className)")
    assert sides == ["supports" if s > 0 else "opposes" for s in scores]
    lines = shown.locator(".token").evaluate_all("all => all.map(one => getComputedStyle(one).borderBottomStyle)")
    assert lines == ["solid" if s > 0 else "dotted" for s in scores]
    contrasts = shown.locator(".token").evaluate_all(CONTRAST)
    assert min(contrasts) >= 4.5
    page.close()


@pytest.mark.needs(BROWSER, "playwright")
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_shows_features_by_the_size_of_their_scores(browser, table, tmp_path, width, scheme):
    model, path, _ = table
    assert run("report", model, path, *METHODS, "-o", tmp_path / "out").code == 0
    page = opened(browser, tmp_path / "out" / "report.html", width, scheme)
    scores = json.loads((tmp_path / "out" / "report.json").read_text())["items"][0]["maps"][1]["scores"]
    order = np.argsort(-np.abs(scores), kind="stable")
    shown = page.locator("#item-0 table.features").nth(1)
    assert shown.locator("tbody th").all_inner_texts() == [FEATURES[i] for i in order]
    cells = shown.locator("td.signed").evaluate_all(BARS)
    for (left, right, middle, wide), i in zip(cells, order, strict=True):
        long = (right - left) / wide * 2 * max(map(abs, scores))
        assert long == pytest.approx(abs(scores[i]), rel=0.05, abs=2 * max(map(abs, scores)) / wide)
        assert left >= middle - 1 if scores[i] > 0 else right <= middle + 1
    page.close()


CONTRAST = r"""all => all.map(one => {
  const linear = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = text => {
    const [r, g, b] = text.match(/\d+/g).map(v => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const style = getComputedStyle(one), pair = [light(style.color), light(style.backgroundColor)];
  return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
})"""

BARS = """all => all.map(cell => {
  const box = cell.getBoundingClientRect(), bar = cell.firstElementChild.getBoundingClientRect();
  return [bar.left, bar.right, (box.left + box.right) / 2, box.width];
})"""


def opened(browser, path, width, scheme):
    """The page, without messages, requests or sideways scrolling."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    told, asked = [], []
    page.on("console", lambda message: told.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    assert told == [] and [url for url in asked if not url.startswith("data:")] == [page.url]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    return page
