"""Hostile models: what is known to be dangerous, changes that keep the protobuf whole, and bytes that do not."""

import math

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper

from onnxpath.graph.scope import every_graph, every_node
from tests.fuzz.damage import damaged
from tests.models import mlp, parse, sample

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
CLIP = "m (float[n, 1, 16, 16] x) => (float[n, 4] y) "
TEXTS = (
    CLIP + "{ f = Flatten(x); m = MatMul(f, w); r = Relu(m); y = Softmax(r) }",
    CLIP + "{ r = Relu(x); g = GlobalAveragePool(r); f = Flatten(g); y = MatMul(f, v) }",
    CLIP + "{ f = Flatten(x); m = MatMul(f, w); s = Shape(m); z = ConstantOfShape(s); a = Add(m, z); y = Relu(a) }",
    CLIP + "{ f = Flatten(x); m = MatMul(f, w); y = If(c) <then_branch = t () => (t1) { t1 = Relu(m) },"
    " else_branch = e () => (e1) { e1 = Neg(m) }> }",
    CLIP + "{ f = Flatten(x); m = MatMul(f, w); y = Loop(n3, c, m) <body = b (int64 i, bool k, float[n, 4] s)"
    " => (bool k1, float[n, 4] s1) { k1 = Identity(k); s1 = Relu(s) }> }",
)


def sources():
    """Models that mutations start from."""
    rng = np.random.default_rng(0)
    arrays = {"w": rng.normal(size=(256, 4)), "v": rng.normal(size=(1, 4))}
    arrays = {name: value.astype(np.float32) for name, value in arrays.items()}
    small = [parse(text, **arrays, c=np.bool_(True), n3=np.int64(3)) for text in TEXTS]
    return [*small, mlp(), *(onnx.load(sample(name)) for name in ("digits_cnn", "digits_resnet", "digits_vit"))]


# ------------------------------------------------------------------------------------------------ changes


def initializer_dims(rng, model):
    tensor = _pick(rng, model.graph.initializer)
    match rng.integers(4):
        case 0:
            tensor.dims.append(int(rng.choice(INTS)))
        case 1 if tensor.dims:
            tensor.dims[int(rng.integers(len(tensor.dims)))] = int(rng.choice(INTS))
        case 2:
            del tensor.dims[:]
        case _:
            # Declared, but nothing is there.
            tensor.ClearField("raw_data")
            tensor.dims[:] = [int(rng.choice(HUGE))] * int(rng.integers(1, 5))


def initializer_dtype(rng, model):
    _pick(rng, model.graph.initializer).data_type = int(rng.integers(-1, 30))


def initializer_values(rng, model):
    tensor = _pick(rng, model.graph.initializer)
    values = np.frombuffer(tensor.raw_data, np.float32 if len(tensor.raw_data) % 4 == 0 else np.uint8).copy()
    if values.size and values.dtype == np.float32:
        values[rng.random(values.size) < rng.choice([0.01, 1.0])] = rng.choice(FLOATS)
    tensor.raw_data = values.tobytes()


def initializer_cut(rng, model):
    tensor = _pick(rng, model.graph.initializer)
    tensor.raw_data = tensor.raw_data[: int(rng.integers(len(tensor.raw_data) + 1))]


def initializer_gone(rng, model):
    index = int(rng.integers(len(model.graph.initializer)))
    del model.graph.initializer[index]


def initializer_twice(rng, model):
    model.graph.initializer.add().CopyFrom(_pick(rng, model.graph.initializer))


def initializer_named(rng, model):
    _pick(rng, model.graph.initializer).name = _name(rng, model)


def initializer_elsewhere(rng, model):
    tensor = _pick(rng, model.graph.initializer)
    tensor.data_location = TensorProto.EXTERNAL
    places = ("../../outside.bin", "/etc/hostname", "in.bin", "", ".", "\x00", "a" * 5000, "model.onnx", "/dev/zero")
    tensor.external_data.add(key="location", value=str(rng.choice(places)))
    for key in ("offset", "length"):
        if rng.random() < 0.5:
            tensor.external_data.add(key=key, value=str(rng.choice(["-1", "x", "0", str(2**62), "10", "1" * 400])))


def sparse_weights(rng, model):
    sparse = model.graph.sparse_initializer.add()
    sparse.values.CopyFrom(helper.make_tensor(_name(rng, model), TensorProto.FLOAT, [2], [1.0, 2.0]))
    sparse.indices.CopyFrom(helper.make_tensor("i", TensorProto.INT64, [2], [0, int(rng.choice(INTS[-6:]))]))
    sparse.dims.extend([int(rng.choice(HUGE))] * 2)


