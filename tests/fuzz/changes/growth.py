"""What grows: graphs inside of graphs, functions that call functions, long chains, tensors larger than memory."""

from onnx import TensorProto, helper

from tests.fuzz.changes.parts import some_node


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
    node = some_node(rng, model)
    made, node.output[0] = node.output[0], "before_function"
    model.graph.node.append(helper.make_node("f0", ["before_function"], [made], domain="fuzz"))


def long_chain(rng, model):
    """Many nodes behind one another: what recurses over nodes runs out of stack."""
    count = int(rng.choice([200, 1500]))
    node = some_node(rng, model)
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


CHANGES = (nested, functions, long_chain, memory)


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
