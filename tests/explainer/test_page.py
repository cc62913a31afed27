"""The page that runs an explainer: in Chromium, against Python's numbers; and what it refuses."""

import json

import numpy as np
import pytest
import skimage.data
from PIL import Image

import onnxpath
from onnxpath.batch.preprocess import Preprocess
from onnxpath.errors import InputError, JobError
from onnxpath.explainer.page import FILES, write_page
from tests.cli.program import CNN, PREPROCESS, run
from tests.conftest import BROWSER
from tests.explainer.elsewhere import WEB, needs_packages, served
from tests.explainer.test_compile import run as run_file
from tests.models import relative, sample

SHOWN = """Object.fromEntries(
  Object.entries(window.explained).map(([name, tensor]) => [name, [tensor.dims, Array.from(tensor.data, Number)]]))"""
PREPARED = Preprocess(color="L", resize=(16, 16), scale=1 / 16)


@pytest.fixture
def runtime(tmp_path):
    """A folder that looks like ONNX Runtime's."""
    folder = tmp_path / "dist"
    folder.mkdir()
    for name in FILES:
        (folder / name).write_text(name)
    return folder


def explainer(**options):
    return onnxpath.compile(sample("digits_cnn"), preprocess=PREPARED, overlay=True, **options)


def test_what_is_in_the_folder(tmp_path, runtime):
    page = write_page(tmp_path / "web", explainer(sparsity="input"), "logits", ["zero", "<b>one</b>"], runtime)
    assert page == tmp_path / "web" / "index.html"
    assert {p.name for p in (tmp_path / "web" / "ort").iterdir()} == set(FILES)
    settings = json.loads((tmp_path / "web" / "settings.json").read_text())
    assert settings["sparsity"] and settings["logits"] == "logits" and settings["classes"][1] == "<b>one</b>"
    for name in ("index.html", "page.js", "style.css"):
        assert "http" not in (tmp_path / "web" / name).read_text(), "nothing comes from elsewhere"


def test_an_explainer_without_pictures(tmp_path, runtime):
    with pytest.raises(InputError, match="takes pictures and gives an overlay"):
        write_page(tmp_path / "web", onnxpath.compile(sample("digits_cnn")), "logits", (), runtime)
    assert not (tmp_path / "web").exists()


def test_a_folder_without_the_runtime(tmp_path):
    with pytest.raises(JobError, match=f"lacks {FILES[0]}"):
        write_page(tmp_path / "web", explainer(), "logits", (), tmp_path)


def test_no_npm(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(JobError, match="install npm, or name the folder"):
        write_page(tmp_path / "web", explainer(), "logits")


def test_npm_that_fails(tmp_path, monkeypatch):
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho no network >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(JobError, match=r"npm could not fetch onnxruntime-web@.*: no network"):
        write_page(tmp_path / "web", explainer(), "logits")


def test_the_command(tmp_path, runtime):
    done = run(
        *("compile", CNN, "--with-preprocessing", PREPROCESS, "--sparsity", "input", "-o", tmp_path / "e.onnx"),
        *("--web", tmp_path / "web", "--ort-web", runtime, "--json"),
    )
    assert done.json["page"] == str(tmp_path / "web" / "index.html") and "overlay" in done.json["outputs"]


@needs_packages
@pytest.mark.needs(BROWSER, "playwright")
def test_in_a_browser(tmp_path, browser):
    picture = skimage.data.astronaut()[:200, 100:350]
    Image.fromarray(picture).save(tmp_path / "face.png")
    (tmp_path / "text.png").write_text("not a picture")
    made = explainer(sparsity="input")
    names = [f"digit {i}" for i in range(10)]
    write_page(tmp_path / "web", made, "logits", names, WEB)
    told, asked = [], []
    with served(tmp_path / "web") as address:
        page = browser.new_page(viewport={"width": 390, "height": 800})
        page.on("console", lambda message: told.append(message.text))
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{address}/index.html")
        status = page.locator("#status")
        status.get_by_text("Ready.").wait_for()
        page.set_input_files("#file", tmp_path / "text.png")
        status.get_by_text("not a picture that this browser can read").wait_for()
        page.set_input_files("#file", tmp_path / "face.png")
        for sparsity in ("0.9", "0.97"):
            page.locator("#sparsity").fill(sparsity)
            page.wait_for_function(f"Math.abs(window.explained?.density.data[0] - (1 - {sparsity})) < 0.02")
            status.get_by_text("Explained in").wait_for()
            found = page.evaluate(SHOWN)
            wanted = run_file(made, {"image": picture[None], "sparsity": np.array(sparsity, np.float32)})
            for name, value in wanted.items():
                dims, data = found[name]
                assert dims == list(value.shape)
                assert relative(np.reshape(data, dims), value) <= 1e-3, name
        first = page.locator("#predictions li").first.inner_text()
        assert first.startswith(names[int(wanted["logits"].argmax())])
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert told == [] and all(url.startswith((address, "data:", "blob:")) for url in asked)
        page.close()
