"""The option --rules, on a quantised model."""

import json

import numpy as np
import onnx
import pytest

from tests.cli.program import IMAGES, ONE_IMAGE, PREPROCESS, refused, run
from tests.formats import in_format, quantised
from tests.models import sample, sample_images

STRAIGHT = ("--rules", "straight-through")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return quantised(sample("digits_cnn"), tmp_path_factory.mktemp("small"), sample_images())


@pytest.mark.parametrize("verb", ["explain", "pathway", "report"])
def test_without_the_option_nothing_starts(verb, model, tmp_path):
    text = refused(tmp_path, verb, model, ONE_IMAGE, "--preprocess", PREPROCESS)
    assert "no gradient passes QuantizeLinear" in text and "--rules straight-through" in text


@pytest.mark.parametrize("verb", ["explain", "pathway"])
def test_with_it_they_run(verb, model, tmp_path):
    done = run(verb, model, ONE_IMAGE, "--preprocess", PREPROCESS, "-o", tmp_path / "out", *STRAIGHT)
    assert done.code == 0, done.err


def test_the_report_names_it(model, tmp_path):
    done = run("report", model, IMAGES, "--preprocess", PREPROCESS, "-o", tmp_path / "out", *STRAIGHT)
    assert done.code == 0, done.err
    notes = json.loads((tmp_path / "out" / "report.json").read_text())["model"]["notes"]
    assert any(note.startswith("rules 'straight-through' at 'image_QuantizeLinear'") for note in notes)
    assert "rules &#39;straight-through&#39;" in (tmp_path / "out" / "report.html").read_text()


def test_inspect_counts_by_kind(model):
    exact, rough = run("inspect", model, "--json").json, run("inspect", model, "--json", *STRAIGHT).json
    assert exact["rules"] == "gradient" and rough["rules"] == "straight-through"
    assert exact["coverage"]["zero"] == rough["coverage"]["straight-through"] == {"QuantizeLinear": 9}
    assert not rough["missing"] and len(rough["neuron_layers"]) == 4
    assert rough["parameters"] > 30_000
    assert "straight-through QuantizeLinear (9)" in run("inspect", model, *STRAIGHT).out


def test_the_written_graph_names_it(model, tmp_path):
    assert "no gradient passes QuantizeLinear" in run("gradient", model, "-o", tmp_path / "g.onnx").err
    done = run("gradient", model, "-o", tmp_path / "g.onnx", *STRAIGHT)
    assert "rules 'straight-through'" in done.out
    made = onnx.load(tmp_path / "g.onnx")
    assert {p.key: p.value for p in made.metadata_props}["onnxpath.rules"] == "straight-through"


def test_an_unknown_name(model, tmp_path):
    done = run("gradient", model, "-o", tmp_path / "g.onnx", "--rules", "straight")
    assert done.code == 2 and "did you mean 'straight-through'?" in done.err


def test_float16_through_the_program(tmp_path):
    onnx.save(in_format(sample("digits_cnn"), onnx.TensorProto.FLOAT16), tmp_path / "half.onnx")
    done = run(
        "explain", tmp_path / "half.onnx", ONE_IMAGE, "--preprocess", PREPROCESS, "-o", tmp_path / "out", "--json"
    )
    assert done.code == 0, done.err
    (row,) = done.json["results"]
    with np.load(row["array"]) as saved:
        assert saved["map"].dtype == np.float16 and np.isfinite(saved["map"]).all()


def test_a_format_without_kernels_is_told_before_the_first_image(tmp_path):
    onnx.save(in_format(sample("digits_cnn"), onnx.TensorProto.DOUBLE), tmp_path / "double.onnx")
    text = refused(tmp_path, "explain", tmp_path / "double.onnx", ONE_IMAGE, "--preprocess", PREPROCESS)
    assert "no kernel for Conv in float64" in text
