"""What the options of metrics may be; an option means the same in every metric that has it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

from onnxpath.errors import InputError, all_of, unknown
from onnxpath.evaluation.order import counts
from onnxpath.evaluation.perturbed import SCORES
from onnxpath.evaluation.randomise import DRAWS
from onnxpath.evaluation.replacement import REPLACEMENTS
from onnxpath.evaluation.threshold import THRESHOLDS


def check_options(options: Mapping[str, Any]) -> None:
    """Raise UnknownName or InputError for values that cannot be used, all at once; names without a check pass."""
    all_of(*(partial(CHECKS[name], name, value) for name, value in options.items() if name in CHECKS))


def _one_of(known: Collection[str]) -> Callable[[str, Any], None]:
    def check(name: str, value: Any) -> None:
        if value not in known:
            raise unknown(name, [str(value)], known)

    return check


def _percents(name: str, value: Any) -> None:
    if not isinstance(value, list | tuple | range) or not all(isinstance(v, int | float) for v in value):
        raise InputError(f"{name} is a list of percentages, such as 1,5,10; not {value!r}")
    counts(value, 100)


def _whole(least: int) -> Callable[[str, Any], None]:
    def check(name: str, value: Any) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise InputError(f"{name} is a whole number from {least}, not {value!r}")

    return check


def _positive(name: str, value: Any) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < float("inf"):
        raise InputError(f"{name} is a number above 0, not {value!r}")


CHECKS: dict[str, Callable[[str, Any], None]] = {
    "steps": _percents,
    "sizes": _percents,
    "replace": _one_of(REPLACEMENTS.names()),
    "score": _one_of(SCORES),
    "randomise": _one_of(DRAWS),
    "threshold": _one_of(THRESHOLDS),
    "subsets": _whole(2),
    "draws": _whole(1),
    "stages": _whole(1),
    "patch": _whole(0),
    "regions": _whole(0),
    "tolerance": _whole(0),
    "size": _positive,
    "noise": _positive,
    "radius": _positive,
}
