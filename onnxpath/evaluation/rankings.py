"""One measurement for each ranking of positions; rankings of one order are measured once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from onnxpath.evaluation.explanation import RANKINGS, Explanation
from onnxpath.evaluation.registry import Measured
from onnxpath.runtime.session import Array


def by_ranking(
    explanation: Explanation, order_of: Callable[[Array], Array], measure: Callable[[Array], Measured]
) -> dict[str, Measured]:
    """Return what is measured under each ranking.

    order_of: float [N, positions] -> each position's place in the order, int [N, positions]; measure: of such an order.
    Maps of one channel without negative values have one order, so that half of the forward passes are saved.
    """
    found: dict[str, Measured] = {}
    orders: dict[str, Array] = {}
    for ranking in RANKINGS:
        order = order_of(explanation.reduced(ranking))
        same = next((name for name, known in orders.items() if np.array_equal(known, order)), None)
        found[ranking] = measure(order) if same is None else found[same]
        orders[ranking] = order
    return found
