"""The order that units are handed out in: a sparsity is found by one of them, lost ones come again a few times."""

from pathlib import Path

import pytest

from onnxpath.batch.inputs import InputItem
from onnxpath.errors import JobError
from onnxpath.report.job.units import Finished, Unit
from onnxpath.report.workers.plan import Plan


def units(*numbers):
    return [Unit(n, [InputItem(f"{n}{letter}", Path("x")) for letter in "ab"]) for n in numbers]


def done(plan, unit, **searched):
    plan.finished(Finished(unit.number, searched=searched))


def test_units_are_handed_out_in_order():
    plan = Plan(units(2, 3, 7), [], {})
    first, second, third = plan.next(), plan.next(), plan.next()
    assert [u.number for u in (first, second, third)] == [2, 3, 7] and plan.next() is None
    for unit in (third, first):
        done(plan, unit)
    assert not plan.over
    done(plan, second)
    assert plan.over


def test_the_first_alone_until_a_sparsity_is_found():
    """A unit of damaged inputs finds none, so that the next one is alone too."""
    plan = Plan(units(0, 1, 2, 3), ["a", "b"], {})
    first = plan.next()
    assert plan.next() is None
    done(plan, first)
    second = plan.next()
    assert second.number == 1 and plan.next() is None
    done(plan, second, a=0.5)
    third = plan.next()
    assert plan.next() is None
    done(plan, third, a=0.5, b=0.25)
    assert plan.next().number == 3 and plan.searched == {"a": 0.5, "b": 0.25}


def test_what_was_found_before_is_not_searched_again():
    plan = Plan(units(4, 5), ["a"], {"a": 0.5})
    assert plan.next() and plan.next()


def test_a_lost_unit_comes_next():
    plan = Plan(units(0, 1, 2), [], {})
    first = plan.next()
    plan.next()
    plan.lost(first, "killed")
    assert plan.left == 2 and plan.next() == first


def test_a_unit_that_is_always_lost_is_left_out_and_named():
    plan = Plan(units(0, 1), [], {})
    for _ in range(3):
        plan.lost(plan.next(), "killed by SIGSEGV")
    second = plan.next()
    assert second.number == 1
    done(plan, second)
    assert plan.over
    with pytest.raises(JobError, match=r"unit 0, inputs '0a' to '0b': 3 times, at last killed by SIGSEGV"):
        plan.check()


def test_no_other_unit_finds_the_sparsity_instead():
    plan = Plan(units(0, 1), ["a"], {})
    plan.lost(plan.next(), "x"), plan.lost(plan.next(), "x")
    with pytest.raises(JobError, match="unit 0, "):
        plan.lost(plan.next(), "x")


def test_a_run_in_which_nothing_works_ends():
    plan, lost = Plan(units(*range(100)), [], {}), 0
    with pytest.raises(JobError, match=r"unit 0, .*\n  unit 1, .*\n  unit 2, "):
        for lost in range(100):  # noqa: B007
            plan.lost(plan.next(), "x")
    assert lost == 8
