"""Paths that a piecewise constant operator ends, where a rule set has an estimate for it: never a silent zero."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from onnxpath.errors import ModelError
from onnxpath.graph.ir import Graph, Node, carries
from onnxpath.graph.query import between
from onnxpath.graph.subgraphs import captured
from onnxpath.rules.gradient import gradient
from onnxpath.rules.ruleset import RuleSet


def blocking(rules: RuleSet, nodes: Iterable[Node]) -> dict[str, list[Node]]:
    """Return the nodes that pass nothing under these rules and something under others, by the other set's name."""
    found: dict[str, list[Node]] = {}
    for node in nodes:
        rule = rules.rule_of(node)
        if rule is not None and rule.instead:
            found.setdefault(rule.instead, []).append(node)
    return found


def require_open(
    graph: Graph, rules: RuleSet, wrt: Sequence[str], targets: Sequence[str], nodes: Sequence[Node]
) -> None:
    """Raise ModelError where every path from one of `wrt` to the targets goes through a node of `blocking`."""
    choices = blocking(rules, nodes)
    if not choices:
        return
    zero = rules.zeros(nodes)
    closed = {n.name for group in choices.values() for n in group}
    shut = _sources(targets, zero, nodes)
    lost = [name for name in wrt if name in _sources(targets, zero - closed, nodes) and name not in shut]
    if not lost:
        return
    path = {n.name for n in between(graph, lost, targets, zero - closed, nodes)}
    lines = []
    for name, group in choices.items():
        operators = ", ".join(sorted({n.op for n in group}))
        there = [n.name for n in group if n.name in path]
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        advice = f"choose rules='{name}' (`--rules {name}`), an estimate that the result then names"
        if rules is not gradient:
            advice = (
                f"the rules '{rules.name}' have no estimate for that: choose a method that follows the model's rules"
            )
        lines.append(
            f"no gradient passes {operators}, whose derivative is zero almost everywhere, and every path from "
            f"{_few(lost)} to {_few(targets)} goes through one (node '{there[0]}'{more}); {advice}"
        )
    raise ModelError("\n".join(lines))


def estimates(graph: Graph, rules: RuleSet) -> list[str]:
    """Return what a user should know about paths that these rules estimate, or end where others have an estimate."""
    targets = [t.name for t in graph.outputs if carries(t)]
    path = between(graph, [t.name for t in graph.inputs if carries(t)], targets)
    notes = [
        f"no gradient passes {_few([n.name for n in group])}, whose derivative is zero almost everywhere: "
        f"gradients leave out what goes through them; rules='{name}' (`--rules {name}`) estimates it"
        for name, group in blocking(rules, path).items()
    ]
    passed = [n.name for n in path if (rule := rules.rule_of(n)) is not None and rule.straight_through]
    if passed:
        notes.append(f"rules '{rules.name}' at {_few(passed)}: {rules.about}")
    return notes


def _sources(targets: Iterable[str], blocked: Collection[str], nodes: Sequence[Node]) -> set[str]:
    """Return the names of all tensors that some float or quantised path leads on from to a target."""
    reached = set(targets)
    for node in reversed(nodes):
        if node.name not in blocked and any(t.name in reached for t in node.outputs):
            reached |= {t.name for t in node.inputs if carries(t)} | set(captured(node))
    return reached


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(f"'{name}'" for name in names[:3]) + more
