"""What the page of an evaluation is drawn from, beside the evaluation itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from onnxpath.evaluation.result import Evaluation


@dataclass(frozen=True)
class Facts:
    """How the results were made. seconds: of the whole run; warnings: about the inputs."""

    model: str
    sha256: str = ""
    provider: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    preprocess: dict[str, Any] = field(default_factory=dict)
    command: str = ""
    date: str = ""
    seconds: float | None = None
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Scored:
    """An evaluation with its facts."""

    result: Evaluation
    facts: Facts
