"""A backward operator: one default spelling, and others for one provider each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Lowering:
    """Calls the spelling for the emitter's provider, or the default.

    Use as a decorator on the default spelling `f(op, ...)`, then `@name.on("cpu")` on others with the same arguments.
    """

    def __init__(self, default: Callable[..., Any]) -> None:
        self.default = default
        self.spellings: dict[str, Callable[..., Any]] = {}
        self.__doc__ = default.__doc__
        self.__name__ = default.__name__

    def on(self, *providers: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Decorator that enters a spelling for providers ("cpu", "cuda")."""

        def enter(spelling: Callable[..., Any]) -> Callable[..., Any]:
            for provider in providers:
                self.spellings[provider] = spelling
            return spelling

        return enter

    def __call__(self, op: Any, *args: Any, **kwargs: Any) -> Any:
        return self.spellings.get(op.provider, self.default)(op, *args, **kwargs)
