"""The checkers see what they are for: planted errors are found, right gradients by other hands are accepted."""

from contextlib import nullcontext

import onnx
import pytest
from onnx import parser

from tests.cases import CASES
from tests.cases.case import case, given, real
from tests.check import check_derivative, check_provider, check_symbolic

WRONG = (AssertionError, onnx.shape_inference.InferenceError)

RELU = case("Relu", "y = Relu(x)", x=real(3, 4), kinks=(0,))
MUL = case("Mul", "y = Mul(a, b)", a=real(2, 3), b=real(2, 3))
ROW = case("Mul by a row", "y = Mul(a, b)", a=real(2, 3), b=real(1, 3))
SUM = "axes = Constant<value_ints = [0]>() p = Mul(grad_y, a) grad_b = ReduceSum(p, axes)"

D, P = check_derivative, check_provider

PLANTED = [
    # what, case, nodes of the gradient, the checks that must fail
    ("right", RELU, "z = Sub(x, x) c = Greater(x, z) grad_x = Where(c, grad_y, z)", ()),
    ("threshold too high", RELU, "s = Sign(x) c = Greater(x, s) z = Sub(x, x) grad_x = Where(c, grad_y, z)", (D,)),
    ("no mask", RELU, "grad_x = Identity(grad_y)", (D,)),
    ("not a number", RELU, "z = Sub(x, x) grad_x = Div(z, z)", (D, P)),
    ("all zero", RELU, "grad_x = Sub(x, x)", (D,)),
    ("through float16", RELU, "r = Sign(y) m = Mul(r, grad_y) h = Cast<to = 10>(m) grad_x = CastLike(h, x)", (D,)),
    ("overflow in float32", RELU, "r = Sign(y) m = Mul(r, grad_y) b = Constant<value_float = 1e30>() c = CastLike(b, x)"
     " u = Mul(m, c) v = Mul(u, c) w = Div(v, c) grad_x = Div(w, c)", (P,)),
    ("right", MUL, "grad_a = Mul(grad_y, b) grad_b = Mul(grad_y, a)", ()),
    ("a factor left out", MUL, "grad_a = Mul(grad_y, b) grad_b = Identity(grad_y)", (D,)),
    ("sides exchanged", MUL, "grad_a = Mul(grad_y, a) grad_b = Mul(grad_y, b)", (D,)),
    ("wrong sign", MUL, "n = Neg(b) grad_a = Mul(grad_y, n) grad_b = Mul(grad_y, a)", (D,)),
    ("off by a millionth", MUL, "k = Constant<value_float = 1.000001>() c = CastLike(k, b) s = Mul(b, c)"
     " grad_a = Mul(grad_y, s) grad_b = Mul(grad_y, a)", (D,)),
    ("right", ROW, f"grad_a = Mul(grad_y, b) {SUM}", ()),
    ("sum left out", ROW, "grad_a = Mul(grad_y, b) grad_b = Mul(grad_y, a)", (D, P)),
    ("axis dropped", ROW, f"grad_a = Mul(grad_y, b) {SUM.replace('ReduceSum', 'ReduceSum<keepdims = 0>')}", (D, P)),
    ("mean for sum", ROW, f"grad_a = Mul(grad_y, b) {SUM.replace('ReduceSum', 'ReduceMean')}", (D,)),
]  # fmt: skip


def planted(text):
    """A builder that appends these nodes."""

    def build(model, wrt):
        result = onnx.ModelProto()
        result.CopyFrom(model)
        del result.graph.value_info[:]
        result.graph.node.extend(parsed(text))
        cotangents = [output.name for output in model.graph.output]
        values = {value.name: value for value in [*model.graph.input, *model.graph.output]}
        result.graph.input.extend(renamed(values[name], f"grad_{name}") for name in cotangents)
        result.graph.output.extend(renamed(values[name], f"grad_{name}") for name in wrt)
        for number, node in enumerate(result.graph.node):
            node.name = f"node_{number}"
        return result

    return build


def parsed(text):
    return parser.parse_graph(f"g () => () {{ {text} }}").node


def renamed(value, name):
    copy = onnx.ValueInfoProto()
    copy.CopyFrom(value)
    copy.name = name
    return copy


@pytest.mark.parametrize(
    ("row", "text", "must_fail"), [row[1:] for row in PLANTED], ids=[f"{row[1].name}: {row[0]}" for row in PLANTED]
)
@pytest.mark.parametrize("check", [D, P])
def test_planted_gradients(row, text, must_fail, check):
    with pytest.raises(WRONG) if check in must_fail else nullcontext():
        check(row, planted(text))


