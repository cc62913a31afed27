"""Boxes follow their pictures through resize and crop."""

import numpy as np
import pytest
from PIL import Image

from onnxpath.batch.boxes import boxes_of, carried, read_boxes
from onnxpath.batch.inputs import find_inputs
from onnxpath.batch.preprocess import Preprocess
from onnxpath.errors import InputError


@pytest.mark.parametrize(
    "preprocess",
    [
        Preprocess(),
        Preprocess(resize=64),
        Preprocess(resize=(50, 90)),
        Preprocess(resize=64, crop=56),
        Preprocess(crop=(40, 100)),
        Preprocess(resize=(64, 65), crop=57),
    ],
)
@pytest.mark.parametrize("size", [(120, 80), (80, 120)])
def test_a_painted_box_is_where_its_box_is_carried(preprocess, size):
    if preprocess.crop == (40, 100) and size[0] < 100:
        preprocess = Preprocess(crop=(100, 40))
    box = np.array([[30.0, 20.0, 70.0, 60.0]])
    image = Image.new("L", size)
    image.paste(255, tuple(int(v) for v in box[0]))
    array, _ = preprocess.apply(image.convert("RGB"))
    ys, xs = np.nonzero(array[0] > 127)
    found = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
    np.testing.assert_allclose(carried(box, size, preprocess)[0], found, atol=0.6)


def test_boxes_outside_the_crop_are_left_out_and_others_cut_off():
    boxes = np.array([[0.0, 0.0, 10.0, 10.0], [10.0, 40.0, 50.0, 60.0]])
    assert carried(boxes, (100, 100), Preprocess(crop=60)).tolist() == [[0, 20, 30, 40]]


def test_boxes_are_found_by_name_and_by_file(tmp_path):
    (tmp_path / "cats").mkdir()
    for name in ("cats/a.png", "b.png", "c.png"):
        Image.new("RGB", (20, 10)).save(tmp_path / name)
    (tmp_path / "boxes.csv").write_text(
        "file,label,wnid,x0,y0,x1,y1 (pixels)\na.png,3,n1,1,2,3,4\na.png,3,n1,0,0,5,5\nb.png,1,n2,2,2,4,4\n"
    )
    boxes = read_boxes(tmp_path / "boxes.csv")
    items = {item.name: item for item in find_inputs([tmp_path], 4)}
    double = Preprocess(resize=20)
    assert boxes_of(items["cats/a.png"], boxes, double).tolist() == [[2, 4, 6, 8], [0, 0, 10, 10]]
    assert boxes_of(items["c.png"], boxes, double).shape == (0, 4)


def test_columns_without_a_name_and_a_byte_order_mark_shift_nothing(tmp_path):
    (tmp_path / "boxes.csv").write_text("\ufeff,file,x0,,y0,x1,y1\n7,a.png,1,-,2,3,4\n")
    assert read_boxes(tmp_path / "boxes.csv") == {"a.png": [(1, 2, 3, 4)]}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("file,x0,y0,x1\n", "have no column y1"),
        ("file,x0,y0,x1,y1\na,1,2,x,4\n", "line 2: x0, y0, x1, y1 must be numbers"),
        ("file,x0,y0,x1,y1\na,1,2,3,4\nb,5,2,3,4\n", "line 3: a box needs x0 < x1 and y0 < y1, not 5, 2, 3, 4"),
        ("file,x0,y0,x1,y1\na,1,2\n", "must be numbers"),
        ("file,x0,y0,x1,y1\n" + "a" * 200_000, "are no CSV: field larger than field limit"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, text, says):
    (tmp_path / "boxes.csv").write_text(text)
    with pytest.raises(InputError, match=says):
        read_boxes(tmp_path / "boxes.csv")


def test_files_that_are_not_there_or_not_text(tmp_path):
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_boxes(tmp_path / "no.csv")
    (tmp_path / "b.csv").write_bytes(b"file,x0\xff\xfe")
    with pytest.raises(InputError, match="not UTF-8"):
        read_boxes(tmp_path / "b.csv")
