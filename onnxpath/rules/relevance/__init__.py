"""Rule sets of relevance: what each operator does to relevance, in a base set of its own, and the sets built on it."""

from __future__ import annotations

from onnxpath.errors import unknown
from onnxpath.rules.relevance.composites import COMPOSITES, composite
from onnxpath.rules.relevance.rap import rap
from onnxpath.rules.ruleset import RuleSet
from onnxpath.rules.variants import RULE_SETS


def relevance_sets() -> dict[str, RuleSet]:
    """Return every rule set of relevance by name, with default parameters and bound to no graph."""
    return {**{name: composite(name) for name in COMPOSITES}, "rap": rap({})}


def any_rule_set(name: str) -> RuleSet:
    """Return a rule set by name, of gradients or of relevance; UnknownName otherwise."""
    known = {**RULE_SETS, **relevance_sets()}
    if name not in known:
        raise unknown("rule set", [name], known)
    return known[name]
