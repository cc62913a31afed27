"""How few positions a map rests on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from onnxpath.evaluation.explanation import Explanation
from onnxpath.evaluation.registry import NEITHER, Measured, metric
from onnxpath.evaluation.subject import Subject


@metric("sparseness", better=NEITHER)
def sparseness(subject: Subject, explanation: Explanation) -> Mapping[str, Measured]:
    """Gini index of the relevance by magnitude (Chalasani et al., 2020): 0 spread evenly, 1 in one position."""
    ordered = np.sort(explanation.reduced("absolute"), axis=1)
    count = ordered.shape[1]
    weights = 2 * np.arange(1, count + 1) - count - 1
    total = ordered.sum(1)
    gini = np.divide((ordered * weights).sum(1), count * total, out=np.full(len(total), np.nan), where=total > 0)
    return {"": Measured(gini)}


@metric("complexity", better=NEITHER)
def complexity(subject: Subject, explanation: Explanation) -> Mapping[str, Measured]:
    """Entropy in nats of the relevance by magnitude as a distribution over positions (Bhatt et al., 2020)."""
    values = explanation.reduced("absolute")
    total = values.sum(1, keepdims=True)
    part = np.divide(values, total, out=np.full_like(values, np.nan), where=total > 0)
    logs = np.log(part, out=np.zeros_like(part), where=part > 0)
    return {"": Measured(-(part * logs).sum(1))}
