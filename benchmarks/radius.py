"""Are pathways of large contributions linear in a larger ball than other pathways of the same density?

    python -m benchmarks.radius --json docs/results/pathways-radius.json    about 10 minutes on 2 cores

Exact radii (onnxpath.linear_radius) of the whole network and of its pathways on the sample models' test digits. Each
image is its own control: at every sparsity all pathways of one image keep the same number of neurons. Results of a
model that are in the JSON file already are not computed again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

import onnxpath
from benchmarks.machine import machine
from onnxpath.backward.target import TARGET
from onnxpath.pathway.pathway import Pathway
from onnxpath.pathway.programs import GRAD, LOGITS, Setup, mask_name
from onnxpath.pathway.select import select
from onnxpath.pathway.selectors import SELECTORS
from onnxpath.runtime.model import Model
from onnxpath.runtime.targets import resolve_target
from sample_models.digits_data import preprocess, split

SAMPLES = Path(__file__).resolve().parents[1] / "sample_models"
MODELS = {"digits_cnn": 50, "digits_resnet": 30}
SPARSITIES = (0.8, 0.9, 0.95, 0.98, 0.99)
SCORED = ("neuron-mct", "neuron-intgrad", "activation-only", "random", "dgr-neuron")
MATCHED = "random, active, same layers"
CONTROLS = ("activation-only", "random", "dgr-neuron", MATCHED)
BOOTSTRAPS = 2000

Masks = Mapping[str, np.ndarray]


def digits(count: int, noise: float = 0.5) -> np.ndarray:
    """The first test digits as model inputs; noise: added to each pixel of 0 to 255, uniform to either side.

    Without it the flat background ties in max pooling, and the whole network's radius is zero.
    """
    images = split()["test"].images[:count]
    return preprocess(images + np.random.default_rng(0).uniform(-noise, noise, images.shape))


def scores(model: Model, x: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """Selector -> layer -> magnitudes of all rows, and which neurons are active under "active"."""
    target = resolve_target(model, None, len(x))
    setup, feeds = Setup.of(model, target), model.feeds(x)
    every = slice(0, len(x))
    found = {}
    for name in SCORED:
        given = SELECTORS.get(name)(setup, feeds, target.feed(every), every, True)
        found[name] = {k: np.abs(v) for k, v in given.signed.items()}
        found["active"] = {k: ~v for k, v in given.inactive.items()}
    return found


def pathways(found: Mapping[str, Mapping[str, np.ndarray]], row: int, sparsity: float) -> dict[str, Masks]:
    """Selector -> masks of one row, all with as many neurons as neuron-mct keeps."""
    own = {name: {k: v[row : row + 1] for k, v in layers.items()} for name, layers in found.items()}
    first = select(own["neuron-mct"], sparsity)
    count = sum(mask.size for mask in first.values())
    density = sum(int(mask.sum()) for mask in first.values()) / count
    masks = {name: select(own[name], 1 - density) for name in SCORED if name != "neuron-mct"}
    rng = np.random.default_rng([1, row])
    matched = {}
    for name, mask in first.items():
        active = np.flatnonzero(own["active"][name])
        matched[name] = np.zeros(mask.shape, bool)
        matched[name].reshape(-1)[rng.choice(active, int(mask.sum()), replace=False)] = True
    every = {"neuron-mct": first, **masks, MATCHED: matched}
    return {name: {k: v[0] for k, v in layers.items()} for name, layers in every.items()}


def masked(model: Model, x: np.ndarray, paths: list[Pathway]) -> tuple[np.ndarray, np.ndarray]:
    """Logits of the masked network, and the length of the target's gradient in it, per row."""
    setup = Setup.of(model, resolve_target(model, None, len(x)))
    fed = {mask_name(n): np.stack([p.masks[n.name] for p in paths]).astype(np.float32) for n in setup.layers}
    target = {TARGET: np.array([p.target for p in paths])}
    found = setup.masked(True).run({**model.feeds(x), **fed, **target})
    gradient = found[GRAD + model.sources[0]].reshape(len(x), -1)
    return found[LOGITS], np.linalg.norm(gradient, axis=1)


def slopes(name: str, count: int) -> dict[str, object]:
    """How steep the masked networks are, and where their neurons lie: what a large radius may come from."""
    model = onnxpath.load(SAMPLES / f"{name}.onnx", providers="cpu")
    x = digits(count)
    found, some = scores(model, x), onnxpath.critical_pathway(model, x)
    result: dict[str, object] = {"layers": [layer.name for layer in some[0].layers]}
    for sparsity in SPARSITIES:
        by_row = [pathways(found, row, sparsity) for row in range(count)]
        for selector in by_row[0]:
            paths = [replace(p, masks=masks[selector]) for p, masks in zip(some, by_row, strict=True)]
            result[f"{sparsity} {selector}"] = {
                "gradient": masked(model, x, paths)[1].tolist(),
                "kept": [float(np.mean([p.masks[layer].mean() for p in paths])) for layer in result["layers"]],
            }
    return result


