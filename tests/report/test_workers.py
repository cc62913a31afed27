"""Worker processes: the bytes of one process, whoever explains which unit, and whatever ends a worker."""

import json
import os
import signal

import onnx
import pytest

import onnxpath
from benchmarks.resume import hashes, make_inputs
from onnxpath import progress
from onnxpath.errors import InputError, JobError, UnknownName
from onnxpath.report.engines import local
from onnxpath.report.job.lock import LOCK
from onnxpath.report.workers import processes
from onnxpath.report.workers.messages import portable
from tests.models import FOLDER, sample
from tests.report.crews import watched

CNN, PREPROCESS = sample("digits_cnn"), FOLDER / "preprocess.toml"


def go(inputs, out, **options):
    """A report in units of six, with one thread for each operator."""
    settings = {"preprocess": PREPROCESS, "unit": 6, "threads": 1, "sparsity": "softmax-change<=0.5", "workers": 2}
    return onnxpath.report(options.pop("model", CNN), [inputs], out, **{**settings, **options})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Forty pictures, one of them damaged, and the folder of a run of this process alone."""
    folder = tmp_path_factory.mktemp("whole")
    inputs = make_inputs(folder / "in")
    go(inputs, folder / "out", workers=1)
    return inputs, folder / "out"


@pytest.fixture
def crews(monkeypatch):
    return watched(monkeypatch, local, "Processes")


def all_gone(crew):
    return all(process.poll() is not None for process in crew._workers.values())


def test_the_same_bytes(whole, tmp_path, crews):
    inputs, wanted = whole
    told = []
    with progress.listening(lambda *step: told.append(step)):
        made = go(inputs, tmp_path, workers=3)
    assert (made.explained, [f.name for f in made.failures]) == (39, ["17.png"])
    assert "17.png" in made.failures[0].error
    assert hashes(tmp_path) == hashes(wanted) and len(crews[0]._workers) == 3 and all_gone(crews[0])
    counts = [done for what, done, total in told if (what, total) == ("report", 40)]
    assert counts == sorted(counts) and counts[0] == 0 and counts[-1] == 40 and len(counts) == 8
    assert all(item["seconds"] > 0 for item in json.loads(made.data.read_text("utf-8"))["items"])


def test_a_killed_worker_loses_nothing(whole, tmp_path, crews):
    inputs, wanted = whole
    killed = []

    def kill(what, done, total):
        if done >= 12 and not killed:
            killed.append(next(p.pid for p in crews[0]._workers.values() if p.poll() is None))
            os.kill(killed[0], signal.SIGKILL)

    with progress.listening(kill):
        made = go(inputs, tmp_path)
    assert killed and made.explained == 39 and hashes(tmp_path) == hashes(wanted)
    assert len(crews[0]._workers) == 3


DEADLY = """
import json, os, signal, sys, time
sys.path[:] = json.loads(sys.argv[1])
from onnxpath.report.workers import worker
explain = worker.explain_units
def deadly(model, task, units, searched, write, *more):
    def part(path, data):
        write(path, data)
        if "/20.png" in path or "/23.png" in path:
            for name in ("arrays/000003/.20.npz", "page/.cards-000003.js"):
                write(f"{name}.{os.getpid()}.part", b"half")
            os.kill(os.getpid(), signal.SIGKILL)
    explain(model, task, units, searched, part, *more)
