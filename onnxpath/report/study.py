"""The plain data of a page about pathways of several selectors: what pathways.json holds, field by field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from onnxpath.report.data import Failure, Item, ModelFacts, RunFacts


@dataclass
class Study:
    """Everything that a page of analyses says.

    selectors: in order; inputs: how many have pathways; analyses: analysis -> its result, a dataclass of
    onnxpath.pathway.analyses; classes: class names by index, empty where unknown; files: arrays written beside it.
    """

    page: ClassVar[str] = "pathways"

    onnxpath: str
    title: str
    model: ModelFacts
    run: RunFacts
    selectors: list[str]
    inputs: int
    analyses: Mapping[str, Any]
    classes: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def items(self) -> Sequence[Item]:
        """No input is shown by itself."""
        return []

    def class_name(self, label: int) -> str:
        """Return a class's name, or its index where it has none."""
        return self.classes[label] if 0 <= label < len(self.classes) else str(label)
