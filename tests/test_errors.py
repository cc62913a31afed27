"""Problems that are found together are told together."""

import pickle

import pytest

from onnxpath.errors import InputError, OnnxPathError, Several, UnknownName, all_of


def failing(error):
    def check():
        raise error

    return check


def test_results_in_order_and_a_single_problem_as_it_is():
    assert all_of(lambda: 1, lambda: 2) == [1, 2]
    with pytest.raises(UnknownName, match=r"^one$"):
        all_of(lambda: 1, failing(UnknownName("one")))
    with pytest.raises(ZeroDivisionError):
        all_of(failing(ZeroDivisionError()), failing(InputError("one")))


def test_every_problem_once_wherever_it_was_found():
    one, same, other = InputError("one"), InputError("one"), UnknownName("other\nknown: a")
    with pytest.raises(InputError, match=r"^one$"):
        all_of(failing(one), failing(same))
    with pytest.raises(Several) as caught:
        all_of(
            lambda: all_of(failing(one), failing(other)), failing(same), lambda: all_of(failing(other), failing(one))
        )
    assert str(caught.value) == "one\nother\nknown: a" and caught.value.problems == [one, other]
    assert isinstance(caught.value, OnnxPathError)


def test_problems_go_from_one_process_to_another():
    sent = pickle.loads(pickle.dumps(Several([InputError("one"), UnknownName("other")])))
    assert str(sent) == "one\nother" and [type(p) for p in sent.problems] == [InputError, UnknownName]
