"""A static page that runs an explainer in the browser."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import onnx

from onnxpath.errors import InputError, JobError
from onnxpath.explainer.picture import IMAGE, OVERLAY
from onnxpath.files import write_bytes

RUNTIME = "onnxruntime-web@1.30.0"
FILES = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
"""What a page needs of ONNX Runtime's package: its WebAssembly build for the CPU."""

TEMPLATES = Path(__file__).parent / "web"
PARTS = ("index.html", "style.css", "page.js")


def write_page(
    folder: Path, model: onnx.ModelProto, logits: str, classes: Sequence[str] = (), runtime: Path | None = None
) -> Path:
    """Write a folder with the page, the explainer and ONNX Runtime, and return the page's path.

    model: compiled with preprocessing and overlay; logits: which of its outputs predictions are read from; classes:
    names in output order; runtime: folder `dist` of the npm package onnxruntime-web, default: npm fetches it. Browsers
    run it from a web server alone: `python -m http.server` in the folder is one. Raises InputError, JobError.
    """
    outputs = {o.name for o in model.graph.output}
    if {i.name for i in model.graph.input} - {IMAGE, "sparsity"} or OVERLAY not in outputs:
        raise InputError(
            "a page needs an explainer that takes pictures and gives an overlay: compile with preprocessing and "
            "overlay, and with the prediction or a fixed entry as target"
        )
    files = runtime_files(runtime)
    facts = {p.key.removeprefix("onnxpath."): p.value for p in model.metadata_props}
    settings = {
        "version": version("onnxpath"),
        "method": facts.get("method", ""),
        "options": facts.get("options", ""),
        "target": facts.get("target", ""),
        "logits": logits,
        "sparsity": any(i.name == "sparsity" for i in model.graph.input),
        "classes": list(classes),
    }
    for name in PARTS:
        write_bytes(folder / name, (TEMPLATES / name).read_bytes())
    for name, data in files.items():
        write_bytes(folder / "ort" / name, data)
    write_bytes(folder / "settings.json", json.dumps(settings, indent=1, ensure_ascii=False).encode())
    write_bytes(folder / "explainer.onnx", model.SerializeToString())
    return folder / PARTS[0]


def runtime_files(folder: Path | None) -> dict[str, bytes]:
    """Return ONNX Runtime's files by name, from a folder or by npm. Raises JobError."""
    if folder is not None:
        if missing := [name for name in FILES if not (folder / name).is_file()]:
            raise JobError(f"'{folder}' lacks {', '.join(missing)}; name the folder dist/ of npm's {RUNTIME}")
        return {name: (folder / name).read_bytes() for name in FILES}
    npm = shutil.which("npm")
    if npm is None:
        raise JobError(
            f"the page needs {RUNTIME}, and npm, which would fetch it, is not installed; install npm, or name the "
            "folder dist/ of an unpacked copy (--ort-web)"
        )
    with tempfile.TemporaryDirectory() as scratch:
        done = subprocess.run(
            [npm, "pack", RUNTIME, "--silent"], cwd=scratch, capture_output=True, text=True, timeout=600, check=False
        )
        packed = list(Path(scratch).glob("*.tgz"))
        if done.returncode or not packed:
            raise JobError(
                f"npm could not fetch {RUNTIME}: {done.stderr.strip()[-300:]}; try again, or name the folder dist/ of "
                "an unpacked copy (--ort-web)"
            )
        with tarfile.open(packed[0]) as archive:
            members = {name: archive.extractfile(f"package/dist/{name}") for name in FILES}
            return {name: member.read() for name, member in members.items() if member is not None}
