"""RISE against a slow plain version, on pictures, vectors, sequences and channels last."""

import numpy as np
import pytest

from tests.attribution.shared import attribute
from tests.models import mlp, parse, relative, run, sample, sample_images
from tests.parity import record


def slow_rise(model, x, target, n_masks, cells, p, seed, centred):
    """The authors' code, row by row: grids enlarged by scikit-image, shifted, cut; scores times masks."""
    from skimage.transform import resize

    rows, _, height, width = x.shape
    rng = np.random.default_rng(seed)
    grids = rng.random((n_masks, cells, cells)) < p
    edges = -(-height // cells), -(-width // cells)
    shifts = rng.integers(0, edges, (n_masks, 2))
    large = tuple((cells + 1) * edge for edge in edges)
    masks, scores = [], []
    for grid, (down, right) in zip(grids, shifts, strict=True):
        mask = resize(grid.astype(float), large, order=1, mode="reflect", anti_aliasing=False)
        masks.append(mask[down : down + height, right : right + width])
        feeds = [{"image": (x[row : row + 1] * masks[-1]).astype(np.float32)} for row in range(rows)]
        scores.append([run(model, feeds[row])["logits"][0, target[row]] for row in range(rows)])
    weights = np.array(scores) - (np.mean(scores, 0) if centred else 0)
    return np.einsum("nr,nhw->rhw", weights, np.array(masks))[:, None] / (n_masks * p)


@pytest.mark.needs("skimage")
@pytest.mark.parametrize(("cells", "p", "centred"), [(4, 0.5, False), (7, 0.3, True), (1, 0.5, False)])
def test_rise_is_the_slow_plain_version(cells, p, centred):
    x = sample_images()[:2]
    found = attribute(sample("digits_cnn"), x, "rise", [3, 0], n_masks=20, cells=cells, p=p, seed=9, centred=centred)
    near = relative(found.values, slow_rise(sample("digits_cnn"), x, [3, 0], 20, cells, p, 9, centred))
    assert record("rise", "plain numpy and scikit-image, same masks", "digits_cnn", "float32", near) < 1e-5


def test_rise_masks_vectors_sequences_and_channels_last():
    model = mlp()
    x = np.random.default_rng(0).normal(size=(2, 6)).astype(np.float32)
    found = attribute(model, x, "rise", 1, n_masks=400, cells=6, centred=False)
    rng = np.random.default_rng(0)
    masks = (rng.random((400, 6)) < 0.5).astype(np.float64)
    assert not rng.integers(0, [1], (400, 1)).any()
    # Cells of one value are enlarged from 6 to 7 places, and cut to the first 6.
    blend = np.array([[max(0, 1 - abs(abs((i + 0.5) * 6 / 7 - 0.5) - j)) for j in range(6)] for i in range(6)])
    soft = masks @ blend.T
    y = np.stack([run(model, {"x": (x[r] * soft).astype(np.float32)})["y"][:, 1] for r in range(2)])
    assert relative(found.values, y @ soft / 200) < 1e-5
    assert "masked: 'x' along axes [1]" in found.notes
    last = parse(
        "m (float[n, 8, 9, 3] x) => (float[n, 3] y) { y = ReduceMean<keepdims = 0>(x, k) }", k=np.int64([1, 2])
    )
    z = np.ones((1, 8, 9, 3), np.float32)
    for options, axes, shape in [({}, [1, 2], (1, 8, 9, 1)), ({"channel_axis": 1}, [2, 3], (1, 1, 9, 3))]:
        found = attribute(last, z, "rise", 0, n_masks=2, **options)
        assert f"masked: 'x' along axes {axes}" in found.notes and found.values.shape == shape
