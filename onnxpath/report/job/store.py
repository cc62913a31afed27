"""The results of a run in its folder, unit by unit: what is finished stays, whatever happens to the run.

job.json           the configuration; a run with another one is refused
units/000007.jsonl the rows of a unit, one input a line, written when the whole unit is finished
arrays/000007/     raw arrays of its inputs, two files each
timings.jsonl      seconds and dates, which differ from run to run; everything above is the same bytes in every run
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from onnxpath.errors import JobError
from onnxpath.files import PART, unwritable, write_bytes
from onnxpath.report.job.datafiles import FOLDER
from onnxpath.report.job.lock import Lock
from onnxpath.report.job.unitfile import Head, Row, damaged, read_head, read_row, read_texts, write_unit
from onnxpath.report.write import ARRAYS
from onnxpath.typed import parse, read_as

JOB, UNITS, TIMINGS = "job.json", "units", "timings.jsonl"


@dataclass(frozen=True)
class Timing:
    """When a unit was finished, and the seconds that it and each of its inputs took; notes: on the model."""

    unit: int
    date: str
    run: float
    seconds: list[float]
    notes: list[str]


class Store:
    """A folder that one run writes into. Raises JobError where another run does, or did with another configuration.

    configuration: plain data, what results depend on; count: of inputs; unit: inputs that are finished together.
    """

    def __init__(self, folder: Path, configuration: Mapping[str, Any], count: int, unit: int) -> None:
        self.folder, self.count, self.unit = folder, count, unit
        self._configuration = configuration
        self._begun = False
        self._made = [part for part in (folder, *folder.parents) if not part.exists()]
        self._lock = Lock(folder)
        try:
            self._refuse_another()
            self.sweep(".*", f"{UNITS}/.*", f"{ARRAYS}/*/.*", f"{FOLDER}/.*")
        except BaseException:
            self._free()
            raise
        self.finished = {u for u in range(len(range(0, count, unit))) if self._path(u).is_file()}
        self.notes: list[str] = []
        self.seconds = 0.0
        self._timings: dict[int, array[float]] = {}
        self._read_timings()

    def close(self) -> None:
        """Give the folder free, without a configuration where there are no results of it.

        Folders that the run made and left empty are taken away.
        """
        if self._lock.held and not self.finished and not (self.folder / ARRAYS).exists():
            (self.folder / JOB).unlink(missing_ok=True)
        self._free()

    def _free(self) -> None:
        self._lock.release()
        for part in self._made:
            if part.is_dir() and not any(part.iterdir()):
                part.rmdir()

    def missing(self) -> list[int]:
        """Return the numbers of the units that are not finished, in order."""
        return [u for u in range(len(range(0, self.count, self.unit))) if u not in self.finished]

    def span(self, unit: int) -> range:
        """Return the indices of a unit's inputs."""
        return range(unit * self.unit, min((unit + 1) * self.unit, self.count))

    def begin(self) -> None:
        """Write the configuration; to be called before the first result."""
        self._lock.check()
        if not self._begun and not (self.folder / JOB).exists():
            text = json.dumps(self._configuration, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
            write_bytes(self.folder / JOB, text.encode("utf-8"))
        self._begun = True

    def commit(
        self,
        unit: int,
        rows: Sequence[str],
        searched: Mapping[str, float],
        seconds: Sequence[float],
        run: float,
        date: str,
        notes: Sequence[str],
    ) -> None:
        """Write a finished unit: from now on it is never computed again.

        rows: JSON text of each input, in order; searched: method -> sparsity that a rule led to; seconds: of each
        input; run: of the unit, on the clock; notes: on the model, found while it ran. Raises JobError.
        """
        self._lock.check()
        if len(rows) != len(self.span(unit)):
            raise ValueError(f"unit {unit} has {len(self.span(unit))} inputs, and {len(rows)} rows were given")
        timing = Timing(unit, date, run, list(seconds), list(notes))
        self._append(json.dumps(asdict(timing)) + "\n")
        self._take_timing(timing)
        write_unit(self._path(unit), Head(unit, unit * self.unit, len(rows), searched), rows)
        self.finished.add(unit)

    def searched(self) -> dict[str, float]:
        """Return method -> sparsity that a rule led to in the first unit that ran it. Raises JobError as `texts`."""
        heads = (read_head(self._path(unit), unit, self.span(unit)) for unit in sorted(self.finished))
        return next((dict(head.searched) for head in heads if head.searched), {})

    def texts(self) -> Iterator[tuple[int, str]]:
        """Yield (index, JSON text) of every finished input, in order; JobError for a unit's file that is damaged."""
        for unit in sorted(self.finished):
            yield from read_texts(self._path(unit), unit, self.span(unit))

    def row(self, index: int, text: str, name: str) -> Row:
        """Return what an input's text says; name: of the input. Raises JobError where it says something else."""
        unit, place = divmod(index, self.unit)
        return read_row(self._path(unit), place, text, name)

    def damaged(self, index: int, problem: object) -> JobError:
        """Return the error of an input whose row or arrays no run wrote like that."""
        unit, place = divmod(index, self.unit)
        return damaged(self._path(unit), place + 2, problem)

    def timed(self, index: int) -> float | None:
        """Return the seconds that an input took, None where that was lost."""
        unit, place = divmod(index, self.unit)
        found = self._timings.get(unit)
        return found[place] if found is not None and place < len(found) else None

    def forget(self) -> None:
        """Take away what the run wrote, where it came to nothing."""
        for path in [*(self.folder / UNITS).glob("*.jsonl"), self.folder / TIMINGS, self.folder / JOB]:
            path.unlink(missing_ok=True)
        for name in (UNITS, ARRAYS):
            if (folder := self.folder / name).is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def sweep(self, *patterns: str) -> None:
        """Take away files that a killed process was writing; patterns: of their names in the folder, up to PART."""
        for pattern in patterns:
            for path in self.folder.glob(f"{pattern}{PART}"):
                path.unlink(missing_ok=True)

    def _path(self, unit: int) -> Path:
        return self.folder / UNITS / f"{unit:06d}.jsonl"

    def _refuse_another(self) -> None:
        path = self.folder / JOB
        if not path.exists():
            return
        try:
            before = read_as(dict[str, Any], parse(path.read_bytes()))
        except (OSError, ValueError) as error:
            raise JobError(f"'{path}' cannot be read: {error}; choose another folder, or delete this one") from error
        told = differences(before, json.loads(json.dumps(self._configuration)))
        if told:
            raise JobError(
                f"folder '{self.folder}' holds results of a run with another configuration:\n"
                + "".join(f"  {line}\n" for line in told)
                + "choose another folder, set these back to go on with that run, or delete the folder"
            )

    def _append(self, text: str) -> None:
        path = self.folder / TIMINGS
        try:
            with path.open("ab") as file:
                file.write(text.encode("utf-8"))
        except OSError as error:
            raise unwritable(path, error) from error

    def _read_timings(self) -> None:
        path, line = self.folder / TIMINGS, b"\n"
        if not path.exists():
            return
        try:
            with path.open("rb") as file:
                for line in file:
                    with suppress(ValueError):  # a killed run was writing it
                        self._take_timing(read_as(Timing, parse(line)))
        except OSError as error:
            raise JobError(f"'{path}' cannot be read: {error.strerror}; delete it: only times are lost") from error
        if not line.endswith(b"\n"):
            self._append("\n")

    def _take_timing(self, timing: Timing) -> None:
        self._timings[timing.unit] = array("d", timing.seconds)
        self.seconds += timing.run
        self.notes += [note for note in timing.notes if note not in self.notes]


def differences(before: Any, now: Any, key: str = "") -> list[str]:
    """Return one line for each place where two pieces of plain data differ."""
    if isinstance(before, dict) and isinstance(now, dict):
        keys = [*before, *(k for k in now if k not in before)]
        pairs = [(f"{key}.{k}" if key else k, before.get(k), now.get(k)) for k in keys]
        return [line for name, a, b in pairs for line in differences(a, b, name)]
    return [] if before == now else [f"{key}: {_shortened(before)} there, {_shortened(now)} now"]


def _shortened(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


def row_of(text: str) -> Any:
    """Return a row that `Store.row` has checked before, with its fields as attributes."""
    return json.loads(text, object_hook=lambda fields: SimpleNamespace(**fields))
