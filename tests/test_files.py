"""Archives of arrays: what numpy and zipfile read of them, the same bytes at any time."""

import io
import zipfile

import numpy as np
import pytest

from onnxpath.files import npz_bytes

DRAW = np.random.default_rng(0)
ARRAYS = {
    "noise": DRAW.normal(size=(3, 32, 32)).astype(np.float32),
    "/layers/Relu_output_0": np.packbits(DRAW.random(5000) < 0.1),
    "zeros": np.zeros((100, 100)),
    "names": np.array(["a", "bc", "ü"]),
    "größe": np.arange(6, dtype=np.float16).reshape(2, 3).T,
    "scalar": np.int64(7),
    "nothing": np.zeros((0, 4)),
}


def test_what_was_written_is_read():
    data = npz_bytes(ARRAYS)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None and archive.namelist() == [f"{name}.npy" for name in ARRAYS]
    with np.load(io.BytesIO(data), allow_pickle=False) as loaded:
        assert loaded.files == list(ARRAYS)
        for name, array in ARRAYS.items():
            assert loaded[name].dtype == array.dtype
            np.testing.assert_array_equal(loaded[name], array)


def test_archives_are_no_larger_than_numpys_by_much():
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **ARRAYS)
    assert len(npz_bytes(ARRAYS)) < 1.1 * len(buffer.getvalue())


@pytest.mark.parametrize(
    ("values", "packed"),
    [
        (DRAW.normal(size=(2, 32, 32)).astype(np.float32), False),
        (np.maximum(DRAW.normal(size=(2, 32, 32)), 0), True),
        (np.repeat(DRAW.normal(size=64), 64), True),
        (DRAW.normal(size=8), True),
        (DRAW.random((64, 64)) < 0.5, True),
        (np.asfortranarray(DRAW.normal(size=(300, 5))), False),
    ],
)
def test_only_floats_that_hardly_repeat_are_stored_as_they_are(values, packed):
    data = npz_bytes({"x": values})
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.getinfo("x.npy").compress_type == (zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED)
    with np.load(io.BytesIO(data)) as loaded:
        np.testing.assert_array_equal(loaded["x"], values)


def test_none_at_all_and_the_same_twice():
    with np.load(io.BytesIO(npz_bytes({}))) as loaded:
        assert loaded.files == []
    assert npz_bytes(ARRAYS) == npz_bytes(dict(ARRAYS))


def test_objects_are_not_pickled():
    with pytest.raises(ValueError, match="allow_pickle"):
        npz_bytes({"x": np.array([{}], object)})
