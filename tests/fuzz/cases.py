"""Cases: a folder of hostile files and a command over them, the same for the same seed and number."""

import json
import shutil
from dataclasses import dataclass

import numpy as np
import onnx

from onnxpath_cli.config import keys_of
from onnxpath_cli.report import report
from tests.batch.token_models import classifier
from tests.cli.program import CLASSES, CNN, IMAGES, ONE_IMAGE, PREPROCESS
from tests.fuzz import settings, written
from tests.fuzz.damage import damaged
from tests.fuzz.data import (
    NUMBERS,
    hostile_array,
    hostile_classes,
    hostile_composite,
    hostile_preprocess,
    hostile_records,
    hostile_table,
    toml,
)
from tests.fuzz.models import hostile_model
from tests.fuzz.pictures import hostile_picture
from tests.models import mlp

NAMES = (
    *(
        "<fuzz>",
        "a&<fuzz onload=x>b",
        "'\"><fuzz>",
        "..",
        "...",
        "-o",
        "--help",
        "~",
        "$(id)",
        "`id`",
        "a b",
        "%2e%2e%2f",
    ),
    *("a;b", "a|b", "CON", "nul", "\u202egnp", "é" * 60, "x" * 200, "{{7*7}}", "a\nb", "\\..\\..\\x", "\udcff"),
)
METHODS = ("gradient", "pathway-gradient", "integrated-gradients", "input-x-gradient", "lrp", "guided-backprop", "rap")
JOB_KEYS = [key for key in keys_of(report) if key not in settings.LEFT_OUT | settings.WORK | {"out"}] + ["unknown"]
WITHOUT_RESULTS = ("inspect",)
"""Verbs that write no files."""


@dataclass(frozen=True)
class Case:
    """kind: what is hostile; what: was done; argv: of the program."""

    kind: str
    what: str
    argv: tuple[str, ...]


def build(seed, number, folder):
    """Write the files of a case into `folder`/in and return the command; results go to `folder`/out."""
    rng = np.random.default_rng([seed, number])
    given = folder / "in"
    given.mkdir(parents=True)
    kinds, weights = zip(*KINDS.items(), strict=True)
    kind = kinds[rng.choice(len(kinds), p=np.array(weights) / sum(weights))]
    what, argv = kind(rng, given)
    out = [] if argv[0] in WITHOUT_RESULTS else ["-o", folder / "out"]
    return Case(kind.__name__, what, tuple(map(str, [*argv, *out, "--json"])))


# ------------------------------------------------------------------------------------------------ kinds


def model(rng, folder):
    data, what = hostile_model(rng)
    path = folder / "model.onnx"
    path.write_bytes(data)
    x = np.random.default_rng(0).random((2, 1, 16, 16), np.float32)
    np.save(folder / "x.npy", x if b"mlp" not in data[:100] else x[:, 0, 0, :6])
    shared = [path, folder / "x.npy"]
    commands = (
        ["inspect", path],
        ["inspect", path],
        ["gradient", path],
        ["explain", *shared, "--method", str(rng.choice(METHODS))],
        ["explain", *shared],
        ["pathway", *shared],
        ["activations", *shared],
        ["report", *shared, "--method", "gradient"],
        ["compile", path, "--method", str(rng.choice(METHODS[:4]))],
        ["radius", *shared, "--units", "5"],
        ["decode", *shared, "--steps", "2"],
        ["compare", path, CNN, folder / "x.npy", "--method", "gradient"],
    )
    command = commands[rng.integers(len(commands))]
    return f"{command[0]}: {what}", [*command]


def picture(rng, folder):
    told = []
    for index in range(int(rng.integers(1, 4))):
        suffix, data, what = hostile_picture(rng)
        (folder / f"{index}{suffix}").write_bytes(data)
        told.append(what)
    size = "" if rng.random() < 0.3 else f"resize = {rng.choice(['[16, 16]', '16'])}\ncrop = 16\n"
    preprocess = folder.parent / "preprocess.toml"
    preprocess.write_text(f"color = 'L'\n{size}")
    return ", ".join(told), [*_reading(rng, CNN, folder), "--preprocess", preprocess]


def array(rng, folder):
    suffix, data, what = hostile_array(rng)
    path = folder / f"a{suffix}"
    path.write_bytes(data)
    if rng.random() < 0.15:
        return f"pathway: {what}", ["compile", CNN, "--pathway", path]
    if rng.random() < 0.15:
        masked = ["evaluate", CNN, ONE_IMAGE, "--preprocess", PREPROCESS, "--method", "gradient"]
        return f"masks: {what}", [*masked, "--metric", "pointing-game", "--masks", path]
    return what, [*_reading(rng, CNN, path), "--preprocess", PREPROCESS]


