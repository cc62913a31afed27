"""What a worker in another process needs to explain units as this process would: model, settings, task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from onnxpath.errors import JobError
from onnxpath.graph.load import save_model
from onnxpath.report.build import versions
from onnxpath.report.job.configuration import model_hash
from onnxpath.report.job.engine import Run
from onnxpath.report.job.units import Task
from onnxpath.runtime.model import Model, load

MODEL = "model.onnx"


@dataclass(frozen=True)
class Recipe:
    """task: what is done with each input; settings: of `load`; sha256: of the model; in_memory: whether the run's model
    came from no file; versions: of the run's packages."""

    task: Task
    settings: Mapping[str, Any]
    sha256: str
    in_memory: bool
    versions: Mapping[str, str]

    def model(self, path: Path) -> Model:
        """Load the model from a copy of its file. Raises JobError where results would not be those of the run."""
        if told := [f"{k} {v} in the run, {versions().get(k, 'none')} here" for k, v in self._other_versions()]:
            raise JobError(f"a worker has other packages than the run: {'; '.join(told)}; install the same everywhere")
        model = load(path, **self.settings)
        if model_hash(model, in_memory=self.in_memory) != self.sha256:
            raise JobError(
                "a worker reads another model than the run did: "
                + ("save it to a file, and give that" if self.in_memory else "the file was changed meanwhile")
            )
        return model.derived(spinning=False)  # as the run's own

    def _other_versions(self) -> list[tuple[str, str]]:
        here = versions()
        return [(name, version) for name, version in self.versions.items() if here.get(name) != version]


def recipe_of(run: Run) -> Recipe:
    """Return what workers of a run need beside the model's files."""
    model = run.job.model
    settings = {
        "providers": model.provider,
        "memory": model.memory,
        "rules": model.rules.name,
        "wrt": model.wrt,
        "threads": model.threads,
        "precision": model.precision,
    }
    return Recipe(run.task, settings, model_hash(model), model.path is None, versions())


def model_file(run: Run, scratch: Path) -> Path:
    """Return the file of the run's model, written into a folder where it came from none. Raises JobError."""
    if run.job.model.path is not None:
        return run.job.model.path.resolve()
    path = scratch / MODEL
    if isinstance(run.source, bytes):
        path.write_bytes(run.source)
    else:
        is_proto = isinstance(run.source, onnx.ModelProto)
        save_model(run.source if is_proto else run.job.model.graph.to_model(), path)
    return path
