"""The networks of Captum's test configurations as ONNX, and which tensor is which module's output."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import onnx
import torch
from torch import nn


def tuple_of(value):
    return () if value is None else tuple(value) if isinstance(value, (tuple, list)) else (value,)


def network(entry):
    """The configuration's model; without the Softmax of the ConvNet, whose logits differ by constants alone."""
    model = entry["model"].eval()
    if hasattr(model, "softmax"):
        model.softmax = nn.Identity()
    return model


class Closed(nn.Module):
    """A model whose further arguments that are no tensors are fixed."""

    def __init__(self, net, more):
        super().__init__()
        self.net, self.more = net, more

    def forward(self, *tensors):
        taken = sum(isinstance(a, torch.Tensor) for a in self.more)
        inputs, rest = tensors[: len(tensors) - taken], iter(tensors[len(tensors) - taken :])
        return self.net(*inputs, *(next(rest) if isinstance(a, torch.Tensor) else a for a in self.more))


@dataclass(frozen=True)
class Exported:
    """A configuration's model as ONNX.

    feeds: arrays by input name; inputs: those that are explained; proto: its last output is twice `result`, so that
    `result` is explained as it is, a Softmax too; outputs: by torch module what it puts out.
    """

    proto: onnx.ModelProto
    feeds: dict
    inputs: list
    result: str
    outputs: dict


def exported(entry, folder):
    """Export one configuration's model, its rows symbolic."""
    arguments = entry["attribute_args"]
    inputs = tuple_of(arguments["inputs"])
    more = tuple_of(arguments.get("additional_forward_args"))
    tensors = [*inputs, *(a for a in more if isinstance(a, torch.Tensor))]
    names = [f"x{i}" for i in range(len(tensors))]
    net = Closed(network(entry), more)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path, axes = Path(folder) / "model.onnx", {name: {0: "rows"} for name in names}
        torch.onnx.export(
            net, tuple(tensors), path, input_names=names, dynamic_axes=axes, opset_version=17, dynamo=False
        )
    proto = onnx.load(path)
    result = proto.graph.output[0].name
    proto.graph.node.append(onnx.helper.make_node("Add", [result, result], ["twice"]))
    proto.graph.output[0].name = "twice"
    feeds = {name: tensor.numpy() for name, tensor in zip(names, tensors, strict=True)}
    return Exported(onnx.shape_inference.infer_shapes(proto), feeds, names[: len(inputs)], result, outputs_of(proto))


def outputs_of(proto):
    """Module path -> the tensors that nodes under it make and others read."""
    made = {name: node.name.rpartition("/")[0] for node in proto.graph.node for name in node.output}
    found = {}
    for tensor, scope in made.items():
        readers = [made[n.output[0]] for n in proto.graph.node if tensor in n.input]
        parts = scope.strip("/").split("/")
        for end in range(1, len(parts) + 1):
            inside = "/" + "/".join(parts[:end])
            if any(not f"{reader}/".startswith(f"{inside}/") for reader in readers):
                found.setdefault(".".join(parts[1:end]), []).append(tensor)
    return found