def measure(name: str, count: int) -> dict[str, object]:
    """Radii of one model by sparsity and selector."""
    model = onnxpath.load(SAMPLES / f"{name}.onnx", providers="cpu")
    x = digits(count)
    found = scores(model, x)
    some = onnxpath.critical_pathway(model, x)
    base = [p.base_sparsity for p in some]
    result: dict[str, object] = {"images": count, "base_sparsity": float(np.mean(base))}
    result["whole"] = [r.radius for r in onnxpath.linear_radius(model, x)]
    flat = onnxpath.linear_radius(model, digits(count, noise=0))
    result["zero_without_noise"] = float(np.mean([r.radius == 0 for r in flat]))
    table = {}
    for sparsity in ("base", *SPARSITIES):
        by_row = [pathways(found, row, base[row] if sparsity == "base" else sparsity) for row in range(count)]
        for selector in by_row[0]:
            paths = [replace(p, masks=masks[selector]) for p, masks in zip(some, by_row, strict=True)]
            radii = onnxpath.linear_radius(model, x, paths)
            table[f"{sparsity} {selector}"] = {
                "radius": [r.radius if np.isfinite(r.radius) else None for r in radii],
                "off": float(np.mean([r.off_fraction for r in radii if r.off_fraction is not None])),
                "pooling_ends": float(np.mean([r.nearest is not None and "Pool" in r.nearest.op for r in radii])),
                "density": float(
                    np.mean([np.mean(np.concatenate([m.ravel() for m in p.masks.values()])) for p in paths])
                ),
                "kept_prediction": float((masked(model, x, paths)[0].argmax(1) == [p.target for p in paths]).mean()),
            }
            print(
                name,
                sparsity,
                selector,
                f"median {np.median(radii_of(table[f'{sparsity} {selector}'])):.3g}",
                flush=True,
            )
    return {**result, "paths": table}


def radii_of(entry: Mapping[str, object]) -> np.ndarray:
    """Radii of all rows; JSON has no infinity, so that None stands for it."""
    return np.array([np.inf if radius is None else radius for radius in entry["radius"]])


def compared(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    """Ratio of radii, image by image: geometric mean, its bootstrap interval of 95 %, how often it is above 1."""
    known = np.isfinite(a) & np.isfinite(b) & (a > 0) & (b > 0)
    logs = np.log(a[known] / b[known])
    draws = np.random.default_rng(0).integers(0, len(logs), (BOOTSTRAPS, len(logs)))
    low, high = np.exp(np.percentile(logs[draws].mean(1), [2.5, 97.5]))
    return {
        "ratio": float(np.exp(logs.mean())),
        "low": float(low),
        "high": float(high),
        "wins": float((a > b).mean()),
        "left_out": int((~known).sum()),
    }


def tables(result: Mapping[str, object]) -> str:
    """The numbers of one model as Markdown."""
    paths = result["paths"]
    names = list(dict.fromkeys(key.split(" ", 1)[1] for key in paths))
    steps = list(dict.fromkeys(key.split(" ", 1)[0] for key in paths))
    lines = [f"| s | {' | '.join(names)} |", f"| --- |{' --- |' * len(names)}"]
    whole = f"{np.median(result['whole']):.2g}"
    lines.append(f"| 0 (whole network) |{f' {whole} |' * len(names)}")
    for step in steps:
        cells = [f"{np.median(radii_of(paths[f'{step} {name}'])):.2g}" for name in names]
        lines.append(f"| {step} | {' | '.join(cells)} |")
    lines += ["", f"| s | {' | '.join(f'mct : {name}' for name in CONTROLS)} |", f"| --- |{' --- |' * len(CONTROLS)}"]
    for step in steps:
        cells = []
        for name in CONTROLS:
            c = compared(radii_of(paths[f"{step} neuron-mct"]), radii_of(paths[f"{step} {name}"]))
            cells.append(f"{c['ratio']:.2g} [{c['low']:.2g}, {c['high']:.2g}], {c['wins']:.0%}")
        lines.append(f"| {step} | {' | '.join(cells)} |")
    lines += ["", f"| s | {' | '.join(names)} |", f"| --- |{' --- |' * len(names)}"]
    for step in steps:
        cells = [f"{paths[f'{step} {n}']['off']:.0%} / {paths[f'{step} {n}']['kept_prediction']:.0%}" for n in names]
        lines.append(f"| {step} | {' | '.join(cells)} |")
    lines += ["", f"| s | {' | '.join(names)} |", f"| --- |{' --- |' * len(names)}"]
    for step in SPARSITIES:
        found = [result["slopes"][f"{step} {n}"] for n in names]
        cells = [f"{np.median(f['gradient']):.2g} ({', '.join(f'{k:.1%}' for k in f['kept'])})" for f in found]
        lines.append(f"| {step} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print tables, write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--images", type=int, help="default: 50 and 30")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    result = json.loads(arguments.json.read_text()) if arguments.json and arguments.json.exists() else {}
    result["about"] = machine()
    for name in arguments.models:
        if name not in result:
            result[name] = measure(name, arguments.images or MODELS[name])
        if "slopes" not in result[name]:
            result[name]["slopes"] = slopes(name, arguments.images or MODELS[name])
        if arguments.json:
            arguments.json.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")
        print(f"\n{name}\n\n{tables(result[name])}\n")


if __name__ == "__main__":
    main()
