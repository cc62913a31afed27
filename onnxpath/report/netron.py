"""Results for the model viewer Netron: a JSON file that, opened beside the model, shows them in its Metrics sidebar."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from onnxpath.errors import InputError
from onnxpath.graph.query import producers
from onnxpath.pathway.analyses.layers import SelectorRates, layers
from onnxpath.pathway.pathway import Pathway
from onnxpath.report.plain import as_plain
from onnxpath.runtime.model import Model

SIGNATURE = "netron:attachment"


def check_name(path: Path) -> None:
    """Raise InputError where Netron would not open a file of that name beside a model."""
    if path.suffix.lower() != ".json":
        raise InputError(f"'{path}' is to be opened by Netron, which takes such files only as .json; name it so")


def attachment(
    model: Model, found: Mapping[str, Sequence[Pathway]], contributions: Sequence[Mapping[str, float]]
) -> str:
    """Return the JSON: for each neuron layer's node and its output tensor, contribution and kept fraction.

    found: selector -> pathway of each input; contributions: of each input, layer -> sum of |activation · gradient|.
    All numbers are means over the inputs. Nodes without a name in the file are found by their output tensor.
    """
    rates = layers(found).selectors
    makers = producers(model.graph)
    metrics = [_metric("model", "", name, value, percent) for name, value, percent in _of_model(rates)]
    for index, layer in enumerate(rates[0].layers):
        told = [*_contribution(layer.name, contributions), *_of_layer(rates, index)]
        for kind, target in (("node", makers[layer.name].name), ("value", layer.name)):
            metrics += [_metric(kind, target, name, value, percent) for name, value, percent in told]
    plain = as_plain({"signature": SIGNATURE, "metadata": [], "metrics": metrics})
    return json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


Named = tuple[str, float | None, bool]
"""Name of a metric, its value, and whether that is a fraction to be shown as a percentage."""


def _of_model(rates: Sequence[SelectorRates]) -> list[Named]:
    told: list[Named] = [("inputs", rates[0].inputs, False)]
    for r in rates:
        told += [
            (f"density by {r.selector}", r.density, True),
            (f"kept by {r.selector}", r.kept_prediction, True),
            (f"change of the output by {r.selector}", r.change, True),
        ]
    return [entry for entry in told if entry[1] is not None]


def _contribution(layer: str, contributions: Sequence[Mapping[str, float]]) -> list[Named]:
    sums = [row[layer] for row in contributions]
    shares = [row[layer] / (sum(row.values()) or 1.0) for row in contributions]
    return [
        ("contribution", sum(sums) / len(sums), False),
        ("share of all contributions", sum(shares) / len(shares), True),
    ]


def _of_layer(rates: Sequence[SelectorRates], index: int) -> list[Named]:
    told: list[Named] = [("active fraction", rates[0].layers[index].active, True)]
    for r in rates:
        layer = r.layers[index]
        told += [
            (f"kept fraction by {r.selector}", layer.kept, True),
            (f"dead fraction by {r.selector}", layer.dead, True),
        ]
    return [entry for entry in told if entry[1] is not None]


def _metric(kind: str, target: str, name: str, value: float | None, percent: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {"kind": kind, "target": target, "name": name, "value": value}
    return {**entry, "type": "percentage"} if percent else entry