def test_planted_mistake_with_symbolic_dimensions():
    def build(model, wrt):
        """Right where shapes are known; where they are not, takes it that nothing was broadcast."""
        known = model.graph.input[1].type.tensor_type.shape.dim[0].HasField("dim_value")
        return planted(f"grad_a = Mul(grad_y, b) {SUM if known else 'grad_b = Mul(grad_y, a)'}")(model, wrt)

    check_symbolic(ROW, build, "batch")
    with pytest.raises(AssertionError, match="shape of the gradient by 'b'"):
        check_symbolic(ROW, build, "all")


def swap_outputs(model):
    model.graph.output.insert(0, model.graph.output.pop())


def change_an_output(model):
    model.graph.node[0].op_type = "LeakyRelu"


def share_a_name(model):
    model.graph.node[0].name = model.graph.node[1].name


def leave_the_opset_old(model):
    model.opset_import[0].version = 13


def use_another_domain(model):
    model.opset_import.add(domain="com.microsoft", version=1)


def declare_a_wrong_shape(model):
    model.graph.output[1].type.tensor_type.shape.dim[0].dim_value += 1


@pytest.mark.parametrize(
    "breach",
    [swap_outputs, change_an_output, share_a_name, leave_the_opset_old, use_another_domain, declare_a_wrong_shape],
)
def test_breaches_of_the_contract(breach):
    def build(model, wrt):
        result = planted(PLANTED[0][2])(model, wrt)
        breach(result)
        return result

    with pytest.raises(WRONG):
        check_derivative(RELU, build)


def test_a_case_on_its_kink_is_told_apart():
    on_the_kink = case("Abs", "y = Abs(x)", x=given([0.0004, 1.0]))
    with pytest.raises(AssertionError, match="change the case"):
        check_derivative(on_the_kink, planted("s = Sign(x) grad_x = Mul(s, grad_y)"))


# Rows that onnx-ad, an independent implementation, differentiates rightly: the oracle agrees with its gradients.
SECOND_OPINION = [
    "Exp", "Div/both have ones", "Pow/equal", "Max/equal", "Where", "Mish", "Softmax/axis 1", "PRelu",
    "Gemm/alpha, beta, transposed", "MatMul/batches broadcast both ways", "MaxPool/overlap, pads", "GlobalMaxPool/2-D",
    "LayerNormalization/axis 1", "ReduceProd/two axes", "ReduceLogSumExp/last axis", "Reshape/shape computed",
    "Slice/huge ends", "Split/uneven parts", "Pad/constant", "Tile", "Expand/both ways", "Gather/duplicate indices",
]  # fmt: skip


@pytest.mark.needs("onnx_ad")
@pytest.mark.parametrize("row", [row for row in CASES if row.name in SECOND_OPINION], ids=lambda row: row.name)
def test_onnx_ad_is_found_right(row):
    check_derivative(Lifted(row), onnx_ad_gradient)


class Lifted:
    """A case whose weights are graph inputs: onnx-ad differentiates by inputs alone."""

    def __init__(self, row):
        self.row = row

    def __getattr__(self, name):
        return getattr(self.row, name)

    def model(self, dims="static", lifted=True):
        return self.row.model(dims, lifted=True)

    def feeds(self, lifted=True):
        return self.row.feeds(lifted=True)


def onnx_ad_gradient(model, wrt):
    """onnx-ad's reverse with our contract: every cotangent of its own ends in an axis of seeds, here of length one."""
    import onnx_ad

    of = [output.name for output in model.graph.output]
    reverse = onnx_ad.reverse(model, inputs=wrt, outputs=of, prefix="raw_", dim="seeds", layout="onnx")
    axis = "axis = Constant<value_ints = [-1]>() "
    before = axis + " ".join(f"raw_{name} = Unsqueeze(grad_{name}, axis)" for name in of)
    after = " ".join(f"grad_{name} = Squeeze(raw_{name}, axis)" for name in wrt)
    body = [*parsed(before), *reverse.graph.node, *parsed(after)]
    result = planted("")(model, wrt)
    del result.graph.node[:], result.graph.initializer[:]
    result.graph.node.extend(body)
    result.graph.initializer.extend(reverse.graph.initializer)
    result.opset_import[0].version = 21
    for number, node in enumerate(result.graph.node):
        node.name = f"node_{number}"
    return result
