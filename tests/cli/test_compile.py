"""`onnxpath compile`: the file that it writes, and what it refuses."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest

import onnxpath
from tests.cli.program import CNN, refused, run
from tests.models import relative, sample, sample_images


def test_the_file_explains(tmp_path):
    out = tmp_path / "explainer.onnx"
    done = run(
        *("compile", CNN, "--method", "integrated-gradients", "--option", "n_steps=7"),
        *("--option", "quadrature=midpoint", "--target", "input", "--opset", "22", "-o", out, "--json"),
    )
    assert done.json["options"] == {"n_steps": 7, "quadrature": "midpoint"} and done.json["opset"] == 22
    session = ort.InferenceSession(out, providers=["CPUExecutionProvider"])
    x = sample_images()[:2]
    (found,) = session.run(["attribution"], {"image": x, "target": np.array([1, 2])})
    wanted = onnxpath.attribute(CNN, x, [1, 2], "integrated-gradients", n_steps=7, quadrature="midpoint")
    assert relative(found, wanted.values) <= 1e-5


def test_one_class(tmp_path):
    out = tmp_path / "explainer.onnx"
    done = run("compile", CNN, "--method", "gradient", "--target", 3, "-o", out)
    assert done.code == 0 and "gradient of '3'" in done.out
    assert {p.key: p.value for p in onnx.load(out).metadata_props}["onnxpath.target"] == "3"


def test_a_pathway_as_a_model(tmp_path):
    onnxpath.critical_pathway(CNN, sample_images()[:1])[0].save(tmp_path / "p.npz")
    done = run("compile", CNN, "--pathway", tmp_path / "p.npz", "-o", tmp_path / "small.onnx", "--json")
    assert int(done.json["removed_channels"]) > 0 and done.json["pathway"].startswith("neuron-mct")
    (logits,) = ort.InferenceSession(tmp_path / "small.onnx").run(None, {"image": sample_images()[:2]})
    assert logits.shape == (2, 10)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (["--method", "rise"], "needs the host"),
        (["--method", "gradeint"], "did you mean 'gradient'"),
        (["--method", "lrp", "--option", "composit=x", "--option", "gamma"], "did you mean 'composite'"),
        (["--method", "lrp", "--option", "composit=x", "--option", "gamma"], "'gamma' is not NAME=VALUE"),
        (["--target", "predicton"], "did you mean 'prediction'"),
        (["--target", "10"], "out of range"),
        (["--target=--5"], "no target named '--5'"),
        (["--target", "1" * 5000], "no target named '111"),
        (["--sparsity", "2"], "sparsity is the fraction"),
        (["--pathway", CNN], "is not a pathway file of onnxpath: it is neither .npy nor .npz"),
        (["--overlay"], "an overlay needs the picture"),
        (
            ["--pathway", "p.npz", "--opset", "13", "--overlay"],
            "--opset, --overlay: with --pathway the file is the masked",
        ),
        (["--classes", "names.txt", "--ort-web", "dist"], "--classes, --ort-web: they are for the page of --web"),
    ],
)
def test_what_it_refuses(tmp_path, given, text):
    folder = tmp_path / "somewhere"
    folder.mkdir()
    assert text in refused(folder / "explainer.onnx", "compile", CNN, *given)


def test_what_an_opset_does_not_have(tmp_path):
    given = [sample("digits_vit"), "--method", "gradient", "--opset", "15"]
    assert "cannot be written at opset 15" in refused(tmp_path / "explainer.onnx", "compile", *given)
