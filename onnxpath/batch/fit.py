"""Whether a model can be asked what a run wants to ask it: checked before the first input is read."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

import numpy as np

from onnxpath.attribution.methods import METHODS
from onnxpath.attribution.perturb import BLACK_BOX
from onnxpath.backward.walk import active_nodes
from onnxpath.batch.loaded import Wanted
from onnxpath.batch.preprocess import Preprocess
from onnxpath.errors import InputError, ModelError, all_of
from onnxpath.graph.embeddings import embeddings
from onnxpath.graph.query import require_path
from onnxpath.pathway.selectors import CONTROLS
from onnxpath.pathway.trace import check_layers
from onnxpath.runtime.feeds import TensorInfo
from onnxpath.runtime.model import Model
from onnxpath.runtime.targets import resolve_target


def wanted_inputs(model: Model) -> Wanted:
    """Return what files are fed to: the one input, or all inputs of a model of token ids.

    Raises InputError for a model with several inputs that are not all integers, and, all at once, for inputs without a
    row axis or not made of numbers.
    """
    whole = all(np.dtype(i.dtype).kind in "iub" for i in model.inputs if i.dtype != "unknown")
    ids = [e for e in embeddings(model.graph) if whole]
    if len(model.inputs) != 1 and not ids:
        names = ", ".join(i.name for i in model.inputs)
        raise InputError(
            f"files are fed to models with one input or with token ids, and this one has {len(model.inputs)}: {names}; "
            "use onnxpath.attribute with a dict of arrays"
        )
    all_of(*(partial(_check_fed, info) for info in model.inputs))
    return Wanted(tuple(model.inputs), max(ids, key=lambda e: e.size[0]).input if ids else None)


def unprepared(wanted: Wanted) -> Preprocess:
    """Return the preprocessing of pictures where none is given: their values, in the dtype of a uint8 input."""
    return Preprocess(dtype="uint8" if wanted.main.dtype == "uint8" else "float32")


def _check_fed(info: TensorInfo) -> None:
    if not info.shape:
        raise InputError(
            f"model input '{info.name}' has no axes, or their number is unknown, so it is not known what a row is; "
            "export the model with the rank of its input"
        )
    if info.dtype == "unknown" or np.dtype(info.dtype).kind not in "fiubV":
        raise InputError(f"model input '{info.name}' is {info.dtype}; files are fed to float and integer inputs")


def check_attribution(model: Model, methods: Collection[str], target: int | None, output: str | None) -> None:
    """Raise what would stop attribution for every input.

    UnknownName: no such output; InputError: target out of range; ModelError: no float input, no path, no neuron layer
    for a pathway method; UnsupportedOperator: nodes without a rule. Methods that only run the model need no gradient.
    """
    logits = resolve_target(model, target, 1, output).readout.name
    if set(methods) - BLACK_BOX:
        _check_gradient(model, model.sources, logits)
    if any("sparsity" in METHODS.get(name).defaults for name in methods):
        check_layers(model.layers(output))


def check_one_source(model: Model) -> None:
    """Raise InputError where maps are of several tensors: what files and pages show of an input is one map a method."""
    if model.wrt is not None and len(model.wrt) > 1:
        names = ", ".join(f"'{name}'" for name in model.wrt)
        raise InputError(
            f"a report shows one map of each input and method, and this model is loaded for maps of {names}; "
            "load it with one `wrt` for each report, or use onnxpath.attribute, which returns them all"
        )


def check_pathway(model: Model, selector: str, target: int | None, output: str | None) -> None:
    """Raise what would stop pathway selection for every input: as `check_attribution`, from the neuron layers on."""
    logits = resolve_target(model, target, 1, output).readout.name
    layers = model.layers(output)
    check_layers(layers)
    if selector not in CONTROLS:
        _check_gradient(model, [layer.name for layer in layers], logits)


def check_tensors(model: Model, tensors: Sequence[str] | None) -> None:
    """Raise UnknownName for tensors that are not there; ModelError where None asks for neuron layers and none are."""
    if tensors is None and not model.layers():
        raise ModelError(
            "the model has no neuron layer, whose values are saved by default; name others with --tensor "
            "(`onnxpath inspect MODEL --tensors` lists them)"
        )
    if tensors is not None:
        model.graph.require(tensors)


def _check_gradient(model: Model, sources: list[str], logits: str) -> None:
    active_nodes(model.graph, model.rules, [logits], sources)
    require_path(model.graph, sources, [logits], "explain another output")
