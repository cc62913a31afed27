"""The public call: critical pathways of a batch."""

from __future__ import annotations

from typing import Any

from onnxpath.pathway.pathway import Pathway
from onnxpath.pathway.trace import trace
from onnxpath.runtime.feeds import rows_of
from onnxpath.runtime.model import load
from onnxpath.runtime.targets import resolve_target


def critical_pathway(
    model: Any,
    x: Any,
    target: Any = None,
    selector: str = "neuron-mct",
    sparsity: float | str = 0.9,
    scope: str = "global",
    output: str | None = None,
    **options: Any,
) -> list[Pathway]:
    """Return the critical pathway of each row.

    model: path, bytes, ModelProto or loaded Model; x: [N, ...] array, list or dict of inputs; target: see
    `resolve_target`, default each row's largest entry; selector: a name in `onnxpath list selectors`; sparsity:
    fraction of neurons pruned, or the rule "softmax-change<=0.15": the largest at which the target's softmax changes by
    no more, relative to itself and on average over all rows; scope: "global" (all layers pooled) | "layer"; output: the
    output explained; options: the selector's. Raises InputError, UnknownName, UnsupportedOperator.
    """
    loaded = load(model)
    feeds = loaded.feeds(x)
    goal = resolve_target(loaded, target, rows_of(feeds), output)
    runs = trace(loaded, feeds, goal, selector, sparsity, scope, options=options)
    return [pathway for run in runs for pathway in run.pathways]
