"""A representative third of ONNX's node tests: every operator's first case, and every third of the others."""

import os
import zlib

import pytest

import onnxpath
from tests.conformance import conformance

LEAST_PASSED = 340
NUMBER = int(os.environ.get("ONNXPATH_CONFORMANCE_THIRD", "0"))
"""Which third: 0, 1 or 2."""


def in_third(name):
    return zlib.crc32(name.encode()) % 3 == NUMBER


@pytest.fixture(scope="module")
def cases():
    with conformance.quiet():
        return conformance.load_cases(pick=in_third)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("optimise", [False, True], ids=["plain", "optimised"])
@pytest.mark.xdist_group("conformance")
def test_node_tests(cases, optimise):
    with conformance.quiet():
        rows, totals = conformance.run(onnxpath.gradient_graph, cases=cases, optimise=optimise, out=lambda line: None)
    assert not [f"{row['case']}: {row['why']}" for row in rows if row["status"] == "fail"]
    assert not [row["case"] for row in rows if row["status"] == "unsupported" and not row["why"]]
    assert totals["pass"] >= LEAST_PASSED
