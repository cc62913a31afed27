"""Finding inputs in files and folders, and reading one as the model wants it."""

import numpy as np
import pytest
from PIL import Image

from onnxpath.batch.inputs import InputItem, find_inputs, label_of, read_item
from onnxpath.batch.preprocess import Preprocess
from onnxpath.errors import InputError

PLAIN = Preprocess()
RNG = np.random.default_rng(0)


def picture(path, size=(32, 32)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RNG.integers(0, 256, (*size, 3), dtype=np.uint8)).save(path)
    return path


def names(items):
    return [item.name for item in items]


def read(path, shape=(3, 32, 32), dtype="float32", preprocess=PLAIN, index=0, **named):
    return read_item(find_inputs([path], len(shape) + 1)[index], preprocess, shape, dtype, **named)


def test_folder_in_natural_order_with_class_folders(tmp_path):
    for name in ("b/10.png", "b/9.JPG", "a/2.webp", "1.bmp", ".hidden/3.png", "a/.x.png", "__MACOSX/y.png"):
        picture(tmp_path / name)
    (tmp_path / "notes.txt").write_text("passed over")
    items = find_inputs([tmp_path], 4)
    assert names(items) == ["1.bmp", "a/2.webp", "b/9.JPG", "b/10.png"]
    assert [item.folder for item in items] == [None, "a", "b", "b"]


def test_names_stay_unique_and_files_are_listed_once(tmp_path):
    first, second = picture(tmp_path / "p" / "x.png"), picture(tmp_path / "q" / "x.png")
    items = find_inputs([first, second, tmp_path / "q", first], 4)
    assert names(items) == ["p/x.png", "q/x.png"]
    assert names(find_inputs([first], 4)) == ["x.png"]


