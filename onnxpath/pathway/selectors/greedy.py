"""Greedy pruning in rounds, each of which scores what is left anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from onnxpath.backward.target import Readout
from onnxpath.errors import InputError, unknown
from onnxpath.pathway.masked_contributions import masked_contributions
from onnxpath.pathway.programs import SCORE, Setup, mask_name
from onnxpath.pathway.select import select
from onnxpath.pathway.selectors.registry import SELECTORS, Scores, drop_prefix, rows_rng, selector
from onnxpath.progress import track
from onnxpath.runtime.session import Array, on_host
from onnxpath.runtime.targets import Target

MOST_ROUNDS = 101
"""Of the released code, whose threshold rises by one percentile in each."""


@selector("greedy")
def greedy(
    setup: Setup,
    feeds: Mapping[str, Array],
    target: Mapping[str, Array],
    rows: slice,
    activity: bool,
    *,
    n_rounds: int = 10,
    variant: str = "strict",
    seed: int = 0,
) -> Scores:
    """Prune in rounds the lowest contributions of the network masked so far (Khakzar et al., CVPR 2021, greedy).

    n_rounds: N; round i prunes the lowest |a · gradient| up to the fraction sparsity · i / N, and pruned stays pruned.
    variant: "strict"; "keep-zero" leaves scores of zero until no positive one remains, then prunes them in the order of
    a draw by seed and row: the published objective, which dead neurons meet; "released", the published code: round i
    keeps every zero score, pruned ones too, and what is above the (i - 1)-th percentile, whatever sparsity is asked
    for. The density is what came out. Raises InputError, UnknownName.
    """
    if variant not in VARIANTS:
        raise unknown("variant of greedy", [variant], VARIANTS)
    if n_rounds < 1:
        raise InputError(f"n_rounds must be at least 1; {n_rounds} was given")
    if variant == "released" and n_rounds > MOST_ROUNDS:
        raise InputError(f"the released variant rises by a percentile a round: n_rounds is at most {MOST_ROUNDS}")
    scores = SELECTORS.get("neuron-mct")(setup, feeds, target, rows, activity)
    ((kind, values),) = target.items()
    fixed = Target(Readout("", "", None), kind, values).fixed(scores.logits).feed(slice(None))
    first = {name: np.abs(on_host(score)) for name, score in scores.signed.items()}
    program, fed = masked_contributions(setup), {**feeds, **fixed}

    def rescore(masks: Mapping[str, Array]) -> dict[str, Array]:
        dtypes = setup.dtypes
        named = {mask_name(layer): masks[layer.name].astype(dtypes[layer.name]) for layer in setup.layers}
        return drop_prefix(program.run({**fed, **named}), SCORE)

    def masks(sparsity: float, scope: str) -> dict[str, Array]:
        cut = VARIANTS[variant](Plan(sparsity, scope, n_rounds, seed, rows.start))
        kept = {name: np.ones(score.shape, bool) for name, score in first.items()}
        for done in track(range(n_rounds), "greedy"):
            kept = cut(rescore(kept) if done else first, kept, done + 1)
        return kept

    return Scores(scores.logits, first, scores.inactive, masks, takes_sparsity=variant != "released")


@dataclass(frozen=True)
class Plan:
    """What the rounds have in common; first_row: the number of the run's first row, which its draws depend on."""

    sparsity: float
    scope: str
    n_rounds: int
    seed: int
    first_row: int

    def up_to(self, done: int) -> float:
        """The fraction that is pruned after so many rounds."""
        return self.sparsity * done / self.n_rounds


Cut: TypeAlias = Callable[[dict[str, Array], dict[str, Array], int], dict[str, Array]]
"""f(scores, what is kept so far, which round, from 1) -> what is kept after it."""


def _strict(plan: Plan) -> Cut:
    def cut(scores: dict[str, Array], kept: dict[str, Array], done: int) -> dict[str, Array]:
        above = select(scores, plan.up_to(done), plan.scope)
        return {name: kept[name] & above[name] for name in kept}

    return cut


def _keep_zero(plan: Plan) -> Cut:
    orders: dict[str, Array] = {}

    def cut(scores: dict[str, Array], kept: dict[str, Array], done: int) -> dict[str, Array]:
        orders.update(orders or _draws(scores, plan))
        largest = _per_row(scores, lambda pooled: np.maximum(pooled.max(1), np.finfo(pooled.dtype).tiny))
        ranked = {}
        for name, score in scores.items():
            share = score / largest.reshape(-1, *[1] * (score.ndim - 1))
            # Positive scores lie in (0, 1], what is kept at zero above them, what is pruned at zero.
            ranked[name] = np.where(kept[name], np.where(score > 0, share, 1 + orders[name]), 0)
        above = select(ranked, plan.up_to(done), plan.scope)
        return {name: kept[name] & above[name] for name in kept}

    return cut


def _released(plan: Plan) -> Cut:
    def cut(scores: dict[str, Array], kept: dict[str, Array], done: int) -> dict[str, Array]:
        def threshold(pooled: Array) -> Array:
            filled = np.where(pooled > 0, pooled, pooled.max(1, keepdims=True))
            return np.asarray(np.percentile(filled, done - 1, axis=1))

        tau = _per_row(scores, threshold)
        return {name: (s <= 0) | (s > tau.reshape(-1, *[1] * (s.ndim - 1))) for name, s in scores.items()}

    return cut


VARIANTS: dict[str, Callable[[Plan], Cut]] = {"strict": _strict, "keep-zero": _keep_zero, "released": _released}


def _per_row(scores: Mapping[str, Array], reduce: Callable[[Array], Array]) -> Array:
    """Return one number per row from the scores of all layers pooled, [n, neurons]."""
    return reduce(np.concatenate([s.reshape(len(s), -1) for s in scores.values()], axis=1))


def _draws(scores: Mapping[str, Array], plan: Plan) -> dict[str, Array]:
    """Return uniform draws in (0, 1], the same in every round, of the scores' dtype."""
    count = len(next(iter(scores.values())))
    rngs = [rows_rng(plan.seed, plan.first_row + row, "greedy") for row in range(count)]
    return {name: np.stack([1 - rng.random(s.shape[1:]) for rng in rngs]).astype(s.dtype) for name, s in scores.items()}
