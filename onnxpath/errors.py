"""The exceptions of onnxpath.

OnnxPathError
├── ModelError            the file is not a usable ONNX model
├── UnsupportedOperator   nodes on the way have no rule; also a NotImplementedError
├── ShapeError            a rank or a size that had to be known is not
│   └── UnknownRank       the rank is not; also an UnsupportedOperator, since no rule can do without it
├── InputError            the data given to a model do not fit it
├── ProviderError         an execution provider was asked for and is not there
├── UnknownName           a tensor, layer, method or option that does not exist
├── JobError              a run cannot start, or cannot write its results
└── Several               more than one of these, told at once
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import Any


class OnnxPathError(Exception):
    """Base of all errors that onnxpath raises on purpose; its text says what, where, why and what to do."""


class ModelError(OnnxPathError):
    """The file is not a usable ONNX model."""


class UnsupportedOperator(OnnxPathError, NotImplementedError):
    """Nodes on the way from target to input have no rule."""


class ShapeError(OnnxPathError):
    """A rank or a size that had to be known is not."""


class UnknownRank(ShapeError, UnsupportedOperator):
    """The number of axes of a tensor is known at run time only, and no rule can do without it."""


class InputError(OnnxPathError):
    """The data given to a model do not fit it."""


class ProviderError(OnnxPathError):
    """An execution provider was asked for and is not there."""


class UnknownName(OnnxPathError):
    """A tensor, layer, method or option that does not exist."""


class JobError(OnnxPathError):
    """A run cannot start, or cannot write its results."""


class Several(OnnxPathError):
    """More than one problem, told at once; problems: each by itself."""

    def __init__(self, problems: Sequence[OnnxPathError]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


def all_of(*checks: Callable[[], Any]) -> list[Any]:
    """Make every check and return their results; raise the OnnxPathErrors of all of them as one, each text once."""
    results: list[Any] = []
    problems: dict[str, OnnxPathError] = {}
    for check in checks:
        try:
            results.append(check())
        except Several as error:
            problems = {str(problem): problem for problem in (*problems.values(), *error.problems)}
        except OnnxPathError as error:
            problems.setdefault(str(error), error)
    if len(problems) == 1:
        raise next(iter(problems.values()))
    if problems:
        raise Several(list(problems.values()))
    return results


def unknown(kind: str, names: Iterable[str], known: Iterable[str], hint: str = "") -> UnknownName:
    """Build an UnknownName that lists every unknown name with its nearest known one.

    kind: what the names are ("layer", "method"); names: the unknown ones; known: all valid ones; hint: what to do.
    """
    choices = list(known)
    lines = []
    for name in names:
        near = get_close_matches(name, choices, n=1, cutoff=0.5)
        lines.append(f"no {kind} named '{name}'" + (f"; did you mean '{near[0]}'?" if near else ""))
    shown = ", ".join(choices[:30]) + (f" and {len(choices) - 30} more" if len(choices) > 30 else "")
    lines.append(f"known: {shown or 'none'}")
    if hint:
        lines.append(hint)
    return UnknownName("\n".join(lines))
