"""Keras through tf2onnx and JAX through jax2onnx, written by another interpreter, against their own gradients.

ONNXPATH_EXPORTERS_PYTHON names the interpreter: jax2onnx depends on plain onnxruntime, which cannot be installed beside
onnxruntime-gpu. docs/results/exporters.md has the commands.
"""

import functools
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

import onnxpath
from tests.exporters.oracle import assert_same_gradient, session_of

PYTHON = os.environ.get("ONNXPATH_EXPORTERS_PYTHON")
NETWORKS = {
    "keras": ("plain", "mobile", "unet", "transformer", "lstm", "gru", "waves"),
    "jax": ("plain", "cnn", "transformer", "einsum", "scan"),
}
ROWS = {"fixed": [2], "symbolic": [1, 5]}

pytestmark = pytest.mark.skipif(
    not PYTHON, reason="ONNXPATH_EXPORTERS_PYTHON is not set: no interpreter with tf2onnx and jax2onnx"
)


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory):
    """Framework -> the folder that its script has filled."""
    return functools.cache(lambda framework: written(framework, tmp_path_factory.mktemp(framework)))


def written(framework, folder):
    script = Path(__file__).with_name(f"make_{framework}.py")
    done = subprocess.run([PYTHON, script, folder], capture_output=True, text=True, timeout=600, check=False)
    if "ModuleNotFoundError" in done.stderr:
        pytest.skip(f"not installed for ONNXPATH_EXPORTERS_PYTHON: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("form", ROWS)
@pytest.mark.parametrize(("framework", "name"), [(f, name) for f, names in NETWORKS.items() for name in names])
def test_the_gradient_is_the_framework_s_own(framework, name, form, folder_of):
    folder = folder_of(framework)
    check(folder / f"{name}-{form}.onnx", dict(np.load(folder / f"{name}.npz")), ROWS[form])


def check(path, arrays, counts):
    session = session_of(onnxpath.gradient_graph(path))
    x, grad_y = (i.name for i in session.get_inputs())
    y, grad_x = (o.name for o in session.get_outputs())
    for count in counts:
        feeds = {x: arrays["x0"][:count], grad_y: arrays["grad_y0"][:count]}
        found = dict(zip((y, grad_x), session.run([y, grad_x], feeds), strict=True))
        np.testing.assert_allclose(found[y], arrays["y0"][:count], rtol=1e-3, atol=1e-4, err_msg="forward")
        assert_same_gradient(found[grad_x], arrays["grad_x0"][:count])
