"""What the verbs that read inputs have in common: check everything, go through the inputs, tell what came out."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from onnxpath_cli.errors import NOTHING_DONE, SOME_FAILED
from onnxpath_cli.output import complain, counted, echo, print_json, progress, say

if TYPE_CHECKING:
    from onnxpath.batch.explain import Failed
    from onnxpath.batch.preprocess import Preprocess
    from onnxpath.report.data import RunFacts
    from onnxpath.report.evaluation.data import Facts
    from onnxpath.report.job.prepare import Job
    from onnxpath.runtime.model import Model

ALIKE = 5
"""Inputs that fail for the same reason and are printed each; of more, only the number."""

Result = TypeVar("Result")
Row = TypeVar("Row")


def prepare(*given: Any, **options: Any) -> Job:
    """Check all that a verb was given: `onnxpath.report.job.prepare.prepare`, which is heavy to import."""
    from onnxpath.report.job import prepare as checks

    return checks.prepare(*given, **options)


def read_classes(path: Path | None) -> list[str]:
    """Return class names: `onnxpath.batch.class_names.read_classes`."""
    from onnxpath.batch import class_names

    return class_names.read_classes(path)


def go_through(
    job: Job, results: Iterable[Result | Failed], what: str, write: Callable[[Result], Row]
) -> tuple[list[Row], list[Failed]]:
    """Write each result as it comes and return what `write` returned, and the inputs that failed."""
    from onnxpath.batch.explain import Failed

    rows: list[Row] = []
    failures: list[Failed] = []
    for result in progress(results, len(job.items), what):
        if isinstance(result, Failed):
            failures.append(result)
        else:
            rows.append(write(result))
    return rows, failures


def tell(
    job: Job,
    rows: list[dict[str, Any]],
    failures: list[Failed],
    line: Callable[[dict[str, Any]], str],
    json: bool,
    more: Mapping[str, Any] | None = None,
    say_more: Callable[[], None] = lambda: None,
) -> None:
    """Print one line per result, or all of them as JSON, and leave with the exit code that fits.

    more: what the JSON holds beside the results; say_more: prints the same for people, after the lines.
    """
    if json:
        failed = [{"input": f.item.name, "error": f.error} for f in failures]
        print_json({"results": rows, "failures": failed, "warnings": job.warnings, **(more or {})})
    else:
        for row in rows:
            say(line(row))
        say_more()
    leave(job, failures)


def leave(job: Job, failures: list[Failed]) -> None:
    """Print warnings and the inputs that failed; exit code 1 where some failed, 2 where all did."""
    end(job.warnings, [(failure.item.name, failure.error) for failure in failures], len(job.items))


def command() -> str:
    """Return the command line of this run, as its results tell it."""
    return shlex.join(["onnxpath", *sys.argv[1:]])


def now() -> str:
    """Return the date and time, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def run_facts(job: Job, sparsity: Any, **settings: Any) -> RunFacts:
    """Return how a run's results were made; settings: the other fields of RunFacts that only the verb knows."""
    from onnxpath.report import build, data

    return data.RunFacts(
        provider=job.model.provider,
        versions=build.versions(),
        preprocess=asdict(job.preprocess),
        command=command(),
        date=now(),
        # What a rule for it led to is told by the results.
        sparsity=sparsity if isinstance(sparsity, float) else None,
        **settings,
    )


def facts(model: Model, preprocess: Preprocess, seconds: float, warnings: Sequence[str] = ()) -> Facts:
    """Return what a page of metrics says of its run; seconds: that it took."""
    from onnxpath.report import build
    from onnxpath.report.evaluation.data import Facts

    return Facts(
        model=model.path.name if model.path else "(in memory)",
        sha256=model.sha256 or "",
        provider=model.provider,
        versions=build.versions(),
        preprocess=asdict(preprocess),
        command=command(),
        date=now(),
        seconds=seconds,
        warnings=list(warnings),
    )


def end(warnings: list[str], failures: Sequence[tuple[str, str]], inputs: int) -> None:
    """Print warnings and the inputs that failed; exit code 1 where some of them did, 2 where all did.

    failures: name and error of each.
    """
    for warning in warnings:
        complain(f"warning: {warning}")
    if failures:
        complain(f"{len(failures)} of {counted(inputs, 'input')} failed:")
        for line in _by_reason(failures):
            echo(f"  {line}", err=True)
        raise typer.Exit(SOME_FAILED if len(failures) < inputs else NOTHING_DONE)


def _by_reason(failures: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yield the errors; of those that differ in names and numbers alone the first few, and how many more there are."""
    alike: dict[str, list[str]] = {}
    for name, error in failures:
        reason = error.replace(name, "").replace(name.rpartition("/")[2], "")
        alike.setdefault(re.sub(r"\d+", "", reason), []).append(error)
    for errors in alike.values():
        yield from errors[:ALIKE]
        if len(errors) > ALIKE:
            yield f"and {len(errors) - ALIKE} more for the same reason"
