"""Do contributions mean something? The checks of docs/results/pathway-quality.md, on real models and images.

    python benchmarks/pathway_quality.py --out docs/results            all models, about 40 minutes on 2 cores
    python benchmarks/pathway_quality.py --models resnet20_cifar10     one of them

Needs the models and images that ONNXPATH_DATA names (default ../shared/data), scipy and matplotlib.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.stats import spearmanr

import onnxpath
from onnxpath.batch.preprocess import Preprocess
from onnxpath.pathway.programs import LOGITS, Setup, mask_name
from onnxpath.pathway.select import select
from onnxpath.pathway.selectors import SELECTORS
from onnxpath.pathway.selectors.neuron_intgrad import integrate
from onnxpath.report.build import versions
from onnxpath.runtime.model import Model
from onnxpath.runtime.targets import Target, resolve_target

DATA = Path(os.environ.get("ONNXPATH_DATA", "../shared/data"))
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
SPARSITIES = (0.7, 0.8, 0.9, 0.95, 0.99)
SCORES = ("neuron-mct", "neuron-intgrad")
CONTROLS = ("activation-only", "random")
RUN = 8


@dataclass(frozen=True)
class Subject:
    """A model, its preprocessing, and how its images are read."""

    preprocess: Preprocess
    images: str


SUBJECTS = {
    "resnet20_cifar10": Subject(Preprocess(scale=1 / 255, **IMAGENET), "cifar10_test_100_lossless.npz"),
    "squeezenet1_1": Subject(Preprocess(resize=(224, 224), scale=1 / 255, **IMAGENET), "imagenet_val_bbox_200.zip"),
    "mobilenet_v2_1.0_224": Subject(
        Preprocess(resize=(224, 224), scale=1 / 255, mean=(0.5,) * 3, std=(0.5,) * 3), "imagenet_val_bbox_200.zip"
    ),
}


def pictures(name: str) -> Iterator[Image.Image]:
    """Yield the pictures of a file of the data folder."""
    path = DATA / "images" / name
    if path.suffix == ".npz":
        with np.load(path) as data:
            yield from (Image.fromarray(pixels) for pixels in data["images"])
        return
    with zipfile.ZipFile(path) as archive:
        for member in sorted(n for n in archive.namelist() if n.endswith(".JPEG")):
            yield Image.open(io.BytesIO(archive.read(member))).convert("RGB")


def rows(subject: Subject, count: int) -> np.ndarray:
    """Return the first `count` model inputs."""
    chosen = (picture for picture, _ in zip(pictures(subject.images), range(count), strict=False))
    return np.stack([subject.preprocess.apply(picture)[0] for picture in chosen])


def spans(count: int) -> Iterator[slice]:
    """Yield the rows of each run."""
    return (slice(start, min(start + RUN, count)) for start in range(0, count, RUN))


def masked_logits(setup: Setup, x: np.ndarray, masks: dict[str, np.ndarray]) -> np.ndarray:
    """Return the logits of the masked network."""
    fed = {mask_name(layer): masks[layer.name].astype(np.float32) for layer in setup.layers}
    return setup.masked(False).run({setup.model.inputs[0].name: x, **fed})[LOGITS]


def switch_off(model: Model, x: np.ndarray, rng: np.random.Generator, each: int = 50) -> dict[str, np.ndarray]:
    """Score and true change of the target's logit for `each` kept and `each` pruned neurons per image."""
    target = resolve_target(model, None, len(x))
    setup = Setup.of(model, target)
    name = model.inputs[0].name
    found: dict[str, list[float]] = {"kept": [], "change": [], **{s: [] for s in SCORES}}
    for row in range(len(x)):
        one = x[row : row + 1]
        scores = {s: SELECTORS.get(s)(setup, {name: one}, target.feed(slice(0, 1)), slice(0, 1), False) for s in SCORES}
        logits = scores["neuron-mct"].logits
        fixed = Target(target.readout, target.kind, target.values[:1]).fixed(logits)
        masks = select({k: np.abs(v) for k, v in scores["neuron-mct"].signed.items()}, 0.9)
        flat = np.concatenate([masks[layer.name].reshape(-1) for layer in setup.layers])
        chosen = [(True, i) for i in rng.choice(np.flatnonzero(flat), each, replace=False)]
        chosen += [(False, i) for i in rng.choice(np.flatnonzero(~flat), each, replace=False)]
        signed = {s: np.concatenate([v.signed[n.name].reshape(-1) for n in setup.layers]) for s, v in scores.items()}
        for span in spans(len(chosen)):
            part = chosen[span]
            ones = {n.name: np.ones((len(part), *masks[n.name].shape[1:]), np.float32) for n in setup.layers}
            # Without any neuron off, in the same program: its rounding must not count as a change.
            whole = fixed.score(masked_logits(setup, one, {k: v[:1] for k, v in ones.items()}))[0]
            for place, (_, neuron) in enumerate(part):
                _zero(setup, ones, place, neuron)
            off = masked_logits(setup, np.repeat(one, len(part), 0), ones)
            score = Target(target.readout, target.kind, np.repeat(fixed.values, len(part))).score(off)
            found["change"] += list(whole - score)
            found["kept"] += [float(k) for k, _ in part]
            for s in SCORES:
                found[s] += [float(signed[s][i]) for _, i in part]
    return {k: np.asarray(v) for k, v in found.items()}


