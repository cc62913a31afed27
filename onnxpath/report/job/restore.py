"""Items as a page shows them, from what a run left in its folder: rows, raw arrays, and the inputs themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from onnxpath.arrayfiles import DAMAGED, load_arrays
from onnxpath.batch.explain import Failed, read_inputs
from onnxpath.batch.loaded import Parts
from onnxpath.errors import InputError, JobError
from onnxpath.report.build import map_channel_axis, maps
from onnxpath.report.data import Item
from onnxpath.report.job.prepare import Job

MAP = "map_"
"""Before the name of a method: the array of its map."""


def restored(job: Job, rows: Sequence[tuple[int, Item]], damaged: Callable[[int, object], JobError]) -> list[Item]:
    """Return items, given as (index, what the row says), with the pictures and maps that a page shows.

    Raw arrays are read again, and so are the inputs; one that is gone since has no picture. damaged: makes the error of
    an input whose arrays cannot be used, which is raised.
    """
    inputs = read_inputs(job.model, [job.items[index] for index, _ in rows], job.preprocess)
    axis = map_channel_axis(job.model, job.preprocess)
    for (index, item), read in zip(rows, inputs, strict=True):
        try:
            _add_maps(item, job.out, axis)
        except (*DAMAGED, InputError) as error:
            raise damaged(index, f"its raw arrays '{item.arrays}' cannot be used: {error}") from error
        item.shown = None if isinstance(read, Failed) else read[1].shown
    return [item for _, item in rows]


def _add_maps(item: Item, folder: Path, axis: int | None) -> None:
    path = folder / str(item.arrays)
    named = [(part.name, part.value) for part in item.parts]
    parts = Parts(item.parts_are, *map(tuple, zip(*named, strict=True))) if item.parts_are and named else None
    arrays = load_arrays(path, wanted=lambda name: name.startswith(MAP))
    for shown in item.maps:
        (again,) = maps({shown.method: arrays[f"{MAP}{shown.method}"]}, axis, {}, parts)
        shown.values = again.values
