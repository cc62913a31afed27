"""The options and arguments that several verbs take, each declared once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from inspect import signature
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option


def number_or_rule(text: Any) -> Any:
    """Return a number as such; anything else as it is, to be judged with all other options."""
    try:
        return float(text)
    except ValueError:
        return text


def several(values: list[str] | None, default: list[str]) -> list[str]:
    """Return names that were given with commas between, or one option after another; commas in brackets are values'."""
    parts = [part.strip() for value in values or [] for part in _split(value)]
    return list(dict.fromkeys(filter(None, parts))) if values is not None else default


def _split(text: str) -> list[str]:
    """Split at the commas outside of brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def require_unset(verb: Callable[..., Any], given: Mapping[str, Any], names: Iterable[str], why: str) -> None:
    """Raise InputError for options that were given and would be passed over.

    given: the verb's arguments by name; names: of those that say nothing; why: how they say nothing.
    """
    from onnxpath.errors import InputError

    defaults = {name: parameter.default for name, parameter in signature(verb).parameters.items()}
    if told := [f"--{name.replace('_', '-')}" for name in names if given[name] != defaults[name]]:
        raise InputError(f"{', '.join(told)}: {why}; leave out what says nothing")


ModelPath = Annotated[Path, Argument(metavar="MODEL", help="An .onnx file.", show_default=False)]
Inputs = Annotated[
    list[Path],
    Argument(
        metavar="INPUTS",
        help="Files, folders, patterns or manifests: png jpg webp bmp npy npz csv tsv parquet jsonl json txt.",
        show_default=False,
    ),
]
OutFolder = Annotated[
    Path, Option("-o", "--out", help="Folder for the results, made where missing.", show_default=False)
]
Json = Annotated[bool, Option("--json", help="Print the result as JSON on standard output.")]
Providers = Annotated[str, Option("--providers", help="auto (CUDA where there is one, else CPU), cpu or cuda.")]
Precision = Annotated[
    str, Option("--precision", help="Of float32 products on CUDA: float32, or tf32 (10 bits), which results name.")
]
Rules = Annotated[
    str, Option("--rules", help="What goes backwards: gradient, or straight-through for quantised models.")
]
PreprocessFile = Annotated[
    Path | None,
    Option("--preprocess", help="TOML or JSON: layout, color, resize, crop, scale, mean, std, dtype, tokenizer."),
]
VARIANTS = " A method with options of its own: `lrp:composite=epsilon-plus:gamma=0.1`."
"""What the help of verbs that can take a method twice says of it."""


def methods(default: list[str], more: str = "") -> Any:
    """Return the option of verbs that take several methods; more: what its help says besides."""
    told = f"Attribution methods, with commas between; or repeat.{more} Default {' and '.join(default)}."
    return Option("--method", "--methods", help=told)


MethodOptions = Annotated[
    list[str] | None,
    Option(
        "--option",
        help="NAME=VALUE of methods, as in `onnxpath list methods`: JSON, a Python value, .npy; repeat for more.",
        metavar="NAME=VALUE",
    ),
]
SelectorOptions = Annotated[
    list[str] | None,
    Option(
        "--option",
        help="NAME=VALUE of the selectors, as in `onnxpath list selectors`; repeat for more.",
        metavar="NAME=VALUE",
    ),
]
TokenizerFile = Annotated[Path | None, Option("--tokenizer", help="tokenizer.json that makes token ids of texts.")]
Wrt = Annotated[
    str | None,
    Option("--wrt", help="Tensor that maps are of; default the input, or of integers the only embedding or cast."),
]
ClassNames = Annotated[
    Path | None,
    Option("--classes", help="Class names in output order: one a line, or .json with a list, index: name, id2label."),
]
Target = Annotated[
    int | None,
    Option("--target", help="Output entry to explain, counted along all its axes; default each input's largest."),
]
Output = Annotated[str | None, Option("--output", help="Model output to explain; default the first float one.")]
Selector = Annotated[str, Option("--selector", help="How neurons are scored: `onnxpath list selectors`.")]
Sparsity = Annotated[
    Any,
    Option(
        "--sparsity",
        parser=number_or_rule,
        metavar="FRACTION",
        help="Fraction of neurons pruned, 0 to 1, or a rule: 'softmax-change<=0.15'.",
    ),
]
Scope = Annotated[str, Option("--scope", help="global (all layers pooled) or layer (each layer by itself).")]
Seed = Annotated[int, Option("--seed", min=0, help="Of everything that is drawn.")]
Composite = Annotated[
    str | None,
    Option("--composite", help="Rules of method lrp: a name in `onnxpath list rules`, or a .toml file."),
]
Steps = Annotated[
    int | None, Option("--steps", min=1, help="Points on the paths of methods that integrate, n_steps; default theirs.")
]
