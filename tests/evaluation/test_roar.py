"""ROAR and KAR: what is removed, that a study goes on where it was stopped, and its table by hand."""

import csv
import json
import math
import re
import shutil

import numpy as np
import pytest

from onnxpath.errors import InputError, JobError, OnnxPathError, UnknownName
from onnxpath.evaluation.layout import Layout
from onnxpath.evaluation.roar.removal import means, removed
from onnxpath.evaluation.roar.result import CLEAN, Point, summed_up
from onnxpath.evaluation.roar.study import Study
from onnxpath.evaluation.training import train as training
from onnxpath.evaluation.training.optimiser import Adam
from onnxpath.evaluation.training.train import Recipe, Trainer
from onnxpath.progress import listening
from onnxpath.runtime.model import load
from tests.evaluation.slow import ordered, without
from tests.evaluation.training import LAYOUT, small, stripes
from tests.models import parse

RECIPE = Recipe(Adam(1e-2), epochs=2, batch=16)


def study(folder, **changes):
    rng = np.random.default_rng(0)
    given = {
        "model": load(small(True)[0], providers="cpu"),
        "train": stripes(48, rng),
        "test": stripes(24, rng),
        "methods": ["input-x-gradient"],
        "folder": folder,
        "baselines": ["random"],
        "percents": [20, 50],
        "seeds": [0, 1],
        "recipe": RECIPE,
    }
    return Study(**(given | changes))


@pytest.mark.parametrize("kind", ["roar", "kar"])
@pytest.mark.parametrize("percent", [0, 7, 50, 100])
def test_removal_against_a_plain_version(kind, percent):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(3, 2, 5, 7)).astype(np.float32)
    # Many ties, so that their order is tested too.
    ranking = rng.integers(0, 4, (3, 35)).astype(np.float32)
    layout = Layout.of((2, 5, 7))
    values = means(x, layout)
    assert values == pytest.approx([x[:, 0].mean(), x[:, 1].mean()], abs=1e-6)
    made = removed(x, ranking, percent, kind, values, layout)
    for row in range(3):
        order = ordered(ranking[row].reshape(5, 7), most_first=kind == "roar")
        assert np.array_equal(made[row], without(x[row], order, math.floor(percent * 35 / 100), values))
    last = Layout.of((5, 7, 2), "last")
    turned = removed(np.ascontiguousarray(x.transpose(0, 2, 3, 1)), ranking, percent, kind, values, last)
    assert np.array_equal(turned.transpose(0, 3, 1, 2), made)


def test_rankings_must_fit_the_rows():
    with pytest.raises(InputError, match="cannot be ranked"):
        removed(np.zeros((2, 1, 3, 3), "f"), np.zeros((2, 8)), 10, "roar", np.zeros(1, "f"), Layout.of((1, 3, 3)))


@pytest.mark.parametrize("kind", ["roar", "kar"])
def test_a_point_is_a_training_on_what_is_left(tmp_path, kind):
    whole = study(tmp_path, kind=kind, seeds=[3], percents=[20])
    points = {(p.method, p.percent, p.seed): p for p in whole.run()}
    assert list(points) == whole.keys()
    trainer = Trainer(whole.model, RECIPE)
    clean = trainer.fit(whole.train, 3, LAYOUT)
    assert points[CLEAN, 0.0, 3].accuracy == trainer.accuracy(trainer.state_of(clean.weights), whole.test)
    # input × gradient of the class that the clean network predicts, channels by their signed maximum.
    model = trainer.trained_model(clean.weights)
    rankings = [by_differences(trainer, clean.weights, part.x) for part in (whole.train, whole.test)]
    for ours, theirs in zip(whole.rankings("input-x-gradient"), rankings, strict=True):
        close = np.isclose(ours, theirs.reshape(ours.shape), atol=1e-2).mean()
        assert close > 0.97
    assert model.path is None
    values = whole.train.x.mean((0, 2, 3))
    parts = []
    for part, ranking in zip((whole.train, whole.test), whole.rankings("input-x-gradient"), strict=True):
        orders = [ordered(r.reshape(8, 8), kind == "roar") for r in ranking]
        rows = [without(x, o, 12, values) for x, o in zip(part.x, orders, strict=True)]
        parts.append(part.with_x(np.stack(rows)))
    again = trainer.fit(parts[0], 3, LAYOUT)
    expected = trainer.accuracy(trainer.state_of(again.weights), parts[1])
    assert points["input-x-gradient", 20.0, 3].accuracy == expected


def by_differences(trainer, weights, x):
    """Input × gradient of the largest logit by central differences, largest over the channels; [N, H, W]."""
    state, step = trainer.state_of(weights), 1e-2
    target = trainer.logits(state, x).argmax(1)
    found = np.empty((len(x), x[0].size))
    for place in range(x[0].size):
        shift = np.zeros(x[0].size, np.float32)
        shift[place] = step
        up, down = (trainer.logits(state, x + s * shift.reshape(x[0].shape)) for s in (1, -1))
        found[:, place] = (up - down)[np.arange(len(x)), target] / (2 * step)
    return (found.reshape(x.shape) * x).max(1)


