"""Differentiate a model over 2 GB: path in, external data out.

    python benchmarks/large_model.py FOLDER        writes 4.3 GB there and needs about 10 GB of memory

Makes a model of 2.1 GB of random weights, writes its gradient graph with `onnxpath gradient`, runs it, and compares a
directional derivative with a difference of the forward model.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

WIDTH, LAYERS = 8192, 8


def make(path: Path) -> None:
    """Write an MLP of LAYERS square matrices with tanh between them."""
    rng = np.random.default_rng(0)
    nodes, weights, name = [], [], "x"
    for i in range(LAYERS):
        matrix = rng.standard_normal((WIDTH, WIDTH), np.float32) / np.float32(np.sqrt(WIDTH))
        weights.append(numpy_helper.from_array(matrix, f"w{i}"))
        nodes += [
            helper.make_node("MatMul", [name, f"w{i}"], [f"m{i}"]),
            helper.make_node("Tanh", [f"m{i}"], [f"t{i}"]),
        ]
        name = f"t{i}"
    nodes.append(helper.make_node("ReduceMean", [name], ["y"], keepdims=1))
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", WIDTH])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1])
    model = helper.make_model(
        helper.make_graph(nodes, "large", [x], [y], weights), opset_imports=[helper.make_opsetid("", 21)], ir_version=10
    )
    onnx.save_model(model, path, save_as_external_data=True, location=f"{path.name}.data")


def main() -> None:
    """Make, differentiate, check."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    source, target = folder / "large.onnx", folder / "large_gradient.onnx"
    make(source)
    size = (folder / "large.onnx.data").stat().st_size
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "onnxpath_cli", "gradient", str(source), "-o", str(target)], check=True)
    print(f"{size / 2**30:.2f} GiB of weights, gradient graph written in {time.perf_counter() - began:.1f} s")
    x = np.random.default_rng(1).standard_normal((1, WIDTH)).astype(np.float32)
    session = ort.InferenceSession(target, providers=["CPUExecutionProvider"])
    y, grad = session.run(["y", "grad_x"], {"x": x, "grad_y": np.ones((1, 1), np.float32)})
    step = grad / np.linalg.norm(grad)
    ends = [session.run(["y"], {"x": x + s * step, "grad_y": y})[0].item() for s in (0.5, -0.5)]
    print(f"along the gradient: {np.linalg.norm(grad):.6g}, by differences: {ends[0] - ends[1]:.6g}")


if __name__ == "__main__":
    main()
