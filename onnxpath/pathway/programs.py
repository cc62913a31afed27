"""The programs of the pathway methods: each builds one graph from the model's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import onnx

from onnxpath.backward.target import SEEDS
from onnxpath.backward.walk import backward
from onnxpath.graph.canonize import fold_batch_normalization
from onnxpath.graph.embeddings import beginnings
from onnxpath.graph.emit import Emitter
from onnxpath.graph.infer import dtype_of
from onnxpath.graph.ir import Graph, Tensor, is_variable, numpy_dtype, onnx_dtype, replace_uses
from onnxpath.graph.neurons import NeuronLayer
from onnxpath.graph.pads import fold_pads
from onnxpath.graph.quantised import before_pair
from onnxpath.graph.query import inputs_of, require_path, upstream
from onnxpath.graph.surgery import MASK_PREFIX, expose_tensors, mask_layers
from onnxpath.lowering.cast import accumulator, in_dtype
from onnxpath.lowering.layout import as_activation
from onnxpath.lowering.winograd import by_winograd
from onnxpath.rules.masked import under_masks
from onnxpath.rules.ruleset import RuleSet
from onnxpath.runtime.model import Model
from onnxpath.runtime.program import Program, as_program
from onnxpath.runtime.session import Session
from onnxpath.runtime.targets import Target

LOGITS = "logits_of_program"
SCORE, INACTIVE, ACTIVATION, GRAD, SOURCE = "score_", "inactive_", "activation_", "grad_", "source_"


@dataclass(frozen=True)
class Setup:
    """What the programs of one explanation have in common.

    model; layers: the neuron layers that take part; logits: the tensor whose entries are targets; kind: of the target
    ("target" | "cotangent"); output: the graph output that was asked for.
    """

    model: Model
    layers: tuple[NeuronLayer, ...]
    logits: str
    kind: str

    @classmethod
    def of(cls, model: Model, target: Target, layers: Sequence[NeuronLayer] | None = None) -> Setup:
        """Set up for a model and a resolved target; layers: default all neuron layers on the way to it."""
        chosen = model.layers(target.readout.output) if layers is None else layers
        return cls(model, tuple(chosen), target.readout.name, target.kind)

    def start(self, fold: bool = True, keep: Sequence[str] = ()) -> tuple[Graph, Emitter]:
        """Return a copy of the model's graph without its outputs, and an emitter on it.

        fold: padding and normalization become part of the convolutions, and of the tensors between, only the
        layers, the sources, the logits and those named in `keep` are sure to stay.
        """
        graph = self.model.graph.copy()
        if fold:
            sources = self.model.wrt or beginnings(graph)
            asked = {self.logits, *sources, *keep, *(layer.name for layer in self.layers)}
            tensors = graph.tensors()
            graph.outputs[:] = [tensors[name] for name in asked]
            fold_pads(graph)
            fold_batch_normalization(graph, graph.initializer_inputs)
        graph.outputs.clear()
        return graph, Emitter(graph, self.model.provider)

    def end(self, graph: Graph, op: Emitter) -> Graph:
        """Add the logits as output, drop what is not needed, and return the graph of the program."""
        op.add_output(graph.tensor(self.logits), LOGITS)
        graph.cleanup()
        return graph

    def finish(self, graph: Graph, op: Emitter) -> Program:
        """Return the program, ended, as its session runs it."""
        return self.ready(self.end(graph, op))

    def ready(self, graph: Graph) -> Program:
        """Return a program as its session runs it: what is done for speed alone is in no graph that is exported."""
        by_winograd(graph, self.model.provider)
        return as_program(graph, self.model.provider)

    def session(self, name: str, build: Callable[[], Program | onnx.ModelProto], *key: object) -> Session:
        """Return the cached session of a program of this setup."""
        names = tuple(layer.name for layer in self.layers)
        return self.model.session((name, names, self.logits, self.kind, *key), build)

    def seeds(self, op: Emitter, logits: Tensor, seed: Tensor | None = None) -> dict[str, Tensor]:
        """Return the cotangent that a walk begins with, by the name of its tensor; seed: of the logits, where made.

        Where quantised logits are passed by an estimate, it begins before their last pair: a logit beyond what the
        calibration saw would have no gradient at all.
        """
        rule = self.model.rules.find("QuantizeLinear")
        begin = before_pair(logits) if rule is not None and rule.straight_through else logits
        seed = SEEDS[self.kind](op, logits) if seed is None else seed
        return {begin.name: in_dtype(op, seed, onnx_dtype(begin))}

    def forward(self) -> Session:
        """x -> logits."""

        def build() -> Program:
            graph, op = self.start()
            return self.finish(graph, op)

        return self.session("forward", build)

    def gradient(self) -> Session:
        """x, target -> logits, `grad_<source>` of every source, and `source_<source>` of those that are computed."""
        return self.session("gradient", lambda: self.ready(self.gradient_graph()))

    def gradient_graph(self) -> Graph:
        """Return the graph of `gradient`."""
        graph, op = self.start()
        _gradient_outputs(self, graph, op, self.model.sources)
        fed = {t.name for t in self.model.graph.inputs}
        for name in (name for name in self.model.sources if name not in fed):
            op.add_output(graph.tensor(name), SOURCE + name)
        return self.end(graph, op)

    def contributions(self, activity: bool) -> Session:
        """x, target -> logits and `score_<layer>` = activation · gradient; with activity `inactive_<layer>` as bool.

        No mask takes part: a·g is the gradient with respect to a mask at 1, and a mask that is not there costs nothing.
        """
        return self.session("contributions", lambda: self.ready(self.contributions_graph(activity)), activity)

    def contributions_graph(self, activity: bool) -> Graph:
        """Return the graph of `contributions`."""
        graph, op = self.start()
        names = [layer.name for layer in self.layers]
        tensors = graph.tensors()
        grads = backward(op, self.model.rules, self.seeds(op, tensors[self.logits]), names)
        for layer in self.layers:
            a = tensors[layer.name]
            with op.serving(layer.name, "score"):
                # Products of 16 bits may vanish or overflow where their factors do neither.
                wide, g = in_dtype(op, a, accumulator(a)), grads.get(layer.name)
                g = op.like(0, wide) if g is None else in_dtype(op, g, accumulator(a))
                op.add_output(op.Mul(wide, g), SCORE + layer.name)
                if activity and layer.has_zero:
                    op.add_output(op.LessOrEqual(a, op.like(0, a)), INACTIVE + layer.name)
        return self.end(graph, op)

    def activations(self) -> Session:
        """x -> logits and `activation_<layer>`."""

        def build() -> Program:
            graph, op = self.start()
            tensors = graph.tensors()
            for layer in self.layers:
                op.add_output(tensors[layer.name], ACTIVATION + layer.name)
            return self.finish(graph, op)

        return self.session("activations", build)

    def masked(self, with_gradient: bool) -> Session:
        """x, `mask_<layer>` of zeros and ones (and target) -> logits of the masked network (and `grad_<input>`)."""
        return self.session("masked", lambda: self.ready(self.masked_graph(with_gradient)), with_gradient)

    def masked_graph(self, with_gradient: bool) -> Graph:
        """Return the graph of `masked`."""
        graph, op = self.start()
        masks = []
        for mask in mask_layers(op, self.layers).values():
            masks.append(as_activation(op, mask))
            if masks[-1] is not mask:
                replace_uses(mask, masks[-1])
        graph.body.toposort()
        if with_gradient:
            _gradient_outputs(self, graph, op, self.model.sources, under_masks(self.model.rules, masks))
        return self.end(graph, op)

    def cut(self, layer: NeuronLayer) -> list[str]:
        """Return the tensors that must be fed for the network to start at `layer`: it, and what by-passes it."""
        graph = self.model.graph
        # Through every dtype: what compares the layer's values reacts to the layer too.
        after = {layer.name}
        for node in graph.nodes:
            if any(t.name in after for t in inputs_of(node)):
                after |= {t.name for t in node.outputs if t.name}
        before = upstream(graph, [self.logits])
        nodes = [n for n in graph.nodes if any(t.name in after and t.name in before for t in n.outputs)]
        nodes = [n for n in nodes if n.outputs[0].name != layer.name]
        made = {t.name for n in nodes for t in n.outputs}
        read = {t.name: None for n in nodes for t in inputs_of(n) if is_variable(t)}
        return [layer.name, *(name for name in read if name not in made and name != layer.name)]

    def exposed(self) -> Session:
        """x -> logits and, under their own names, every tensor that some layer's program starts from."""

        def build() -> Program:
            graph, op = self.start(fold=False)
            names = dict.fromkeys(name for layer in self.layers for name in self.cut(layer))
            fed = {t.name for t in graph.inputs}
            expose_tensors(graph, [name for name in names if name not in fed])
            return self.finish(graph, op)

        return self.session("exposed", build)

    def path_integral(self, layer: NeuronLayer) -> Session:
        """The network from `layer` on: cut tensors, target, `alpha`, `weight`, `sum` -> logits, `total`.

        total = sum + weight · (gradient of the target with respect to the layer, at alpha · activation).
        """

        return self.session("path integral", lambda: self.ready(self.path_integral_graph(layer)), layer.name)

    def path_integral_graph(self, layer: NeuronLayer) -> Graph:
        """Return the graph of `path_integral`."""
        graph, op = self.start(fold=False)
        tensors = graph.tensors()
        names = self.cut(layer)
        for name in names:
            tensors[name].inputs.clear()
        graph.inputs[:] = [tensors[name] for name in names]
        a = tensors[layer.name]
        alpha, wide = op.add_input("alpha", a.dtype, []), dtype_of(accumulator(a))
        weight, before = op.add_input("weight", wide, []), op.add_input("sum", wide, list(a.shape))
        scaled = op.Mul(a, alpha)
        replace_uses(a, scaled)
        graph.body.toposort()
        grads = backward(op, self.model.rules, self.seeds(op, tensors[self.logits]), [scaled.name])
        grad = grads.get(scaled.name)
        step = None if grad is None else op.Mul(in_dtype(op, grad, accumulator(a)), weight)
        op.add_output(before if step is None else op.Add(before, step), "total")
        return self.end(graph, op)

    @cached_property
    def dtypes(self) -> dict[str, np.dtype[Any]]:
        """The numpy dtype of each layer, which its mask has too."""
        tensors = self.model.graph.tensors()
        return {layer.name: numpy_dtype(tensors[layer.name]) for layer in self.layers}


def _gradient_outputs(
    setup: Setup, graph: Graph, op: Emitter, names: Sequence[str], rules: RuleSet | None = None
) -> None:
    tensors = graph.tensors()
    grads = backward(op, rules or setup.model.rules, setup.seeds(op, tensors[setup.logits]), names)
    if not grads:
        require_path(graph, names, [setup.logits], "explain another output")
    for name in names:
        op.add_output(grads[name] if name in grads else op.zeros_like(tensors[name]), GRAD + name)


def mask_name(layer: NeuronLayer) -> str:
    """Return the name of a layer's mask input."""
    return MASK_PREFIX + layer.name
