"""Memory given back to the system, where that can be asked for."""

import ctypes

import pytest

from onnxpath.runtime import heap


@pytest.fixture(autouse=True)
def forgotten():
    heap._malloc_trim.cache_clear()
    yield
    heap._malloc_trim.cache_clear()


def test_asks_the_c_library(monkeypatch):
    asked = []
    library = type("Library", (), {"malloc_trim": staticmethod(asked.append)})
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    heap.give_back()
    heap.give_back()
    assert asked == [0, 0]


@pytest.mark.parametrize("error", [OSError, TypeError, AttributeError])
def test_does_nothing_without_such_a_library(monkeypatch, error):
    def missing(name):
        raise error

    monkeypatch.setattr(ctypes, "CDLL", missing)
    heap.give_back()
    assert heap._malloc_trim() is None


def test_this_machine_can_be_asked():
    heap.give_back()
