"""The plain data of a report: what report.json holds, field by field, and what the page is drawn from.

report.json holds every field below under its own name, and `schema` and `summary` beside them (plain.py).
Pictures (`shown`, `values`) stay out: they are in the raw arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from onnxpath.pathway.pathway import relative_change
from onnxpath.report.balance import Conservation
from onnxpath.report.class_overlap import ClassOverlap
from onnxpath.report.figures import Figures
from onnxpath.report.quantities import correct

Shape = tuple[int | str | None, ...]


_NOT_IN_JSON = {"json": False}


class PageData(Protocol):
    """What every kind of page has. page: its kind, and the name of its files: <page>.html, <page>.json."""

    page: ClassVar[str]
    onnxpath: str
    title: str
    run: RunFacts

    @property
    def items(self) -> Sequence[Item]:
        """Inputs whose pictures the page shows."""


@dataclass
class ClassRef:
    """A class: its index in the model's output, or None where it is known by name only, and its name."""

    index: int | None
    name: str


@dataclass
class Prediction:
    """One of the highest outputs. softmax: None where the outputs are not class scores."""

    index: int
    name: str
    logit: float
    softmax: float | None = None


@dataclass
class TensorFacts:
    """An input or output of the model. shape: a name or None stands for a symbolic size."""

    name: str
    dtype: str
    shape: Shape


@dataclass
class NeuronLayer:
    """A layer whose neurons can be kept or pruned.

    neurons: of one input, None where its size decides. shape: of one input's activations.
    """

    name: str
    op: str
    neurons: int | None
    shape: Shape


@dataclass
class ExcludedLayer:
    """An activation that is not a neuron layer, and why."""

    name: str
    reason: str


@dataclass
class ModelFacts:
    """The model file. sha256: of the file's bytes. parameters: number of weights. notes: what was found and done."""

    path: str
    sha256: str
    ir_version: int
    opset: int
    producer: str
    inputs: list[TensorFacts]
    outputs: list[TensorFacts]
    parameters: int
    nodes: int
    neuron_layers: list[NeuronLayer] = field(default_factory=list)
    excluded_layers: list[ExcludedLayer] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass
class RunFacts:
    """How the results were made.

    sparsity: asked for, 0 .. 1; scope: global or layer; both None without pathway. seconds: of each part: load, run.
    """

    provider: str
    versions: dict[str, str] = field(default_factory=dict)
    seed: int | None = None
    preprocess: dict[str, Any] = field(default_factory=dict)
    selector: str | None = None
    sparsity: float | None = None
    scope: str | None = None
    methods: list[str] = field(default_factory=list)
    command: str = ""
    date: str = ""
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass
class LayerCount:
    """Neurons of one layer on one input. kept: in the pathway. active: with a non-zero output, None where undefined.

    channels: at most three, counted from 0, whose kept neurons have the largest scores in sum, largest first, a dense
    layer's neurons each being one; shares: of the layer's sum, 0 .. 1. Both empty where nothing with a score is kept.
    """

    name: str
    neurons: int
    kept: int
    active: int | None = None
    channels: list[int] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)


@dataclass
class PathwayFacts:
    """The critical pathway of one input, and what the network does when only it is left.

    sparsity: asked for, None of a selector that takes none; density: kept, pooled over all layers; base_sparsity:
    inactive; dead_fraction: of the kept ones, inactive (both None where an activation has no exact zero). logit,
    softmax: of the target, whole network; masked_*: pathway only. kept: whether the prediction is the same, None where
    the output has one entry. margin: target logit minus the highest other one, both masked.
    """

    selector: str
    sparsity: float | None
    density: float
    logit: float
    masked_logit: float
    prediction: ClassRef
    masked_prediction: ClassRef
    kept: bool | None
    base_sparsity: float | None = None
    dead_fraction: float | None = None
    softmax: float | None = None
    masked_softmax: float | None = None
    margin: float | None = None
    layers: list[LayerCount] = field(default_factory=list)

    @property
    def change(self) -> float | None:
        """Relative change of the target's logit by the pathway alone; None where it is 0."""
        return relative_change(self.logit, self.masked_logit)


@dataclass
class Part:
    """A token of a text or a feature of a row: its name, and the token id or the value that stands there."""

    name: str
    value: float


@dataclass
class AttributionMap:
    """One method's map as it is shown. limit: the value that gets the full colour, ± around zero.

    clipping: the rule behind the limit, in words. min, max, sum: of the map before clipping. note: how it was reduced.
    values: float (H, W), or (L,) for vectors and sequences; not in the JSON. `colour.make_map` fills all of it.
    scores: of tokens and features, one for each of the item's parts, else None.
    """

    method: str
    limit: float
    clipping: str
    min: float
    max: float
    sum: float
    note: str = ""
    values: NDArray[np.floating[Any]] | None = field(default=None, repr=False, compare=False, metadata=_NOT_IN_JSON)
    scores: list[float] | None = None


@dataclass
class Item:
    """One input and everything found out about it.

    file: path as given. predictions: best first. target: what was explained. seconds: spent on it.
    arrays: path of its .npz, relative to the report. parts: its tokens or features, `parts_are` says which; none of
    pictures and plain arrays. shown: uint8 (H, W, 3) or None; number: its place in the run, None for its place among
    the items; neither is in the JSON.
    """

    name: str
    file: str
    label: ClassRef | None = None
    predictions: list[Prediction] = field(default_factory=list)
    target: ClassRef | None = None
    pathway: PathwayFacts | None = None
    maps: list[AttributionMap] = field(default_factory=list)
    seconds: float | None = None
    warnings: list[str] = field(default_factory=list)
    arrays: str | None = None
    shown: NDArray[np.uint8] | None = field(default=None, repr=False, compare=False, metadata=_NOT_IN_JSON)
    number: int | None = field(default=None, repr=False, compare=False, metadata=_NOT_IN_JSON)
    parts_are: str | None = None
    parts: list[Part] = field(default_factory=list)

    @property
    def correct(self) -> bool | None:
        """Whether the first prediction is the label; None where one of them is not known."""
        return correct(self)


@dataclass
class Failure:
    """An input that could not be explained, and the error's text."""

    name: str
    error: str


@dataclass
class Report:
    """Everything that a report says.

    onnxpath: the version that made it; items: those that the page shows; conservation: of each method of relevance;
    class_overlap: of the pathways of classes; figures: of all inputs that were explained, default of the items; not in
    the JSON, whose summary is made of them; beside: whether inputs are in data files beside the page (beside.py), and
    items therefore empty.
    """

    page: ClassVar[str] = "report"

    onnxpath: str
    title: str
    model: ModelFacts
    run: RunFacts
    items: list[Item] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    conservation: list[Conservation] = field(default_factory=list)
    class_overlap: ClassOverlap | None = None
    figures: Figures = field(default_factory=Figures, repr=False, compare=False, metadata=_NOT_IN_JSON)
    beside: bool = field(default=False, compare=False, metadata=_NOT_IN_JSON)

    def __post_init__(self) -> None:
        if not self.figures.count:
            self.figures = Figures(self.items)
