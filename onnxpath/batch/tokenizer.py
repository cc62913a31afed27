"""From a text to token ids, by a Hugging Face tokenizer.json."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from onnxpath.batch.loaded import Wanted, row_shape
from onnxpath.errors import InputError
from onnxpath.runtime.feeds import TensorInfo

FIELDS = (("mask", "attention_mask"), ("type", "type_ids"), ("segment", "type_ids"))
"""(what an input's name holds, the field of an encoding that it wants); the input of ids takes the ids."""


def encode(
    path: str | None, texts: Sequence[str], wanted: Wanted, where: str
) -> tuple[dict[str, Sequence[int]], list[str], str]:
    """Return values by input name, the tokens as they are written in the text, and a note on what was cut.

    path: of the tokenizer.json; texts: one, or two that are a pair. Where the model fixes the number of tokens, texts
    are cut or filled up to it. Raises InputError.
    """
    tool, length = load_tokenizer(path, where), _length(wanted)
    if length is not None:
        tool.enable_truncation(length)
        tool.enable_padding(length=length, **_padding(tool))
    else:
        tool.no_padding()
    found = tool.encode(*texts)
    if not found.ids:
        raise InputError(f"{where}: the text has no tokens")
    fields = {info.name: _field(info, wanted, where) for info in wanted.infos}
    names = [_name(found, i, texts) for i in range(len(found.ids))]
    note = f"the text was cut to {len(found.ids)} tokens" if found.overflowing else ""
    return {name: getattr(found, field) for name, field in fields.items()}, names, note


def load_tokenizer(path: str | None, where: str = "") -> Any:
    """Return the tokenizer of a file, which is read once; InputError where it is missing or is none."""
    if path is None:
        raise InputError(f"{where}: a text needs a tokenizer; name its tokenizer.json (--tokenizer), or give token ids")
    try:
        stamp = Path(path).stat().st_mtime_ns
        return _tokenizer(path, stamp)
    except ImportError as error:
        raise InputError("reading texts needs the package tokenizers: pip install 'onnxpath[text]'") from error
    except (OSError, ValueError) as error:
        # ValueError: no file can have such a name.
        raise InputError(f"tokenizer '{path}' cannot be read: {getattr(error, 'strerror', None) or error}") from error


@lru_cache(maxsize=2)
def _tokenizer(path: str, stamp: int) -> Any:
    del stamp  # only there so that a changed file is read again
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(path)
    except Exception as error:  # the library raises nothing more exact
        raise InputError(f"tokenizer '{path}' cannot be used: {error}; give the tokenizer.json of a model") from error


def _length(wanted: Wanted) -> int | None:
    shape = row_shape(wanted.main)
    return shape[0] if len(shape) == 1 else None


def _padding(tool: Any) -> dict[str, Any]:
    known = tool.padding or {}
    return {key: known[key] for key in ("direction", "pad_id", "pad_type_id", "pad_token") if key in known}


def _field(info: TensorInfo, wanted: Wanted, where: str) -> str:
    if info.name == wanted.main.name:
        return "ids"
    field = next((field for part, field in FIELDS if part in info.name.lower()), None)
    if field is None:
        raise InputError(
            f"{where}: no tokenizer makes the model input '{info.name}'; give all inputs by name in a .jsonl or .npz"
        )
    return field


def _name(found: Any, place: int, texts: Sequence[str]) -> str:
    """Return a token as it is written in the text; of special ones, and pieces of a character, the tokenizer's name."""
    start, stop = found.offsets[place]
    sequence = found.sequence_ids[place]
    written = texts[sequence][start:stop].strip() if sequence is not None else ""
    return written or str(found.tokens[place])