def _zero(setup: Setup, masks: dict[str, np.ndarray], row: int, neuron: int) -> None:
    for layer in setup.layers:
        size = masks[layer.name][row].size
        if neuron < size:
            masks[layer.name][row].reshape(-1)[neuron] = 0
            return
        neuron -= size


def kept_by_sparsity(model: Model, x: np.ndarray) -> list[dict[str, object]]:
    """Target logit and softmax of the masked network, as fractions of the original's, by selector and sparsity."""
    target = resolve_target(model, None, len(x))
    setup = Setup.of(model, target)
    name = model.inputs[0].name
    table: dict[tuple[str, float], list[tuple[float, float, float]]] = {}
    for selector in (*SCORES, *CONTROLS):
        for span in spans(len(x)):
            scores = SELECTORS.get(selector)(setup, {name: x[span]}, target.feed(span), span, False)
            fixed = Target(target.readout, target.kind, target.values[span]).fixed(scores.logits)
            magnitudes = scores.magnitudes()
            before = _readings(fixed, scores.logits)
            for sparsity in SPARSITIES:
                after = _readings(fixed, masked_logits(setup, x[span], select(magnitudes, sparsity)))
                kept = after["prediction"] == before["prediction"]
                cells = zip(after["logit"] / before["logit"], after["softmax"] / before["softmax"], kept, strict=True)
                table.setdefault((selector, sparsity), []).extend(cells)
    return [
        {
            "selector": selector,
            "sparsity": sparsity,
            **{
                k: float(v)
                for k, v in zip(("logit", "softmax", "prediction"), np.mean(np.array(cells), 0), strict=True)
            },
        }
        for (selector, sparsity), cells in table.items()
    ]


def _readings(target: Target, logits: np.ndarray) -> dict[str, np.ndarray]:
    flat = logits.astype(np.float64)
    softmax = np.exp(flat - flat.max(1, keepdims=True))
    softmax /= softmax.sum(1, keepdims=True)
    place = np.arange(len(flat)), target.chosen(logits)
    return {"logit": flat[place], "softmax": softmax[place], "prediction": flat.argmax(1)}


def random_dead(model: Model, x: np.ndarray, sparsity: float = 0.9) -> dict[str, float]:
    """Dead fraction of random pathways against the base sparsity, in standard errors."""
    z = []
    for p in onnxpath.critical_pathway(model, x, selector="random", sparsity=sparsity):
        count = sum(c.neurons for c in p.layers)
        kept = sum(c.kept for c in p.layers)
        # Drawn without replacement: the finite population counts.
        error = np.sqrt(p.base_sparsity * (1 - p.base_sparsity) / kept * (count - kept) / (count - 1))
        z.append((p.dead_fraction - p.base_sparsity) / error)
    z = np.asarray(z)
    return {
        "images": len(z),
        "pooled_z": float(z.sum() / np.sqrt(len(z))),
        "largest_z": float(np.abs(z).max()),
        "within_3": float((np.abs(z) <= 3).mean()),
    }


