"""A run with data files beside its page, small enough for a test: 130 pictures, some of them with hostile names."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

import onnxpath
from onnxpath.report.job import beside
from tests.models import FOLDER, sample

COUNT, UNIT = 130, 8
FAILED = 20  # the number of the one that is no picture
HOSTILE = "<script>window.evil=1</script>.png"  # "<" is in the name of its folder
LABELLED = 40  # in a folder named by their class


def make_large(folder):
    """Write the pictures and their report below a folder; return the report's folder and its data."""
    inputs = folder / "in"
    (inputs / "<script>window.evil=1<").mkdir(parents=True)
    drawn = np.random.default_rng(0).integers(0, 255, (COUNT, 16, 16), dtype=np.uint8)
    for label in range(10):
        (inputs / str(label)).mkdir()
    for index, pixels in enumerate(drawn):
        Image.fromarray(pixels).save(inputs / (f"{index % 10}/" * (index < LABELLED) + f"{index}.png"))
    (inputs / "5" / "5.png").write_bytes(b"no picture")
    shutil.copy(inputs / "50.png", inputs / HOSTILE)
    shutil.copy(inputs / "51.png", inputs / "<img src=x onerror=window.evil=2>.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(beside, "INLINE", 20)
        made = onnxpath.report(
            sample("digits_cnn"),
            [inputs],
            folder / "out",
            methods=["pathway-gradient", "gradient"],
            preprocess=FOLDER / "preprocess.toml",
            classes=[f"class {n}" for n in range(10)],
            unit=UNIT,
            threads=1,
        )
    return folder / "out", json.loads(made.data.read_text("utf-8"))
