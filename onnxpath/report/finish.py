"""The end of a run: page and data, from what its units left in the folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from onnxpath.files import printable
from onnxpath.report import build, data
from onnxpath.report.class_overlap import class_overlap
from onnxpath.report.data import Failure
from onnxpath.report.figures import Figures
from onnxpath.report.followed import conserved
from onnxpath.report.plain import compact
from onnxpath.report.prepare import Job
from onnxpath.report.restore import restored
from onnxpath.report.store import Store
from onnxpath.report.units import now
from onnxpath.report.write import DATA, write_report

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


def finish(
    job: Job, store: Store, target: int | None, output: str | None, title: str | None, command: str, loading: float
) -> Reported:
    """Write page and data from what is in the folder."""
    figures, failures, shown = Figures(), list[Failure](), list[tuple[int, data.Item]]()
    for index, text in store.texts():
        row = store.row(index, text, printable(job.items[index].name))
        if isinstance(row, Failure):
            failures.append(row)
            continue
        figures.add(row, index, store.timed(index))
        if len(shown) < MOST_SHOWN:
            shown.append((index, row))
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
                (index, replace(row, seconds=store.timed(index)))
                for index, row in shown[: MOST_SHOWN if figures.count <= MOST_SHOWN else FIRST_SHOWN]
            ],
            store.damaged,
        ),
        failures=failures,
        warnings=job.warnings,
        conservation=conserved(job.model, job.items, job.preprocess, job.options, target, output),
        class_overlap=class_overlap(job.out, figures),
        figures=figures,
    )
    page = write_report(job.out, made, _rows(store))
    return Reported(page, job.out / DATA, len(job.items), figures.count, failures, job.warnings)


def _rows(store: Store) -> Iterator[str]:
    for index, text in store.texts():
        row: dict[str, Any] = json.loads(text)
        if "error" not in row:
            yield compact(row | {"seconds": store.timed(index)})


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
