"""What black-box methods share: what is perturbed, and the target's score of perturbed rows, batched.

These methods only run the model, so they need no gradient rule of any node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from onnxpath.attribution.by_source import by_source
from onnxpath.attribution.registry import Function, Maps, logits_of, method
from onnxpath.errors import InputError, ModelError
from onnxpath.graph.embeddings import embeddings
from onnxpath.graph.ir import is_float, numpy_dtype
from onnxpath.graph.surgery import expose
from onnxpath.pathway.programs import LOGITS, Setup
from onnxpath.progress import track
from onnxpath.runtime.feeds import of_rows, rows_of
from onnxpath.runtime.model import Model
from onnxpath.runtime.session import Array, Session
from onnxpath.runtime.targets import Target

BLACK_BOX: set[str] = set()
"""Names of the methods that only run the model."""

Replace: TypeAlias = Callable[[str, Array, Array, Array], Array]
"""f(name, ks, rows, x) -> values of an input under perturbation ks[i] of row rows[i]; x: those rows, not perturbed."""


def black_box(name: str) -> Callable[[Function], Function]:
    """Decorator that registers a method which only runs the model."""
    BLACK_BOX.add(name)
    return method(name)


@dataclass
class Probe:
    """A model that is asked about perturbed rows.

    names: the inputs that are perturbed; feeds: all inputs, [N, ...]; target: one entry for each row; logits, scores:
    of the rows as they are, [N, ...] and float64 [N]; asked: evaluations of a row so far.
    """

    model: Model
    program: Session
    feeds: Mapping[str, Array]
    names: list[str]
    target: Target
    logits: Array
    scores: Array
    asked: int
    what: str = "perturbation"

    @classmethod
    def of(cls, what: str, model: Model, feeds: Mapping[str, Array], target: Target, floats: bool = False) -> Probe:
        """Run the rows as they are. what: the method's name; floats: perturb float tensors only, never ids."""
        model, feeds, names = _begun(model, feeds, floats)
        program = Setup.of(model, target, layers=()).forward()
        logits = logits_of(model, feeds, target)
        _check_answers(logits, "an input")
        fixed = target.fixed(logits)
        return cls(model, program, feeds, names, fixed, logits, fixed.score(logits), len(logits), what)

    def ask(self, count: int, replace: Replace) -> Iterator[tuple[Array, Array, Array]]:
        """Yield (ks, rows, scores) of perturbations 0 .. count - 1 of every row, a run of the model at a time.

        All rows of one perturbation come before the next one.
        """
        rows = rows_of(self.feeds)
        jobs = np.arange(count * rows)
        size = self.model.rows_per_run(self._perturbed(jobs[:3], rows, replace)) if len(jobs) else 1
        for start in track(range(0, len(jobs), size), self.what):
            part = jobs[start : start + size]
            feeds = self._perturbed(part, rows, replace)
            logits = np.concatenate([self.program.run(p)[LOGITS][: r.stop - r.start] for p, r in _whole(self, feeds)])
            _check_answers(logits, "a perturbed input")
            owners = part % rows
            self.asked += len(part)
            yield part // rows, owners, self._target(owners).score(logits)

    def all_scores(self, count: int, replace: Replace) -> Array:
        """Return the score of every perturbation of every row, float64 [count, N]."""
        found = np.empty((count, rows_of(self.feeds)))
        for ks, rows, scores in self.ask(count, replace):
            found[ks, rows] = scores
        return found

    def baselines(self, given: Any) -> dict[str, Array]:
        """Return the values that replace those of each input, of its shape and dtype; default 0.

        given: a number, an array that broadcasts, a tuple of those in the inputs' order, or a dict by name.
        Raises UnknownName, InputError.
        """
        return {name: self._baseline(name, value) for name, value in self.by_name(given, 0).items()}

    def by_name(self, given: Any, default: Any) -> dict[str, Any]:
        """Return an option's value for each perturbed input: one for all, a tuple in their order, or a dict by name."""
        return by_source(self.names, given, default, "perturbed input")

    def result(self, maps: Mapping[str, Array], *notes: str) -> Maps:
        """Return maps as a method does: in the shape of their inputs, float, with the number of evaluations."""
        typed = {name: np.asarray(maps[name], _map_dtype(self.feeds[name])) for name in self.names}
        return Maps(typed, self.logits, notes=[f"{self.asked:,} evaluations of a row", *notes])

    def _target(self, rows: Array) -> Target:
        return Target(self.target.readout, self.target.kind, self.target.values[rows])

    def _perturbed(self, jobs: Array, rows: int, replace: Replace) -> dict[str, Array]:
        ks, owners = np.divmod(jobs, rows)
        feeds = of_rows(self.feeds, owners)
        for name in self.names:
            feeds[name] = np.ascontiguousarray(replace(name, ks, owners, feeds[name]), self.feeds[name].dtype)
        return feeds

    def _baseline(self, name: str, value: Any) -> Array:
        x = self.feeds[name]
        try:
            given = np.asarray(0 if value is None else value)
            cast = np.broadcast_to(given.astype(x.dtype), x.shape)
        except (ValueError, TypeError) as error:
            raise InputError(f"the baseline does not fit input '{name}' {x.shape}: {error}") from error
        if not np.isfinite(given).all():
            raise InputError(f"the baseline of input '{name}' holds NaN or Inf")
        if x.dtype.kind in "iub" and not np.array_equal(cast, np.broadcast_to(given, x.shape)):
            raise InputError(f"the baseline of input '{name}' must hold what {x.dtype} can hold; give whole numbers")
        return cast


