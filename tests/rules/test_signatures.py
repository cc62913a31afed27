"""Rules are written against the ONNX schema: every attribute, with the schema's default, and every input."""

import inspect

import onnx
import pytest

from onnxpath.rules.gradient import gradient

OLDEST_OPSET, NEWEST_OPSET = 21, 26
# A schema's own function body takes whatever the schema has.
WRITTEN = [r for r in gradient.operators().values() if r.function is not None and "**" not in r.attributes()]
IN_OLDEST = [rule for rule in WRITTEN if onnx.defs.has(rule.operator, OLDEST_OPSET)]


def parameters(rule, kind):
    return [p for p in inspect.signature(rule.function).parameters.values() if p.kind in kind]


def default_of(attribute):
    """The default of a schema attribute in Python: None without one, inspect's `empty` where it is required."""
    if attribute.required:
        return inspect.Parameter.empty
    value = onnx.helper.get_attribute_value(attribute.default_value) if attribute.default_value.type else None
    if isinstance(value, list):
        return tuple(item.decode() if isinstance(item, bytes) else item for item in value)
    if isinstance(value, list):
        return tuple(v.decode() if isinstance(v, bytes) else v for v in value)
    return value.decode() if isinstance(value, bytes) else value


@pytest.mark.parametrize("rule", WRITTEN, ids=lambda rule: rule.operator)
def test_attributes_are_those_of_the_schema(rule):
    schema = onnx.defs.get_schema(rule.operator, NEWEST_OPSET)
    written = {p.name: p.default for p in parameters(rule, {inspect.Parameter.KEYWORD_ONLY})}
    expected = {name: default_of(attribute) for name, attribute in schema.attributes.items()}
    assert written.keys() == expected.keys()
    for name, default in expected.items():
        assert written[name] == (pytest.approx(default, rel=1e-6) if isinstance(default, float) else default), name


@pytest.mark.parametrize("rule", WRITTEN, ids=lambda rule: rule.operator)
def test_inputs_are_those_of_the_schema(rule):
    kinds = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}
    written = [p.name.lower() for p in parameters(rule, kinds)]
    expected = [i.name.lower() for i in onnx.defs.get_schema(rule.operator, NEWEST_OPSET).inputs]
    given = ["op"] if rule.expands else ["op", "dy", "y"]
    assert written[: len(given)] == given
    names = written[len(given) :]
    assert names == expected or (names == ["x"] and expected == ["input"])


@pytest.mark.parametrize("rule", IN_OLDEST, ids=lambda rule: rule.operator)
def test_older_schemas_ask_for_no_more(rule):
    """What differs between the working opsets is an attribute or two that came later."""
    old, new = (onnx.defs.get_schema(rule.operator, opset) for opset in (OLDEST_OPSET, NEWEST_OPSET))
    assert [i.name for i in old.inputs] == [i.name for i in new.inputs]
    for name, attribute in old.attributes.items():
        assert default_of(attribute) == default_of(new.attributes[name]), name
