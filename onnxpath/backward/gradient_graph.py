"""The public contract of the engine: a model in, the model with its gradient out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx

from onnxpath.backward.walk import backward
from onnxpath.errors import OnnxPathError, UnknownName, unknown
from onnxpath.graph.embeddings import default_sources
from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Graph, is_float, numpy_dtype, rank
from onnxpath.graph.pads import fold_pads
from onnxpath.graph.query import require_path
from onnxpath.graph.surgery import as_graph
from onnxpath.registry import as_names
from onnxpath.rules.gradient import gradient
from onnxpath.rules.variants import rule_set


def gradient_graph(
    model: Any,
    wrt: Sequence[str] | None = None,
    of: Sequence[str] | None = None,
    prefix: str = "grad_",
    provider: str = "cpu",
    rules: str | None = None,
) -> onnx.ModelProto:
    """Return the model with one more input per output in `of` and one more output per tensor in `wrt`.

    model: path, bytes, ModelProto, Graph or Model. wrt: names of inputs, initializers or intermediate tensors;
    default every float input; without one the only embedding of token ids, or what other integers are cast to. of:
    names of outputs; default every float output. Each name in `of` gets an input `<prefix><name>`, the cotangent with
    the output's shape; each name in `wrt` an output `<prefix><name>` with the vector-Jacobian product, of the tensor's
    shape. All inputs and outputs of the model stay. provider: what the spelling is chosen for ("cpu" | "cuda"); the
    graph is standard ONNX and runs anywhere. rules: "gradient" | "straight-through" (an estimate for quantised models);
    default what a Model was loaded with, else "gradient". Any other than "gradient" is written into the metadata of the
    result, `onnxpath.rules`.
    Raises UnknownName, UnsupportedOperator (every node without a rule, at once), ModelError (no float path connects
    them, or quantisation ends every path), OnnxPathError (a name that is taken).
    """
    table = rule_set(rules) if rules is not None else getattr(model, "rules", gradient)
    wrt, of = (None if names is None else as_names(names) for names in (wrt, of))
    graph = as_graph(model, keep=wrt or [])
    targets = _names(graph, of, [t.name for t in graph.outputs if is_float(t)], "output")
    sources = wrt if wrt is not None else default_sources(graph)
    _check(graph, sources, targets, prefix)
    fold_pads(graph, keep=sources)
    op = Emitter(graph, provider)
    tensors = graph.tensors()
    seeds = {}
    for name in targets:
        rank(tensors[name])  # an input of unknown rank is not valid ONNX
        seeds[name] = op.add_input(prefix + name, tensors[name].dtype, tensors[name].shape)
    grads = backward(op, table, seeds, sources)
    if not grads:
        # Where a path exists, operators that are declared piecewise constant end it: the gradient is zero then.
        require_path(graph, sources, targets, "name other tensors in `wrt` or `of`")
    for name in sources:
        op.add_output(grads[name] if name in grads else op.zeros_like(tensors[name]), prefix + name)
    graph.cleanup()
    if table is not gradient:
        graph.model_metadata["onnxpath.rules"] = table.name
    return graph.to_model()


def _names(graph: Graph, asked: list[str] | None, default: list[str], kind: str) -> list[str]:
    if asked is None:
        return default
    known = [t.name for t in graph.outputs]
    if missing := [name for name in asked if name not in known]:
        raise unknown(kind, missing, known)
    return asked


def _check(graph: Graph, sources: list[str], targets: list[str], prefix: str) -> None:
    tensors = graph.require(sources)
    if not sources or not targets:
        side = "input to differentiate by" if not sources else "output to differentiate"
        raise OnnxPathError(f"the model has no float {side}; name tensors in `wrt` and outputs in `of`")
    if whole := [name for name in sources + targets if not is_float(tensors[name])]:
        shown = ", ".join(f"'{name}' ({numpy_dtype(tensors[name])})" for name in whole)
        raise OnnxPathError(f"only float tensors have a gradient, not {shown}; name others in `wrt` and `of`")
    if both := sorted(set(sources) & set(targets)):
        raise UnknownName(f"{', '.join(both)} is named in both `wrt` and `of`; name it in one of them")
    taken = [prefix + name for name in [*sources, *targets] if prefix + name in tensors]
    if taken:
        raise UnknownName(f"the model has tensors named {', '.join(taken)} already; choose another `prefix`")
