"""Occlusion."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from onnxpath.attribution.perturb import Probe, black_box
from onnxpath.attribution.registry import Maps
from onnxpath.errors import InputError
from onnxpath.runtime.model import Model
from onnxpath.runtime.session import Array
from onnxpath.runtime.targets import Target

CHANNELS, PARTS = 4, 8
"""Axes up to CHANNELS long are covered whole by the default window, longer ones by a part of PARTS."""


@black_box("occlusion")
def occlusion(
    model: Model,
    feeds: Mapping[str, Array],
    target: Target,
    *,
    sliding_window_shapes: Any = None,
    strides: Any = None,
    baselines: Any = None,
) -> Maps:
    """Return the mean of F(x) − F(x with a window at its baseline) over the windows on a place (Zeiler, Fergus, 2014).

    sliding_window_shapes: of a row without its batch axis, a tuple, for several inputs a tuple of tuples or a dict by
    name; default all of axes of at most 4, an eighth of others, single values of vectors. strides: steps, a number or
    one per axis, default 1, of the default window half of it; the last window may reach over the end. baselines: a
    number, an array that broadcasts, a tuple of those in the inputs' order or a dict by name, default 0. Only runs the
    model, once for each window. Raises InputError, that names all windows and strides that do not fit, UnknownName.
    """
    probe = Probe.of("occlusion", model, feeds, target)
    starts, windows = probe.baselines(baselines), _windows(probe, sliding_window_shapes, strides)
    first = dict(zip(windows, np.cumsum([0, *(w.count for w in windows.values())]), strict=False))

    def occluded(name: str, ks: Array, rows: Array, x: Array) -> Array:
        x = x.copy()
        for i, (k, row) in enumerate(zip(ks - first[name], rows.tolist(), strict=True)):
            if 0 <= k < windows[name].count:
                place = windows[name].place(int(k))
                x[i][place] = starts[name][row][place]
        return x

    drops = probe.scores - probe.all_scores(sum(w.count for w in windows.values()), occluded)
    maps = {}
    for name, window in windows.items():
        total: Array = np.zeros(probe.feeds[name].shape)
        covered: Array = np.zeros(total.shape[1:])
        for k in range(window.count):
            place = window.place(k)
            covered[place] += 1
            for row, drop in zip(total, drops[first[name] + k], strict=True):
                row[place] += drop
        maps[name] = total / covered
    return probe.result(maps)


@dataclass(frozen=True)
class Windows:
    """The windows on a row. sizes: of the row; shape, strides: of the window, per axis."""

    sizes: tuple[int, ...]
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def steps(self) -> tuple[int, ...]:
        """Number of places on each axis."""
        axes = zip(self.sizes, self.shape, self.strides, strict=True)
        return tuple(math.ceil((size - window) / stride) + 1 for size, window, stride in axes)

    @property
    def count(self) -> int:
        """Number of windows."""
        return math.prod(self.steps)

    def place(self, k: int) -> tuple[slice, ...]:
        """Return window k as slices of the row."""
        at = np.unravel_index(k, self.steps)
        return tuple(slice(i * s, i * s + w) for i, s, w in zip(at, self.strides, self.shape, strict=True))


def _windows(probe: Probe, shapes: Any, strides: Any) -> dict[str, Windows]:
    problems, found = [], {}
    given, steps = probe.by_name(shapes, None), probe.by_name(strides, None)
    for name in probe.names:
        sizes = probe.feeds[name].shape[1:]
        shape = default_window(sizes) if given[name] is None else given[name]
        step = steps[name] if steps[name] is not None else _half(shape) if given[name] is None else 1
        shape, step = (tuple(np.atleast_1d(np.asarray(v, np.int64)).tolist()) for v in (shape, step))
        step = step * len(shape) if len(step) == 1 else step
        if not len(shape) == len(step) == len(sizes):
            problems.append(f"input '{name}' has rows of {len(sizes)} axes; give windows and strides one size for each")
        elif any(not 1 <= w <= n for w, n in zip(shape, sizes, strict=True)):
            problems.append(f"a window of {shape} does not fit into input '{name}', whose rows are {sizes}")
        elif any(s < 1 or (s > w and w < n) for s, w, n in zip(step, shape, sizes, strict=True)):
            problems.append(f"strides {step} on input '{name}' leave places that no window {shape} covers")
        found[name] = (sizes, shape, step)
    if problems:
        raise InputError("\n".join(problems))
    return {name: Windows(*sizes) for name, sizes in found.items()}


def default_window(sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the window for a row of these sizes where none is asked for."""
    if len(sizes) == 1:
        return (1,)
    return tuple(size if size <= CHANNELS else math.ceil(size / PARTS) for size in sizes)


def _half(window: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(max(1, size // 2) for size in window)
