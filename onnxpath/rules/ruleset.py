"""RuleSet: a table from operator to the function of ten lines that says what goes backwards."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from onnxpath.errors import UnsupportedOperator
from onnxpath.graph.expansions.advice import advice
from onnxpath.graph.ir import Node, carries
from onnxpath.shown import plural


class _Zero:
    def __repr__(self) -> str:
        return "ZERO"


ZERO: Final = _Zero()
"""What a rule returns for an input whose derivative is zero by definition."""


@dataclass(frozen=True)
class Rule:
    """One operator's rule.

    function: `f(op, dy, y, *inputs, **attributes)` returning one tensor, None or ZERO per input; None in a Rule means
    that the operator is piecewise constant; broadcasts: what it returns may be larger than the input by broadcasting,
    and the walk sums it; several: `dy` and `y` are tuples over the operator's outputs; expands: the function is
    `f(op, *inputs, **attributes)` and spells the operator forward, and the walk goes back through what it made;
    straight_through: what it returns is an estimate, since the derivative is zero almost everywhere; instead: of a zero
    rule, the rule set that has such an estimate; unfit: `f(inputs)` tells that the rule is not for a node of which
    those inputs carry what goes backwards, and why says so.
    """

    operator: str
    function: Callable[..., Any] | None
    broadcasts: bool = False
    several: bool = False
    expands: bool = False
    straight_through: bool = False
    instead: str = ""
    unfit: Callable[[Sequence[int]], bool] | None = None
    why: str = ""

    @property
    def kind(self) -> str:
        """Return "exact", "zero" or "straight-through"."""
        return "zero" if self.function is None else "straight-through" if self.straight_through else "exact"

    def attributes(self) -> set[str]:
        """Return the names of the attributes that the rule reads; "**" where it takes any."""
        if self.function is None:
            return set()
        parameters = inspect.signature(self.function).parameters.values()
        any_name = {"**" for p in parameters if p.kind is inspect.Parameter.VAR_KEYWORD}
        return any_name | {p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}


class RuleSet:
    """A named table of rules; a variant names its parent and holds only the differences.

    Use as a decorator: `@gradient("Gemm")`, `@gradient("Add", "Sub", broadcasts=True)`.
    A rule may be for a role ("first_linear", "last_linear"): `rules.enter(rule, role="first_linear")`;
    `rules.on(roles)` is the set for a graph whose nodes have those roles.
    """

    def __init__(self, name: str, parent: RuleSet | None = None, about: str = "") -> None:
        self.name = name
        self.parent = parent
        self.about = about
        self.roles: Mapping[str, Sequence[str]] = {}
        self._rules: dict[str | tuple[str, str], Rule] = {}
        self._refused: dict[str, str] = {}

    def __call__(
        self, *operators: str, broadcasts: bool = False, several: bool = False, straight_through: bool = False
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Decorator that enters a function as the rule of one or more operators."""

        def enter(function: Callable[..., Any]) -> Callable[..., Any]:
            for operator in operators:
                self._enter(Rule(operator, function, broadcasts, several, straight_through=straight_through))
            return function

        return enter

    def expansion(self, *operators: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Decorator that enters a forward spelling `f(op, *inputs, **attributes)` in operators that have rules.

        It returns the operator's outputs, one tensor or a tuple. The forward node stays as it is, so its kernel's speed
        is kept; the spelling is computed again where a gradient is asked for.
        """

        def enter(function: Callable[..., Any]) -> Callable[..., Any]:
            for operator in operators:
                self._enter(Rule(operator, function, expands=True))
            return function

        return enter

    def zero(self, *operators: str, instead: str = "") -> None:
        """Declare operators whose derivative is zero wherever it exists; instead: the rule set with an estimate."""
        for operator in operators:
            self._enter(Rule(operator, None, instead=instead))

    def refuse(self, *operators: str, why: str) -> None:
        """Say why operators have no rule, and what to do instead, for the error that lists them."""
        self._refused.update(dict.fromkeys(operators, why))

    def refused(self) -> dict[str, str]:
        """Return why by operator, parents included."""
        return {**(self.parent.refused() if self.parent else {}), **self._refused}

    def same(self, *operators: str) -> None:
        """Declare operators with one input that pass the cotangent on unchanged."""
        for operator in operators:
            self._enter(Rule(operator, lambda op, dy, y, x: dy))

    def unary(self, operator: str, derivative: Callable[..., Any]) -> None:
        """Declare an elementwise operator without attributes by its derivative `f(op, x, y)`."""
        self._enter(Rule(operator, lambda op, dy, y, x: op.Mul(dy, derivative(op, x, y))))

    def adopt(self, other: RuleSet, operators: Iterable[str]) -> None:
        """Take over another set's rules of some operators, since they are right here too."""
        for operator in operators:
            self._enter(other.rule(operator))

    def enter(self, rule: Rule, role: str = "", node: str = "") -> None:
        """Enter a rule for nodes of an operator that have a role, or for the node of a name; else for the operator."""
        self._enter(rule, (role, rule.operator) if role else ("", node) if node else rule.operator)

    def _enter(self, rule: Rule, key: str | tuple[str, str] = "") -> None:
        if (key or rule.operator) in self._rules:
            raise ValueError(f"rule set '{self.name}' has a rule for {key or rule.operator} already")
        self._rules[key or rule.operator] = rule

    def on(self, roles: Mapping[str, Sequence[str]]) -> RuleSet:
        """Return this set for a graph; roles: node name -> its roles (`query.linear_roles`)."""
        bound = RuleSet(self.name, self, self.about)
        bound.roles = roles
        return bound

    def find(self, operator: str, node: str = "", roles: Sequence[str] = ()) -> Rule | None:
        """Return a rule: by the node's name, by its roles, by the ai.onnx operator; then from the parents likewise."""
        for key in (("", node), *((role, operator) for role in roles), operator):
            if key in self._rules:
                return self._rules[key]
        return self.parent.find(operator, node, roles) if self.parent else None

    def rule(self, operator: str) -> Rule:
        """Return the rule of an operator; ValueError without one."""
        rule = self.find(operator)
        if rule is None:
            raise ValueError(f"rule set '{self.name}' has no rule for {operator}")
        return rule

    def vjp(self, operator: str) -> Callable[..., Any]:
        """Return the function of an operator's rule; ValueError without one."""
        function = self.rule(operator).function
        if function is None:
            raise ValueError(f"rule set '{self.name}' has no function for {operator}, whose derivative is zero")
        return function

    def rule_of(self, node: Node) -> Rule | None:
        """Return the rule of a node, None without one and for other domains."""
        if node.domain not in (None, "", "ai.onnx"):
            return None
        return self.find(node.op, node.name, self.roles.get(node.name, ()))

    def zeros(self, nodes: Iterable[Node]) -> set[str]:
        """Return the names of those nodes whose derivative is zero by these rules."""
        return {n.name for n in nodes if (rule := self.rule_of(n)) is not None and rule.function is None}

    def operators(self) -> dict[str, Rule]:
        """Return every rule by operator, parents included; those for a role or a node alone are left out."""
        own = {key: rule for key, rule in self._rules.items() if isinstance(key, str)}
        return {**(self.parent.operators() if self.parent else {}), **own}

    def coverage(self, nodes: Iterable[Node], roots: Iterable[str] = ()) -> dict[str, list[Node]]:
        """Sort nodes into "exact", "zero", "straight-through" and "missing"; roots: tensors that the path begins at."""
        nodes = list(nodes)
        moving = {*roots, *(t.name for node in nodes for t in node.outputs)}
        sorted_nodes: dict[str, list[Node]] = {"exact": [], "zero": [], "straight-through": [], "missing": []}
        for node in nodes:
            rule = self.rule_of(node)
            on_path = [i for i, t in enumerate(node.inputs) if t.name in moving and carries(t)]
            fits = rule is not None and not (rule.unfit is not None and rule.unfit(on_path))
            sorted_nodes[rule.kind if rule is not None and fits else "missing"].append(node)
        return sorted_nodes

    def unsupported(self, missing: Iterable[Node], opset: int, source: str, target: str) -> UnsupportedOperator:
        """Build the error that lists every node without a rule."""
        missing = list(missing)
        by_operator: dict[str, list[Node]] = {}
        for node in missing:
            by_operator.setdefault(node.op, []).append(node)
        lines = [
            f"  {operator} (opset {opset}): node '{nodes[0].name}'"
            + f" and {len(nodes) - 1} more" * (len(nodes) > 1)
            + (f": {why}" if (why := self._why(nodes[0])) else "")
            for operator, nodes in by_operator.items()
        ]
        lines += advice(f"{node.domain}::{node.op}" for node in missing if node.domain)
        return UnsupportedOperator(
            f"no {self.name} rule for {len(by_operator)} {plural('operator', len(by_operator))} "
            f"on the way from '{target}' to '{source}':\n" + "\n".join(lines) + "\n"
            "`onnxpath inspect MODEL` shows the whole coverage; docs/add-a-rule.md shows how to add one."
        )

    def _why(self, node: Node) -> str:
        """Return why a node has no rule, "" where nothing is known about it."""
        rule = self.rule_of(node)
        return rule.why if rule is not None else self.refused().get(node.op, "")
