"""onnxpath: explain ONNX models with ONNX models.

Public names are imported when first used, so that `import onnxpath` costs nothing; type checkers and editors read them
where they are made.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnxpath.attribution.attribute import attribute as attribute
    from onnxpath.attribution.attribution import Attribution as Attribution
    from onnxpath.attribution.predictor import predictor as predictor
    from onnxpath.backward.gradient_graph import gradient_graph as gradient_graph
    from onnxpath.batch.compare import compare as compare
    from onnxpath.errors import InputError as InputError
    from onnxpath.errors import JobError as JobError
    from onnxpath.errors import ModelError as ModelError
    from onnxpath.errors import OnnxPathError as OnnxPathError
    from onnxpath.errors import ProviderError as ProviderError
    from onnxpath.errors import ShapeError as ShapeError
    from onnxpath.errors import UnknownName as UnknownName
    from onnxpath.errors import UnsupportedOperator as UnsupportedOperator
    from onnxpath.evaluation.evaluate import evaluate as evaluate
    from onnxpath.evaluation.result import Evaluation as Evaluation
    from onnxpath.explainer.compile import compile as compile
    from onnxpath.graph.surgery import expose as expose
    from onnxpath.graph.surgery import insert_masks as insert_masks
    from onnxpath.pathway.analyses.adversarial import attack as attack
    from onnxpath.pathway.analyses.decode import decode as decode
    from onnxpath.pathway.analyses.fingerprints import fingerprints as fingerprints
    from onnxpath.pathway.analyses.radius import LinearRadius as LinearRadius
    from onnxpath.pathway.analyses.radius import linear_radius as linear_radius
    from onnxpath.pathway.critical import critical_pathway as critical_pathway
    from onnxpath.pathway.pathway import Pathway as Pathway
    from onnxpath.report.job.run import report as report
    from onnxpath.runtime.model import Model as Model
    from onnxpath.runtime.model import load as load

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