def test_a_study_that_was_stopped_goes_on(tmp_path):
    whole = study(tmp_path / "whole")
    expected = {(p.method, p.percent, p.seed): p.accuracy for p in whole.run()}
    assert len(expected) == 2 + 2 * 2 * 2
    stopped = study(tmp_path / "stopped").run()
    first = [next(stopped) for _ in range(4)]
    stopped.close()
    again = study(tmp_path / "stopped")
    assert set(again.points()) == {(p.method, p.percent, p.seed) for p in first}
    rest = list(again.run())
    assert len(rest) == 6
    assert {key: p.accuracy for key, p in again.points().items()} == expected
    assert not list(study(tmp_path / "stopped").run())
    # More methods and percentages may be asked for later.
    more = study(tmp_path / "stopped", methods=["input-x-gradient", "gradient"], percents=[50])
    assert [(p.method, p.percent) for p in more.run()] == [("gradient", 50.0)] * 2


def test_a_checkpoint_belongs_to_its_point(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "SECONDS_BETWEEN", 0)
    expected = {(p.method, p.percent, p.seed): p.accuracy for p in study(tmp_path / "whole", seeds=[0]).run()}
    ended = []

    def interrupt(what, done, total):
        ended.append(done)
        if len(ended) == 3:
            raise KeyboardInterrupt

    # In the first epoch of the second training, another one is begun instead of it, then both are ended.
    with pytest.raises(KeyboardInterrupt), listening(interrupt):
        list(study(tmp_path / "cut", seeds=[0]).run())
    (left,) = (tmp_path / "cut" / "points").glob("*.npz")
    assert left.name == "input-x-gradient-20-0.npz"
    list(study(tmp_path / "cut", seeds=[0], methods=[]).run())
    assert left.exists()
    rest = study(tmp_path / "cut", seeds=[0])
    list(rest.run())
    assert not left.exists() and {key: p.accuracy for key, p in rest.points().items()} == expected


def test_labels_that_differ_in_signs_alone_have_files_of_their_own(tmp_path):
    whole = study(tmp_path)
    names = ["pathway-gradient:sparsity=0.9", "pathway-gradient_sparsity_0.9", "pathway-gradient:sparsity:0.9"]
    assert len({whole._file(name, 10, 0) for name in names}) == 3


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """The folder of a finished study of one seed."""
    folder = tmp_path_factory.mktemp("kept")
    for _ in study(folder, seeds=[0], percents=[20]).run():
        pass
    return folder


POINT, RANKING, WEIGHTS = "points/random-20-0.json", "ranking-random.npz", "clean.npz"
DAMAGE = [
    *((name, lambda path: path.write_bytes(path.read_bytes()[:-9])) for name in (POINT, RANKING, WEIGHTS)),
    *((name, lambda path: path.write_bytes(b"")) for name in (POINT, RANKING, WEIGHTS)),
    *((name, lambda path: np.savez(path, train=np.zeros((48, 1)))) for name in (RANKING, WEIGHTS)),
    (POINT, lambda path: path.write_bytes(b"[" * 100_000)),
    (POINT, lambda path: path.write_bytes(path.with_name("clean-0-0.json").read_bytes())),
    (POINT, lambda path: path.write_text(path.read_text().replace('"accuracy": ', '"accuracy": "x", "b": '))),
    (POINT, lambda path: path.write_text(re.sub(r'"loss": [\d.e-]+', '"loss": "x"', path.read_text()))),
]


@pytest.mark.parametrize(("name", "damage"), DAMAGE)
def test_what_was_damaged_since_is_told_by_name(kept, tmp_path, name, damage):
    folder = shutil.copytree(kept, tmp_path / "study")
    damage(folder / name)
    if name != POINT:
        (folder / POINT).unlink()
    if name == WEIGHTS:
        (folder / RANKING).unlink()
    with pytest.raises(JobError, match=r"is not what a study writes: .*; delete it, and the same command") as told:
        list(study(folder, seeds=[0], percents=[20]).run())
    assert name in str(told.value)


@pytest.mark.parametrize("data", [b"", b"3", b"[" * 100_000, b"\xff"])
def test_settings_of_a_study_that_are_none(kept, tmp_path, data):
    folder = shutil.copytree(kept, tmp_path / "study")
    (folder / "study.json").write_bytes(data)
    with pytest.raises(JobError, match=r"study.json' cannot be read: .*; choose another folder, or delete this one"):
        list(study(folder, seeds=[0], percents=[20]).run())


def test_a_checkpoint_of_another_training(tmp_path):
    (tmp_path / "c.npz").write_bytes(b"PK")
    trainer = Trainer(load(small(True)[0], providers="cpu"), RECIPE)
    for arrays in (None, {"place": np.zeros(2)}, {"place": np.zeros(3), "losses": np.zeros(1)}):
        if arrays is not None:
            np.savez(tmp_path / "c.npz", **arrays)
        with pytest.raises(JobError, match=r"c.npz' is not a checkpoint of this training: .*; delete it"):
            trainer.fit(stripes(48, np.random.default_rng(0)), 0, LAYOUT, tmp_path / "c.npz")