def table(rng, folder):
    suffix, data, what = hostile_table(rng)
    (folder / f"rows{suffix}").write_bytes(data)
    onnx.save(mlp(), folder.parent / "model.onnx")
    return what, [*_reading(rng, folder.parent / "model.onnx", folder / f"rows{suffix}")]


def records(rng, folder):
    suffix, data, what = hostile_records(rng)
    (folder / f"texts{suffix}").write_bytes(data)
    onnx.save(classifier(inputs=("input_ids", "attention_mask")), folder.parent / "model.onnx")
    return what, [*_reading(rng, folder.parent / "model.onnx", folder / f"texts{suffix}")]


def configuration(rng, folder):
    read = [*_reading(rng, CNN, ONE_IMAGE)]
    if rng.random() < 0.6:
        suffix, data, what = hostile_preprocess(rng)
        (folder / f"p{suffix}").write_bytes(data)
        return what, [*read, "--preprocess", folder / f"p{suffix}"]
    suffix, data, what = hostile_composite(rng)
    (folder / "composite.toml").write_bytes(data)
    lrp = ["explain", CNN, ONE_IMAGE, "--preprocess", PREPROCESS, "--method", "lrp"]
    return what, [*lrp, "--composite", folder / "composite.toml"]


def names(rng, folder):
    """Good pictures under hostile names and in folders of hostile names, hostile names of classes."""
    told = []
    for file in sorted(IMAGES.glob("*.png"))[:2]:
        name = NAMES[rng.integers(len(NAMES))]
        under = folder if rng.random() < 0.5 else folder / f"d{NAMES[rng.integers(len(NAMES))]}"
        under.mkdir(exist_ok=True)
        shutil.copy(file, under / f"{name}.png")
        told.append(ascii(str((under / name).relative_to(folder))))
    (folder.parent / "classes.txt").write_bytes(hostile_classes(rng))
    classes = CLASSES if rng.random() < 0.3 else folder.parent / "classes.txt"
    read = _reading(rng, CNN, folder)
    more = ["--title", "<fuzz></title>"] if read[0] == "report" else []
    return ", ".join(told), [*read, "--preprocess", PREPROCESS, "--classes", classes, *more]


def manifest(rng, folder):
    """Lists of inputs: files elsewhere, none, twice, of other kinds, and a job that names them."""
    places = (
        ONE_IMAGE,
        "../../../outside.png",
        "/etc/hostname",
        ".",
        "",
        "a\0b",
        "*.png",
        "x" * 300,
        "in.png",
        "<fuzz>",
    )
    shutil.copy(ONE_IMAGE, folder / "in.png")
    suffix = str(rng.choice([".csv", ".jsonl"]))
    rows = [["in.png", "3", ""], [str(ONE_IMAGE), "seven", "1"]]
    for row in rows:
        if rng.random() < 0.4:
            column = int(rng.integers(3))
            row[column] = str(rng.choice([places, NUMBERS, ("", "1", "x")][column]))
    if suffix == ".csv":
        text = "path,label,target\n" + "\n".join(",".join(row) for row in rows)
    else:
        text = "\n".join(json.dumps(dict(zip(("path", "label", "target"), row, strict=True))) for row in rows)
    data = text.encode()
    (folder / f"list{suffix}").write_bytes(damaged(rng, data) if rng.random() < 0.3 else data)
    if rng.random() < 0.5:
        return f"manifest {suffix}", [*_reading(rng, CNN, folder / f"list{suffix}"), "--preprocess", PREPROCESS]
    keys = {
        "model": f'"{CNN}"',
        "inputs": f'["list{suffix}"]',
        "preprocess": f'"{PREPROCESS}"',
        "method": '["gradient"]',
    }
    for _ in range(int(rng.integers(0, 3))):
        keys[str(rng.choice(JOB_KEYS))] = toml(rng)
    text = "\n".join(f"{key} = {value}" for key, value in keys.items()).encode()
    (folder / "job.toml").write_bytes(damaged(rng, text) if rng.random() < 0.2 else text)
    return f"job of manifest {suffix}", ["report", "--config", folder / "job.toml"]


KINDS = {
    **{model: 44, picture: 14, array: 6, table: 4, records: 4, configuration: 5, names: 4, manifest: 4},
    **{written.resumed: 4, written.finished: 3, written.pathway: 1},
    **{settings.option: 4, settings.boxes: 1, settings.tokenizer: 1, settings.processor: 1},
}
"""How often each kind is drawn, of 100."""


def _reading(rng, path, inputs):
    verb = str(rng.choice(["explain", "explain", "pathway", "activations", "report"]))
    return [verb, path, inputs, *(["--method", "gradient"] if verb in ("explain", "report") else [])]
