"""One self-contained HTML page of an evaluation, its data and a CSV."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

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
    return whole_page(f"Evaluation of {scored.facts.model}", SECTIONS, "", scored, scored.facts, (DATA, TABLE))


def write_evaluation(folder: Path, result: Evaluation, facts: Facts) -> Path:
    """Write evaluation.html, evaluation.json and evaluation.csv, and return the page's path. Raises JobError."""
    return write_page(folder, result.as_dict(), result.to_csv(), render(Scored(result, facts)), facts, "evaluation")


def whole_page(
    title: str, sections: Mapping[str, str], prefix: str, shown: Any, facts: Facts, files: Sequence[str]
) -> str:
    """Return the HTML of a page. sections: name -> title; prefix: of their files; files: linked at the page's end."""
    parts = [(name, title, _section(prefix + name)(shown)) for name, title in sections.items()]
    return render_template(
        "evaluation/page.html",
        title=title,
        facts=facts,
        files=files,
        parts=[part for part in parts if part[2]],
        style=(TEMPLATES / "style.css").read_text(encoding="utf-8"),
        own_style=(TEMPLATES / "evaluation" / "style.css").read_text(encoding="utf-8"),
    )


def write_page(folder: Path, plain: Mapping[str, Any], table: str, page: str, facts: Facts, name: str) -> Path:
    """Write <name>.json (with the facts as "run"), <name>.csv and <name>.html; return the page's path."""
    data = json.dumps({**plain, "run": as_plain(facts)}, indent=1, ensure_ascii=False, allow_nan=False)
    for kind, text in {"json": data + "\n", "csv": table, "html": page}.items():
        write_bytes(Path(folder) / f"{name}.{kind}", text.encode("utf-8"))
    return Path(folder) / f"{name}.html"


def _section(name: str) -> Callable[[Any], str]:
    found: Callable[[Any], str] = import_module(f"onnxpath.report.evaluation.sections.{name}").render
    return found
