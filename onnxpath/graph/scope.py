"""Subgraphs of a GraphProto: names that are unique over the whole model, weights in the outermost graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from onnx import AttributeProto, GraphProto, NodeProto, helper


def inner_graphs(node: NodeProto) -> Iterator[GraphProto]:
    """Yield the graphs among a node's attributes."""
    yield from (a.g for a in node.attribute if a.type == AttributeProto.GRAPH)


def every_graph(graph: GraphProto) -> Iterator[GraphProto]:
    """Yield a graph and every graph inside it, outer ones first."""
    yield graph
    for node in graph.node:
        for inner in inner_graphs(node):
            yield from every_graph(inner)


def every_node(graph: GraphProto) -> Iterator[NodeProto]:
    """Yield the nodes of a graph and of every graph inside it."""
    for scope in every_graph(graph):
        yield from scope.node


def settle_scopes(graph: GraphProto) -> None:
    """Bring the subgraphs of a graph into one form, in place.

    Afterwards the names of tensors and nodes are unique over all scopes, initializers are in the outermost graph, and
    every output of a subgraph is made by a node of it.
    """
    name_nodes(graph)
    if not any(True for node in graph.node for _ in inner_graphs(node)):
        return
    taken = _made_in(graph)
    for node in graph.node:
        for inner in inner_graphs(node):
            _rename(inner, {}, taken)
    lift_initializers(graph)
    for scope in list(every_graph(graph))[1:]:
        _make_outputs(scope, taken)
    name_nodes(graph)


def name_nodes(graph: GraphProto) -> None:
    """Give every node a name that no other node has, in subgraphs too."""
    nodes = list(every_node(graph))
    taken = {n.name for n in nodes}
    seen: set[str] = set()
    for index, node in enumerate(nodes):
        if not node.name or node.name in seen:
            node.name = fresh(node.name or f"{node.op_type}_{index}", taken)
        seen.add(node.name)


def lift_initializers(graph: GraphProto) -> None:
    """Move the initializers of subgraphs to the outermost graph, and forget what subgraphs say of outer tensors."""
    here = {t.name for t in graph.initializer}
    for scope in list(every_graph(graph))[1:]:
        for tensor in scope.initializer:
            if tensor.name not in here:
                here.add(tensor.name)
                graph.initializer.append(tensor)
        del scope.initializer[:]
        made = _made_in(scope)
        told = [value for value in scope.value_info if value.name in made]
        del scope.value_info[:]
        scope.value_info.extend(told)


def _made_in(graph: GraphProto) -> set[str]:
    weights = [*graph.initializer, *(t.values for t in graph.sparse_initializer)]
    names = {v.name for v in [*graph.input, *weights]} | {name for node in graph.node for name in node.output}
    return names - {""}


def fresh(name: str, taken: set[str]) -> str:
    """Return a name that is not taken, made of a given one, and take it."""
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _rename(graph: GraphProto, outer: Mapping[str, str], taken: set[str]) -> None:
    # Sorted, so that the same model gets the same names every time.
    names = {**outer, **{name: fresh(name, taken) for name in sorted(_made_in(graph))}}
    weights = [*graph.initializer, *(t.values for t in graph.sparse_initializer)]
    for value in [*graph.input, *graph.output, *graph.value_info, *weights]:
        value.name = names.get(value.name, value.name)
    for node in graph.node:
        for slots in (node.input, node.output):
            slots[:] = [names.get(name, name) for name in slots]
        for inner in inner_graphs(node):
            _rename(inner, names, taken)


def _make_outputs(graph: GraphProto, taken: set[str]) -> None:
    """ONNX Runtime refuses a subgraph whose output is an outer tensor; a copy of it is fine."""
    made = {name for node in graph.node for name in node.output}
    for value in graph.output:
        if value.name not in made:
            source, value.name = value.name, fresh(f"{value.name}_copy", taken)
            graph.node.append(helper.make_node("Identity", [source], [value.name]))
            made.add(value.name)
