"""The registries of metrics and baselines, and what a metric is given and returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from onnxpath.evaluation.explanation import Explanation
from onnxpath.evaluation.subject import Subject
from onnxpath.options import Options
from onnxpath.registry import Registry
from onnxpath.runtime.session import Array


@dataclass(frozen=True)
class Measured:
    """One number per row, and the curve it is read from.

    values: float [N], NaN where a row has none; curve: float [N, S] or None; at: the curve's S places; along: what
    they count; names: of single places, where they have names (layers).
    """

    values: Array
    curve: Array | None = None
    at: Sequence[float] = ()
    along: str = ""
    names: Sequence[str] = ()


Measure: TypeAlias = Callable[..., Mapping[str, Measured]]
"""f(subject, explanation, **options) -> variant -> Measured: options are keyword-only with defaults."""

LOWER, HIGHER, NEITHER = "lower", "higher", ""


@dataclass(frozen=True)
class Metric:
    """A registered metric.

    better: "lower" | "higher" | "" (describes, does not judge); needs: of "picture", "masks", "boxes", "classes".
    """

    name: str
    function: Measure
    better: str
    needs: tuple[str, ...]

    @property
    def defaults(self) -> dict[str, Any]:
        """Its options with their defaults."""
        return Options(f"metric '{self.name}'", self.function).defaults

    @property
    def about(self) -> str:
        """The first line of its docstring."""
        return (self.function.__doc__ or "").strip().partition("\n")[0]


METRICS: Registry[Metric] = Registry("metric")


def metric(name: str, better: str, needs: Sequence[str] = ()) -> Callable[[Measure], Measure]:
    """Decorator that registers a metric."""

    def enter(function: Measure) -> Measure:
        METRICS.register(name)(Metric(name, function, better, tuple(needs)))
        return function

    return enter


@dataclass(frozen=True)
class Baseline:
    """A map that explains nothing: what smoothness, edges or chance alone give. picture: it needs height and width."""

    name: str
    make: Callable[[Subject], Array]
    picture: bool

    def on(self, subject: Subject) -> Explanation:
        """Return its maps of a subject."""
        return Explanation(self.name, subject, self.make, baseline=True)


BASELINES: Registry[Baseline] = Registry("baseline")


def baseline(name: str, picture: bool = True) -> Callable[[Callable[[Subject], Array]], Callable[[Subject], Array]]:
    """Decorator that registers a baseline."""

    def enter(make: Callable[[Subject], Array]) -> Callable[[Subject], Array]:
        BASELINES.register(name)(Baseline(name, make, picture))
        return make

    return enter
