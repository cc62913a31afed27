"""Arrays in .npy and .npz files from anywhere: read within limits, and nothing unpickled."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from onnxpath.errors import InputError
from onnxpath.limits import limits, variable

NPY = b"\x93NUMPY"
"""What an .npy begins with."""

DAMAGED = (
    *(OSError, ValueError, EOFError, LookupError, SyntaxError, TypeError, ArithmeticError, RuntimeError, MemoryError),
    *(zipfile.BadZipFile, zlib.error, tokenize.TokenError),
)
"""What numpy raises on array files that are damaged or ask for what cannot be."""


def load_arrays(
    path: Path, alone: str = "x", wanted: Callable[[str], bool] = lambda name: True
) -> dict[str, NDArray[Any]]:
    """Return the arrays of an .npz by name, or that of an .npy under the name `alone`; nothing is unpickled.

    wanted: of which names. Raises what `DAMAGED` lists, InputError where the file's arrays take more than
    `Limits.array_bytes`.
    """
    with path.open("rb") as file:
        _check_size(file, path)
        try:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return {alone: loaded}
            arrays = {key: loaded[key] for key in loaded.files if wanted(key)}
        except ValueError as error:
            if "allow_pickle" not in str(error):
                raise
            raise ValueError("it holds Python objects, which are not unpickled; save arrays of numbers") from error
    if others := [key for key, array in arrays.items() if not isinstance(array, np.ndarray)]:
        raise ValueError(f"{', '.join(map(repr, others))} in it is no array")
    return arrays


def _check_size(file: BinaryIO, path: Path) -> None:
    size, magic = path.stat().st_size, file.read(len(NPY))
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            size = sum(part.file_size for part in archive.infolist())
    elif magic != NPY:
        # numpy takes it for something pickled, and says how that could be trusted.
        raise ValueError("it is neither .npy nor .npz, or is damaged at its beginning or end")
    file.seek(0)
    most = limits().array_bytes
    if size > most:
        raise InputError(
            f"array file {path.name} holds {size / 2**30:.4g} GiB, and at most {most / 2**30:.4g} are taken; "
            f"if that is meant, set the environment variable {variable('array_bytes')}"
        )
