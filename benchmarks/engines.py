"""One report by each engine: the same bytes, and what the run itself spends on an input beside its workers.

python -m benchmarks.engines [IMAGES]     (images and model under ONNXPATH_DATA; needs onnxpath[ray])
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import heading, machine
from benchmarks.resume import hashes
from benchmarks.streaming import IMAGES, METHOD, MODEL, PREPROCESS, ROOT

STORE = 200 * 2**20
ENGINES: dict[str, dict[str, Any]] = {
    "one process": {},
    "2 worker processes": {"workers": 2},
    "2 worker processes, one killed": {"workers": 2, "kill": True},
    "Ray, 2 nodes": {"engine": "ray"},
    "Ray, 2 nodes, one worker killed": {"engine": "ray", "kill": True},
}


def report(name: str, inputs: Path, out: Path) -> dict[str, float]:
    """Explain by an engine, for a process of its own; milliseconds of its processor time between units, an input."""
    import onnxpath
    from onnxpath.batch.preprocess import Preprocess
    from onnxpath.report.job import engine

    options = dict(ENGINES[name])
    kill, marks = options.pop("kill", False), []
    commit = engine.Run.commit

    def marked(run: engine.Run, unit: Any) -> None:
        commit(run, unit)
        marks.append(time.process_time())
        if kill and len(marks) == 3:
            os.kill(worker_of(options), signal.SIGKILL)

    engine.Run.commit = marked  # type: ignore[method-assign]
    cluster = two_nodes() if options.get("engine") == "ray" else None
    more = {"address": cluster.address} if cluster else {}
    preprocess = Preprocess(**PREPROCESS)
    made = onnxpath.report(MODEL, [inputs], out, methods=[METHOD], preprocess=preprocess, threads=1, **options, **more)
    if cluster:
        cluster.shutdown()
    between = (marks[-1] - marks[1]) / (64 * (len(marks) - 3))  # the last unit may be short
    return {"explained": made.explained, "ms": 1000 * between}


def two_nodes() -> Any:
    """A Ray cluster of two nodes on this machine, a CPU each."""
    from onnxpath.report.engines.ray import QUIET

    os.environ.update(QUIET)
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": STORE, "include_dashboard": False}
    )
    cluster.add_node(num_cpus=1, object_store_memory=STORE)
    return cluster


def worker_of(options: dict[str, Any]) -> int:
    """Number of a process that explains, of those that this one started."""
    title = "ray::Worker" if options.get("engine") == "ray" else "onnxpath.report.workers.worker"
    listed = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    rows = [(int(pid), int(parent), told) for pid, parent, told in (r.split(None, 2) for r in listed.splitlines()[1:])]
    mine = {os.getpid()}
    for _ in range(3):  # a cluster's nodes, their workers
        mine |= {pid for pid, parent, _ in rows if parent in mine}
    return next(pid for pid, _, told in rows if pid in mine and title in told)


def apart(name: str, inputs: Path, out: Path) -> dict[str, float]:
    """Explain in a process of its own and return what it measured."""
    command = [sys.executable, "-m", "benchmarks.engines", name, str(inputs), str(out)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(count: int) -> None:
    """Run each engine and print what differs from the first."""
    print(heading(machine()))
    with tempfile.TemporaryDirectory() as scratch:
        inputs = Path(scratch, "x.npz")
        with np.load(IMAGES, allow_pickle=False) as held:
            np.savez(inputs, images=held["images"][:count], labels=held["labels"][:count])
        wanted: dict[str, str] = {}
        for index, name in enumerate(ENGINES):
            found = apart(name, inputs, Path(scratch, str(index)))
            made = hashes(Path(scratch, str(index)))
            wanted = wanted or made
            differing = sum(made.get(n) != wanted.get(n) for n in made.keys() | wanted.keys())
            print(
                f"{name}: {found['explained']} inputs, {differing} of {len(wanted)} files differ, "
                f"{found['ms']:.2f} ms of the run's own processor time an input",
                flush=True,
            )


if __name__ == "__main__":
    if len(sys.argv) == 4:
        print(json.dumps(report(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 512)
