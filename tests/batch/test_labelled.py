"""Labelled inputs: from an .npz, from sub-folders, and what cannot be read."""

import numpy as np
import pytest
from PIL import Image

from onnxpath.batch.labelled import read_labelled
from onnxpath.batch.preprocess import Preprocess
from onnxpath.errors import InputError
from onnxpath.runtime.model import load
from tests.models import sample

PREPROCESS = Preprocess(color="L", scale=1 / 255)


@pytest.fixture(scope="module")
def model():
    return load(sample("digits_cnn"), providers="cpu")


def picture(path, value, size=16):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((size, size), value, np.uint8)).save(path)


def test_an_npz_with_labels(tmp_path, model):
    images = np.random.default_rng(0).integers(0, 256, (5, 16, 16), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", images=images, labels=[3, 1, 4, 1, 5])
    x, labels, names = read_labelled([tmp_path / "a.npz"], model, PREPROCESS)
    assert x.dtype == np.float32 and labels.dtype == np.int64 and names is None
    np.testing.assert_allclose(x, images[:, None] / 255, atol=1e-6)
    assert labels.tolist() == [3, 1, 4, 1, 5]


def test_sub_folders_are_classes_in_the_order_of_their_names(tmp_path, model):
    for folder, value in {"dog": 30, "ant": 10, "cat": 20}.items():
        picture(tmp_path / folder / "1.png", value)
    x, labels, names = read_labelled([tmp_path], model, PREPROCESS)
    assert names == ["ant", "cat", "dog"]
    assert dict(zip(labels.tolist(), (x[:, 0, 0, 0] * 255).round().tolist(), strict=True)) == {0: 10, 1: 20, 2: 30}
    _, given, _ = read_labelled([tmp_path], model, PREPROCESS, classes=["dog", "cat", "ant"])
    assert sorted(zip(labels.tolist(), given.tolist(), strict=True)) == [(0, 2), (1, 1), (2, 0)]


def test_sub_folders_that_are_numbers_are_the_classes(tmp_path, model):
    for folder in ("7", "2"):
        picture(tmp_path / folder / "1.png", int(folder))
    x, labels, names = read_labelled([tmp_path], model, PREPROCESS)
    assert names is None and labels.tolist() == (x[:, 0, 0, 0] * 255).round().astype(int).tolist()


def test_inputs_without_a_class_are_named(tmp_path, model):
    picture(tmp_path / "1.png", 3)
    with pytest.raises(InputError, match=r"1 input without a known class:\n  1.png\n.*sub-folder for each class"):
        read_labelled([tmp_path], model, PREPROCESS)


def test_files_that_cannot_be_read_are_named(tmp_path, model):
    picture(tmp_path / "0" / "1.png", 3)
    for number in range(7):
        (tmp_path / "0" / f"b{number}.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"(?s)7 inputs cannot be read:.*and 2 more"):
        read_labelled([tmp_path], model, PREPROCESS)
