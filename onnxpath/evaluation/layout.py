"""Where positions and channels are in a row of the input."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from onnxpath.errors import InputError, unknown
from onnxpath.runtime.session import Array

CHANNELS = ("first", "last", "none")


@dataclass(frozen=True)
class Layout:
    """A row's axes.

    shape: of the row; channels: "first" | "last" | "none" (every entry is a position of its own, as in tables).
    """

    shape: tuple[int, ...]
    channels: str

    @classmethod
    def of(cls, shape: Sequence[int], channels: str | None = None) -> Layout:
        """Lay out rows of a shape; channels: default first where a row has three axes or more, else none.

        Raises UnknownName; InputError where a row has no axis left for positions.
        """
        chosen = channels or ("first" if len(shape) >= 3 else "none")
        if chosen not in CHANNELS:
            raise unknown("place of the channels", [chosen], CHANNELS)
        if len(shape) < (1 if chosen == "none" else 2):
            raise InputError(f"rows of {len(shape)} axes have no positions to perturb with channels '{chosen}'")
        return cls(tuple(shape), chosen)

    @property
    def spatial(self) -> tuple[int, ...]:
        """Sizes of the axes that count positions."""
        ends = {"first": self.shape[1:], "last": self.shape[:-1], "none": self.shape}
        return ends[self.channels]

    @property
    def positions(self) -> int:
        """Number of positions: pixels of a picture, features of a table."""
        return math.prod(self.spatial)

    @property
    def is_picture(self) -> bool:
        """True where positions have two axes, height and width."""
        return len(self.spatial) == 2

    def planes(self, rows: Array) -> Array:
        """Return contiguous rows [n, ...] as a view [n, channels, positions]."""
        if self.channels == "last":
            return rows.reshape(len(rows), self.positions, -1).swapaxes(1, 2)
        return rows.reshape(len(rows), -1, self.positions)

    def rows(self, planes: Array) -> Array:
        """Return planes [n, channels, positions] as rows [n, ...]."""
        swapped = planes.swapaxes(1, 2) if self.channels == "last" else planes
        return swapped.reshape(len(planes), *self.shape)
