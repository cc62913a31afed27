"""Execution providers: asked for, to be had, and what is said about it."""

import logging

import pytest

import onnxpath
from onnxpath.errors import ProviderError, UnknownName
from onnxpath.runtime import providers
from onnxpath.runtime.placement import placement
from tests.models import mlp


@pytest.fixture(params=["no driver", None], ids=["without CUDA", "with CUDA"])
def reason(request, monkeypatch):
    """A machine without CUDA, and one with it."""
    monkeypatch.setattr(providers, "why_no_cuda", lambda: request.param)
    providers._say.cache_clear()
    return request.param


def test_what_auto_takes_and_says(reason, caplog):
    caplog.set_level(logging.DEBUG, "onnxpath")
    for _ in range(2):
        assert providers.resolve("auto") == ("cpu" if reason else "cuda")
    assert [r.getMessage() for r in caplog.records] == ([] if reason else ["running on CUDA"])


def test_cpu_never_asks(monkeypatch):
    monkeypatch.setattr(providers, "why_no_cuda", lambda: pytest.fail("asked"))
    assert providers.resolve("cpu") == "cpu"
    assert onnxpath.load(mlp(), providers="cpu").provider == "cpu"


def test_cuda_is_never_replaced_silently(reason):
    if reason is None:
        assert providers.resolve("cuda") == "cuda"
        return
    with pytest.raises(
        ProviderError, match=r"CUDA was asked for and is not to be had: no driver; use providers='auto'"
    ):
        onnxpath.load(mlp(), providers="cuda")


def test_unknown_providers():
    with pytest.raises(UnknownName, match=r"no provider named 'cuba'; did you mean 'cuda'\?\nknown: auto, cpu, cuda"):
        onnxpath.load(mlp(), providers="cuba")


def test_this_machine_answers_quietly(capfd):
    """Whatever is here: a reason or None, and nothing on the terminal."""
    providers.why_no_cuda.cache_clear()
    found = providers.why_no_cuda()
    assert found is None or (isinstance(found, str) and found)
    assert onnxpath.load(mlp()).provider == ("cuda" if found is None else "cpu")
    assert capfd.readouterr() == ("", "")


def test_placement_on_the_cpu():
    found = placement(onnxpath.load(mlp(), providers="cpu").graph.to_model(), "cpu")
    assert list(found.providers) == ["CPUExecutionProvider"]
    assert len(found.providers["CPUExecutionProvider"]) >= 3
    assert found.fallbacks == [] and found.copies == []
