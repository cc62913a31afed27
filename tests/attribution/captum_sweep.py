"""The sweep over Captum's own test configurations, as a page:

    python -m tests.attribution.captum_sweep

prints every case that differs and the counts, and writes docs/results/captum-sweep.md.
"""

import datetime
import platform
from collections import Counter
from importlib.metadata import version
from pathlib import Path

from tests.attribution.captum_cases import DRAWN, DRAWS, LIMIT, SHARED, cases, config

PAGE = Path(__file__).parents[2] / "docs" / "results" / "captum-sweep.md"

PAGE_HEAD = """# Captum's own test configurations

Every case of `captum.testing.attr.helpers.test_config` ({captum}): {configs} configurations of small networks, inputs,
targets and arguments, each with the algorithms that Captum's tests run on it. Each network is exported to ONNX, and
onnxpath's method of the same meaning is compared with Captum's result: relative L2 of every map, at most {limit:.0e};
{drawn} for GradientSHAP, where each side draws {draws} points of its own (all others, Shapley value sampling too, use
the same random numbers or none). Written {when} by

```sh
python -m tests.attribution.captum_sweep
```

{versions}.

**{total} cases: {agrees} agree ({zero} of them on maps of zeros), {differs} differ, {apart} are not applicable.**

The Softmax of Captum's `BasicModel_ConvNet` is left out on both sides: its last weights are all ones, so that nothing
depends on the input behind it, and maps would be rounding errors. `NoiseTunnel` is `smoothgrad` with the method as
`base`; `predictor` is Captum's own algorithm calling `onnxpath.predictor`. `NeuronConductance` is asked for with the
quadrature gausslegendre: the weights of Captum's trapezoid, its default there, sum to (n − 1) / n.

"""


def page(found):
    """The whole page."""
    count = Counter(case.status for case in found)
    text = PAGE_HEAD.format(
        captum=f"Captum {version('captum')}",
        configs=len(config),
        limit=LIMIT,
        drawn=DRAWN,
        draws=DRAWS,
        when=datetime.date.today().isoformat(),
        versions=", ".join(f"{name} {version(name)}" for name in ("torch", "onnx"))
        + f", Python {platform.python_version()}",
        total=len(found),
        agrees=count["agrees"],
        zero=sum(case.zero for case in found),
        differs=count["differs"],
        apart=count["not applicable"],
    )
    if wrong := [case for case in found if case.status == "differs"]:
        text += "Differ:\n\n" + "".join(f"- {c.algorithm}, {c.config}: {c.why or c.distance}\n" for c in wrong) + "\n"
    text += "| Captum | onnxpath | agree | largest distance | not applicable |\n| --- | --- | --- | --- | --- |\n"
    for name in dict.fromkeys(case.algorithm for case in found):
        own = [case for case in found if case.algorithm == name]
        near = [case.distance for case in own if case.status == "agrees"]
        apart = sum(case.status == "not applicable" for case in own) or ""
        method = f"`{SHARED[name].method}`" if name in SHARED else ""
        text += f"| {name} | {method} | {len(near) or ''} | {f'{max(near):.1e}' if near else ''} | {apart} |\n"
    text += "\nNot applicable:\n\n"
    reasons = Counter(case.why for case in found if case.status == "not applicable")
    for why, times in reasons.most_common():
        names = dict.fromkeys(case.algorithm for case in found if case.why == why)
        text += f"- {times} of {', '.join(names)}: {why}\n"
    return text


if __name__ == "__main__":
    results = list(cases())
    for case in results:
        if case.status == "differs":
            print(case)
    print(Counter(case.status for case in results))
    PAGE.write_text(page(results), encoding="utf-8")
