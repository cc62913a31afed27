"""The table of spellings: documented, tested, and known to the loader."""

import importlib
import pkgutil

from docs import make_expansions
from onnxpath.graph import expansions
from onnxpath.graph.expansions import EXPANSIONS, MODULES
from tests.graph import test_expansions_microsoft as microsoft
from tests.graph import test_expansions_ml as ml


def test_the_page_lists_what_there_is():
    assert make_expansions.PAGE.read_text(encoding="utf-8") == make_expansions.page(), "run docs/make_expansions.py"
    assert all(f"| {operator} | " in make_expansions.page() for _, operator in EXPANSIONS)


def test_every_operator_is_tested():
    """ZipMap has a test of its own: ONNX Runtime gives maps for it."""
    tested = {case.operator for case in (*microsoft.CASES, *ml.CASES, *ml.FORWARD_ONLY)} | {"ZipMap"}
    assert {operator for _, operator in EXPANSIONS} <= tested


def test_every_file_is_listed():
    """A file with a spelling that MODULES leaves out would never be read."""
    names = [m.name for m in pkgutil.walk_packages(expansions.__path__, f"{expansions.__name__}.") if not m.ispkg]
    before = dict(EXPANSIONS)
    for name in names:
        importlib.import_module(name)
    assert before == EXPANSIONS
    assert {f"{expansions.__name__}.{name}" for name in MODULES} <= set(names)
