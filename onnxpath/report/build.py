"""From results to the report's plain data."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxpath.batch.explain import Explained
from onnxpath.batch.inputs import label_of
from onnxpath.batch.loaded import Parts
from onnxpath.batch.preprocess import Preprocess
from onnxpath.pathway.pathway import Pathway
from onnxpath.report import data
from onnxpath.report.colour import make_map
from onnxpath.runtime.feeds import TensorInfo
from onnxpath.runtime.model import Model

TOP = 5
PACKAGES = ("onnxpath", "onnx", "onnxruntime-gpu", "onnxruntime", "onnx-graphsurgeon", "numpy")


def class_ref(index: int, names: Sequence[str]) -> data.ClassRef:
    """Return a class with its name, or its index as name where names do not reach."""
    return data.ClassRef(index, names[index] if 0 <= index < len(names) else str(index))


def model_facts(model: Model, output: str | None = None) -> data.ModelFacts:
    """Collect what a reader needs to know about the model file and what was found in it."""
    layers, left_out = model.neurons(output)
    place = model.readout(output)
    notes = list(model.graph.notes)
    if place.skipped:
        notes.append(f"{place.skipped} at the end of '{place.output}' is skipped: targets are the logits before it")
    if model.fixed_rows:
        notes.append(f"the file fixes the batch at {model.fixed_rows}: inputs are run that many at a time")
    return data.ModelFacts(
        path=model.path.name if model.path else "(in memory)",
        sha256=model.sha256 or "",
        ir_version=model.ir_version,
        opset=model.opset,
        producer=model.graph.producer,
        inputs=[_tensor(i) for i in model.inputs],
        outputs=[_tensor(o) for o in model.outputs],
        parameters=model.parameters,
        nodes=len(model.graph.nodes),
        neuron_layers=[data.NeuronLayer(n.name, n.op, n.neurons, n.shape) for n in layers],
        excluded_layers=[data.ExcludedLayer(name, reason) for name, reason in left_out.items()],
        notes=notes,
    )


def _tensor(info: TensorInfo) -> data.TensorFacts:
    return data.TensorFacts(info.name, info.dtype, info.shape)


def versions() -> dict[str, str]:
    """Return the versions of Python and of every package that a result depends on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def predictions(logits: NDArray[Any], names: Sequence[str], top: int = TOP) -> list[data.Prediction]:
    """Return the highest entries of one output row, best first, with softmax where they are several classes."""
    flat = np.asarray(logits, np.float64).reshape(-1)
    shifted = np.exp(flat - flat.max())
    softmax = shifted / shifted.sum()
    has_softmax = flat.size > 1 and are_classes(logits)
    best = np.argsort(-flat, kind="stable")[:top]
    return [
        data.Prediction(
            int(i), class_ref(int(i), names).name, float(flat[i]), float(softmax[i]) if has_softmax else None
        )
        for i in best
    ]


def pathway_facts(pathway: Pathway, names: Sequence[str]) -> data.PathwayFacts:
    """Return the numbers of a pathway; its masks stay in the raw arrays."""
    return data.PathwayFacts(
        selector=pathway.selector,
        sparsity=pathway.sparsity,
        density=pathway.density,
        logit=pathway.original.logit,
        masked_logit=pathway.masked.logit,
        prediction=class_ref(pathway.original.prediction, names),
        masked_prediction=class_ref(pathway.masked.prediction, names),
        kept=pathway.kept_prediction,
        base_sparsity=pathway.base_sparsity,
        dead_fraction=pathway.dead_fraction,
        softmax=pathway.original.softmax,
        masked_softmax=pathway.masked.softmax,
        margin=pathway.margin,
        layers=[
            data.LayerCount(c.name, c.neurons, c.kept, c.active, list(c.channels), list(c.shares))
            for c in pathway.layers
        ],
    )


