"""What is evaluated: a model, its inputs and what is explained in each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from onnxpath.attribution.registry import begun_at_sources, logits_of
from onnxpath.errors import InputError
from onnxpath.evaluation.layout import Layout
from onnxpath.runtime.feeds import of_rows, rows_of
from onnxpath.runtime.model import Model, load
from onnxpath.runtime.session import Array
from onnxpath.runtime.targets import Target, resolve_target


@dataclass(frozen=True)
class Subject:
    """A model with rows of input.

    feeds: all inputs by name; source: the one that is explained and perturbed; target: fixed to the class of the
    unperturbed network; logits: of the unperturbed rows; boxes: per row [k, 4] as x0, y0, x1, y1 in pixels of the
    input, ends left out, or None; masks: bool [N, H, W], or None; seed: of everything that is drawn.
    """

    model: Model
    feeds: dict[str, Array]
    source: str
    target: Target
    logits: Array
    layout: Layout
    output: str | None = None
    boxes: list[Array] | None = None
    masks: Array | None = None
    seed: int = 0

    @classmethod
    def of(
        cls,
        model: Any,
        data: Any,
        target: Any = None,
        output: str | None = None,
        channels: str | None = None,
        boxes: Sequence[Any] | None = None,
        masks: Any = None,
        seed: int = 0,
        wrt: Sequence[str] | None = None,
    ) -> Subject:
        """Check and complete what a user gives; see `evaluate`. Raises InputError, UnknownName."""
        loaded = load(model, wrt=wrt)
        feeds = loaded.feeds(data)
        rows = rows_of(feeds)
        goal = resolve_target(loaded, target, rows, output)
        if len(loaded.sources) != 1:
            names = ", ".join(loaded.sources)
            raise InputError(f"evaluation perturbs one input, and the model has {names}; name one with wrt")
        (source,) = loaded.sources
        is_computed = source not in feeds
        loaded, begun = begun_at_sources(loaded, feeds, goal)
        row = begun[source].shape[1:]
        # Embeddings and hidden states of tokens are [tokens, channels]; what a convolution makes is as inputs are.
        layout = Layout.of(row, channels or ("last" if is_computed and len(row) == 2 else None))
        logits = logits_of(loaded, begun, goal)
        subject = cls(loaded, dict(begun), source, goal.fixed(logits), logits, layout, output, seed=seed)
        return subject.located(boxes, masks)

    def located(self, boxes: Sequence[Any] | None, masks: Any) -> Subject:
        """Return the subject with boxes and masks, checked; masks are made from the boxes where none are given."""
        if boxes is None and masks is None:
            return self
        if not self.layout.is_picture:
            raise InputError(f"boxes and masks need rows with height and width, not {self.layout.shape}")
        listed = None if boxes is None else [np.asarray(b, np.float64).reshape(-1, 4) for b in boxes]
        if listed is not None and len(listed) != self.rows:
            raise InputError(f"{self.rows} rows need a list of boxes each; {len(listed)} were given")
        inside = _inside(listed, self.layout.spatial) if listed is not None and masks is None else np.asarray(masks)
        if inside.shape != (self.rows, *self.layout.spatial):
            raise InputError(f"masks are {inside.shape}; these rows need {(self.rows, *self.layout.spatial)}")
        return replace(self, boxes=listed, masks=inside.astype(bool))

    @property
    def rows(self) -> int:
        """Number of rows."""
        return rows_of(self.feeds)

    @property
    def x(self) -> Array:
        """The perturbed input, [N, ...]."""
        return self.feeds[self.source]

    @cached_property
    def planes(self) -> Array:
        """The perturbed input as [N, channels, positions]."""
        return self.layout.planes(self.x)

    def with_x(self, x: Array) -> Subject:
        """Return the subject with other values of the input, explained for the same targets."""
        return replace(self, feeds={**self.feeds, self.source: np.ascontiguousarray(x, self.x.dtype)})

    def with_model(self, model: Model, seed: int) -> Subject:
        """Return the subject with another model of the same inputs, explained for the same targets."""
        return replace(self, model=model, seed=seed)

    def with_target(self, values: Array) -> Subject:
        """Return the subject with another explained entry in each row, int64 [N]."""
        return replace(self, target=Target(self.target.readout, "target", values))

    def take(self, rows: Array) -> Subject:
        """Return the subject with some of its rows, int or bool [n]."""
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        return replace(
            self,
            feeds=of_rows(self.feeds, rows),
            target=Target(self.target.readout, self.target.kind, self.target.values[rows]),
            logits=self.logits[rows],
            boxes=None if self.boxes is None else [self.boxes[i] for i in rows],
            masks=None if self.masks is None else self.masks[rows],
        )


def _inside(boxes: list[Array], spatial: tuple[int, ...]) -> Array:
    """Return bool [N, H, W]: pixels whose centre lies in one of the row's boxes."""
    ys, xs = (np.arange(size) + 0.5 for size in spatial)
    found = np.zeros((len(boxes), *spatial), bool)
    for row, listed in enumerate(boxes):
        for x0, y0, x1, y1 in listed:
            found[row] |= ((ys >= y0) & (ys < y1))[:, None] & ((xs >= x0) & (xs < x1))
    return found
