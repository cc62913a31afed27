"""`onnxpath evaluate`: metrics of attribution methods, beside the baselines, on a folder of inputs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from onnxpath_cli.job import facts, leave, prepare
from onnxpath_cli.options import (
    VARIANTS,
    Inputs,
    Json,
    MethodOptions,
    ModelPath,
    OutFolder,
    Output,
    Precision,
    PreprocessFile,
    Providers,
    Rules,
    Seed,
    Target,
    TokenizerFile,
    Wrt,
    methods,
    several,
)
from onnxpath_cli.output import counted, print_json, progress, say

if TYPE_CHECKING:
    from onnxpath.batch.explain import Failed
    from onnxpath.batch.inputs import InputItem
    from onnxpath.evaluation.subject import Subject
    from onnxpath.report.job.prepare import Job

DEFAULT_METHODS = ["pathway-gradient", "gradient"]
DEFAULT_METRICS = ["lerf", "morf", "deletion", "insertion"]


def evaluate(
    model: ModelPath,
    inputs: Inputs,
    out: OutFolder,
    method: Annotated[list[str] | None, methods(DEFAULT_METHODS, VARIANTS)] = None,
    option: MethodOptions = None,
    metric: Annotated[
        list[str] | None,
        Option(
            "--metric",
            "--metrics",
            help="Metrics of `onnxpath list metrics`, with commas between; or repeat. "
            f"Default {', '.join(DEFAULT_METRICS)}.",
        ),
    ] = None,
    metric_option: Annotated[
        list[str] | None,
        Option(
            "--metric-option",
            "--set",
            help="NAME=VALUE of the metrics, as in `onnxpath list metrics`; repeat for more.",
            metavar="NAME=VALUE",
        ),
    ] = None,
    boxes: Annotated[
        Path | None, Option("--boxes", help="CSV of objects: file,x0,y0,x1,y1 in pixels of the file.")
    ] = None,
    masks: Annotated[
        Path | None, Option("--masks", help="npz with bool `masks` [N, H, W] of the model inputs, in order.")
    ] = None,
    correct_only: Annotated[
        bool, Option("--correct-only", help="Only inputs whose largest entry is their known label.")
    ] = False,
    target: Target = None,
    output: Output = None,
    preprocess: PreprocessFile = None,
    tokenizer: TokenizerFile = None,
    wrt: Wrt = None,
    seed: Seed = 0,
    samples: Annotated[int, Option("--samples", min=1, help="Resamples of each confidence interval.")] = 1000,
    rules: Rules = "gradient",
    providers: Providers = "auto",
    precision: Precision = "float32",
    json: Json = False,
) -> None:
    """Measure methods beside baselines; write evaluation.html, .json and .csv.

    The baselines (random, blurred random, edges, centre, activations, blurred
    gradient) always run. Differences within the interval are called undecided.

    \b
    Example:
      onnxpath evaluate model.onnx images/ --preprocess preprocess.toml \\
          --methods gradient,lrp --option composite=epsilon-plus \\
          --metrics lerf,deletion --metric-option steps=10,50 -o scores/
    """
    from onnxpath.batch.boxes import read_boxes
    from onnxpath.batch.fit import check_attribution
    from onnxpath.batch.labels import check_labels, classes_of
    from onnxpath.errors import all_of
    from onnxpath.evaluation.plan import check_located, plan
    from onnxpath.report.evaluation.page import write_evaluation

    labels, names = several(method, DEFAULT_METHODS), several(metric, DEFAULT_METRICS)

    def checked() -> dict[str, Any]:
        given = _named(metric_option or [])
        found, read, _, chosen = all_of(
            lambda: read_boxes(boxes) if boxes else None,
            lambda: _read_masks(masks) if masks else None,
            lambda: check_located(names, boxes is not None, masks is not None),
            lambda: _methods(labels, option or [], names, given),
        )
        return {"methods": chosen, "options": given, "boxes": found, "masks": read}

    clock = time.perf_counter()
    job = prepare(
        model,
        inputs,
        out,
        preprocess,
        providers,
        output=output,
        rules=rules,
        options=checked,
        tokenizer=tokenizer,
        wrt=wrt,
        precision=precision,
        fits=lambda loaded: check_attribution(loaded, [label.partition(":")[0] for label in labels], target, output),
    )
    kept, x, failures = _read(job)
    if not kept:
        leave(job, failures)
    check_labels([item for _, item in kept if isinstance(item.label, int)], classes_of(job.model, output, ()))
    subject = _subject(job, kept, x, target, output, seed)
    if correct_only:
        subject = _correct(subject, kept)
    planned = plan(subject, job.options["methods"], names, samples, job.options["options"])
    for _ in progress(planned.run(), planned.length, "evaluate"):
        pass
    result = planned.result()
    page = write_evaluation(out, result, facts(job.model, job.preprocess, time.perf_counter() - clock, job.warnings))
    if json:
        print_json({**result.as_dict(), "page": page, "failed": len(failures)})
    else:
        say(result.to_text())
        for line in result.skipped:
            say(f"skipped: {line}")
        say(f"{page}: {counted(result.rows, 'input')}, {len(planned.explanations)} methods and baselines")
    leave(job, failures)


def _named(pairs: list[str]) -> dict[str, Any]:
    from functools import partial

    from onnxpath.errors import all_of
    from onnxpath.options import read_pair

    return dict(all_of(*(partial(read_pair, pair) for pair in pairs)))


def _methods(labels: list[str], options: list[str], metrics: list[str], given: dict[str, Any]) -> list[str]:
    """Return the labels of the methods with their options; everything that is named is checked."""
    from onnxpath.evaluation.explanation import with_options
    from onnxpath.evaluation.plan import check_names

    whole = with_options(labels, options)
    check_names(whole, metrics, given)
    return whole


def _read_masks(path: Path) -> Any:
    from onnxpath.arrayfiles import DAMAGED, load_arrays
    from onnxpath.errors import InputError

    try:
        held = load_arrays(path, "masks")
    except DAMAGED as error:
        raise InputError(f"masks '{path}' cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if "masks" not in held or held["masks"].ndim != 3 or held["masks"].dtype.kind not in "biuf":
        raise InputError(f"masks '{path}' hold no array `masks` of three axes [N, H, W]")
    return held["masks"].astype(bool)


def _read(job: Job) -> tuple[list[tuple[int, InputItem]], dict[str, Any], list[Failed]]:
    """Return the inputs that could be read with their places, their rows by input of the model, and the failures."""
    from onnxpath.batch.explain import Failed, read_inputs, stacked
    from onnxpath.errors import InputError

    kept, rows, failures = [], [], []
    for place, read in enumerate(read_inputs(job.model, job.items, job.preprocess)):
        if isinstance(read, Failed):
            failures.append(read)
        else:
            kept.append((place, read[0]))
            rows.append(read)
    if len({loaded.array.shape for _, loaded in rows}) > 1:
        raise InputError(
            "the inputs have different sizes, and metrics need one: set resize and crop in the preprocess file, "
            "or give texts of one length"
        )
    return kept, stacked(job.model, rows) if rows else {}, failures


def _subject(
    job: Job, kept: list[tuple[int, InputItem]], x: dict[str, Any], target: int | None, output: str | None, seed: int
) -> Subject:
    from onnxpath.batch.boxes import boxes_of
    from onnxpath.errors import InputError
    from onnxpath.evaluation.subject import Subject
    from onnxpath.runtime.targets import resolve_target

    boxes, masks = job.options["boxes"], job.options["masks"]
    if masks is not None and len(masks) != len(job.items):
        raise InputError(f"there are {len(masks)} masks and {len(job.items)} inputs; give one for each, in order")
    # A tensor inside the model is laid out as its own operators want it.
    of_input = job.model.wrt is None or job.model.sources[0] in x
    pictures = of_input and next(iter(x.values())).ndim == 4
    channels = "last" if pictures and job.preprocess.layout == "NHWC" else None
    subject = Subject.of(
        job.model,
        x,
        target,
        output,
        channels,
        None if boxes is None else [boxes_of(item, boxes, job.preprocess) for _, item in kept],
        None if masks is None else masks[[place for place, _ in kept]],
        seed,
    )
    if all(item.target is None for _, item in kept):
        return subject
    own = subject.target.values.tolist()
    asked = [own[row] if item.target is None else item.target for row, (_, item) in enumerate(kept)]
    return subject.with_target(resolve_target(job.model, asked, subject.rows, output).values)


def _correct(subject: Subject, kept: list[tuple[int, InputItem]]) -> Subject:
    from onnxpath.batch.inputs import label_of
    from onnxpath.errors import InputError
    from onnxpath.evaluation.evaluate import only_correct

    labels = [label_of(item, None) for _, item in kept]
    known = [label[0] if label is not None and label[0] is not None else None for label in labels]
    if missing := [item.name for (_, item), label in zip(kept, known, strict=True) if label is None]:
        raise InputError(
            f"--correct-only needs a label of every input, and {len(missing)} have none, the first being {missing[0]}; "
            "labels are indices: in an npz, in the column `label` of a table or manifest, or names of sub-folders"
        )
    return only_correct(subject, known)
