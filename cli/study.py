"""Analyses of the pathways of a run: carried out, written as a page, told in a few lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onnxpath_cli.job import run_facts
from onnxpath_cli.output import counted

if TYPE_CHECKING:
    from onnxpath.batch.explain import Failed
    from onnxpath.batch.pathways import Traced
    from onnxpath.pathway.pathway import Pathway
    from onnxpath.report.job.prepare import Job
    from onnxpath.report.study import Study


def check_alike(first: str, sizes: Mapping[str, tuple[int, ...]], other: Traced) -> None:
    """Raise InputError where analyses, which compare neuron by neuron, cannot compare an input with the first one.

    sizes: of the first one's layers, as `sizes_of` gives them.
    """
    from onnxpath.batch.loaded import spell
    from onnxpath.errors import InputError

    others = sizes_of(other)
    if apart := [layer for layer, size in sizes.items() if others[layer] != size]:
        one, two = (spell(table[apart[0]]) for table in (sizes, others))
        raise InputError(
            f"input '{other.item.name}' has another size than '{first}': neuron layer '{apart[0]}' is {two}, "
            f"there {one}, and --analysis compares neuron by neuron; set resize and crop in the preprocess file, give "
            "texts of one length, or leave --analysis out"
        )


def sizes_of(result: Traced) -> dict[str, tuple[int, ...]]:
    """Return layer -> shape of its neurons, for one input."""
    return {layer: mask.shape for layer, mask in next(iter(result.pathways.values())).masks.items()}


def write_study(
    job: Job,
    found: Mapping[str, Sequence[Pathway]],
    analyses: Sequence[str],
    failures: Sequence[Failed],
    output: str | None,
    settings: Mapping[str, Any],
) -> tuple[Path, Study]:
    """Carry out the analyses, write their page, its JSON and their arrays, and return the page's path and data."""
    import onnxpath
    from onnxpath.files import save_npz
    from onnxpath.pathway.analyses.named import ANALYSES
    from onnxpath.report import build, data
    from onnxpath.report.study import Study
    from onnxpath.report.write import write_report

    results = {name: ANALYSES.get(name)(found) for name in analyses}
    files = []
    for result in results.values():
        for name, arrays in result.files().items():
            files.append(f"{name}.npz")
            save_npz(job.out / files[-1], arrays)
    inputs = len(next(iter(found.values())))
    facts = build.model_facts(job.model, output)
    study = Study(
        onnxpath=onnxpath.__version__,
        title=f"Pathways of {facts.path} on {counted(inputs, 'input')}",
        model=facts,
        run=run_facts(job, selector=", ".join(found), **settings),
        selectors=list(found),
        inputs=inputs,
        analyses=results,
        classes=list(job.classes) or list(next((i.classes for i in job.items if i.classes), ())),
        files=files,
        failures=[data.Failure(f.item.name, f.error) for f in failures],
        warnings=job.warnings,
    )
    return write_report(job.out, study), study


def told(analyses: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the analyses found, in lines for people."""
    for name, result in analyses.items():
        yield from LINES[name](result)


def _layers(result: Any) -> Iterator[str]:
    for s in result.selectors:
        told = f"density {_pct(s.density)}, dead {_pct(s.dead)}"
        if s.kept_prediction is None:
            yield f"{s.selector}: change of the output {_pct(s.change)}, {told}"
        else:
            kept, softmax = _pct(s.kept_prediction), _pct(s.softmax)
            yield f"{s.selector}: predictions kept {kept}, {told}, target softmax {softmax}"


def _overlap(result: Any) -> Iterator[str]:
    for pair in result.pairs:
        yield (
            f"{pair.one} – {pair.other}: Jaccard {_pct(pair.pooled.jaccard)} "
            f"(independent choices {_pct(pair.pooled.independent)})"
        )


def _classes(result: Any) -> Iterator[str]:
    for s in result.selectors:
        yield (
            f"{s.selector}: Jaccard of two inputs within a class {_pct(s.pooled.within)}, "
            f"between classes {_pct(s.pooled.between)}, {len(s.classes)} classes"
        )


def _pct(value: float | None) -> str:
    from onnxpath.report.template import percent

    return percent(value, 2)


LINES = {"layers": _layers, "overlap": _overlap, "classes": _classes}
