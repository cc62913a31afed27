"""The programs that optimise gates: loss and gradient, and one step of descent. Gates stay where the programs run."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
import onnx_graphsurgeon as gs

from onnxpath.backward.target import flattened
from onnxpath.backward.walk import backward
from onnxpath.graph.emit import Emitter
from onnxpath.graph.infer import dtype_of
from onnxpath.graph.ir import Graph, Tensor, onnx_dtype, rank, replace_uses
from onnxpath.graph.neurons import NeuronLayer
from onnxpath.lowering.cast import accumulator, in_dtype
from onnxpath.pathway.programs import GRAD, Setup
from onnxpath.runtime.program import Program
from onnxpath.runtime.session import Session

GATE, VELOCITY, BEST, NEXT = "gate_", "velocity_", "best_", "next_"
TEACHER, PENALTY, LOSS, BETTER = "teacher", "penalty", "loss", "better"
RATE, MOMENTUM, UPPER = "rate", "momentum", "upper"


def loss_program(setup: Setup, layers: Sequence[NeuronLayer], per: str) -> Session:
    """x, `gate_<layer>`, `teacher` [N, K], `penalty` [N], `rate` -> logits, `loss` [N], `grad_<layer>` of each gate.

    loss = -sum teacher · log softmax(F(x; gates)) + penalty · sum |gates|, row by row; the gradients are those of
    rate · loss. Gates are multiplied onto the activations; per: "neuron" (a gate of the layer's shape) | "channel"
    (size 1 on every axis but rows and channels).
    """

    def build() -> Program:
        graph, op = setup.start()
        gates = {layer.name: _gated(op, layer, per) for layer in layers}
        # Gated values are made where they are used, between forward nodes.
        graph.body.toposort()
        logits = graph.tensor(setup.logits)
        with op.serving(setup.logits, "loss"):
            loss = _loss(op, logits, list(gates.values()))
            rate = op.add_input(RATE, loss.dtype, [])
            seed = op.Expand(rate, op.shape_of(loss))
        names = [gate.name for gate in gates.values()]
        grads = backward(op, setup.model.rules, {loss.name: seed}, names)
        op.add_output(loss, LOSS)
        for name, gate in gates.items():
            op.add_output(grads[gate.name], GRAD + name)
        return setup.finish(graph, op)

    return setup.session("gate loss", build, per, tuple(layer.name for layer in layers))


def _gated(op: Emitter, layer: NeuronLayer, per: str) -> Tensor:
    a = op.graph.tensor(layer.name)
    wide = dtype_of(accumulator(a))
    gate = op.add_input(GATE + layer.name, wide, gate_shape(layer, list(a.shape), per))
    with op.serving(layer.name, "gate"):
        replace_uses(a, op.Mul(a, in_dtype(op, gate, onnx_dtype(a))))
    return gate


def gate_shape(layer: NeuronLayer, shape: Sequence[int | str | None], per: str) -> list[int | str | None]:
    """Return the shape of a layer's gates; shape: of its activation, rows included."""
    if per == "neuron":
        return list(shape)
    return [d if axis in (0, layer.channel_axis) else 1 for axis, d in enumerate(shape)]


def _loss(op: Emitter, logits: Tensor, gates: Sequence[Tensor]) -> Tensor:
    rows = logits.shape[0]
    flat = flattened(op, in_dtype(op, logits, accumulator(logits)))
    teacher, penalty = op.add_input(TEACHER, flat.dtype, [rows, None]), op.add_input(PENALTY, flat.dtype, [rows])
    cross = op.Neg(op.ReduceSum(op.Mul(teacher, op.LogSoftmax(flat, axis=1)), [1], keepdims=0))
    sizes = [op.ReduceSum(op.Abs(gate), list(range(1, rank(gate))), keepdims=0) for gate in gates]
    total: Tensor = op.Add(cross, op.Mul(penalty, in_dtype(op, op.sum(sizes), onnx_dtype(flat))))
    return total


def step_program(setup: Setup, layers: Sequence[NeuronLayer], per: str) -> Session:
    """`gate_`, `velocity_`, `grad_<layer>`, `momentum`, `upper` -> `next_gate_`, `next_velocity_<layer>`.

    Gradient descent with momentum, of gradients that hold the learning rate already: velocity' = momentum · velocity +
    grad; gate' = clip(gate - velocity', 0, upper). With as few passes over the gates as there can be.
    """

    def build() -> onnx.ModelProto:
        graph, op = _plain(setup, "gate step")
        momentum, upper = (op.add_input(name, "float32", []) for name in (MOMENTUM, UPPER))
        for layer in layers:
            gate, velocity, grad = _fed(op, setup, layer, per, (GATE, VELOCITY, GRAD))
            wide = onnx_dtype(gate)
            faster = op.Add(op.Mul(velocity, in_dtype(op, momentum, wide)), grad)
            moved = op.Clip(op.Sub(gate, faster), op.like(0, gate), in_dtype(op, upper, wide))
            op.add_output(moved, NEXT + GATE + layer.name)
            op.add_output(faster, NEXT + VELOCITY + layer.name)
        return graph.to_model()

    return setup.session("gate step", build, per, tuple(layer.name for layer in layers))


def choice_program(setup: Setup, layers: Sequence[NeuronLayer], per: str) -> Session:
    """`gate_`, `best_<layer>`, `better` [N] -> `next_best_<layer>`: the gates where `better`, else the best."""

    def build() -> onnx.ModelProto:
        graph, op = _plain(setup, "gate choice")
        better = op.add_input(BETTER, "bool", [None])
        for layer in layers:
            gate, best = _fed(op, setup, layer, per, (GATE, BEST))
            chosen = op.Where(op.Unsqueeze(better, list(range(1, rank(gate)))), gate, best)
            op.add_output(chosen, NEXT + BEST + layer.name)
        return graph.to_model()

    return setup.session("gate choice", build, per, tuple(layer.name for layer in layers))


def _plain(setup: Setup, name: str) -> tuple[Graph, Emitter]:
    graph = Graph(gs.Graph(opset=setup.model.graph.opset, name=name))
    return graph, Emitter(graph, setup.model.provider)


def _fed(op: Emitter, setup: Setup, layer: NeuronLayer, per: str, prefixes: Sequence[str]) -> list[Tensor]:
    a = setup.model.graph.tensor(layer.name)
    shape = gate_shape(layer, list(a.shape), per)
    return [op.add_input(prefix + layer.name, dtype_of(accumulator(a)), shape) for prefix in prefixes]
