"""How far a row may move before the network, or its pathway, leaves the linear region that it is in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from onnxpath.errors import InputError
from onnxpath.graph.surgery import MASK_PREFIX
from onnxpath.pathway.analyses.kinks import Kink
from onnxpath.pathway.analyses.margins import Margins, margins
from onnxpath.pathway.analyses.region import POOLED, VALUE, Region, repeated
from onnxpath.pathway.pathway import Pathway
from onnxpath.pathway.programs import Setup
from onnxpath.runtime.feeds import of_rows, rows_of
from onnxpath.runtime.model import Model, load
from onnxpath.runtime.session import Array
from onnxpath.runtime.targets import resolve_target
from onnxpath.shown import Shown

EXACT, UPPER = "exact", "upper"


@dataclass(frozen=True)
class NearestKink:
    """The kink that a row meets first.

    layer, op: output and operator of the node that bends; unit: place in that node's input, without the row; rival: the
    unit that it draws level with, for max pooling, else None; direction: source -> array of its row, together of length
    1; the kink lies at x + radius · direction.
    """

    layer: str
    op: str
    unit: tuple[int, ...]
    rival: tuple[int, ...] | None
    direction: Mapping[str, Array]


@dataclass(frozen=True, repr=False)
class LinearRadius(Shown):
    """The largest L2 ball around one row in which no unit of a network changes its linear branch.

    radius: in units of the model's input, inf where nothing bends; bound: "exact", or "upper" where not every kink was
    looked at; nearest: what ends it, None where nothing does; layers: output of each node that bends -> its own
    distance; units: how many kinks were looked at; kept: neurons of the ReLU family that take part, off: how many of
    them are off in this network, saturated: how many are at their upper bound (ReLU6).
    """

    radius: float
    bound: str
    nearest: NearestKink | None
    layers: Mapping[str, float]
    units: int
    kept: int
    off: int
    saturated: int

    @property
    def off_fraction(self) -> float | None:
        """Fraction of the neurons that take part and are off, None where none takes part.

        Of a pathway: kept by what they did in the whole network, and off with the others gone.
        """
        return self.off / self.kept if self.kept else None


def linear_radius(
    model: Any,
    x: Any,
    pathways: Sequence[Pathway] | None = None,
    output: str | None = None,
    units: int | None = None,
) -> list[LinearRadius]:
    """Return, per row, the radius of the linear region of the network, or of the row's pathway.

    model: path, bytes, ModelProto or loaded Model; x: [N, ...] array, list or dict of inputs; pathways: one per row, as
    `critical_pathway` gives them for this output, default the whole network; output: the one the network ends in,
    default the first float one; units: how many kinks of each node are looked at, those with the smallest margins,
    default all; where that leaves some out, the radius is an upper bound.
    A kink is as far away as its margin over the length of its gradient (Khakzar et al., CVPR 2021; docs/methods.md):
    one backward pass per kink; exact up to the rounding of the model's dtype.
    Raises UnsupportedOperator (nodes that are not piecewise affine, all named), InputError (pathways that do not fit).
    """
    loaded = load(model)
    feeds = loaded.feeds(x)
    count = rows_of(feeds)
    setup = Setup.of(loaded, resolve_target(loaded, None, count, output))
    check_units(units)
    if pathways is not None:
        require_masks(setup, pathways, count)
    region = Region(setup, pathways is not None)
    size = loaded.rows_per_run(feeds if count > 1 else repeated(feeds, 2))
    masks: list[Mapping[str, Array]] = [{}] * count if pathways is None else [p.masks for p in pathways]
    rows = (of_rows(feeds, [i]) for i in range(count))
    return [_row(region, row, own, size, units) for row, own in zip(rows, masks, strict=True)]


def check_units(units: int | None) -> None:
    """Raise InputError where `units` cannot be used."""
    if units is not None and units < 1:
        raise InputError(f"units is how many kinks of each node are looked at, 1 or more; {units} was given")


def check_radius(model: Model, output: str | None = None) -> None:
    """Raise UnsupportedOperator, with all nodes that stand in the way, where no region of this model can be told."""
    Region(Setup.of(model, resolve_target(model, None, 1, output)), masked=False).start()


def require_masks(setup: Setup, pathways: Sequence[Pathway], count: int) -> None:
    """Raise InputError unless there is one pathway per row, of the layers of the setup and of their sizes."""
    if len(pathways) != count:
        raise InputError(f"{count} rows need one pathway each; {len(pathways)} were given")
    wanted = {layer.name: layer.shape for layer in setup.layers}
    for row, pathway in enumerate(pathways):
        given = {name: mask.shape for name, mask in pathway.masks.items()}
        if list(given) != list(wanted) or not all(_fits(given[name], shape) for name, shape in wanted.items()):
            raise InputError(
                f"pathway {row} has masks {given}, and the neuron layers of this network are {wanted}; "
                "select it with the same model, output and input size"
            )


def _fits(given: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(given) == len(wanted) and all(n is None or n == m for n, m in zip(wanted, given, strict=True))


@dataclass(frozen=True)
class _Found:
    """The nearest kink of one node: its distance, which of the node's margins it is, source -> step towards it."""

    distance: float
    margins: Margins
    place: int
    steps: Mapping[str, Array]


