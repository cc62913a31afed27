"""Where each operator carries the rows of a batch, and which of them mix rows: a table over operators."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

from onnxpath.graph.ir import Constant, Node, Tensor, static_shape

Axis: TypeAlias = int | None
"""The axis that counts rows, None for a tensor that does not depend on the rows' values or number of rows."""

Carry: TypeAlias = Callable[[Node, list[Axis]], list[Axis]]


class MixedRows(Exception):
    """A node lets one row's result depend on other rows, or where the rows go is not known; the text says which."""


def _mixed(node: Node, why: str) -> MixedRows:
    return MixedRows(f"{node.op} {why} (node '{node.name}')")


def _rank(tensor: Tensor, node: Node) -> int:
    if tensor.shape is None:
        raise _mixed(node, f"works on '{tensor.name}', whose rank is unknown")
    return len(tensor.shape)


def _axis(node: Node, default: int, tensor: Tensor) -> int:
    return int(node.attrs.get("axis", default)) % max(1, _rank(tensor, node))


def _constants(tensor: Tensor, node: Node) -> list[int]:
    if not isinstance(tensor, Constant):
        raise _mixed(node, f"takes '{tensor.name}' at run time, so what it does to the rows is not known")
    return [int(v) for v in tensor.values.reshape(-1)]


def _broadcast(node: Node, given: list[Axis]) -> list[Axis]:
    """Elementwise: rows sit at the same place counted from the end, and no constant distinguishes them."""
    out = _rank(node.outputs[0], node)
    places = {_rank(t, node) - a for t, a in zip(node.inputs, given, strict=True) if a is not None}
    if len(places) > 1:
        raise _mixed(node, "meets rows on different axes")
    place = places.pop()
    for tensor, axis in zip(node.inputs, given, strict=True):
        if axis is None and tensor.name and _rank(tensor, node) >= place and tensor.shape[-place] != 1:
            raise _mixed(node, f"meets '{tensor.name}', which holds a value for each row")
    return [out - place] * len(node.outputs)


def _same(node: Node, given: list[Axis]) -> list[Axis]:
    return [given[0]] * len(node.outputs)


def _first_only(node: Node, given: list[Axis]) -> list[Axis]:
    """Windowed layers: rows are their batch, which they never mix."""
    if given[0] != 0 or any(a is not None for a in given[1:]):
        raise _mixed(node, "works across rows")
    return [0] * len(node.outputs)


def _along(default: int, onwards: bool = False) -> Carry:
    """Works along one axis (or from it onwards): mixes rows where they are on it."""

    def carry(node: Node, given: list[Axis]) -> list[Axis]:
        axis = _axis(node, default, node.inputs[0])
        row = given[0]
        if row is None or row == axis or (onwards and row >= axis) or any(a is not None for a in given[1:]):
            raise _mixed(node, "works along the rows")
        return [row] * len(node.outputs)

    return carry


def _cumulative(node: Node, given: list[Axis]) -> list[Axis]:
    (axis,) = _constants(node.inputs[1], node)
    if given[0] in (None, axis % _rank(node.inputs[0], node)):
        raise _mixed(node, "adds up along the rows")
    return [given[0]]


def _reduce(node: Node, given: list[Axis]) -> list[Axis]:
    rank, row = _rank(node.inputs[0], node), given[0]
    if node.op in ("ArgMax", "ArgMin"):
        axes = [node.attrs.get("axis", 0)]
    else:
        axes = _constants(node.inputs[1], node) if len(node.inputs) > 1 and node.inputs[1].name else []
    if not axes and not node.attrs.get("noop_with_empty_axes"):
        axes = list(range(rank))
    axes = [a % rank for a in axes]
    if row is None or row in axes:
        raise _mixed(node, "reduces over the rows")
    return [row if node.attrs.get("keepdims", 1) else row - sum(a < row for a in axes)]


def _transpose(node: Node, given: list[Axis]) -> list[Axis]:
    rank = _rank(node.inputs[0], node)
    perm = node.attrs.get("perm") or list(range(rank))[::-1]
    return [None if given[0] is None else perm.index(given[0])]


def _reshape(node: Node, given: list[Axis]) -> list[Axis]:
    """Rows stay rows where as many elements lie before them as before, and as many rows are counted."""
    source, target, row = node.inputs[0], node.outputs[0], given[0]
    if row is None or source.shape is None or target.shape is None:
        raise _mixed(node, "reshapes what it depends on rows for, or shapes that are not known")
    before = _count(source.shape[:row])
    places = [
        axis
        for axis, size in enumerate(target.shape)
        if size is not None and size == source.shape[row] and _count(target.shape[:axis]) == before
    ]
    if not places:
        raise _mixed(node, f"joins or splits the rows ({source.shape} to {target.shape})")
    return [row if row in places else places[0]]


