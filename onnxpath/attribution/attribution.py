"""Attribution: what a method returns."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxpath.errors import InputError, unknown
from onnxpath.files import save_npz, write_bytes
from onnxpath.runtime.session import Array
from onnxpath.shown import Shown

if TYPE_CHECKING:
    from onnxpath.pathway.pathway import Pathway


@dataclass(frozen=True, repr=False)
class Attribution(Shown):
    """Attribution of a batch.

    maps: name of an input or embedding -> array of its shape, sign kept; class activation maps and those of rise have
    one channel for all; target: int64 [N] explained entry, -1 under a cotangent; prediction: int64 [N] largest entry of
    the unmasked network; logits: [N, ...] of it; delta: [N] convergence delta where the method has one (sum of the map
    minus what it should sum to); pathways: of pathway methods, one per row; notes: what the user should know ("Softmax
    at the end skipped").
    """

    maps: Mapping[str, Array]
    target: Array
    prediction: Array
    logits: Array
    method: str
    options: Mapping[str, Any]
    delta: Array | None = None
    pathways: list[Pathway] | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def values(self) -> Any:
        """The map like `x`: an array for a model with one float input, else a dict by input name."""
        return _like_input(self.maps)

    @property
    def positive(self) -> Any:
        """What of the map speaks for the target, zero elsewhere; like `values`."""
        return _like_input({name: np.maximum(values, 0.0) for name, values in self.maps.items()})

    @property
    def negative(self) -> Any:
        """What of the map speaks against the target, zero elsewhere; `positive` and `negative` sum to `values`."""
        return _like_input({name: np.minimum(values, 0.0) for name, values in self.maps.items()})

    def to_image(self, row: int = 0, channel_axis: int = 0, input: str | None = None) -> Array:
        """Return one row's map summed over channels and scaled to [-1, 1] by its largest magnitude, float [H, W].

        channel_axis: of the row without the batch axis (0 for channels first, -1 for last); input: whose
        map, default the first. Raises InputError unless rows have three axes, UnknownName.
        """
        if input is not None and input not in self.maps:
            raise unknown("input with a map", [input], self.maps)
        values = self.maps[input] if input is not None else next(iter(self.maps.values()))
        if values.ndim != 4:
            raise InputError(f"an image needs rows of three axes; these have {values.ndim - 1}. Use `.values`")
        summed: Array = values[row].sum(channel_axis)
        largest = np.abs(summed).max()
        return summed / largest if largest else summed

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write maps, target, prediction and logits as .npz, and method and options as JSON beside it."""
        arrays: dict[str, Array] = {f"map_{name}": value for name, value in self.maps.items()}
        arrays |= {"target": self.target, "prediction": self.prediction, "logits": self.logits}
        if self.delta is not None:
            arrays["delta"] = self.delta
        about = {"method": self.method, "options": dict(self.options), "inputs": list(self.maps), "notes": self.notes}
        save_npz(Path(path), arrays)
        write_bytes(Path(path).with_suffix(".json"), json.dumps(about, indent=2, default=str).encode())


def _like_input(maps: Mapping[str, Array]) -> Any:
    return next(iter(maps.values())) if len(maps) == 1 else dict(maps)
