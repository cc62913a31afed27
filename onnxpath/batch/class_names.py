"""Names of classes from a file: one a line, or JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from onnxpath.batch.loaded import is_index
from onnxpath.errors import InputError

ID2LABEL = "id2label"
"""Where Hugging Face's config.json keeps the names of classes."""


def read_classes(path: Path | Sequence[str] | None) -> list[str]:
    """Return class names in the order of the output, of a file or as they are given; a leading WordNet id is left out.

    A .json holds a list of names, or an object index -> name, by itself or as config.json has it under `id2label`; any
    other file holds one name a line. Raises InputError.
    """
    if path is None:
        return []
    if not isinstance(path, str | Path):
        return list(path)
    path = Path(path)
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise InputError(f"class names '{path}' cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"class names '{path}' are not UTF-8 text: {error}; give one name a line") from error
    is_json = path.suffix.lower() == ".json"
    names = _of_json(text, path) if is_json else [line for line in text.splitlines() if line.strip()]
    return [re.sub(r"^n\d{8}\s+", "", name.strip()) for name in names]


def _of_json(text: str, path: Path) -> list[str]:
    try:
        held = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"class names '{path}' are not valid JSON: {error}") from error
    held = held.get(ID2LABEL, held) if isinstance(held, dict) else held
    names = _in_order(held) if isinstance(held, dict) else held
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(
            f"class names '{path}' hold {_told(held)}; give a list of names, or an object index -> name that counts "
            f"from 0 without gaps, as config.json of Hugging Face has it under {ID2LABEL}"
        )
    return names


def _in_order(held: dict[str, Any]) -> list[Any] | None:
    """Return the values of an object whose keys count from 0, None of any other."""
    numbered = {int(key): value for key, value in held.items() if is_index(key)}
    return [numbered[i] for i in range(len(held))] if set(numbered) == set(range(len(held))) else None


def _told(held: Any) -> str:
    if isinstance(held, dict):
        entries = ", ".join(f"{key!r}: {json.dumps(value)[:40]}" for key, value in list(held.items())[:3])
        return f"an object with {entries}{', ...' * (len(held) > 3)}"
    if isinstance(held, list):
        place, wrong = next((i, value) for i, value in enumerate(held) if not isinstance(value, str))
        return f"a list whose entry {place} is {json.dumps(wrong)[:40]}"
    return json.dumps(held)[:40]