worker.explain_units = deadly
worker.main()
"""


def test_a_unit_that_ends_every_worker_is_named(whole, tmp_path, crews, monkeypatch):
    inputs, wanted = whole
    with monkeypatch.context() as patch:
        patch.setattr(processes, "PROGRAM", DEADLY)
        with pytest.raises(JobError) as told:
            go(inputs, tmp_path)
    text = str(told.value)
    assert "these units end every worker that explains them:\n  unit 3, inputs '18.png' to '23.png': 3 times" in text
    assert "killed by SIGKILL" in text and "34 of 40 inputs are finished; the same command goes on from there" in text
    assert all_gone(crews[0]) and not (tmp_path / LOCK).exists() and not list(tmp_path.rglob("*.part"))
    go(inputs, tmp_path, workers=1)
    assert hashes(tmp_path) == hashes(wanted)


def test_workers_that_never_begin(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "PROGRAM", "import os; os._exit(3)")
    with pytest.raises(JobError, match=r"workers end while they load the model, at last with exit code 3"):
        go(whole[0], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_a_worker_raises_is_raised(whole, tmp_path, crews):
    def vanish(what, done, total):
        if done >= 6:
            (tmp_path / "out" / LOCK).unlink(missing_ok=True)

    with progress.listening(vanish), pytest.raises(JobError, match="was removed or taken over during the run"):
        go(whole[0], tmp_path / "out")
    assert all_gone(crews[0])


def test_an_interrupt_ends_the_workers(whole, tmp_path, crews):
    def stop(what, done, total):
        if done >= 6:
            raise KeyboardInterrupt

    with progress.listening(stop), pytest.raises(KeyboardInterrupt):
        go(whole[0], tmp_path)
    assert all_gone(crews[0]) and not list(tmp_path.rglob("*.part")) and not (tmp_path / LOCK).exists()
    assert go(whole[0], tmp_path).explained == 39
    assert hashes(tmp_path) == hashes(whole[1])


@pytest.mark.parametrize("kind", ["proto", "model of bytes"])
def test_models_that_are_no_files(whole, tmp_path, kind):
    inputs, wanted = whole
    source = onnx.load(CNN) if kind == "proto" else onnxpath.load(CNN.read_bytes())
    assert go(inputs, tmp_path, model=source).explained == 39
    found, known = hashes(tmp_path), hashes(wanted)
    assert found.pop("job.json") != known.pop("job.json") and found == known


def test_cores_are_shared(monkeypatch):
    monkeypatch.setattr(local, "available_cores", lambda: 8)
    assert local.Local(None, None, None).threads("cpu") == 8
    assert local.Local(3, None, None).threads("cpu") == 2
    assert local.Local(3, 5, None).threads("cpu") == 5
    assert local.Local(99, None, None).threads("cpu") == 1


def test_a_model_keeps_its_threads(tmp_path):
    model = onnxpath.load(CNN, threads=3)
    for folder, threads in (("a", None), ("b", 2)):
        go(FOLDER / "images" / "digit_00_label_7.png", tmp_path / folder, model=model, threads=threads, workers=1)
    threads = [json.loads((tmp_path / folder / "job.json").read_text())["threads"] for folder in "ab"]
    assert threads == [3, 2]


def test_one_worker_for_each_device(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, GPU-17")
    assert processes.cuda_devices() == ["2", "GPU-17"]
    monkeypatch.setattr(local, "available_cores", lambda: 8)
    assert local.Local(None, None, None).threads("cuda") == 4
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert processes.cuda_devices() == []
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setenv("PATH", "")
    assert processes.cuda_devices() == []


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"engine": "dask"}, UnknownName, "no engine named 'dask'"),
        ({"workers": 0}, InputError, "workers must be a positive whole number, not 0"),
        ({"address": "10.0.0.1:6379"}, InputError, "engine 'local' uses none; add --engine ray"),
    ],
)
def test_wrong_options_are_told_before_anything(tmp_path, options, error, says):
    with pytest.raises(error, match=says):
        go(FOLDER / "images", tmp_path / "out", **options)
    assert list(tmp_path.iterdir()) == []


class Unsendable(Exception):
    """Pickling calls it with one argument."""

    def __init__(self, one, two):
        super().__init__(f"{one} {two}")


def test_errors_cross_processes():
    assert str(portable(JobError("full"))) == "full" and isinstance(portable(JobError("full")), JobError)
    assert str(portable(Unsendable("a", "b"))) == "Unsendable: a b"
