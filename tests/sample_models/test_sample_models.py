"""The files in sample_models/ are what its README says, and do what they are for."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

from onnxpath.batch.preprocess import load_preprocess

FOLDER = Path(__file__).resolve().parents[2] / "sample_models"
README = (FOLDER / "README.md").read_text(encoding="utf-8")
MODELS = ["digits_cnn", "digits_resnet", "digits_vit"]
LOWEST_ACCURACY = {"digits_cnn": 0.97, "digits_resnet": 0.97, "digits_vit": 0.95}


def session(name: str) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(FOLDER / f"{name}.onnx", providers=["CPUExecutionProvider"])


def logits(name: str, x: np.ndarray) -> np.ndarray:
    return session(name).run(["logits"], {"image": x})[0]


def sample_images() -> tuple[np.ndarray, np.ndarray]:
    """The twelve pictures as model inputs float32 [12, 1, 16, 16], and the labels that their names give."""
    preprocess = load_preprocess(FOLDER / "preprocess.toml")
    files = sorted((FOLDER / "images").glob("*.png"))
    x = np.stack([preprocess.apply(Image.open(file))[0] for file in files])
    return x, np.array([int(file.stem.rsplit("_", 1)[1]) for file in files])


def table_row(first_cell: str) -> list[str]:
    """The cells of the README's first table row that begins with `first_cell`."""
    line = next(line for line in README.splitlines() if line.startswith(f"| `{first_cell}` |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_hashes_are_the_readmes() -> None:
    stated = dict(re.findall(r"^\| `([^`]+)` \| `([0-9a-f]{64})` \|$", README, flags=re.MULTILINE))
    files = [*FOLDER.glob("*.onnx"), *(FOLDER / "images").glob("*.png")]
    found = {f.relative_to(FOLDER).as_posix(): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}
    assert stated == found


def test_the_models_are_small() -> None:
    sizes = {name: (FOLDER / f"{name}.onnx").stat().st_size for name in MODELS}
    assert sum(sizes.values()) < 500_000
    assert {name: f"{size:,}" for name, size in sizes.items()} == {n: table_row(f"{n}.onnx")[1] for n in MODELS}


def test_the_pictures_cover_all_classes() -> None:
    x, labels = sample_images()
    assert x.shape == (12, 1, 16, 16)
    assert x.dtype == np.float32
    assert set(labels) == set(range(10))
    assert (FOLDER / "classes.txt").read_text(encoding="utf-8").split() == [str(digit) for digit in range(10)]


@pytest.mark.parametrize("name", MODELS)
def test_form_of_the_file(name: str) -> None:
    model = onnx.load(FOLDER / f"{name}.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert model.opset_import[0].version <= 20
    assert model.ir_version <= 10
    assert not any(node.doc_string for node in model.graph.node)
    shapes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in [*model.graph.input, *model.graph.output]
    }
    assert shapes == {"image": ["batch", 1, 16, 16], "logits": ["batch", 10]}


def test_resnet_keeps_its_batch_normalization() -> None:
    kinds = [node.op_type for node in onnx.load(FOLDER / "digits_resnet.onnx").graph.node]
    assert kinds.count("BatchNormalization") == kinds.count("Conv") == 9


@pytest.mark.parametrize("name", MODELS)
def test_pictures_get_their_label(name: str) -> None:
    x, labels = sample_images()
    assert (logits(name, x).argmax(1) == labels).sum() >= 11


@pytest.mark.parametrize("name", MODELS)
def test_the_batch_is_symbolic(name: str) -> None:
    x, _ = sample_images()
    together = logits(name, x[:7])
    one_by_one = np.concatenate([logits(name, row[None]) for row in x[:7]])
    np.testing.assert_allclose(together, one_by_one, atol=1e-5)


@pytest.mark.needs("sklearn")
@pytest.mark.parametrize("name", MODELS)
def test_accuracy_on_the_test_part_is_the_readmes(name: str) -> None:
    from sample_models import digits_data

    test = digits_data.split()["test"]
    accuracy = (logits(name, digits_data.preprocess(test.images)).argmax(1) == test.labels).mean()
    assert accuracy >= LOWEST_ACCURACY[name]
    assert f"{accuracy:.4f}" == table_row(f"{name}.onnx")[-1]


@pytest.mark.needs("sklearn")
def test_the_parts_do_not_overlap_and_the_pictures_are_of_the_test_part() -> None:
    from sample_models import digits_data

    parts = digits_data.split()
    rows = np.concatenate([part.rows for part in parts.values()])
    assert sorted(rows) == list(range(1797))
    test = parts["test"]
    chosen = digits_data.sample_positions(test.labels)
    x, labels = sample_images()
    assert list(labels) == list(test.labels[chosen])
    np.testing.assert_allclose(x, digits_data.preprocess(test.images[chosen]), atol=1e-6)


@pytest.mark.needs("torch")
@pytest.mark.parametrize("name", MODELS)
def test_the_torch_module_holds_the_files_weights(name: str) -> None:
    import torch

    from sample_models import networks

    x, _ = sample_images()
    with torch.no_grad():
        expected = networks.from_onnx(FOLDER / f"{name}.onnx")(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(logits(name, x), expected, atol=1e-5)
