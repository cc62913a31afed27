"""Any method under Gaussian noise on the input: its mean, its mean square, its variance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from onnxpath.attribution.noise import deviations, noisy, samples
from onnxpath.attribution.registry import METHODS, Maps, begun_at_sources, logits_of, method, wide
from onnxpath.errors import InputError
from onnxpath.options import Options
from onnxpath.progress import track
from onnxpath.runtime.model import Model
from onnxpath.runtime.session import Array
from onnxpath.runtime.targets import Target

TUNNELS = ("smoothgrad", "smoothgrad-squared", "vargrad")


def check_base(own: Options, options: Mapping[str, Any], further: Mapping[str, Any]) -> None:
    """Check the method that a noise method calls, and its options. Raises UnknownName, InputError."""
    base = options["base"]
    if base in TUNNELS:
        raise InputError(f"the base of a noise method is a method without noise of its own, not '{base}'")
    METHODS.get(base).checked(further, own)


@dataclass(frozen=True)
class Moments:
    """Means over the samples, float64 by name of the map, the maps' dtype, and the logits of the rows without noise."""

    mean: dict[str, Array]
    square: dict[str, Array]
    dtype: np.dtype[Any]
    logits: Array
    notes: list[str]

    def maps(self, values: Mapping[str, Array]) -> Maps:
        """Return values as a method does."""
        return Maps({name: value.astype(self.dtype) for name, value in values.items()}, self.logits, notes=self.notes)


@method("smoothgrad", check_further=check_base)
def smoothgrad(
    model: Model,
    feeds: Mapping[str, Array],
    target: Target,
    *,
    base: str = "gradient",
    n_samples: int = 25,
    stdevs: Any = None,
    seed: int = 0,
    **options: Any,
) -> Maps:
    """Return the mean map of a method under Gaussian noise on the input (Smilkov et al., 2017).

    base: the method, options: its options; n_samples: draws, the same for all rows; stdevs: standard deviation of the
    noise in the input's units, a number or a dict by name, default 0.15 of each row's range; seed: of the draws. The
    target is that of the row without noise. Raises UnknownName, InputError, and what the method raises.
    """
    found = moments(model, feeds, target, base, n_samples, stdevs, seed, options)
    return found.maps(found.mean)


@method("smoothgrad-squared", check_further=check_base)
def smoothgrad_squared(
    model: Model,
    feeds: Mapping[str, Array],
    target: Target,
    *,
    base: str = "gradient",
    n_samples: int = 25,
    stdevs: Any = None,
    seed: int = 0,
    **options: Any,
) -> Maps:
    """Return the mean square of a method's map under Gaussian noise on the input (Hooker et al., 2019).

    base, n_samples, stdevs, seed, options: as of smoothgrad. Raises as it does.
    """
    found = moments(model, feeds, target, base, n_samples, stdevs, seed, options)
    return found.maps(found.square)


@method("vargrad", check_further=check_base)
def vargrad(
    model: Model,
    feeds: Mapping[str, Array],
    target: Target,
    *,
    base: str = "gradient",
    n_samples: int = 25,
    stdevs: Any = None,
    seed: int = 0,
    **options: Any,
) -> Maps:
    """Return the variance of a method's map under Gaussian noise on the input (Adebayo et al., 2018).

    base, n_samples, stdevs, seed, options: as of smoothgrad; the variance is over n_samples, not one less. Raises as it
    does.
    """
    found = moments(model, feeds, target, base, n_samples, stdevs, seed, options)
    return found.maps({k: np.maximum(found.square[k] - mean * mean, 0) for k, mean in found.mean.items()})


def moments(
    model: Model,
    feeds: Mapping[str, Array],
    target: Target,
    base: str,
    n_samples: int,
    stdevs: Any,
    seed: int,
    options: Mapping[str, Any],
) -> Moments:
    """Return means over the noise; maps are added up as they come, so memory does not grow with the samples."""
    chosen = METHODS.get(base)
    model, feeds = begun_at_sources(model, feeds, target)
    spread = deviations(model, feeds, stdevs)
    logits = logits_of(model, feeds, target)
    fixed, rng = target.fixed(logits), np.random.default_rng(seed)
    sums: dict[str, Array] = {}
    squares: dict[str, Array] = {}
    notes: dict[str, None] = {}
    for _ in track(samples(n_samples), base):
        result = chosen.function(model, {**feeds, **noisy(rng, feeds, spread)}, fixed, **options)
        for name, values in result.maps.items():
            exact = values.astype(np.float64)
            sums[name] = sums.get(name, 0) + exact
            squares[name] = squares.get(name, 0) + exact * exact
        notes |= dict.fromkeys(result.notes)
    means, squared = ({k: v / n_samples for k, v in table.items()} for table in (sums, squares))
    dtype = np.result_type(*(wide(values) for values in result.maps.values()))
    return Moments(means, squared, dtype, logits, list(notes))
