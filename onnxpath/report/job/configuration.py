"""What the results of a run depend on, as plain data: kept with them, so that a run goes on only as it began."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from onnxpath.batch.inputs import InputItem
from onnxpath.errors import InputError
from onnxpath.report.build import versions
from onnxpath.report.job.prepare import Job
from onnxpath.report.job.units import Task
from onnxpath.report.plain import as_plain
from onnxpath.runtime.model import Model

MOST_TOGETHER = 64
"""Inputs of a unit, where memory holds as many."""


FILES = ("composite", "tokenizer")
"""Settings that may name a file."""


def configuration(job: Job, task: Task, seed: int) -> Any:
    """Return the resolved configuration of a run; files that are named in it stand there with a hash."""
    model = job.model
    return {
        "model": {"file": model.path.name if model.path else None, "sha256": model_hash(model)},
        "inputs": {"count": len(job.items), "sha256": inputs_hash(job.items)},
        "preprocess": _plain(job.preprocess.as_dict()),
        "classes": {"count": len(job.classes), "sha256": _hash(json.dumps(job.classes).encode())},
        "methods": _plain(job.options),
        "target": task.target,
        "output": task.output,
        "wrt": model.wrt,
        "rules": model.rules.name,
        "seed": seed,
        "provider": model.provider,
        **({} if model.precision == "float32" else {"precision": model.precision}),
        "threads": model.threads,
        "unit": task.size,
        "versions": versions(),
    }


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def unit_size(model: Model) -> int:
    """Return how many inputs are finished together: whole runs of the model, MOST_TOGETHER where memory holds them.

    Depends on the model alone, with open sizes counted as 1, so that it is the same whenever the run goes on.
    """
    feeds = {
        info.name: np.zeros([d if isinstance(d, int) and i else 1 for i, d in enumerate(info.shape)])
        for info in model.inputs
    }
    rows = model.rows_per_run(feeds)
    return rows * max(1, MOST_TOGETHER // rows) if rows < MOST_TOGETHER else MOST_TOGETHER


def check_sizes(**sizes: int | None) -> None:
    """Raise InputError for sizes that are no positive whole numbers."""
    for name, value in sizes.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise InputError(f"{name} must be a positive whole number, not {value!r}")


def inputs_hash(items: Sequence[InputItem]) -> str:
    """Return a hash of which inputs there are, and of sizes and times of change of their files."""
    seen, stamps = hashlib.sha256(), dict[Path, tuple[int, int]]()
    for item in items:
        if item.path not in stamps:
            stamps[item.path] = _stamp(item.path)
        seen.update(
            json.dumps([item.name, item.row, item.folder, item.label, item.target, *stamps[item.path]]).encode()
        )
    return seen.hexdigest()


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return -1, -1
    return found.st_size, found.st_mtime_ns


def model_hash(model: Model, in_memory: bool = False) -> str:
    """Return the hash of a model's file; of its graph where it came from none, or in_memory asks for that."""
    if model.sha256 and not in_memory:
        return model.sha256
    return _hash(model.graph.to_model().SerializeToString(deterministic=True))


def named_files(task: Task) -> list[str]:
    """Return the files that the settings of a run name."""
    tables = [task.preprocess.as_dict(), *task.methods.values()]
    named = [table[key] for table in tables for key in FILES if isinstance(table.get(key), str | Path)]
    return [str(path) for path in named if Path(path).is_file()]


def _plain(value: Any) -> Any:
    """Return options as plain data: arrays and files as hashes of what they hold."""
    if isinstance(value, Mapping):
        return {str(key): _file(inner) if key in FILES else _plain(inner) for key, inner in value.items()}
    if isinstance(value, np.ndarray):
        return {"dtype": str(value.dtype), "shape": list(value.shape), "sha256": _hash(value.tobytes())}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return as_plain(value)


def _file(value: Any) -> Any:
    if isinstance(value, str | Path) and Path(value).is_file():
        return {"file": Path(value).name, "sha256": _hash(Path(value).read_bytes())}
    return as_plain(value)


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
