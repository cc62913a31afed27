"""From a picture to the array that a model wants, declared in a small file instead of in code."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onnxpath.batch.hugging_face import from_processor, is_processor
from onnxpath.batch.picture import centre_crop, resize, to_eight_bit
from onnxpath.errors import InputError

LAYOUTS = ("NCHW", "NHWC")
COLORS = ("RGB", "BGR", "L")
DTYPES = ("float32", "float16", "float64", "uint8")

Size = int | tuple[int, int]


@dataclass(frozen=True)
class Preprocess:
    """What happens to a picture before the model sees it: x ↦ (x · scale − mean) / std, x in 0 .. 255.

    The order is: colour, resize, crop, arithmetic, layout.
    layout: NCHW (default) or NHWC, without the batch: (C, H, W) or (H, W, C).
    color: RGB (default), BGR or L (grey, one channel).
    resize: int = the shorter side, keeping the aspect ratio; (h, w) = exactly that; None (default) = as it is.
        Bilinear, with antialiasing where it shrinks, as Pillow does.
    crop: int or (h, w) around the centre; None (default) = all of it.
    scale: default 1. mean, std: None (default), one number, or one per channel in the model's channel order.
    dtype: float32 (default), float16, float64 or uint8.
    tokenizer: path of the tokenizer.json that makes token ids of texts; None (default) where no text is read.
    Raises InputError that names every value that does not fit.
    """

    layout: str = "NCHW"
    color: str = "RGB"
    resize: Size | None = None
    crop: Size | None = None
    scale: float = 1.0
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    dtype: str = "float32"
    tokenizer: str | None = None

    def __post_init__(self) -> None:
        given = asdict(self)
        problems = find_problems(given)
        if problems:
            raise InputError("preprocessing cannot be used:\n" + "\n".join(f"  {line}" for line in problems))
        for key, clean in _CLEAN.items():
            object.__setattr__(self, key, clean(given[key]))

    @property
    def channels(self) -> int:
        """Number of channels of the result."""
        return 1 if self.color == "L" else 3

    def apply(self, image: Image.Image) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """Turn a picture into a model input, and show what the model saw.

        image: any Pillow picture of 8 or 16 bit; transparent parts are laid over white, EXIF orientation is applied.
        Returns (array (C, H, W) or (H, W, C) of `dtype`, shown uint8 (H, W, 3) RGB after resize and crop).
        Raises InputError where the picture has no 8- or 16-bit form or is smaller than the crop.
        """
        image = to_eight_bit(image).convert("L" if self.color == "L" else "RGB")
        image = centre_crop(resize(image, self.resize), self.crop)
        shown = np.asarray(image.convert("RGB"), dtype=np.uint8)
        pixels = np.asarray(image).reshape(image.height, image.width, self.channels)
        if self.color == "BGR":
            pixels = pixels[:, :, ::-1]
        array = self._arithmetic(pixels)
        if self.layout == "NCHW":
            array = array.transpose(2, 0, 1)
        return np.ascontiguousarray(array), shown

    def as_dict(self) -> dict[str, Any]:
        """Return the keys of the preprocess file with plain values, as a report writes them."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    def _arithmetic(self, pixels: NDArray[np.uint8]) -> NDArray[Any]:
        work = np.dtype("float64" if self.dtype == "float64" else "float32")
        x: NDArray[Any] = pixels.astype(work) * work.type(self.scale)
        if self.mean is not None:
            x = x - np.asarray(self.mean, work)
        if self.std is not None:
            x = x / np.asarray(self.std, work)
        if self.dtype == "uint8":
            if x.min() < 0 or x.max() > 255:
                raise InputError(
                    f"preprocessing gives values from {x.min():g} to {x.max():g}, which dtype uint8 cannot hold; "
                    "use dtype float32, or leave scale, mean and std out"
                )
            x = np.rint(x)
        return x.astype(np.dtype(self.dtype))


def load_preprocess(path: Path) -> Preprocess:
    """Read a preprocess file: .toml or .json with the keys of Preprocess, each of them optional.

    A preprocessor_config.json of Hugging Face is read too, where Preprocess can do what it says. A tokenizer is looked
    for from the file's folder on.
    Raises InputError that names every unknown key (with the nearest known one) and every value of a wrong type.
    """
    path = Path(path)
    given = _read_mapping(path)
    if is_processor(given):
        given = _translated(given, path)
    known = [field.name for field in fields(Preprocess)]
    problems = [_unknown_key(key, known) for key in given if key not in known]
    problems += find_problems({key: value for key, value in given.items() if key in known})
    if problems:
        lines = "\n".join(f"  {line}" for line in problems)
        raise InputError(f"preprocess file '{path}' cannot be used:\n{lines}\nknown keys: {', '.join(known)}")
    if given.get("tokenizer"):
        given["tokenizer"] = str(path.parent / given["tokenizer"])
    return Preprocess(**given)


