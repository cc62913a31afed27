"""Execution providers: asked for, to be had, and what is said about it."""

import logging

import numpy as np
import pytest

import onnxpath
from onnxpath.errors import ProviderError, UnknownName
from onnxpath.runtime import providers
from onnxpath.runtime.placement import placement
from onnxpath.runtime.session import Session
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


def test_float32_is_said_to_cuda_because_its_default_is_tf32():
    assert providers.offers("cpu") == providers.offers("cpu", "tf32") == ["CPUExecutionProvider"]
    assert providers.offers("cuda") == [("CUDAExecutionProvider", {"use_tf32": "0"}), "CPUExecutionProvider"]
    assert providers.offers("cuda", "tf32") == [("CUDAExecutionProvider", {"use_tf32": "1"}), "CPUExecutionProvider"]


@pytest.fixture
def pretended(monkeypatch):
    """CUDA as far as the options: what sessions would be offered is noted, and they run on the CPU."""
    offered = []
    offers = providers.offers

    def note(provider, precision="float32"):
        offered.append(offers(provider, precision)[0])
        return offers("cpu")

    monkeypatch.setattr(providers, "why_no_cuda", lambda: None)
    monkeypatch.setattr("onnxpath.runtime.session.offers", note)
    monkeypatch.setattr(Session, "keep", lambda session, feeds: session.run(feeds))
    return offered


@pytest.mark.parametrize("method", ["gradient", "pathway-gradient", "integrated-gradients"])
@pytest.mark.parametrize(("precision", "flag", "named"), [("float32", "0", {}), ("tf32", "1", {"precision": "tf32"})])
def test_precision_reaches_every_session_and_result(pretended, method, precision, flag, named):
    model = onnxpath.load(mlp(), providers="cuda", precision=precision)
    size = model.inputs[0].shape[1]
    found = onnxpath.attribute(model, np.ones((1, size), np.float32), 0, method)
    assert {k: v for k, v in found.options.items() if k == "precision"} == named
    programs = pretended[1:] if model.graph.notes else pretended
    assert programs and {options["use_tf32"] for _, options in programs} == {flag}


def test_precision_on_the_cpu_is_float32():
    assert onnxpath.load(mlp(), providers="cpu", precision="tf32").named_settings == {}
    with pytest.raises(UnknownName, match=r"no precision named 'tf23'; did you mean 'tf32'\?\nknown: float32, tf32"):
        onnxpath.load(mlp(), providers="cpu", precision="tf23")
