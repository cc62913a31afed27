"""What an engine is: who explains the units of a run. All do the same with a unit (`units.py`), and commit it here."""

from __future__ import annotations

from typing import Any, Protocol

import onnxpath.progress as progress
from onnxpath.registry import Registry
from onnxpath.report.job.datafiles import FOLDER
from onnxpath.report.job.prepare import Job
from onnxpath.report.job.store import Store
from onnxpath.report.job.units import Finished, Task, Unit
from onnxpath.report.write import ARRAYS, into


class Run:
    """A run that an engine is to bring to its end.

    job: model, inputs, folder; source: what the model was loaded from; task: what is done with each input;
    units: those that are not finished, in order; searched: what finished ones found.
    """

    def __init__(self, job: Job, source: Any, task: Task, store: Store) -> None:
        self.job, self.source, self.task = job, source, task
        self.units = [Unit(u, [job.items[i] for i in store.span(u)]) for u in store.missing()]
        self.searched = store.searched()
        self._store = store
        self._done = len(job.items) - sum(len(unit.items) for unit in self.units)
        self.step(0)

    def begin(self) -> None:
        """To be called before anything is written into the folder; JobError where the run lost it."""
        self._store.begin()

    def write(self, path: str, data: bytes) -> None:
        """Write a file of a unit: its path in the folder. Raises JobError."""
        self.begin()
        into(self.job.out)(path, data)

    def commit(self, unit: Finished) -> None:
        """Write the rows of a unit whose raw arrays are in the folder: from now on it is finished.

        The one place where that happens, whatever the engine; called by one thread at a time. Raises JobError.
        """
        self.begin()
        self._store.commit(unit.number, unit.rows, unit.searched, unit.seconds, unit.run, unit.date, unit.notes)

    def sweep(self, unit: int) -> None:
        """Take away files of a unit that a worker was writing when it ended."""
        self._store.sweep(f"{ARRAYS}/{unit:06d}/.*", f"{FOLDER}/.*-{unit:06d}.*")

    def step(self, count: int = 1) -> None:
        """Tell that so many more inputs are explained; to be called by the thread that the engine was called by."""
        self._done += count
        progress.tell("report", self._done, len(self.job.items))


class Engine(Protocol):
    """A class that is entered in ENGINES by a file in engines/. Its constructor raises what is wrong with the options.

    workers: how many explain at the same time, None for the engine's default; threads: of one operator in each, None
    likewise; address: of a cluster.
    """

    def __init__(self, workers: int | None, threads: int | None, address: str | None) -> None: ...

    def threads(self, provider: str) -> int:
        """Return the threads of one operator in every worker, on which results depend. provider: the model's."""
        ...

    def explain(self, run: Run) -> None:
        """Explain and commit every unit of a run: those before a sparsity is found one by one, in order.

        Raises JobError where that cannot be; units that were committed stay.
        """
        ...


ENGINES: Registry[type[Engine]] = Registry("engine")