def completeness(model: Model, x: np.ndarray, n_steps: int = 50) -> dict[str, float]:
    """Error of the sum of scores relative to max(|F(x) - F(layer = 0)|, 0.05 |F(x)|), per image and layer."""
    target = resolve_target(model, None, len(x))
    setup = Setup.of(model, target)
    name = model.inputs[0].name
    errors: list[float] = []
    for span in spans(len(x)):
        feeds = {name: x[span]}
        logits = setup.forward().run(feeds)[LOGITS]
        fixed = Target(target.readout, target.kind, target.values[span]).fixed(logits)
        whole = fixed.score(logits)
        for _, scores, at_zero in integrate(
            setup, feeds, fixed.feed(slice(None)), n_steps, "midpoint", with_baseline=True
        ):
            change = whole - fixed.score(at_zero)
            total = scores.reshape(len(scores), -1).astype(np.float64).sum(1)
            errors += list(np.abs(total - change) / np.maximum(np.abs(change), 0.05 * np.abs(whole)))
    return {
        "pairs": len(errors),
        "median": float(np.median(errors)),
        "p95": float(np.percentile(errors, 95)),
        "largest": float(np.max(errors)),
    }


def plot(found: dict[str, dict[str, np.ndarray]], path: Path) -> None:
    """Draw score against true change, a panel per model and score."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(len(SCORES), len(found), figsize=(4 * len(found), 7), squeeze=False)
    for column, (name, data) in enumerate(found.items()):
        for row, score in enumerate(SCORES):
            axis = axes[row][column]
            for state, colour in ((0.0, "tab:gray"), (1.0, "tab:blue")):
                chosen = data["kept"] == state
                label = "kept" if state else "pruned"
                axis.scatter(data[score][chosen], data["change"][chosen], s=6, alpha=0.5, color=colour, label=label)
            axis.set_xscale("symlog", linthresh=1e-4)
            axis.set_yscale("symlog", linthresh=1e-4)
            axis.set_xticks([-1, -1e-2, 0, 1e-2, 1])
            axis.set_yticks([-1, -1e-2, 0, 1e-2, 1])
            axis.axline((0, 0), (1, 1), color="tab:red", linewidth=0.7)
            axis.set_title(f"{name}\n{score}", fontsize=9)
            axis.set_xlabel("score")
            axis.set_ylabel("true change of the logit")
            axis.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=100)


def correlations(data: dict[str, np.ndarray]) -> dict[str, float]:
    """Spearman of score and true change: signed and by magnitude, over all neurons and over the kept ones alone."""
    kept = data["kept"] == 1
    table = {}
    for score in SCORES:
        table[f"{score}, signed"] = spearmanr(data[score], data["change"]).statistic
        table[f"{score}, magnitude"] = spearmanr(np.abs(data[score]), np.abs(data["change"])).statistic
        table[f"{score}, signed, kept"] = spearmanr(data[score][kept], data["change"][kept]).statistic
    return {k: float(v) for k, v in table.items()}


def main() -> None:
    """Run the checks and write pathway-quality.json and pathway-quality.png."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=list(SUBJECTS), choices=list(SUBJECTS))
    parser.add_argument("--out", type=Path, default=Path("docs/results"))
    parser.add_argument("--images", type=int, default=40, help="for the sparsity table and the random pathways")
    parser.add_argument("--few", type=int, default=10, help="for switching off single neurons and completeness")
    arguments = parser.parse_args()
    result: dict[str, object] = {
        "date": datetime.now(UTC).date().isoformat(),
        "versions": versions(),
        "images": arguments.images,
        "few": arguments.few,
    }
    found = {}
    for name in arguments.models:
        model = onnxpath.load(DATA / "models" / f"{name}.onnx")
        x = rows(SUBJECTS[name], arguments.images)
        few = x[: arguments.few]
        found[name] = switch_off(model, few, np.random.default_rng(0))
        result[name] = {
            "spearman": correlations(found[name]),
            "kept_by_sparsity": kept_by_sparsity(model, x),
            "random": random_dead(model, x),
            "completeness": completeness(model, few),
        }
        print(name, json.dumps(result[name], indent=1), flush=True)
    plot(found, arguments.out / "pathway-quality.png")
    (arguments.out / "pathway-quality.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
