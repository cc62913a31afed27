"""The table that the families fill."""

from __future__ import annotations

from onnxpath.rules.ruleset import RuleSet

gradient = RuleSet("gradient")
