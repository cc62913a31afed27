"""Composites as data, under Zennit's names: which rule each layer gets, by role, operator and name of the node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from onnxpath.errors import InputError, unknown
from onnxpath.graph.neurons import ACTIVATIONS
from onnxpath.graph.query import LINEAR
from onnxpath.rules.gradient import gradient
from onnxpath.rules.relevance.attention import SPELLED
from onnxpath.rules.relevance.base import POOLS, STABILIZER, SUMS, relevance
from onnxpath.rules.relevance.catalogue import KINDS, kind_of
from onnxpath.rules.relevance.lrp import RULES
from onnxpath.rules.relevance.roles import CENTRING, DEVIATION, MEAN, PRODUCT
from onnxpath.rules.ruleset import Rule, RuleSet

CONVOLUTION = ("Conv", "ConvTranspose")
DENSE = ("Gemm", "MatMul")
SHAPING = tuple(sorted(ACTIVATIONS))
ROOTS = ("Sqrt", "ReduceL2", "Pow")
GROUPS = {LINEAR: "all linear layers", SHAPING: "activations"}


@dataclass(frozen=True)
class Entry:
    """One line of a composite: the rule of some nodes, with its parameters.

    rule: a name in the catalogue; operators: of the nodes, default all that the rule is for; role: that they have;
    node: a pattern of their names (* and ?); a node must fit all that is given.
    """

    rule: str
    operators: tuple[str, ...] = ()
    role: str = ""
    node: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def takes(self, node: str, roles: Sequence[str]) -> bool:
        """True for a node of one of the entry's operators that the entry is for."""
        if PRODUCT in roles and KINDS[self.rule].shares_sums:
            return False
        return (not self.role or self.role in roles) and (not self.node or fnmatchcase(node, self.node))


@dataclass(frozen=True)
class Recipe:
    """What a composite is made of: entries, of which a node gets the first that takes it, and what comes after them.

    extends: "relevance" | "gradient", whose walk starts with 1 instead of the logit | another composite.
    """

    entries: tuple[Entry, ...]
    extends: str = relevance.name


ALPHA2_BETA1 = Entry("lrp-alpha-beta", CONVOLUTION, parameters={"alpha": 2.0, "beta": 1.0})
EPSILON = Entry("lrp-epsilon", DENSE)
FIRST_FLAT = Entry("lrp-flat", role="first_linear")
PLUS = Entry("lrp-zplus", CONVOLUTION)

COMPOSITES: dict[str, Recipe] = {
    "epsilon-plus": Recipe((PLUS, EPSILON)),
    "epsilon-plus-flat": Recipe((FIRST_FLAT, PLUS, EPSILON)),
    "epsilon-gamma-box": Recipe(
        (Entry("lrp-zbox", CONVOLUTION, "first_linear"), Entry("lrp-gamma", CONVOLUTION), EPSILON)
    ),
    "epsilon-alpha2-beta1": Recipe((ALPHA2_BETA1, EPSILON)),
    "epsilon-alpha2-beta1-flat": Recipe((FIRST_FLAT, ALPHA2_BETA1, EPSILON)),
    "excitation-backprop": Recipe((Entry("lrp-zplus"), Entry("gradient", SHAPING))),
    "beta-smooth": Recipe((Entry("beta-smooth"),), extends=gradient.name),
    "attnlrp": Recipe(
        (
            Entry("lrp-softmax"),
            Entry("lrp-product"),
            Entry("lrp-normalization"),
            Entry("lrp-epsilon", CONVOLUTION),
            Entry("gradient", SPELLED),
            Entry("hold", ROOTS, role=DEVIATION),
            Entry("hold", ("ReduceMean",), role=MEAN),
            Entry("lrp-centring", role=CENTRING),
        )
    ),
    **{name: Recipe((Entry(name),)) for name in RULES if name.startswith("lrp-")},
}
"""The rules of LRP by their own names are composites too: that rule in every linear layer."""


