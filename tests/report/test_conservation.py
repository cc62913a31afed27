"""The section on conservation: fed by methods of relevance alone, the worst nodes by name, everything in the JSON."""

import json
from dataclasses import replace
from pathlib import Path

import onnxpath
from onnxpath.batch.inputs import find_inputs
from onnxpath.batch.preprocess import load_preprocess
from onnxpath.report.balance import Conservation, NodeBalance
from onnxpath.report.job import followed
from onnxpath.report.plain import to_json
from onnxpath.report.sections.conservation import conservation
from tests.models import FOLDER, sample
from tests.report import samples


def report_of(count, conservation=()):
    return replace(samples.report(count), conservation=list(conservation))


def balance(name, given, passed, excess=None):
    return NodeBalance(name, "Conv", given, passed, passed, excess)


def test_the_worst_nodes_are_named_in_order():
    nodes = [balance("last", [4.0, -2.0], [4.0, -2.0]), balance("a<b>", [4.0, -2.0], [3.0, -2.0], [0.5, 0.25])]
    nodes.append(balance("c", [3.0, -2.0], [3.0, -0.5]))
    made = Conservation("rap", ["one", "two"], 1.5, nodes)
    assert [(node.node, loss) for node, loss in made.worst()] == [("c", 0.75), ("a<b>", 0.25)]
    assert [node.node for node, _ in made.worst(1)] == ["c"]
    html = conservation(report_of(2, conservation=[made]))
    assert html.index('<th scope="row">c<') < html.index("a&lt;b&gt;") and ">last<" not in html
    assert "75" in html and "1.5 s" in html and "0.375" in html


def test_nothing_is_said_without_a_method_of_relevance_or_a_loss():
    assert conservation(report_of(2)) == ""
    even = Conservation("lrp", ["one"], 0.1, [balance("last", [4.0], [4.0])])
    assert "Every node passed on what it got" in conservation(report_of(1, conservation=[even]))
    assert "No input could be followed" in conservation(report_of(1, conservation=[Conservation("lrp", [], 0.1)]))


def test_relevance_is_followed_on_the_first_inputs(monkeypatch):
    monkeypatch.setattr(followed, "MOST_INPUTS", 3)
    model, preprocess = onnxpath.load(sample("digits_resnet")), load_preprocess(FOLDER / "preprocess.toml")
    items = find_inputs([Path(FOLDER / "images")], 4)
    methods = {"gradient": {}, "rap": {}, "lrp": {"composite": "epsilon-plus"}}
    rap, lrp = followed.conserved(model, items, preprocess, methods)
    assert (rap.method, lrp.method) == ("rap", "lrp") and rap.inputs == [item.name for item in items[:3]]
    assert rap.worst() == [] and lrp.worst()[0][0].operator == "Conv"
    assert any(node.excess for node in rap.nodes) and not any(node.excess for node in lrp.nodes)
    held = json.loads(to_json(report_of(1, conservation=[rap])))["conservation"][0]
    assert len(held["nodes"]) == len(rap.nodes) and len(held["nodes"][0]["cut"]) == 3
    assert followed.conserved(model, items, preprocess, {"lrp": {"composite": "beta-smooth"}}) == []
