"""scikit-learn's bundled digits as 16x16 grey images, split once and for all. Needs no torch."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

HERE = Path(__file__).resolve().parent
SIZE = 16
SPLIT_SEED = 0
TEST_COUNT = 360
VALIDATION_COUNT = 240


class Part(NamedTuple):
    """One part of the data: images uint8 [N, 16, 16], labels int64 [N], rows int64 [N] (position in load_digits())."""

    images: np.ndarray
    labels: np.ndarray
    rows: np.ndarray


def enlarge(digit: np.ndarray) -> np.ndarray:
    """An 8x8 digit with values 0..16 -> uint8 [16, 16] with values 0..255, bilinear."""
    grey = Image.fromarray(np.rint(digit * (255 / 16)).astype(np.uint8))
    return np.asarray(grey.resize((SIZE, SIZE), Image.Resampling.BILINEAR))


def split() -> dict[str, Part]:
    """The 1,797 digits as `train` (1,197), `validation` (240) and `test` (360), each class in proportion."""
    digits = load_digits()
    images = np.stack([enlarge(digit) for digit in digits.images])
    labels = digits.target.astype(np.int64)
    rest, test = train_test_split(
        np.arange(len(labels)), test_size=TEST_COUNT, stratify=labels, random_state=SPLIT_SEED
    )
    train, validation = train_test_split(
        rest, test_size=VALIDATION_COUNT, stratify=labels[rest], random_state=SPLIT_SEED
    )
    rows = {"train": train, "validation": validation, "test": test}
    return {name: Part(images[chosen], labels[chosen], chosen) for name, chosen in rows.items()}


def sample_positions(labels: np.ndarray) -> list[int]:
    """Which test images become sample files: the first of each class, then the first two left. Not picked by looks."""
    first = [int(np.flatnonzero(labels == label)[0]) for label in np.unique(labels)]
    left = [position for position in range(len(labels)) if position not in first]
    return sorted(first + left[:2])


def preprocess(images: np.ndarray) -> np.ndarray:
    """uint8 [N, 16, 16] -> float32 [N, 1, 16, 16] as `preprocess.toml` says: (x * scale - mean) / std."""
    rule = tomllib.loads((HERE / "preprocess.toml").read_text(encoding="utf-8"))
    scaled = images[:, None].astype(np.float32) * np.float32(rule["scale"])
    return (scaled - np.float32(rule["mean"][0])) / np.float32(rule["std"][0])
