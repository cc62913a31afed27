"""PruneGrad and PruneInt: prune for one input, then find what perturbation the pruned network answers most."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from onnxpath.attribution.methods.pathway_gradient import pathway_gradient, searched
from onnxpath.attribution.registry import Maps, begun_at_sources, gather, method, wide
from onnxpath.errors import InputError, unknown
from onnxpath.pathway.programs import GRAD, Setup
from onnxpath.pathway.selectors.registry import drop_prefix
from onnxpath.pathway.trace import Trace, trace
from onnxpath.progress import track
from onnxpath.runtime.model import Model
from onnxpath.runtime.session import Array
from onnxpath.runtime.targets import Target


@dataclass(frozen=True)
class Pruning:
    """What is pruned, as in `trace`; options: the selector's."""

    selector: str
    sparsity: float | str
    scope: str
    activity: bool
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Ascent:
    """Projected gradient ascent from zero in an L2 ball; radius and step in units of the model's input."""

    radius: float
    step: float
    n_iterations: int


@method("prunegrad")
def prunegrad(
    model: Model,
    feeds: Mapping[str, Array],
    target: Target,
    *,
    sparsity: float | str = 0.9,
    scope: str = "global",
    perturbation: str = "gradient",
    radius: float = 500.0,
    step: float = 25.0,
    n_iterations: int = 50,
    activity: bool = False,
) -> Maps:
    """Return the perturbation that the network pruned by neuron-mct answers most (Khakzar et al., 2019, PruneGrad).

    sparsity, scope, activity: of the pruning, as in pathway-gradient; perturbation: "gradient", the first-order
    optimum, which is the pathway gradient, or "pgd", projected gradient ascent of the target's logit from zero within
    an L2 ball around each input (all of its sources together): radius, and n_iterations steps of length `step`, all in
    units of the model's input, after preprocessing. Raises InputError, UnknownName.
    """
    pruning = Pruning("neuron-mct", sparsity, scope, activity, {})
    return _perturbed(model, feeds, target, perturbation, pruning, Ascent(radius, step, n_iterations))


@method("pruneint")
def pruneint(
    model: Model,
    feeds: Mapping[str, Array],
    target: Target,
    *,
    sparsity: float | str = 0.9,
    scope: str = "global",
    perturbation: str = "gradient",
    radius: float = 500.0,
    step: float = 25.0,
    n_iterations: int = 50,
    activity: bool = False,
    n_steps: int = 10,
    quadrature: str = "midpoint",
) -> Maps:
    """Return the perturbation that the network pruned by neuron-intgrad answers most (Khakzar et al., 2019, PruneInt).

    n_steps, quadrature: of neuron-intgrad; everything else as in prunegrad.
    """
    pruning = Pruning("neuron-intgrad", sparsity, scope, activity, {"n_steps": n_steps, "quadrature": quadrature})
    return _perturbed(model, feeds, target, perturbation, pruning, Ascent(radius, step, n_iterations))


def _perturbed(
    model: Model, feeds: Mapping[str, Array], target: Target, perturbation: str, pruning: Pruning, ascent: Ascent
) -> Maps:
    if perturbation not in PERTURBATIONS:
        raise unknown("perturbation", [perturbation], PERTURBATIONS)
    return PERTURBATIONS[perturbation](model, feeds, target, pruning, ascent)


def _first_order(model: Model, feeds: Mapping[str, Array], target: Target, pruning: Pruning, ascent: Ascent) -> Maps:
    how = {"selector": pruning.selector, "sparsity": pruning.sparsity, "scope": pruning.scope}
    return pathway_gradient(model, feeds, target, activity=pruning.activity, **how, **pruning.options)


def _pgd(model: Model, feeds: Mapping[str, Array], target: Target, pruning: Pruning, ascent: Ascent) -> Maps:
    if not (ascent.radius > 0 and ascent.step > 0 and ascent.n_iterations >= 1):
        raise InputError(f"an ascent needs a radius and a step above 0 and an iteration at least; {ascent} was given")
    model, feeds = begun_at_sources(model, feeds, target)
    setup = Setup.of(model, target)
    how = (pruning.selector, pruning.sparsity, pruning.scope, True, pruning.activity, pruning.options)
    runs = trace(model, feeds, target, *how)
    moved, logits, pathways = [], [], []
    for run in runs:
        moved.append(_climbed(setup, run, ascent))
        logits.append(run.logits)
        pathways += run.pathways
    note = (
        f"projected gradient ascent in the pruned network: {ascent.n_iterations} steps of {ascent.step:g} within "
        f"{ascent.radius:g} of the input (L2, in units of the model's input)"
    )
    notes = [*searched(pruning.sparsity, pathways), note]
    return Maps(gather(moved), np.concatenate(logits), pathways=pathways, notes=notes)


def _climbed(setup: Setup, run: Trace, ascent: Ascent) -> dict[str, Array]:
    """Return each source's perturbation after all steps, of the rows that were asked for."""
    program = setup.masked(True)
    start = {name: wide(run.fed[name]) for name in setup.model.sources}
    moved = {name: np.zeros_like(x) for name, x in start.items()}
    for _ in track(range(ascent.n_iterations), "pgd"):
        at = {name: (start[name] + moved[name]).astype(run.fed[name].dtype) for name in start}
        gradient = {k: wide(v) for k, v in drop_prefix(program.run({**run.fed, **at}), GRAD).items()}
        pace = ascent.step / np.maximum(_norm(gradient), np.finfo(np.float64).tiny)
        moved = {name: m + _per_row(pace, gradient[name]) * gradient[name] for name, m in moved.items()}
        back = np.minimum(1, ascent.radius / np.maximum(_norm(moved), np.finfo(np.float64).tiny))
        moved = {name: (m * _per_row(back, m)).astype(m.dtype) for name, m in moved.items()}
    return {name: m[: len(run.logits)].astype(start[name].dtype) for name, m in moved.items()}


def _norm(values: Mapping[str, Array]) -> Array:
    """Return the L2 norm of each row over all sources, float64 [n]."""
    squares = [np.square(v.reshape(len(v), -1), dtype=np.float64).sum(1) for v in values.values()]
    return np.asarray(np.sqrt(sum(squares)))


def _per_row(numbers: Array, like: Array) -> Array:
    return numbers.reshape(-1, *[1] * (like.ndim - 1))


PERTURBATIONS: dict[str, Callable[..., Maps]] = {"gradient": _first_order, "pgd": _pgd}
