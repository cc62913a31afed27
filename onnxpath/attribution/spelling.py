"""A method as one graph: what its author spells it with. The same spelling is run here and compiled to a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from onnxpath.backward.target import GOALS, SEEDS, TARGET, chosen_entry
from onnxpath.backward.walk import Step, backward
from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Constant, Graph, Tensor, array_of
from onnxpath.graph.query import require_path
from onnxpath.lowering.cast import accumulator, in_dtype
from onnxpath.pathway.programs import Setup
from onnxpath.rules.relevance.roles import relevance_roles
from onnxpath.rules.ruleset import RuleSet


class Spelling:
    """The graph of one method: the model's, to which `op` adds what the method computes.

    setup: the model, the logits and the kind of target; fed: option -> source -> the tensor it is fed through, of the
    source's shape; steps: what each node of a walk got and gave is appended here; keep: tensors that must stay; also:
    further outputs by name, which the compiled method puts out beside the map.
    """

    def __init__(
        self, setup: Setup, per_row: Sequence[str] = (), steps: list[Step] | None = None, keep: Sequence[str] = ()
    ) -> None:
        self.setup = setup
        self.steps = steps
        self.also: dict[str, Tensor] = {}
        self._per_row = tuple(per_row)
        self._keep = tuple(keep)
        self._started: tuple[Graph, Emitter] | None = None

    def begin(self, fold: bool = True, keep: Sequence[str] = ()) -> None:
        """Choose how the graph begins, before anything else is asked of it; see `Setup.start`."""
        self._started = self.setup.start(fold, [*self._keep, *keep])

    def _start(self) -> tuple[Graph, Emitter]:
        if self._started is None:
            self.begin()
        assert self._started is not None
        return self._started

    @property
    def graph(self) -> Graph:
        """The graph."""
        return self._start()[0]

    @property
    def op(self) -> Emitter:
        """The emitter on it."""
        return self._start()[1]

    @property
    def sources(self) -> list[str]:
        """The tensors that get a map."""
        return self.setup.model.sources

    @property
    def logits(self) -> Tensor:
        """The tensor whose entries are targets, [N, ...]."""
        return self.graph.tensor(self.setup.logits)

    @cached_property
    def target(self) -> Tensor:
        """The input that says what is explained: entries, int64 [N], -1 for the largest, or a cotangent."""
        return GOALS[self.setup.kind](self.op, self.logits)

    @cached_property
    def fixed_target(self) -> Tensor:
        """The target with -1 replaced by the prediction, for a network that may predict something else."""
        if self.setup.kind != TARGET:
            return self.target
        with self.op.serving(self.logits.name, "target"):
            chosen: Tensor = self.op.Squeeze(chosen_entry(self.op, self.logits, self.target), [1])
        return chosen

    @cached_property
    def seed(self) -> Tensor:
        """One-hot at the target, or the cotangent, of the shape of the logits."""
        return SEEDS[self.setup.kind](self.op, self.logits, self.target)

    @cached_property
    def fed(self) -> dict[str, dict[str, Tensor]]:
        """Option -> source -> the input that holds its values, of the source's shape."""
        return {
            option: {name: self._input(fed_name(option, name), self.graph.tensor(name)) for name in self.sources}
            for option in self._per_row
        }

    def _input(self, name: str, like: Tensor) -> Tensor:
        return self.op.add_input(name, like.dtype, list(like.shape))

    def wide(self, tensor: Tensor) -> Tensor:
        """Return 16-bit floats as float32, since their products may vanish or overflow; anything else as it is."""
        return in_dtype(self.op, tensor, accumulator(tensor))

    def roles(self) -> dict[str, tuple[str, ...]]:
        """Return the roles of nodes under relevance, by node name."""
        return relevance_roles(self.graph, self.sources, self.setup.logits)

    def gradients(self, rules: RuleSet | None = None, wrt: Sequence[str] | None = None) -> dict[str, Tensor]:
        """Return the gradient of the target by each tensor in `wrt`, default the sources; zeros where none arrives.

        rules: what goes backwards instead of the model's. Raises UnsupportedOperator, ModelError (no path at all).
        """
        names = list(wrt) if wrt is not None else self.sources
        begin = self.setup.seeds(self.op, self.logits, self.seed)
        return self._filled(backward(self.op, rules or self.setup.model.rules, begin, names, steps=self.steps), names)

    def relevance(self, rules: RuleSet, wrt: Sequence[str] | None = None) -> dict[str, Tensor]:
        """Return what a walk that starts with the target's logit gives each tensor in `wrt`, default the sources."""
        names = list(wrt) if wrt is not None else self.sources
        logits = self.logits
        with self.op.serving(logits.name, "relevance"):
            seed = self.op.Mul(self.seed, logits)
        begin = {logits.name: seed}
        return self._filled(backward(self.op, rules, begin, names, "relevance", steps=self.steps), names)

    def run(self, program: Graph, inputs: Mapping[str, Tensor], op: Emitter | None = None) -> dict[str, Tensor]:
        """Compute a program of the setup inside this graph, or that of `op`, and return its outputs by name.

        program: is used up; inputs: its inputs that are not the model's own. Weights are shared.
        """
        own = self.graph.tensors()
        given = {t.name: own[t.name] for t in program.inputs if t.name in own}
        weights = {name: t for name, t in program.tensors().items() if isinstance(t, Constant)}
        shared = {name: own[name] for name, t in weights.items() if _same(own.get(name), t)}
        with (op or self.op).serving(self.setup.logits, "again") as inside:
            return inside.inline(program, {**shared, **given, **inputs})

    def _filled(self, found: Mapping[str, Tensor], names: Sequence[str]) -> dict[str, Tensor]:
        if not found:
            require_path(self.graph, names, [self.setup.logits], "explain another output")
        return {n: found[n] if n in found else self.op.zeros_like(self.graph.tensor(n)) for n in names}


def _same(own: Tensor | None, other: Constant) -> bool:
    if not isinstance(own, Constant) or own.shape != other.shape or own.dtype != other.dtype:
        return False
    return own._values is other._values or np.array_equal(array_of(own), array_of(other))


def fed_name(option: str, source: str) -> str:
    """Return the name of the input that an option's values for a source are fed through."""
    return f"{option}_{source}"
