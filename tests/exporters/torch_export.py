"""torch's two exporters behind one signature, and autograd's gradient beside the exported graph's."""

import warnings

import numpy as np
import torch

import onnxpath
from tests.exporters.oracle import assert_same_gradient, session_of

torch.backends.mha.set_fastpath_enabled(False)  # the fused kernel has no ONNX spelling


def legacy(module, inputs, path, symbolic):
    axes = {f"x{i}": {0: "rows"} for i in range(len(inputs))} if symbolic else None
    torch.onnx.export(
        module, inputs, path, input_names=names(inputs, "x"), dynamic_axes=axes, opset_version=17, dynamo=False
    )


def dynamo(module, inputs, path, symbolic):
    shapes = tuple({0: torch.export.Dim("rows", min=1, max=64)} for _ in inputs) if symbolic else None
    torch.onnx.export(
        module,
        inputs,
        path,
        input_names=names(inputs, "x"),
        dynamic_shapes=(shapes,) if symbolic and takes_star(module) else shapes,
        dynamo=True,
        external_data=False,
        verbose=False,
    )


EXPORTERS = {"legacy": legacy, "dynamo": dynamo}


def takes_star(module):
    return module.forward.__code__.co_flags & 0x04


def names(tensors, letter):
    return [f"{letter}{i}" for i in range(len(tensors))]


def export(module, inputs, path, exporter, symbolic):
    """Write `module` to `path`; inputs are x0, x1, ...; symbolic: whether their first axis is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporters': deprecations, traced shapes
        EXPORTERS[exporter](module, inputs, str(path), symbolic)


def autograd(module, inputs):
    """Outputs, random cotangents and the gradient by every input, as arrays."""
    inputs = [x.detach().clone().requires_grad_(True) for x in inputs]
    outputs = module(*inputs)
    outputs = [outputs] if isinstance(outputs, torch.Tensor) else list(outputs)
    cotangents = [torch.randn_like(y) for y in outputs]
    grads = torch.autograd.grad(outputs, inputs, cotangents)
    return tuple([t.detach().numpy() for t in part] for part in (outputs, cotangents, grads))


def check(path, module, batches):
    """The gradient graph of the file against autograd: once for each tuple of inputs."""
    model = onnxpath.gradient_graph(path)
    session = session_of(model)
    outputs = [o.name for o in session.get_outputs()]
    for inputs in batches:
        expected, cotangents, grads = autograd(module, inputs)
        plain = outputs[: len(expected)]
        feeds = dict(zip(names(inputs, "x"), (x.numpy() for x in inputs), strict=True))
        feeds |= {f"grad_{name}": value for name, value in zip(plain, cotangents, strict=True)}
        found = dict(zip(outputs, session.run(None, feeds), strict=True))
        for name, value in zip(plain, expected, strict=True):
            np.testing.assert_allclose(found[name], value, rtol=1e-3, atol=1e-4, err_msg="forward")
        for name, value in zip(names(inputs, "grad_x"), grads, strict=True):
            assert_same_gradient(found[name], value)
