"""Rectified gradient."""

from __future__ import annotations

from onnxpath.attribution.methods.rectified import say_without_rectifier
from onnxpath.attribution.registry import spelled
from onnxpath.attribution.spelling import Spelling
from onnxpath.errors import ModelError
from onnxpath.graph.ir import Tensor
from onnxpath.graph.row_table import MixedRows
from onnxpath.graph.rows import row_axes
from onnxpath.rules.rectgrad import rectgrad as rectgrad_rules


@spelled("rectgrad", finish=say_without_rectifier)
def rectgrad(spelling: Spelling, *, q: float = 98.0) -> dict[str, Tensor]:
    """Return input · what comes back when each ReLU passes on what contributes most (Kim et al., 2019).

    q: percentile of activation · gradient in each layer of a row, up to which nothing passes; 98 as in the paper.
    Raises InputError, ModelError where rows cannot be told apart.
    """
    try:
        rows = row_axes(spelling.graph)
    except MixedRows as mixed:
        raise ModelError(f"rectgrad ranks each row by itself, and {mixed}; choose another method") from mixed
    grads, wide = spelling.gradients(rectgrad_rules(rows, q)), spelling.wide
    return {name: spelling.op.Mul(wide(spelling.graph.tensor(name)), wide(grad)) for name, grad in grads.items()}