def declared_shape(rng, model):
    kind = _pick(rng, [*model.graph.input, *model.graph.output, *model.graph.value_info]).type.tensor_type
    if rng.random() < 0.1 or not kind.shape.dim:
        kind.ClearField("shape")
    elif rng.random() < 0.2:
        kind.shape.dim.add(dim_value=int(rng.choice(INTS)))
    else:
        dim = _pick(rng, kind.shape.dim)
        if rng.random() < 0.3:
            dim.dim_param = str(rng.choice(NAMES[:8]))
        else:
            dim.dim_value = int(rng.choice(INTS))


def declared_dtype(rng, model):
    _pick(rng, [*model.graph.input, *model.graph.output]).type.tensor_type.elem_type = int(rng.integers(-1, 30))


def declared_kind(rng, model):
    value = _pick(rng, [*model.graph.input, *model.graph.output])
    value.ClearField("type")
    if rng.random() < 0.7:
        value.type.sequence_type.elem_type.tensor_type.elem_type = 1


def value_named(rng, model):
    _pick(rng, [*model.graph.input, *model.graph.output]).name = _name(rng, model)


def attribute_changed(rng, model):
    attributes = [a for node in every_node(model.graph) for a in node.attribute]
    if not attributes:
        return
    attribute = _pick(rng, attributes)
    match attribute.type:
        case AttributeProto.INT:
            attribute.i = int(rng.choice(INTS))
        case AttributeProto.FLOAT:
            attribute.f = float(rng.choice(FLOATS))
        case AttributeProto.STRING:
            attribute.s = bytes(rng.choice([b"", b"\xff\xfe", b"SAME_UPPER", b"NOTSET", b"nonsense"]))
        case AttributeProto.INTS if rng.random() < 0.6 and attribute.ints:
            attribute.ints[int(rng.integers(len(attribute.ints)))] = int(rng.choice(INTS))
        case AttributeProto.INTS:
            attribute.ints[:] = [int(rng.choice(INTS))] * int(rng.integers(10))
        case AttributeProto.TENSOR:
            attribute.t.dims[:] = [int(rng.choice(INTS))] * int(rng.integers(4))


def attribute_retyped(rng, model):
    node = _node(rng, model)
    if node.attribute:
        _pick(rng, node.attribute).type = int(rng.integers(0, 15))


def attribute_gone(rng, model):
    node = _node(rng, model)
    if node.attribute:
        del node.attribute[int(rng.integers(len(node.attribute)))]


def attribute_more(rng, model):
    names = ("axis", "axes", "perm", "group", "kernel_shape", "to", "keepdims", "nonsense", "alpha")
    value = [int(rng.choice(INTS)), [int(rng.choice(INTS))] * 2, float(rng.choice(FLOATS)), "text"][rng.integers(4)]
    _node(rng, model).attribute.append(helper.make_attribute(str(rng.choice(names)), value))


def node_gone(rng, model):
    del model.graph.node[int(rng.integers(len(model.graph.node)))]


def node_twice(rng, model):
    model.graph.node.add().CopyFrom(_node(rng, model))


def nodes_shuffled(rng, model):
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes[i] for i in rng.permutation(len(nodes)))


def node_named(rng, model):
    _node(rng, model).name = str(rng.choice(NAMES))


def node_retyped(rng, model):
    node = _node(rng, model)
    node.op_type = str(rng.choice(OPERATORS))
    if rng.random() < 0.2:
        node.domain = str(rng.choice(["", "ai.onnx", "com.microsoft", "ai.onnx.ml", "custom", "<fuzz>"]))


def input_changed(rng, model):
    node, names = _node(rng, model), _tensors(model)
    match rng.integers(4):
        case 0:
            node.input.append(str(rng.choice(names)))
        case 1 if node.input:
            del node.input[int(rng.integers(len(node.input)))]
        case 2:
            del node.input[:]
        case _ if node.input:
            # Often a cycle.
            node.input[int(rng.integers(len(node.input)))] = str(rng.choice(names))


def output_changed(rng, model):
    node, names = _node(rng, model), _tensors(model)
    if rng.random() < 0.5:
        node.output.append(str(rng.choice([*names, ""])))
    elif node.output:
        node.output[int(rng.integers(len(node.output)))] = str(rng.choice(names))


def opset_changed(rng, model):
    model.opset_import[0].version = int(rng.choice([-1, 0, 1, 6, 7, 9, 11, 13, 18, 22, 26, 27, 99, 2**40]))


def opset_more(rng, model):
    model.opset_import.add(domain=str(rng.choice(["", "ai.onnx", "x", "com.microsoft"])), version=int(rng.choice(INTS)))


def version_changed(rng, model):
    model.ir_version = int(rng.choice([0, 1, 3, 4, 99, -1, 2**40]))


