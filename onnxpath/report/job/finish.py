"""The end of a run: page and data, from what its units left in the folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

import onnxpath.progress as progress
from onnxpath.batch.labels import Unmatched, classes_of
from onnxpath.files import printable
from onnxpath.report import build, data
from onnxpath.report.class_overlap import class_overlap
from onnxpath.report.data import Failure
from onnxpath.report.figures import Figures
from onnxpath.report.job import beside
from onnxpath.report.job.followed import conserved
from onnxpath.report.job.prepare import Job
from onnxpath.report.job.restore import restored
from onnxpath.report.job.store import Store
from onnxpath.report.job.units import now
from onnxpath.report.write import DATA, write_report
from onnxpath.shown import Shown, plural


@dataclass(frozen=True, repr=False)
class Reported(Shown):
    """What came of a run. page, data: paths of report.html and report.json, None where no input was explained.

    inputs: how many there were; explained: how many of them; failures: the others, and why; warnings: on the run.
    """

    page: Path | None
    data: Path | None
    inputs: int
    explained: int
    failures: list[Failure] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def finish(
    job: Job, store: Store, target: int | None, output: str | None, title: str | None, command: str, loading: float
) -> Reported:
    """Write page and data from what is in the folder."""
    figures, failures, shown = Figures(), list[Failure](), list[tuple[int, data.Item]]()
    unmatched = Unmatched(classes_of(job.model, output, job.classes))
    rows = _explained(job, store, figures, failures, unmatched)
    if beside.is_large(job):
        beside.write_index(job, store, rows)
    else:
        shown = [(number, replace(row, seconds=store.timed(number), number=number)) for number, row in rows]
    if not figures.count:
        store.forget()
        beside.forget(job.out)
        return Reported(None, None, len(job.items), 0, failures, job.warnings)
    told = unmatched.told()
    warnings = [
        *job.warnings,
        *([f"{told}; names are left out of the accuracy, indices count as wrong"] if told else []),
    ]
    # Only now: whether rows go together is found out on the first batch.
    facts = build.model_facts(job.model, output)
    facts.notes += [note for note in store.notes if note not in facts.notes]
    made = data.Report(
        onnxpath=build.versions().get("onnxpath", ""),
        title=title or f"{facts.path} on {len(job.items)} {plural('input', len(job.items))}",
        model=facts,
        run=_run_facts(job, command, {"load": loading, "run": store.seconds}),
        items=restored(job, shown, store.damaged),
        failures=failures,
        warnings=warnings,
        conservation=conserved(job.model, job.items, job.preprocess, job.options, target, output),
        class_overlap=class_overlap(job.out, figures),
        figures=figures,
        beside=beside.is_large(job),
    )
    page = write_report(job.out, made, _rows(store))
    return Reported(page, job.out / DATA, len(job.items), figures.count, failures, warnings)


def _explained(
    job: Job, store: Store, figures: Figures, failures: list[Failure], unmatched: Unmatched
) -> Iterator[tuple[int, data.Item]]:
    """Yield (number, item) of every input that was explained; on the way all are counted, and failed ones collected.

    Data files of units that a run left without them are written, too.
    """
    for unit, lines in groupby(store.texts(), lambda line: line[0] // store.unit):
        texts = [text for _, text in lines]
        beside.write_unit(job, store, unit, texts)
        for number, text in zip(store.span(unit), texts, strict=True):
            row = store.row(number, text, printable(job.items[number].name))
            if isinstance(row, Failure):
                failures.append(row)
            else:
                figures.add(row, number, store.timed(number))
                unmatched.add(row.name, (row.label.index, row.label.name) if row.label else None)
                yield number, row
        progress.tell("page", store.span(unit).stop, store.count)


def _rows(store: Store) -> Iterator[str]:
    """Yield the JSON text of every input that was explained, with its seconds, which rows are kept without."""
    for index, text in store.texts():
        # Inside of a text a quotation mark is escaped, so that these are keys.
        if '"error":' not in text:
            seconds = store.timed(index)
            yield text if seconds is None else text.replace('"seconds": null', f'"seconds": {seconds!r}', 1)


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
        date=now(),
        seconds=seconds,
    )
