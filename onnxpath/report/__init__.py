"""Plain data of a run -> one self-contained HTML page, JSON and PNG; and the run itself: `onnxpath.report(...)`."""

import sys
from types import ModuleType
from typing import Any

from onnxpath.report.colour import make_map
from onnxpath.report.data import Report
from onnxpath.report.encode import map_png
from onnxpath.report.page import render
from onnxpath.report.plain import to_json
from onnxpath.report.section import SECTIONS
from onnxpath.report.write import check_writable, save_arrays, write_report

__all__ = [
    "SECTIONS",
    "Report",
    "check_writable",
    "make_map",
    "map_png",
    "render",
    "report",
    "save_arrays",
    "to_json",
    "write_report",
]


class _Callable(ModuleType):
    """The name of a package and of its main function are one: `onnxpath.report`."""

    def __call__(self, *given: Any, **options: Any) -> Any:
        """Explain every input into a folder: see `onnxpath.report.job.run.report`."""
        from onnxpath.report.job.run import report

        return report(*given, **options)


report = sys.modules[__name__]
report.__class__ = _Callable
