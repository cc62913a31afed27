"""One engine's work in a process of its own: waits on a pipe, runs once for every line, answers with seconds and bytes.

Bytes are the peak above what the process held when everything was loaded, the first run included.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

STEPS, SPARSITY = 50, 0.9
WORKS = ("gradient", "integrated-gradients", "grad-cam", "lrp", "pathway-gradient")


def onnxpath_work(work: str, name: str, path: str, x: np.ndarray, threads: int) -> Callable[[], object]:
    """Return a function that does the work once with onnxpath."""
    import onnxpath
    from onnxpath.runtime import session

    default = session.session_options

    def threaded(*arguments: str) -> object:
        made = default(*arguments)
        made.intra_op_num_threads = threads
        return made

    session.session_options = threaded
    model = onnxpath.load(path, providers="cpu")
    options = {
        "integrated-gradients": {"n_steps": STEPS},
        "lrp": {"composite": "epsilon-plus"},
        "pathway-gradient": {"sparsity": SPARSITY},
    }.get(work, {})
    return partial(onnxpath.attribute, model, x, method=work, **options)


def torch_work(work: str, name: str, x: np.ndarray, threads: int, variant: str) -> Callable[[], object]:
    """Return a function that does the work once with torch, Captum or Zennit.

    variant: eager, channels_last or compiled.
    """
    import torch
    from peers_networks import network

    torch.set_num_threads(threads)
    net, pixels = network(name), torch.from_numpy(x)
    if variant == "channels_last":
        net, pixels = net.to(memory_format=torch.channels_last), pixels.to(memory_format=torch.channels_last)
    called = torch.compile(net) if variant == "compiled" else net
    with torch.no_grad():
        target = net(pixels).argmax(1)
    return partial(TORCH[work], called, net, pixels, target, name)


def gradient(called, net, x, target, name):
    """The gradient of the targets' logits with respect to the input alone."""
    import torch

    x = x.detach().requires_grad_(True)
    return torch.autograd.grad(called(x).gather(1, target[:, None]).sum(), x)[0]


def integrated(called, net, x, target, name):
    """Captum's integrated gradients, as many rows at a time as there are inputs."""
    from captum.attr import IntegratedGradients

    return IntegratedGradients(called).attribute(x, target=target, n_steps=STEPS, internal_batch_size=len(x))


def grad_cam(called, net, x, target, name):
    """Captum's Grad-CAM, brought to the size of the input."""
    from captum.attr import LayerAttribution, LayerGradCam
    from peers_networks import CAM_LAYER

    cam = LayerGradCam(called, CAM_LAYER[name](net)).attribute(x, target=target, relu_attributions=True)
    return LayerAttribution.interpolate(cam, x.shape[2:], "bilinear")


def lrp(called, net, x, target, name):
    """Zennit's composite epsilon-plus."""
    import torch
    from zennit.attribution import Gradient
    from zennit.canonizers import SequentialMergeBatchNorm
    from zennit.composites import EpsilonPlus

    seed = torch.nn.functional.one_hot(target, 1000).float()
    with Gradient(net, EpsilonPlus(canonizers=[SequentialMergeBatchNorm()])) as attributor:
        return attributor(x.detach().requires_grad_(True), seed)[1]


def pathway(called, net, x, target, name):
    """NeuronMCT and the pathway gradient as one writes them with hooks."""
    import torch

    layers = [m for m in net.modules() if isinstance(m, (torch.nn.ReLU, torch.nn.ReLU6, torch.nn.GELU))]
    seen: list[torch.Tensor] = []
    hooks = [m.register_forward_hook(lambda m, i, o: seen.append(o)) for m in layers]
    x = x.detach().requires_grad_(True)
    score = net(x).gather(1, target[:, None]).sum()
    grads = torch.autograd.grad(score, seen)
    for hook in hooks:
        hook.remove()
    scores = [(a.detach() * g).abs() for a, g in zip(seen, grads, strict=True)]
    flat = torch.cat([s.flatten(1) for s in scores], 1)
    keep = round((1 - SPARSITY) * flat.shape[1])
    tau = flat.topk(keep + 1, 1, sorted=False).values.min(1).values
    masks = iter([s > tau.view(-1, *[1] * (s.dim() - 1)) for s in scores])
    hooks = [m.register_forward_hook(lambda m, i, o: o * next(masks)) for m in layers]
    x = x.detach().requires_grad_(True)
    found = torch.autograd.grad(net(x).gather(1, target[:, None]).sum(), x)[0]
    for hook in hooks:
        hook.remove()
    return found


TORCH = {
    "gradient": gradient,
    "integrated-gradients": integrated,
    "grad-cam": grad_cam,
    "lrp": lrp,
    "pathway-gradient": pathway,
}


def status(key: str) -> int:
    """Return a figure of this process in bytes: VmRSS now, VmHWM the peak."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) * 1024


def main() -> None:
    """Serve; arguments: engine, work, network, file, batch, threads."""
    engine, work, name, path, batch, threads = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    x = np.random.default_rng(0).standard_normal((int(batch), 3, 224, 224), np.float32)
    if engine == "onnxpath":
        run = onnxpath_work(work, name, path, x, int(threads))
    else:
        run = torch_work(work, name, x, int(threads), engine.removeprefix("torch-"))
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    for _ in sys.stdin:
        start = time.perf_counter()
        run()
        seconds = time.perf_counter() - start
        print(json.dumps({"seconds": seconds, "bytes": status("VmHWM") - before}), file=answers, flush=True)


if __name__ == "__main__":
    main()
