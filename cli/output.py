"""What verbs print: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import typer

T = TypeVar("T")


COMMANDS = {
    code: f"\\u{code:04x}"
    for code in (*range(32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
    if chr(code) not in "\n\t"
}
"""Characters that a terminal obeys, or that turn the text behind them round, and how they are spelled: as in JSON."""


def echo(text: str, err: bool = False) -> None:
    """Print text as it is, but for what no encoding has and what a terminal obeys: names of files may hold anything."""
    from onnxpath.files import printable

    typer.echo(printable(text).translate(COMMANDS), err=err)


def say(text: str) -> None:
    """Print for people, on standard output."""
    echo(text)


def complain(text: str) -> None:
    """Print on standard error, after the program's name."""
    echo(f"onnxpath: {text}", err=True)


def print_json(value: Any) -> None:
    """Print a result as JSON on standard output; NaN and Inf become null."""
    from onnxpath.report.plain import as_plain

    echo(json.dumps(as_plain(value), indent=2, ensure_ascii=False, allow_nan=False))


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: 1 input, 2 inputs."""
    from onnxpath.shown import plural

    return f"{count:,} {plural(noun, count)}"


def few(names: Sequence[str], most: int = 10, hint: str = "") -> str:
    """Join names with commas; of more than `most`, the first and how many more there are."""
    left = len(names) - most
    return ", ".join(names[:most]) + (f" and {left} more{hint}" if left > 0 else "") or "none"


def progress(values: Iterable[T], total: int, what: str) -> Iterator[T]:
    """Pass values on and show how many are done, as `watching` does."""
    from onnxpath.progress import tell

    with watching():
        tell(what, 0, total)
        for done, value in enumerate(values, 1):
            yield value
            tell(what, done, total)


@contextmanager
def watching() -> Iterator[None]:
    """Show what is told of progress on standard error, where that is a terminal: bars with rate and remaining time.

    The first is the run's; others show the steps of what takes many for one input or batch (greedy, dgr, ...).
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TaskID, TextColumn, TimeRemainingColumn

    from onnxpath.progress import listening

    class Rate(TextColumn):
        """Steps a second."""

        def render(self, task: Task) -> Any:
            speed = task.finished_speed or task.speed
            self.text_format = f"{speed:.3g}/s" if speed else ""
            return super().render(task)

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(""), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        bars: dict[str, TaskID] = {}

        def show(part: str, done: int, steps: int) -> None:
            if part not in bars:
                bars[part] = bar.add_task(f"  {part}" if bars else part, total=steps)
            bar.update(bars[part], completed=done, total=steps)

        with listening(show):
            yield
