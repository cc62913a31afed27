"""Gradients of the architectures in zoo.py as torch's two exporters write them, against autograd.

    python benchmarks/architectures.py --folder exported --out docs/results

Needs torch, torchvision, timm and transformers; nothing is downloaded, all weights are random. Each export and each
check runs in a process of its own, with a time limit. What is in `--folder` is not exported again; the results go to
`exporters.json` in `--out` after every architecture. `--help` lists the options.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the exporters are those of the tests

FORMS = ("legacy-fixed", "legacy-symbolic", "dynamo-fixed", "dynamo-symbolic")
ROWS, FIXED = 3, 2
FORWARD_TOLERANCE = 1e-3
L2, COSINE = 1e-2, 0.9999


def main() -> None:
    given = arguments()
    from zoo import ARCHITECTURES

    warm_up()
    given.out.mkdir(parents=True, exist_ok=True)
    file = given.out / "exporters.json"
    results = json.loads(file.read_text()) if file.exists() else {}
    for name in given.names or ARCHITECTURES:
        folder = given.folder / name
        for form in given.forms:
            old = results.get(name, {}).get(form)
            if old is not None and (old["verdict"] in given.keep or "all" in given.keep):
                continue
            made = results.setdefault(name, {})[form] = one(name, form, folder, given.limit)
            print(f"{name:24s} {form:16s} {made['verdict']:12s} {made.get('why', '')[:150]}", flush=True)
            file.write_text(json.dumps(results, indent=1) + "\n")
        if given.temporary:
            shutil.rmtree(folder, ignore_errors=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="architectures; default all")
    parser.add_argument("--forms", nargs="+", default=FORMS, choices=FORMS)
    parser.add_argument("--folder", type=Path, help="where the exported files stay; default: they are deleted")
    parser.add_argument("--out", type=Path, default=Path("."), help="folder of exporters.json")
    parser.add_argument("--limit", type=float, default=240, help="seconds for one export, and for one check")
    parser.add_argument("--keep", nargs="*", default=[], help="verdicts that are not checked again (or: all)")
    given = parser.parse_args()
    given.temporary = given.folder is None
    given.folder = given.folder or Path(tempfile.mkdtemp())
    return given


def warm_up() -> None:
    """Import what every fork needs, once; much of torch's exporter is imported only when it works."""
    import torch

    from tests.exporters.torch_export import export as write
    from tests.exporters.torchvision_stub import declare_operators

    torch.set_num_threads(1)  # a fork of a process with a pool of threads may hang
    declare_operators()
    import timm  # noqa: F401
    import torchvision  # noqa: F401
    import transformers  # noqa: F401

    import onnxpath

    with tempfile.TemporaryDirectory() as folder:
        for exporter in ("legacy", "dynamo"):
            write(torch.nn.Linear(2, 2), (torch.ones(2, 2),), Path(folder) / "model.onnx", exporter, True)
        onnxpath.gradient_graph(Path(folder) / "model.onnx")


def one(name: str, form: str, folder: Path, limit: float) -> dict[str, Any]:
    """Export, unless that was tried before, and check."""
    folder.mkdir(parents=True, exist_ok=True)
    path, refusal = folder / f"{form}.onnx", folder / f"{form}.txt"
    if not path.exists() and not refusal.exists():
        report = within(limit, export, name, form, folder)
        if report["verdict"] != "exported":
            path.unlink(missing_ok=True)
            refusal.write_text(report.get("why", report["verdict"]))
    if refusal.exists():
        return {"verdict": "not exported", "why": refusal.read_text()}
    return within(limit, check, name, form, folder)


def within(limit: float, function: Callable[..., dict[str, Any]], *given: Any) -> dict[str, Any]:
    """Call a function in a fork; a failure, a crash and a time limit are results too."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_quietly, args=(there, function, given))
    process.start()
    there.close()
    try:
        return here.recv() if here.poll(limit) else {"verdict": "time", "why": f"more than {limit:.0f} s"}
    except EOFError:
        process.join()
        return {"verdict": "crashed", "why": f"exit code {process.exitcode}"}
    finally:
        process.kill()
        process.join()


def _quietly(pipe: Any, function: Callable[..., dict[str, Any]], given: tuple[Any, ...]) -> None:
    with open(os.devnull, "w") as nothing:  # the exporters print whole graphs
        os.dup2(nothing.fileno(), 1)
        os.dup2(nothing.fileno(), 2)
        warnings.simplefilter("ignore")
        try:
            pipe.send(function(*given))
        except Exception as error:
            pipe.send({"verdict": "failed", "why": f"{type(error).__name__}: {first_line(error)}"})
            traceback.print_exc()


def first_line(error: Exception) -> str:
    """The root cause: exporters wrap it in several errors of their own."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split())[:300]


