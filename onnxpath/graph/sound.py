"""What must hold of a ModelProto before anything is computed from it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from graphlib import CycleError, TopologicalSorter

import numpy as np
import onnx
from onnx import AttributeProto, FunctionProto, GraphProto, NodeProto, SparseTensorProto, TensorProto, helper
from onnx.external_data_helper import uses_external_data

from onnxpath.errors import ModelError
from onnxpath.graph.scope import inner_graphs
from onnxpath.limits import limits, variable

COMPLEX = {TensorProto.COMPLEX64, TensorProto.COMPLEX128}
BITS: dict[int, int] = {TensorProto.UINT4: 4, TensorProto.INT4: 4, TensorProto.FLOAT4E2M1: 4}
BITS |= {getattr(TensorProto, name): 2 for name in ("UINT2", "INT2") if hasattr(TensorProto, name)}
"""Of one value, where that is less than a byte."""

MOST_AXES = 64
"""What numpy takes."""

_KNOWN: dict[int, np.dtype[np.generic]] = {
    dtype: np.dtype(helper.tensor_dtype_to_np_dtype(dtype)) for dtype in helper.get_all_tensor_dtypes()
}


def check_sound(model: onnx.ModelProto, where: str) -> None:
    """Check nesting, functions, sizes and data of tensors, and names; put nodes into order that are not, in place.

    where: how the model is called in error texts. Tensors in other files are judged by what they declare.
    Raises ModelError: graphs nested too deep, functions that call themselves or grow too large, tensors of impossible
    or too large sizes or with other data than they declare, tensors made twice, nodes in a circle.
    """
    graphs = _graphs([model.graph], where)
    graphs += _graphs([g for f in model.functions for node in f.node for g in inner_graphs(node)], where)
    _check_texts(model, [*graphs, *model.functions], where)
    _check_functions(model, where)
    problems = list(_tensor_problems([*graphs, *model.functions]))
    for graph in graphs:
        problems += _made_twice(graph)
        problems += _dtype_problems(graph)
    if problems:
        shown = [f"  {line}" for line in problems[:10]] + [f"  and {len(problems) - 10} more"] * (len(problems) > 10)
        raise ModelError("\n".join([f"{where} is not a sound ONNX model; export or copy the file again:", *shown]))
    for graph in graphs:
        _sort(graph, where)


def _graphs(outermost: Sequence[GraphProto], where: str) -> list[GraphProto]:
    """Return graphs and all inside them, inner ones last; ModelError where they are nested too deep."""
    found, level = list(outermost), list(outermost)
    for _ in range(limits().nesting + 1):
        level = [inner for graph in level for node in graph.node for inner in inner_graphs(node)]
        found += level
        if not level:
            return found
    raise ModelError(
        f"{where} has graphs inside of graphs more than {limits().nesting} deep; if that is meant, set the environment "
        f"variable {variable('nesting')}"
    )


def _check_texts(model: onnx.ModelProto, bodies: Iterable[GraphProto | FunctionProto], where: str) -> None:
    """Raise ModelError for names that are not UTF-8: protobuf hands them out as bytes, or fails."""
    about = [model.producer_name, model.producer_version, model.domain, *_pairs(model)]
    about += [opset.domain for holder in (model, *model.functions) for opset in holder.opset_import]
    for body in bodies:
        texts = [*about, body.name, *_pairs(body)]
        about = []
        for node in body.node:
            texts += [node.name, node.op_type, node.domain, *node.input, *node.output, *_pairs(node)]
            texts += [attribute.name for attribute in node.attribute]
        if isinstance(body, GraphProto):
            for value in (*body.input, *body.output, *body.value_info):
                texts += [value.name, *(d.dim_param for d in value.type.tensor_type.shape.dim)]
            for tensor in body.initializer:
                texts += [tensor.name, *(text for entry in tensor.external_data for text in (entry.key, entry.value))]
        else:
            texts += [body.domain, *body.input, *body.output, *body.attribute]
        if wrong := [text for text in texts if not isinstance(text, str)]:
            raise ModelError(f"{where} holds names that are not UTF-8 text ({wrong[0]!r}); export the model again")


def _pairs(holder: onnx.ModelProto | GraphProto | FunctionProto | NodeProto) -> list[str]:
    return [text for entry in holder.metadata_props for text in (entry.key, entry.value)]


def _check_functions(model: onnx.ModelProto, where: str) -> None:
    functions = {(f.domain, f.name): f for f in model.functions}
    calls = {key: Counter(_calls(f.node)) for key, f in functions.items()}
    try:
        order = list(
            TopologicalSorter(
                {key: [k for k in called if k in functions] for key, called in calls.items()}
            ).static_order()
        )
    except CycleError as error:
        names = " → ".join(f"'{domain}::{name}'" for domain, name in error.args[1][:10])
        raise ModelError(f"{where} has functions that call themselves ({names}), which ONNX does not allow") from error
    sizes: dict[tuple[str, str], int] = {}
    for key in order:
        sizes[key] = sum(count * sizes.get(called, 1) for called, count in calls[key].items())
    total = sum(count * sizes.get(called, 1) for called, count in Counter(_calls(model.graph.node)).items())
    if total > limits().nodes:
        raise ModelError(
            f"{where} has {total:.6g} nodes, its functions written out, and at most {limits().nodes} are taken; "
            f"if that is meant, set the environment variable {variable('nodes')}"
        )


def _calls(nodes: Iterable[NodeProto]) -> Iterator[tuple[str, str]]:
    for node in nodes:
        yield node.domain, node.op_type
        for inner in inner_graphs(node):
            yield from _calls(inner.node)


# ------------------------------------------------------------------------------------------------ tensors


def _tensor_problems(bodies: Iterable[GraphProto | FunctionProto]) -> Iterator[str]:
    total = 0
    for body in bodies:
        for what, tensor, sparse in _tensors(body):
            problem, size = _tensor_problem(tensor, sparse)
            total += size
            if problem:
                yield f"{what} {problem}"
    if total > limits().model_bytes:
        yield (
            f"its tensors declare {total / 2**30:.4g} GiB, and at most {limits().model_bytes / 2**30:.4g} are taken; "
            f"if that is meant, set the environment variable {variable('model_bytes')}"
        )


def _tensors(body: GraphProto | FunctionProto) -> Iterator[tuple[str, TensorProto, SparseTensorProto | None]]:
    if isinstance(body, GraphProto):
        yield from ((f"initializer '{t.name}'", t, None) for t in body.initializer)
        yield from ((f"initializer '{s.values.name}'", s.values, s) for s in body.sparse_initializer)
    for node in body.node:
        for attribute in node.attribute:
            what = f"attribute '{attribute.name}' of node '{node.name or node.op_type}'"
            if attribute.type == AttributeProto.TENSOR:
                yield what, attribute.t, None
            elif attribute.type == AttributeProto.SPARSE_TENSOR:
                yield what, attribute.sparse_tensor.values, attribute.sparse_tensor
            yield from ((what, t, None) for t in attribute.tensors)


def _tensor_problem(tensor: TensorProto, sparse: SparseTensorProto | None) -> tuple[str, int]:
    """Return what is wrong with a tensor, "" where nothing is, and the bytes that it declares."""
    dims = list(tensor.dims if sparse is None else sparse.dims)
    if tensor.data_type not in _KNOWN:
        return f"has dtype {tensor.data_type}, which is none of those that are read", 0
    if len(dims) > MOST_AXES or any(size < 0 for size in [*dims, *tensor.dims]):
        return f"has the impossible shape {dims[:8]}", 0
    bits = _bits(tensor)
    size = math.prod(dims) * bits // 8
    if sparse is not None and (problem := _sparse_problem(sparse)):
        return problem, size
    if uses_external_data(tensor):
        return _place_problem(tensor), size
    values = math.prod(tensor.dims)
    if tensor.HasField("raw_data"):
        unit, declared, held = "bytes", bytes_of(tensor), len(tensor.raw_data)
    else:
        together = 8 // bits if bits < 8 else 1
        unit, declared = "values", -(-values // together) * (2 if tensor.data_type in COMPLEX else 1)
        held = len(getattr(tensor, helper.tensor_dtype_to_field(tensor.data_type)))
    if held == declared:
        return "", size
    return f"has the shape {dims}, which takes {declared:.6g} {unit}, and holds {held}", 0


def bytes_of(tensor: TensorProto) -> int:
    """Return how many bytes of raw data a tensor of this shape and dtype has."""
    values: int = math.prod(tensor.dims)
    return (values * _bits(tensor) + 7) // 8


def _bits(tensor: TensorProto) -> int:
    dtype: int = tensor.data_type
    return BITS.get(dtype, _KNOWN[dtype].itemsize * 8)


def _sparse_problem(sparse: SparseTensorProto) -> str:
    # Nobody but ONNX Runtime would read them, and that from wherever the program was started.
    if uses_external_data(sparse.values) or uses_external_data(sparse.indices):
        return "is sparse and lies in another file, which is not read; keep sparse weights in the model"
    if sparse.indices.data_type != TensorProto.INT64:
        return "is sparse and has indices that are no int64"
    problem, _ = _tensor_problem(sparse.indices, None)
    return problem


def _place_problem(tensor: TensorProto) -> str:
    wrong = [
        f"{entry.key} '{entry.value[:20]}'"
        for entry in tensor.external_data
        if entry.key in ("offset", "length") and not (entry.value.isdecimal() and len(entry.value) < 19)
    ]
    return f"lies in another file at an impossible place: {', '.join(wrong)}" if wrong else ""


def _made_twice(graph: GraphProto) -> list[str]:
    made = Counter(name for node in graph.node for name in node.output if name)
    made.update({t.name for t in graph.initializer})
    initializers = {t.name for t in graph.initializer}
    made.update(v.name for v in graph.input if v.name not in initializers)
    return [f"tensor '{name}' is made {count} times" for name, count in made.items() if count > 1]


def _dtype_problems(graph: GraphProto) -> Iterator[str]:
    for value in [*graph.input, *graph.output, *graph.value_info]:
        dtype = value.type.tensor_type.elem_type
        if dtype and dtype not in _KNOWN:
            yield f"tensor '{value.name}' has dtype {dtype}, which is none of those that are read"


def _sort(graph: GraphProto, where: str) -> None:
    """Put nodes behind those whose outputs they or their subgraphs read; ModelError where they wait for each other."""
    makers = {name: place for place, node in enumerate(graph.node) for name in node.output if name}
    reads = [sorted({makers[name] for name in _read(node) if name in makers}) for node in graph.node]
    if all(not sources or sources[-1] < place for place, sources in enumerate(reads)):
        return
    try:
        order = list(TopologicalSorter(dict(enumerate(reads))).static_order())
    except CycleError as error:
        circle = [graph.node[place] for place in error.args[1][:10]]
        names = " → ".join(f"'{node.name or node.op_type}'" for node in circle)
        raise ModelError(f"{where} has nodes that wait for each other: {names}; export the model again") from error
    nodes = [NodeProto.FromString(node.SerializeToString()) for node in graph.node]
    del graph.node[:]
    graph.node.extend(nodes[place] for place in order)


def _read(node: NodeProto) -> Iterator[str]:
    """Yield the names of what a node reads, and its subgraphs from outside."""
    yield from node.input
    for inner in inner_graphs(node):
        made = {v.name for v in [*inner.input, *inner.initializer]} | {name for n in inner.node for name in n.output}
        read = [*(name for n in inner.node for name in _read(n)), *(value.name for value in inner.output)]
        yield from (name for name in read if name not in made)
