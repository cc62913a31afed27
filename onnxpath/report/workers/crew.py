"""Several workers that explain the units of a run: who they are differs by engine, what is done with them does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from onnxpath.errors import JobError
from onnxpath.report.job.engine import Run
from onnxpath.report.job.units import Finished, Unit
from onnxpath.report.workers.plan import MOST_TRIES, Plan


@dataclass(frozen=True)
class Ready:
    """A worker that loaded the model, and where it runs."""

    where: str = "its process"


@dataclass(frozen=True)
class Done:
    """A unit that a worker explained. files: raw arrays that are to be written here, by their paths in the folder."""

    unit: Finished
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Lost:
    """A worker that is no more. how: the way it ended ("killed by SIGKILL")."""

    how: str


Told = Ready | Done | Lost | BaseException
"""What a worker tells; an exception is one that it raised, and goes on here."""


class Crew(Protocol):
    """Workers of one kind, known by numbers."""

    def start(self) -> None:
        """Start one more worker, which tells Ready once it can be given a unit."""
        ...

    def give(self, worker: int, unit: Unit, searched: Mapping[str, float]) -> None:
        """Let a worker explain a unit; searched: what earlier ones found."""
        ...

    def wait(self) -> tuple[int, Told]:
        """Return the next thing that a worker tells, and whose it is. Raises JobError where none can come."""
        ...

    def close(self) -> None:
        """End all workers, whatever they do, and return once they are gone."""
        ...


def explain_with(crew: Crew, run: Run, workers: int) -> None:
    """Explain the units of a run with so many workers; one that is lost is replaced, its unit explained again.

    Raises JobError, see `Plan`, and where workers end before they could explain anything; and what a worker raises.
    """
    plan = Plan(run.units, run.task.searches, run.searched)
    busy, idle, stillborn = dict[int, Unit](), set[int](), 0
    try:
        for _ in range(min(workers, plan.left)):
            crew.start()
        while not plan.over:
            while idle and (unit := plan.next()) is not None:
                worker = min(idle)
                run.begin()
                idle.remove(worker)
                busy[worker] = unit
                crew.give(worker, unit, plan.searched)
            worker, told = crew.wait()
            if isinstance(told, BaseException):
                raise told
            if isinstance(told, Lost):
                idle.discard(worker)
                if worker in busy:
                    run.sweep(busy[worker].number)
                    plan.lost(busy.pop(worker), told.how)
                elif (stillborn := stillborn + 1) == MOST_TRIES:
                    raise JobError(f"workers end while they load the model, at last {told.how}")
                if plan.left:
                    crew.start()
                continue
            if isinstance(told, Ready):
                stillborn = 0
            if isinstance(told, Done):
                del busy[worker]
                for path, data in told.files.items():
                    run.write(path, data)
                run.commit(told.unit)
                plan.finished(told.unit)
                run.step(len(told.unit.rows))
            idle.add(worker)
    finally:
        crew.close()
        for unit in busy.values():
            run.sweep(unit.number)
    plan.check()