def test_other_settings_need_another_folder(tmp_path):
    next(study(tmp_path).run())
    with pytest.raises(JobError, match=r"another train x, recipe"):
        changed = study(tmp_path, recipe=Recipe(Adam(1e-3)))
        next(study(tmp_path, recipe=Recipe(Adam(1e-3)), train=changed.train.with_x(changed.train.x + 1)).run())


def test_everything_wrong_is_said_at_once_before_work_starts(tmp_path):
    with pytest.raises(OnnxPathError) as error:
        next(study(tmp_path, methods=["gradeint"], baselines=["edgse"], percents=[0, 120], kind="raor", seeds=[]).run())
    for text in ("gradeint", "edgse", "percentages of the positions", "no kind of retraining named 'raor'"):
        assert text in str(error.value)
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="percentages are above 0"):
        next(study(tmp_path, percents=[0, 50]).run())
    with pytest.raises(UnknownName, match="ranking"):
        next(study(tmp_path, ranking="sum").run())


def test_a_method_that_cannot_run_is_found_before_training(tmp_path):
    dense = parse(
        "m (float[n, 2, 8, 8] x) => (float[n, 3] y) { f = Flatten(x); y = Gemm(f, w) }", w=np.ones((128, 3), "f")
    )
    with pytest.raises(OnnxPathError):
        next(study(tmp_path, model=load(dense, providers="cpu"), methods=["grad-cam"]).run())
    assert not (tmp_path / "points").exists()


def points(method, table):
    """Points of a method from seed -> {percent: accuracy}."""
    return [Point(method, q, seed, a, 1, 0.1, 1.0) for seed, row in table.items() for q, a in row.items()]


TABLE = [
    *points(CLEAN, {0: {0.0: 0.9}, 1: {0.0: 0.94}, 2: {0.0: 0.95}}),
    *points("sharp", {0: {10.0: 0.5, 50.0: 0.3}, 1: {10.0: 0.54, 50.0: 0.34}, 2: {10.0: 0.5, 50.0: 0.35}}),
    *points("vague", {0: {10.0: 0.9, 50.0: 0.7}, 1: {10.0: 0.5, 50.0: 0.9}, 2: {10.0: 0.9, 50.0: 0.8}}),
    *points("random", {0: {10.0: 0.8, 50.0: 0.7}, 1: {10.0: 0.84, 50.0: 0.72}, 2: {10.0: 0.8, 50.0: 0.7}}),
]


def test_a_table_by_hand():
    found = summed_up(TABLE, ["random"], {"kind": "roar"}, 0.9)
    assert found.counts and found.clean == pytest.approx(0.93)
    assert found.rows[0].method == "sharp"
    sharp = found.rows[0]
    assert sharp.means == pytest.approx({10.0: 1.54 / 3, 50.0: 0.33})
    assert sharp.deviations[50.0] == pytest.approx(math.sqrt((0.03**2 + 0.01**2 + 0.02**2) / 2))
    # (0.9 + 0.5) / 2 · 0.1 + (0.5 + 0.3) / 2 · 0.4, and so on.
    assert sharp.area == pytest.approx(np.mean([0.23, 0.25, 0.2425]))
    verdicts = {row.method: row.verdict for row in found.rows}
    assert verdicts == {"sharp": "better", "vague": "undecided", "random": ""}
    assert {row.method: row.baseline for row in found.rows} == {"sharp": False, "vague": False, "random": True}
    kept = summed_up(TABLE, ["random"], {"kind": "kar"}, 0.9)
    assert {row.method: row.verdict for row in kept.rows}["sharp"] == "worse"
    assert kept.rows[-1].method == "sharp"


def test_a_run_below_ninety_percent_does_not_count():
    found = summed_up(TABLE, ["random"], {"kind": "roar"}, 0.935)
    assert not found.counts
    assert "does not count" in found.to_text() and "93.0 ± 2.6 %" in found.to_text()


def test_tables_of_unfinished_studies():
    few = [p for p in TABLE if not (p.method == "sharp" and p.seed == 2 and p.percent == 50.0)]
    sharp = summed_up(few, ["random"], {"kind": "roar"}, 0.9).rows[0]
    assert sharp.seeds == 2 and sharp.area == pytest.approx(0.24)
    assert summed_up([], [], {"kind": "roar"}, 0.9).to_text().startswith("no clean network")
    one = summed_up([p for p in TABLE if p.seed == 0], ["random"], {"kind": "roar"}, 0.9)
    assert one.rows[0].verdict == "" and "±" not in one.to_text()


def test_what_is_not_trained_is_named():
    found = summed_up(TABLE, ["random"], {"kind": "roar", "kept": ["position", "token"]}, 0.9)
    assert found.to_text().endswith("not trained, as in the file: position, token")


def test_json_and_csv_hold_every_point():
    found = summed_up(TABLE, ["random"], {"kind": "roar"}, 0.9)
    plain = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert plain["counts"] and len(plain["points"]) == len(TABLE)
    rows = list(csv.DictReader(found.to_csv().splitlines()))
    assert [float(row["accuracy"]) for row in rows] == [p.accuracy for p in TABLE]
