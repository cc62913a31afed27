"""The units of a run that are not finished yet: explained, and written while the next ones are computed."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from types import TracebackType

import onnxpath.progress as progress
from onnxpath.batch.explain import Explained, Failed, explain_items
from onnxpath.report import build
from onnxpath.report.data import Failure
from onnxpath.report.plain import compact
from onnxpath.report.prepare import Job
from onnxpath.report.store import Store


def explain_units(job: Job, store: Store, target: int | None, output: str | None) -> None:
    """Explain the inputs of all units that are not finished; results are written beside the next ones' computation."""
    units = store.missing()
    searched = store.searched()
    methods = {
        name: {**options, "sparsity": searched[name]} if name in searched else options
        for name, options in job.options.items()
    }
    items = [job.items[index] for unit in units for index in store.span(unit)]
    results = explain_items(job.model, items, job.preprocess, methods, target, output, store.unit)
    done, axis = len(job.items) - len(items), build.map_channel_axis(job.model, job.preprocess)
    progress.tell("report", done, len(job.items))
    with _Beside() as beside:
        for unit in units:
            began = time.perf_counter()
            found = _Unit(unit, searched)
            for result in islice(results, len(store.span(unit))):
                beside.do(partial(found.add, job, store, result, axis))
                progress.tell("report", done := done + 1, len(job.items))
            beside.do(partial(found.commit, store, time.perf_counter() - began, job.model.graph.notes))


class _Unit:
    """The rows of a unit that is under way. before: what earlier units searched."""

    def __init__(self, number: int, before: Mapping[str, float]) -> None:
        self.number = number
        self.before = before
        self.rows: list[str] = []
        self.seconds: list[float] = []
        self.searched: dict[str, float] = {}

    def add(self, job: Job, store: Store, result: Explained | Failed, axis: int | None) -> None:
        if isinstance(result, Failed):
            self.rows.append(compact(Failure(result.item.name, result.error)))
            self.seconds.append(0.0)
            return
        store.begin()
        self.rows.append(compact(build.finished_item(job.out, result, job.classes, axis)))
        self.seconds.append(result.seconds)
        self.searched |= {**self.before, **result.searched}

    def commit(self, store: Store, run: float, notes: Sequence[str]) -> None:
        store.begin()
        store.commit(self.number, self.rows, self.searched, self.seconds, run, now(), notes)


class _Beside:
    """One thread that does what it is given, in order and at most MOST pieces behind.

    After a piece that failed no other is done, and its error is raised by the next `do`, or at the end.
    """

    MOST = 128

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
