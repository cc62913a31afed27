"""What onnxpath wrote itself and reads again, damaged: runs that go on, finished runs, pathways."""

import io
import json
import tempfile
from functools import cache
from pathlib import Path
from unittest.mock import patch

import numpy as np
from typer.testing import CliRunner

from onnxpath.report.job import beside
from onnxpath_cli.main import app
from tests.cli.program import CNN, ENVIRONMENT, IMAGES, PREPROCESS
from tests.fuzz.damage import damaged
from tests.fuzz.data import some_array, zipped
from tests.fuzz.plain import hostile_json, hostile_lines

THREE = sorted(IMAGES.glob("*.png"))[:3]
RUN = ("report", CNN, *THREE, "--preprocess", PREPROCESS, "--unit", "2", "--threads", "1")
TIMES = {"date": "2030-01-01", "run": 1.0, "seconds": [1.0, 1.0], "notes": []}


@cache
def finished_run():
    """Name -> bytes of the files of a finished run with data files beside its page, without the page itself.

    They are the same whenever it was made.
    """
    with tempfile.TemporaryDirectory(prefix="onnxpath-fuzz-run-") as folder:
        out = Path(folder, "out")
        with patch.object(beside, "INLINE", 0):
            done = CliRunner().invoke(app, [*map(str, RUN), "-o", str(out)], env=ENVIRONMENT)
        assert done.exit_code == 0, done.stderr
        found = {p.relative_to(out).as_posix(): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}
    found.pop("report.html")
    report = json.loads(found["report.json"])
    report["run"] |= {"date": "", "command": "", "seconds": {}}
    report["items"] = [item | {"seconds": None} for item in report["items"]]
    times = [json.dumps({"unit": unit, **TIMES}) for unit in range(2)]
    return found | {"report.json": json.dumps(report).encode(), "timings.jsonl": "\n".join([*times, ""]).encode()}


def resumed(rng, folder):
    """A run that goes on in a folder where something was changed; units may be missing, too."""
    files = dict(finished_run())
    if rng.random() < 0.7:
        files.pop("report.json")
    if rng.random() < 0.4:
        files.pop("units/000001.jsonl")
    told = [_change(rng, files) for _ in range(int(rng.integers(1, 3)))]
    if rng.random() < 0.1:
        files[".lock"] = hostile_json(rng, b'{"pid": 1, "host": "x", "began": 3}')[0]
    _write(folder.parent / "out", files)
    # Two processes take a second each to start.
    return ", ".join(told), [*RUN, *(["--workers", "2"] if rng.random() < 0.05 else [])]


def finished(rng, folder):
    """Two finished reports, one or both of them with other JSON and arrays than were written."""
    told = []
    for name in ("one", "other"):
        files = {n: data for n, data in finished_run().items() if n == "report.json" or n.endswith(".npz")}
        if name == "one" or rng.random() < 0.3:
            told.append(_change(rng, files, "report.json" if rng.random() < 0.6 else None))
        _write(folder / name, files)
    return ", ".join(told), ["compare", folder / "one", folder / "other"]


def pathway(rng, folder):
    """A pathway of a report with another JSON, or other arrays."""
    name = next(name for name in finished_run() if name.endswith(".npz"))
    arrays = _arrays(finished_run()[name])
    what = "arrays"
    if rng.random() < 0.7:
        text, what = hostile_json(rng, bytes(arrays["pathway"]))
        data = zipped(arrays | {"pathway": np.frombuffer(text, np.uint8)})
    else:
        data = hostile_arrays(rng, finished_run()[name])
    (folder / "p.npz").write_bytes(data)
    return f"pathway, {what}", ["compile", CNN, "--pathway", folder / "p.npz"]


def hostile_arrays(rng, data):
    """Bytes of an .npz, one of its arrays replaced, gone or added, or with damaged bytes."""
    if rng.random() < 0.3:
        return damaged(rng, data)
    arrays = _arrays(data)
    name = list(arrays)[int(rng.integers(len(arrays)))]
    match rng.integers(4):
        case 0:
            del arrays[name]
        case 1:
            arrays["<fuzz>"] = some_array(rng)
        case _:
            arrays[name] = some_array(rng)
    return zipped(arrays)


def _change(rng, files, name=None):
    """Change one file, in place; return what was done."""
    name = name or list(files)[int(rng.integers(len(files)))]
    match rng.integers(10):
        case 0:
            del files[name]
            return f"{name} gone"
        case 1:
            other = list(files)[int(rng.integers(len(files)))]
            files[name], files[other] = files[other], files[name]
            return f"{name} and {other} swapped"
        case 2:
            del files[name]
            files[f"{name}/x"] = b""
            return f"{name} a folder"
    if name.endswith(".npz"):
        files[name] = hostile_arrays(rng, files[name])
        return f"{name} arrays"
    change = {".json": hostile_json, ".jsonl": hostile_lines}.get(
        Path(name).suffix, lambda r, d: (damaged(r, d), "bytes")
    )
    try:
        files[name], what = change(rng, files[name])
    except ValueError:
        # It was changed before.
        files[name], what = damaged(rng, files[name]), "bytes"
    return f"{name} {what}"


def _arrays(data):
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as held:
            return dict(held)
    except Exception:
        # It was changed before.
        return {"x": np.zeros(1)}


def _write(folder, files):
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_dir():
            path.write_bytes(data)
