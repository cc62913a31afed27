"""Make docs/report.png, the README's picture: scikit-image's photographs through SqueezeNet, as the report shows them.

    python docs/make_picture.py        needs ONNXPATH_DATA (default ../shared/data), scikit-image, Playwright, Chromium

The photographs are in the public domain or CC0: `chelsea` by Stefan van der Walt, `coffee` by Rachel Michetti, `rocket`
by SpaceX, `astronaut` and `hubble_deep_field` by NASA, `stereo_motorcycle` by Daniel Scharstein and others.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import skimage.data
from PIL import Image, ImageOps
from playwright.sync_api import sync_playwright

DATA = Path(os.environ.get("ONNXPATH_DATA", "../shared/data")).resolve()
OUT = Path(__file__).resolve().parent / "report.png"
PREPROCESS = """
resize = [224, 224]
scale = 0.00392156862745098
mean = [0.485, 0.456, 0.406]
std = [0.229, 0.224, 0.225]
"""


PHOTOGRAPHS = {
    "chelsea": skimage.data.chelsea,
    "coffee": skimage.data.coffee,
    "rocket": skimage.data.rocket,
    "astronaut": skimage.data.astronaut,
    "hubble": skimage.data.hubble_deep_field,
    "motorcycle": lambda: skimage.data.stereo_motorcycle()[0],
}


def main() -> None:
    """Run the report in a scratch folder and photograph its gallery and the first card."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        names = [f"{name}.png" for name in PHOTOGRAPHS]
        for name, taken in zip(names, PHOTOGRAPHS.values(), strict=True):
            ImageOps.fit(Image.fromarray(taken()), (448, 448)).save(folder / name)
        (folder / "preprocess.toml").write_text(PREPROCESS)
        command = ["report", str(DATA / "models/squeezenet1_1.onnx"), *names, "--preprocess", "preprocess.toml"]
        command += ["--classes", str(DATA / "images/imagenet_synset_words.txt"), "-o", "report"]
        subprocess.run([sys.executable, "-m", "onnxpath_cli", *command], cwd=folder, check=True)
        photograph(folder / "report/report.html")


def photograph(page: Path) -> None:
    """Save what is on a page from the gallery to the end of the first card."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        view = browser.new_page(viewport={"width": 1100, "height": 1200})
        view.goto(page.as_uri())
        first, last = view.locator("#gallery").bounding_box(), view.locator("article").first.bounding_box()
        assert first and last
        height = last["y"] + last["height"] - first["y"] + 16
        shown = {"x": 0, "y": first["y"] - 8, "width": 1100, "height": height}
        view.screenshot(path=OUT, full_page=True, clip=shown)
        browser.close()
    Image.open(OUT).convert("RGB").save(OUT, optimize=True)


if __name__ == "__main__":
    main()
