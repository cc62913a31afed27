"""Pictures with exact masks: the strokes of MNIST, and CIFAR-10 pictures pasted on others.

Neither is a segmentation benchmark: of a stroke every pixel is relevant by how it is made, and a pasted square has
edges that no object has.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from onnxpath.batch.preprocess import Preprocess
from onnxpath.evaluation.evaluate import only_correct
from onnxpath.evaluation.filters import gaussian
from onnxpath.evaluation.subject import Subject

SIDE = 24
"""Of a pasted picture, in pixels of 32."""


def strokes(data: Path, images: int) -> Subject:
    """MNIST digits on their network; the mask is where there is ink, half of full or more."""
    with np.load(data / "images" / "mnist_test.npz") as held:
        x, labels = held["images"][:images], held["labels"][:images]
    subject = Subject.of(data / "models" / "mnist8_cntk.onnx", x[:, None].astype(np.float32), masks=x >= 128)
    return only_correct(subject, labels)


def composites(data: Path, images: int, preprocess: Preprocess) -> Subject:
    """CIFAR-10 pictures at 24×24 on others, blurred; those that ResNet-20 still takes for what was pasted.

    The mask is the pasted square, its place drawn with seed 0.
    """
    rng = np.random.default_rng(0)
    with np.load(data / "images" / "cifar10_test_100_lossless.npz") as held:
        pictures, labels = held["images"], held["labels"]
    rows, masks = [], []
    for picture in pictures[:images]:
        behind = pictures[rng.integers(len(pictures))]
        whole = np.moveaxis(gaussian(np.moveaxis(behind, -1, 0), 3.0), 0, -1).astype(np.uint8)
        y, x = rng.integers(0, 32 - SIDE + 1, 2)
        small = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        whole[y : y + SIDE, x : x + SIDE] = np.asarray(small)
        mask = np.zeros((32, 32), bool)
        mask[y : y + SIDE, x : x + SIDE] = True
        rows.append(preprocess.apply(Image.fromarray(whole))[0])
        masks.append(mask)
    subject = Subject.of(data / "models" / "resnet20_cifar10.onnx", np.stack(rows), masks=np.stack(masks))
    return only_correct(subject, labels[:images])
