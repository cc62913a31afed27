"""Execution providers: what was asked for, what is there."""

from __future__ import annotations

import ctypes
import logging
from functools import cache
from typing import TypeAlias

import onnxruntime as ort

from onnxpath.errors import ProviderError, unknown

log = logging.getLogger("onnxpath")

NAMES = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
DRIVERS = ("libcuda.so.1", "nvcuda.dll")
PRECISIONS = ("float32", "tf32")
Offer: TypeAlias = "str | tuple[str, dict[str, str]]"


def resolve(providers: str) -> str:
    """Return "cuda" or "cpu" for "auto", "cpu" or "cuda"; ProviderError where "cuda" is not to be had."""
    if providers not in ("auto", *NAMES):
        raise unknown("provider", [providers], ["auto", *NAMES])
    if providers == "cpu":
        return "cpu"
    reason = why_no_cuda()
    if reason is None:
        _say("running on CUDA")
        return "cuda"
    if providers == "cuda":
        raise ProviderError(
            f"CUDA was asked for and is not to be had: {reason}; "
            "use providers='auto' or 'cpu', or install onnxpath[cuda] on a machine with an NVIDIA GPU"
        )
    return "cpu"


def precision_on(provider: str, precision: str) -> str:
    """Return the precision that float32 programs have on a provider: "tf32" only on CUDA, and only where asked for.

    Raises UnknownName.
    """
    if precision not in PRECISIONS:
        raise unknown("precision", [precision], PRECISIONS)
    return precision if provider == "cuda" else "float32"


def offers(provider: str, precision: str = "float32") -> list[Offer]:
    """Return what a session is to run on, first choice first, in ONNX Runtime's form.

    provider: "cpu" | "cuda"; precision: "float32" | "tf32", of float32 products on CUDA.
    """
    if provider == "cpu":
        return [NAMES["cpu"]]
    # ONNX Runtime's own default is TF32, which keeps 10 bits of each factor.
    return [(NAMES["cuda"], {"use_tf32": "1" if precision == "tf32" else "0"}), NAMES["cpu"]]


@cache
def why_no_cuda() -> str | None:
    """Return None where ONNX Runtime can run on CUDA here, else the reason why not."""
    if NAMES["cuda"] not in ort.get_available_providers():
        return "this build of ONNX Runtime has no CUDA provider"
    if not any(_loads(driver) for driver in DRIVERS):
        return "there is no NVIDIA driver on this machine"
    if hasattr(ort, "preload_dlls"):
        ort.preload_dlls()
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(_PROBE, options, providers=[NAMES["cuda"], NAMES["cpu"]])
    if NAMES["cuda"] not in session.get_providers():
        return "ONNX Runtime's CUDA provider does not load (CUDA or cuDNN libraries are missing)"
    return None


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


@cache
def _say(text: str) -> None:
    log.info(text)


def _probe() -> bytes:
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "probe", [value], [out])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()  # type: ignore[no-any-return]


_PROBE = _probe()
