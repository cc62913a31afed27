"""Job files: the options of a verb as keys, all that is wrong told at once, the command line wins."""

import json
import shutil

import pytest

from docs import make_jobs, make_scale
from onnxpath_cli.config import keys_of, line_of
from onnxpath_cli.main import VERBS
from tests.cli.program import CLASSES, CNN, IMAGES, PREPROCESS, run, tree

JOB = """
model = "model.onnx"
inputs = ["images"]
out = "made/here"
"preprocess" = "preprocess.toml"
method = ["gradient", "pathway-gradient"]
sparsity = 0.8
seed = 3
title = "From a file"
"""


@pytest.fixture
def folder(tmp_path):
    """A folder with a job file and what it names."""
    for source, name in ((CNN, "model.onnx"), (PREPROCESS, "preprocess.toml"), (CLASSES, "classes.txt")):
        shutil.copy(source, tmp_path / name)
    shutil.copytree(IMAGES, tmp_path / "images")
    (tmp_path / "job.toml").write_text(JOB)
    return tmp_path


def test_a_job_file_is_a_command(folder):
    done = run("report", "--config", folder / "job.toml")
    assert done.code == 0, done
    data = json.loads((folder / "made" / "here" / "report.json").read_text("utf-8"))
    assert data["title"] == "From a file" and data["run"]["methods"] == ["gradient", "pathway-gradient"]
    assert data["run"]["sparsity"] == 0.8 and len(data["items"]) == 12
    kept = json.loads((folder / "made" / "here" / "job.json").read_text("utf-8"))
    assert kept["methods"]["pathway-gradient"]["sparsity"] == 0.8 and kept["seed"] == 3
    assert kept["provider"] == "cpu" and kept["inputs"]["count"] == 12 and "onnxruntime" in str(kept["versions"])
    assert len(kept["model"]["sha256"]) == 64 and kept["preprocess"]["color"] == "L"


def test_the_command_line_wins(folder):
    picture = sorted(IMAGES.glob("*.png"))[0]
    options = ["-o", folder / "out", "--sparsity", "0.5", "--method", "pathway-gradient"]
    done = run("report", CNN, picture, "--config", folder / "job.toml", *options, "--json")
    assert done.code == 0, done
    data = json.loads((folder / "out" / "report.json").read_text("utf-8"))
    assert data["run"]["methods"] == ["pathway-gradient"] and data["run"]["sparsity"] == 0.5
    assert len(data["items"]) == 1 and data["title"] == "From a file" and not (folder / "made").exists()


def test_everything_wrong_is_told_with_its_line(folder):
    (folder / "job.toml").write_text(
        'model = 3\ninputs = "images"\n\n# note\nsparsty = 0.8\nseed = -1\nunit = 2.5\nscope = true\n[preprocess]\n'
    )
    before = tree(folder)
    done = run("report", "--config", folder / "job.toml")
    assert done.code == 2 and done.out == "" and tree(folder) == before
    for line in (
        "line 1: model must be a path, not 3",
        "line 2: inputs must be a list, each a path, not 'images'",
        "line 5: unknown key 'sparsty'; did you mean 'sparsity'?",
        "line 6: seed must be a whole number from 0, not -1",
        "line 7: unit must be a whole number from 1, not 2.5",
        "line 8: scope must be text, not True",
        "line 9: preprocess must be a path, not {}",
        "known keys: model, inputs, out, method,",
    ):
        assert line in done.err, (line, done.err)


@pytest.mark.parametrize(
    ("text", "says"),
    [(b"seed = ", "is not valid TOML: Invalid value (at end of document)"), (b"\xff", "is not UTF-8 text")],
)
def test_files_that_are_no_toml(folder, text, says):
    (folder / "job.toml").write_bytes(text)
    done = run("report", "--config", folder / "job.toml")
    assert done.code == 2 and says in done.err
    done = run("report", "--config", folder / "no.toml")
    assert done.code == 2 and "no.toml' cannot be read: No such file or directory" in done.err


def test_a_missing_argument_is_typers_error(folder):
    (folder / "job.toml").write_text('model = "model.onnx"\n')
    done = run("report", "--config", folder / "job.toml")
    assert done.code == 2 and "Missing" in done.err and "INPUTS" in done.err


def test_lines_of_keys():
    text = '"a" = 1\n\nb.c = 2\n# d = 3\nd = 4\n[e]\nf = 1\n[[g]]\n'
    assert [line_of(text, key) for key in "abdeg"] == [1, 3, 5, 6, 8]


def test_every_key_is_documented():
    assert make_jobs.PAGE.read_text(encoding="utf-8") == make_jobs.page(), "run `python docs/make_jobs.py`"
    assert all(key.help for key in keys_of(VERBS["report"]).values())


def test_the_projection_is_of_the_number_that_the_page_says():
    assert make_scale.PAGE.read_text(encoding="utf-8") == make_scale.page(), "run `python docs/make_scale.py`"
    assert "| 100 inputs a second and core | 10,000 | 1,000,000 |" in make_scale.projection(10.0)
    assert "| on 2 cores | 50 s | 83 minutes | 5.8 days |" in make_scale.projection(10.0)
