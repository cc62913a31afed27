"""How to read the page: what each quantity means."""

from onnxpath.report.data import Report
from onnxpath.report.encode import COARSE, FINE
from onnxpath.report.pictures import map_levels
from onnxpath.report.section import section
from onnxpath.report.template import render_template


@section("legend", "How to read this page", order=30)
def legend(report: Report) -> str:
    """Definitions of the quantities and of the colours."""
    spreads = report.figures.spreads
    changes = spreads["output"].count > 0 and not spreads["kept"].count
    return render_template("legend.html", levels=map_levels(report), fine=FINE, coarse=COARSE, changes=changes)
