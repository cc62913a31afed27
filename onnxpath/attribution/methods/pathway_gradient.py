"""Pathway gradient: the gradient of the network masked to its critical pathway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from onnxpath.attribution.pathway_graph import pathway_graph
from onnxpath.attribution.registry import Maps, gather, method
from onnxpath.options import Options
from onnxpath.pathway.pathway import Pathway
from onnxpath.pathway.selectors.registry import options_of
from onnxpath.pathway.trace import trace
from onnxpath.runtime.model import Model
from onnxpath.runtime.session import Array
from onnxpath.runtime.targets import Target


def check_selector(own: Options, options: Mapping[str, Any], further: Mapping[str, Any]) -> None:
    """Check what goes to the selector. Raises UnknownName, InputError."""
    options_of(options["selector"]).check(further, own)


@method("pathway-gradient", spell=pathway_graph, check_further=check_selector)
def pathway_gradient(
    model: Model,
    feeds: Mapping[str, Array],
    target: Target,
    *,
    selector: str = "neuron-mct",
    sparsity: float | str = 0.9,
    scope: str = "global",
    activity: bool = False,
    **options: Any,
) -> Maps:
    """Return the input gradient of the target in the masked network (Khakzar et al., CVPR 2021).

    selector, sparsity (a fraction, or a rule as in `critical_pathway`), scope, options: of the pathway, which is in
    the result; activity: also count inactive neurons (dead fraction and base sparsity) and tell the top channels. The
    target is the unmasked network's class.
    """
    found, logits, pathways = [], [], []
    for run in trace(model, feeds, target, selector, sparsity, scope, True, activity, options):
        found.append(run.gradients)
        logits.append(run.logits)
        pathways += run.pathways
    return Maps(
        gather(found),
        np.concatenate(logits),
        pathways=pathways,
        notes=searched(sparsity, pathways),
    )


def searched(sparsity: float | str, pathways: Sequence[Pathway]) -> list[str]:
    """Return the note on what a rule for the sparsity led to, none for a number."""
    return [f"{sparsity} allows a sparsity of {pathways[0].sparsity:.3f}"] if isinstance(sparsity, str) else []
