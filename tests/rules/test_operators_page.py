"""docs/operators.md says what the registry says."""

import onnx
import pytest

from docs import make_operators

RELEASE = (1, 23)


def test_every_operator_has_a_kind_and_every_refusal_a_reason():
    kinds = {name: make_operators.kind_of(name) for name in make_operators.operators()}
    assert {kind for kind, _ in kinds.values()} <= make_operators.KINDS.keys()
    assert not [name for name, kind in kinds.items() if kind == ("refused", "there is no rule")]


@pytest.mark.skipif(
    tuple(map(int, onnx.__version__.split(".")[:2])) != RELEASE, reason="the page lists the operators of onnx 1.23"
)
def test_the_page_is_up_to_date():
    found = make_operators.PAGE.read_text(encoding="utf-8")
    assert found == make_operators.page(), "run `python docs/make_operators.py`"
