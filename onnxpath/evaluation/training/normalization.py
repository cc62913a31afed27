"""BatchNormalization as training needs it: the batch's own statistics, in primitives."""

from __future__ import annotations

from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Node, Tensor, onnx_dtype, rank, replace_uses


def use_batch_statistics(op: Emitter, node: Node) -> tuple[Tensor, Tensor]:
    """Replace a BatchNormalization, in place; return the next running mean and variance, [C] each.

    Mean and variance are those over rows and positions (Ioffe & Szegedy, 2015), the variance with 1/n in the forward
    pass and 1/(n-1) in the running one, as in torch. ONNX's momentum is the share that stays: 1 - torch's.
    ONNX Runtime has no training mode of the operator itself outside its training builds.
    """
    x, scale, shift, mean, variance = node.inputs
    epsilon, stays = node.attrs.get("epsilon", 1e-5), node.attrs.get("momentum", 0.9)
    axes, column = [0, *range(2, rank(x))], [-1, *[1] * (rank(x) - 2)]
    with op.serving(node.name, "train"):
        of_batch = op.ReduceMean(x, axes)
        centred = op.Sub(x, of_batch)
        spread = op.ReduceMean(op.Mul(centred, centred), axes)
        factor = op.Mul(op.Reshape(scale, column), op.Reciprocal(op.Sqrt(op.Add(spread, epsilon))))
        made = op.Add(op.Mul(centred, factor), op.Reshape(shift, column))
        count = op.Cast(op.Div(op.Size(x), op.Size(scale)), to=onnx_dtype(x))
        unbiased = op.Mul(op.Reshape(spread, [-1]), op.Div(count, op.Max(op.Sub(count, 1.0), op.like(1, x))))
        running = tuple(
            op.Add(op.Mul(old, stays), op.Mul(new, 1 - stays))
            for old, new in ((mean, op.Reshape(of_batch, [-1])), (variance, unbiased))
        )
    output = node.outputs[0]
    replace_uses(output, made)
    node.inputs.clear()
    node.outputs.clear()
    made.name, made.shape = output.name, output.shape
    return running[0], running[1]
