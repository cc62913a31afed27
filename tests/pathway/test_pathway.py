"""The Pathway object: comparing, saving and loading."""

import io
import json

import numpy as np
import pytest

import onnxpath
from onnxpath import Pathway, files
from onnxpath.errors import InputError, JobError, ShapeError
from tests.models import mlp, sample, sample_images

X = np.random.default_rng(11).normal(size=(2, 6)).astype(np.float32)


@pytest.fixture(scope="module")
def pair():
    """Two pathways of one model."""
    return onnxpath.critical_pathway(onnxpath.load(sample("digits_cnn"), providers="cpu"), sample_images()[:2])


def test_comparisons_are_set_operations(pair):
    one, other = ({(k, i) for k, m in p.masks.items() for i in np.flatnonzero(m)} for p in pair)
    as_set = lambda masks: {(k, i) for k, m in masks.items() for i in np.flatnonzero(m)}  # noqa: E731
    assert as_set(pair[0].union(pair[1])) == one | other
    assert as_set(pair[0].intersection(pair[1])) == one & other
    assert pair[0].jaccard(pair[1]) == pytest.approx(len(one & other) / len(one | other))
    assert pair[0].jaccard(pair[1]) == pair[1].jaccard(pair[0]) < 1
    assert pair[0].jaccard(pair[0]) == 1


def test_two_empty_pathways_are_equal():
    one, other = onnxpath.critical_pathway(onnxpath.load(mlp(), providers="cpu"), X, sparsity=1.0)
    assert one.density == 0 and one.jaccard(other) == 1
    assert one.dead_fraction is None and one.base_sparsity is not None


def test_pathways_of_different_models_cannot_be_compared(pair):
    (other,) = onnxpath.critical_pathway(onnxpath.load(mlp(), providers="cpu"), X[:1])
    for compare in (pair[0].union, pair[0].intersection, pair[0].jaccard, other.jaccard):
        with pytest.raises(ShapeError, match="compare"):
            compare(other if compare.__self__ is pair[0] else pair[0])


@pytest.mark.parametrize("options", [{}, {"selector": "random", "seed": 3}, {"target": np.ones((2, 10), np.float32)}])
@pytest.mark.parametrize("name", ["digits_cnn", "digits_vit"])
def test_saved_and_loaded(name, options, tmp_path):
    x = sample_images()[:2]
    for pathway in onnxpath.critical_pathway(onnxpath.load(sample(name), providers="cpu"), x, **options):
        pathway.save(tmp_path / "p.npz")
        loaded = Pathway.load(tmp_path / "p.npz")
        assert list(loaded.masks) == list(pathway.masks)
        for key, mask in pathway.masks.items():
            assert loaded.masks[key].dtype == bool
            np.testing.assert_array_equal(loaded.masks[key], mask)
        for field in ("selector", "scope", "sparsity", "target", "original", "masked", "layers", "options"):
            assert getattr(loaded, field) == getattr(pathway, field), field
        for field in ("base_sparsity", "dead_fraction", "density", "margin", "kept_prediction"):
            assert getattr(loaded, field) == getattr(pathway, field), field
        assert [p.name for p in tmp_path.iterdir()] == ["p.npz"]


