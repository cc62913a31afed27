"""Filters, imputation, thresholds and similarities against scipy and scikit-image."""

import numpy as np
import pytest

from onnxpath.evaluation import similarity
from onnxpath.evaluation.filters import gaussian, resized, sobel
from onnxpath.evaluation.impute import impute
from onnxpath.evaluation.threshold import largest_component, otsu

RNG = np.random.default_rng(0)


@pytest.mark.needs("scipy")
@pytest.mark.parametrize("deviation", [0.6, 2.0, 9.0])
def test_gaussian_is_that_of_scipy(deviation):
    from scipy import ndimage

    values = RNG.standard_normal((2, 12, 17))
    wanted = ndimage.gaussian_filter(values, (0, deviation, deviation), mode="reflect")
    np.testing.assert_allclose(gaussian(values, deviation), wanted, atol=1e-9)


@pytest.mark.needs("scipy")
def test_sobel_is_that_of_scipy():
    from scipy import ndimage

    values = RNG.standard_normal((9, 11))
    wanted = np.hypot(*(ndimage.sobel(values, axis, mode="nearest") for axis in (0, 1)))
    np.testing.assert_allclose(sobel(values), wanted, atol=1e-12)


@pytest.mark.needs("torch")
def test_resizing_is_linear_with_aligned_centres():
    import torch

    values = RNG.standard_normal((2, 4, 7))
    wanted = torch.nn.functional.interpolate(torch.tensor(values)[None], (16, 20), mode="bilinear")[0].numpy()
    np.testing.assert_allclose(resized(values, (16, 20)), wanted, atol=1e-9)
    assert resized(np.ones((1, 1, 1)), (3, 3)).tolist() == np.ones((1, 3, 3)).tolist()


@pytest.mark.needs("scipy")
def test_imputed_pixels_are_the_weighted_mean_of_their_neighbours():
    from scipy import sparse
    from scipy.sparse.linalg import spsolve

    height, width = 9, 7
    values = RNG.standard_normal((2, height * width))
    gone = RNG.random(height * width) < 0.6
    missing = np.flatnonzero(gone)
    matrix, right = sparse.lil_matrix((len(missing),) * 2), np.zeros((len(missing), 2))
    for row, place in enumerate(missing):
        y, x = divmod(int(place), width)
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                if (dy or dx) and 0 <= y + dy < height and 0 <= x + dx < width:
                    weight = 1 / 12 if dy and dx else 1 / 6
                    other = (y + dy) * width + x + dx
                    matrix[row, row] += weight
                    if gone[other]:
                        matrix[row, np.searchsorted(missing, other)] -= weight
                    else:
                        right[row] += weight * values[:, other]
    wanted = values.copy()
    wanted[:, missing] = np.stack([spsolve(matrix.tocsr(), column) for column in right.T])
    np.testing.assert_allclose(impute(values, gone, (height, width)), wanted, atol=1e-3)


def test_where_nothing_is_left_the_mean_is_imputed():
    values = RNG.standard_normal((2, 6))
    wanted = np.repeat(values.mean(1, keepdims=True), 6, 1)
    np.testing.assert_allclose(impute(values, np.ones(6, bool), (2, 3)), wanted)
    assert np.array_equal(impute(values, np.zeros(6, bool), (2, 3)), values)


@pytest.mark.needs("skimage")
def test_otsu_is_that_of_scikit_image():
    from skimage import filters

    values = np.concatenate([RNG.normal(0, 1, 300), RNG.normal(5, 1, 200)])
    assert otsu(values) == pytest.approx(filters.threshold_otsu(values))
    assert otsu(np.full(5, 3.0)) == 3


@pytest.mark.needs("skimage")
def test_the_largest_component_is_that_of_scikit_image():
    from skimage import measure

    for share in (0.2, 0.4, 0.7):
        mask = RNG.random((25, 31)) < share
        labels = measure.label(mask, connectivity=2)
        found = largest_component(mask)
        assert found.sum() == np.bincount(labels[mask]).max()
        assert len(np.unique(labels[found])) == 1 and (found <= mask).all()
    assert not largest_component(np.zeros((3, 3), bool)).any()


@pytest.mark.needs("skimage")
@pytest.mark.parametrize("shape", [(16, 16), (33, 50)])
def test_ssim_is_that_of_scikit_image(shape):
    from skimage import metrics

    a, b = RNG.uniform(-1, 1, (2, *shape))
    b = 0.5 * a + 0.5 * b
    # scikit-image leaves out a border of half a window too.
    assert similarity.ssim(a, b) == pytest.approx(metrics.structural_similarity(a, b, win_size=5, data_range=2))
    assert similarity.ssim(a, a) == pytest.approx(1)


@pytest.mark.needs("skimage")
@pytest.mark.parametrize(("shape", "cell"), [((64, 48), 16), ((37, 35), 16), ((16, 20), 8)])
def test_hog_is_that_of_scikit_image(shape, cell):
    from skimage import feature

    values = RNG.standard_normal(shape)
    wanted = feature.hog(values, 9, (cell, cell), (1, 1), block_norm="L2-Hys")
    np.testing.assert_allclose(similarity.hog(values), wanted, atol=1e-6)


@pytest.mark.needs("scipy")
def test_spearman_is_that_of_scipy():
    from scipy import stats

    a, b = RNG.integers(-5, 5, (2, 200)).astype(float)
    assert similarity.spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
    assert similarity.spearman_absolute(a, b) == pytest.approx(stats.spearmanr(np.abs(a), np.abs(b)).statistic)


def test_constants_have_no_order_to_share():
    flat, slope = np.ones(9), np.arange(9.0)
    assert similarity.spearman(flat, slope) == 0 and similarity.spearman(flat, flat) == 1
    found = similarity.similarities(np.zeros(64), np.arange(64.0), (8, 8))
    assert list(found) == list(similarity.SIMILARITIES) and all(np.isfinite(v) for v in found.values())
    assert list(similarity.similarities(flat, slope, (9,))) == ["spearman", "spearman-absolute"]