def _count(sizes: Sequence[int | str | None]) -> tuple[int, tuple[str, ...]] | None:
    if any(s is None for s in sizes):
        return None
    return math.prod(s for s in sizes if isinstance(s, int)), tuple(sorted(s for s in sizes if isinstance(s, str)))


def _squeeze(node: Node, given: list[Axis]) -> list[Axis]:
    rank, row = _rank(node.inputs[0], node), given[0]
    if len(node.inputs) < 2:
        raise _mixed(node, "drops every axis of size 1, the rows of a single one too")
    axes = [a % rank for a in _constants(node.inputs[1], node)]
    if row is None or row in axes:
        raise _mixed(node, "drops the rows' axis")
    return [row - sum(a < row for a in axes)]


def _unsqueeze(node: Node, given: list[Axis]) -> list[Axis]:
    rank = _rank(node.outputs[0], node)
    new = {a % rank for a in _constants(node.inputs[1], node)}
    old = [axis for axis in range(rank) if axis not in new]
    return [None if given[0] is None else old[given[0]]]


def _concat(node: Node, given: list[Axis]) -> list[Axis]:
    rows = {a for a in given if a is not None}
    axis = _axis(node, 0, node.outputs[0])
    if len(rows) != 1 or axis in rows:
        raise _mixed(node, "joins along the rows")
    row = rows.pop()
    if any(isinstance(t, Constant) and t.shape[row] != 1 for t in node.inputs):
        raise _mixed(node, "joins a constant that holds a value for each row")
    return [row]


def _gather(node: Node, given: list[Axis]) -> list[Axis]:
    data, indices = node.inputs[:2]
    axis = _axis(node, 0, data)
    if given[0] is None:
        return [axis + given[1] if given[1] is not None else None]
    if given[1] is not None or given[0] == axis:
        raise _mixed(node, "picks rows")
    return [given[0] if given[0] < axis else given[0] + _rank(indices, node) - 1]


def _slice(node: Node, given: list[Axis]) -> list[Axis]:
    rank = _rank(node.inputs[0], node)
    starts = node.inputs[1]
    axes = _constants(node.inputs[3], node) if len(node.inputs) > 3 and node.inputs[3].name else None
    if axes is None:
        axes = list(range(len(_constants(starts, node))))
    if given[0] in [a % rank for a in axes] and list(node.inputs[0].shape) != list(node.outputs[0].shape):
        raise _mixed(node, "cuts the rows")
    return [given[0]]


def _pad(node: Node, given: list[Axis]) -> list[Axis]:
    rank, pads = _rank(node.inputs[0], node), _constants(node.inputs[1], node)
    axes = _constants(node.inputs[3], node) if len(node.inputs) > 3 and node.inputs[3].name else list(range(rank))
    row = given[0]
    amounts = [(pads[i], pads[i + len(axes)]) for i, a in enumerate(axes) if a % rank == row]
    if any(any(pair) for pair in amounts):
        raise _mixed(node, "pads the rows")
    return [row]


def _matmul(node: Node, given: list[Axis]) -> list[Axis]:
    a, b = (_rank(t, node) for t in node.inputs)
    # A vector is a row on the left and a column on the right; its other axis is not in the output.
    out = _rank(node.outputs[0], node) + (a == 1) + (b == 1)
    left = None if given[0] is None else given[0] - a
    right = None if given[1] is None else given[1] - b - (b == 1)
    if left == -1 or right == -2:
        raise _mixed(node, "sums over the rows")
    places = {p for p in (left, right) if p is not None}
    if len(places) != 1 or (left == -2 and right is not None) or (right == -1 and left is not None):
        raise _mixed(node, "pairs every row with every other")
    row = out + places.pop()
    return [row - (a == 1 and row > out - 2)]


def _gemm(node: Node, given: list[Axis]) -> list[Axis]:
    row = 1 if node.attrs.get("transA") else 0
    if given[0] != row or given[1] is not None or (len(given) > 2 and given[2] not in (None, 0)):
        raise _mixed(node, "sums over the rows")
    bias = static_shape(node.inputs[2]) if len(node.inputs) > 2 and given[2:] == [None] else None
    if bias is not None and len(bias) == 2 and bias[0] != 1:
        raise _mixed(node, "adds a constant that holds a value for each row")
    return [0]


def _expand(node: Node, given: list[Axis]) -> list[Axis]:
    if given[0] is None:
        raise _mixed(node, "takes its shape from the rows' values")
    return [_rank(node.outputs[0], node) - _rank(node.inputs[0], node) + given[0]]


