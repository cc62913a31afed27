"""Plain data read back: what a dataclass wrote comes back as it was, and what it never wrote is told by its key."""

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onnxpath.report.data import Item
from onnxpath.typed import parse, read_as


@dataclass
class Leaf:
    size: int
    share: float | None
    good: bool = True


@dataclass
class Tree:
    name: str
    leaves: list[Leaf]
    best: Leaf | None = None
    shape: tuple[int | str | None, ...] = ()
    notes: dict[str, float] = field(default_factory=dict)
    anything: Any = None
    hidden: object = field(default=None, metadata={"json": False})


numbers = st.floats(allow_nan=False, allow_infinity=False)
leaves = st.builds(Leaf, st.integers(-(2**62), 2**62), st.none() | numbers, st.booleans())
trees = st.builds(
    Tree,
    name=st.text(),
    leaves=st.lists(leaves, max_size=3),
    best=st.none() | leaves,
    shape=st.lists(st.integers(0, 9) | st.text() | st.none(), max_size=3).map(tuple),
    notes=st.dictionaries(st.text(), numbers, max_size=3),
    hidden=st.none(),
)
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@patient
@given(trees)
def test_what_was_written_comes_back(tree):
    assert read_as(Tree, parse(json.dumps(asdict(tree)))) == tree


@patient
@given(trees, st.sampled_from([f.name for f in fields(Tree)]), anything)
def test_any_other_value_is_refused_or_fits(tree, key, value):
    plain = asdict(tree) | {key: value}
    try:
        read = read_as(Tree, plain)
    except ValueError as error:
        assert f"'{key}" in str(error)
    else:
        again = asdict(read)
        assert repr(again[key]) == repr(None if key == "hidden" else tuple(value) if key == "shape" else value) or (
            key in ("leaves", "best")
        )


@patient
@given(anything)
def test_no_value_is_more_than_refused(value):
    for kind in (Tree, Item, list[Leaf], int | None):
        try:
            read_as(kind, value)
        except ValueError as error:
            assert str(error)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": 3}, "'name' is 3, not text"),
        ({"leaves": [{"size": 1}]}, "'leaves.0' has no 'share'"),
        ({"leaves": [{"size": True, "share": 1.0}]}, "'leaves.0.size' is True, not a whole number"),
        ({"leaves": {}}, "'leaves' is {}, not a list"),
        ({"best": {"size": 1, "share": "x" * 99}}, "'best.share' is '" + "x" * 39 + "..., not a number"),
        ({"best": 4}, "'best' is 4, not a table"),
        ({"best": {"size": 2**63, "share": 1}}, "'best.size' is a number of more than 18 digits, not a whole number"),
        ({"notes": {"a": 1e999}}, "'notes.a' is inf, not a number"),
        ({"notes": [1]}, "'notes' is [1], not a table"),
    ],
)
def test_what_is_wrong_is_named(changed, said):
    with pytest.raises(ValueError) as told:
        read_as(Tree, {"name": "t", "leaves": []} | changed)
    assert str(told.value) == said


def test_fields_that_are_missing_or_unknown():
    assert read_as(Tree, {"name": "t", "leaves": [], "since": 2030, "hidden": "x"}) == Tree("t", [])
    with pytest.raises(ValueError, match="it has no 'leaves'"):
        read_as(Tree, {"name": "t"})


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "[" * 100_000, "{'a': 1}", b"\xff", ""])
def test_what_is_no_json(text):
    with pytest.raises(ValueError):
        parse(text)
