"""Localisation by hand, on a picture of 4×4."""

import numpy as np
import pytest

from onnxpath.errors import InputError
from onnxpath.evaluation.explanation import Explanation
from onnxpath.evaluation.metrics import METRICS
from onnxpath.evaluation.subject import Subject
from tests.evaluation import linear

# The object is 2×2 at the top left of the first row; the second row has none.
BOXES = [[[0, 0, 2, 2]], []]


def measured(name, plane, boxes=BOXES, **options):
    made, _ = linear.model(side=4)
    subject = Subject.of(made, linear.inputs(side=4, rows=2), boxes=boxes)
    maps = np.broadcast_to(np.asarray(plane, float), (2, 1, 4, 4))
    return METRICS.get(name).function(subject, Explanation("hand", subject, lambda s: maps), **options)


PLANE = [[4, 2, 0, 0], [1, 1, 0, 0], [0, 0, -6, 2], [0, 0, 0, 0]]


def test_pointing_game():
    found = measured("pointing-game", PLANE)
    assert found["positive"].values[0] == 1  # 4 lies inside
    assert found["absolute"].values[0] == 0  # |-6| does not
    assert np.isnan(found["positive"].values[1])  # no object
    near = [[0, 0, 5, 0]] + [[0] * 4] * 3
    assert measured("pointing-game", near)["positive"].values[0] == 0
    assert measured("pointing-game", near, tolerance=1)["positive"].values[0] == 1


def test_energy_and_ratio():
    energy = measured("energy-pointing-game", PLANE)
    assert energy["positive"].values[0] == pytest.approx(8 / 10)
    assert energy["absolute"].values[0] == pytest.approx(8 / 16)
    ratio = measured("outside-inside-ratio", PLANE)
    assert ratio["positive"].values[0] == pytest.approx((2 / 12) / (8 / 4))
    assert np.isnan(energy["positive"].values[1]) and np.isnan(ratio["positive"].values[1])


def test_box_iou_takes_the_largest_part_and_the_best_box():
    plane = [[1, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 1], [0, 0, 0, 0]]
    boxes = [[[2, 2, 4, 4], [0, 0, 2, 2]], [[0, 0, 1, 1]]]
    found = measured("box-iou", plane, boxes, threshold="mean")["positive"].values
    # The part is the column of three; with the second box it shares 2 of 3 + 4 − 2 pixels.
    assert found.tolist() == pytest.approx([2 / 5, 1 / 3])
    assert measured("box-iou", np.zeros((4, 4)), boxes, threshold="zero")["positive"].values.tolist() == [0, 0]


def test_segmentation_by_each_threshold():
    plane = [[4, 4, 1, 0], [4, 0, 0, 0], [0] * 4, [0] * 4]
    miou, accuracy = measured("segmentation-miou", plane), measured("pixel-accuracy", plane)
    # Above 0: 4 found, 3 of them in the object of 4. Above the mean 13/16: the same 4; above Otsu's: the three 4s.
    assert accuracy["zero"].values[0] == accuracy["mean"].values[0] == pytest.approx(14 / 16)
    assert accuracy["otsu"].values[0] == pytest.approx(15 / 16)
    assert miou["zero"].values[0] == pytest.approx((3 / 5 + 11 / 13) / 2)
    assert miou["otsu"].values[0] == pytest.approx((3 / 4 + 12 / 13) / 2)


def test_boxes_become_masks_of_the_pixels_whose_centre_lies_inside():
    made, _ = linear.model(side=4)
    subject = Subject.of(made, linear.inputs(side=4, rows=2), boxes=[[[0.4, 0, 1.6, 1]], [[3.6, 3.6, 4, 4]]])
    assert np.argwhere(subject.masks[0]).tolist() == [[0, 0], [0, 1]]
    assert not subject.masks[1].any()


def test_boxes_and_masks_that_do_not_fit():
    made, _ = linear.model(side=4)
    x = linear.inputs(side=4, rows=2)
    with pytest.raises(InputError, match="2 rows need a list of boxes each; 1 were given"):
        Subject.of(made, x, boxes=[[]])
    with pytest.raises(InputError, match=r"masks are \(2, 4, 5\); these rows need \(2, 4, 4\)"):
        Subject.of(made, x, masks=np.zeros((2, 4, 5)))
    with pytest.raises(InputError, match="need rows with height and width"):
        from tests.models import mlp

        Subject.of(mlp(), np.zeros((2, 6)), masks=np.zeros((2, 6)))
