"""`onnxpath.report`: explain every input, keep what is finished, and write the page from what was kept."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

import onnxpath.progress as progress
from onnxpath.batch.explain import Explained, Failed, explain_items, method_options
from onnxpath.batch.fit import check_attribution
from onnxpath.batch.preprocess import Preprocess
from onnxpath.errors import JobError
from onnxpath.report import build, data
from onnxpath.report.configuration import available_cores, check_unit, configuration, unit_size
from onnxpath.report.data import Failure
from onnxpath.report.figures import Figures
from onnxpath.report.followed import conserved
from onnxpath.report.plain import compact
from onnxpath.report.prepare import Job, prepare
from onnxpath.report.restore import restored
from onnxpath.report.store import Store, row_of
from onnxpath.report.write import DATA, write_report

DEFAULT_METHODS = ("pathway-gradient", "gradient")

MOST_SHOWN, FIRST_SHOWN = 1000, 200
"""A page shows all inputs of a run of at most so many, and so many of a larger one: a picture takes 10 to 50 KB."""


@dataclass(frozen=True)
class Reported:
    """What came of a run. page, data: paths of report.html and report.json, None where no input was explained.

    inputs: how many there were; explained: how many of them; failures: the others, and why; warnings: on the run.
    """

    page: Path | None
    data: Path | None
    inputs: int
    explained: int
    failures: list[Failure] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def report(
    model: Any,
    inputs: Sequence[Path | str],
    out: Path | str,
    *,
    methods: Sequence[str] = DEFAULT_METHODS,
    selector: str = "neuron-mct",
    sparsity: float | str = 0.9,
    scope: str = "global",
    seed: int = 0,
    steps: int = 50,
    options: Sequence[str] = (),
    composite: str | None = None,
    target: int | None = None,
    output: str | None = None,
    preprocess: Path | Preprocess | None = None,
    tokenizer: Path | None = None,
    wrt: str | None = None,
    classes: Path | Sequence[str] | None = None,
    title: str | None = None,
    rules: str = "gradient",
    providers: str = "auto",
    threads: int | None = None,
    unit: int | None = None,
    command: str = "",
) -> Reported:
    """Explain every input into the folder `out`: report.html, report.json, raw arrays. Memory does not grow with them.

    Inputs are finished in units, and what is finished stays: the same call again, after whatever stopped this one,
    computes the rest, and the results are the bytes of a run that was never stopped (units/, arrays/, job.json).

    model: path, bytes, ModelProto or Model; inputs: files, folders, patterns and manifests; methods, options
    (NAME=VALUE each), selector, sparsity, scope, seed, steps, composite: as on the command line; target: entry to
    explain, default each input's largest; preprocess: file or Preprocess; classes: file or names; threads: of one
    operator, default one per core; unit: inputs that are finished together, default up to 64; command: how the run was
    started, for the page. Raises OnnxPathError with all that is wrong before the first input is read, and JobError
    where `out` cannot be written, another run writes there, or one with another configuration did.
    """
    clock = time.perf_counter()
    chosen = list(dict.fromkeys(methods))
    check_unit(unit, threads)
    job = prepare(
        model,
        [Path(path) for path in ([inputs] if isinstance(inputs, str | Path) else inputs)],
        Path(out),
        preprocess,
        providers,
        classes,
        output,
        rules,
        options=lambda: method_options(chosen, selector, sparsity, scope, steps, seed, composite, options),
        fits=lambda loaded: check_attribution(loaded, chosen, target, output),
        tokenizer=tokenizer,
        wrt=wrt,
        threads=threads,
    )
    size = unit or unit_size(job.model)
    asked = configuration(job, target, output, seed, threads or available_cores(), size)
    store = Store(job.out, asked, len(job.items), size)
    try:
        loading = time.perf_counter() - clock
        _explain(job, store, target, output)
        return _write(job, store, target, output, title, command, loading)
    except JobError as error:
        done = sum(len(store.span(u)) for u in store.finished)
        raise JobError(
            f"{error}\n{done} of {len(job.items)} inputs are finished; the same command goes on from there"
        ) from error
    finally:
        store.close()


def _explain(job: Job, store: Store, target: int | None, output: str | None) -> None:
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
        store.commit(self.number, self.rows, self.searched, self.seconds, run, _now(), notes)


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


def _write(
    job: Job, store: Store, target: int | None, output: str | None, title: str | None, command: str, loading: float
) -> Reported:
    """Write page and data from what is in the folder."""
    figures, failures, shown = Figures(), list[Failure](), list[tuple[int, str]]()
    for index, text in store.texts():
        row = row_of(text)
        if hasattr(row, "error"):
            failures.append(Failure(row.name, row.error))
            continue
        figures.add(row)
        if len(shown) < MOST_SHOWN:
            shown.append((index, text))
    if not figures.count:
        store.forget()
        return Reported(None, None, len(job.items), 0, failures, job.warnings)
    # Only now: whether rows go together is found out on the first batch.
    facts = build.model_facts(job.model, output)
    facts.notes += [note for note in store.notes if note not in facts.notes]
    made = data.Report(
        onnxpath=build.versions().get("onnxpath", ""),
        title=title or f"{facts.path} on {len(job.items)} inputs",
        model=facts,
        run=_run_facts(job, command, {"load": loading, "run": store.seconds}),
        items=restored(
            job,
            [
                (job.items[index], _with_seconds(store, index, text))
                for index, text in shown[: MOST_SHOWN if figures.count <= MOST_SHOWN else FIRST_SHOWN]
            ],
        ),
        failures=failures,
        warnings=job.warnings,
        conservation=conserved(job.model, job.items, job.preprocess, job.options, target, output),
        figures=figures,
    )
    page = write_report(job.out, made, _rows(store))
    return Reported(page, job.out / DATA, len(job.items), figures.count, failures, job.warnings)


def _rows(store: Store) -> Iterator[str]:
    for index, text in store.texts():
        row = _with_seconds(store, index, text)
        if "error" not in row:
            yield compact(row)


def _with_seconds(store: Store, index: int, text: str) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(text)
    return row | {"seconds": store.timed(index)} if "error" not in row else row


def _run_facts(job: Job, command: str, seconds: dict[str, float]) -> data.RunFacts:
    pathway = job.options.get("pathway-gradient", {})
    return data.RunFacts(
        provider=job.model.provider,
        versions=build.versions(),
        seed=pathway.get("seed"),
        preprocess=job.preprocess.as_dict(),
        selector=pathway.get("selector"),
        # A rule is in the command, and what it found with each pathway.
        sparsity=sparsity if isinstance(sparsity := pathway.get("sparsity"), float) else None,
        scope=pathway.get("scope"),
        methods=list(job.options),
        command=command,
        date=_now(),
        seconds=seconds,
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
