"""Hugging Face's preprocessor_config.json as the keys of a preprocess file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NAME = "preprocessor_config.json"

KNOWN = (
    *("do_resize", "size", "resample", "do_center_crop", "crop_size", "do_rescale", "rescale_factor"),
    *("do_normalize", "image_mean", "image_std", "do_convert_rgb", "do_flip_channel_order", "data_format"),
)
SAYS_NOTHING = ("image_processor_type", "feature_extractor_type", "processor_class", "_valid_processor_keys")
BILINEAR = 2
RESAMPLES = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}


def is_processor(given: Mapping[str, Any]) -> bool:
    """Return whether a mapping is an image processor's configuration and no preprocess file of onnxpath."""
    return any(key in given for key in (*SAYS_NOTHING, "do_resize", "do_normalize", "do_rescale", "image_mean"))


def from_processor(given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the keys of Preprocess that do the same, and one line per setting that they cannot do.

    Order and arithmetic are those of the library's image processors: RGB, resize, crop around the centre, times
    `rescale_factor`, minus `image_mean`, over `image_std`. Only bilinear resampling is done.
    """
    problems = [
        f"{key}: {value!r} is not supported"
        for key, value in given.items()
        if key not in KNOWN and key not in SAYS_NOTHING and value not in (None, False)
    ]
    if given.get("data_format") not in (None, "channels_first", "FIRST"):
        problems.append(f"data_format: {given['data_format']!r} is not supported, only channels_first")
    made: dict[str, Any] = {"color": "BGR"} if given.get("do_flip_channel_order") else {}
    for part in (_resize, _crop, _arithmetic):
        try:
            made |= part(given)
        except ValueError as error:
            problems.append(str(error))
    return made, problems


def _resize(given: Mapping[str, Any]) -> dict[str, Any]:
    if not given.get("do_resize", "size" in given):
        return {}
    resample = given.get("resample")
    if resample != BILINEAR:
        name = RESAMPLES.get(resample, resample) if isinstance(resample, int) else resample
        said = "is not given, and its default differs from processor to processor" if resample is None else f"is {name}"
        raise ValueError(f"resample: {said}; only bilinear (2) is supported")
    size = given.get("size")
    if isinstance(size, Mapping) and set(size) == {"shortest_edge"}:
        return {"resize": size["shortest_edge"]}
    return {"resize": _sides("size", size, "a square, or the length of the shorter side")}


def _crop(given: Mapping[str, Any]) -> dict[str, Any]:
    if not given.get("do_center_crop", False):
        return {}
    size = given.get("crop_size")
    return {"crop": size if isinstance(size, int) else _sides("crop_size", size, "")}


def _arithmetic(given: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if given.get("do_rescale", True):
        made["scale"] = given.get("rescale_factor", 1 / 255)
    if given.get("do_normalize", "image_mean" in given):
        if missing := [key for key in ("image_mean", "image_std") if key not in given]:
            raise ValueError(f"do_normalize: {' and '.join(missing)} must be given with it")
        made |= {"mean": given["image_mean"], "std": given["image_std"]}
    return made


def _sides(key: str, size: Any, either: str) -> list[Any]:
    if isinstance(size, Mapping) and set(size) == {"height", "width"}:
        return [size["height"], size["width"]]
    if isinstance(size, int) and either:
        raise ValueError(f"{key}: {size} may be {either}; write {{'height': ..., 'width': ...}} or 'shortest_edge'")
    raise ValueError(f"{key}: {size!r} is not supported, only height with width" + ", or shortest_edge" * bool(either))
