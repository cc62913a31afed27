"""Rule sets of relevance: what each operator does to relevance, in a base set of its own, and the sets built on it."""

from __future__ import annotations

from onnxpath.rules.relevance.composites import COMPOSITES, composite
from onnxpath.rules.relevance.rap import rap
from onnxpath.rules.ruleset import RuleSet


def relevance_sets() -> dict[str, RuleSet]:
    """Return every rule set of relevance by name, with default parameters and bound to no graph."""
    return {**{name: composite(name) for name in COMPOSITES}, "rap": rap({})}
