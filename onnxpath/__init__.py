"""onnxpath: explain ONNX models with ONNX models.

Public names are imported when first used, so that `import onnxpath` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "gradient_graph": "onnxpath.backward.gradient_graph",
    "load": "onnxpath.runtime.model",
    "Model": "onnxpath.runtime.model",
    "expose": "onnxpath.graph.surgery",
    "insert_masks": "onnxpath.graph.surgery",
    "critical_pathway": "onnxpath.pathway.critical",
    "Pathway": "onnxpath.pathway.pathway",
    "linear_radius": "onnxpath.pathway.analyses.radius",
    "LinearRadius": "onnxpath.pathway.analyses.radius",
    "decode": "onnxpath.pathway.analyses.decode",
    "fingerprints": "onnxpath.pathway.analyses.fingerprints",
    "attack": "onnxpath.pathway.analyses.adversarial",
    "attribute": "onnxpath.attribution.attribute",
    "compare": "onnxpath.batch.compare",
    "Attribution": "onnxpath.attribution.attribution",
    "predictor": "onnxpath.attribution.predictor",
    "evaluate": "onnxpath.evaluation.evaluate",
    "Evaluation": "onnxpath.evaluation.result",
    "compile": "onnxpath.explainer.compile",
    "report": "onnxpath.report",
    "OnnxPathError": "onnxpath.errors",
    "ModelError": "onnxpath.errors",
    "UnsupportedOperator": "onnxpath.errors",
    "ShapeError": "onnxpath.errors",
    "InputError": "onnxpath.errors",
    "ProviderError": "onnxpath.errors",
    "UnknownName": "onnxpath.errors",
    "JobError": "onnxpath.errors",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'onnxpath' has no attribute '{name}'")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