def _translated(given: dict[str, Any], path: Path) -> dict[str, Any]:
    made, problems = from_processor(given)
    if problems:
        lines = "\n".join(f"  {line}" for line in problems)
        raise InputError(
            f"image processor '{path}' cannot be used:\n{lines}\n"
            "preprocess the inputs yourself and give arrays, or write a preprocess file that comes close"
        )
    return made


def find_problems(given: Mapping[str, Any]) -> list[str]:
    """Return one line per value that does not fit its key; an empty list means that all of them do."""
    problems = []
    for key, clean in _CLEAN.items():
        if key in given:
            try:
                clean(given[key])
            except ValueError as error:
                problems.append(f"{key}: {error}, not {given[key]!r}")
    if not problems:
        channels = 1 if given.get("color", "RGB") == "L" else 3
        for key in ("mean", "std"):
            values = _CLEAN[key](given.get(key))
            if values is not None and len(values) not in (1, channels):
                color = given.get("color", "RGB")
                wanted = " or ".join(map(str, sorted({1, channels})))
                problems.append(f"{key}: has {len(values)} values, color {color} wants {wanted}")
    return problems


def _read_mapping(path: Path) -> dict[str, Any]:
    if path.suffix.lower() not in (".toml", ".json"):
        raise InputError(f"preprocess file '{path}' is neither .toml nor .json; the suffix says how to read it")
    try:
        text = path.read_text(encoding="utf-8")
        given = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except OSError as error:
        raise InputError(f"preprocess file '{path}' cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"preprocess file '{path}' is not valid {path.suffix[1:].upper()}: {error}") from error
    if not isinstance(given, dict):
        raise InputError(f"preprocess file '{path}' holds a {type(given).__name__}; it must hold keys and values")
    return given


def _unknown_key(key: str, known: Sequence[str]) -> str:
    near = get_close_matches(key, known, n=1, cutoff=0.5)
    return f"unknown key '{key}'" + (f"; did you mean '{near[0]}'?" if near else "")


def _number(value: object) -> float:
    # Whole numbers of JSON may be of any length: more than a float holds is not finite either.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= sys.float_info.max:
        raise ValueError("must be a finite number")
    return float(value)


def _scale(value: object) -> float:
    number = _number(value)
    if number == 0:
        raise ValueError("must not be zero: every picture would become the same")
    return number


def _size(value: object) -> Size | None:
    if value is None:
        return None
    sides: list[Any] = list(value) if isinstance(value, (list, tuple)) else [value]
    whole = all(isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in sides)
    if not whole or (isinstance(value, (list, tuple)) and len(sides) != 2):
        raise ValueError("must be a positive whole number, or two of them [height, width]")
    return (sides[0], sides[1]) if len(sides) == 2 else sides[0]


def _mean(value: object) -> tuple[float, ...] | None:
    if value is None:
        return None
    try:
        numbers = tuple(_number(item) for item in (value if isinstance(value, (list, tuple)) else [value]))
    except ValueError as error:
        raise ValueError("must be a finite number or a list of them, one per channel") from error
    if not numbers:
        raise ValueError("must not be empty")
    return numbers


def _std(value: object) -> tuple[float, ...] | None:
    numbers = _mean(value)
    if numbers is not None and 0.0 in numbers:
        raise ValueError("must not hold a zero: the model input is divided by it")
    return numbers


def _path(value: object) -> str | None:
    if value is not None and (not isinstance(value, str) or not value):
        raise ValueError("must be the path of a file")
    return value


def _one_of(choices: Sequence[str]) -> Callable[[object], str]:
    def clean(value: object) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return str(value)

    return clean


# Key -> what checks a value and brings it into its final form; ValueError says what it must be.
_CLEAN: dict[str, Callable[[object], Any]] = {
    "layout": _one_of(LAYOUTS),
    "color": _one_of(COLORS),
    "resize": _size,
    "crop": _size,
    "scale": _scale,
    "mean": _mean,
    "std": _std,
    "dtype": _one_of(DTYPES),
    "tokenizer": _path,
}
