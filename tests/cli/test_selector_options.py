"""Options of selectors, and a sparsity by a rule, on the command line."""

import json

import numpy as np
from typer.testing import CliRunner

from onnxpath.pathway.pathway import Pathway
from onnxpath_cli.main import app
from tests.models import FOLDER, sample


def call(tmp_path, *options, verb="pathway"):
    command = [verb, sample("digits_cnn"), FOLDER / "images", "-o", tmp_path, "--json"]
    command += ["--preprocess", FOLDER / "preprocess.toml", *options]
    return CliRunner().invoke(app, list(map(str, command)))


def test_options_go_to_the_selectors_that_have_them(tmp_path):
    result = call(
        *(tmp_path, "--selector", "greedy", "--selector", "dgr", "--selector", "random"),
        *("--option", "variant=keep-zero", "--option", "n-rounds=2", "--option", "penalty=0.5", "--seed", 3),
    )
    assert result.exit_code == 0, result.output
    found = {name: Pathway.load(next((tmp_path / name).glob("*.npz"))) for name in ("greedy", "dgr", "random")}
    assert found["greedy"].options == {"variant": "keep-zero", "n_rounds": 2, "seed": 3}
    assert found["dgr"].options == {"penalty": 0.5}
    assert found["random"].options == {"seed": 3}


def test_an_option_that_none_has(tmp_path):
    result = call(tmp_path, "--selector", "greedy", "--option", "varian=strict")
    assert result.exit_code == 2
    assert "no option of selector 'greedy' named 'varian'; did you mean 'variant'?" in result.output


def test_a_rule_finds_one_sparsity_for_all(tmp_path):
    result = call(tmp_path, "--sparsity", "softmax-change<=0.15")
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["results"]
    (sparsity,) = {row["sparsity"] for row in rows}
    assert 0.5 < sparsity < 1 and len(rows) == 12
    change = [abs(row["masked_softmax"] - row["softmax"]) / row["softmax"] for row in rows]
    assert np.mean(change) <= 0.15 + 1e-6


def test_a_rule_is_searched_on_what_runs_together_first(tmp_path, monkeypatch):
    from onnxpath.runtime.model import Model

    monkeypatch.setattr(Model, "rows_per_run", lambda self, feeds: 5)
    rows = json.loads(call(tmp_path, "--sparsity", "softmax-change<=0.15").stdout)["results"]
    assert len({row["sparsity"] for row in rows}) == 1
    report = call(tmp_path / "report", "--sparsity", "softmax-change<=0.15", verb="report")
    assert report.exit_code == 0, report.output
    items = json.loads((tmp_path / "report" / "report.json").read_text())["items"]
    assert {item["pathway"]["sparsity"] for item in items} == {row["sparsity"] for row in rows}


def test_a_report_of_a_selector_without_sparsity(tmp_path):
    result = call(tmp_path, "--selector", "active-subnet", verb="report")
    assert result.exit_code == 0, result.output
    items = json.loads((tmp_path / "report.json").read_text())["items"]
    assert all(item["pathway"]["sparsity"] is None and item["pathway"]["density"] < 1 for item in items)


def test_a_rule_for_a_selector_without_sparsity_is_refused_once(tmp_path):
    result = call(tmp_path, "--selector", "dgr", "--sparsity", "softmax-change<=0.15")
    assert result.exit_code == 2 and result.output.count("takes no sparsity") == 1
    assert not list(tmp_path.rglob("*.npz"))
