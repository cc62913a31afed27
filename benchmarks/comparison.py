"""What does `onnxpath compare` say of a quantised model, and does its hint help? See docs/results/pathways-compare.md.

    python -m benchmarks.comparison [FOLDER]     about 2 minutes on 2 free cores

ResNet-20 is quantised by onnxruntime.quantization (QDQ, weights int8, activations uint8) and compared with the float32
file on 100 images; then again with nodes kept in float: those behind which differences grow most, those behind which
they grow least, the first ones, and with 16-bit activations. FOLDER keeps resnet20_int8.onnx, for `onnxpath compare`.
Needs the models and images that ONNXPATH_DATA names (default ../shared/data).
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import onnxpath
from benchmarks.machine import machine
from benchmarks.quantised import subjects
from onnxpath.batch.comparison import Comparison
from tests.formats import quantised

HEAD = (
    "| form | predictions agree | difference of outputs | of the worst layer | pathway overlap | gradient: cosine |\n"
    + "| --- " * 6
    + "|"
)


def forms(found: Comparison) -> dict[str, dict[str, Any]]:
    """Name -> options of the quantizer; found: the comparison of the plain form."""
    grown = sorted(found.layers(), key=lambda s: -(s.step or 0))
    nodes = [node for s in grown for node in s.pair.nodes]
    first = [node for pair in found.pairs for node in pair.nodes]
    kept = {f"{n} nodes with most growth in float": nodes[:n] for n in (1, 3, 6)}
    kept |= {f"{n} nodes with least growth in float": nodes[-n:] for n in (3, 6)}
    kept |= {f"first {n} nodes in float": first[:n] for n in (1, 3, 6)}
    return {name: {"exclude": part} for name, part in kept.items()} | {
        "16-bit activations": {"activations": "QUInt16", "UseQDQContribOps": False}
    }


def line(name: str, found: Comparison) -> str:
    """One row of the table."""
    outputs = np.median([row.logits for row in found.inputs])
    largest = max(s.difference or 0.0 for s in found.layers())
    (gradient,) = found.maps()
    cells = f"{found.agreement:.0%} | {outputs:.2%} | {largest:.1%} | {found.overlap:.1%} | {gradient.cosine:.3f}"
    return f"| {name} | {cells} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    folder = parser.parse_args().folder
    path, calibration, x = subjects()["ResNet-20"]
    print(machine())
    print(HEAD)
    with tempfile.TemporaryDirectory() as temporary:
        made = quantised(path, Path(temporary), calibration)
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(made, folder / "resnet20_int8.onnx")
        plain = onnxpath.compare(path, made, x, methods=["gradient"])
        print(line("uint8", plain), flush=True)
        for name, options in forms(plain).items():
            other = quantised(path, Path(temporary), calibration, **options)
            print(line(name, onnxpath.compare(path, other, x, methods=["gradient"])), flush=True)


if __name__ == "__main__":
    main()
