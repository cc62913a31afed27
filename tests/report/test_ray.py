"""Engine `ray` on a cluster of two nodes on this machine: the table of one process, whatever is lost on the way."""

import os
import re
import signal

import pytest

import onnxpath
from benchmarks.resume import hashes, make_inputs
from onnxpath import progress
from onnxpath.errors import InputError, JobError
from onnxpath.report.engines import ray as engine
from tests.models import FOLDER, sample
from tests.report.crews import watched

CNN, PREPROCESS = sample("digits_cnn"), FOLDER / "preprocess.toml"
STORE = 100 * 2**20  # bytes: Ray would take a third of the memory


def go(inputs, out, **options):
    """A report in units of six, with one thread for each operator."""
    settings = {"preprocess": PREPROCESS, "unit": 6, "threads": 1, "sparsity": "softmax-change<=0.5", "engine": "ray"}
    return onnxpath.report(CNN, [inputs], out, **{**settings, **options})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Forty pictures, one of them damaged, and the folder of a run of this process alone."""
    folder = tmp_path_factory.mktemp("whole")
    inputs = make_inputs(folder / "in")
    go(inputs, folder / "out", engine="local")
    return inputs, folder / "out"


@pytest.fixture(scope="module")
def cluster():
    """Two nodes with a CPU each."""
    pytest.importorskip("ray", reason='needs Ray: pip install "onnxpath[ray]"')
    os.environ.update(engine.QUIET)
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "object_store_memory": STORE, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=head)
    made.add_node(num_cpus=1, object_store_memory=STORE)
    yield made
    made.shutdown()


@pytest.fixture
def crews(monkeypatch):
    return watched(monkeypatch, engine, "Actors")


def test_a_killed_worker_loses_nothing(whole, cluster, tmp_path, crews, capsys):
    inputs, wanted = whole
    killed = []

    def kill(what, done, total):
        if done >= 12 and not killed:
            killed.append(int(re.search(r"process (\d+) on ", next(iter(crews[0]._where.values())))[1]))
            os.kill(killed[0], signal.SIGKILL)

    before = signal.getsignal(signal.SIGTERM)
    with progress.listening(kill):
        made = go(inputs, tmp_path, address=cluster.address)
    assert (made.explained, [f.name for f in made.failures]) == (39, ["17.png"]) and "17.png" in made.failures[0].error
    assert hashes(tmp_path) == hashes(wanted)
    assert killed and len(crews[0]._actors) == 3 and len(crews[0]._where) >= 2
    assert signal.getsignal(signal.SIGTERM) is before and capsys.readouterr().out == ""


def test_a_lost_node_loses_nothing(whole, cluster, tmp_path, crews):
    inputs, wanted = whole
    lost = []

    def drop(what, done, total):
        if done >= 12 and not lost:
            lost.append(cluster.worker_nodes.copy().pop())
            cluster.remove_node(lost[0])

    with progress.listening(drop):
        made = go(inputs, tmp_path, address=cluster.address)
    assert lost and made.explained == 39 and hashes(tmp_path) == hashes(wanted)
    cluster.add_node(num_cpus=1, object_store_memory=STORE)


def test_a_cluster_without_room(cluster, tmp_path):
    with pytest.raises(JobError, match="no node of the cluster has 64 CPUs for a worker"):
        go(FOLDER / "images", tmp_path / "out", address=cluster.address, threads=64)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("address", "says"), [("127.0.0.1:1", "Connection refused"), ("127.0.0.1:x", "invalid literal"), ("nowhere", "")]
)
@pytest.mark.needs("ray")
def test_a_cluster_that_is_not_there(tmp_path, address, says):
    with pytest.raises(JobError, match=f"no Ray cluster at '{address}': .*{says}"):
        go(FOLDER / "images", tmp_path / "out", address=address)
    assert not (tmp_path / "out").exists()


def test_without_ray_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r'needs the package ray: pip install "onnxpath\[ray\]"'):
        go(FOLDER / "images", tmp_path / "out")


def test_room_of_a_cluster():
    nodes = [
        {"Alive": True, "Resources": {"CPU": 8.0, "GPU": 2.0}},
        {"Alive": True, "Resources": {"CPU": 3.0}},
        {"Alive": False, "Resources": {"CPU": 64.0}},
        {"Alive": True, "Resources": {}},
    ]
    assert [engine._room(nodes, threads, False) for threads in (1, 2, 4)] == [11, 5, 2]
    assert engine._room(nodes, 1, True) == 2
    with pytest.raises(JobError, match="4 CPUs and a GPU"):
        engine._room(nodes[1:], 4, True)