def maps(
    values: Mapping[str, NDArray[Any]],
    channel_axis: int | None,
    deltas: Mapping[str, float],
    parts: Parts | None = None,
) -> list[data.AttributionMap]:
    """Return the maps as they are shown.

    channel_axis: of a map without batch axis, None for no channels; parts: tokens or features, which get a score each:
    the sum over what is behind their axis, such as that of an embedding.
    """
    notes = {name: f"convergence delta {delta:.3g}" for name, delta in deltas.items()}
    made = []
    for name, value in values.items():
        named = parts is not None and value.shape[:1] == (len(parts.names),)
        summed = value.ndim == 2 and named
        shown = make_map(name, value, 1 if summed else channel_axis, notes.get(name, ""))
        if named and shown.values is not None and shown.values.ndim == 1:
            shown.scores = [float(score) for score in shown.values]
        made.append(shown)
    return made


def scored(parts: Parts | None, scores: Sequence[float] | None) -> list[dict[str, Any]] | None:
    """Return tokens or features with their scores, in order; None without."""
    if parts is None or scores is None:
        return None
    return [{"name": name, "score": score} for name, score in zip(parts.names, scores, strict=True)]


def are_classes(logits: NDArray[Any]) -> bool:
    """Return whether the entries of an output row can be classes: one axis at most is longer than 1."""
    return len([size for size in np.shape(logits) if size > 1]) <= 1


def item_warnings(pathway: Pathway | None, logits: NDArray[Any]) -> list[str]:
    """Return what a reader should not overlook about one input."""
    found = []
    if not are_classes(logits):
        sizes = "×".join(map(str, np.shape(logits)))
        found.append(f"the output is {sizes}: entries of the flattened row are explained, without names and softmax")
    if pathway is None:
        return found
    if pathway.kept_prediction is False:
        other = "predicts another class" if are_classes(logits) else "has another largest entry"
        found.append(f"the masked network {other}: this pathway does not carry the prediction")
    if pathway.sparsity is not None and pathway.density < (1 - pathway.sparsity) * 0.99:
        found.append(
            f"density {pathway.density:.1%} is below the {1 - pathway.sparsity:.1%} asked for: "
            "the other scores are zero or tie with the threshold"
        )
    if empty := [c.name for c in pathway.layers if c.kept == 0]:
        found.append(
            f"no neuron is kept in {', '.join(empty[:3])}" + (f" and {len(empty) - 3} more" * (len(empty) > 3))
        )
    return found


def map_channel_axis(model: Model, preprocess: Preprocess) -> int | None:
    """Return the channel axis of a map without its batch axis: of pictures by their layout, None for anything else."""
    rank = len(model.inputs[0].shape)
    return None if rank != 4 else (2 if preprocess.layout == "NHWC" else 0)


def finished_item(result: Explained, names: Sequence[str], channel_axis: int | None) -> data.Item:
    """Return one input's entry. names: of the classes; channel_axis: see `maps`."""
    classes, parts = are_classes(result.logits), result.loaded.parts
    label = label_of(result.item, names or None) if classes else None
    known = (list(names) or list(result.item.classes or ())) if classes else []
    pathway = pathway_facts(result.pathway, known) if result.pathway else None
    if pathway and not classes:
        pathway.softmax = pathway.masked_softmax = None
    return data.Item(
        name=result.item.name,
        file=str(result.item.path),
        label=data.ClassRef(*label) if label else None,
        predictions=predictions(result.logits, known),
        target=class_ref(result.target, known) if result.target >= 0 else None,
        pathway=pathway,
        maps=maps(result.maps, channel_axis, result.deltas, parts),
        warnings=[
            *item_warnings(result.pathway, result.logits),
            *([result.loaded.note] if parts and result.loaded.note else []),
        ],
        parts_are=parts.kind if parts else None,
        parts=[data.Part(*pair) for pair in zip(parts.names, parts.values, strict=True)] if parts else [],
        shown=result.loaded.shown,
    )


def raw_arrays(result: Explained) -> dict[str, NDArray[Any]]:
    """Return what is kept of an input's results: maps, logits, the pathway, and the names of its tokens or features."""
    arrays = {f"map_{name}": value for name, value in result.maps.items()} | {"logits": result.logits}
    if (parts := result.loaded.parts) is not None:
        arrays[parts.kind] = np.array(parts.names)
    if result.pathway is not None:
        arrays |= result.pathway.packed()
    return arrays
