"""What the verbs share: options, errors as text, output, progress."""

from __future__ import annotations

import functools
import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from onnxpath.batch.inputs import InputItem
    from onnxpath.batch.preprocess import Preprocess
    from onnxpath.runtime.model import Model

T = TypeVar("T")

DONE, SOME_FAILED, NOTHING_DONE = 0, 1, 2

ModelPath = Annotated[Path, typer.Argument(metavar="MODEL", help="An .onnx file.", show_default=False)]
Inputs = Annotated[
    list[Path],
    typer.Argument(metavar="INPUTS...", help="Files or folders: png jpg webp bmp npy npz.", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
Providers = Annotated[str, typer.Option("--providers", help="auto (CUDA where there is one, else CPU), cpu or cuda.")]
PreprocessFile = Annotated[
    Path | None,
    typer.Option("--preprocess", help="TOML or JSON: layout, color, resize, crop, scale, mean, std, dtype."),
]
ClassNames = Annotated[Path | None, typer.Option("--classes", help="Class names, one a line, in output order.")]
TargetIndex = Annotated[
    int | None, typer.Option("--target", help="Output entry to explain; default each input's largest.")
]
OutputName = Annotated[str | None, typer.Option("--output", help="Model output to explain; default the first float one.")]
Selector = Annotated[str, typer.Option("--selector", help="How neurons are scored: `onnxpath list selectors`.")]
Sparsity = Annotated[float, typer.Option("--sparsity", help="Fraction of neurons pruned, 0 to 1.")]
Scope = Annotated[str, typer.Option("--scope", help="global (all layers pooled) or layer (each layer by itself).")]
Seed = Annotated[int, typer.Option("--seed", help="Of selectors that draw.")]


def errors_as_text(function: Callable[..., T]) -> Callable[..., T]:
    """Turn an OnnxPathError into its text on standard error and exit code 2, never a traceback."""

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> T:
        from onnxpath.errors import OnnxPathError

        logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
        try:
            return function(*args, **kwargs)
        except OnnxPathError as error:
            typer.echo(f"onnxpath: {error}", err=True)
            raise typer.Exit(NOTHING_DONE) from None
        except KeyboardInterrupt:
            typer.echo("onnxpath: interrupted; nothing was left half-written", err=True)
            raise typer.Exit(130) from None

    return guarded


def say(text: str) -> None:
    """Print for people, on standard output."""
    typer.echo(text)


def print_json(value: Any) -> None:
    """Print a result as JSON on standard output."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def load_model(path: Path, providers: str) -> Model:
    """Load the model of a command."""
    from onnxpath.runtime.model import load

    return load(path, providers)


def open_inputs(
    model: Model, paths: list[Path], preprocess: Path | None
) -> tuple[list[InputItem], Preprocess, list[str]]:
    """Return the inputs found, the preprocessing, and warnings about both."""
    from onnxpath.batch.explain import single_input
    from onnxpath.batch.inputs import IMAGE_SUFFIXES, find_inputs
    from onnxpath.batch.preprocess import Preprocess, load_preprocess

    info = single_input(model)
    chosen = load_preprocess(preprocess) if preprocess else Preprocess()
    items = find_inputs(paths, len(info.shape))
    pictures = any(item.path.suffix.lower() in IMAGE_SUFFIXES for item in items)
    warnings = []
    if pictures and preprocess is None:
        warnings.append("no --preprocess was given: pictures went into the model as RGB values from 0 to 255")
    return items, chosen, warnings


def read_classes(path: Path | None) -> list[str]:
    """Return class names, one a line; a leading WordNet id is left out."""
    import re

    from onnxpath.errors import InputError

    if path is None:
        return []
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"class names '{path}' cannot be read: {error}") from error
    return [re.sub(r"^n\d{8}\s+", "", line.strip()) for line in lines if line.strip()]


def progress(values: Iterable[T], total: int, what: str, quiet: bool = False) -> Iterator[T]:
    """Pass values on and show a bar with rate and remaining time on standard error, where that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        for value in values:
            yield value
            bar.advance(task)


def failure_exit(failures: list[Any], done: int) -> None:
    """List the inputs that failed and leave with exit code 1, or 2 where nothing could be done."""
    if not failures:
        return
    typer.echo(f"onnxpath: {len(failures)} of {len(failures) + done} inputs failed:", err=True)
    for failure in failures:
        typer.echo(f"  {failure.error}", err=True)
    raise typer.Exit(SOME_FAILED if done else NOTHING_DONE)