def _row(
    region: Region, feeds: Mapping[str, Array], masks: Mapping[str, Array], size: int, units: int | None
) -> LinearRadius:
    setup = region.setup
    fed = {MASK_PREFIX + name: mask[None].astype(setup.dtypes[name]) for name, mask in masks.items()}
    values = region.values().run(repeated({**feeds, **fed}, setup.model.fixed_rows or 1))
    many = repeated({**feeds, **fed}, size)
    near: list[Margins] = []
    bound = EXACT
    for i, kink in enumerate(region.kinks):
        own = margins(kink, values[f"{VALUE}{i}"][0], values.get(f"{POOLED}{i}"), masks)
        if units is not None and len(own.values) > units:
            own, bound = own.nearest(units), UPPER
        near.append(own)
    shapes = [values[f"{VALUE}{i}"].shape[1:] for i in range(len(near))]
    found = {i: end for group in region.groups for i, end in _nearest(region, group, many, near, shapes, size).items()}
    layers = {kink.name: found[i].distance for i, kink in enumerate(region.kinks)}
    radius = min(layers.values(), default=np.inf)
    ends = zip(region.kinks, shapes, found.values(), strict=True)
    nearest = next((_described(*end) for end in ends if end[2].distance == radius < np.inf), None)
    looked = sum(len(own.values) for own in near)
    return LinearRadius(float(radius), bound, nearest, layers, looked, *_states(region, values, masks))


def _nearest(
    region: Region,
    group: range,
    feeds: Mapping[str, Array],
    near: Sequence[Margins],
    shapes: Sequence[tuple[int, ...]],
    size: int,
) -> dict[int, _Found]:
    """Return the nearest kink of each node of a group; near, shapes: of all nodes; size: rows of a run."""
    best = {i: _Found(np.inf, near[i], -1, {}) for i in group}
    asked = [(i, place) for i in group for place in range(len(near[i].values))]
    for start in range(0, len(asked), size):
        part = asked[start : start + size]
        # A model with a fixed batch gets rows that ask for nothing.
        rows = size if region.setup.model.fixed_rows else len(part)
        cotangents = {i: np.zeros([rows, int(np.prod(shapes[i]))]) for i in group}
        for row, (i, place) in enumerate(part):
            cotangents[i][row, near[i].plus[place]] = 1
            if (minus := near[i].minus) is not None:
                cotangents[i][row, minus[place]] -= 1
        fed = of_rows(feeds, slice(rows))
        grads = region.gradients(group, fed, {i: c.reshape(rows, *shapes[i]) for i, c in cotangents.items()})
        lengths = np.sqrt(sum(_squares(grad[: len(part)]) for grad in grads.values()))
        apart = np.array([near[i].values[place] for i, place in part])
        # What does not depend on x bounds nothing.
        distances = np.divide(np.abs(apart), lengths, out=np.full(len(part), np.inf), where=lengths > 0)
        for row, (i, place) in enumerate(part):
            if distances[row] < best[i].distance:
                towards = -np.copysign(1 / lengths[row], apart[row])
                steps = {name: towards * grad[row].astype(np.float64) for name, grad in grads.items()}
                best[i] = _Found(float(distances[row]), near[i], place, steps)
    return best


def _squares(grads: Array) -> Array:
    flat = grads.reshape(len(grads), -1).astype(np.float64)
    return np.asarray(np.einsum("ij,ij->i", flat, flat))


def _described(kink: Kink, shape: tuple[int, ...], found: _Found) -> NearestKink:
    def place(flat: Array) -> tuple[int, ...]:
        return tuple(int(i) for i in np.unravel_index(flat[found.place], shape))

    minus = found.margins.minus
    rival = None if minus is None else place(minus)
    return NearestKink(kink.name, kink.op, place(found.margins.plus), rival, found.steps)


def _states(region: Region, values: Mapping[str, Array], masks: Mapping[str, Array]) -> tuple[int, int, int]:
    """Return how many neurons of the ReLU family take part, are off, are at their upper bound."""
    family = {layer.name: layer for layer in region.setup.layers if layer.has_zero}
    kept = off = saturated = 0
    for i, kink in enumerate(region.kinks):
        if kink.name in family and kink.bounds:
            z = values[f"{VALUE}{i}"][0]
            z = z[masks[kink.name]] if kink.name in masks else z
            kept += z.size
            off += int(np.count_nonzero(z <= kink.bounds[0]))
            if family[kink.name].saturation is not None:
                saturated += int(np.count_nonzero(z >= kink.bounds[-1]))
    return kept, off, saturated