def test_masks_are_saved_as_bits(pair, tmp_path):
    pair[0].save(tmp_path / "p.npz")
    with np.load(tmp_path / "p.npz") as data:
        meta = json.loads(bytes(data["pathway"]))
        bits = np.unpackbits(data["masks"])
    neurons = np.concatenate([m.ravel() for m in pair[0].masks.values()])
    assert 0 <= len(bits) - len(neurons) < 8
    np.testing.assert_array_equal(bits[: len(neurons)], neurons)
    assert meta["masks"][0] == {"layer": next(iter(pair[0].masks)), "shape": [16, 16, 16]}


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def test_files_that_are_no_pathways(pair, tmp_path):
    pair[0].save(tmp_path / "good.npz")
    good = (tmp_path / "good.npz").read_bytes()
    one_array = io.BytesIO()
    np.save(one_array, np.ones(3))
    with np.load(io.BytesIO(good)) as data:
        arrays = dict(data)
    text = lambda value: np.frombuffer(json.dumps(value).encode(), np.uint8)  # noqa: E731
    meta = json.loads(bytes(arrays["pathway"]))
    bad = {
        "truncated": good[: len(good) // 2],
        "text": b"hello",
        "empty": b"",
        "zip head": b"PK\x03\x04" + bytes(30),
        "one array": one_array.getvalue(),
        "other arrays": npz(a=np.ones(3)),
        "no JSON": npz(pathway=np.frombuffer(b"{", np.uint8)),
        "no object": npz(pathway=text([1, 2])),
        "no format": npz(**arrays | {"pathway": text({k: v for k, v in meta.items() if k != "format"})}),
        "missing field": npz(**arrays | {"pathway": text({k: v for k, v in meta.items() if k != "layers"})}),
        "deep": npz(**arrays | {"pathway": np.frombuffer(b"[" * 100_000, np.uint8)}),
        "NaN": npz(**arrays | {"pathway": text(meta | {"base_sparsity": float("nan")})}),
        "a text for a number": npz(**arrays | {"pathway": text(meta | {"target": "1"})}),
        "a number too large": npz(**arrays | {"pathway": text(meta | {"target": 10**400})}),
        "sizes below zero": npz(**arrays | {"pathway": text(meta | {"masks": [{"layer": "a", "shape": [-1, -8]}]})}),
        "huge sizes": npz(**arrays | {"pathway": text(meta | {"masks": [{"layer": "a", "shape": [2**62, 2**62]}]})}),
        "counts of other layers": npz(**arrays | {"pathway": text(meta | {"layers": meta["layers"][1:]})}),
        "masks of floats": npz(**arrays | {"masks": arrays["masks"].astype(np.float32)}),
        "missing masks": npz(pathway=arrays["pathway"]),
        "damaged": good[: len(good) // 2] + bytes(50) + good[len(good) // 2 + 50 :],
        "short masks": npz(**arrays | {"masks": arrays["masks"][:-5]}),
    }
    for name, data in bad.items():
        path = tmp_path / f"{name}.npz"
        path.write_bytes(data)
        with pytest.raises(InputError, match=r"is not a pathway file of onnxpath: [^\[]"):
            Pathway.load(path)
    with pytest.raises(InputError, match="is not a pathway file"):
        Pathway.load(tmp_path / "none.npz")
    (tmp_path / "newer.npz").write_bytes(npz(**arrays | {"pathway": text(meta | {"format": 99})}))
    with pytest.raises(InputError, match="is of format 99, and this onnxpath reads format 2"):
        Pathway.load(tmp_path / "newer.npz")
    (tmp_path / "more.npz").write_bytes(npz(**arrays | {"pathway": text(meta | {"since": 2030}), "other": np.ones(1)}))
    assert Pathway.load(tmp_path / "more.npz").layers == pair[0].layers


def test_nothing_is_half_written(pair, tmp_path, monkeypatch):
    pair[0].save(tmp_path / "p.npz")
    before = (tmp_path / "p.npz").read_bytes()

    def half(path, data):
        files.write_pieces(path, pieces(data))

    def pieces(data):
        yield data[: len(data) // 2]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write_bytes", half)
    with pytest.raises(JobError, match="cannot be written: No space left"):
        pair[1].save(tmp_path / "p.npz")
    assert [p.name for p in tmp_path.iterdir()] == ["p.npz"]
    assert (tmp_path / "p.npz").read_bytes() == before
    monkeypatch.undo()
    with pytest.raises(JobError, match="cannot be written"):
        pair[0].save(tmp_path / "p.npz" / "in a file.npz")
