"""The overview of a real run, against what its own rows and raw arrays say: one picture of it is damaged."""

import json
import re
import shutil

import numpy as np
import pytest

import onnxpath
from onnxpath.pathway.pathway import Pathway
from tests.cli.program import CLASSES, CNN, IMAGES, PREPROCESS
from tests.pathway.analyses.made import neurons


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of a run on pictures in a folder for each digit: the first is damaged, one is in a wrong place."""
    place = tmp_path_factory.mktemp("overview")
    for file in sorted(IMAGES.glob("*.png")):
        folder = place / "in" / file.stem[-1]
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, folder)
    first, second, *_ = sorted((place / "in").rglob("*.png"))
    first.write_bytes(b"no picture")
    (place / "in" / "9").mkdir(exist_ok=True)
    second.rename(place / "in" / "9" / second.name)
    onnxpath.report(CNN, [place / "in"], place / "out", preprocess=PREPROCESS, classes=CLASSES)
    data = json.loads((place / "out" / "report.json").read_text("utf-8"))
    return place / "out", data, (place / "out" / "report.html").read_text("utf-8")


def test_counts_are_those_of_the_rows(made):
    _, data, _ = made
    summary, items = data["summary"], data["items"]
    pairs = [(item["label"]["index"], item["predictions"][0]["index"]) for item in items]
    assert (summary["failed"], summary["labelled"]) == (1, len(items)) and len(items) == len(
        list(IMAGES.glob("*.png"))
    ) - 1
    assert summary["correct"] == sum(a == b for a, b in pairs) < len(pairs)
    for row in summary["classes"]:
        own = [b for a, b in pairs if a == row["index"]]
        assert (row["inputs"], row["correct"]) == (len(own), own.count(row["index"]))
        assert row["predicted"] == sum(b == row["index"] for _, b in pairs)
    assert [(c["label"], c["predicted"]) for c in summary["confusions"]] == [p for p in pairs if p[0] != p[1]]
    bins = summary["reliability"]
    sure = [item["predictions"][0]["softmax"] for item in items]
    assert sum(b["inputs"] for b in bins) == len(sure) and summary["mean_confidence"] == pytest.approx(np.mean(sure))


def test_overlap_is_that_of_the_masks_in_the_folder(made):
    out, data, html = made
    found = data["class_overlap"]
    sets = {}
    for item in data["items"]:
        own = neurons(Pathway.load(out / item["arrays"]).masks)
        sets.setdefault(item["target"]["index"], []).append(own)
    assert found["indices"] == sorted(sets) and found["explained"] == [len(sets[k]) for k in found["indices"]]
    one, other = found["indices"][:2]
    expected = np.mean([len(a & b) / len(a | b) for a in sets[one] for b in sets[other]])
    assert found["matrix"][0][1] == pytest.approx(expected) and 'id="class-overlap"' in html


def test_links_lead_to_the_inputs_that_they_name(made):
    _, data, html = made
    part = html[html.index('id="worth-a-look"') :]
    links = re.findall(r'href="#item-(\d+)">([^<]+)</a>', part[: part.index("</section>\n<section") or None])
    names = {int(number): name for number, name in re.findall(r'\n\[(\d+),"([^"]+)"', html)}
    assert links and 0 not in names  # the damaged one has the number 0
    for number, said in links:
        assert names[int(number)].endswith(said.lstrip("…"))
    assert set(names.values()) == {item["name"] for item in data["items"]}