def test_problems_with_paths_are_named_together(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.gif").write_bytes(b"GIF89a")
    with pytest.raises(InputError) as caught:
        find_inputs([tmp_path / "none.png", tmp_path / "empty", tmp_path / "a.gif"], 4)
    lines = str(caught.value).splitlines()
    assert "does not exist" in lines[0] and "holds no inputs" in lines[1] and "of a kind that is not read" in lines[2]
    with pytest.raises(InputError, match="no inputs were named"):
        find_inputs([], 4)


def test_npz_with_labels_and_classes(tmp_path):
    images = RNG.integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    np.savez(tmp_path / "set.npz", images=images, labels=[2, 0, 1], classes=["cat", "dog", "eel"])
    items = find_inputs([tmp_path], 4)
    assert names(items) == ["set.npz[0]", "set.npz[1]", "set.npz[2]"]
    assert [label_of(item, None) for item in items] == [(2, "eel"), (0, "cat"), (1, "dog")]
    loaded = read_item(items[1], PLAIN, (3, 8, 8), "float32")
    np.testing.assert_array_equal(loaded.array, images[1].transpose(2, 0, 1))
    np.testing.assert_array_equal(loaded.shown, images[1])


def test_grey_pixels_in_an_array(tmp_path):
    images = RNG.integers(0, 256, (2, 28, 28), dtype=np.uint8)
    np.save(tmp_path / "g.npy", images)
    loaded = read(tmp_path / "g.npy", (1, 28, 28), preprocess=Preprocess(color="L"), index=1)
    np.testing.assert_array_equal(loaded.array[0], images[1])


@pytest.mark.parametrize(
    ("shape", "input_rank", "count"),
    [((3, 8, 8), 4, 1), ((5, 3, 8, 8), 4, 5), ((7,), 2, 1), ((4, 7), 2, 4), ((6, 10), 3, 1), ((1, 6, 10), 3, 1)],
)
@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_rank_says_whether_an_array_is_one_input(tmp_path, shape, input_rank, count, suffix):
    path = tmp_path / f"a.{suffix}"
    values = RNG.standard_normal(shape).astype(np.float32)
    np.save(path, values) if suffix == "npy" else np.savez(path, whatever=values)
    items = find_inputs([path], input_rank)
    assert len(items) == count
    loaded = read_item(items[-1], PLAIN, shape[len(shape) - input_rank + 1 :], "float32")
    np.testing.assert_array_equal(loaded.array, values if len(shape) < input_rank else values[-1])


def test_ready_arrays_are_never_preprocessed(tmp_path):
    values = RNG.standard_normal((3, 8, 8))
    np.save(tmp_path / "a.npy", values)
    loaded = read(tmp_path / "a.npy", (3, 8, 8), preprocess=Preprocess(scale=100, mean=(5,)))
    np.testing.assert_allclose(loaded.array, values, rtol=1e-6)
    assert loaded.shown.shape == (8, 8, 3) and "stretched" in loaded.note


def test_vectors_show_no_picture_and_integers_stay_integers(tmp_path):
    np.save(tmp_path / "ids.npy", np.array([4, 8, 15], np.int32))
    loaded = read(tmp_path / "ids.npy", (None,), "int64")
    assert loaded.shown is None and loaded.array.dtype == np.int64


def test_symbolic_sizes_fit_anything(tmp_path):
    picture(tmp_path / "x.png", (20, 30))
    assert read(tmp_path / "x.png", (3, None, None)).array.shape == (3, 20, 30)
    assert read(tmp_path / "x.png", (None, 20, 30), "float16").array.dtype == np.float16


@pytest.mark.parametrize(
    ("shape", "options", "complaint"),
    [
        ((3, 32, 32), {}, "x.png is 3×30×30 after preprocessing, model input 'data' wants 3×32×32; set resize/crop"),
        ((1, 30, 30), {}, "wants 1×30×30; set color"),
        ((30, 30, 3), {}, 'set layout = "NHWC"'),
        ((3, 30, 30), {"layout": "NHWC"}, 'set layout = "NCHW"'),
        ((10,), {}, "does not take pictures"),
        ((3, 30, 30), {"crop": 40}, "x.png: the picture is 30×30 before the crop"),
    ],
)
def test_shape_mismatch_says_what_to_set(tmp_path, shape, options, complaint):
    picture(tmp_path / "x.png", (30, 30))
    with pytest.raises(InputError, match=complaint.replace("(", r"\(")):
        read(tmp_path / "x.png", shape, preprocess=Preprocess(**options), input_name="data")


@pytest.mark.parametrize(
    ("dtype", "says"),
    [
        ("uint8", 'wants uint8; set dtype = "uint8" in the preprocess file'),
        ("int8", "give it as an array of that type"),
    ],
)
def test_a_picture_of_another_kind_says_what_to_set(tmp_path, dtype, says):
    picture(tmp_path / "x.png", (30, 30))
    with pytest.raises(InputError, match=says):
        read(tmp_path / "x.png", (3, 30, 30), dtype)


def test_array_of_another_shape_or_kind(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 8, 8), np.float32))
    with pytest.raises(InputError, match=r"array a.npy is 3×8×8, model input 'input' wants 3×any×9"):
        read(tmp_path / "a.npy", (3, None, 9))
    with pytest.raises(InputError, match="is float32, model input 'input' wants int64"):
        read(tmp_path / "a.npy", (3, 8, 8), "int64")
    with pytest.raises(InputError, match=r"rank 3, shape .* save one row of rank 1 or N rows of rank 2"):
        read(tmp_path / "a.npy", (8,))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(tmp_path, bad):
    values = np.zeros((3, 8, 8), np.float32)
    values[1, 2, 3] = bad
    np.save(tmp_path / "a.npy", values)
    with pytest.raises(InputError, match=r"array a.npy has 1 of 192 values that are NaN or infinite"):
        read(tmp_path / "a.npy", (3, 8, 8))