def nested(rng, model):
    """An If in an If in an If: as many as protobuf reads, and more."""
    depth = int(rng.choice([2, 10, 25, 30]))
    inner = helper.make_graph([helper.make_node("Identity", ["x0"], ["leaf"])], "g", [], [_value("leaf")])
    for level in range(depth):
        node = helper.make_node("If", ["c0"], [f"o{level}"], then_branch=inner, else_branch=_other(level))
        inner = helper.make_graph([node], "g", [], [_value(f"o{level}")])
    model.graph.initializer.append(helper.make_tensor("c0", TensorProto.BOOL, [], [rng.random() < 0.5]))
    model.graph.initializer.append(helper.make_tensor("x0", TensorProto.FLOAT, [1], [1.0]))
    node = model.graph.node.add()
    node.CopyFrom(inner.node[0])
    node.output[0] = _added_to_output(model)


def functions(rng, model):
    """Functions that call each other: in a circle, or each the next one twice, 2 to the power of how many."""
    count = int(rng.choice([1, 2, 10, 40]))
    circle = rng.random() < 0.5
    for i in range(count):
        following = f"f{(i + 1) % count if circle else i + 1}"
        known = circle or i + 1 < count
        calls = [
            helper.make_node(following if known else "Relu", [a], [b], domain="fuzz" if known else "")
            for a, b in (("a", "b"), ("b", "c"))
        ]
        opsets = [helper.make_opsetid("", 21), helper.make_opsetid("fuzz", 1)]
        model.functions.append(helper.make_function("fuzz", f"f{i}", ["a"], ["c"], calls, opsets))
    model.opset_import.add(domain="fuzz", version=1)
    node = _node(rng, model)
    made, node.output[0] = node.output[0], "before_function"
    model.graph.node.append(helper.make_node("f0", ["before_function"], [made], domain="fuzz"))


def long_chain(rng, model):
    """Many nodes behind one another: what recurses over nodes runs out of stack."""
    count = int(rng.choice([200, 1500]))
    node = _node(rng, model)
    made, node.output[0] = node.output[0], "chain0"
    for i in range(count):
        after = made if i + 1 == count else f"chain{i + 1}"
        model.graph.node.append(helper.make_node("Relu", [f"chain{i}"], [after]))


def memory(rng, model):
    """A few nodes that ask for more memory than there is."""
    sizes = [int(rng.choice([2**14, 2**20, 2**33]))] * int(rng.integers(1, 4))
    model.graph.initializer.append(helper.make_tensor("many", TensorProto.INT64, [len(sizes)], sizes))
    node = model.graph.node.add()
    node.CopyFrom(helper.make_node(str(rng.choice(["ConstantOfShape"])), ["many"], ["filled"]))
    total = model.graph.node.add()
    total.CopyFrom(helper.make_node("ReduceMax", ["filled"], [_added_to_output(model)], keepdims=0))


def metadata(rng, model):
    model.producer_name = "<fuzz>"
    model.metadata_props.add(key="onnxpath.role", value="../<fuzz>")
    _node(rng, model).metadata_props.add(key="x" * 100, value="\x00")


CHANGES = (
    *(initializer_dims, initializer_dtype, initializer_values, initializer_cut, initializer_gone, initializer_twice),
    *(initializer_named, initializer_elsewhere, sparse_weights, declared_shape, declared_dtype, declared_kind),
    *(value_named, attribute_changed, attribute_retyped, attribute_gone, attribute_more, node_gone, node_twice),
    *(nodes_shuffled, node_named, node_retyped, input_changed, output_changed, opset_changed, opset_more),
    *(version_changed, nested, functions, long_chain, memory, metadata),
)


def hostile_model(rng):
    """Serialized bytes of a model with one to three changes, or with damaged bytes; and what was done to it."""
    found = sources()
    index = int(rng.integers(len(found)))
    model = found[index]
    if rng.random() < 0.15:
        return damaged(rng, model.SerializeToString()), f"source {index}, bytes"
    done = []
    for change in rng.choice(len(CHANGES), int(rng.integers(1, 4))):
        if model.graph.initializer and model.graph.node:
            CHANGES[change](rng, model)
            done.append(CHANGES[change].__name__)
    return model.SerializeToString(), f"source {index}, {', '.join(done)}"


def _pick(rng, values):
    return values[int(rng.integers(len(values)))]


def _node(rng, model):
    return _pick(rng, list(model.graph.node) if rng.random() < 0.7 else list(every_node(model.graph)))


def _tensors(model):
    named = [*model.graph.initializer, *model.graph.input]
    made = [name for scope in every_graph(model.graph) for node in scope.node for name in node.output]
    return [*(value.name for value in named), *made, "nobody_makes_this"]


def _name(rng, model):
    return str(rng.choice(NAMES if rng.random() < 0.5 else _tensors(model)))


def _value(name):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, None)


def _other(level):
    node = helper.make_node("Identity", ["x0"], [f"e{level}"])
    return helper.make_graph([node], "e", [], [_value(f"e{level}")])


def _added_to_output(model):
    """A name whose tensor is added to what the first output was."""
    output = model.graph.output[0].name
    for node in model.graph.node:
        node.output[:] = ["before_sum" if name == output else name for name in node.output]
    model.graph.node.append(helper.make_node("Add", ["before_sum", "summand"], [output]))
    return "summand"
