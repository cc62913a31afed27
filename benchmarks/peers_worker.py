"""One engine's work in a process of its own: waits on a pipe, runs once for every line, answers with seconds and bytes.

Lines are "first", "run" or "forward", which is the plain forward pass. A run takes an array on the host and gives one
back. "cpu" are the processor's seconds of all threads; bytes are the peak of a run above what the process held when the
model was loaded: resident memory on the CPU, memory of the device on CUDA. The first run, which opens sessions and
compiles, is of two steps where a work has steps, and is not to be counted.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

STEPS, SPARSITY = 50, 0.9
Run: TypeAlias = "tuple[Callable[[int], object], Callable[[int], object]]"
WORKS = ("gradient", "integrated-gradients", "grad-cam", "lrp", "pathway-gradient")


def targets(x: np.ndarray) -> np.ndarray:
    """The outputs that are explained, another one in each row."""
    return np.arange(len(x))


def onnxpath_work(work: str, path: str, x: np.ndarray, asked: Mapping[str, Any]) -> Run:
    """Return functions of the number of steps: the work with onnxpath, and its plain forward pass."""
    import onnxpath

    model = onnxpath.load(path, asked["provider"], threads=asked["threads"], precision=asked["precision"])

    def run(steps: int) -> object:
        options = {
            "integrated-gradients": {"n_steps": steps},
            "lrp": {"composite": "epsilon-plus"},
            "pathway-gradient": {"sparsity": SPARSITY},
        }.get(work, {})
        return onnxpath.attribute(model, x, targets(x), method=work, **options)

    return run, lambda steps: model.session("model", model.graph.to_model).run(model.feeds(x))


def torch_work(work: str, name: str, x: np.ndarray, variant: str, asked: Mapping[str, Any]) -> Run:
    """Return functions of the number of steps: the work with torch, Captum or Zennit, and its plain forward pass.

    variant: eager, channels_last or compiled.
    """
    import torch
    from peers_networks import network

    torch.set_num_threads(asked["threads"])
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = asked["precision"] == "tf32"
    layout = torch.channels_last if variant == "channels_last" else torch.contiguous_format
    net = network(name).to(asked["provider"], memory_format=layout)
    called = torch.compile(net) if variant == "compiled" else net

    def on_device() -> torch.Tensor:
        return torch.from_numpy(x).to(asked["provider"]).contiguous(memory_format=layout)

    target = torch.from_numpy(targets(x)).to(asked["provider"])

    # The copy to the host waits for the device.
    def once(function: Callable[..., torch.Tensor], steps: int) -> torch.Tensor:
        return function(called, net, on_device(), target, name, steps).detach().cpu()

    return partial(once, TORCH[work]), partial(once, forward)


def forward(called, net, x, target, name, steps):
    """The plain forward pass."""
    import torch

    with torch.inference_mode():
        return called(x)


def gradient(called, net, x, target, name, steps):
    """The gradient of the targets' logits with respect to the input alone."""
    import torch

    x = x.detach().requires_grad_(True)
    return torch.autograd.grad(called(x).gather(1, target[:, None]).sum(), x)[0]


def integrated(called, net, x, target, name, steps):
    """Captum's integrated gradients, as many rows at a time as there are inputs."""
    from captum.attr import IntegratedGradients

    return IntegratedGradients(called).attribute(x, target=target, n_steps=steps, internal_batch_size=len(x))


def grad_cam(called, net, x, target, name, steps):
    """Captum's Grad-CAM, brought to the size of the input."""
    from captum.attr import LayerAttribution, LayerGradCam
    from peers_networks import CAM_LAYER

    cam = LayerGradCam(called, CAM_LAYER[name](net)).attribute(x, target=target, relu_attributions=True)
    return LayerAttribution.interpolate(cam, x.shape[2:], "bilinear")


def lrp(called, net, x, target, name, steps):
    """Zennit's composite epsilon-plus."""
    import torch
    from zennit.attribution import Gradient
    from zennit.canonizers import SequentialMergeBatchNorm
    from zennit.composites import EpsilonPlus

    seed = torch.nn.functional.one_hot(target, 1000).to(x.dtype)
    with Gradient(net, EpsilonPlus(canonizers=[SequentialMergeBatchNorm()])) as attributor:
        return attributor(x.detach().requires_grad_(True), seed)[1]


def pathway(called, net, x, target, name, steps):
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


class Memory:
    """What this process holds, in bytes."""

    def __init__(self, provider: str) -> None:
        self.on_device = provider == "cuda"
        self.grown = 0
        self.loaded = 0 if self.on_device else _status("VmRSS")

    def begin(self) -> None:
        """Begin a run."""
        if self.on_device:
            self.before = self._used()
        else:
            Path("/proc/self/clear_refs").write_text("5")

    def peak(self) -> int:
        """Return the peak of the run that ends here, above what was held when all was loaded."""
        if not self.on_device:
            return _status("VmHWM") - self.loaded
        # Both engines keep what they took from the device, and the processes beside this one rest meanwhile.
        self.grown += self._used() - self.before
        return self.grown

    def _used(self) -> int:
        import torch

        free, whole = torch.cuda.mem_get_info()
        return whole - free


def _status(key: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) * 1024


def main() -> None:
    """Serve; arguments: engine, work, network, file, batch, JSON with threads, provider and precision."""
    engine, work, name, path, batch, settings = sys.argv[1:]
    asked = json.loads(settings)
    # The pipe is ours alone: whatever a library prints goes to stderr.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    x = np.random.default_rng(0).standard_normal((int(batch), 3, 224, 224), np.float32)
    if engine == "onnxpath":
        run, plain = onnxpath_work(work, path, x, asked)
    else:
        run, plain = torch_work(work, name, x, engine.removeprefix("torch-"), asked)
    memory = Memory(asked["provider"])
    for word in map(str.strip, sys.stdin):
        memory.begin()
        wall, cpu = time.perf_counter(), time.process_time()
        (plain if word == "forward" else run)(2 if word == "first" else STEPS)
        spent = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        print(json.dumps({**spent, "bytes": memory.peak()}), file=answers, flush=True)


if __name__ == "__main__":
    main()
