"""Do pathways tell adversarial inputs from clean ones, and do they do more than two simple controls?

    python -m benchmarks.fingerprints --json docs/results/pathways-fingerprints.json    about 10 minutes on 2 cores

ResNet-20 on correctly classified CIFAR-10 test images ($ONNXPATH_DATA, default ../shared/data). Features: the keep rate
of every channel (onnxpath.fingerprints). Attacks: FGSM and PGD, L-infinity, epsilon in units of pixels from 0 to 1.
Detectors: scikit-learn, trained on one half of the images and tested on the other. An attack that fails is no
adversarial input and is left out, with its clean image. What is in the JSON file already is not computed again.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import onnxpath
from benchmarks.machine import machine
from onnxpath.batch.preprocess import Preprocess
from onnxpath.batch.unprocess import value_range
from onnxpath.pathway.analyses.adversarial import equal_noise
from onnxpath.pathway.programs import LOGITS, Setup
from onnxpath.runtime.model import Model
from onnxpath.runtime.targets import resolve_target

DATA = Path(os.environ.get("ONNXPATH_DATA", "../shared/data"))
PREPROCESS = Preprocess(scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
EPSILONS = (2, 8)
METHODS = ("fgsm", "pgd")
SELECTORS = ("neuron-mct", "activation-only")
SPARSITY = 0.9
RUN = 50
BOOTSTRAPS = 2000
DETECTORS: dict[str, Callable[[], object]] = {
    "logistic regression": lambda: make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000)),
    "random forest": lambda: RandomForestClassifier(200, random_state=0),
}


def right_images(model: Model, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The first images that the network classifies correctly, as inputs, and their labels."""
    with np.load(DATA / "images" / "cifar10_test_1000.npz") as data:
        images, labels = data["images"], data["labels"].astype(np.int64)
    pixels = images.transpose(0, 3, 1, 2).astype(np.float32) * np.float32(PREPROCESS.scale)
    mean, std = (np.float32(v)[:, None, None] for v in (PREPROCESS.mean, PREPROCESS.std))
    # The file is ordered by class.
    order = np.random.default_rng(0).permutation(len(labels))
    x, labels = ((pixels - mean) / std)[order], labels[order]
    right = np.flatnonzero(logits_of(model, x).argmax(1) == labels)[:count]
    return x[right], labels[right]


def logits_of(model: Model, x: np.ndarray) -> np.ndarray:
    """The network's logits."""
    setup = Setup.of(model, resolve_target(model, None, len(x)))
    return np.concatenate([setup.forward().run(model.feeds(x[i : i + RUN]))[LOGITS] for i in range(0, len(x), RUN)])


def features(model: Model, x: np.ndarray, selector: str) -> np.ndarray:
    """Keep rates of every channel."""
    parts = []
    for start in range(0, len(x), RUN):
        pathways = onnxpath.critical_pathway(model, x[start : start + RUN], selector=selector, sparsity=SPARSITY)
        parts.append(onnxpath.fingerprints(model, pathways).values)
    return np.concatenate(parts)


def doubt(model: Model, x: np.ndarray) -> np.ndarray:
    """The control without features: 1 - the largest softmax."""
    logits = logits_of(model, x).astype(np.float64)
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    return 1 - (shifted / shifted.sum(1, keepdims=True)).max(1)


def auroc(negative: np.ndarray, positive: np.ndarray) -> dict[str, float]:
    """Area under the ROC curve from scores, with a bootstrap interval of 95 %; an image is drawn with both its scores.

    The area is the fraction of pairs in which the positive scores higher, ties counted as a half.
    """
    wins = (positive[None] > negative[:, None]) + 0.5 * (positive[None] == negative[:, None])
    count = len(negative)
    draws = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), BOOTSTRAPS) / count
    low, high = np.percentile(np.einsum("bi,bi->b", draws @ wins, draws), [2.5, 97.5])
    return {"auroc": float(wins.mean()), "low": float(low), "high": float(high)}


