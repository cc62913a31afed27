"""Progress and interruption: long selectors tell their steps, and what is finished when they are stopped is kept."""

import numpy as np
import pytest

import onnxpath
from onnxpath.pathway.trace import trace
from onnxpath.progress import listening, track
from onnxpath.runtime.targets import resolve_target
from tests.models import sample, sample_images

LONG = {
    "neuron-intgrad": ({}, 4),
    "greedy": ({"n_rounds": 5}, 5),
    "dgr": ({"n_steps": 6}, 6),
    "dgr-neuron": ({"n_steps": 7}, 7),
}
"""Selector -> options, and the steps of one run on digits_cnn, which has four neuron layers."""


def test_steps_are_told_in_order_and_only_inside():
    heard = []
    assert list(track("ab", "test")) == ["a", "b"]
    with listening(lambda *told: heard.append(told)):
        assert list(track([3, 4, 5], "test")) == [3, 4, 5]
    list(track("ab", "test"))
    assert heard == [("test", 1, 3), ("test", 2, 3), ("test", 3, 3)]


@pytest.mark.parametrize("selector", LONG)
def test_long_selectors_tell_their_steps(selector):
    options, steps = LONG[selector]
    heard = []
    with listening(lambda *told: heard.append(told)):
        onnxpath.critical_pathway(sample("digits_cnn"), sample_images()[:2], selector=selector, **options)
    assert heard == [(selector, done, steps) for done in range(1, steps + 1)]


@pytest.mark.parametrize("selector", LONG)
def test_what_is_finished_when_it_is_stopped_is_kept(selector):
    """Ctrl-C in the third run of one row each: two rows are there, and they are those of an undisturbed run."""
    options, steps = LONG[selector]
    x = sample_images()[:4]
    model = onnxpath.load(sample("digits_cnn"), providers="cpu", memory=1)
    heard = []

    def stop(*told):
        heard.append(told)
        if len(heard) == 2 * steps + 2:
            raise KeyboardInterrupt

    done = []
    with listening(stop), pytest.raises(KeyboardInterrupt):
        for run in trace(model, {"image": x}, resolve_target(model, None, 4), selector, options=options):
            done += run.pathways
    whole = onnxpath.critical_pathway(model, x, selector=selector, **options)
    assert len(done) == 2
    for one, other in zip(done, whole, strict=False):
        assert all(np.array_equal(one.masks[k], other.masks[k]) for k in one.masks)


def test_the_command_line_keeps_the_files_of_finished_rows(tmp_path, monkeypatch):
    """The same through the verb: files of finished inputs are whole, and it says that it was stopped."""
    from typer.testing import CliRunner

    from onnxpath.pathway.pathway import Pathway
    from onnxpath.runtime.model import Model
    from onnxpath_cli.main import app
    from tests.models import FOLDER

    heard = []

    def stop(bar, task, **values):
        heard.append(task)
        if len(heard) == 2 * 10 + 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(Model, "rows_per_run", lambda self, feeds: 1)
    monkeypatch.setattr("rich.progress.Progress.update", stop)
    command = ["pathway", sample("digits_cnn"), FOLDER / "images", "-o", tmp_path, "--selector", "greedy"]
    command += ["--preprocess", FOLDER / "preprocess.toml"]
    result = CliRunner().invoke(app, list(map(str, command)))
    assert result.exit_code == 130 and "files written so far are whole" in result.output
    files = sorted(tmp_path.glob("*.npz"))
    assert len(files) == 2 and all(Pathway.load(file).selector == "greedy" for file in files)
