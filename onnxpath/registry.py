"""One registry for everything that users name: methods, selectors, sections."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from onnxpath.errors import unknown

T = TypeVar("T")


class Registry(Generic[T]):
    """Named entries of one kind: register by decorator, look up with "did you mean", list in order.

    kind: what an entry is, for error texts ("attribution method").
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that enters an object under a name; a name that is taken raises ValueError."""
        if name in self._entries:
            raise ValueError(f"{self.kind} '{name}' is registered already")

        def enter(entry: T) -> T:
            self._entries[name] = entry
            return entry

        return enter

    def get(self, name: str) -> T:
        """Return the entry; UnknownName lists the nearest and the known ones."""
        if name not in self._entries:
            raise unknown(self.kind, [name], self._entries)
        return self._entries[name]

    def names(self) -> list[str]:
        """Return all names in order of registration."""
        return list(self._entries)


def as_names(given: str | Iterable[str]) -> list[str]:
    """Return names as a list, each once; a single text is one name, not its letters."""
    return [given] if isinstance(given, str) else list(dict.fromkeys(given))
