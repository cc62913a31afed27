"""What a section of the page is, and the registry that the page draws them from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from onnxpath.registry import Registry
from onnxpath.report.data import Report

Render = Callable[[Report], str]


@dataclass(frozen=True)
class Section:
    """A part of the page. order: place on the page, ascending. render: report -> HTML, for none, one or many items."""

    name: str
    title: str
    order: int
    render: Render


SECTIONS: Registry[Section] = Registry("report section")


def section(name: str, title: str, order: int) -> Callable[[Render], Render]:
    """Decorator that enters a function from report to HTML as a section of the page."""

    def enter(render: Render) -> Render:
        SECTIONS.register(name)(Section(name, title, order, render))
        return render

    return enter


def in_order() -> list[Section]:
    """Return all sections as they stand on the page."""
    return sorted((SECTIONS.get(name) for name in SECTIONS.names()), key=lambda item: item.order)
