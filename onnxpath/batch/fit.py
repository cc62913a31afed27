"""Whether a model can be asked what a run wants to ask it: checked before the first input is read."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from onnxpath.backward.walk import active_nodes
from onnxpath.errors import InputError
from onnxpath.graph.query import require_path
from onnxpath.graph.surgery import require_tensors
from onnxpath.pathway.selectors import CONTROLS
from onnxpath.pathway.trace import check_layers
from onnxpath.runtime.model import Model, TensorInfo
from onnxpath.runtime.targets import resolve_target


def single_input(model: Model) -> TensorInfo:
    """Return the one input that pictures and arrays are fed to.

    Raises InputError for a model with several inputs, and for an input without a row axis or not made of numbers.
    """
    if len(model.inputs) != 1:
        names = ", ".join(i.name for i in model.inputs)
        raise InputError(
            f"files are fed to models with one input, and this one has {len(model.inputs)}: {names}; "
            "use onnxpath.attribute with a dict of arrays"
        )
    info = model.inputs[0]
    if not info.shape:
        raise InputError(
            f"model input '{info.name}' has no axes, or their number is unknown, so it is not known what a row is; "
            "export the model with the rank of its input"
        )
    if info.dtype == "unknown" or np.dtype(info.dtype).kind not in "fiubV":
        raise InputError(f"model input '{info.name}' is {info.dtype}; files are fed to float and integer inputs")
    return info


def check_attribution(model: Model, methods: Collection[str], target: int | None, output: str | None) -> None:
    """Raise what would stop attribution for every input.

    UnknownName: no such output; InputError: target out of range; ModelError: no float input, no path, no neuron layer
    for a pathway method; UnsupportedOperator: nodes without a rule.
    """
    logits = resolve_target(model, target, 1, output).readout.name
    _check_gradient(model, model.sources, logits)
    if "pathway-gradient" in methods:
        check_layers(model.layers(output))


def check_pathway(model: Model, selector: str, target: int | None, output: str | None) -> None:
    """Raise what would stop pathway selection for every input: as `check_attribution`, from the neuron layers on."""
    logits = resolve_target(model, target, 1, output).readout.name
    layers = model.layers(output)
    check_layers(layers)
    if selector not in CONTROLS:
        _check_gradient(model, [layer.name for layer in layers], logits)


def check_tensors(model: Model, tensors: Sequence[str] | None) -> None:
    """Raise UnknownName for tensors that are not there; ModelError where None asks for neuron layers and none are."""
    if tensors is None:
        check_layers(model.layers())
    else:
        require_tensors(model.graph, tensors)


def _check_gradient(model: Model, sources: list[str], logits: str) -> None:
    active_nodes(model.graph, model.rules, [logits], sources)
    require_path(model.graph, sources, [logits], "explain another output")
