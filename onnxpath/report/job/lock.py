"""One run at a time in a folder: a lock file that tells whose it is, and is passed over once that process is gone."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

from onnxpath.errors import JobError
from onnxpath.files import unwritable, write_bytes

LOCK = ".lock"


class Lock:
    """The right to write in a folder, made where missing. Raises JobError where a living process has it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOCK
        self._mine = _this_process()
        self._seen: tuple[int, ...] | None = None
        self._take()

    @property
    def held(self) -> bool:
        """Whether the folder is still there, and nobody else's."""
        return _read(self.path) == self._mine

    def check(self) -> None:
        """Raise JobError where the folder is gone, or somebody else has taken it.

        Asked before every file of a run: a lock that is the file that was read before is not read again.
        """
        stamp = _stamp(self.path)
        if stamp is None or stamp != self._seen:
            if not self.held:
                raise lost(self.path.parent)
            self._seen = stamp

    def release(self) -> None:
        """Give the folder free."""
        if self.held:
            self.path.unlink(missing_ok=True)

    def _take(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("x", encoding="utf-8") as file:
                json.dump(self._mine, file)
            return
        except FileExistsError:
            holder = _read(self.path)
        except OSError as error:
            raise unwritable(self.path.parent, error) from error
        if _lives(holder):
            raise JobError(
                f"another run, process {holder['pid']} on {holder['host']}, writes into '{self.path.parent}': wait for "
                f"it, or choose another folder; if that process is no run of onnxpath, delete '{self.path}'"
            )
        write_bytes(self.path, json.dumps(self._mine).encode())
        self.check()


def lost(folder: Path) -> JobError:
    """Return the error of a run whose folder is gone, or somebody else's."""
    return JobError(f"folder '{folder}' was removed or taken over during the run")


def _this_process() -> dict[str, Any]:
    return {"pid": os.getpid(), "host": socket.gethostname(), "began": _began(os.getpid())}


def _lives(holder: dict[str, Any]) -> bool:
    """Whether the process that a lock names may still run; one on another machine may."""
    if not holder:
        return False
    if holder["host"] != socket.gethostname() or os.name != "posix":
        return True
    try:
        os.kill(holder["pid"], 0)
    except (ProcessLookupError, OverflowError):
        return False  # OverflowError: no process has such a number
    except OSError:
        pass  # it is there, and somebody else's
    return holder["began"] is None or holder["began"] == _began(holder["pid"])


def _began(pid: int) -> int | None:
    """When a process began, in ticks, since numbers of processes are given again; None where that is not told.

    A process that ended and was not waited for has no beginning either.
    """
    try:
        facts = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
        return None if facts[0] in "ZX" else int(facts[19])
    except (OSError, ValueError, IndexError):
        return None


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _read(path: Path) -> dict[str, Any]:
    try:
        held = json.loads(path.read_text("utf-8"))
        return {"pid": int(held["pid"]), "host": str(held["host"]), "began": held["began"]}
    except (OSError, ValueError, LookupError, TypeError, OverflowError, RecursionError):
        return {}
