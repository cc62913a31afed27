"""Nodes: other attributes, operators, inputs and outputs, other versions of what defines them."""

import onnx
from onnx import AttributeProto, helper

from onnxpath.graph.scope import every_node
from tests.fuzz.changes.parts import FLOATS, INTS, NAMES, OPERATORS, all_tensors, pick, some_node


def attribute_changed(rng, model):
    attributes = [a for node in every_node(model.graph) for a in node.attribute]
    if not attributes:
        return
    attribute = pick(rng, attributes)
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
    node = some_node(rng, model)
    if node.attribute:
        pick(rng, node.attribute).type = int(rng.integers(0, 15))


def attribute_gone(rng, model):
    node = some_node(rng, model)
    if node.attribute:
        del node.attribute[int(rng.integers(len(node.attribute)))]


def attribute_more(rng, model):
    names = ("axis", "axes", "perm", "group", "kernel_shape", "to", "keepdims", "nonsense", "alpha")
    value = [int(rng.choice(INTS)), [int(rng.choice(INTS))] * 2, float(rng.choice(FLOATS)), "text"][rng.integers(4)]
    some_node(rng, model).attribute.append(helper.make_attribute(str(rng.choice(names)), value))


def node_gone(rng, model):
    del model.graph.node[int(rng.integers(len(model.graph.node)))]


def node_twice(rng, model):
    model.graph.node.add().CopyFrom(some_node(rng, model))


def nodes_shuffled(rng, model):
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes[i] for i in rng.permutation(len(nodes)))


def node_named(rng, model):
    some_node(rng, model).name = str(rng.choice(NAMES))


def node_retyped(rng, model):
    node = some_node(rng, model)
    node.op_type = str(rng.choice(OPERATORS))
    if rng.random() < 0.2:
        node.domain = str(rng.choice(["", "ai.onnx", "com.microsoft", "ai.onnx.ml", "custom", "<fuzz>"]))


def input_changed(rng, model):
    node, names = some_node(rng, model), all_tensors(model)
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
    node, names = some_node(rng, model), all_tensors(model)
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


def metadata(rng, model):
    model.producer_name = "<fuzz>"
    model.metadata_props.add(key="onnxpath.role", value="../<fuzz>")
    some_node(rng, model).metadata_props.add(key="x" * 100, value="\x00")


CHANGES = (
    *(attribute_changed, attribute_retyped, attribute_gone, attribute_more, node_gone, node_twice),
    *(nodes_shuffled, node_named, node_retyped, input_changed, output_changed, opset_changed, opset_more),
    *(version_changed, metadata),
)
