"""What every engine does with a unit: its inputs in, their rows and raw arrays out, the same bytes whoever does it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from types import TracebackType
from typing import Any

from onnxpath.batch.explain import Explained, Failed, explain_items
from onnxpath.batch.inputs import InputItem
from onnxpath.batch.preprocess import Preprocess
from onnxpath.report import build
from onnxpath.report.data import Failure
from onnxpath.report.job.datafiles import Drawn
from onnxpath.report.plain import compact
from onnxpath.report.write import Write, save_arrays
from onnxpath.runtime.model import Model

TOGETHER = 16
"""Results that are taken through each step of writing together: in a tenth less time than one after the other."""


@dataclass(frozen=True)
class Unit:
    """Inputs that are finished together, in order, and the unit's number."""

    number: int
    items: Sequence[InputItem]


@dataclass(frozen=True)
class Task:
    """What is done with every input of a run.

    methods: attribution method -> its options; target, output: what is explained, None for the defaults; size: inputs
    of a unit, the last of which may be shorter; drawn: whether the page's data files are made of each unit, too.
    """

    preprocess: Preprocess
    classes: Sequence[str]
    methods: Mapping[str, Mapping[str, Any]]
    target: int | None
    output: str | None
    size: int
    drawn: bool = False

    @property
    def searches(self) -> list[str]:
        """Methods whose sparsity is a rule: the first unit that runs finds the number, which serves all others."""
        return [name for name, options in self.methods.items() if isinstance(options.get("sparsity"), str)]


@dataclass
class Finished:
    """A unit whose raw arrays are written, or on their way with it.

    rows: JSON text of each input, in order; searched: method -> sparsity that a rule led to; seconds: of each input;
    run: of the unit, on the clock; date: when it was finished; notes: on the model, found while it ran.
    """

    number: int
    rows: list[str] = field(default_factory=list)
    searched: dict[str, float] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    run: float = 0.0
    date: str = ""
    notes: list[str] = field(default_factory=list)


def explain_units(
    model: Model,
    task: Task,
    units: Sequence[Unit],
    searched: Mapping[str, float],
    write: Write,
    finish: Callable[[Finished], None],
    step: Callable[[], None] = lambda: None,
) -> None:
    """Explain units in order; results are written beside the next ones' computation.

    searched: what earlier units of the run found; write: takes each file; finish: takes each finished unit, after its
    files, both in one thread beside this one; step: is called once an input is explained.
    """
    methods = {
        name: {**options, "sparsity": searched[name]} if name in searched else options
        for name, options in task.methods.items()
    }
    items = [item for unit in units for item in unit.items]
    results = explain_items(model, items, task.preprocess, methods, task.target, task.output, task.size)
    axis = build.map_channel_axis(model, task.preprocess)
    with _Beside() as beside:
        for unit in units:
            began = time.perf_counter()
            found = Finished(unit.number)
            drawn = Drawn(unit.number, unit.number * task.size) if task.drawn else None
            for some in _together(islice(results, len(unit.items)), step):
                beside.do(partial(_add, found, drawn, some, searched, write, task.classes, axis))
            beside.do(partial(_end, found, drawn, write, time.perf_counter() - began, model, finish))


def _together(
    results: Iterable[Explained | Failed], step: Callable[[], None]
) -> Iterator[Sequence[Explained | Failed]]:
    """Yield results TOGETHER at a time; step: is called at each."""
    some: list[Explained | Failed] = []
    for result in results:
        step()
        some.append(result)
        if len(some) == TOGETHER:
            yield some
            some = []
    if some:
        yield some


def _add(
    found: Finished,
    drawn: Drawn | None,
    results: Sequence[Explained | Failed],
    before: Mapping[str, float],
    write: Write,
    classes: Sequence[str],
    axis: int | None,
) -> None:
    items = [None if isinstance(r, Failed) else build.finished_item(r, classes, axis) for r in results]
    for result, item in zip(results, items, strict=True):
        if isinstance(result, Failed):
            found.rows.append(compact(Failure(result.item.name, result.error)))
            found.seconds.append(0.0)
        elif item is not None:
            found.rows.append(save_arrays(write, found.number, item, build.raw_arrays(result)))
            found.seconds.append(result.seconds)
            found.searched |= {**before, **result.searched}
    if drawn is not None:
        for item in items:
            drawn.add(item)


def _end(
    found: Finished,
    drawn: Drawn | None,
    write: Write,
    run: float,
    model: Model,
    finish: Callable[[Finished], None],
) -> None:
    for path, data in drawn.files(found.rows).items() if drawn is not None else ():
        write(path, data)
    found.run, found.date, found.notes = run, now(), list(model.graph.notes)
    finish(found)


class _Beside:
    """One thread that does what it is given, in order and at most MOST pieces behind.

    After a piece that failed no other is done, and its error is raised by the next `do`, or at the end.
    """

    MOST = 48 // TOGETHER

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._waiting: deque[Future[None]] = deque()
        self._failed: BaseException | None = None

    def do(self, work: Callable[[], None]) -> None:
        if len(self._waiting) == self.MOST:
            self._waiting.popleft().result()
        self._check()
        self._waiting.append(self._pool.submit(self._attempt, work))

    def _attempt(self, work: Callable[[], None]) -> None:
        if self._failed is None:
            try:
                work()
            except BaseException as error:
                self._failed = error

    def _check(self) -> None:
        if self._failed is not None:
            raise self._failed

    def __enter__(self) -> _Beside:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown(wait=True, cancel_futures=error is not None)
        if error is None:
            self._check()


def now() -> str:
    """Return the date and time of this second, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")