def _tile(node: Node, given: list[Axis]) -> list[Axis]:
    repeats = _constants(node.inputs[1], node)
    if given[0] is None or repeats[given[0]] != 1:
        raise _mixed(node, "repeats the rows")
    return [given[0]]


def _shape(node: Node, given: list[Axis]) -> list[Axis]:
    """How many rows there are is no row's business."""
    return [None]


def _batch_normalization(node: Node, given: list[Axis]) -> list[Axis]:
    if node.attrs.get("training_mode"):
        raise _mixed(node, "in training mode normalises over the rows")
    return _first_only(node, given)


def _recurrent(node: Node, given: list[Axis]) -> list[Axis]:
    places = [1, None, None, None, 0, 1, 1]
    if any(a is not None and a != p for a, p in zip(given, places, strict=False)):
        raise _mixed(node, "has its rows on another axis than its batch")
    return [2, 1, 1]


def _quantise(node: Node, given: list[Axis]) -> list[Axis]:
    row, scale = given[0], node.inputs[1]
    one = _rank(scale, node) == 0 or list(scale.shape) == [1]
    if not one and (node.attrs.get("block_size") or row == _axis(node, 1, node.inputs[0])):
        raise _mixed(node, "has a scale for each row")
    return [row]


def _einsum(node: Node, given: list[Axis]) -> list[Axis]:
    equation = node.attrs["equation"].replace(" ", "")
    if "." in equation or "->" not in equation:
        raise _mixed(node, f"with '{equation}' is not followed")
    terms, out = equation.split("->")
    letters = {term[a] for term, a in zip(terms.split(","), given, strict=True) if a is not None}
    if len(letters) != 1 or not letters <= set(out):
        raise _mixed(node, "sums over the rows")
    letter = letters.pop()
    if any(term.count(letter) > 1 for term in terms.split(",")):
        raise _mixed(node, "takes a diagonal over the rows")
    if any(letter in term for term, a in zip(terms.split(","), given, strict=True) if a is None):
        raise _mixed(node, "meets a constant that holds a value for each row")
    return [out.index(letter)]


def _table(*pairs: tuple[str, Carry]) -> dict[str, Carry]:
    return {operator: carry for operators, carry in pairs for operator in operators.split()}


CARRIES: dict[str, Carry] = _table(
    (
        "Add Sub Mul Div Pow Mod Max Min Sum Mean Where And Or Xor Equal Less LessOrEqual Greater GreaterOrEqual PRelu "
        "BitwiseAnd BitwiseOr BitwiseXor BitShift",
        _broadcast,
    ),
    (
        "Abs Acos Acosh Asin Asinh Atan Atanh Cos Cosh Erf Exp Log Neg Reciprocal Sigmoid Sin Sinh Sqrt Tan Tanh Ceil "
        "Floor Round Sign Not IsNaN IsInf BitwiseNot Identity Cast CastLike Dropout Relu LeakyRelu ThresholdedRelu Elu "
        "Selu Celu Gelu HardSigmoid HardSwish Mish Softplus Softsign Swish Shrink Clip",
        _same,
    ),
    ("QuantizeLinear DequantizeLinear", _quantise),
    (
        "Conv ConvTranspose MaxPool AveragePool LpPool GlobalAveragePool GlobalMaxPool GlobalLpPool LRN "
        "InstanceNormalization GroupNormalization DepthToSpace SpaceToDepth Resize Upsample Col2Im",
        _first_only,
    ),
    ("Softmax LogSoftmax Hardmax LpNormalization", _along(-1)),
    ("LayerNormalization RMSNormalization", _along(-1, onwards=True)),
    ("Split", _along(0)),
    ("TopK", _along(-1)),
    ("CumSum CumProd", _cumulative),
    (
        "ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceSumSquare ReduceLogSum "
        "ReduceLogSumExp ArgMax ArgMin",
        _reduce,
    ),
    ("Reshape Flatten", _reshape),
    ("Transpose", _transpose),
    ("Squeeze", _squeeze),
    ("Unsqueeze", _unsqueeze),
    ("Concat", _concat),
    ("Gather", _gather),
    ("Slice", _slice),
    ("Pad", _pad),
    ("Expand", _expand),
    ("Tile", _tile),
    ("Shape Size", _shape),
    ("MatMul", _matmul),
    ("Gemm", _gemm),
    ("Einsum", _einsum),
    ("BatchNormalization", _batch_normalization),
    ("LSTM GRU RNN", _recurrent),
)

CARRIES_OF: dict[str, dict[str, Carry]] = {
    "ai.onnx": CARRIES,
    "ai.onnx.ml": _table(
        ("TreeEnsemble TreeEnsembleClassifier TreeEnsembleRegressor", _first_only),
        ("LabelEncoder", _same),
    ),
}
"""The table of each domain."""
