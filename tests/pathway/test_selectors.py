"""What holds for every selector: it is found by being there, documented, cited, and works in any number format."""

import re
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

import onnxpath
from onnxpath.pathway import selectors
from onnxpath.pathway.selectors import CONTROLS, SELECTORS
from tests.formats import in_format
from tests.models import OWN_DENSITY, QUICK, mlp, run, sample, sample_images

ROOT = Path(__file__).resolve().parents[2]


def about(name):
    return SELECTORS.get(name).__doc__.partition("\n")[0]


def test_every_file_registers_one_and_the_listing_is_in_their_order():
    files = {f.stem for f in Path(selectors.__file__).parent.glob("*.py")} - {"__init__", "registry"}
    assert [name.replace("-", "_") for name in SELECTORS.names()] == sorted(files)


@pytest.mark.parametrize("name", SELECTORS.names())
def test_it_is_documented_and_cited(name):
    assert f"| `{name}` |" in (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    # The control by activation is nobody's.
    assert name == "activation-only" or re.search(r"\(.*20\d\d", about(name)), about(name)


def test_controls_need_no_gradient():
    """They work where no gradient passes: a model that rounds all it is given."""
    from tests.models import parse

    text = "m (float[n, 4] x) => (float[n, 3] y) { a = Relu(x); r = Round(a); b = Relu(r); y = MatMul(b, W) }"
    model = parse(text, W=np.random.default_rng(2).normal(size=(4, 3)).astype(np.float32))
    for name in CONTROLS:
        assert onnxpath.critical_pathway(model, np.ones((2, 4)), selector=name)


@pytest.mark.parametrize("name", sorted(set(SELECTORS.names()) - {"neuron-mct", "neuron-intgrad", *CONTROLS}))
def test_float16_agrees_with_float32(name):
    x = sample_images()[:4]
    options = {"selector": name, **QUICK.get(name, {})}
    exact = onnxpath.critical_pathway(sample("digits_cnn"), x, **options)
    narrow = in_format(sample("digits_cnn"), TensorProto.FLOAT16)
    found = onnxpath.critical_pathway(narrow, x.astype(np.float16), **options)
    # Ten rounds, or twenty steps, each of which begins where rounding has led the one before.
    assert all(p.jaccard(q) > 0.85 for p, q in zip(exact, found, strict=True))


def test_float64():
    model = in_format(mlp(), TensorProto.DOUBLE)
    x = np.random.default_rng(3).normal(size=(3, 6))
    for name in SELECTORS.names():
        options = {"selector": name, "sparsity": 0.5, **QUICK.get(name, {})}
        wide = onnxpath.critical_pathway(model, x, **options)
        narrow = onnxpath.critical_pathway(mlp(), x.astype(np.float32), **options)
        assert all(p.jaccard(q) == 1 for p, q in zip(wide, narrow, strict=True)), name


@pytest.mark.parametrize("name", SELECTORS.names())
def test_a_pathway_is_saved_and_read_back(name, tmp_path):
    from onnxpath.pathway.pathway import Pathway

    (found,) = onnxpath.critical_pathway(mlp(), np.ones((1, 6)), selector=name, **QUICK.get(name, {}))
    found.save(tmp_path / "path.npz")
    again = Pathway.load(tmp_path / "path.npz")
    assert again.jaccard(found) == 1 and again.sparsity == found.sparsity == (None if name in OWN_DENSITY else 0.9)


def test_the_active_subnet_is_what_is_on():
    x = sample_images()[:4]
    layers = [layer.name for layer in onnxpath.load(sample("digits_cnn")).layers()]
    a = run(onnxpath.expose(sample("digits_cnn"), layers), {"image": x}, outputs=layers)
    for row, found in enumerate(onnxpath.critical_pathway(sample("digits_cnn"), x, selector="active-subnet")):
        for name in layers:
            np.testing.assert_array_equal(found.masks[name], a[name][row] > 0)
        assert found.density == pytest.approx(1 - found.base_sparsity) and found.dead_fraction == 0
        # Nothing that was there is gone.
        assert found.masked.logit == pytest.approx(found.original.logit, rel=1e-5)
    for found in onnxpath.critical_pathway(sample("digits_vit"), x, selector="active-subnet"):
        assert found.density == 1 and found.base_sparsity is None


def test_random_per_layer_is_the_published_control():
    """floor(s · size) of each layer are pruned."""
    for found in onnxpath.critical_pathway(
        sample("digits_cnn"), sample_images()[:3], selector="random", scope="layer", sparsity=0.9
    ):
        for layer in found.layers:
            assert abs(layer.neurons - layer.kept - 0.9 * layer.neurons) <= 1
