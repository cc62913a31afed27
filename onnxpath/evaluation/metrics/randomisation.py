"""Sanity checks: does the map change when the network's parameters are randomised?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from onnxpath.evaluation.explanation import REDUCED, Explanation
from onnxpath.evaluation.randomise import ParameterLayer, parameter_layers, randomised
from onnxpath.evaluation.registry import NEITHER, Measured, metric
from onnxpath.evaluation.similarity import similarities
from onnxpath.evaluation.subject import Subject
from onnxpath.runtime.session import Array


@metric("cascading-randomisation", better=NEITHER)
def cascading(
    subject: Subject, explanation: Explanation, *, randomise: str = "permute", draws: int = 2, stages: int = 6
) -> Mapping[str, Measured]:
    """Similarity to the original map while layers are randomised from the output on (Adebayo et al., 2018).

    randomise: permute | redraw | normal; draws: random networks, whose similarities are averaged; stages: at how many
    layers, evenly spread, maps are compared. The class stays that of the original network. Returns for each similarity
    the mean over the stages: near 1 for a map that does not depend on what was learned.
    """
    layers = parameter_layers(subject.model.graph)
    ends = spread(len(layers), stages)
    return _compare(subject, explanation, [layers[:end] for end in ends], randomise, draws, "layers randomised")


@metric("independent-randomisation", better=NEITHER)
def independent(
    subject: Subject, explanation: Explanation, *, randomise: str = "permute", draws: int = 2, stages: int = 6
) -> Mapping[str, Measured]:
    """Similarity to the original map while one layer at a time is randomised; options as of cascading-randomisation."""
    layers = parameter_layers(subject.model.graph)
    chosen = [[layers[end - 1]] for end in spread(len(layers), stages)]
    return _compare(subject, explanation, chosen, randomise, draws, "the layer randomised, from the output")


def spread(total: int, stages: int) -> list[int]:
    """Return at most `stages` numbers from 1 to `total`, evenly spread, with both ends; of one, the last."""
    return sorted({round(float(n)) for n in np.linspace(total, 1, max(1, min(stages, total)))})


def _compare(
    subject: Subject,
    explanation: Explanation,
    chosen: Sequence[Sequence[ParameterLayer]],
    randomise: str,
    draws: int,
    along: str,
) -> Mapping[str, Measured]:
    original = explanation.reduced("largest")
    totals: dict[str, Array] = {}
    for draw in range(draws):
        for stage, layers in enumerate(chosen):
            seed = subject.seed + draw
            model = randomised(subject.model, layers, randomise, seed)
            other = subject.with_model(model, seed=seed + 1000 * (stage + 1))
            maps = REDUCED["largest"](explanation.again(other))
            for row, (a, b) in enumerate(zip(original, maps, strict=True)):
                for name, value in similarities(a, b, subject.layout.spatial).items():
                    table = totals.setdefault(name, np.zeros((subject.rows, len(chosen))))
                    table[row, stage] += value / draws
    names = ["original", *(layers[-1].name for layers in chosen)]
    ones = np.ones((subject.rows, 1))
    return {
        name: Measured(table.mean(1), np.concatenate([ones, table], 1), range(len(names)), along, names)
        for name, table in totals.items()
    }
