"""The registry of methods and what each is given and returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from onnxpath.pathway.finite import check_finite
from onnxpath.pathway.pathway import Pathway
from onnxpath.pathway.programs import GRAD, LOGITS, SOURCE, Setup
from onnxpath.pathway.selectors.registry import drop_prefix
from onnxpath.registry import Registry
from onnxpath.runtime.model import Model, rows_of
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


@dataclass(frozen=True)
class Method:
    """A registered method; exportable: it can be compiled into one ONNX file."""

    name: str
    function: Function
    exportable: bool


METHODS: Registry[Method] = Registry("attribution method")


def method(name: str, exportable: bool = True) -> Callable[[Function], Function]:
    """Decorator that registers an attribution method."""

    def enter(function: Function) -> Function:
        METHODS.register(name)(Method(name, function, exportable))
        return function

    return enter


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
        logits.append(values[LOGITS][:count])
    return Maps(gather(parts), np.concatenate(logits), sources=gather(computed))
