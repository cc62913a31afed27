"""Finished reports read again: row by row or whole the same, in memory that one row needs, and failures of two runs."""

import json
import tracemalloc
from dataclasses import replace

import pytest

from onnxpath.errors import InputError
from onnxpath.report import runs
from onnxpath.report.data import Failure
from onnxpath.report.plain import as_plain, to_json
from onnxpath.report.stored import _Rows, read_run
from onnxpath.report.write import write_report

from . import samples


def written(folder, report):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(to_json(report), encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", samples.CASES)
def test_rows_are_those_of_the_whole_file(tmp_path, name):
    report = samples.CASES[name]()
    by_row = read_run(written(tmp_path / "rows", report))
    plain = json.loads(to_json(report))
    (tmp_path / "report.json").write_text(json.dumps(plain, indent=2))
    whole = read_run(tmp_path)
    assert isinstance(by_row.items, _Rows) and not isinstance(whole.items, _Rows)
    assert list(by_row.items) == list(whole.items) == [item["name"] for item in plain["items"]]
    assert len(by_row.items) == len(report.items)
    for item in plain["items"]:
        assert as_plain(by_row.items[item["name"]]) == item == as_plain(whole.items[item["name"]])
    assert (by_row.model, by_row.run, by_row.failures) == (whole.model, whole.run, whole.failures)
    assert by_row.class_names() == whole.class_names()
    assert as_plain(by_row.failures) == plain["failures"]


def test_rows_written_by_a_run_are_found(tmp_path):
    write_report(tmp_path, samples.report(3))
    found = read_run(tmp_path)
    assert isinstance(found.items, _Rows) and found.items["set/2.png"].predictions[0].name == "cat"
    assert found.class_names() == ["cat", "dog"] and "set/3.png" not in found.items


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"name": "set/1.png"', '"name": 7', "'name' is 7, not text"),
        ('"schema": 1', '"schema": 2', "has format 2"),
        ('"neuron_layers": [', '"neuron_layers": 3, "x": [', "neuron_layers"),
        ('{"name": "set/1.png"', '{"name": "set/1.png",,', "is not the data of a report"),
    ],
)
def test_what_is_damaged_is_refused_by_name(tmp_path, old, new, said):
    text = to_json(samples.report(3))
    assert old in text
    (tmp_path / "report.json").write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=said):
        read_run(tmp_path)


def test_memory_is_that_of_a_row(tmp_path):
    """Two thousand inputs of fifty layers: all of them at once would take tens of megabytes."""
    item = samples.item(0)
    layers = [replace(item.pathway.layers[0], name=f"layer {i}") for i in range(50)]
    item = replace(item, pathway=replace(item.pathway, layers=layers))
    report = samples.report(0)
    report.items = [replace(item, name=f"{index}.png") for index in range(2000)]
    folder = written(tmp_path, report)
    tracemalloc.start()
    found = read_run(folder)
    names = [found.items[name].name for name in found.items]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(names) == 2000 and peak < 2_000_000 < (folder / "report.json").stat().st_size


def test_failures_of_two_runs_are_told_side_by_side(tmp_path):
    one, other = samples.report(1), samples.report(1)
    one.failures = [Failure("a", "broken"), Failure("b", "too large"), Failure("c", "gone")]
    other.failures = [Failure("b", "too large"), Failure("c", "empty"), Failure("d", "broken")]
    read = [read_run(written(tmp_path / name, made)) for name, made in (("one", one), ("other", other))]
    told = {f.name: f.error for f in runs.failures(*read)}
    assert told == {
        "a": "in A: broken",
        "b": "in both: too large",
        "c": "in A: gone\nin B: empty",
        "d": "in B: broken",
    }
