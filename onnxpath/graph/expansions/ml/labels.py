"""Class labels: integers, or strings, which standard ONNX has no table for."""

from __future__ import annotations

from onnxpath.graph.ir import Node, Variable

STRING = object
"""onnx-graphsurgeon's dtype of strings."""


def label(op, place, ints, strings):
    """Return the class label at each place, int64 or string [N]."""
    if len(strings):
        return encode(op, place, list(range(len(strings))), list(strings))
    return op.Gather(op.const(list(ints)), place)


def class_count(ints, strings):
    """Return how many class labels a classifier has."""
    return max(len(ints), len(strings))


def encode(op, x, keys, values):
    """Return the value of the key at each entry of x; integers for strings or strings for integers.

    It is a LabelEncoder of ai.onnx.ml: strings have no gradient, so that nothing has to be spelled out.
    """
    versions = {d.domain: d.version for d in op.graph.body.import_domains or []}
    to_strings = isinstance(values[0], str)
    made = Variable(op.name("encoded"), STRING if to_strings else "int64", x.shape)
    if versions.get("ai.onnx.ml", 1) >= 2:
        kinds = ("keys_int64s", "values_strings") if to_strings else ("keys_strings", "values_int64s")
        attributes = {kinds[0]: keys, kinds[1]: values}
    elif to_strings:
        attributes = {"classes_strings": values}
    else:
        attributes = {"classes_strings": keys}
    if not to_strings:
        attributes["default_int64"] = -1
    op.graph.nodes.append(Node("LabelEncoder", op.name("encode"), attributes, [x], [made], domain="ai.onnx.ml"))
    return made
