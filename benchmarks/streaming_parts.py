"""What an image of a report costs beside its explanation: processor time of the thread that does it, by part.

python -m benchmarks.streaming_parts [IMAGES]     (images and model under ONNXPATH_DATA)
"""

from __future__ import annotations

import importlib
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.machine import heading, machine
from benchmarks.streaming import report

IMAGES = 512
PARTS = {
    "reading": ("batch.explain", "read_item"),
    "writer, all": ("report.job.units", "_add"),
    "  entry": ("report.build", "finished_item"),
    "    limit of a map": ("report.colour", "signed_limit"),
    "  pathway packed": ("report.build", "raw_arrays"),
    "  archive": ("report.write", "npz_bytes"),
    "  row and facts": ("report.write", "compact"),
    "  two files": ("report.job.engine.Run", "write"),
    "  card": ("report.job.datafiles", "card"),
    "    pictures": ("report.cards", "item_pictures"),
    "writer, end of a unit": ("report.job.units", "_end"),
    "  data files drawn": ("report.job.datafiles.Drawn", "files"),
    "index, figures, table, page": ("report.job.run", "finish"),
}
"""Part -> module or class where it is looked up, below onnxpath, and its name there; what is further in is a share."""


def timed(work: Callable[..., Any], part: str, spent: dict[str, list[float]]) -> Callable[..., Any]:
    """Return what does the same and adds the seconds of its thread to a part."""

    def run(*args: Any, **options: Any) -> Any:
        began = time.thread_time()
        try:
            return work(*args, **options)
        finally:
            spent[part].append(time.thread_time() - began)

    return run


def owner(path: str) -> Any:
    """Return a module, or a class in one, of onnxpath."""
    module, _, name = path.rpartition(".")
    if name[0].isupper():
        return getattr(importlib.import_module(f"onnxpath.{module}"), name)
    return importlib.import_module(f"onnxpath.{path}")


def main(count: int) -> None:
    """Measure and print; the first run is there so that nothing is loaded or compiled in the one that counts."""
    spent: dict[str, list[float]] = defaultdict(list)  # lists, since several threads read
    for part, (path, name) in PARTS.items():
        setattr(owner(path), name, timed(getattr(owner(path), name), part, spent))
    with tempfile.TemporaryDirectory() as scratch:
        for name, images in (("first", 256), ("second", count)):
            spent.clear()
            (Path(scratch) / name).mkdir()
            began = time.process_time()
            report(images, Path(scratch) / name, page=False)
            whole = time.process_time() - began
    print(heading(machine()))
    print(f"{count} images, ms an image; the whole process, with start and end: {1000 * whole / count:.2f}")
    for part in PARTS:
        print(f"{part:34} {1000 * sum(spent[part]) / count:.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else IMAGES)
