"""Gradients of whole exported networks against torch's autograd, which has never seen the ONNX files."""

import warnings

import numpy as np
import onnxruntime
import pytest

import onnxpath

torch = pytest.importorskip("torch", reason="torch is not installed: whole networks have no oracle")
pytest.importorskip("onnxscript", reason="onnxscript is not installed: torch's exporter needs it")

from tests.backward.architectures import ARCHITECTURES, network  # noqa: E402

BATCH = 7
SEEDS = (0, 1)
FULLY_CONVOLUTIONAL = ("resnet", "densenet", "mobilenet", "squeezenet", "convnext")


def legacy(module, example, path, open_axes=(0,)):
    # PRESERVE on a module in eval mode keeps BatchNormalization as nodes.
    torch.onnx.export(
        module,
        (example,),
        path,
        input_names=["x"],
        output_names=["y"],
        dynamic_axes={"x": {axis: f"size{axis}" for axis in open_axes}, "y": {0: "size0"}},
        opset_version=17,
        training=torch.onnx.TrainingMode.PRESERVE,
        do_constant_folding=False,
        dynamo=False,
    )


def dynamo(module, example, path, open_axes=(0,)):
    torch.onnx.export(
        module,
        (example,),
        path,
        input_names=["x"],
        output_names=["y"],
        dynamic_shapes=({axis: torch.export.Dim(f"size{axis}") for axis in open_axes},),
        dynamo=True,
        verbose=False,
    )


EXPORTERS = {"legacy": legacy, "dynamo": dynamo}


def session_of(export, module, example, folder, **options):
    """A session of the gradient graph of the exported module."""
    path = folder / "model.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporters': deprecations, traced shapes
        export(module, example, str(path), **options)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    model = onnxpath.gradient_graph(path)
    return onnxruntime.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])


def check(session, module, x):
    """A batch at once, and row by row, against autograd."""
    x.requires_grad_(True)
    y = module(x)
    cotangent = torch.randn_like(y)
    y.backward(cotangent)
    feeds = {"x": x.detach().numpy(), "grad_y": cotangent.numpy()}
    found = session.run(["grad_x"], feeds)[0]
    rows = [session.run(["grad_x"], {k: v[i : i + 1] for k, v in feeds.items()})[0] for i in range(len(x))]
    assert_close(found, x.grad.numpy())
    assert_close(np.concatenate(rows), found)


def assert_close(found, expected):
    """By relative L2 and cosine per row: a ReLU or a max-pool on its kink may move single elements."""
    for a, b in zip(found.reshape(len(found), -1), expected.reshape(len(expected), -1), strict=True):
        assert np.linalg.norm(b) > 0
        assert np.linalg.norm(a - b) <= 1e-2 * np.linalg.norm(b)
        assert a @ b >= 0.9999 * np.linalg.norm(a) * np.linalg.norm(b)


@pytest.mark.parametrize("exporter", EXPORTERS)
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_network_s_gradient_is_autograd_s(name, exporter, tmp_path):
    shape = ARCHITECTURES[name][1]
    for seed in SEEDS if exporter == "legacy" else SEEDS[:1]:  # the other exporter takes a second or two
        module = network(name, seed)
        session = session_of(EXPORTERS[exporter], module, torch.randn(2, *shape), tmp_path)
        for _ in SEEDS:
            check(session, module, torch.randn(BATCH, *shape))


@pytest.mark.parametrize("name", FULLY_CONVOLUTIONAL)
def test_pictures_may_have_any_size(name, tmp_path):
    module = network(name, 0)
    session = session_of(legacy, module, torch.randn(2, 3, 40, 36), tmp_path, open_axes=(0, 2, 3))
    for height, width in ((40, 36), (33, 51)):
        check(session, module, torch.randn(2, 3, height, width))


def test_the_legacy_resnet_keeps_its_batch_normalization(tmp_path):
    session = session_of(legacy, network("resnet", 0), torch.randn(2, 3, 33, 33), tmp_path)
    path = tmp_path / "model.onnx"
    assert session is not None and path.read_bytes().count(b"BatchNormalization") >= 5
