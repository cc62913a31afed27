"""Two finished reports compared, and what `onnxpath compare` prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from onnxpath_cli.job import command, now, read_classes
from onnxpath_cli.output import counted, print_json, say

if TYPE_CHECKING:
    from onnxpath.batch.comparison import Comparison
    from onnxpath.report.data import Failure


def is_run(path: Path) -> bool:
    """Return whether an argument is meant as a finished report: it is a folder."""
    return path.is_dir()


def compare_runs(
    one: Path, other: Path, inputs: Sequence[Path], out: Path, threshold: float, classes: Path | None, json: bool
) -> None:
    """Compare two finished reports and write the page."""
    import onnxpath
    from onnxpath.errors import all_of
    from onnxpath.report import build, data, runs
    from onnxpath.report.compared import ComparePage, summarise_comparison, to_show
    from onnxpath.report.stored import read_run
    from onnxpath.report.write import check_writable, write_report

    first, second, names, *_ = all_of(
        lambda: read_run(one),
        lambda: read_run(other),
        lambda: read_classes(classes),
        lambda: runs.check_arguments(one, other, inputs),
        lambda: check_writable(out),
    )
    found = runs.compare_runs(first, second, threshold)
    page = ComparePage(
        onnxpath=onnxpath.__version__,
        title=f"{found.one} against {found.other}",
        one=first.model,
        other=second.model,
        run=data.RunFacts(
            provider=first.run.provider,
            versions=build.versions(),
            methods=first.run.methods,
            command=command(),
            date=now(),
        ),
        comparison=found,
        summary=summarise_comparison(found),
        classes=names or first.class_names(),
        items=runs.shown_items(first, second, to_show(found)),
        failures=runs.failures(first, second),
    )
    write_report(out, page)
    show(found, out, json, page.failures, [])


def show(found: Comparison, out: Path, json: bool, failures: Sequence[Failure], warnings: Sequence[str]) -> None:
    """Print the comparison as a few lines, or its numbers as JSON."""
    from onnxpath.report.compared import summarise_comparison

    page = out / "compare.html"
    if json:
        failed = [{"input": f.name, "error": f.error} for f in failures]
        rows = [{"input": row.name, "from": row.one, "to": row.other} for row in found.changed]
        summary = summarise_comparison(found)
        print_json(
            {
                "page": page,
                "summary": summary,
                "changed": rows,
                "notes": found.notes,
                "failures": failed,
                "warnings": warnings,
            }
        )
        return
    for line in _lines(found):
        say(line)
    say(f"{page}: {counted(len(found.inputs), 'input')}")


def _lines(found: Comparison) -> Iterator[str]:
    from onnxpath.report.compared import summarise_comparison
    from onnxpath.report.template import number, percent

    summary = summarise_comparison(found)
    if found.agreement is None:
        yield f"outputs differ by {percent(summary.logits)} in the median of {len(found.inputs)} inputs"
    else:
        yield f"predictions agree on {percent(found.agreement)} of {len(found.inputs)} inputs"
    for row in found.changed[:5]:
        yield f"  {row.name}: {row.one.prediction} -> {row.other.prediction}, margin was {number(row.one.margin, 3)}"
    if len(found.changed) > 5:
        yield f"  and {len(found.changed) - 5} more"
    if summary.labelled:
        chance = f", by chance in {percent(summary.chance)} of cases" if summary.lost or summary.gained else ""
        yield (
            f"accuracy {percent(summary.accuracy_one)} -> {percent(summary.accuracy_other)} of {summary.labelled}: "
            f"{summary.lost} right answers lost, {summary.gained} gained{chance}"
        )
    if found.overlap is not None:
        densities = f"density {percent(summary.density_one)} -> {percent(summary.density_other)}"
        yield f"pathways: mean Jaccard {percent(found.overlap)}, {densities}"
    if found.only_one or found.only_other:
        yield f"in one run alone, left out: {len(found.only_one)} of A, {len(found.only_other)} of B"
    first = found.first_diverging
    if any(row.differences is not None for row in found.inputs):
        where = f"'{first.pair.one}' ({percent(first.difference)})" if first else "none"
        told = f"first layer with a median difference above {percent(found.threshold)}: {where}"
        yield told if found.layers() else "no layer of one could be matched with one of the other"
    for m in found.maps():
        yield f"{m.method}: median cosine {number(m.cosine, 3)}, Spearman {number(m.spearman, 3)}"
    for note in found.notes:
        yield f"note: {note}"
