"""How far do explanations drift when a model is quantised? The numbers of docs/results/quantised.md.

    python -m benchmarks.quantised        ResNet-20 on CIFAR-10 and the sample models, about 1 minute on 2 cores

Every model is quantised by onnxruntime.quantization (QDQ, weights int8), explained with rules='straight-through', and
compared with the float32 file: same target, image by image. Needs the models and images that ONNXPATH_DATA names
(default ../shared/data); without them, the sample models alone.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto

import onnxpath
from benchmarks.machine import machine
from tests.formats import in_format, quantised
from tests.models import cosine, real_input, sample, sample_images

DATA = Path(os.environ.get("ONNXPATH_DATA", "../shared/data"))
ROWS = 100
FORMS: dict[str, dict[str, Any]] = {
    "uint8": {},
    "uint8, ReLUs kept": {"QDQKeepRemovableActivations": True},
    "uint8 per channel": {"per_channel": True},
    "int8 per channel": {"activations": "QInt8", "per_channel": True},
    "uint16 per channel": {"activations": "QUInt16", "per_channel": True, "UseQDQContribOps": False},
}
METHODS: tuple[tuple[str, dict[str, Any]], ...] = (("gradient", {}), ("pathway-gradient", {"activity": True}))
HEAD = (
    "| model | form | same class | gradient: cosine | 5 % | pathway gradient: cosine | 5 % | pathway: Jaccard | 5 % | "
    "base sparsity | all-zero maps |\n" + "| --- " * 11 + "|"
)


def subjects() -> dict[str, tuple[Path, np.ndarray, np.ndarray]]:
    """Name -> file, rows to calibrate on, rows to explain."""
    found = {name: (sample(name), sample_images(), sample_images()) for name in ("digits_cnn", "digits_resnet")}
    path = DATA / "models" / "resnet20_cifar10.onnx"
    if path.is_file():
        train = np.load(DATA / "images" / "cifar10_train_10000.npz")["images"][:ROWS]
        mean, std = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
        calibration = ((train.astype(np.float32) / 255 - mean) / std).transpose(0, 3, 1, 2)
        found["ResNet-20"] = (path, np.ascontiguousarray(calibration), real_input(DATA, path.stem, ROWS))
    return found


def explained(model: Any, x: np.ndarray, target: np.ndarray) -> dict[str, Any]:
    """The maps and pathways of all rows for given targets."""
    results = {method: onnxpath.attribute(model, x, target, method=method, **options) for method, options in METHODS}
    maps = {method: result.values.astype(np.float64) for method, result in results.items()}
    return {
        "maps": maps,
        "pathways": results["pathway-gradient"].pathways,
        "prediction": results["gradient"].prediction,
    }


def overlap(one: Any, other: Any) -> float:
    """Jaccard of two pathways whose layers have other names and the same order."""
    pairs = list(zip(one.masks.values(), other.masks.values(), strict=True))
    return sum(int((a & b).sum()) for a, b in pairs) / sum(int((a | b).sum()) for a, b in pairs)


def line(name: str, form: str, exact: dict[str, Any], rough: dict[str, Any]) -> str:
    """One row of the table."""
    cells = [f"{(exact['prediction'] == rough['prediction']).mean():.0%}"]
    alive = {m: values.reshape(len(values), -1).any(1) for m, values in rough["maps"].items()}
    for method in exact["maps"]:
        pairs = zip(exact["maps"][method][alive[method]], rough["maps"][method][alive[method]], strict=True)
        cells += quantiles([cosine(a, b) for a, b in pairs])
    cells += quantiles([overlap(a, b) for a, b in zip(exact["pathways"], rough["pathways"], strict=True)])
    sparsity = [np.mean([p.base_sparsity or 0 for p in r["pathways"]]) for r in (exact, rough)]
    cells.append(f"{sparsity[0]:.3f} → {sparsity[1]:.3f}" if sparsity[0] else "n/a")
    cells.append(str(int((~alive["gradient"]).sum())))
    return f"| {name} | {form} | " + " | ".join(cells) + " |"


def quantiles(values: list[float]) -> list[str]:
    return [f"{np.median(values):.3f}", f"{np.quantile(values, 0.05):.3f}"]


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    print(machine())
    print(HEAD)
    for name, (path, calibration, x) in subjects().items():
        model = onnxpath.load(path)
        target = onnxpath.attribute(model, x, method="gradient").prediction
        exact = explained(model, x, target)
        print(line(name, "float16", exact, explained(in_format(path, TensorProto.FLOAT16, keep_ends=True), x, target)))
        for form, options in FORMS.items():
            with tempfile.TemporaryDirectory() as folder:
                small = quantised(path, Path(folder), calibration, **options)
                rough = explained(onnxpath.load(small, rules="straight-through"), x, target)
            print(line(name, form, exact, rough), flush=True)


if __name__ == "__main__":
    main()
