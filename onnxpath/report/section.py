"""What a section of a page is, and the registry that pages draw them from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from onnxpath.registry import Registry

Render = Callable[[Any], str]

EVERY_PAGE = ("report", "pathways", "compare")
"""The kinds of page: of `onnxpath report`, of `onnxpath pathway --analysis`, of `onnxpath compare`."""


@dataclass(frozen=True)
class Section:
    """A part of a page.

    order: place on the page, ascending. render: the page's data -> HTML, for none, one or many items; "" leaves the
    section out. pages: the kinds of page that have it.
    """

    name: str
    title: str
    order: int
    render: Render
    pages: tuple[str, ...] = ("report",)


SECTIONS: Registry[Section] = Registry("report section")


def section(name: str, title: str, order: int, pages: Sequence[str] = ("report",)) -> Callable[[Render], Render]:
    """Decorator that enters a function from a page's data to HTML as a section of such pages."""

    def enter(render: Render) -> Render:
        SECTIONS.register(name)(Section(name, title, order, render, tuple(pages)))
        return render

    return enter


def in_order(page: str = "report") -> list[Section]:
    """Return the sections of a kind of page as they stand on it."""
    known = [SECTIONS.get(name) for name in SECTIONS.names()]
    return sorted((item for item in known if page in item.pages), key=lambda item: item.order)
