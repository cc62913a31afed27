"""Work ahead in threads: in order, within its budget, and over when nobody wants it any more."""

import threading
import time

import numpy as np
import pytest

from onnxpath.batch import ahead
from onnxpath.batch.ahead import in_order
from onnxpath.batch.explain import in_batches
from onnxpath.batch.inputs import find_inputs
from onnxpath.batch.preprocess import Preprocess
from onnxpath.runtime.model import load
from tests.models import mlp


def late_first(value):
    """The first of them takes longest."""
    time.sleep(0.05 if value == 0 else 0)
    return value * value


@pytest.mark.parametrize("count", [0, 1, 3, 50])
def test_results_come_in_order(count):
    assert list(in_order(late_first, range(count), 4, lambda result: 1)) == [n * n for n in range(count)]


@pytest.mark.parametrize(("weight", "most"), [(0, 128), (1000, 4), (250, 10)])
def test_no_more_wait_than_the_budget_holds(monkeypatch, weight, most):
    monkeypatch.setattr(ahead, "BUDGET", 2500)
    begun = []
    results = in_order(begun.append, range(1000), 4, lambda result: weight)
    for taken in range(1, 200):
        next(results)
        time.sleep(0.0001)
        assert len(begun) <= taken + most
    results.close()
    assert len(begun) < 400


def test_an_error_comes_in_its_turn():
    def work(value):
        return 1 // (3 - value)

    results = in_order(work, range(10), 4, lambda result: 1)
    assert [next(results) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_threads_end_with_the_one_who_takes(monkeypatch):
    before = threading.active_count()
    results = in_order(late_first, range(1000), 4, lambda result: 1)
    next(results)
    results.close()
    assert threading.active_count() == before


def test_batches_begin_anew_with_every_unit(tmp_path):
    """Whatever came before: a run that goes on at a unit runs the same batches."""
    np.save(tmp_path / "x.npy", np.ones((23, 6), np.float32))
    model = load(mlp())
    items = find_inputs([tmp_path / "x.npy"], 2)

    def sizes(items):
        return list(in_batches(model, items, Preprocess(), lambda batch: [len(batch)] * len(batch), unit=8))

    assert sizes(items) == [8] * 16 + [7] * 7
    assert sizes(items[8:]) == sizes(items)[8:]
