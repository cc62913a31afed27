"""Compare the predictions that a report states with plain ONNX Runtime's on the same inputs.

python benchmarks/check_report.py MODEL REPORT_FOLDER PREPROCESS INPUTS...
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort

from onnxpath.batch.inputs import find_inputs, read_item
from onnxpath.batch.preprocess import load_preprocess


def main() -> None:
    """Print how many predictions agree and the largest relative difference of a logit."""
    model, folder, preprocess, *inputs = map(Path, sys.argv[1:])
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    shape = [d if isinstance(d, int) else None for d in given.shape[1:]]
    stated = {item["name"]: item for item in json.loads((folder / "report.json").read_text())["items"]}
    agree, worst = 0, 0.0
    items = find_inputs(inputs, len(given.shape))
    for item in items:
        x = read_item(item, load_preprocess(preprocess), shape, np.float32).array[None]
        logits = session.run(None, {given.name: x})[0][0]
        first = stated[item.name]["predictions"][0]
        agree += first["index"] == int(logits.argmax())
        worst = max(worst, abs(first["logit"] - float(logits.max())) / abs(float(logits.max())))
    print(f"{model.name}: {agree} of {len(items)} predictions agree, logits to {worst:.1e} relative")


if __name__ == "__main__":
    main()
