"""What changes are made of: odd numbers and names, and parts of a model drawn at random."""

import math

from onnxpath.graph.scope import every_graph, every_node

HUGE = (2**63 - 1, 2**40, 2**31, 10**6, 65537, 1000)
INTS = (0, -1, 1, 2, 3, 7, -(2**63), *HUGE)
FLOATS = (math.nan, math.inf, -math.inf, 0.0, -1.0, 1e38, 1e-45)
NAMES = (
    "",
    "../../escape",
    "/absolute",
    "a/b\\c",
    "<fuzz>",
    "x\x00y",
    "\u202e",
    "con",
    "." * 300,
    "n" * 5000,
    "\n\r\t",
)
OPERATORS = (
    *("Relu", "Conv", "Gemm", "MatMul", "Reshape", "Concat", "Softmax", "Gather", "Slice", "Pad", "Resize", "Loop"),
    *("If", "Scan", "Expand", "Tile", "MaxPool", "LSTM", "Einsum", "TopK", "NonZero", "ConstantOfShape", "Range"),
    *("QuantizeLinear", "ScatterND", "OneHot", "Split", "Cast", "Transpose", "BatchNormalization", "NoSuchOperator"),
)


def pick(rng, values):
    return values[int(rng.integers(len(values)))]


def some_node(rng, model):
    return pick(rng, list(model.graph.node) if rng.random() < 0.7 else list(every_node(model.graph)))


def all_tensors(model):
    named = [*model.graph.initializer, *model.graph.input]
    made = [name for scope in every_graph(model.graph) for node in scope.node for name in node.output]
    return [*(value.name for value in named), *made, "nobody_makes_this"]


def some_name(rng, model):
    return str(rng.choice(NAMES if rng.random() < 0.5 else all_tensors(model)))
