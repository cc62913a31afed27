"""A Ray cluster: actors on its nodes explain the units, and this process writes what they send back."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from onnxpath.errors import InputError, JobError
from onnxpath.graph.load import files_of
from onnxpath.report.job.configuration import named_files
from onnxpath.report.job.engine import ENGINES, Run
from onnxpath.report.job.recipe import model_file, recipe_of
from onnxpath.report.workers.actors import Actors, Shipment, Worker, sizes_of
from onnxpath.report.workers.crew import explain_with

QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
"""Nothing is sent to Ray's makers; the second keeps Ray from warning that a default will change."""

TIMEOUT = 10.0
"""Seconds in which a cluster has to answer."""


@ENGINES.register("ray")
class Ray:
    """Actors on a Ray cluster: each with a CPU for each thread, and a GPU on CUDA; as many as it has room for."""

    def __init__(self, workers: int | None, threads: int | None, address: str | None) -> None:
        if find_spec("ray") is None:
            raise InputError("engine 'ray' needs the package ray: pip install \"onnxpath[ray]\"")
        self._workers, self._threads, self._address = workers, threads, address

    def threads(self, provider: str) -> int:
        """Return those that were asked for, else 1: nodes differ in cores, and results depend on this number."""
        return self._threads or 1

    def explain(self, run: Run) -> None:
        """Explain all units; the model is sent to every node once, results come back unit by unit."""
        if not run.units:
            return
        cuda, threads = run.job.model.provider == "cuda", self.threads(run.job.model.provider)
        with _connected(self._address) as ray:
            workers = self._workers or _room(ray.nodes(), threads, cuda)
            remote = ray.remote(num_cpus=threads, num_gpus=int(cuda), scheduling_strategy="SPREAD")(Worker)
            explain_with(Actors(remote, ray.put(_shipment(run))), run, workers)


def _shipment(run: Run) -> Shipment:
    with tempfile.TemporaryDirectory(prefix="onnxpath-") as scratch:
        path = model_file(run, Path(scratch))
        files = {name: (path.parent / name).read_bytes() for name in files_of(path)}
    return Shipment(recipe_of(run), files, path.name, os.getcwd(), sizes_of(named_files(run.task)))


def _room(nodes: list[dict[str, Any]], threads: int, cuda: bool) -> int:
    """Return how many workers a cluster has room for; JobError where that is none."""
    found = [node["Resources"] for node in nodes if node["Alive"]]
    counts = [int(node.get("CPU", 0) // threads) for node in found]
    if cuda:
        counts = [min(count, int(node.get("GPU", 0))) for count, node in zip(counts, found, strict=True)]
    if not sum(counts):
        wanted = f"{threads} CPUs" + " and a GPU" * cuda
        raise JobError(f"no node of the cluster has {wanted} for a worker: use fewer --threads, or another cluster")
    return sum(counts)


@contextmanager
def _connected(address: str | None) -> Iterator[Any]:
    """Connect to a cluster and leave it again; a connection that the caller made stays. Raises JobError."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    import ray

    if ray.is_initialized():
        yield ray
        return
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    try:
        _connect(ray, address)
    except (OSError, ValueError, RuntimeError, TimeoutError, ray.exceptions.RayError) as error:
        raise JobError(f"no Ray cluster at '{address}': {error}; start one with `ray start --head`") from error
    try:
        # Ray prints what becomes of its processes, and standard output is for results.
        with redirect_stdout(sys.stderr):
            yield ray
    finally:
        ray.shutdown()


def _connect(ray: Any, address: str) -> None:
    if ":" in address:
        # Ray tries for minutes before it says that nobody is there.
        host, _, port = address.removeprefix("ray://").rpartition(":")
        socket.create_connection((host.strip("[]"), int(port)), TIMEOUT).close()
    before = signal.getsignal(signal.SIGTERM)
    ray.init(address=address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)  # Ray's own would leave the run where it is
