"""Workers on a Ray cluster: actors that get the model's bytes, read inputs where they are, and send raw arrays back."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onnxpath.errors import JobError
from onnxpath.report.job.recipe import Recipe
from onnxpath.report.job.units import Finished, Unit, explain_units
from onnxpath.report.workers.crew import Done, Lost, Ready, Told
from onnxpath.report.workers.messages import portable

PATIENCE = 300.0
"""Seconds in which a cluster has to find room for a worker, while none works."""


@dataclass(frozen=True)
class Shipment:
    """What every node gets once.

    files: the model's, by their names; model: the one of them to load; folder: where relative paths start from; sizes:
    of the files that settings name, see `sizes_of`.
    """

    recipe: Recipe
    files: Mapping[str, bytes]
    model: str
    folder: str
    sizes: Mapping[str, int]


class Worker:
    """What runs in an actor. Its methods return what they tell, errors too: raised, Ray would wrap them."""

    def load(self, shipment: Shipment) -> Told:
        """Load the model; return Ready with the process that did."""
        try:
            if os.path.isdir(shipment.folder):
                os.chdir(shipment.folder)
            require_files(shipment.sizes)
            with tempfile.TemporaryDirectory(prefix="onnxpath-") as scratch:
                for name, data in shipment.files.items():
                    path = Path(scratch, name)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(data)
                self._model = shipment.recipe.model(Path(scratch, shipment.model))
            self._task = shipment.recipe.task
            return Ready(f"process {os.getpid()} on {socket.gethostname()}")
        except BaseException as error:
            return portable(error)

    def explain(self, unit: Unit, searched: Mapping[str, float], sizes: Mapping[str, int]) -> Told:
        """Explain a unit; return Done with its raw arrays. sizes: of the files of its inputs."""
        files: dict[str, bytes] = {}
        finished: list[Finished] = []
        try:
            require_files(sizes)
            explain_units(self._model, self._task, [unit], searched, files.__setitem__, finished.append)
            return Done(finished[0], files)
        except BaseException as error:
            return portable(error)


def sizes_of(paths: Iterable[Path | str]) -> dict[str, int]:
    """Return path -> bytes of the files that are there: what a worker has to see, too."""
    found = {}
    for path in {str(path) for path in paths}:
        with suppress(OSError):
            found[path] = os.stat(path).st_size
    return found


def require_files(sizes: Mapping[str, int]) -> None:
    """Raise JobError where files are not here as the run sees them: their inputs would fail here, and not there."""
    here = sizes_of(sizes)
    if wrong := [path for path, size in sizes.items() if here.get(path) != size]:
        what = "is another file" if wrong[0] in here else "does not exist"
        raise JobError(
            f"'{wrong[0]}' {what} on node {socket.gethostname()}, and {len(wrong) - 1} more: workers read inputs where "
            "they run, so put them where every node finds them under the same path"
        )


class Actors:
    """Actors, see `Crew`. remote: makes an actor of `Worker`; shipment: a reference to what they are told first."""

    def __init__(self, remote: Any, shipment: Any) -> None:
        self._remote, self._shipment = remote, shipment
        self._actors: list[Any] = []
        self._pending: dict[Any, int] = {}
        self._where: dict[int, str] = {}

    def start(self) -> None:
        """Ask the cluster for one more actor."""
        actor = self._remote.remote()
        self._pending[actor.load.remote(self._shipment)] = len(self._actors)
        self._actors.append(actor)

    def give(self, worker: int, unit: Unit, searched: Mapping[str, float]) -> None:
        """Send a unit; its inputs stay where they are."""
        sizes = sizes_of(item.path for item in unit.items)
        self._pending[self._actors[worker].explain.remote(unit, searched, sizes)] = worker

    def wait(self) -> tuple[int, Told]:
        """Return what the first of them tells; JobError where the cluster has room for none."""
        import ray

        until = time.monotonic() + PATIENCE
        while True:
            # In short waits, so that Ctrl-C is heard.
            told, _ = ray.wait(list(self._pending), num_returns=1, timeout=1.0)
            if told:
                return self._taken(told[0])
            if time.monotonic() > until and all(worker not in self._where for worker in self._pending.values()):
                raise JobError(
                    f"the cluster had no room for a worker in {PATIENCE:.0f} seconds; use fewer --threads, or wait "
                    "until others are done with it"
                )

    def close(self) -> None:
        """End all actors."""
        import ray

        for actor in self._actors:
            with suppress(Exception):
                ray.kill(actor)

    def _taken(self, reference: Any) -> tuple[int, Told]:
        import ray

        worker = self._pending.pop(reference)
        try:
            told: Told = ray.get(reference)
        except ray.exceptions.RayTaskError:
            raise
        except ray.exceptions.RayError as error:
            return worker, Lost(f"with {self._where.get(worker, 'its process')}: {' '.join(str(error).split())[:300]}")
        if isinstance(told, Ready):
            self._where[worker] = told.where
        return worker, told
