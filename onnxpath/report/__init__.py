"""Plain data of a run -> one self-contained HTML page, JSON and PNG."""

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
    "save_arrays",
    "to_json",
    "write_report",
]
