"""All attribution methods side by side, on photographs through real models: the picture of docs/results/catalogue.md.

    python -m benchmarks.catalogue --out docs/results/catalogue.png           about 5 minutes on 2 cores
    python -m benchmarks.catalogue --images FOLDER --out FILE --methods lrp rap   of a folder's pictures instead

Needs the models that ONNXPATH_DATA names (default ../shared/data), scikit-image and scikit-learn for the photographs.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import onnxpath
from onnxpath.attribution.methods import METHODS
from onnxpath.attribution.methods.cam import CAMS
from onnxpath.batch.preprocess import Preprocess
from onnxpath.errors import OnnxPathError
from onnxpath.graph.positions import last_layer
from onnxpath.report.colour import make_map, map_rgb
from onnxpath.runtime.model import Model

DATA = Path(os.environ.get("ONNXPATH_DATA", "../shared/data"))
MODELS = {
    "squeezenet1_1": Preprocess(
        resize=(224, 224), scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
    ),
    "mobilenet_v2_1.0_224": Preprocess(resize=(224, 224), scale=1 / 255, mean=(0.5,) * 3, std=(0.5,) * 3),
}
SIZE = 224
CELL, LABEL, GAP = 92, 15, 3
BLOCKS = 2


def squares(cells: int) -> np.ndarray:
    """Return a feature mask [1, 1, H, W] of cells × cells squares."""
    place = np.arange(SIZE) * cells // SIZE
    return (place[:, None] * cells + place)[None, None]


OPTIONS: dict[str, dict[str, Any]] = {
    "feature-ablation": {"feature_mask": squares(14)},
    "shapley-value-sampling": {"feature_mask": squares(7), "n_samples": 8},
    "occlusion": {"sliding_window_shapes": (3, 32, 32), "strides": (3, 16, 16)},
    "rise": {"n_masks": 300},
    "integrated-gradients": {"n_steps": 20},
    "conductance": {"n_steps": 20},
    "internal-influence": {"n_steps": 20},
    "deeplift-shap": {"baselines": np.linspace(-1, 1, 3, dtype=np.float32).reshape(3, 1, 1, 1)},
    "expected-gradients": {"baselines": np.linspace(-1, 1, 3, dtype=np.float32).reshape(3, 1, 1, 1)},
    "gradient-shap": {"baselines": np.linspace(-1, 1, 3, dtype=np.float32).reshape(3, 1, 1, 1), "stdevs": 0.1},
}
"""What is not a method's default: fewer steps and larger features, and baselines of three greys."""


@dataclass(frozen=True)
class Picture:
    """A square picture and its name."""

    name: str
    image: Image.Image

    @classmethod
    def of(cls, name: str, image: Image.Image) -> Picture:
        """Cut the largest square from the middle."""
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        return cls(name, image.convert("RGB").crop((left, top, left + side, top + side)))


def photographs() -> list[Picture]:
    """Return three photographs under free licences that show ImageNet classes: a cat, an espresso, a palace."""
    import skimage.data
    from sklearn.datasets import load_sample_image

    arrays = {
        "chelsea": skimage.data.chelsea(),
        "coffee": skimage.data.coffee(),
        "china": load_sample_image("china.jpg"),
    }
    return [Picture.of(name, Image.fromarray(pixels)) for name, pixels in arrays.items()]


def options_of(method: str, model: Model) -> dict[str, Any]:
    """Return the options of a method here; one that asks for a layer gets the one that the CAMs choose."""
    options = dict(OPTIONS.get(method, {}))
    if isinstance(options.get("baselines"), np.ndarray):
        options["baselines"] = np.broadcast_to(options["baselines"], (3, 3, SIZE, SIZE))
    if "layer" in METHODS.get(method).defaults and method not in CAMS:
        options["layer"] = last_layer(model.graph, model.sources, model.readout().name)
    return options


def maps(model: Model, x: np.ndarray, method: str) -> np.ndarray:
    """Return the maps of a batch, summed over channels: [N, h, w]."""
    found = onnxpath.attribute(model, x, method=method, **options_of(method, model))
    return np.asarray(found.values).sum(1)


def cells(model: Model, x: np.ndarray, method: str, kept: Path | None) -> Iterator[Image.Image]:
    """Yield a map's picture for each row; grey where the method does not take the model.

    kept: a file that holds the maps, or is to.
    """
    try:
        found = np.load(kept) if kept and kept.exists() else maps(model, x, method)
        if kept:
            np.save(kept, found)
    except OnnxPathError as error:
        print(f"{method}: {str(error).splitlines()[0]}")
        yield from (Image.new("RGB", (CELL, CELL), "lightgrey") for _ in x)
        return
    for values in found.astype(np.float32):
        # Shrunk before it is coloured, so that what cancels cancels.
        small = np.asarray(Image.fromarray(values).resize((CELL, CELL), Image.Resampling.BOX))
        shown = make_map(method, small, None)
        yield Image.fromarray(map_rgb(shown.values, shown.limit))


def sheet(pictures: Sequence[Picture], models: Sequence[str], methods: Sequence[str], keep: Path | None) -> Image.Image:
    """Draw a row of cells for each method, as many as there are pictures and models, the pictures on top."""
    loaded = {name: onnxpath.load(DATA / "models" / f"{name}.onnx", providers="cpu") for name in models}
    inputs = {name: np.stack([MODELS[name].apply(p.image)[0] for p in pictures]) for name in models}
    height = -(-len(methods) // BLOCKS)
    across = len(pictures) * len(models)
    width = across * (CELL + GAP) + 3 * GAP
    canvas = Image.new("RGB", (BLOCKS * width, (height + 1) * (CELL + LABEL)), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=12)

    def put(block: int, row: int, label: str, row_cells: Sequence[Image.Image]) -> None:
        x0, y0 = block * width + GAP, row * (CELL + LABEL)
        draw.text((x0, y0), label, fill="black", font=font)
        for i, cell in enumerate(row_cells):
            canvas.paste(cell, (x0 + i * (CELL + GAP), y0 + LABEL))

    shown = [p.image.resize((CELL, CELL), Image.Resampling.BOX) for p in pictures]
    for block in range(BLOCKS):
        put(block, 0, "", shown * len(models))
        for i, name in enumerate(models):
            draw.text((block * width + GAP + i * len(shown) * (CELL + GAP), 0), name, fill="black", font=font)
    for i, method in enumerate(methods):
        began = time.perf_counter()
        files = {n: keep / f"{n}-{method}.npy" if keep else None for n in models}
        row = [cell for n in models for cell in cells(loaded[n], inputs[n], method, files[n])]
        put(i // height, 1 + i % height, method, row)
        print(f"{method}: {time.perf_counter() - began:.1f} s", flush=True)
    return canvas


def main() -> None:
    """Draw the sheet and write it with a palette."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--images", type=Path, help="a folder of pictures, default three photographs")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--methods", nargs="+", default=METHODS.names())
    parser.add_argument("--maps", type=Path, help="a folder where maps are kept for another run")
    given = parser.parse_args()
    pictures = photographs()
    if given.images:
        files = sorted(p for p in given.images.iterdir() if p.suffix.lower() in (".jpeg", ".jpg", ".png"))
        pictures = [Picture.of(file.stem, Image.open(file)) for file in files]
    made = sheet(pictures, given.models, given.methods, given.maps)
    made.convert("P", palette=Image.Palette.ADAPTIVE, colors=128, dither=Image.Dither.NONE).save(
        given.out, optimize=True
    )


if __name__ == "__main__":
    main()
