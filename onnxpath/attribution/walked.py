"""Maps that one backward walk with another rule set makes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import onnx

from onnxpath.attribution.registry import Maps, gradients
from onnxpath.backward.target import SEEDS
from onnxpath.backward.walk import Step, backward
from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Graph
from onnxpath.graph.query import require_path
from onnxpath.pathway.programs import GRAD, Setup
from onnxpath.rules.ruleset import RuleSet
from onnxpath.runtime.model import Model
from onnxpath.runtime.session import Array
from onnxpath.runtime.targets import Target

Bind: TypeAlias = Callable[[Graph, list[str], str], RuleSet]
"""f(graph, sources, logits) -> the rule set for that graph."""


@dataclass(frozen=True)
class Walk:
    """How relevance, or a variant of the gradient, goes back through a model.

    key: what tells its program from others; bind: its rules; from_logit: it starts with the target's logit instead of
    1; fold: normalization becomes part of the convolutions before it.
    """

    key: tuple[Hashable, ...]
    bind: Bind
    from_logit: bool
    fold: bool = True

    def start(self, setup: Setup, steps: list[Step] | None = None) -> tuple[Graph, Emitter]:
        """Return a graph with `grad_<source>` of every source among its outputs; steps: as in `backward`."""
        graph, op = setup.start(self.fold)
        sources, tensors = setup.model.sources, graph.tensors()
        rules = self.bind(graph, sources, setup.logits)
        logits = tensors[setup.logits]
        seed = SEEDS[setup.kind](op, logits)
        role = "relevance" if self.from_logit else "grad"
        if self.from_logit:
            with op.serving(logits.name, role):
                seed = op.Mul(seed, logits)
        found = backward(op, rules, {setup.logits: seed}, sources, role, steps=steps)
        if not found:
            require_path(graph, sources, [setup.logits], "explain another output")
        for name in sources:
            op.add_output(found[name] if name in found else op.zeros_like(tensors[name]), GRAD + name)
        return graph, op

    def maps(self, model: Model, feeds: Mapping[str, Array], target: Target) -> Maps:
        """Run the walk's program on all rows."""
        setup = Setup.of(model, target, layers=())

        def build() -> onnx.ModelProto:
            return setup.finish(*self.start(setup))

        return gradients(model, feeds, target, setup.session("walk", build, *self.key))
