"""The registry of methods and what each is given and returns."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial, wraps
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from onnxpath.attribution.by_source import by_source
from onnxpath.attribution.spelling import Spelling, fed_name
from onnxpath.errors import InputError, all_of
from onnxpath.graph.ir import Tensor
from onnxpath.options import Options
from onnxpath.pathway.finite import check_finite
from onnxpath.pathway.pathway import Pathway
from onnxpath.pathway.programs import GRAD, LOGITS, SOURCE, Setup
from onnxpath.pathway.selectors.registry import drop_prefix
from onnxpath.registry import Registry
from onnxpath.runtime.feeds import rows_of
from onnxpath.runtime.model import Model
from onnxpath.runtime.program import Program
from onnxpath.runtime.session import Array, Session
from onnxpath.runtime.targets import Target


@dataclass
class Maps:
    """A method's raw result: maps by source name and logits, for all rows; sources: the computed sources themselves."""

    maps: dict[str, Array]
    logits: Array
    delta: Array | None = None
    pathways: list[Pathway] | None = None
    notes: list[str] = field(default_factory=list)
    sources: dict[str, Array] = field(default_factory=dict)


Function: TypeAlias = Callable[..., Maps]
"""f(model, feeds, target, **options): options are keyword-only with defaults, which listings print."""

Spell: TypeAlias = Callable[..., dict[str, Tensor]]
"""f(spelling, **options) -> map of each source: the whole method as one graph."""

CheckFurther: TypeAlias = Callable[[Options, Mapping[str, Any], Mapping[str, Any]], object]
"""f(own, options, further): raises UnknownName or InputError for further ones, which a selector or a method gets."""

Finish: TypeAlias = Callable[..., None]
"""f(model, target, result, **options): adds the delta and the notes to what the graph gave."""


@dataclass(frozen=True)
class Method:
    """A registered method.

    function: runs it on all rows; spell: the same as one graph, None where it needs the host; per_row: options of
    `spell` that hold an array like the input; needs: options that must be given; check_further: checks what it takes as
    `**options` and passes on.
    """

    name: str
    function: Function
    spell: Spell | None = None
    per_row: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    check_further: CheckFurther | None = None

    @property
    def exportable(self) -> bool:
        """True where the method can be compiled into one ONNX file."""
        return self.spell is not None

    @property
    def about(self) -> str:
        """What it computes, in a line, with its source."""
        return (self.function.__doc__ or "").strip().partition("\n")[0]

    @cached_property
    def options(self) -> Options:
        """What it can be given."""
        return Options(f"method '{self.name}'", self.function)

    @property
    def defaults(self) -> dict[str, Any]:
        """Its options with their defaults."""
        return self.options.defaults

    def checked(self, options: Mapping[str, Any], beside: Options | None = None) -> dict[str, Any]:
        """Return the options; beside: what passes them on. Raises UnknownName, InputError: all that is wrong."""
        all_of(partial(self.options.check, options, beside), partial(self._check_needs, options))
        if self.check_further is not None:
            more = {name: value for name, value in options.items() if name not in self.defaults}
            self.check_further(self.options, {**self.defaults, **options}, more)
        return dict(options)

    def _check_needs(self, options: Mapping[str, Any]) -> None:
        if lacking := [name for name in self.needs if options.get(name) is None]:
            raise InputError(
                f"method '{self.name}' needs the option {', '.join(f'`{name}`' for name in lacking)}: a tensor of the "
                "model; `onnxpath inspect MODEL` lists the neuron layers, with --tensors every one"
            )


METHODS: Registry[Method] = Registry("attribution method")


def method(
    name: str,
    spell: Spell | None = None,
    per_row: Sequence[str] = (),
    needs: Sequence[str] = (),
    check_further: CheckFurther | None = None,
) -> Callable[[Function], Function]:
    """Decorator that registers a method which the host drives: `f(model, feeds, target, **options) -> Maps`.

    spell, per_row: the same as one graph, where that is possible, for the compiler; needs: options that must be given;
    check_further: checks what it takes as `**options` and passes on.
    """

    def enter(function: Function) -> Function:
        METHODS.register(name)(Method(name, function, spell, tuple(per_row), tuple(needs), check_further))
        return function

    return enter


def spelled(
    name: str, per_row: Sequence[str] = (), finish: Finish | None = None, needs: Sequence[str] = ()
) -> Callable[[Spell], Spell]:
    """Decorator that registers a method which is one graph: `f(spelling, *, options) -> {source: map}`.

    per_row: options that hold a number or an array that broadcasts to the source, default 0, or a dict by name; the
    spelling gets them as `spelling.fed[option][source]`; finish: adds delta and notes; needs: options that must
    be given.
    """

    def enter(spell: Spell) -> Spell:
        @wraps(spell)
        def function(model: Model, feeds: Mapping[str, Array], target: Target, **options: Any) -> Maps:
            if per_row:
                model, feeds = begun_at_sources(model, feeds, target)
            given = {k: v for k, v in options.items() if k not in per_row}
            arrays = {o: like_sources(model, feeds, o, options.get(o)) for o in per_row}
            fed = {fed_name(o, source): a for o, by_source in arrays.items() for source, a in by_source.items()}
            setup = Setup.of(model, target, layers=())
            program = setup.session(name, lambda: spelled_program(spell, setup, per_row, given), *frozen(given))
            result = gradients(model, {**feeds, **fed}, target, program)
            if finish is not None:
                finish(model, target, result, **{**METHODS.get(name).defaults, **options})
            return result

        METHODS.register(name)(Method(name, function, spell, tuple(per_row), tuple(needs)))
        return spell

    return enter


