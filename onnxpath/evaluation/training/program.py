"""The programs of training: one step of descent, and the network with its weights as inputs."""

from __future__ import annotations

import onnx

from onnxpath.backward.walk import backward
from onnxpath.errors import InputError, ModelError
from onnxpath.evaluation.training.normalization import use_batch_statistics
from onnxpath.evaluation.training.optimiser import Optimiser
from onnxpath.evaluation.training.parameters import Parameters, find_parameters
from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Graph, Tensor, replace_uses
from onnxpath.graph.pads import fold_pads
from onnxpath.runtime.model import Model
from onnxpath.runtime.session import Session

LABEL, LOSS, HITS, LOGITS = "label", "loss", "hits", "logits_of_program"
WEIGHT, NEXT = "weight_", "next_"


def trainable(model: Model, logits: str) -> Parameters:
    """Return what is trained of a model. Raises as `find_parameters`; InputError for several inputs, a fixed batch."""
    if len(model.inputs) != 1:
        raise InputError(f"models with one input are trained, and this one has {len(model.inputs)}")
    if model.fixed_rows:
        raise InputError(
            f"the model fixes its batch at {model.fixed_rows}, and training takes batches of any size; "
            "export it with a symbolic batch"
        )
    return find_parameters(model.graph, logits)


def step_program(model: Model, logits: str, parameters: Parameters, optimiser: Optimiser) -> Session:
    """x, `label` int64 [N], weights, slots, scalars -> `loss`, `hits`, and `next_<tensor>` of all that changes.

    Weights and running statistics are `weight_<name>`, slots `<slot>_weight_<name>`. loss: mean cross
    entropy of the softmax of the logits with the labels; hits: int64, how many largest entries are the label. All is
    computed with the weights that go in.
    """
    key = ("training step", logits, optimiser)
    return model.session(key, lambda: step_graph(model, logits, parameters, optimiser).to_model())


def step_graph(model: Model, logits: str, parameters: Parameters, optimiser: Optimiser) -> Graph:
    """Return the graph of `step_program`."""
    graph = _start(model)
    op = Emitter(graph, model.provider)
    weights = _as_inputs(op, parameters)
    running: dict[str, Tensor] = {}
    nodes = {node.name: node for node in graph.nodes}
    for normalization in parameters.normalizations:
        mean, variance = use_batch_statistics(op, nodes[normalization.node])
        running |= {normalization.mean: mean, normalization.variance: variance}
    # Statistics are made where they are used, between forward nodes.
    graph.body.toposort()
    with op.serving(logits, "loss"):
        loss, hits = _loss(op, graph.tensor(logits))
    seeds = {loss.name: op.like(1, loss)}
    grads = backward(op, model.rules, seeds, [weights[p.name].name for p in parameters.trained])
    fed = {name: op.add_input(name, "float32", []) for name in optimiser.inputs}
    for parameter in parameters.trained:
        weight = weights[parameter.name]
        if weight.name not in grads:
            raise ModelError(
                f"no float path leads from the weight '{parameter.name}' to the loss, so it has no gradient"
            )
        with op.serving(parameter.name, "step"):
            slots = [op.add_input(f"{s}_{weight.name}", "float32", list(weight.shape)) for s in optimiser.slots]
            stepped, moved = optimiser.update(op, weight, grads[weight.name], slots, fed)
        op.add_output(stepped, NEXT + weight.name)
        for slot, new in zip(slots, moved, strict=True):
            op.add_output(new, NEXT + slot.name)
    for name, new in running.items():
        op.add_output(new, NEXT + weights[name].name)
    op.add_output(loss, LOSS)
    op.add_output(hits, HITS)
    graph.cleanup()
    return graph


def inference_program(model: Model, logits: str, parameters: Parameters) -> Session:
    """x, weights and running statistics -> logits, as the model itself computes them."""

    def build() -> onnx.ModelProto:
        graph = _start(model)
        op = Emitter(graph, model.provider)
        _as_inputs(op, parameters)
        op.add_output(graph.tensor(logits), LOGITS)
        graph.cleanup()
        return graph.to_model()

    return model.session(("trained", logits), build)


def _start(model: Model) -> Graph:
    graph = model.graph.copy()
    fold_pads(graph)
    graph.outputs.clear()
    return graph


def _as_inputs(op: Emitter, parameters: Parameters) -> dict[str, Tensor]:
    """Make weights and running statistics inputs `weight_<name>`, in place; return them by their own names."""
    tensors = op.graph.tensors()
    names = [p.name for p in parameters.trained]
    names += [name for n in parameters.normalizations for name in (n.mean, n.variance)]
    made: dict[str, Tensor] = {}
    for name in dict.fromkeys(names):
        tensor = tensors[name]
        made[name] = op.add_input(WEIGHT + name, "float32", [int(d) for d in tensor.shape])
        replace_uses(tensor, made[name])
    return made


def _loss(op: Emitter, logits: Tensor) -> tuple[Tensor, Tensor]:
    label = op.add_input(LABEL, "int64", [logits.shape[0]])
    flat = op.Reshape(logits, [0, -1])
    classes = op.places(flat, 1)
    one_hot = op.CastLike(op.Equal(classes, op.Unsqueeze(label, [1])), flat)
    crosses = op.Neg(op.ReduceSum(op.Mul(one_hot, op.LogSoftmax(flat, axis=1)), [1], keepdims=0))
    hits = op.ReduceSum(op.Cast(op.Equal(op.ArgMax(flat, axis=1, keepdims=0), label), to=7), [0], keepdims=0)
    return op.ReduceMean(crosses, [0], keepdims=0), hits
