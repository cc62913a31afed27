"""The sample models in torch, with their activations tapped: an oracle that has never seen onnxpath."""

from functools import cache

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from sample_models.networks import from_onnx
from tests.models import sample

ACTIVATIONS = (torch.Tensor.relu, torch.nn.functional.gelu)


class Tap(TorchFunctionMode):
    """Records the output of every activation call, in order; change(call, output) may replace it."""

    def __init__(self, change=None):
        super().__init__()
        self.change = change or (lambda call, output: output)
        self.activations = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        output = function(*args, **(kwargs or {}))
        if function in ACTIVATIONS:
            output = self.change(len(self.activations), output)
            self.activations.append(output)
        return output


@cache
def network(name):
    """A sample model in torch, without gradients by its parameters."""
    return from_onnx(sample(name)).requires_grad_(False)


def forward(name, x, change=None):
    """(logits, activations in order of their calls) of an array or tensor."""
    with Tap(change) as tap:
        logits = network(name)(x if isinstance(x, torch.Tensor) else torch.tensor(x))
    return logits, tap.activations


def picked(logits, target):
    """The sum over rows of the target's logit; target: int array."""
    return logits[torch.arange(len(logits)), torch.as_tensor(target)].sum()


def input_gradient(name, x, target=None, change=None):
    """Gradient of the target's logit by the input; target: default each row's largest entry without `change`."""
    target = np.asarray(forward(name, x)[0].argmax(1)) if target is None else target
    x = torch.tensor(x, requires_grad=True)
    logits, _ = forward(name, x, change)
    return torch.autograd.grad(picked(logits, target), x)[0].numpy()


def contributions(name, x, target):
    """activation · gradient of every activation call."""
    logits, activations = forward(name, torch.tensor(x, requires_grad=True))
    gradients = torch.autograd.grad(picked(logits, target), activations)
    return [(a * g).detach().numpy() for a, g in zip(activations, gradients, strict=True)]


def integrated_contributions(name, x, target, layer, alphas, weights):
    """activation · weighted mean of gradients at alpha · activation, of one activation call."""
    total = 0
    for alpha, weight in zip(alphas, weights, strict=True):
        # The whole network runs again for every point: slow, and with nothing that could be cut wrongly.
        logits, activations = forward(
            name, x, lambda call, a, alpha=alpha: (a * alpha).requires_grad_() if call == layer else a
        )
        total = total + weight * torch.autograd.grad(picked(logits, target), activations[layer])[0]
    return (forward(name, x)[1][layer] * total).numpy()
