"""Make docs/report.png, the README's picture: scikit-image's cat through SqueezeNet, as the report shows it.

    python docs/make_picture.py        needs ONNXPATH_DATA (default ../shared/data), scikit-image, Playwright, Chromium

The photograph is `skimage.data.chelsea`, CC0, by Stefan van der Walt.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import skimage.data
from PIL import Image
from playwright.sync_api import sync_playwright

DATA = Path(os.environ.get("ONNXPATH_DATA", "../shared/data")).resolve()
OUT = Path(__file__).resolve().parent / "report.png"
PREPROCESS = """
resize = [224, 224]
scale = 0.00392156862745098
mean = [0.485, 0.456, 0.406]
std = [0.229, 0.224, 0.225]
"""


def main() -> None:
    """Run the report in a scratch folder and photograph its one card."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        cat = Image.fromarray(skimage.data.chelsea())
        left = (cat.width - cat.height) // 2
        cat.crop((left, 0, left + cat.height, cat.height)).save(folder / "chelsea.png")
        (folder / "preprocess.toml").write_text(PREPROCESS)
        command = ["report", str(DATA / "models/squeezenet1_1.onnx"), "chelsea.png", "--preprocess", "preprocess.toml"]
        command += ["--classes", str(DATA / "images/imagenet_synset_words.txt"), "-o", "report"]
        subprocess.run([sys.executable, "-m", "onnxpath_cli", *command], cwd=folder, check=True)
        photograph(folder / "report/report.html")


def photograph(page: Path) -> None:
    """Save the first input's card of a page."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        view = browser.new_page(viewport={"width": 1100, "height": 1200})
        view.goto(page.as_uri())
        view.locator("article").first.screenshot(path=OUT)
        browser.close()
    Image.open(OUT).convert("P", palette=Image.Palette.ADAPTIVE, colors=256).save(OUT, optimize=True)


if __name__ == "__main__":
    main()
