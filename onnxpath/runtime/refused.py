"""What ONNX Runtime says of a file that nothing else found fault with."""

from __future__ import annotations

from pathlib import Path

import onnxruntime as ort

from onnxpath.runtime.providers import NAMES
from onnxpath.runtime.session import session_options


def why_refused(path: Path) -> str:
    """Return why ONNX Runtime does not load a model, "" where it does or where there is no such file."""
    if not path.is_file():
        return ""
    try:
        ort.InferenceSession(path, session_options("none"), providers=[NAMES["cpu"]])
    except Exception as error:  # its own classes, one per status
        return str(error)
    return ""
