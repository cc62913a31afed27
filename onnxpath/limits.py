"""How much a file from outside may ask for: each limit, its default, and the environment variable that sets it."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields

from onnxpath.errors import InputError

PREFIX = "ONNXPATH_MAX_"


@dataclass(frozen=True)
class Limits:
    """Limits on what files declare, checked before memory or time is spent on it.

    pixels: of one picture, as its header declares it and after resizing. array_bytes: of all arrays in one .npy or
    .npz, unpacked, or of a row group of a .parquet. model_bytes: of all weights of a model, as their shapes declare
    them. nodes: of a model, with its functions written out. nesting: graphs inside graphs of a model; protobuf itself
    reads no more than about 30.
    Each may be set by an environment variable: ONNXPATH_MAX_PIXELS, ONNXPATH_MAX_ARRAY_BYTES and so on.
    """

    pixels: int = 89_478_485  # Pillow warns above it
    array_bytes: int = 8 << 30
    model_bytes: int = 64 << 30
    nodes: int = 200_000
    nesting: int = 30


def limits() -> Limits:
    """Return the limits that hold now; InputError for an environment variable that is no positive whole number."""
    given = {}
    for field in fields(Limits):
        text = os.environ.get(variable(field.name))
        if text is not None:
            if not text.isdecimal() or not int(text):
                raise InputError(f"{variable(field.name)} must be a positive whole number, not '{text}'")
            given[field.name] = int(text)
    return Limits(**given)


def variable(name: str) -> str:
    """Return the environment variable that sets a limit."""
    return PREFIX + name.upper()
