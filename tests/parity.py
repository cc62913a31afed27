"""Where a test that compares a method with an independent implementation writes down how near they came.

Nothing is written unless ONNXPATH_PARITY names a file; docs/make_parity.py makes docs/results/parity.md of it.
"""

import json
import os

PRECISIONS = ("float32", "float64")
"""ONNX Runtime's kernels, and onnx's reference evaluator on the same graph with every float32 a float64."""


def record(method, oracle, network, precision, distance):
    """Append one comparison and return its distance.

    method: with the options that matter, "integrated-gradients, riemann_left"; oracle: whose, and what it is called
    there, "Captum IntegratedGradients"; network: a name that says what it is; precision: one of PRECISIONS; distance:
    relative L2 over all rows.
    """
    assert precision in PRECISIONS, precision
    if path := os.environ.get("ONNXPATH_PARITY"):
        line = {"method": method, "oracle": oracle, "network": network, precision: float(distance)}
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    return distance