def test_values_too_large_for_the_model(tmp_path):
    np.save(tmp_path / "a.npy", np.array([1e30, 0.0]))
    with pytest.raises(InputError, match="more than the float16"):
        read(tmp_path / "a.npy", (2,), "float16")
    np.save(tmp_path / "b.npy", np.array([2**40, 0]))
    with pytest.raises(InputError, match="more than the int32"):
        read(tmp_path / "b.npy", (2,), "int32")


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp"])
@pytest.mark.parametrize("damage", ["truncated", "empty", "text"])
def test_damaged_pictures_are_named(tmp_path, suffix, damage):
    path = picture(tmp_path / f"x.{suffix}", (64, 64))
    whole = path.read_bytes()
    path.write_bytes({"truncated": whole[: len(whole) // 2], "empty": b"", "text": b"not a picture"}[damage])
    with pytest.raises(InputError, match=rf"image x\.{suffix} cannot be read") as caught:
        read(path)
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("suffix", ["npy", "npz"])
@pytest.mark.parametrize("damage", ["truncated", "empty", "text"])
def test_damaged_arrays_stay_in_the_list_and_are_named_when_read(tmp_path, suffix, damage):
    path = tmp_path / f"a.{suffix}"
    np.save(path, np.ones((3, 8, 8))) if suffix == "npy" else np.savez_compressed(path, x=RNG.random((3, 8, 8)))
    whole = path.read_bytes()
    path.write_bytes({"truncated": whole[: len(whole) // 2], "empty": b"", "text": b"not an array"}[damage])
    picture(tmp_path / "fine.png")
    broken, fine = find_inputs([tmp_path], 4)
    assert read_item(fine, PLAIN, (3, 32, 32), "float32").array.shape == (3, 32, 32)
    with pytest.raises(InputError, match=rf"array file a\.{suffix} cannot be read"):
        read_item(broken, PLAIN, (3, 32, 32), "float32")


@pytest.mark.parametrize(
    ("arrays", "complaint"),
    [
        ({"a": np.ones(3), "b": np.ones(3)}, "name the inputs 'images' or 'x'"),
        ({"labels": np.ones(3, int)}, "name the inputs"),
        ({"x": np.ones((2, 3, 4, 4)), "labels": np.ones(5, int)}, "must hold 2 whole numbers"),
        ({"x": np.ones((2, 3, 4, 4)), "labels": np.ones(2)}, "must hold 2 whole numbers"),
        ({"x": np.ones((2, 3, 4, 4)), "classes": np.arange(2)}, "it must list names"),
        ({"x": np.array(["a"])}, "made of numbers"),
        ({"x": np.ones((0, 3, 4, 4))}, "no rows"),
        ({"images": np.ones((2, 2, 4, 4, 3), np.uint8)}, "pictures are"),
    ],
)
def test_npz_that_cannot_be_used(tmp_path, arrays, complaint):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError, match=f"array file a.npz.*{complaint}"):
        read(tmp_path / "a.npz", (3, 4, 4))


def test_pickled_objects_are_not_loaded(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "a.npz", x=np.array([{}], dtype=object))
    for name in ("a.npy", "a.npz"):
        with pytest.raises(
            InputError, match=f"{name} cannot be read: it holds Python objects.*; save arrays of numbers"
        ):
            read(tmp_path / name)


def test_a_picture_that_is_not_there_is_not_said_to_be_damaged(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    (item,) = find_inputs([tmp_path], 4)
    (tmp_path / "a.png").unlink()
    with pytest.raises(InputError, match=r"image a.png cannot be read: No such file or directory$"):
        read_item(item, PLAIN, (3, 4, 4), "float32")


def test_file_that_changed_or_vanished_during_the_run(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((5, 3, 4, 4)))
    item = find_inputs([tmp_path], 4)[4]
    np.save(tmp_path / "a.npy", np.ones((2, 3, 4, 4)))
    with pytest.raises(InputError, match="changed during the run"):
        read_item(item, PLAIN, (3, 4, 4), "float32")
    (tmp_path / "a.npy").unlink()
    with pytest.raises(InputError, match="cannot be read"):
        read_item(item, PLAIN, (3, 4, 4), "float32")


@pytest.mark.parametrize(
    ("folder", "classes", "expected"),
    [
        ("Dog", ["cat", "dog"], (1, "dog")),
        ("1", ["cat", "dog"], (1, "dog")),
        ("7", None, (7, "7")),
        ("7", ["cat"], None),
        ("holiday", ["cat"], None),
        (None, ["cat"], None),
    ],
)
def test_folders_as_labels(tmp_path, folder, classes, expected):
    assert label_of(InputItem("x", tmp_path, folder=folder), classes) == expected
