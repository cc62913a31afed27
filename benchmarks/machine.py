"""What measured numbers depend on beside the code."""

from __future__ import annotations

import os
import platform
from datetime import date
from importlib.metadata import version
from pathlib import Path

import onnxruntime


def machine() -> dict[str, object]:
    """Return date, machine and versions."""
    versions = {name: version(name) for name in ("onnxpath", "onnx", "onnx-graphsurgeon", "numpy")}
    return {
        "date": date.today().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}, {_processor()}",
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "onnxruntime": onnxruntime.__version__,
        **versions,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def heading(about: dict[str, object]) -> str:
    """Return a dict as one line."""
    return ", ".join(f"{key} {value}" for key, value in about.items())
