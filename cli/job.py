"""What the verbs that read inputs have in common: check everything, go through the inputs, tell what came out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from onnxpath_cli.errors import NOTHING_DONE, SOME_FAILED
from onnxpath_cli.output import complain, echo, print_json, progress, say

if TYPE_CHECKING:
    from onnxpath.batch.explain import Failed
    from onnxpath.report.prepare import Job

Result = TypeVar("Result")
Row = TypeVar("Row")


def prepare(*given: Any, **options: Any) -> Job:
    """Check all that a verb was given: `onnxpath.report.prepare.prepare`, which is heavy to import."""
    from onnxpath.report import prepare as checks

    return checks.prepare(*given, **options)


def read_classes(path: Path | None) -> list[str]:
    """Return class names, one a line: `onnxpath.report.prepare.read_classes`."""
    from onnxpath.report import prepare as checks

    return checks.read_classes(path)


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
    end(job.warnings, [failure.error for failure in failures], len(job.items))


def end(warnings: list[str], errors: list[str], inputs: int) -> None:
    """Print warnings and the errors of inputs that failed; exit code 1 where some of them did, 2 where all did."""
    for warning in warnings:
        complain(f"warning: {warning}")
    if errors:
        complain(f"{len(errors)} of {inputs} inputs failed:")
        for error in errors:
            echo(f"  {error}", err=True)
        raise typer.Exit(SOME_FAILED if len(errors) < inputs else NOTHING_DONE)
