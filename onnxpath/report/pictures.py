"""The pictures of a page, each stored once and shown wherever a section refers to it by its name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from onnxpath.report.data import Item, PageData
from onnxpath.report.encode import COARSE, FINE, TINY, map_uri, picture_uri

# Pages with more large maps than this draw them in fewer colours.
FEW_MAPS = 60


@dataclass(frozen=True)
class Stored:
    """A picture of the page: its name there, its data, and whether single pixels are to be seen."""

    name: str
    uri: str
    width: int
    height: int
    pixelated: bool


def shown_name(index: int) -> str:
    """Name of the picture of item number `index`."""
    return f"shown-{index}"


def map_name(index: int, map_index: int) -> str:
    """Name of a map of item number `index`."""
    return f"map-{index}-{map_index}"


def map_levels(report: PageData) -> int:
    """Return in how many colours large maps are drawn on this report's page."""
    large = sum(max(m.values.shape) > TINY for i in report.items for m in i.maps if m.values is not None)
    return FINE if large <= FEW_MAPS else COARSE


def size_of(item: Item) -> tuple[int, int] | None:
    """Return (width, height) in which an item's picture and maps are laid over each other; None without either."""
    if item.shown is not None:
        return item.shown.shape[1], item.shown.shape[0]
    planes = [m.values.shape for m in item.maps if m.values is not None and m.values.ndim == 2]
    return (planes[0][1], planes[0][0]) if planes else None


def numbered(items: Sequence[Item]) -> Iterator[tuple[int, Item]]:
    """Yield (number, item): the places of the inputs in their run, which their anchors are made of."""
    return ((place if item.number is None else item.number, item) for place, item in enumerate(items))


def all_pictures(report: PageData) -> list[Stored]:
    """Encode every picture and every map (H, W) of a page."""
    levels = map_levels(report)
    return [stored for number, item in numbered(report.items) for stored in item_pictures(number, item, levels)]


def item_pictures(number: int, item: Item, levels: int) -> list[Stored]:
    """Encode the picture and the maps (H, W) of input `number`, large maps in so many colours."""
    size = size_of(item)
    if size is None:
        return []
    stored = []
    if item.shown is not None:
        stored.append(Stored(shown_name(number), picture_uri(item.shown), *size, max(size) <= TINY))
    for place, entry in enumerate(item.maps):
        if entry.values is not None and entry.values.ndim == 2:
            tiny = max(entry.values.shape) <= TINY
            uri = map_uri(entry.values, entry.limit, FINE if tiny else levels)
            stored.append(Stored(map_name(number, place), uri, *size, tiny))
    return stored
