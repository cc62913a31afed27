"""One self-contained HTML page: sections, styles and pictures in one file, without script and without network."""

from __future__ import annotations

from onnxpath.report import sections as _sections  # registers them
from onnxpath.report.colour import GAIN, LIFT, css_gradient
from onnxpath.report.data import PageData
from onnxpath.report.pictures import all_pictures
from onnxpath.report.section import in_order
from onnxpath.report.template import TEMPLATES, render_template

__all__ = ["render"]

_sections.load_all()


def render(report: PageData) -> str:
    """Return the page as HTML text. Works for no items, one or many."""
    parts = [(item, item.render(report)) for item in in_order(report.page)]
    return render_template(
        "page.html",
        report=report,
        parts=[(item, html) for item, html in parts if html],
        pictures=all_pictures(report),
        style=(TEMPLATES / "style.css").read_text(encoding="utf-8"),
        gradient=css_gradient(),
        gain=GAIN,
        lift=LIFT,
    )
