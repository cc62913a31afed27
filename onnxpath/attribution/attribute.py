"""The public call: attribution maps of a batch by any method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from onnxpath.attribution.attribution import Attribution
from onnxpath.attribution.methods import METHODS
from onnxpath.runtime.feeds import rows_of
from onnxpath.runtime.model import ONE_BY_ONE, load
from onnxpath.runtime.targets import resolve_target


def attribute(
    model: Any,
    x: Any,
    target: Any = None,
    method: str = "pathway-gradient",
    output: str | None = None,
    wrt: Sequence[str] | None = None,
    **options: Any,
) -> Attribution:
    """Return the attribution map of each row.

    model: path, bytes, ModelProto or loaded Model; x: [N, ...] array, list or dict of inputs; target: index, one per
    row, tuple, or a cotangent array; default each row's largest entry; method: a name in `onnxpath list methods`;
    output: the output explained, default the first float one, or any float tensor whose entries are targets then (a
    neuron's map); wrt: tensors that get a map, default the float inputs; without one the only embedding of token ids
    ([N, T, D]), or what other integers (pixels) are cast to; options: the method's.
    Raises InputError, UnknownName, UnsupportedOperator.
    """
    chosen = METHODS.get(method)
    options = chosen.checked(options)
    loaded = load(model, wrt=wrt)
    feeds = loaded.feeds(x)
    goal = resolve_target(loaded, target, rows_of(feeds), output)
    result = chosen.function(loaded, feeds, goal, **options)
    skipped = goal.readout.skipped
    notes = [f"{skipped} at the end of the model was skipped: targets are logits"] if skipped else []
    if loaded.named_rules:
        notes.append(f"rules '{loaded.rules.name}': {loaded.rules.about}")
    notes += [note for note in loaded.graph.notes if note.startswith(ONE_BY_ONE)]
    return Attribution(
        maps=result.maps,
        target=goal.chosen(result.logits),
        prediction=result.logits.reshape(len(result.logits), -1).argmax(1),
        logits=result.logits,
        method=method,
        options={**chosen.defaults, **options, **loaded.named_settings},
        delta=result.delta,
        pathways=result.pathways,
        notes=[*notes, *result.notes],
    )