class Composite(RuleSet):
    """The rule set of a recipe: ordered lines, the first that takes a node has its rule.

    lines: entries with their rules by operator; lacks: what entries need and were not given; starts: "logit" | "one",
    what a walk with this set begins with.
    """

    def __init__(
        self,
        name: str,
        parent: RuleSet,
        lines: Sequence[tuple[Entry, dict[str, Rule]]],
        about: str = "",
        lacks: Sequence[str] = (),
    ) -> None:
        super().__init__(name, parent, about)
        self.lines = tuple(lines)
        self.lacks: tuple[str, ...] = (*lacks, *getattr(parent, "lacks", ()))
        self.starts = "one" if parent is gradient else getattr(parent, "starts", "logit")

    def find(self, operator: str, node: str = "", roles: Sequence[str] = ()) -> Rule | None:
        """Return the rule of the first line that takes the node, else the parent's."""
        for entry, rules in self.lines:
            if operator in rules and entry.takes(node, roles):
                return rules[operator]
        return super().find(operator, node, roles)

    def operators(self) -> dict[str, Rule]:
        """Return every rule by operator; those for a role or for nodes by name alone are left out."""
        names = {**(self.parent.operators() if self.parent else {}), **{o: 0 for _, rules in self.lines for o in rules}}
        return {operator: rule for operator in names if (rule := self.find(operator)) is not None}

    def require_parameters(self) -> None:
        """Raise InputError where an entry needs parameters that have no default and were not given."""
        if self.lacks:
            raise InputError(f"composite '{self.name}': " + "; ".join(dict.fromkeys(self.lacks)))

    def require_nodes(self, nodes: Iterable[str]) -> None:
        """Raise InputError that lists every entry whose pattern no node's name fits."""
        names = list(nodes)
        problems = []
        for place, (entry, _) in enumerate(self.lines, 1):
            if entry.node and not any(fnmatchcase(name, entry.node) for name in names):
                near = get_close_matches(entry.node, names, n=1, cutoff=0.3)
                hint = f"; the nearest is '{near[0]}'" if near else ""
                problems.append(f"  rule {place}: no node on the way is named '{entry.node}'{hint}")
        if problems:
            raise InputError(f"composite '{self.name}' does not fit the model:\n" + "\n".join(problems))


def composite(name: str, **parameters: Any) -> Composite:
    """Return the rule set of a composite by name.

    name: as in COMPOSITES; Zennit's underscores are taken too; parameters: of its rules (epsilon, gamma, stabilizer,
    low, high, alpha, beta, beta_smooth), for each rule that has one of that name; what a composite fixes stays.
    Raises UnknownName.
    """
    name = name.replace("_", "-")
    if name not in COMPOSITES:
        raise unknown("composite", [name], COMPOSITES, "or the path of a .toml file: docs/methods.md")
    return composed(name, COMPOSITES[name], parameters)


def composed(name: str, recipe: Recipe, parameters: Mapping[str, Any]) -> Composite:
    """Return the rule set of a recipe; parameters: as in `composite`."""
    lines = [_line(entry, parameters) for entry in recipe.entries]
    lacks = [need for entry in recipe.entries if (need := _need(entry, parameters))]
    if recipe.extends in COMPOSITES:
        return Composite(name, composite(recipe.extends, **parameters), lines, _about(recipe), lacks)
    if recipe.extends == relevance.name and parameters.get("stabilizer", STABILIZER) != STABILIZER:
        lines.append(_line(Entry("norm", (*SUMS, *POOLS)), parameters))
    return Composite(name, gradient if recipe.extends == gradient.name else relevance, lines, _about(recipe), lacks)


def _need(entry: Entry, parameters: Mapping[str, Any]) -> str:
    """Return what an entry needs and is not given, in words; "" where it has all."""
    given = {**parameters, **entry.parameters}
    missing = [k for k, default in kind_of(entry.rule).parameters.items() if default is None and given.get(k) is None]
    if not missing:
        return ""
    names = " and ".join(f"`{name}`" for name in missing)
    return f"{entry.rule} needs {names}, the ends of the input's range after preprocessing; a .toml file can hold them"


def _line(entry: Entry, parameters: Mapping[str, Any]) -> tuple[Entry, dict[str, Rule]]:
    kind = kind_of(entry.rule)
    given = {k: v for k, v in {**parameters, **entry.parameters}.items() if k in kind.parameters}
    return entry, {operator: kind.make(operator, given) for operator in entry.operators or kind.operators}


def _about(recipe: Recipe) -> str:
    lines = [
        f"{entry.rule} for {_group(entry)}" + f" as {entry.role.replace('_', ' ')} layer" * bool(entry.role)
        for entry in recipe.entries
    ]
    started = "" if recipe.extends in (relevance.name, gradient.name) else f"; else as {recipe.extends}"
    return f"{gradient.name if recipe.extends == gradient.name else relevance.name}: {'; '.join(lines)}{started}"


def _group(entry: Entry) -> str:
    operators = entry.operators or KINDS[entry.rule].operators
    return GROUPS.get(operators) or ", ".join(operators)
