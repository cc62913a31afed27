"""Trains the three sample models, writes their .onnx files, the sample images, and the facts in README.md.

    python sample_models/train.py

About one minute on one CPU core. Needs torch, onnx, onnxruntime, scikit-learn and Pillow.
"""

from __future__ import annotations

import hashlib
import math
import platform
import warnings
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import onnxruntime
import PIL
import sklearn
import torch
from digits_data import HERE, Part, preprocess, sample_positions, split
from networks import IMAGE_SIZE, NETWORKS, from_onnx
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

OPSET = 17
BATCH = 64
FACTS = ("<!-- facts: written by train.py -->", "<!-- end of facts -->")


class Recipe(NamedTuple):
    """How one model is trained (AdamW, one-cycle learning rate)."""

    epochs: int
    peak_rate: float
    weight_decay: float
    seed: int


RECIPES = {
    "digits_cnn": Recipe(epochs=40, peak_rate=4e-3, weight_decay=1e-2, seed=1),
    "digits_resnet": Recipe(epochs=40, peak_rate=1e-2, weight_decay=1e-2, seed=2),
    "digits_vit": Recipe(epochs=150, peak_rate=3e-3, weight_decay=5e-2, seed=3),
}


def distort(images: Tensor) -> Tensor:
    """Random rotation (10 degrees), size (10 %) and shift (1.5 pixels) of [N, 1, H, W]; what comes in is black."""
    n = len(images)
    angle = (torch.rand(n) * 2 - 1) * math.radians(10)
    size = 1 + (torch.rand(n) * 2 - 1) * 0.1
    shift = (torch.rand(n, 2, 1) * 2 - 1) * (1.5 * 2 / IMAGE_SIZE)
    cos, sin = angle.cos() * size, angle.sin() * size
    turn = torch.stack([cos, -sin, sin, cos], dim=1).reshape(n, 2, 2)
    grid = functional.affine_grid(torch.cat([turn, shift], dim=2), list(images.shape), align_corners=False)
    # grid_sample fills with zero, and zero is not black after preprocessing.
    black = images.min()
    return functional.grid_sample(images - black, grid, align_corners=False) + black


def accuracy(module: nn.Module, part: Part) -> float:
    """The share of a part that the module, in eval mode, puts into the right class."""
    with torch.no_grad():
        predicted = module.eval()(torch.from_numpy(preprocess(part.images))).argmax(1).numpy()
    return float((predicted == part.labels).mean())