def detect(clean: np.ndarray, attacked: np.ndarray, noisy: np.ndarray, train: np.ndarray) -> dict[str, object]:
    """AUROC of each detector on the test images; arrays: features of the same images; train: bool."""
    found = {}
    for name, make in DETECTORS.items():
        scores = {}
        for kind, other in (("attack", attacked), ("noise", noisy)):
            detector = make().fit(
                np.concatenate([clean[train], other[train]]), np.repeat([0, 1], [train.sum(), train.sum()])
            )
            on = {"clean": clean, "attack": attacked, "noise": noisy}
            scores[kind] = {k: detector.predict_proba(v[~train])[:, 1] for k, v in on.items()}
        found[name] = {
            "attack": auroc(scores["attack"]["clean"], scores["attack"]["attack"]),
            "noise, trained on noise": auroc(scores["noise"]["clean"], scores["noise"]["noise"]),
            "noise, trained on the attack": auroc(scores["attack"]["clean"], scores["attack"]["noise"]),
            "attack against noise": auroc(scores["attack"]["noise"], scores["attack"]["attack"]),
        }
    return found


def one_attack(
    model: Model, x: np.ndarray, labels: np.ndarray, clean: Mapping[str, np.ndarray], method: str, grey_levels: int
) -> dict[str, object]:
    """Everything about one attack."""
    bounds = value_range(PREPROCESS)
    made = onnxpath.attack(model, x, labels, method, grey_levels / 255, bounds)
    noisy = equal_noise(x, made.values, seed=1)
    fooled, train = made.fooled, np.arange(len(x)) < len(x) // 2
    kept = np.flatnonzero(fooled)
    result: dict[str, object] = {
        "fooled": float(fooled.mean()),
        "noise_fools": float((logits_of(model, noisy).argmax(1) != labels).mean()),
        "train": int(train[kept].sum()),
        "test": int((~train[kept]).sum()),
    }
    test = kept[~train[kept]]
    before, after, blurred = (doubt(model, v[test]) for v in (x, made.values, noisy))
    result["max-softmax"] = {"attack": auroc(before, after), "noise": auroc(before, blurred)}
    for selector in SELECTORS:
        attacked, noise = (features(model, v[kept], selector) for v in (made.values, noisy))
        result[selector] = detect(clean[selector][kept], attacked, noise, train[kept])
    return result


def table(result: Mapping[str, object]) -> str:
    """The numbers as Markdown."""
    lines = [
        "| attack, epsilon | fooled (noise) | test images | detector | attack | noise, trained on noise "
        "| noise, trained on the attack | attack against noise |",
        f"|{' --- |' * 8}",
    ]
    for name, found in result["attacks"].items():
        first = f"{name} | {found['fooled']:.0%} ({found['noise_fools']:.0%}) | {found['test']}"
        control = found["max-softmax"]
        lines.append(f"| {first} | max-softmax | {cell(control['attack'])} | {cell(control['noise'])} | | |")
        for selector in SELECTORS:
            for detector, areas in found[selector].items():
                lines.append(f"| | | | {selector}, {detector} | {' | '.join(map(cell, areas.values()))} |")
    return "\n".join(lines)


def cell(area: Mapping[str, float]) -> str:
    """An area with its interval."""
    return f"{area['auroc']:.3f} [{area['low']:.3f}, {area['high']:.3f}]"


def main() -> None:
    """Measure, print the table, write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    result = json.loads(arguments.json.read_text()) if arguments.json and arguments.json.exists() else {"attacks": {}}
    result["about"] = machine()
    model = onnxpath.load(DATA / "models" / "resnet20_cifar10.onnx")
    x, labels = right_images(model, arguments.images)
    result["images"] = len(x)
    clean = {selector: features(model, x, selector) for selector in SELECTORS}
    for method in METHODS:
        for epsilon in EPSILONS:
            name = f"{method}, {epsilon}/255"
            if name not in result["attacks"]:
                result["attacks"][name] = one_attack(model, x, labels, clean, method, epsilon)
            if arguments.json:
                arguments.json.write_text(json.dumps(result, indent=1) + "\n")
            print(name, "done", flush=True)
    print(table(result))


if __name__ == "__main__":
    main()
