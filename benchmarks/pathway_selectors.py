"""What each selector keeps: the numbers of docs/results/pathways-selectors.md.

    python -m benchmarks.pathway_selectors quality --model resnet20_cifar10 --images 32
    python -m benchmarks.pathway_selectors quality --model squeezenet1_1 --images 16 --rounds 50 --steps 30
    python -m benchmarks.pathway_selectors descent --model resnet20_cifar10 --images 32

Each prints JSON, the first two after every few images. Needs the models and images that ONNXPATH_DATA names
(default ../shared/data).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import onnxpath
from benchmarks.machine import machine
from benchmarks.pathway_quality import DATA, SUBJECTS, rows
from onnxpath.errors import OnnxPathError
from onnxpath.pathway.gate_programs import MOMENTUM, PENALTY, RATE, UPPER, loss_program, step_program
from onnxpath.pathway.gates import Descent, optimise
from onnxpath.pathway.pathway import Pathway
from onnxpath.pathway.programs import ACTIVATION, LOGITS, Setup
from onnxpath.runtime.model import Model
from onnxpath.runtime.targets import resolve_target

RUN = 4
"""Images at a time: what is finished is printed, so that a long run can be stopped."""


def chosen(rounds: int, steps: int) -> dict[str, tuple[str, dict[str, Any]]]:
    """Label -> selector and options; steps: of dgr-neuron, whose learning rate makes up for fewer than 1000."""
    gates = {"n_steps": steps, "lr": 0.01 * 1000 / steps, "tries": 4}
    return {
        "neuron-intgrad": ("neuron-intgrad", {}),
        "neuron-mct": ("neuron-mct", {}),
        "dgr-neuron, ones": ("dgr-neuron", gates),
        "dgr-neuron, random": ("dgr-neuron", {**gates, "init": "random"}),
        "dgr": ("dgr", {}),
        "dgr, blocks": ("dgr", {"at": "blocks", "upper": 100.0}),
        "greedy, strict": ("greedy", {}),
        "greedy, keep-zero": ("greedy", {"variant": "keep-zero"}),
        "greedy, released": ("greedy", {"variant": "released", "n_rounds": rounds}),
        "activation-only": ("activation-only", {}),
        "active-subnet": ("active-subnet", {}),
        "random": ("random", {}),
        "random, per layer": ("random", {"scope": "layer", "seed": 1}),
    }


def quality(model: Model, x: np.ndarray, sparsity: float, rounds: int, steps: int) -> Iterator[dict[str, Any]]:
    """What is kept by each selector, and how far every two agree; yielded after every few images for all so far."""
    table: dict[str, list[dict[str, float]]] = {}
    seconds: dict[str, float] = {}
    pairs: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for start in range(0, len(x), RUN):
        found: dict[str, list[Pathway]] = {}
        for label, (selector, options) in chosen(rounds, steps).items():
            began = time.perf_counter()
            try:
                found[label] = onnxpath.critical_pathway(
                    model, x[start : start + RUN], selector=selector, sparsity=sparsity, **options
                )
            except OnnxPathError:
                continue  # no residual block
            seconds[label] = seconds.get(label, 0) + time.perf_counter() - began
            table.setdefault(label, []).extend(map(numbers, found[label]))
        for one in found:
            for other in found:
                if one < other:
                    both = zip(found[one], found[other], strict=True)
                    pairs.setdefault((one, other), []).extend((p.jaccard(q), chance(p, q)) for p, q in both)
        means = {name: {k: float(np.mean([r[k] for r in cells])) for k in cells[0]} for name, cells in table.items()}
        yield {
            "done": min(start + RUN, len(x)),
            "selectors": {name: {**row, "seconds": round(seconds[name], 1)} for name, row in means.items()},
            "jaccard": {f"{a} | {b}": [round(float(v), 4) for v in np.mean(c, axis=0)] for (a, b), c in pairs.items()},
        }


def numbers(pathway: Pathway) -> dict[str, float]:
    """One row of the table for one image."""
    whole, left = pathway.original.softmax or 0, pathway.masked.softmax or 0
    return {
        "density": pathway.density,
        "dead": pathway.dead_fraction or 0,
        "base": pathway.base_sparsity or 0,
        "softmax": left / whole,
        "change": abs(left - whole) / whole,
        "kept": float(pathway.kept_prediction),
    }


def chance(one: Pathway, other: Pathway) -> float:
    """Return the Jaccard index of independent pathways of these densities: r / (2 - r) where they are equal."""
    a, b = one.density, other.density
    return a * b / (a + b - a * b)


def descent(model: Model, x: np.ndarray) -> dict[str, Any]:
    """DGR on all rows at once against one by one, and what the gate update costs."""
    target = resolve_target(model, None, len(x))
    setup = Setup.of(model, target)
    name = model.inputs[0].name
    result: dict[str, Any] = {"images": len(x)}
    for per, settings in (
        ("channel", Descent(30, 0.1, 0.9, 0.05, 5.0)),
        ("neuron", Descent(30, 0.01, 0.9, 0.01, 100.0)),
    ):
        values = setup.activations().run({name: x})
        start = {
            layer.name: gates_like(values[ACTIVATION + layer.name], layer.channel_axis, per) for layer in setup.layers
        }

        def run(
            part: slice, start: Any = start, per: str = per, settings: Descent = settings, values: Any = values
        ) -> Any:
            own = {k: v[part] for k, v in start.items()}
            return optimise(setup, {name: x[part]}, values[LOGITS][part], setup.layers, per, own, settings, "dgr")

        run(slice(0, 1))
        together, seconds = timed(lambda: run(slice(None)))
        alone, slow = timed(lambda: [run(slice(i, i + 1)) for i in range(len(x))])
        single = {k: np.concatenate([a.values[k] for a in alone]) for k in start}
        apart = [np.linalg.norm(single[k] - v) / np.linalg.norm(v) for k, v in together.values.items()]
        same = [np.mean((single[k] > 0) == (v > 0)) for k, v in together.values.items()]
        result[per] = {
            "together_images_per_s": len(x) / seconds,
            "alone_images_per_s": len(x) / slow,
            "gates_apart": float(max(apart)),
            "same_path": float(min(same)),
            "losses_apart": float(np.max(np.abs([a.loss[0] for a in alone] - together.loss) / together.loss)),
            **shares(setup, {name: x}, start, per),
        }
    return result


def gates_like(a: np.ndarray, channel_axis: int, per: str) -> np.ndarray:
    """Return gates of one for an activation."""
    shape = a.shape if per == "neuron" else [d if i in (0, channel_axis) else 1 for i, d in enumerate(a.shape)]
    return np.ones(shape, np.float32)


def shares(setup: Setup, feeds: dict[str, np.ndarray], start: dict[str, np.ndarray], per: str) -> dict[str, float]:
    """Return seconds of the loss and of the update, the least of several runs of each."""
    count = len(next(iter(feeds.values())))
    loss_of, step = loss_program(setup, setup.layers, per), step_program(setup, setup.layers, per)
    logits = setup.forward().run(feeds)[LOGITS].reshape(count, -1)
    teacher = np.exp(logits - logits.max(1, keepdims=True))
    state = {f"gate_{k}": loss_of.to_device(v) for k, v in start.items()}
    state |= {f"velocity_{k}": loss_of.to_device(np.zeros_like(v)) for k, v in start.items()}
    fed = {
        **feeds,
        **state,
        "teacher": teacher / teacher.sum(1, keepdims=True),
        PENALTY: np.full(count, 0.05, np.float32),
        RATE: np.float32(0.1),
    }
    values = loss_of.run_on_device(fed)
    numbers = {MOMENTUM: np.float32(0.9), UPPER: np.float32(5)}
    loss_s = min(timed(lambda: loss_of.run_on_device(fed))[1] for _ in range(7))
    step_s = min(timed(lambda: step.run_on_device({**state, **values, **numbers}))[1] for _ in range(7))
    return {"loss_s": loss_s, "update_s": step_s, "update_share": step_s / (loss_s + step_s)}


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return what `work` returns, and the seconds it took."""
    began = time.perf_counter()
    return work(), time.perf_counter() - began


def main() -> None:
    """Run one part and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["quality", "descent"])
    parser.add_argument("--model", default="resnet20_cifar10", choices=list(SUBJECTS))
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--sparsity", type=float, default=0.9)
    parser.add_argument("--rounds", type=int, default=99, help="of the released greedy")
    parser.add_argument("--steps", type=int, default=100, help="of dgr-neuron")
    parser.add_argument("--json", type=Path, help="where to write the result, default standard output")
    given = parser.parse_args()
    model = onnxpath.load(DATA / "models" / f"{given.model}.onnx", providers="cpu")
    x = rows(SUBJECTS[given.model], given.images)
    found = (
        quality(model, x, given.sparsity, given.rounds, given.steps) if given.part == "quality" else [descent(model, x)]
    )
    for result in found:
        text = json.dumps({**vars(given), **machine(), **result}, indent=1, default=str)
        given.json.write_text(text + "\n") if given.json else print(text, flush=True)


if __name__ == "__main__":
    main()