def train(name: str, parts: dict[str, Part]) -> nn.Module:
    """Trains one network from its seed; the test part is not looked at. Prints the validation accuracy on the way."""
    recipe = RECIPES[name]
    torch.manual_seed(recipe.seed)
    module = NETWORKS[name]()
    images = torch.from_numpy(preprocess(parts["train"].images))
    labels = torch.from_numpy(parts["train"].labels)
    optimizer = torch.optim.AdamW(module.parameters(), lr=recipe.peak_rate, weight_decay=recipe.weight_decay)
    steps = recipe.epochs * math.ceil(len(images) / BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.peak_rate, total_steps=steps)
    for epoch in range(1, recipe.epochs + 1):
        module.train()
        for rows in torch.randperm(len(images)).split(BATCH):
            loss = functional.cross_entropy(module(distort(images[rows])), labels[rows], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        if epoch % 10 == 0:
            print(f"{name} epoch {epoch}: validation accuracy {accuracy(module, parts['validation']):.4f}", flush=True)
    return module.eval()


def give_each_name_its_values(graph: onnx.GraphProto) -> None:
    """Turns `Identity(initializer)` nodes into initializers.

    The exporter stores equal tensors once and aliases the other names with Identity. Two biases that are added to the
    same sum (a block's last BatchNormalization and its shortcut's) stay equal through all of training.
    """
    held = {tensor.name: tensor for tensor in graph.initializer}
    for node in [node for node in graph.node if node.op_type == "Identity" and node.input[0] in held]:
        graph.initializer.add().CopyFrom(held[node.input[0]])
        graph.initializer[-1].name = node.output[0]
        graph.node.remove(node)


def export(module: nn.Module, name: str) -> Path:
    """Writes `<name>.onnx` with a symbolic batch and the graph named `name`, checked."""
    path = HERE / f"{name}.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        # TrainingMode.PRESERVE on a module in eval mode: BatchNormalization stays a node of its own, in inference form.
        torch.onnx.export(
            module,
            (torch.zeros(2, 1, IMAGE_SIZE, IMAGE_SIZE),),
            path,
            input_names=["image"],
            output_names=["logits"],
            dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
            opset_version=OPSET,
            training=torch.onnx.TrainingMode.PRESERVE,
            do_constant_folding=False,
            dynamo=False,
        )
    model = onnx.load(path)
    model.graph.name = name
    give_each_name_its_values(model.graph)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    return path


def predict(path: Path, images: np.ndarray) -> np.ndarray:
    """The logits that ONNX Runtime computes on the CPU for uint8 images [N, 16, 16]."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(["logits"], {"image": preprocess(images)})[0]


def check(path: Path, module: nn.Module, images: np.ndarray) -> float:
    """How far ONNX Runtime is from the module, and from the module rebuilt from the file; stops over 1e-4."""
    logits = predict(path, images)
    x = torch.from_numpy(preprocess(images))
    with torch.no_grad():
        worst = max(float(np.abs(logits - m(x).numpy()).max()) for m in (module, from_onnx(path)))
    if worst > 1e-4:
        raise SystemExit(f"{path.name}: ONNX Runtime and torch differ by {worst:.1e}")
    return worst


def write_images(test: Part) -> None:
    """A dozen test digits as PNG files, named by number and label."""
    folder = HERE / "images"
    folder.mkdir(exist_ok=True)
    for number, position in enumerate(sample_positions(test.labels)):
        Image.fromarray(test.images[position]).save(folder / f"digit_{number:02}_label_{test.labels[position]}.png")


def facts(path: Path, module: nn.Module, parts: dict[str, Part]) -> list[str]:
    """One row of the README's first table and one of its second, as Markdown."""
    model = onnx.load(path)
    parameters = sum(math.prod(tensor.dims) for tensor in model.graph.initializer)
    shares = " | ".join(f"{accuracy(module, parts[part]):.4f}" for part in ("train", "validation"))
    tested = float((predict(path, parts["test"].images).argmax(1) == parts["test"].labels).mean())
    counts = Counter(node.op_type for node in model.graph.node)
    operators = ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items()))
    form = f"{model.opset_import[0].version} / {model.ir_version}"
    return [
        f"| `{path.name}` | {path.stat().st_size:,} | {parameters:,} | {form} | {shares} | {tested:.4f} |",
        f"| `{path.name}` | {len(model.graph.node)} | {operators} |",
    ]


def write_facts(rows: list[list[str]]) -> None:
    """Replaces what stands between the two markers in README.md."""
    versions = {
        "Python": platform.python_version(),
        "torch": torch.__version__,
        "onnx": onnx.__version__,
        "onnxruntime": onnxruntime.__version__,
        "scikit-learn": sklearn.__version__,
        "numpy": np.__version__,
        "Pillow": PIL.__version__,
    }
    files = [*sorted(HERE.glob("*.onnx")), *sorted((HERE / "images").glob("*.png"))]
    lines = [
        "| file | bytes | parameters | opset / IR | train | validation | **test** |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(first for first, _ in rows),
        "",
        "| file | nodes | operators |",
        "| --- | --- | --- |",
        *(second for _, second in rows),
        "",
        "Made with " + ", ".join(f"{name} {version}" for name, version in versions.items()) + ".",
        "",
        "| file | sha256 |",
        "| --- | --- |",
        *(f"| `{f.relative_to(HERE).as_posix()}` | `{hashlib.sha256(f.read_bytes()).hexdigest()}` |" for f in files),
    ]
    readme = HERE / "README.md"
    before, rest = readme.read_text(encoding="utf-8").split(FACTS[0])
    after = rest.split(FACTS[1])[1]
    middle = "\n".join(lines)
    readme.write_text(f"{before}{FACTS[0]}\n{middle}\n{FACTS[1]}{after}", encoding="utf-8")


def main() -> None:
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    parts = split()
    write_images(parts["test"])
    rows = []
    for name in NETWORKS:
        module = train(name, parts)
        path = export(module, name)
        print(f"{name}: torch and ONNX Runtime differ by at most {check(path, module, parts['test'].images):.1e}")
        rows.append(facts(path, module, parts))
    (HERE / "classes.txt").write_text("".join(f"{digit}\n" for digit in range(10)), encoding="utf-8")
    write_facts(rows)


if __name__ == "__main__":
    main()
