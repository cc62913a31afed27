"""What a worker on another node does with what it is sent, without a cluster: weights apart, paths, versions."""

import json
import os
import socket
from dataclasses import replace

import numpy as np
import onnx
import pytest

from onnxpath.errors import JobError, ModelError
from onnxpath.report.engines.ray import _shipment
from onnxpath.report.job.configuration import configuration
from onnxpath.report.job.engine import Run
from onnxpath.report.job.prepare import prepare
from onnxpath.report.job.store import Store
from onnxpath.report.job.units import Task, explain_units
from onnxpath.report.workers.actors import Shipment, Worker, require_files, sizes_of
from onnxpath.report.workers.crew import Done, Ready
from tests.models import FOLDER, sample


@pytest.fixture
def run(tmp_path):
    """A run of twelve pictures whose model keeps its weights in a folder beside it."""
    (tmp_path / "model" / "weights").mkdir(parents=True)
    path = tmp_path / "model" / "net.onnx"
    model = onnx.load(sample("digits_cnn"))
    onnx.save_model(model, path, save_as_external_data=True, location="weights/data.bin", size_threshold=0)
    job = prepare(path, [FOLDER / "images"], tmp_path / "out", FOLDER / "preprocess.toml", "cpu", threads=1)
    task = Task(job.preprocess, [], {"gradient": {}}, None, None, 64)
    store = Store(job.out, configuration(job, task, 0), len(job.items), 64)
    yield Run(job, path, task, store)
    store.close()


@pytest.fixture(autouse=True)
def stays(monkeypatch, tmp_path):
    """Workers go to the run's folder, and a test goes back."""
    monkeypatch.chdir(tmp_path)


def test_a_worker_sends_what_this_process_writes(run, tmp_path):
    shipment = _shipment(run)
    assert sorted(shipment.files) == ["net.onnx", "weights/data.bin"] and shipment.folder == str(tmp_path)
    run.job.model.path.parent.rename("gone")  # a worker finds no other copy
    worker = Worker()
    ready = worker.load(shipment)
    assert ready == Ready(f"process {os.getpid()} on {socket.gethostname()}"), ready
    unit = run.units[0]
    done = worker.explain(unit, {}, sizes_of(item.path for item in unit.items))
    assert isinstance(done, Done), done
    here, finished = {}, []
    explain_units(run.job.model, run.task, [unit], {}, here.__setitem__, finished.append)
    assert done.files == here and done.unit.rows == finished[0].rows and len(done.files) == 24
    assert json.loads(done.unit.rows[0])["name"] == unit.items[0].name


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"sizes": {"/nowhere/tokenizer.json": 3}}, JobError, "'/nowhere/tokenizer.json' does not exist on node "),
        ({"files": {"net.onnx": b"other"}}, ModelError, "is not an ONNX model"),
    ],
)
def test_what_a_worker_cannot_do_is_told(run, change, error, says):
    told = Worker().load(replace(_shipment(run), **change))
    assert isinstance(told, error) and says in str(told)


def test_other_packages_and_other_models_are_refused(run):
    shipment = _shipment(run)
    for change, says in (
        (
            {"versions": {"onnxruntime": "0.1"}},
            "a worker has other packages than the run: onnxruntime 0.1 in the run, ",
        ),
        ({"sha256": "0" * 64}, "a worker reads another model than the run did: the file was changed meanwhile"),
        ({"sha256": "0" * 64, "in_memory": True}, "save it to a file, and give that"),
    ):
        told = Worker().load(replace(shipment, recipe=replace(shipment.recipe, **change)))
        assert isinstance(told, JobError) and says in str(told), told


def test_inputs_have_to_be_where_workers_run(tmp_path):
    np.save("a.npy", np.zeros(3))
    seen = sizes_of(["a.npy", tmp_path / "not-there.npy"])
    assert seen == {"a.npy": 152}  # what the run does not see either is a row with an error
    require_files(seen)
    np.save("a.npy", np.zeros(4))
    with pytest.raises(JobError, match=r"'a.npy' is another file on node .*, and 0 more: workers read inputs where"):
        require_files(seen)


def test_shipments_are_plain(run):
    assert isinstance(_shipment(run), Shipment) and _shipment(run).sizes == {}
