"""Kill a report at random moments, let it go on, and compare its bytes with those of a run that was never stopped.

python -m benchmarks.resume [KILLS] [--workers N]
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

SAMPLES = Path(__file__).parents[1] / "sample_models"
IMAGES = 40
COMPARED = ("job.json", "units", "arrays")
"""What two runs have to have in common to the byte; the rest holds times and dates."""


def make_inputs(folder: Path) -> Path:
    """Write forty small pictures, one of them damaged, and return their folder."""
    drawn = np.random.default_rng(0).integers(0, 255, (IMAGES, 16, 16), dtype=np.uint8)
    folder.mkdir()
    for index, pixels in enumerate(drawn):
        Image.fromarray(pixels).save(folder / f"{index}.png")
    (folder / "17.png").write_bytes(b"no picture")
    return folder


def command(inputs: Path, out: Path, workers: int) -> list[str]:
    """The command line of a report in units of three, with one thread in each worker."""
    model, preprocess = SAMPLES / "digits_cnn.onnx", SAMPLES / "preprocess.toml"
    options = {"--preprocess": preprocess, "--sparsity": "softmax-change<=0.5", "--unit": 3, "--threads": 1}
    given = [part for option in {**options, "--workers": workers, "-o": out}.items() for part in option]
    return [sys.executable, "-m", "onnxpath_cli", "report", *map(str, [model, inputs, *given])]


def hashes(folder: Path) -> dict[str, str]:
    """Hash of every compared file, hidden ones included, by path."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    names = {path: path.relative_to(folder) for path in files}
    return {
        name.as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path, name in sorted(names.items())
        if name.parts[0] in COMPARED
    }


def start(inputs: Path, out: Path, workers: int = 1) -> subprocess.Popen[bytes]:
    """Start a run of its own."""
    return subprocess.Popen(
        command(inputs, out, workers), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ
    )


def kill_somewhere(inputs: Path, out: Path, draw: random.Random, workers: int) -> bool:
    """Start a run and kill it once it wrote some more files, and a moment later; False where it ended before."""
    process = start(inputs, out, workers)
    wanted = files_in(out) + draw.randint(0, 2 * IMAGES)
    while process.poll() is None and files_in(out) < wanted:
        time.sleep(0.0005)
    time.sleep(draw.random() * 0.02)
    process.kill()
    return process.wait() < 0


def files_in(folder: Path) -> int:
    """Return how many files are in a folder that another process writes into; 0 where one goes meanwhile."""
    try:
        return len(list(folder.rglob("*")))
    except FileNotFoundError:
        return 0


def killed_and_resumed(scratch: Path, kills: int, workers: int = 1, seed: int = 0) -> list[tuple[int, int]]:
    """Kill runs until there were so many kills, each time going on in the same folder until the run is whole.

    They are compared with a run of one process, however many workers the killed ones have.
    Returns for each folder (kills, files that differ from a run that was never stopped).
    """
    inputs, draw = make_inputs(scratch / "in"), random.Random(seed)
    if start(inputs, scratch / "whole").wait() not in (0, 1):
        raise SystemExit("the run that is not stopped fails")
    wanted = hashes(scratch / "whole")
    rounds = []
    while sum(count for count, _ in rounds) < kills:
        out, count, left = scratch / "killed", 0, kills - sum(count for count, _ in rounds)
        while count < left and kill_somewhere(inputs, out, draw, workers):
            count += 1
        start(inputs, out, workers).wait()
        found = hashes(out)
        rounds.append((count, sum(found.get(n) != wanted.get(n) for n in found.keys() | wanted.keys())))
        shutil.rmtree(out)
    return rounds


def main() -> None:
    """Print each folder's kills and how many files differ."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("kills", type=int, nargs="?", default=20)
    parser.add_argument("--workers", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        rounds = killed_and_resumed(Path(scratch), asked.kills, asked.workers)
    for count, differing in rounds:
        print(f"{count} kills, then to the end: {differing} files differ")
    print(f"{sum(count for count, _ in rounds)} kills in all, {sum(differing for _, differing in rounds)} files differ")


if __name__ == "__main__":
    main()
