"""Write docs/operators.md, what the gradient does at every operator of ONNX: `python docs/make_operators.py`."""

from collections import Counter
from pathlib import Path

import onnx

from onnxpath.graph.bodies import has_body
from onnxpath.graph.importer import NEWEST_OPSET
from onnxpath.rules.gradient import gradient

PAGE = Path(__file__).with_name("operators.md")
FLOATS = {"tensor(float)", "tensor(double)", "tensor(float16)", "tensor(bfloat16)"}
CONVERTED = {"Scatter": "ScatterElements", "Upsample": "Resize"}

KINDS = {
    "exact": "a rule of its own",
    "expansion": "exact: written in other operators, whose rules are used",
    "zero": "the gradient is zero by definition: piecewise constant, or a function of the shape alone",
    "straight-through": "zero; an estimate on request (`rules=`), which results name",
    "on load": "replaced by other operators when the model is loaded",
    "no path": "no float goes in, or none comes out: no gradient passes",
    "refused": "an error before anything runs; methods that only run the model still work",
}

HEAD = """# Operators

What the gradient does at every operator of ai.onnx; operators of other domains are in [expansions.md](expansions.md).
Models of opset 7 and newer are read; the gradient graph has opset 21 to {newest}, which ONNX Runtime runs. How the
rules were checked: [results/conformance.md](results/conformance.md). How to add one: [add-a-rule.md](add-a-rule.md).
`docs/make_operators.py` writes this page from the rules.

| kind | operators | meaning |
| --- | --- | --- |
"""


def kind_of(name):
    """The kind of one operator, and a remark."""
    rule, refused = gradient.find(name), gradient.refused()
    if rule is not None and rule.instead:
        return "straight-through", f"with the rule set `{rule.instead}`"
    if rule is not None:
        return ("zero" if rule.function is None else "expansion" if rule.expands else "exact"), ""
    if name in refused:
        return "refused", refused[name]
    if name in CONVERTED:
        return "on load", f"becomes {CONVERTED[name]}"
    schema = onnx.defs.get_schema(name)
    if not onnx.defs.has(name, NEWEST_OPSET) and has_body(schema):
        return "on load", f"of opset {schema.since_version}: by the function body of the standard"
    if not passes_floats(schema):
        return "no path", ""
    return "refused", "there is no rule"


def passes_floats(schema):
    """Whether a float tensor goes in and one comes out."""
    return all(any(FLOATS & set(formal.types) for formal in side) for side in (schema.inputs, schema.outputs))


def operators():
    """Every operator of ai.onnx that the installed onnx package knows."""
    return sorted(s.name for s in onnx.defs.get_all_schemas() if s.domain == "")


def page():
    """The page as it should be."""
    rows = [(name, *kind_of(name)) for name in operators()]
    counts = Counter(kind for _, kind, _ in rows)
    made = HEAD.format(newest=NEWEST_OPSET)
    made += "".join(f"| {kind} | {counts[kind]} | {meaning} |\n" for kind, meaning in KINDS.items())
    made += "\n| operator | kind | remark |\n| --- | --- | --- |\n"
    return made + "".join(f"| {name} | {kind} | {remark} |\n" for name, kind, remark in rows)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
