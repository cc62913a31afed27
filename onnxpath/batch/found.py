"""Finding the files of a run's inputs: in folders, by patterns, in manifests."""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase
from glob import glob, has_magic
from itertools import takewhile
from pathlib import Path

from onnxpath.batch.manifest import is_manifest, read_manifest
from onnxpath.batch.rowgroups import PARQUET, require_pyarrow
from onnxpath.batch.tables import SEPARATORS
from onnxpath.batch.text import TEXT_SUFFIXES
from onnxpath.errors import InputError
from onnxpath.files import printable

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
ARRAY_SUFFIXES = (".npy", ".npz")
TABLE_SUFFIXES = tuple(SEPARATORS)
SUFFIXES = IMAGE_SUFFIXES + ARRAY_SUFFIXES + TABLE_SUFFIXES + (PARQUET,) + TEXT_SUFFIXES
WRITTEN = (".npz", ".png", ".json", ".jsonl", ".csv")
"""Suffixes of inputs that files of results have, too."""


def find_files(paths: Sequence[Path], kinds: Sequence[str] = SUFFIXES) -> list[tuple[Path, Path]]:
    """List files of inputs as (folder that was named, file), each file once and in the order of `find_inputs`.

    paths: files, folders, patterns (`images/*.png`, `**` for any depth) and manifests. kinds: suffixes that are read,
    and looked for in folders; all of them while the model is not known. Raises InputError, naming all of them, for
    paths that do not exist, named files of other kinds, empty folders and wrong manifests.
    """
    problems: list[str] = []
    found: list[tuple[Path, Path]] = []  # (root, file)
    for path in map(Path, paths):
        try:
            root, files = _files_of(path, kinds)
        except InputError as error:
            problems.append(str(error))
            continue
        problems += _path_problem(path, files, kinds)
        found += [(root, file) for file in files]
    if problems or not found:
        raise InputError("\n".join(problems) or "no inputs were named; give image or array files, or a folder of them")
    unique: dict[Path, tuple[Path, Path]] = {}
    for root, file in found:
        unique.setdefault(file.resolve(), (root, file))
    return list(unique.values())


def check_apart(paths: Sequence[Path], out: Path) -> None:
    """Refuse a folder for results where the next run would find them among its inputs.

    paths: as `find_files` takes them; out: need not exist. Raises InputError that names every folder and pattern which
    is searched there. Files and manifests name their inputs, so results may lie beside those.
    """
    if told := [f"{'pattern' if has_magic(str(p)) else 'folder'} '{p}'" for p in map(Path, paths) if _finds(p, out)]:
        raise InputError(
            f"results cannot go to '{out}': inputs are searched there, by {', '.join(told)}, and the next run would "
            "read results as inputs; choose a folder elsewhere with -o"
        )


def _finds(path: Path, out: Path) -> bool:
    """Return whether what is written into a folder would be found as an input."""
    pattern = () if path.exists() else path.parts[len(_root(path).parts) :]
    root = _root(path) if pattern else path
    if not root.is_dir() or not out.resolve().is_relative_to(root.resolve()):
        return False
    folders = out.resolve().relative_to(root.resolve()).parts
    return not any(map(_hidden, folders)) and (not pattern or _reaches(pattern, folders))


def _reaches(pattern: Sequence[str], folders: Sequence[str]) -> bool:
    """Return whether a pattern may match a file of results in a folder, or in one below it; both by their parts."""
    *above, name = pattern
    suffix = Path(name).suffix
    if suffix and not has_magic(suffix) and suffix.lower() not in WRITTEN:
        return False
    any_depth = "**" in above
    above = above[: above.index("**")] if any_depth else above
    deep = any_depth or len(above) >= len(folders)
    return deep and all(map(has_magic, above[len(folders) :])) and all(map(fnmatchcase, folders, above))


def _root(pattern: Path) -> Path:
    """Return the folder that a pattern starts from."""
    return Path(*takewhile(lambda part: not has_magic(part), pattern.parts))


