"""What do pathways decode to? One picture: the photograph, then what each network answers most strongly to.

    python -m benchmarks.decoding --out docs/results/pathways-decoding.png    about 2 minutes on 2 cores

SqueezeNet 1.1 ($ONNXPATH_DATA, default ../shared/data) on scikit-image's photographs chelsea and coffee; a column per
network: whole, active neurons, pathway of NeuronMCT, random pathway of the same density; a row per photograph.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image, ImageDraw

import onnxpath
from onnxpath.batch.preprocess import Preprocess
from onnxpath.batch.unprocess import to_picture, value_range

DATA = Path(os.environ.get("ONNXPATH_DATA", "../shared/data"))
PREPROCESS = Preprocess(resize=256, crop=224, scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
PHOTOGRAPHS = ("chelsea", "coffee")
SIDE, GAP, HEAD = 160, 6, 18


def networks(model: onnxpath.Model, x: np.ndarray, sparsity: float) -> dict[str, list[onnxpath.Pathway] | None]:
    """Name -> pathways, None for the whole network."""
    chosen = onnxpath.critical_pathway(model, x, sparsity=sparsity)
    return {
        "whole network": None,
        "active neurons": onnxpath.critical_pathway(model, x, selector="active-subnet"),
        f"neuron-mct, s = {sparsity}": chosen,
        f"random, s = {sparsity}": onnxpath.critical_pathway(model, x, selector="random", sparsity=sparsity),
    }


def grid(columns: dict[str, list[np.ndarray]]) -> Image.Image:
    """Pictures side by side, each SIDE pixels wide, a column per name; in 256 colours, which keeps the file small."""
    rows = len(next(iter(columns.values())))
    sheet = Image.new("RGB", (len(columns) * (SIDE + GAP) - GAP, HEAD + rows * (SIDE + GAP) - GAP), "white")
    pen = ImageDraw.Draw(sheet)
    for column, (name, pictures) in enumerate(columns.items()):
        pen.text((column * (SIDE + GAP) + 2, 3), name, fill="black")
        for row, picture in enumerate(pictures):
            shown = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            sheet.paste(shown, (column * (SIDE + GAP), HEAD + row * (SIDE + GAP)))
    return sheet.quantize(256)


def main() -> None:
    """Decode and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/results/pathways-decoding.png"))
    parser.add_argument("--sparsity", type=float, default=0.9)
    parser.add_argument("--steps", type=int, default=96)
    parser.add_argument("--parametrisation", default="fourier")
    parser.add_argument("--jitter", type=int, default=8)
    arguments = parser.parse_args()
    model = onnxpath.load(DATA / "models" / "squeezenet1_1.onnx")
    pairs = [PREPROCESS.apply(Image.fromarray(getattr(skimage.data, name)())) for name in PHOTOGRAPHS]
    x, columns = np.stack([array for array, _ in pairs]), {"photograph": [shown for _, shown in pairs]}
    climb = {"steps": arguments.steps, "parametrisation": arguments.parametrisation, "jitter": arguments.jitter}
    for name, pathways in networks(model, x, arguments.sparsity).items():
        found = onnxpath.decode(model, x, pathways=pathways, value_range=value_range(PREPROCESS), **climb)
        columns[name] = [to_picture(PREPROCESS, values) for values in found.values]
        rises = ", ".join(f"{s[0]:.2f} to {s[-1]:.2f}" for s in found.scores)
        spread = ", ".join(f"{p.astype(float).std():.1f}" for p in columns[name])
        print(f"{name}: classes {found.target.tolist()}, logits {rises}, spread of pixels {spread}", flush=True)
    grid(columns).save(arguments.out, optimize=True)


if __name__ == "__main__":
    main()
