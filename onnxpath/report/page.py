"""One HTML page: sections, styles, pictures and a small script in one file, without network.

The inputs of a large run are in data files beside it (beside.py), which the script loads when they are asked for.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache

from onnxpath.report import sections as _sections  # registers them
from onnxpath.report.colour import GAIN, LIFT, css_gradient
from onnxpath.report.data import PageData
from onnxpath.report.pictures import all_pictures
from onnxpath.report.section import in_order
from onnxpath.report.template import TEMPLATES, render_template

__all__ = ["render"]

SCRIPTS = {"report": ("index", "filter", "address", "dom", "files", "gallery", "viewer", "main")}
"""Kind of page -> its script's parts in templates/script/, in order; no other kind has one."""

_sections.load_all()


def render(report: PageData) -> str:
    """Return the page as HTML text. Works for no items, one or many."""
    parts = [(item, item.render(report)) for item in in_order(report.page)]
    script = script_of(report.page)
    return render_template(
        "page.html",
        report=report,
        parts=[(item, html) for item, html in parts if html],
        pictures=all_pictures(report),
        style=(TEMPLATES / "style.css").read_text(encoding="utf-8"),
        gradient=css_gradient(),
        gain=GAIN,
        lift=LIFT,
        beside=getattr(report, "beside", False),
        script=script,
        script_hash=content_hash(script),
    )


@cache
def script_of(kind: str) -> str:
    """Return the script of a kind of page, "" for none."""
    parts = [(TEMPLATES / "script" / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS.get(kind, ())]
    return '"use strict";\n(() => {\n' + "\n".join(parts) + "})();\n" if parts else ""


def content_hash(text: str) -> str:
    """Return the hash by which a content security policy names an inline script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
