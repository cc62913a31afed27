"""Write docs/results/parity.md from what the tests recorded:

ONNXPATH_PARITY=parity.jsonl python -m pytest tests/attribution tests/relevance
python -m docs.make_parity parity.jsonl
"""

import datetime
import json
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tests.parity import PRECISIONS

PAGE = Path(__file__).parent / "results" / "parity.md"
LIMITS = {"float32": 1e-3, "float64": 1e-6}
PACKAGES = ("onnx", "onnxruntime", "onnxruntime-gpu", "torch", "captum", "zennit")

HEAD = """# Parity with Captum and Zennit

Each shared method and its namesake elsewhere, or where there is none a plain loop over the published formula, on the
same network, inputs, targets and options: relative L2 over all rows. float32 is ONNX Runtime on the CPU, float64 the
same graph in onnx's reference evaluator; the other side computes in float64 wherever float64 is compared. The goal is
{float32:.0e} in float32 and {float64:.0e} in float64. Written by the tests themselves, {when}:

```sh
ONNXPATH_PARITY=parity.jsonl python -m pytest tests/attribution tests/relevance
python -m docs.make_parity parity.jsonl
```

{versions}, Python {python}.
{count} pairs of method and network; {within} within the goal.

"""


def comparisons(path):
    """(method, oracle, network) -> precision -> the largest distance recorded, in order of their first appearance."""
    found = {}
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        best = found.setdefault((entry["method"], entry["oracle"], entry["network"]), {})
        for precision in PRECISIONS:
            if precision in entry:
                best[precision] = max(best.get(precision, 0.0), entry[precision])
    return found


def within(distances):
    """Whether every distance is inside its limit."""
    return all(distance <= LIMITS[precision] for precision, distance in distances.items())


def installed():
    """Names and versions of the packages that are there."""
    for name in PACKAGES:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            continue


def page(found):
    """The whole page."""
    made = HEAD.format(
        **LIMITS,
        when=datetime.date.today().isoformat(),
        versions=", ".join(installed()),
        python=platform.python_version(),
        count=len(found),
        within=sum(within(distances) for distances in found.values()),
    )
    if missed := [key for key, distances in found.items() if not within(distances)]:
        made += "Outside the goal:\n\n" + "".join(f"- {', '.join(key)}\n" for key in missed) + "\n"
    made += "| method | compared with | network | float32 | float64 |\n| --- | --- | --- | --- | --- |\n"
    for key, distances in sorted(found.items()):
        numbers = [f"{distances[p]:.1e}" if p in distances else "" for p in PRECISIONS]
        made += f"| {' | '.join((*key, *numbers))} |\n"
    return made


if __name__ == "__main__":
    PAGE.write_text(page(comparisons(sys.argv[1])), encoding="utf-8")
