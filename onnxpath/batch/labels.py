"""Labels that match no class of a model: refused where they are known before a run, counted where they come with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from onnxpath.batch.inputs import InputItem, label_of
from onnxpath.errors import InputError
from onnxpath.runtime.model import Model

MOST_NAMED = 5
"""Inputs that are named of those whose labels match no class."""


@dataclass(frozen=True)
class Classes:
    """The classes of an output. count: how many, None where that is not known; names: by index, empty without."""

    count: int | None
    names: Sequence[str] = ()


@dataclass
class Unmatched:
    """Labels that match no class, as inputs go by; classes: None where the output has none, and no label is judged."""

    classes: Classes | None
    labels: int = 0
    found: int = 0
    first: list[str] = field(default_factory=list)
    names: bool = False
    """Whether one of them is a name."""

    def add(self, input_name: str, label: tuple[int | None, str] | None) -> None:
        """Take in the label of one more input as (index, name), see `label_of`."""
        if label is None or self.classes is None:
            return
        (index, name), count = label, self.classes.count
        self.labels += 1
        if index is not None and (count is None or 0 <= index < count):
            return
        self.found += 1
        self.names |= index is None
        if len(self.first) < MOST_NAMED:
            self.first.append(f"{input_name}: {index if index is not None else repr(name)}")

    def told(self) -> str:
        """Return how many there are, the first of them, and what a label may be; "" where there are none."""
        if not self.found or self.classes is None:
            return ""
        more = f" and {self.found - MOST_NAMED} more" * (self.found > MOST_NAMED)
        known, count = len(self.classes.names), self.classes.count
        may_be = f"indices from 0 to {count - 1}" if count is not None else "indices"
        given = f"one of the {known} names in --classes" if known else "a name with --classes, and none was given"
        return (
            f"labels that match no class of the model: {self.found} of {self.labels} ({', '.join(self.first)}{more}); "
            f"labels are {may_be}" + f", or {given}" * self.names
        )


def class_sizes(model: Model, output: str | None) -> list[int | str | None]:
    """Return the sizes of an output's row beside 1: of class scores there is one, which may not be known."""
    shape = model.graph.tensor(model.readout(output).name).shape or []
    return [size for size in shape[1:] if size != 1]


def classes_of(model: Model, output: str | None, names: Sequence[str]) -> Classes | None:
    """Return the classes of an output, None of one whose entries are no classes; names: by index, or empty."""
    sizes = class_sizes(model, output)
    if len(sizes) != 1:
        return None
    return Classes(sizes[0] if isinstance(sizes[0], int) else len(names) or None, names)


def check_labels(items: Iterable[InputItem], classes: Classes | None) -> None:
    """Raise InputError where labels of files and manifests match no class. Sub-folders may be named as they like."""
    unmatched = Unmatched(classes)
    names = classes.names if classes and classes.names else None
    for item in items:
        if item.label is not None:
            unmatched.add(item.name, label_of(item, names))
    if told := unmatched.told():
        raise InputError(told)
