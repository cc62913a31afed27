"""Work done ahead in threads, in order and within a budget of memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Value = TypeVar("Value")
Result = TypeVar("Result")

BUDGET = 1 << 28
"""Bytes of results that may wait for their turn."""

MOST = 128
"""Results that may wait, however small they are."""


def in_order(
    work: Callable[[Value], Result], values: Iterable[Value], threads: int, weigh: Callable[[Result], int]
) -> Iterator[Result]:
    """Yield the result of each value in order, made by threads ahead of the one who takes them.

    weigh: bytes that a result holds; as many are made ahead as fit the budget by the heaviest so far, at least one a
    thread. What the work raises is raised in its turn. Values are taken one by one, so there may be a million.
    """
    given = iter(values)
    waiting: deque[Future[Result]] = deque()
    room, heaviest = threads, 1
    pool = ThreadPoolExecutor(threads, thread_name_prefix="ahead")
    try:
        while True:
            waiting.extend(pool.submit(work, value) for value in islice(given, room - len(waiting)))
            if not waiting:
                return
            result = waiting.popleft().result()
            heaviest = max(heaviest, weigh(result))
            room = max(threads, min(MOST, BUDGET // heaviest))
            yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
