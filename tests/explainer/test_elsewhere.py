"""Explainers where there is no Python: in Node, and in a browser by WebAssembly."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

import onnxpath
from onnxpath.explainer.page import FILES
from tests.conftest import BROWSER
from tests.explainer.elsewhere import (
    LAYER,
    NODE,
    WEB,
    arrays,
    exportable,
    needs_packages,
    options_of,
    plain,
    record,
    served,
)
from tests.models import relative, sample, sample_images

pytestmark = needs_packages
NEAR = 1e-4
"""Other builds of ONNX Runtime have other kernels."""


@pytest.fixture(scope="module")
def explainers(tmp_path_factory):
    """Each exportable method's file for the sample network, with Python's map."""
    folder = tmp_path_factory.mktemp("explainers")
    loaded, x = onnxpath.load(sample("digits_cnn"), providers="cpu"), sample_images()[:2]
    found = {}
    for method in exportable():
        options = options_of(method, LAYER["digits_cnn"])
        path = folder / f"{method}.onnx"
        path.write_bytes(onnxpath.compile(loaded, method, **options).SerializeToString())
        wanted = onnxpath.attribute(loaded, x, method=method, **options).maps
        record(method, "compiled", 0)
        found[method] = path, next(iter(wanted.values()))
    return found


def attribution(outputs):
    (name,) = (n for n in outputs if n.startswith("attribution"))
    return outputs[name]


@pytest.mark.skipif(shutil.which("node") is None, reason="no node on this machine")
def test_in_node(explainers, tmp_path):
    jobs = tmp_path / "jobs.json"
    feeds = plain({"image": sample_images()[:2]})
    jobs.write_text(json.dumps([{"model": str(path), "feeds": feeds} for path, _ in explainers.values()]))
    script = Path(__file__).with_name("run_in_node.mjs")
    done = subprocess.run(["node", script, NODE, jobs], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    for (method, (_, wanted)), outputs in zip(explainers.items(), json.loads(done.stdout), strict=True):
        assert record(method, "node", relative(attribution(arrays(outputs)), wanted)) <= NEAR, method


RUN = """async ([file, feeds]) => {
  const ort = await import("./ort.wasm.min.mjs");
  ort.env.wasm.numThreads = 1;
  const session = await ort.InferenceSession.create(file, { executionProviders: ["wasm"] });
  const kinds = { float32: Float32Array };
  const inputs = {};
  for (const [name, { type, dims, data }] of Object.entries(feeds))
    inputs[name] = new ort.Tensor(type, kinds[type].from(data), dims);
  const outputs = await session.run(inputs);
  const plain = ({ dims, data }) => ({ dims, data: Array.from(data, Number) });
  return Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, plain(tensor)]));
}"""


@pytest.mark.needs(BROWSER, "playwright")
def test_in_a_browser(explainers, tmp_path, browser):
    for name in FILES:
        shutil.copy(WEB / name, tmp_path)
    for path, _ in explainers.values():
        shutil.copy(path, tmp_path)
    (tmp_path / "index.html").write_text("<!doctype html><title>explainers</title>")
    with served(tmp_path) as address:
        page = browser.new_page()
        page.goto(f"{address}/index.html")
        for method, (path, wanted) in explainers.items():
            outputs = arrays(page.evaluate(RUN, [path.name, plain({"image": sample_images()[:2]})]))
            assert record(method, "browser", relative(attribution(outputs), wanted)) <= NEAR, method
        page.close()