def spelled_program(
    spell: Spell, setup: Setup, per_row: Sequence[str] = (), options: Mapping[str, Any] | None = None
) -> Program:
    """Return the program of a spelling: model inputs, target and fed options -> logits, `grad_<source>`."""
    spelling = Spelling(setup, per_row)
    for source, tensor in spell(spelling, **(options or {})).items():
        spelling.op.add_output(tensor, GRAD + source)
    return setup.finish(spelling.graph, spelling.op)


def frozen(options: Mapping[str, Any]) -> list[Hashable]:
    """Return options as a key; arrays, and files that are named, by what they hold."""
    key: list[Hashable] = []
    for name, value in sorted(options.items()):
        array = np.asarray(value)
        plain = array.dtype == object or array.dtype.kind in "US"
        key.append((name, repr(value) if plain else (array.dtype.str, array.shape, array.tobytes())))
        if isinstance(value, (str, os.PathLike)) and Path(value).is_file():
            key.append((name, Path(value).read_bytes()))
    return key


def begun_at_sources(model: Model, feeds: Mapping[str, Array], target: Target) -> tuple[Model, Mapping[str, Array]]:
    """Return the model that begins at its sources, and feeds with their values, where some are computed."""
    computed = [name for name in model.sources if name not in feeds]
    if not computed:
        return model, feeds
    return model.beginning_at(computed), {**feeds, **gradients(model, feeds, target).sources}


def like_sources(model: Model, feeds: Mapping[str, Array], option: str, given: Any) -> dict[str, Array]:
    """Return an option's values as an array of each source's shape and dtype; default 0.

    given: a number, an array that broadcasts, a tuple of those in the order of several sources, or a dict by name.
    Raises UnknownName, InputError.
    """
    values = {}
    for name, value in by_source(model.sources, given, 0).items():
        shape, dtype = feeds[name].shape, feeds[name].dtype
        try:
            values[name] = np.ascontiguousarray(np.broadcast_to(np.asarray(value, dtype), shape))
        except (ValueError, TypeError) as error:
            raise InputError(f"`{option}` does not fit input '{name}' {shape}: {error}") from error
        if not np.isfinite(values[name]).all():
            raise InputError(f"`{option}` of input '{name}' holds NaN or Inf")
    return values


def wide(array: Array) -> Array:
    """Return 16-bit floats as float32, since their products may vanish or overflow; anything else as it is."""
    return array.astype(np.promote_types(array.dtype, np.float32), copy=False)


def gather(parts: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """Join the maps of several runs."""
    return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}


def gradients(model: Model, feeds: Mapping[str, Array], target: Target, program: Session | None = None) -> Maps:
    """Return the gradient of the target with respect to every source of the model, for all rows.

    program: another one that puts out `grad_<source>` and the logits.
    """
    program = program or Setup.of(model, target, layers=()).gradient()
    parts, computed, logits = [], [], []
    for part, rows in model.batches(feeds):
        count = rows.stop - rows.start
        runs = rows_of(part)
        values = program.run({**part, **target.feed(rows, runs)})
        check_finite(model, target, part, values.values())
        parts.append({k: v[:count] for k, v in drop_prefix(values, GRAD).items()})
        computed.append({k: v[:count] for k, v in drop_prefix(values, SOURCE).items()})
        logits.append(target.answers(values[LOGITS], runs)[:count])
    return Maps(gather(parts), np.concatenate(logits), sources=gather(computed))


def logits_of(model: Model, feeds: Mapping[str, Array], target: Target) -> Array:
    """Return the tensor whose entries are targets, [N, ...] for all rows; nothing goes backwards."""
    program = Setup.of(model, target, layers=()).forward()
    runs = ((program.run(part)[LOGITS], rows_of(part), r) for part, r in model.batches(feeds))
    return np.concatenate([target.answers(logits, rows)[: r.stop - r.start] for logits, rows, r in runs])


def on_line(start: Mapping[str, Array], feeds: Mapping[str, Array], alpha: float) -> dict[str, Array]:
    """Return each source between its start, at alpha 0, and its value, at 1."""
    # In the input's dtype, as the graph does it: another rounding would be on another side of some kink.
    return {name: x0 + x0.dtype.type(alpha) * (feeds[name] - x0) for name, x0 in start.items()}


def change_from(
    model: Model, feeds: Mapping[str, Array], start: Mapping[str, Array], target: Target, logits: Array
) -> Array:
    """Return F(x) - F(x'), float64 [N]; start: the sources at x'; logits: at x, which say what is explained."""
    fixed = target.fixed(logits)
    return np.asarray(fixed.score(logits) - fixed.score(logits_of(model, {**feeds, **start}, target)))


def total(maps: Mapping[str, Array]) -> Array:
    """Return the sum of each row over all of its maps, float64 [N]."""
    return np.asarray(sum(m.reshape(len(m), -1).astype(np.float64).sum(1) for m in maps.values()))
