"""Conservation of relevance in a report: what each node got and passed on, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass
class NodeBalance:
    """Relevance through one node, a number for each input.

    given: to its outputs; passed: to its inputs; cut: on the cut behind it; excess: what RAP's shift took away, None
    where nothing is shifted.
    """

    node: str
    operator: str
    given: list[float]
    passed: list[float]
    cut: list[float]
    excess: list[float] | None = None

    def loss(self, start: Sequence[float]) -> float:
        """Return the largest loss of any input, as a part of what relevance started with."""
        lost = np.abs(np.subtract(self.given, self.passed))
        return float((lost / np.maximum(np.abs(start), 1e-30)).max())


@dataclass
class Conservation:
    """Relevance of one method from node to node, from the output on. inputs: their names; seconds: what it took."""

    method: str
    inputs: list[str]
    seconds: float
    nodes: list[NodeBalance] = field(default_factory=list)

    def worst(self, count: int = 10) -> list[tuple[NodeBalance, float]]:
        """Return the nodes that lost or made most, with the part of the start that it was; none below 1e-6."""
        start = self.nodes[0].given if self.nodes else []
        losses = [(node, node.loss(start)) for node in self.nodes]
        return sorted((pair for pair in losses if pair[1] > 1e-6), key=lambda pair: -pair[1])[:count]
