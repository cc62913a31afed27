"""May rows be run together? The table's word, and a comparison on real rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from onnxpath.errors import InputError, ModelError
from onnxpath.graph.free_rows import free_rows
from onnxpath.graph.ir import Graph, is_float, numpy_dtype, static_shape
from onnxpath.graph.row_table import MixedRows
from onnxpath.graph.rows import row_axes
from onnxpath.runtime.feeds import of_rows, rows_of
from onnxpath.runtime.session import Array, Session

TOLERANCE = 1e-3
ROWS = 3


def why_row_by_row(graph: Graph, session: Session, feeds: Mapping[str, Array]) -> str | None:
    """Return None where rows of a model can be run together, else the reason why not.

    session: of the model itself; feeds: at least two rows, of which the first few are compared: in batches of several
    sizes, permuted, and one by one.
    """
    try:
        row_axes(graph)
    except MixedRows as mixed:
        return str(mixed)
    return difference(session, session, of_rows(feeds, slice(ROWS)))


def difference(batched: Session, single: Session, feeds: Mapping[str, Array]) -> str | None:
    """Compare a program on batches with another on single rows; return what differs, None where nothing does."""
    count = rows_of(feeds)
    alone = [single.run(of_rows(feeds, [i])) for i in range(count)]
    try:
        for order in ([*range(count)], [*range(count)][::-1], [*range(count - 1)]):
            together = batched.run(of_rows(feeds, order))
            for name, value in together.items():
                wanted = np.concatenate([alone[i][name] for i in order])
                if value.shape != wanted.shape or _distance(value, wanted) > TOLERANCE:
                    return f"output '{name}' of a batch of {len(order)} differs from that of its rows alone"
    except (InputError, ValueError) as error:
        return f"a batch does not run: {error}"
    return None


def _distance(a: Array, b: Array) -> float:
    if a.dtype.kind != "f":
        return float(not np.array_equal(a, b))
    finite = np.isfinite(b)
    if not np.array_equal(finite, np.isfinite(a)):
        return np.inf
    a, b = a[finite].astype(np.float64), b[finite].astype(np.float64)
    return float(np.linalg.norm(a - b)) / max(float(np.linalg.norm(b)), 1e-30)


def freed(graph: Graph, provider: str) -> Graph:
    """Return a model with a batch fixed at 1 with its batch open, where table and comparison allow it; else itself.

    What was done, or why not, is added to its notes.
    """
    if any(static_shape(t) is None or t.shape[:1] not in ([], [1]) for t in graph.inputs):
        return graph
    try:
        open_graph = free_rows(graph)
        reason = difference(Session(open_graph.to_model(), provider), Session(graph.to_model(), provider), _draw(graph))
    except (MixedRows, ModelError, InputError) as error:
        reason = str(error)
    if reason is not None:
        graph.notes.append(f"the file fixes the batch at 1 and it stays so: {reason}")
        return graph
    open_graph.notes.append("the file fixes the batch at 1; its rows are independent, so it was opened to any number")
    return open_graph


def _draw(graph: Graph) -> dict[str, Array]:
    rng = np.random.default_rng(0)
    feeds = {}
    for tensor in graph.inputs:
        shape = (ROWS, *tensor.shape[1:]) if tensor.shape else ()
        drawn = rng.standard_normal(shape) if is_float(tensor) else rng.integers(0, 2, shape)
        feeds[tensor.name] = np.asarray(drawn, numpy_dtype(tensor))
    return feeds