def _files_of(path: Path, kinds: Sequence[str]) -> tuple[Path, list[Path]]:
    """Return the folder that names start from, and the files: of a folder or pattern, those of the kinds."""
    if path.is_file():
        require_pyarrow(path)
        if is_manifest(path):
            return path.parent, [entry.path for entry in read_manifest(path)]
        return path.parent, [path]
    if path.exists() or not has_magic(str(path)):
        return path, _walk(path, kinds)
    matched = [Path(name) for name in glob(str(path), recursive=True)]
    files = [file for file in matched if file.is_file() and file.suffix.lower() in kinds]
    return _root(path), sorted(files, key=lambda file: _natural(file.as_posix()))


def _walk(folder: Path, kinds: Sequence[str]) -> list[Path]:
    files = []
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not _hidden(name)]
        files += [Path(where, name) for name in names if not _hidden(name) and Path(name).suffix.lower() in kinds]
    return sorted(
        [file for file in files if not _is_endless(file)],
        key=lambda file: _natural(file.relative_to(folder).as_posix()),
    )


def _is_endless(file: Path) -> bool:
    """Return whether a file is a pipe, a device or a socket: whoever opens one may wait or read for ever."""
    try:
        mode = file.stat().st_mode
    except OSError:
        return False  # told by name when it is read
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _natural(text: str) -> list[tuple[int, int, str]]:
    parts = re.findall(r"(\d+)|(\D+)", text)
    keys = [(0, int(digits), digits) if digits else (1, 0, other.casefold()) for digits, other in parts]
    return [*keys, (2, 0, text)]


def _path_problem(path: Path, files: Sequence[Path], kinds: Sequence[str]) -> list[str]:
    named = () if path.is_dir() else (path, *files)
    if endless := [str(file) for file in named if _is_endless(file)]:
        return [f"input '{endless[0]}' is a pipe or a device; give a file"]
    if files and files != [path]:
        return _kind_problems(path, files, kinds)
    if not path.exists() and has_magic(str(path)):
        return [f"pattern '{path}' matches no inputs; {_listed(kinds)} are read"]
    if not path.exists():
        return [f"input '{path}' does not exist"]
    if path.is_file():
        read = path.suffix.lower() in kinds
        return [] if read else [f"input '{path}' is of a kind that is not read; give one of {_listed(kinds)}"]
    looked = f"it is searched, with its sub-folders, for {_listed(kinds)}"
    return [] if files else [f"folder '{path}' holds no inputs; {looked}"]


def _kind_problems(path: Path, files: Sequence[Path], kinds: Sequence[str]) -> list[str]:
    """What a manifest names that is not read; of folders and patterns only what is read is taken."""
    wrong = [file.name for file in files if file.suffix.lower() not in kinds]
    told = ", ".join(wrong[:3]) + f" and {len(wrong) - 3} more" * (len(wrong) > 3)
    return [f"manifest '{path}' names {told}, of kinds that are not read; give {_listed(kinds)}"] if wrong else []


def _listed(kinds: Sequence[str]) -> str:
    return ", ".join(suffix[1:] for suffix in kinds)


def names_of(found: Sequence[tuple[Path, Path]]) -> list[str]:
    """Name each file by its path in its folder; with the folder's name, then in full, where that is taken."""
    spellings = (
        lambda root, file: _below(root, file),
        lambda root, file: f"{root.resolve().name}/{_below(root, file)}",
        lambda root, file: file.as_posix(),
    )
    names = [""] * len(found)
    for spelling in spellings:
        taken = Counter(names)
        names = [
            spelling(*pair) if taken[name] > 1 or not name else name for name, pair in zip(names, found, strict=True)
        ]
    return [printable(name) for name in names]


def _below(root: Path, file: Path) -> str:
    """Return the path in a folder; in full of a file elsewhere, as a manifest may name it."""
    return (file.relative_to(root) if file.is_relative_to(root) else file).as_posix()