def _whole(probe: Probe, feeds: Mapping[str, Array]) -> Iterator[tuple[Mapping[str, Array], slice]]:
    """One run, filled up where the model has a fixed batch."""
    return iter(probe.model.batches(feeds)) if probe.model.fixed_rows else iter([(feeds, slice(0, rows_of(feeds)))])


def _check_answers(logits: Array, what: str) -> None:
    if not np.isfinite(logits).all():
        raise InputError(f"the model answers {what} with NaN or Inf; check the preprocessing, and the baselines")


def _map_dtype(values: Array) -> np.dtype[Any]:
    return np.promote_types(values.dtype, np.float32) if values.dtype.kind == "f" else np.dtype(np.float32)


def _begun(model: Model, feeds: Mapping[str, Array], floats: bool) -> tuple[Model, Mapping[str, Array], list[str]]:
    """Return the model that begins at what is perturbed, the feeds with its values, and the names.

    Perturbed are the sources; of an embedding the ids that are looked up, unless only floats may be.
    """
    ids = {} if floats else {e.name: e.input for e in embeddings(model.graph)}
    names = _default(model, list(ids.values())) if model.wrt is None and not floats else model.sources
    names = list(dict.fromkeys(ids.get(name, name) for name in names))
    computed = [name for name in names if name not in feeds]
    if not computed:
        return model, feeds, names
    program = model.session(("expose", *computed), lambda: expose(model, computed))
    parts = [{k: v[: r.stop - r.start] for k, v in program.run(p, computed).items()} for p, r in model.batches(feeds)]
    values = {name: np.concatenate([part[name] for part in parts]) for name in computed}
    return model.beginning_at(computed), {**feeds, **values}, names


def _default(model: Model, ids: Sequence[str]) -> list[str]:
    """The float inputs, with all integer ones where these are no ids; of a model without floats the ids.

    Raises ModelError where no input is made of numbers.
    """
    inputs = [t for t in model.graph.inputs if t.shape != []]  # a scalar has no rows
    floats = [t.name for t in inputs if is_float(t)]
    whole = [t.name for t in inputs if not is_float(t) and numpy_dtype(t).kind in "iu"]
    if not (names := (floats or list(ids)) if ids else [t.name for t in inputs if t.name in {*floats, *whole}]):
        raise ModelError("the model has no input made of numbers, so there is nothing to perturb")
    return names
