"""Path decoding: the input that a masked network answers most strongly to, found by gradient ascent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from onnxpath.backward.target import TARGET
from onnxpath.errors import InputError, unknown
from onnxpath.pathway.analyses.ascent import PARAMETRISATIONS, Adam, squash
from onnxpath.pathway.analyses.radius import require_masks
from onnxpath.pathway.finite import check_masked_finite
from onnxpath.pathway.pathway import Pathway
from onnxpath.pathway.programs import GRAD, LOGITS, Setup, mask_name
from onnxpath.pathway.selectors.registry import rows_rng
from onnxpath.progress import track
from onnxpath.runtime.feeds import rows_of
from onnxpath.runtime.model import Model, load
from onnxpath.runtime.session import Array, Session
from onnxpath.runtime.targets import Target, resolve_target
from onnxpath.shown import Shown

STARTS = {"grey": 0.0, "noise": 0.3}
"""Name -> standard deviation of the numbers that are climbed from."""


@dataclass(frozen=True)
class Climb:
    """How an input is climbed to.

    steps: of Adam; learning_rate: its step; parametrisation: "pixel", or "fourier" (waves, weighted by 1 /
    frequency^decay); jitter: before each step the input is shifted by up to so many places along both spatial axes,
    around the edges; start: "grey" (the middle of the range, zero without one) or "noise" (drawn by seed and row, as is
    jitter). Raises InputError, UnknownName.
    """

    steps: int = 256
    learning_rate: float = 0.05
    parametrisation: str = "pixel"
    decay: float = 1.0
    jitter: int = 0
    start: str = "grey"
    seed: int = 0

    def __post_init__(self) -> None:
        for kind, name, known in (
            ("parametrisation", self.parametrisation, PARAMETRISATIONS),
            ("start", self.start, STARTS),
        ):
            if name not in known:
                raise unknown(kind, [name], known)
        if self.steps < 1 or self.jitter < 0 or not 0 < self.learning_rate < np.inf or not np.isfinite(self.decay):
            raise InputError(
                "decoding needs steps of 1 or more, a positive learning rate, jitter of 0 or more and a finite decay; "
                f"{self.steps}, {self.learning_rate}, {self.jitter} and {self.decay} were given"
            )

    @property
    def spatial(self) -> bool:
        """True where the input must have two spatial axes."""
        return self.parametrisation == "fourier" or self.jitter > 0


@dataclass(frozen=True, repr=False)
class Decoded(Shown):
    """Inputs that a network answers strongly to.

    values: float array like x; target: int64 [N]; scores: float64 [N, steps + 1], the target's logit before each step
    (of the shifted input), last that of `values`; logits: [N, ...] of `values` in the network that was climbed;
    options: how.
    """

    values: Array
    target: Array
    scores: Array
    logits: Array
    options: Mapping[str, Any]


def decode(
    model: Any,
    x: Any,
    target: Any = None,
    pathways: Sequence[Pathway] | None = None,
    output: str | None = None,
    value_range: tuple[Any, Any] | None = None,
    spatial: tuple[int, int] = (-2, -1),
    **climb: Any,
) -> Decoded:
    """Return, per row, an input found by climbing the target's logit, in the network or in the row's pathway.

    model: path, bytes, ModelProto or loaded Model with one float input; x: [N, ...] inputs: they give the shape, the
    other inputs and, where none is asked for, the targets: those of the pathways, else each row's largest entry in the
    whole network; their values take no part. pathways: one per row, default the whole network; value_range: lowest and
    highest value of the input, numbers or arrays that broadcast against a row; what is climbed then goes through a
    logistic function; default no bounds; spatial: the axes of height and width; climb: fields of `Climb`.
    Path decoding of Khakzar et al. (CVPR 2021), with Olah et al.'s (2017) parametrisation.
    Raises InputError, UnknownName, UnsupportedOperator.
    """
    settings = climb_of(climb)
    check_range(value_range)
    loaded = load(model)
    check_decoding(loaded, settings, spatial)
    feeds = loaded.feeds(x)
    count = rows_of(feeds)
    if target is None and pathways is not None and len(pathways) == count and all(p.target >= 0 for p in pathways):
        target = [p.target for p in pathways]
    goal = resolve_target(loaded, target, count, output)
    setup = Setup.of(loaded, goal)
    if pathways is not None:
        require_masks(setup, pathways, count)
    program = setup.gradient() if pathways is None else setup.masked(True)
    parts = []
    for part, rows in loaded.batches(feeds):
        # Rows that fill up a fixed batch repeat the last one.
        numbers = [min(rows.start + i, rows.stop - 1) for i in range(rows_of(part))]
        fixed = _fixed(setup, goal, part, rows)
        masks = {} if pathways is None else _masks(setup, [pathways[n] for n in numbers])
        fed = {**part, **fixed.feed(slice(None)), **masks}
        climbed = _Climber(program, loaded.sources[0], settings, value_range, spatial).run(fed, fixed, numbers)
        parts.append([value[: rows.stop - rows.start] for value in climbed])
    values, chosen, scores, logits = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Decoded(values, chosen, scores, logits, {**asdict(settings), **loaded.named_settings})


def climb_of(given: Mapping[str, Any]) -> Climb:
    """Return the settings of a climb; UnknownName lists what it does not know."""
    known = [field.name for field in fields(Climb)]
    if wrong := [name for name in given if name not in known]:
        raise unknown("option of decoding", wrong, known)
    return Climb(**given)


def check_decoding(model: Model, settings: Climb, spatial: tuple[int, int] = (-2, -1)) -> None:
    """Raise InputError unless the model has one float input to climb to, and the axes that a climb needs."""
    source = require_one_input(model)
    rank = len(model.graph.tensor(source).shape or [])
    if settings.spatial and rank - 1 < max(-min(spatial), max(spatial) + 1):
        raise InputError(
            f"jitter and parametrisation 'fourier' need two spatial axes, and the rows of '{source}' have "
            f"{max(0, rank - 1)} axes; use parametrisation 'pixel' without jitter"
        )


def check_range(value_range: tuple[Any, Any] | None) -> None:
    """Raise InputError where a lowest value is above its highest."""
    if value_range is not None and not np.all(np.asarray(value_range[0]) <= np.asarray(value_range[1])):
        raise InputError("value_range is (lowest, highest), and a lowest value is above its highest")


def require_one_input(model: Model) -> str:
    """Return the one float input that can be moved; InputError where there are more, or none."""
    if len(model.sources) != 1 or model.sources[0] not in [t.name for t in model.graph.inputs]:
        raise InputError(
            f"one float input is moved here, and this model is explained by {', '.join(model.sources)}; "
            "take a model with one float input"
        )
    return model.sources[0]


def _fixed(setup: Setup, goal: Target, feeds: Mapping[str, Array], rows: slice) -> Target:
    """Return the targets of one run, settled by what the whole network says about its inputs."""
    given = Target(goal.readout, goal.kind, goal.feed(rows, rows_of(feeds))[goal.kind])
    open_ones = given.kind == TARGET and bool((given.values < 0).any())
    return given.fixed(setup.forward().run(feeds)[LOGITS]) if open_ones else given


def _masks(setup: Setup, pathways: Sequence[Pathway]) -> dict[str, Array]:
    return {
        mask_name(layer): np.stack([p.masks[layer.name] for p in pathways]).astype(setup.dtypes[layer.name])
        for layer in setup.layers
    }


class _Climber:
    """One run of rows, climbed together; each has its own draws."""

    def __init__(
        self,
        program: Session,
        source: str,
        settings: Climb,
        value_range: tuple[Any, Any] | None,
        spatial: tuple[int, int],
    ) -> None:
        self.program, self.source, self.settings, self.spatial = program, source, settings, spatial
        self.range = None if value_range is None else tuple(np.asarray(v, np.float64) for v in value_range)

    def run(self, feeds: Mapping[str, Array], target: Target, rows: Sequence[int]) -> tuple[Array, ...]:
        """Return values, targets, scores [n, steps + 1], logits; rows: numbers that draws depend on."""
        given, settings = feeds[self.source], self.settings
        rngs = [rows_rng(settings.seed, row) for row in rows]
        # Axes are counted without the row; from the end they are the same with it.
        axes = tuple(a if a < 0 else a - (given.ndim - 1) for a in self.spatial)
        sizes = tuple(given.shape[a] for a in axes) if settings.spatial else (1, 1)
        shape = PARAMETRISATIONS[settings.parametrisation](sizes, axes, settings.decay)
        spread = STARTS[settings.start]
        numbers = np.stack([spread * rng.standard_normal(given.shape[1:]) for rng in rngs])
        adam = Adam(numbers.shape, settings.learning_rate)
        scores = np.empty([len(rows), settings.steps + 1])
        for step in track(range(settings.steps), "decode"):
            values, slope = self._values(shape.image(numbers))
            shifts = [
                rng.integers(-settings.jitter, settings.jitter + 1, 2) if settings.jitter else None for rng in rngs
            ]
            logits, gradient = self._ask(feeds, _rolled(values, shifts, axes, 1))
            scores[:, step] = target.score(logits)
            numbers = numbers + adam.step(shape.back(slope * _rolled(gradient, shifts, axes, -1)))
        values = self._values(shape.image(numbers))[0].astype(given.dtype)
        logits, _ = self._ask(feeds, values)
        scores[:, -1] = target.score(logits)
        return values, target.chosen(logits), scores, logits

    def _values(self, image: Array) -> tuple[Array, Array]:
        """Return the network's input for an image, and its derivative by the image."""
        if self.range is None:
            return image, np.ones(())
        low, high = self.range
        share = squash(image)
        return low + (high - low) * share, (high - low) * share * (1 - share)

    def _ask(self, feeds: Mapping[str, Array], values: Array) -> tuple[Array, Array]:
        found = self.program.run({**feeds, self.source: values.astype(feeds[self.source].dtype)})
        check_masked_finite(found.values())
        return found[LOGITS], found[GRAD + self.source].astype(np.float64)


def _rolled(values: Array, shifts: Sequence[Any], axes: tuple[int, ...], sign: int) -> Array:
    """Shift each row around the edges."""
    if shifts[0] is None:
        return values
    return np.stack([np.roll(v, sign * shift, axes) for v, shift in zip(values, shifts, strict=True)])
