"""The public call: a method and its model as one ONNX file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx

from onnxpath.attribution.by_source import by_source
from onnxpath.attribution.methods import METHODS
from onnxpath.attribution.registry import Method
from onnxpath.attribution.spelling import Spelling
from onnxpath.backward.target import TARGET
from onnxpath.batch.preprocess import Preprocess
from onnxpath.errors import InputError, UnknownName, unknown
from onnxpath.explainer.opset import at_opset
from onnxpath.explainer.picture import OVERLAY, check_picture, picture_input
from onnxpath.explainer.picture import overlay as laid_over
from onnxpath.explainer.weights import weights_inside
from onnxpath.graph.ir import Tensor, numpy_dtype, replace_uses
from onnxpath.graph.query import require_path
from onnxpath.pathway.programs import Setup
from onnxpath.runtime.model import Model, load
from onnxpath.runtime.session import Array
from onnxpath.runtime.targets import resolve_target

ATTRIBUTION = "attribution"
TARGETS = ("prediction", "input")


def compile(
    model: Any,
    method: str = "pathway-gradient",
    target: Any = "prediction",
    output: str | None = None,
    wrt: Sequence[str] | None = None,
    opset: int | None = None,
    preprocess: Preprocess | None = None,
    overlay: bool = False,
    **options: Any,
) -> onnx.ModelProto:
    """Return one ONNX model that explains: the model's inputs and outputs, and the attribution map beside them.

    model: path, bytes, ModelProto or loaded Model; method: an exportable one of `onnxpath list methods`; target:
    "prediction" (each row's largest entry), an index, a tuple into an output of higher rank, or "input": the file then
    has an input `target`, int64 [N], -1 for the prediction; output, wrt, options: as in `attribute`, arrays among them
    for one row; opset: of the file, 13 to 26, default the working one; preprocess: goes into the file, which then takes
    `image`, uint8 RGB [N, H, W, 3] of any size; overlay: with it, also put out `overlay`, uint8 [N, h, w, 3].
    The map is the output `attribution`, or `attribution_<source>` of each source where there are several; pathway
    methods add `density` [N], `kept` [N, layers] and `masked_logits`. The result needs ai.onnx operators alone.
    Raises UnknownName, InputError, UnsupportedOperator, ModelError (an operator that the opset does not have).
    """
    chosen = METHODS.get(method)
    check_exportable(chosen)
    loaded = load(model, wrt=wrt)
    if preprocess is not None:
        check_picture(loaded.graph.inputs, preprocess)
    elif overlay:
        raise InputError(
            "an overlay needs the picture: give the preprocessing too (--with-preprocessing), which goes into the file"
        )
    given = chosen.checked(options)
    entry = resolved(loaded, target, output)
    setup = Setup(loaded, (), loaded.readout(output).name, TARGET)
    require_path(loaded.graph, loaded.sources, [setup.logits], "explain another output")
    outputs = [t.name for t in loaded.graph.outputs]
    spelling = Spelling(setup, chosen.per_row, keep=outputs)
    assert chosen.spell is not None, "check_exportable has seen to it"
    maps = chosen.spell(spelling, **{k: v for k, v in given.items() if k not in chosen.per_row})
    fill_in(spelling, chosen, given)
    if preprocess is not None:
        take_pictures(spelling, preprocess, maps if overlay else {})
    asked = spelling.target
    if entry is not None:
        take_in(spelling, asked, rows_of(spelling, entry))
    made = finished(spelling, outputs, maps)
    made = weights_inside(made)
    describe(made, loaded, chosen, given, target)
    return at_opset(made, opset) if opset is not None else made


def check_exportable(method: Method) -> None:
    """Raise UnknownName where a method needs the host."""
    if method.spell is None:
        able = [name for name in METHODS.names() if METHODS.get(name).exportable]
        raise UnknownName(
            f"method '{method.name}' needs the host (it draws, searches or asks the model many times), so it cannot be "
            f"one ONNX file; methods that can: {', '.join(able)}"
        )


def resolved(model: Model, target: Any, output: str | None) -> int | None:
    """Return the entry that is explained, -1 for the prediction, None where the file is to ask for it.

    Raises UnknownName; InputError for an entry that is not there, and for a cotangent.
    """
    if isinstance(target, str):
        if target not in TARGETS:
            raise unknown("target", [target], [*TARGETS, "an index"])
        return None if target == "input" else -1
    goal = resolve_target(model, [target] if isinstance(target, tuple) else target, 1, output)
    if goal.kind != TARGET:
        raise InputError("a file explains one entry of the output; `gradient_graph` writes one that takes a cotangent")
    return int(goal.values[0])


def rows_of(spelling: Spelling, entry: int) -> Tensor:
    """Return `entry` once for each row, int64 [N]."""
    op = spelling.op
    made: Tensor = op.Expand(op.const([entry]), op.Shape(spelling.logits, start=0, end=1))
    return made


def fill_in(spelling: Spelling, method: Method, options: Mapping[str, Any]) -> None:
    """Put the options that are arrays into the graph, instead of the inputs that they are fed through."""
    op = spelling.op
    for option in method.per_row:
        values = by_source(spelling.sources, options.get(option), 0)
        for name, tensor in spelling.fed[option].items():
            source = spelling.graph.tensor(name)
            array = one_row(option, values[name], source)
            take_in(spelling, tensor, op.Expand(op.like(array, source), op.shape_of(source)))


def one_row(option: str, given: Any, source: Tensor) -> Array:
    """Return an option's values for a row of a source; InputError where they are no numbers, or do not fit it."""
    try:
        array = np.asarray(given, numpy_dtype(source))
    except (ValueError, TypeError) as error:
        raise InputError(f"`{option}` of '{source.name}' must be numbers: {error}") from error
    sizes = [1, *source.shape[1:]]
    pairs = zip(reversed(array.shape), reversed(sizes), strict=False)
    if array.ndim > len(sizes) or any(isinstance(n, int) and given not in (1, n) for given, n in pairs):
        raise InputError(f"`{option}` of a file is for one row of '{source.name}' {sizes}; {array.shape} was given")
    if not np.isfinite(array).all():
        raise InputError(f"`{option}` of '{source.name}' holds NaN or Inf")
    return array


def take_in(spelling: Spelling, fed: Tensor, value: Tensor) -> None:
    """Let what reads an input read a computed value, and drop the input."""
    replace_uses(fed, value)
    spelling.graph.inputs[:] = [t for t in spelling.graph.inputs if t is not fed]


def take_pictures(spelling: Spelling, preprocess: Preprocess, maps: Mapping[str, Tensor]) -> None:
    """Let the file take pictures instead of the model's input, and lay the map, where given, over them.

    Raises InputError where the map is not of the picture.
    """
    (x,) = spelling.graph.inputs[:1]
    # What uint8 pixels are cast to lies as they do.
    if wrong := [name for name in maps if name != x.name and spelling.graph.tensor(name).shape != x.shape]:
        raise InputError(f"an overlay lies over the picture '{x.name}', and the map is of '{wrong[0]}'; leave it out")
    seen, shown = picture_input(spelling.op, x, preprocess)
    for tensor in maps.values():
        spelling.also[OVERLAY] = laid_over(spelling.op, tensor, shown, 1 if preprocess.layout == "NCHW" else 3)
    take_in(spelling, x, seen)


def finished(spelling: Spelling, outputs: Sequence[str], maps: Mapping[str, Tensor]) -> onnx.ModelProto:
    """Return the file: the model's own outputs under their names, the maps, and what the method gives beside them."""
    graph, op = spelling.graph, spelling.op
    graph.outputs[:] = [graph.tensor(name) for name in outputs]
    for source, tensor in maps.items():
        op.add_output(tensor, free(spelling, ATTRIBUTION if len(maps) == 1 else f"{ATTRIBUTION}_{source}"))
    for name, tensor in spelling.also.items():
        op.add_output(tensor, free(spelling, name))
    graph.body.toposort()
    graph.cleanup()
    return graph.to_model()


def free(spelling: Spelling, name: str) -> str:
    """Return an output's name; UnknownName where the model has a tensor of that name."""
    if name in spelling.setup.model.graph.tensors():
        raise UnknownName(
            f"the model has a tensor named '{name}' already, which the file needs; rename it in the model"
        )
    return name


def describe(made: onnx.ModelProto, model: Model, method: Method, options: Mapping[str, Any], target: Any) -> None:
    """Write into the file's metadata what it explains, and how."""
    shown = {k: v for k, v in {**method.defaults, **options}.items() if np.ndim(v) == 0}
    facts = {
        "onnxpath.method": method.name,
        "onnxpath.options": str(shown),
        "onnxpath.target": str(target),
        "onnxpath.rules": model.rules.name,
        "onnxpath.model_sha256": model.sha256 or "",
    }
    onnx.helper.set_model_props(made, {p.key: p.value for p in made.metadata_props} | facts)
