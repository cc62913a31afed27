"""Read ONNX models from files, bytes and protos, and write them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import external_data_helper

from onnxpath.errors import JobError, ModelError
from onnxpath.graph.sound import bytes_of, check_sound

PROTOBUF_LIMIT = 2**31 - 1
ROOM = 2**26
"""Left for everything in a model file that is not weights."""


def read_model(source: str | os.PathLike[str] | bytes | onnx.ModelProto) -> onnx.ModelProto:
    """Read a model with all its weights.

    source: path, serialized bytes, or a ModelProto (copied). External data must lie in the folder of the file.
    Raises ModelError: missing, truncated or not ONNX, unsound (`check_sound`), external data missing or outside the
    folder.
    """
    if isinstance(source, onnx.ModelProto):
        model = onnx.ModelProto()
        model.CopyFrom(source)
        return _self_contained(_checked(model, "the given ModelProto"), "the given ModelProto")
    if isinstance(source, bytes):
        return _self_contained(_checked(_parse(source, "the given bytes"), "the given bytes"), "the given bytes")
    if not isinstance(source, str | os.PathLike):
        raise ModelError(
            f"a model is the path of an .onnx file, its bytes or a ModelProto, not {type(source).__name__}; "
            "export it to ONNX first"
        )
    path = Path(source)
    if not path.is_file():
        what = "is a folder, not a file" if path.is_dir() else "does not exist"
        raise ModelError(f"model '{path}' {what}; give the path of an .onnx file")
    if (size := path.stat().st_size) > PROTOBUF_LIMIT:
        raise ModelError(
            f"model '{path}' has {size / 2**30:.4g} GiB, and protobuf reads less than 2; save it with its weights in "
            "another file (external data)"
        )
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"model '{path}' cannot be read: {error.strerror}") from error
    model = _checked(_parse(data, f"'{path}'"), f"'{path}'")
    _load_external_data(model, path)
    return model


def _parse(data: bytes, where: str) -> onnx.ModelProto:
    try:
        model: onnx.ModelProto = onnx.ModelProto.FromString(data)
    except DecodeError as error:
        raise ModelError(
            f"{where} is not an ONNX model or is truncated ({len(data)} bytes); export or copy the file again"
        ) from error
    return model


def _checked(model: onnx.ModelProto, where: str) -> onnx.ModelProto:
    if not model.graph.node or not model.graph.output or not model.opset_import:
        counts = f"{len(model.graph.node)} nodes, {len(model.graph.output)} outputs, {len(model.opset_import)} opsets"
        raise ModelError(
            f"{where} is not a usable ONNX model: it has {counts}, and each must be at least 1; "
            "export or copy the file again"
        )
    graph = model.graph
    weights = [*graph.initializer, *(t.values for t in graph.sparse_initializer)]
    made = {"", *(v.name for v in [*graph.input, *weights]), *(name for node in graph.node for name in node.output)}
    lost = [f"'{name}' (node '{n.name or n.op_type}')" for n in graph.node for name in n.input if name not in made]
    lost += [f"'{value.name}' (output)" for value in graph.output if value.name not in made]
    if lost:
        shown = ", ".join(lost[:10]) + (f" and {len(lost) - 10} more" if len(lost) > 10 else "")
        raise ModelError(f"{where} reads tensors that nothing in it makes: {shown}; export the model again")
    check_sound(model, where)
    return model


def _self_contained(model: onnx.ModelProto, where: str) -> onnx.ModelProto:
    tensors = external_data_helper._get_all_tensors(model)
    outside = [t.name for t in tensors if external_data_helper.uses_external_data(t)]
    if outside:
        names = ", ".join(f"'{name}'" for name in outside[:10]) + (" and more" if len(outside) > 10 else "")
        raise ModelError(
            f"{where} keeps weights in other files ({names}), and does not say in which folder those are; "
            "give the path of the .onnx file"
        )
    return model


def _load_external_data(model: onnx.ModelProto, path: Path) -> None:
    folder = path.parent.resolve()
    problems = []
    for tensor in external_data_helper._get_all_tensors(model):
        if not external_data_helper.uses_external_data(tensor):
            continue
        place = external_data_helper.ExternalDataInfo(tensor)
        if problem := _place_problem(folder, place.location) or _size_problem(folder, place, bytes_of(tensor)):
            problems.append(f"initializer '{tensor.name}': {problem}")
    if problems:
        shown = problems[:10] + ([f"and {len(problems) - 10} more"] if len(problems) > 10 else [])
        raise ModelError(f"the weights of '{path}' cannot be loaded:\n  " + "\n  ".join(shown))
    try:
        external_data_helper.load_external_data_for_model(model, str(folder))
    except (OSError, ValueError, onnx.checker.ValidationError) as error:
        raise ModelError(f"the external weights of '{path}' cannot be read: {error}") from error


def files_of(path: str | os.PathLike[str]) -> list[str]:
    """Return the names, from its folder, of the file of a model that can be read and of those that hold its weights."""
    model = onnx.ModelProto.FromString(Path(path).read_bytes())
    tensors = external_data_helper._get_all_tensors(model)
    outside = {
        external_data_helper.ExternalDataInfo(t).location for t in tensors if external_data_helper.uses_external_data(t)
    }
    return [Path(path).name, *sorted(outside)]


def _place_problem(folder: Path, location: str) -> str:
    try:
        target = (folder / location).resolve()
        if not target.is_relative_to(folder):
            return f"'{location}' points outside the model's folder (refused)"
        return "" if target.is_file() else f"file '{location}' is missing beside the model"
    except (OSError, ValueError) as error:
        # A name that no file can have.
        return f"file {location[:80]!r} cannot be read: {error}"


def _size_problem(folder: Path, place: external_data_helper.ExternalDataInfo, wanted: int) -> str:
    """Say where another number of bytes than the tensor's would be read; without a length, that is the file's rest."""
    there = (folder / place.location).stat().st_size - (place.offset or 0)
    held = there if place.length is None else min(place.length, there)
    return "" if held == wanted else f"takes {wanted} bytes, and '{place.location}' holds {max(0, held)} at its place"


def needs_external_data(model: onnx.ModelProto) -> bool:
    """True where a model would pass protobuf's 2 GB; its own ByteSize serializes everything to find out."""
    weights = sum(len(t.raw_data) or onnx.numpy_helper.to_array(t).nbytes for t in model.graph.initializer)
    return weights > PROTOBUF_LIMIT - ROOM


def save_model(model: onnx.ModelProto, path: str | os.PathLike[str]) -> None:
    """Write a model; weights go to `<name>.data` beside it where the file would pass protobuf's 2 GB.

    The file appears whole or not at all. Raises JobError where the folder cannot be written.
    """
    target = Path(path)
    external = needs_external_data(model)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".onnxpath-") as scratch:
            draft = Path(scratch) / target.name
            onnx.save_model(model, draft, save_as_external_data=external, location=f"{target.name}.data")
            for part in sorted(Path(scratch).iterdir(), reverse=True):
                os.replace(part, target.parent / part.name)
    except OSError as error:
        raise JobError(f"'{target}' cannot be written: {error.strerror or error}") from error
