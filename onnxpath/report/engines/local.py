"""One machine: this process alone."""

from __future__ import annotations

from onnxpath.report.configuration import available_cores
from onnxpath.report.engine import ENGINES, Run
from onnxpath.report.units import explain_units


@ENGINES.register("local")
class Local:
    """This process explains all units, one after the other."""

    def __init__(self, workers: int | None, threads: int | None, address: str | None) -> None:
        self._threads = threads

    def threads(self, provider: str) -> int:
        """Return those that were asked for, else one for each core."""
        return self._threads or available_cores()

    def explain(self, run: Run) -> None:
        """Explain the units; results are written beside the next ones' computation."""
        explain_units(run.job.model, run.task, run.units, run.searched, run.write, run.commit, run.step)
