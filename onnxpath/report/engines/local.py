"""One machine: this process alone, or worker processes."""

from __future__ import annotations

import tempfile
from pathlib import Path

from onnxpath.errors import InputError
from onnxpath.report.job.configuration import available_cores
from onnxpath.report.job.engine import ENGINES, Run
from onnxpath.report.job.recipe import model_file, recipe_of
from onnxpath.report.job.units import explain_units
from onnxpath.report.workers.crew import explain_with
from onnxpath.report.workers.messages import Start
from onnxpath.report.workers.processes import Processes, cuda_devices


@ENGINES.register("local")
class Local:
    """This process, or several on this machine: one for each CUDA device where there are more, or as many as asked."""

    def __init__(self, workers: int | None, threads: int | None, address: str | None) -> None:
        if address is not None:
            raise InputError("an address is of a cluster, and engine 'local' uses none; add --engine ray")
        self._workers, self._threads = workers, threads

    def threads(self, provider: str) -> int:
        """Return those that were asked for, else one for each core, shared out among the workers."""
        return self._threads or max(1, available_cores() // self._count(provider))

    def explain(self, run: Run) -> None:
        """Explain all units; results are written beside the next ones' computation."""
        model = run.job.model
        workers = self._count(model.provider)
        if workers == 1 or not run.units:
            explain_units(model, run.task, run.units, run.searched, run.write, run.commit, run.step)
            return
        with tempfile.TemporaryDirectory(prefix="onnxpath-") as scratch:
            first = Start(recipe_of(run), model_file(run, Path(scratch)), run.job.out.resolve())
            devices = cuda_devices() if model.provider == "cuda" else []
            explain_with(Processes(first, devices), run, workers)

    def _count(self, provider: str) -> int:
        return self._workers or (max(1, len(cuda_devices())) if provider == "cuda" else 1)
