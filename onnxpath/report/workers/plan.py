"""Which unit is explained next, where several workers explain and any of them may be lost."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence

from onnxpath.errors import JobError
from onnxpath.report.job.units import Finished, Unit

MOST_TRIES, MOST_GIVEN_UP = 3, 3
"""Workers that one unit may cost, and units that are left out before a run ends."""


class Plan:
    """The units of a run, handed out in order.

    Until every sparsity that is to be searched is found, one unit at a time is, since the first that runs decides for
    all. A unit whose worker is lost is handed out again; one that cost MOST_TRIES workers is left out, and named in
    the JobError that ends the run: after all others, or as soon as there are MOST_GIVEN_UP of them.
    """

    def __init__(self, units: Sequence[Unit], searches: Sequence[str], searched: Mapping[str, float]) -> None:
        self.searched = dict(searched)
        self._waiting = deque(units)
        self._searches = searches
        self._under_way = 0
        self._tries: Counter[int] = Counter()
        self._given_up: list[str] = []

    @property
    def over(self) -> bool:
        """Whether nothing is left to hand out or to wait for."""
        return not self._waiting and not self._under_way

    @property
    def left(self) -> int:
        """How many units wait to be handed out."""
        return len(self._waiting)

    def next(self) -> Unit | None:
        """Return the unit that is to be explained next, None where there is none at the moment."""
        if not self._waiting or (self._searching and self._under_way):
            return None
        self._under_way += 1
        return self._waiting.popleft()

    def finished(self, unit: Finished) -> None:
        """Take note of a unit that was explained."""
        self._under_way -= 1
        self.searched |= unit.searched

    def lost(self, unit: Unit, how: str) -> None:
        """Take note of a unit whose worker ended before it; how: the way it ended. Raises JobError."""
        self._under_way -= 1
        self._tries[unit.number] += 1
        if self._tries[unit.number] < MOST_TRIES:
            self._waiting.appendleft(unit)
            return
        self._given_up.append(f"  unit {unit.number}, {_inputs(unit)}: {MOST_TRIES} times, at last {how}")
        if self._searching or len(self._given_up) == MOST_GIVEN_UP:
            self.check()

    def check(self) -> None:
        """Raise JobError for the units that were left out."""
        if self._given_up:
            raise JobError(
                "these units end every worker that explains them:\n"
                + "\n".join(self._given_up)
                + "\nuse fewer workers where memory is short; or one of these inputs does it, and a run of each tells"
            )

    @property
    def _searching(self) -> bool:
        return any(name not in self.searched for name in self._searches)


def _inputs(unit: Unit) -> str:
    first, last = unit.items[0].name, unit.items[-1].name
    return f"input '{first}'" if len(unit.items) == 1 else f"inputs '{first}' to '{last}'"