# ------------------------------------------------------------------------------------------------- with torch: exports


def network(name: str) -> tuple[Any, list[Any]]:
    """A module in inference mode and ROWS random rows; BatchNormalization has the statistics of random rows."""
    import torch
    from zoo import ARCHITECTURES

    torch.manual_seed(0)
    make, shapes = ARCHITECTURES[name]
    module = make().eval()
    for weight in module.parameters():
        if not weight.any():  # a head or a branch that starts at zero would have no gradient
            torch.nn.init.normal_(weight, std=0.1)
    norms = [m for m in module.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.train()
    with torch.no_grad():
        module(*(torch.randn(8, *shape) for shape in shapes))
    return module.eval(), [torch.randn(ROWS, *shape) for shape in shapes]


def export(name: str, form: str, folder: Path) -> dict[str, Any]:
    """Write FORM.onnx, and rows.npz with the inputs, outputs, cotangents and autograd's gradients."""
    from tests.exporters.torch_export import autograd
    from tests.exporters.torch_export import export as write

    module, inputs = network(name)
    if not (folder / "rows.npz").exists():
        outputs, cotangents, grads = autograd(module, inputs)
        arrays = {f"x{i}": x.numpy() for i, x in enumerate(inputs)} | {f"grad_x{i}": g for i, g in enumerate(grads)}
        arrays |= {f"y{i}": y for i, y in enumerate(outputs)} | {f"grad_y{i}": c for i, c in enumerate(cotangents)}
        np.savez(folder / "rows.npz", **arrays)
    exporter, batch = form.split("-")
    write(module, tuple(x[:FIXED] for x in inputs), folder / f"{form}.onnx", exporter, batch == "symbolic")
    return {"verdict": "exported"}


# ----------------------------------------------------------------------------------------------- without torch: checks


def check(name: str, form: str, folder: Path) -> dict[str, Any]:
    """The file's outputs, then its gradient, with every number of rows that the form takes."""
    import onnxpath
    from onnxpath.graph.canonize import load_graph

    path, arrays = folder / f"{form}.onnx", dict(np.load(folder / "rows.npz"))
    counts = [FIXED] if form.endswith("fixed") else [1, ROWS]
    inputs = [key for key in arrays if key.startswith("x")]
    plain = session(path)
    names = [o.name for o in plain.get_outputs()]
    for count in counts:
        found = plain.run(None, {key: arrays[key][:count] for key in inputs})
        for i, value in enumerate(found[: sum(key.startswith("y") for key in arrays)]):
            wrong = distance(value, arrays[f"y{i}"][:count])
            if not wrong <= FORWARD_TOLERANCE:
                return {"verdict": "other model", "why": f"its outputs are {wrong:.2g} off torch's, {count} rows"}
    canonized = len(load_graph(path).nodes)
    began = time.perf_counter()
    try:
        model = onnxpath.gradient_graph(path, of=names[: sum(key.startswith("y") for key in arrays)])
    except onnxpath.OnnxPathError as error:
        return {"verdict": "refused", "why": first_line(error)}
    size = {"nodes": canonized, "gradient": len(model.graph.node), "seconds": round(time.perf_counter() - began, 2)}
    built = session(model.SerializeToString())
    for count in counts:
        feeds = {key: arrays[key][:count] for key in inputs}
        feeds |= {f"grad_{y}": arrays[f"grad_y{i}"][:count] for i, y in enumerate(names) if f"grad_y{i}" in arrays}
        for key, value in zip(inputs, built.run([f"grad_{key}" for key in inputs], feeds), strict=True):
            if why := difference(value, arrays[f"grad_{key}"][:count]):
                return {"verdict": "wrong", "why": f"{why}, {count} rows", **size}
    return {"verdict": "right", **size}


def session(model: Any) -> Any:
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, settings.log_severity_level = 1, 4
    model = str(model) if isinstance(model, Path) else model
    return onnxruntime.InferenceSession(model, settings, providers=["CPUExecutionProvider"])


def difference(found: Any, expected: Any) -> str | None:
    """What is wrong with a gradient, by relative L2 and cosine of each row."""
    if found.shape != expected.shape:
        return f"shape {found.shape} for {expected.shape}"
    for a, b in zip(found, expected, strict=True):
        a, b = a.ravel().astype(np.float64), b.ravel().astype(np.float64)
        cosine = a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-300)
        if not (distance(a, b) <= L2 and cosine >= COSINE):
            return f"relative L2 {distance(a, b):.2g}, cosine {cosine:.5f}"
    return None


def distance(a: Any, b: Any) -> float:
    return float(np.linalg.norm(a - b) / max(np.linalg.norm(b), 1e-300))


if __name__ == "__main__":
    main()
