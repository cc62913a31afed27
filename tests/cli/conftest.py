"""Fixtures of tests of the program."""

import pytest

from onnxpath.runtime.session import Session


@pytest.fixture
def no_work(monkeypatch):
    """Fail the test where a model is run."""

    def work(*arguments, **named):
        raise AssertionError("a model was run though the command cannot be carried out")

    monkeypatch.setattr(Session, "run", work)
    monkeypatch.setattr(Session, "run_on_device", work)
