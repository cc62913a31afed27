"""One self-contained HTML page of an evaluation, its data and a CSV."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from onnxpath.evaluation.result import Evaluation
from onnxpath.files import write_bytes
from onnxpath.report.evaluation.data import Facts, Scored
from onnxpath.report.plain import as_plain
from onnxpath.report.template import TEMPLATES, render_template

__all__ = ["Facts", "Scored", "render", "write_evaluation"]

PAGE, DATA, TABLE = "evaluation.html", "evaluation.json", "evaluation.csv"

SECTIONS = {
    "header": "Evaluation",
    "results": "Results",
    "curves": "Curves",
    "reading": "How to read this page",
    "skipped": "Not measured",
    "run": "Run",
}
"""File in sections/ -> its title, in the order of the page; each has `render(scored) -> HTML`, empty for nothing."""


def render(scored: Scored) -> str:
    """Return the page as HTML text; works for one method or many, with and without curves."""
    parts = [(name, title, _section(name)(scored)) for name, title in SECTIONS.items()]
    return render_template(
        "evaluation/page.html",
        facts=scored.facts,
        parts=[part for part in parts if part[2]],
        style=(TEMPLATES / "style.css").read_text(encoding="utf-8"),
        own_style=(TEMPLATES / "evaluation" / "style.css").read_text(encoding="utf-8"),
    )


def write_evaluation(folder: Path, result: Evaluation, facts: Facts) -> Path:
    """Write evaluation.html, evaluation.json and evaluation.csv, and return the page's path. Raises JobError."""
    scored = Scored(result, facts)
    data = json.dumps({**result.as_dict(), "run": as_plain(facts)}, indent=1, ensure_ascii=False, allow_nan=False)
    texts = {DATA: data + "\n", TABLE: result.to_csv(), PAGE: render(scored)}
    for name, text in texts.items():
        write_bytes(Path(folder) / name, text.encode("utf-8"))
    return Path(folder) / PAGE


def _section(name: str) -> Callable[[Scored], str]:
    found: Callable[[Scored], str] = import_module(f"onnxpath.report.evaluation.sections.{name}").render
    return found
