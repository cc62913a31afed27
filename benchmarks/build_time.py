"""How long the gradient graph takes to build, and whether that grows as the number of nodes does.

From a ModelProto with random weights to the finished ModelProto; loading, checking and shape inference are in it.
`python benchmarks/build_time.py --help`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import onnx
from machine import heading, machine
from networks import BUILDERS, vit

import onnxpath

SIZES = (250, 500, 1000, 2000)


def measure(make: Callable[[], onnx.ModelProto], repeat: int) -> dict[str, float]:
    """Return nodes, nodes of the gradient graph, and the median of seconds."""
    model, times = make(), []
    for _ in range(repeat):
        start = time.perf_counter()
        made = onnxpath.gradient_graph(model)
        times.append(time.perf_counter() - start)
    nodes = len(model.graph.node)
    seconds = statistics.median(times)
    return {
        "nodes": nodes,
        "nodes_with_gradient": len(made.graph.node),
        "seconds": seconds,
        "shortest": min(times),
        "ms_per_node": seconds / nodes * 1e3,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5, help="times that each is built (default 5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers")
    asked = parser.parse_args()
    about = {**machine(), "repeat": asked.repeat}
    print(heading(about))
    print(f"{'':14}{'nodes':>8}{'with gradient':>15}{'s (shortest)':>18}{'ms per node':>13}{'to the last':>13}")
    rows: dict[str, dict[str, float]] = {}
    cases = {"resnet50": BUILDERS["resnet50"], **{f"vit, {n}": lambda n=n: vit(n) for n in SIZES}}
    before = None
    for name, make in cases.items():
        row = rows[name] = measure(make, asked.repeat)
        # 2.0 where the time grows as the nodes do.
        growth = f"{row['seconds'] / before:.2f}" if before and name != f"vit, {SIZES[0]}" else ""
        before = row["seconds"]
        print(
            f"{name:14}{row['nodes']:>8}{row['nodes_with_gradient']:>15}{row['seconds']:>9.2f} ({row['shortest']:.2f})"
            f"{row['ms_per_node']:>16.2f}{growth:>13}",
            flush=True,
        )
    if asked.json:
        asked.json.write_text(json.dumps({**about, "models": rows}, indent=1))


if __name__ == "__main__":
    main()
