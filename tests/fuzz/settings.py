"""Hostile values of options, and files that options name: boxes, tokenizers, image processors' configurations."""

import json
from functools import cache

import numpy as np
import onnx
import typer

from onnxpath_cli.main import app
from tests.batch.token_models import classifier, save_tokenizer
from tests.cli.program import CNN, ONE_IMAGE, PREPROCESS
from tests.fuzz.damage import damaged
from tests.fuzz.data import NUMBERS
from tests.fuzz.plain import hostile_json
from tests.models import parse

SHOWN = (CNN, ONE_IMAGE, "--preprocess", PREPROCESS)
COMMANDS = {
    **{verb: SHOWN for verb in ("explain", "pathway", "activations", "report")},
    "evaluate": (*SHOWN, "--method", "gradient", "--metric", "deletion", "--samples", "3"),
    "radius": (*SHOWN, "--units", "3"),
    "decode": (*SHOWN, "--steps", "2"),
    "compare": (CNN, CNN, ONE_IMAGE, "--preprocess", PREPROCESS, "--method", "gradient"),
    **{verb: (CNN,) for verb in ("inspect", "gradient", "compile")},
}
"""What each verb is given before the hostile values."""

LEFT_OUT = {"out", "json", "help", "web", "ort_web", "netron", "workers"}
"""Options that say where results go, or start other programs and processes."""
WORK = {"steps", "samples", "units", "threads", "random", "neurons"}
"""Options that say how much is computed: whoever gives them means it, so they get no large numbers."""
COUNTED = {*WORK, "seed", "target", "unit", "sparsity", "threshold", "opset"}
"""Options that take a number."""
GOOD = (
    *(
        "gradient",
        "pathway-gradient",
        "lrp",
        "deletion",
        "random",
        "greedy",
        "layer",
        "global",
        "cpu",
        "logits",
        "image",
    ),
    *("softmax-change<=0.1", "straight-through", "n_steps=3", "epsilon=0.1", "composite=epsilon-plus", "1", "0", "0.5"),
)
TEXTS = (
    *("", "<fuzz>", "../../x", "/etc/hostname", ".", "[[[[", '{"a": 1}', "a=b", "=", "n_steps=[1,", "epsilon=1e400"),
    *("lrp:epsilon=x", "gradient,,", "gradient:a", "softmax-change<=x", "<=", "é" * 60, "\udcff", "a\nb", "x" * 5000),
    *("-", "--", "*"),
)
SMALL = tuple(number for number in NUMBERS if len(number) < 5)


@cache
def options():
    """Verb -> its options as (flag, parameter's name), flags without a value left out."""
    verbs = typer.main.get_command(app).commands
    return {
        verb: [
            (p.opts[-1], p.name)
            for p in verbs[verb].params
            if p.opts[-1].startswith("--") and not p.is_flag and p.name not in LEFT_OUT
        ]
        for verb in COMMANDS
    }


def option(rng, folder):
    """An option of a verb, or two, with values that hardly fit."""
    del folder
    verb = list(COMMANDS)[int(rng.integers(len(COMMANDS)))]
    known, given = options()[verb], []
    for _ in range(int(rng.integers(1, 3))):
        flag, name = known[int(rng.integers(len(known)))]
        numbers = SMALL if name in WORK else NUMBERS
        values = (numbers if name in COUNTED else GOOD) if rng.random() < 0.7 else (*TEXTS, *numbers)
        given += [f"{flag}={values[int(rng.integers(len(values)))]}"]
    return f"{verb} {ascii(given)[:100]}", [verb, *COMMANDS[verb], *given]


def boxes(rng, folder):
    """A list of boxes whose numbers and names are none."""
    odd = (*NUMBERS, *map(str, TEXTS[:8]), '"', "a,b", "x" * 200_000, "\0", "")
    header = ["file", "x0", "y0", "x1", "y1 (pixels)"]
    rows = [[ONE_IMAGE.name, "2", "2", "9", "12"] for _ in range(int(rng.integers(1, 4)))]
    for row in [header] * int(rng.random() < 0.3) + rows:
        if rng.random() < 0.7:
            row[int(rng.integers(len(row)))] = odd[int(rng.integers(len(odd)))]
    data = "\n".join(",".join(row) for row in [header, *rows]).encode("utf-8", "surrogatepass")
    (folder / "boxes.csv").write_bytes(damaged(rng, data) if rng.random() < 0.2 else data)
    metrics = ["--method", "gradient", "--metric", "pointing-game", "--samples", "3"]
    return "boxes", ["evaluate", *SHOWN, *metrics, "--boxes", folder / "boxes.csv"]


def tokenizer(rng, folder):
    """A tokenizer.json with a value changed, and texts."""
    good = save_tokenizer(folder / "tokenizer.json")
    data, what = hostile_json(rng, good.read_bytes())
    good.write_bytes(data)
    texts = ("a very good film", "", "\ud800", "good\0bad", "x" * 10_000, "<fuzz> not good")
    text = texts[int(rng.integers(len(texts)))].encode("utf-8", "surrogatepass")
    (folder / "texts.txt").write_bytes(text)
    onnx.save(classifier(inputs=("input_ids", "attention_mask")), folder / "model.onnx")
    shown = ["explain", folder / "model.onnx", folder / "texts.txt", "--method", "gradient"]
    return f"tokenizer, {what}", [*shown, "--tokenizer", good]


PROCESSOR = {
    **{"do_resize": True, "size": {"height": 16, "width": 16}, "resample": 2, "do_center_crop": True},
    **{"crop_size": {"height": 16, "width": 16}, "do_rescale": True, "rescale_factor": 0.00392, "do_normalize": True},
    **{"image_mean": [0.5], "image_std": [0.5], "image_processor_type": "ViTImageProcessor"},
}


def in_colour():
    """A classifier of pictures of 16 by 16 pixels in RGB, which image processors make."""
    w = np.random.default_rng(0).normal(size=(768, 4)).astype(np.float32)
    return parse("m (float[n, 3, 16, 16] x) => (float[n, 4] y) { f = Flatten(x); r = Relu(f); y = MatMul(r, w) }", w=w)


def processor(rng, folder):
    """An image processor's configuration with values changed."""
    data, what = hostile_json(rng, json.dumps(PROCESSOR).encode())
    (folder / "preprocessor_config.json").write_bytes(data)
    onnx.save(in_colour(), folder.parent / "model.onnx")
    shown = ["explain", folder.parent / "model.onnx", ONE_IMAGE, "--method", "gradient"]
    return f"processor, {what}", [*shown, "--preprocess", folder / "preprocessor_config.json"]
