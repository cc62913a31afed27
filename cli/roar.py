"""`onnxpath roar`: remove what methods rank highest, and train the model anew without it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from onnxpath_cli.job import facts, read_classes
from onnxpath_cli.options import (
    VARIANTS,
    ClassNames,
    Json,
    MethodOptions,
    ModelPath,
    OutFolder,
    Output,
    PreprocessFile,
    Providers,
    methods,
    several,
)
from onnxpath_cli.output import counted, print_json, progress, say

DEFAULT_METHODS = ["gradient", "pathway-gradient"]
DEFAULT_BASELINES = ["random", "edges"]

if TYPE_CHECKING:
    from onnxpath.batch.preprocess import Preprocess
    from onnxpath.evaluation.roar.study import Study
    from onnxpath.evaluation.training.train import Recipe


def roar(
    model: ModelPath,
    train: Annotated[
        Path, Argument(metavar="TRAIN", help=".npz with labels, or a folder for each class.", show_default=False)
    ],
    test: Annotated[Path, Argument(metavar="TEST", help="The same, to test on.", show_default=False)],
    out: OutFolder,
    method: Annotated[list[str] | None, methods(DEFAULT_METHODS, VARIANTS)] = None,
    option: MethodOptions = None,
    baseline: Annotated[
        list[str] | None,
        Option(
            "--baseline",
            "--baselines",
            help="Maps that explain nothing, beside them; commas between, or repeat. "
            f"Default {' and '.join(DEFAULT_BASELINES)}.",
        ),
    ] = None,
    kind: Annotated[str, Option("--kind", help="roar: the highest ranked go; kar: the lowest.")] = "roar",
    ranking: Annotated[
        str, Option("--ranking", help="Channels become one number by their signed maximum or absolute sum.")
    ] = "signed",
    percents: Annotated[str, Option("--percents", help="Of the positions, removed.")] = "10,30,50,70,90",
    seeds: Annotated[int, Option("--seeds", min=1, help="Trainings of each point.")] = 3,
    optimiser: Annotated[str, Option("--optimiser", help="adam or sgd (momentum 0.9).")] = "adam",
    rate: Annotated[float | None, Option("--rate", help="Learning rate; default adam 0.001, sgd 0.1.")] = None,
    weight_decay: Annotated[float, Option("--weight-decay", min=0, help="Added to the gradient.")] = 1e-4,
    epochs: Annotated[int, Option("--epochs", min=1, help="Of each training.")] = 50,
    batch: Annotated[int, Option("--batch", min=1, help="Rows of a step.")] = 256,
    decay_every: Annotated[int, Option("--decay-every", min=0, help="Epochs until the rate is halved; 0 never.")] = 10,
    crop: Annotated[int, Option("--crop", min=0, help="Random crops after padding by so many pixels.")] = 0,
    flip: Annotated[bool, Option("--flip", help="Random flips, left to right.")] = False,
    validation: Annotated[
        float, Option("--validation", help="Share of TRAIN that the best epoch is chosen on; 0 takes the last.")
    ] = 0.0,
    least: Annotated[float, Option("--least", help="Clean accuracy below which nothing counts.")] = 0.9,
    output: Output = None,
    preprocess: PreprocessFile = None,
    classes: ClassNames = None,
    providers: Providers = "auto",
    json: Json = False,
) -> None:
    """Retrain the model without the pixels that methods rank highest.

    Writes roar.html, roar.json and roar.csv: accuracy against the fraction removed.

    The model's structure is trained from scratch, in ONNX Runtime: clean, and for
    each method, percentage and seed. What is trained is kept in the folder at once:
    the same command goes on where it was stopped. A lower accuracy after retraining
    means a better ranking, if the clean network is good enough. With --kind kar the
    lowest ranked pixels go (keep and retrain), and a higher accuracy means that.

    \b
    Example:
      onnxpath roar model.onnx train.npz test.npz --preprocess preprocess.toml \\
          --methods gradient --percents 50 --seeds 1 --epochs 2 -o roar/
    """
    from onnxpath.errors import all_of
    from onnxpath.evaluation.explanation import with_options
    from onnxpath.report.evaluation.roar import Retrained, write_roar

    clock = time.perf_counter()
    labels, numbers, recipe = all_of(
        lambda: with_options(several(method, DEFAULT_METHODS), option or []),
        lambda: _numbers(percents),
        lambda: _recipe(optimiser, rate, weight_decay, epochs, batch, decay_every, crop, flip, validation),
    )
    study, prepared = _study(
        (model, train, test),
        (preprocess, classes, providers),
        folder=out,
        methods=labels,
        baselines=several(baseline, DEFAULT_BASELINES),
        percents=numbers,
        seeds=range(seeds),
        recipe=recipe,
        kind=kind,
        ranking=ranking,
        output=output,
        least=least,
    )
    for _ in progress(study.run(), len(study.keys()) - len(study.points()), kind):
        pass
    result = study.result()
    ran = facts(study.model, prepared, time.perf_counter() - clock)
    shown = Retrained(result, ran, len(study.train.x), len(study.test.x), study.layout.positions)
    page = write_roar(out, shown)
    if json:
        print_json({"page": page, **result.as_dict()})
    else:
        say(result.to_text())
        say(f"{page}: {counted(len(result.points), 'training')}")


def _study(
    files: tuple[Path, Path, Path], how: tuple[Path | None, Path | None, str], **settings: Any
) -> tuple[Study, Preprocess]:
    """Load the model and read the examples; all that is wrong with them is said at once."""
    from onnxpath.batch.fit import unprepared, wanted_inputs
    from onnxpath.batch.found import check_apart
    from onnxpath.batch.labelled import read_labelled
    from onnxpath.batch.preprocess import load_preprocess
    from onnxpath.errors import all_of
    from onnxpath.evaluation.roar.study import Study
    from onnxpath.evaluation.training.data import Examples
    from onnxpath.runtime.model import load

    (model, train, test), (preprocess, classes, providers) = files, how
    loaded, chosen, names, _ = all_of(
        lambda: load(model, providers),
        lambda: load_preprocess(preprocess) if preprocess else None,
        lambda: read_classes(classes),
        lambda: check_apart([train, test], settings["folder"]),
    )
    chosen = chosen or unprepared(wanted_inputs(loaded))
    x, labels, found = read_labelled([train], loaded, chosen, names or None)
    # Folders of the test part are the classes that those of the training part are, also where one is missing.
    x_test, labels_test, _ = read_labelled([test], loaded, chosen, names or found)
    channels = "last" if x.ndim == 4 and chosen.layout == "NHWC" else None
    study = Study(loaded, Examples(x, labels), Examples(x_test, labels_test), channels=channels, **settings)
    return study, chosen


def _recipe(
    name: str,
    rate: float | None,
    weight_decay: float,
    epochs: int,
    batch: int,
    decay_every: int,
    crop: int,
    flip: bool,
    validation: float,
) -> Recipe:
    from onnxpath.errors import unknown
    from onnxpath.evaluation.training.data import Augmentation
    from onnxpath.evaluation.training.optimiser import OPTIMISERS
    from onnxpath.evaluation.training.train import Recipe

    if name not in OPTIMISERS:
        raise unknown("optimiser", [name], OPTIMISERS)
    given = {} if rate is None else {"rate": rate}
    optimiser = OPTIMISERS[name](weight_decay=weight_decay, **given)
    return Recipe(
        optimiser,
        epochs,
        batch,
        decay_every=decay_every,
        augmentation=Augmentation(crop, flip),
        validation=validation,
    )


def _numbers(text: str) -> list[float]:
    from onnxpath.errors import InputError

    try:
        return [float(part) for part in several([text], [])]
    except ValueError as error:
        raise InputError(f"--percents takes numbers with commas between, not '{text}'") from error
