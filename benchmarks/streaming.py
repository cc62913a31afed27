"""Reports of 500 and of 10,000 images: peak memory of both, images a second against the bare programs, and their pages.

python -m benchmarks.streaming [MANY]     (images and model under ONNXPATH_DATA)
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.machine import heading, machine

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("ONNXPATH_DATA", ROOT.parent / "shared" / "data"))
MODEL, IMAGES = DATA / "models" / "resnet20_cifar10.onnx", DATA / "images" / "cifar10_train_10000.npz"
PREPROCESS = {"scale": 1 / 255, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
METHOD, FEW, MANY, BARE = "pathway-gradient", 500, 10_000, 512
WORKERS = "report, a worker for each core"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]


def report(count: int, scratch: Path, workers: int | None = None, page: bool = True) -> dict[str, float]:
    """Run a report of so many images; for a process of its own, whose peak memory is told, and that of no worker.

    page: whether the page is opened, too.
    """
    import onnxpath
    from onnxpath.batch.preprocess import Preprocess

    with np.load(IMAGES, allow_pickle=False) as held:
        np.savez(scratch / "x.npz", images=held["images"][:count], labels=held["labels"][:count])
    began = time.perf_counter()
    preprocess = Preprocess(**PREPROCESS)
    out = scratch / "out"
    made = onnxpath.report(MODEL, [scratch / "x.npz"], out, methods=[METHOD], preprocess=preprocess, workers=workers)
    seconds = time.perf_counter() - began
    return {
        "images": made.explained,
        "seconds": seconds,
        "images_per_second": made.explained / seconds,
        "cpu_ms_per_image": 1000 * sum(os.times()[:4]) / made.explained,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "page_mib": (out / "report.html").stat().st_size / 2**20,
        "data_files_mib": size_of(out / "page") / 2**20,
        "folder_mib": size_of(out) / 2**20,
        **(opened(out / "report.html") if page else {}),
    }


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def opened(page: Path) -> dict[str, float]:
    """Seconds until a page's gallery can be used in a new window, and for what is done then; {} without Chromium.

    page_opens_s: from the start to the tiles with pictures; page_sorts_s, page_item_s: to the gallery in another order,
    and to one input by itself, which loads its file; page_elements: in the document.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return {}
    if CHROMIUM is None:
        return {}
    with sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        view = browser.new_page()
        found = {}
        for name, address, shown in (
            ("opens", page.as_uri(), "#tiles svg"),
            ("sorts", f"{page.as_uri()}#gallery?sort=confidence", "#tiles a[href$='sort=confidence'] svg"),
            ("item", f"{page.as_uri()}#item-99", "#viewer #item-99"),
        ):
            began = time.perf_counter()
            view.goto(address)
            view.wait_for_selector(shown)
            found[f"page_{name}_s"] = time.perf_counter() - began
        found["page_elements"] = float(view.evaluate("document.querySelectorAll('*').length"))
        browser.close()
    return found


def bare(count: int, scratch: Path, spinning: bool = True) -> dict[str, float]:
    """Run the method alone on arrays that are ready, in batches as large as a unit; spinning: see `Session`."""
    import onnxpath

    del scratch
    with np.load(IMAGES, allow_pickle=False) as held:
        x = held["images"][:count].astype(np.float32).transpose(0, 3, 1, 2) / 255
    mean, std = (np.array(PREPROCESS[key], np.float32)[:, None, None] for key in ("mean", "std"))
    x = np.ascontiguousarray((x - mean) / std)
    model = onnxpath.load(MODEL).derived(spinning=spinning)
    onnxpath.attribute(model, x[:64], method=METHOD, activity=True)
    began, worked = time.perf_counter(), time.process_time()
    for start in range(0, count, 64):
        onnxpath.attribute(model, x[start : start + 64], method=METHOD, activity=True)
    return {
        "images_per_second": count / (time.perf_counter() - began),
        "cpu_ms_per_image": 1000 * (time.process_time() - worked) / count,
    }


TASKS = {
    "report": report,
    WORKERS: partial(report, workers=os.cpu_count()),
    "bare": bare,
    "bare, not spinning": partial(bare, spinning=False),
}
BARES = ("bare", "bare, not spinning")


def apart(task: str, count: int, scratch: Path) -> dict[str, float]:
    """Run a task in a process of its own, in a new folder that stays, and return what it measured."""
    command = [sys.executable, "-m", "benchmarks.streaming", task, str(count), tempfile.mkdtemp(dir=scratch)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(many: int) -> None:
    """Measure and print; the bare programs run before, between and after the reports."""
    about: dict[str, Any] = machine()
    # Nothing is deleted before the end: for half a minute, ext4 takes 0.2 ms more for each file that is made.
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        alone: dict[str, list[dict[str, float]]] = {name: [apart(name, BARE, scratch)] for name in BARES}
        made = {}
        for name, task, count in (("few", "report", FEW), ("many", "report", many), ("workers", WORKERS, many)):
            made[name] = apart(task, count, scratch)
            for other in BARES:
                alone[other].append(apart(other, BARE, scratch))
    print(heading(about))
    for name, found in made.items():
        print(f"{name}:", ", ".join(f"{k} {value:.{2 if k.endswith('_s') else 1}f}" for k, value in found.items()))
    print(f"peak memory {made['many']['peak_mib'] / made['few']['peak_mib']:.2f} ×")
    for name, runs in alone.items():
        speeds, cpu = ([run[key] for run in runs] for key in ("images_per_second", "cpu_ms_per_image"))
        print(f"{name}: images_per_second {' '.join(f'{s:.1f}' for s in speeds)}, cpu_ms_per_image {median(cpu):.1f}")
        for kind in ("many", "workers"):
            ratio, work = made[kind]["images_per_second"] / median(speeds), median(cpu) / made[kind]["cpu_ms_per_image"]
            print(f"  {kind}: throughput {ratio:.0%} of it, {work:.0%} by processor time")


if __name__ == "__main__":
    if len(sys.argv) == 4:
        print(json.dumps(TASKS[sys.argv[1]](int(sys.argv[2]), Path(sys.argv[3]))))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else MANY)
