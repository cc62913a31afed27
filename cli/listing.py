"""`onnxpath list`: what there is to choose from."""

from __future__ import annotations

from typing import Annotated, Any

from typer import Argument

from onnxpath_cli.options import Json
from onnxpath_cli.output import print_json, say


def listing(
    kind: Annotated[
        str,
        Argument(
            metavar="KIND", help="methods, selectors, analyses, metrics, rules, sections, engines.", show_default=False
        ),
    ],
    json: Json = False,
) -> None:
    """List attribution methods, selectors, analyses of pathways, metrics, rule sets, report sections or engines.

    \b
    Example:
      onnxpath list methods
    """
    from onnxpath.errors import unknown

    if kind not in KINDS:
        raise unknown("kind of list", [kind], KINDS)
    entries = KINDS[kind]()
    if json:
        print_json(entries)
        return
    width = max(len(entry["name"]) for entry in entries)
    for entry in entries:
        say(f"{entry['name']:<{width}}  {entry['about']}")
        if options := entry.get("options"):
            say(f"{'':<{width}}  options: " + ", ".join(f"{k}={v!r}" for k, v in options.items()))


def _methods() -> list[dict[str, Any]]:
    from onnxpath.attribution.methods import METHODS

    return [
        {
            "name": method.name,
            "about": method.about,
            "options": method.defaults,
            "exportable": method.exportable,
        }
        for method in map(METHODS.get, METHODS.names())
    ]


def _selectors() -> list[dict[str, Any]]:
    from onnxpath.pathway.selectors import SELECTORS
    from onnxpath.pathway.selectors.registry import options_of

    return [
        {"name": name, "about": _about(SELECTORS.get(name)), "options": options_of(name).defaults}
        for name in SELECTORS.names()
    ]


def _analyses() -> list[dict[str, Any]]:
    from onnxpath.pathway.analyses.named import ANALYSES

    return [{"name": name, "about": _about(ANALYSES.get(name))} for name in ANALYSES.names()]


def _metrics() -> list[dict[str, Any]]:
    from onnxpath.evaluation.metrics import METRICS

    return [
        {"name": metric.name, "about": metric.about, "options": metric.defaults, "better": metric.better}
        for metric in map(METRICS.get, METRICS.names())
    ]


def _rules() -> list[dict[str, Any]]:
    from onnxpath.rules.relevance import relevance_sets
    from onnxpath.rules.variants import RULE_SETS

    return [
        {
            "name": name,
            "about": f"{len(rules.operators())} operators" + f"; {rules.about}" * bool(rules.about),
            "operators": {operator: rule.kind for operator, rule in sorted(rules.operators().items())},
        }
        for name, rules in {**RULE_SETS, **relevance_sets()}.items()
    ]


def _sections() -> list[dict[str, Any]]:
    from onnxpath.report import SECTIONS

    return [{"name": name, "about": SECTIONS.get(name).title} for name in SECTIONS.names()]


def _engines() -> list[dict[str, Any]]:
    from onnxpath.report.engines import ENGINES

    return [{"name": name, "about": _about(ENGINES.get(name))} for name in ENGINES.names()]


def _about(function: Any) -> str:
    return (function.__doc__ or "").strip().partition("\n")[0]


KINDS = {
    "methods": _methods,
    "selectors": _selectors,
    "analyses": _analyses,
    "metrics": _metrics,
    "rules": _rules,
    "sections": _sections,
    "engines": _engines,
}
