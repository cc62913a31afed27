"""Weights and declared tensors: other sizes, dtypes, names and values than there are, weights in other files."""

import numpy as np
from onnx import TensorProto, helper

from tests.fuzz.changes.parts import FLOATS, HUGE, INTS, NAMES, pick, some_name


def initializer_dims(rng, model):
    tensor = pick(rng, model.graph.initializer)
    match rng.integers(4):
        case 0:
            tensor.dims.append(int(rng.choice(INTS)))
        case 1 if tensor.dims:
            tensor.dims[int(rng.integers(len(tensor.dims)))] = int(rng.choice(INTS))
        case 2:
            del tensor.dims[:]
        case _:
            # Declared, but nothing is there.
            tensor.ClearField("raw_data")
            tensor.dims[:] = [int(rng.choice(HUGE))] * int(rng.integers(1, 5))


def initializer_dtype(rng, model):
    pick(rng, model.graph.initializer).data_type = int(rng.integers(-1, 30))


def initializer_values(rng, model):
    tensor = pick(rng, model.graph.initializer)
    values = np.frombuffer(tensor.raw_data, np.float32 if len(tensor.raw_data) % 4 == 0 else np.uint8).copy()
    if values.size and values.dtype == np.float32:
        values[rng.random(values.size) < rng.choice([0.01, 1.0])] = rng.choice(FLOATS)
    tensor.raw_data = values.tobytes()


def initializer_cut(rng, model):
    tensor = pick(rng, model.graph.initializer)
    tensor.raw_data = tensor.raw_data[: int(rng.integers(len(tensor.raw_data) + 1))]


def initializer_gone(rng, model):
    index = int(rng.integers(len(model.graph.initializer)))
    del model.graph.initializer[index]


def initializer_twice(rng, model):
    model.graph.initializer.add().CopyFrom(pick(rng, model.graph.initializer))


def initializer_named(rng, model):
    pick(rng, model.graph.initializer).name = some_name(rng, model)


def initializer_elsewhere(rng, model):
    tensor = pick(rng, model.graph.initializer)
    tensor.data_location = TensorProto.EXTERNAL
    places = ("../../outside.bin", "/etc/hostname", "in.bin", "", ".", "\x00", "a" * 5000, "model.onnx", "/dev/zero")
    tensor.external_data.add(key="location", value=str(rng.choice(places)))
    for key in ("offset", "length"):
        if rng.random() < 0.5:
            tensor.external_data.add(key=key, value=str(rng.choice(["-1", "x", "0", str(2**62), "10", "1" * 400])))


def sparse_weights(rng, model):
    sparse = model.graph.sparse_initializer.add()
    sparse.values.CopyFrom(helper.make_tensor(some_name(rng, model), TensorProto.FLOAT, [2], [1.0, 2.0]))
    sparse.indices.CopyFrom(helper.make_tensor("i", TensorProto.INT64, [2], [0, int(rng.choice(INTS[-6:]))]))
    sparse.dims.extend([int(rng.choice(HUGE))] * 2)


def declared_shape(rng, model):
    kind = pick(rng, [*model.graph.input, *model.graph.output, *model.graph.value_info]).type.tensor_type
    if rng.random() < 0.1 or not kind.shape.dim:
        kind.ClearField("shape")
    elif rng.random() < 0.2:
        kind.shape.dim.add(dim_value=int(rng.choice(INTS)))
    else:
        dim = pick(rng, kind.shape.dim)
        if rng.random() < 0.3:
            dim.dim_param = str(rng.choice(NAMES[:8]))
        else:
            dim.dim_value = int(rng.choice(INTS))


def declared_dtype(rng, model):
    pick(rng, [*model.graph.input, *model.graph.output]).type.tensor_type.elem_type = int(rng.integers(-1, 30))


def declared_kind(rng, model):
    value = pick(rng, [*model.graph.input, *model.graph.output])
    value.ClearField("type")
    if rng.random() < 0.7:
        value.type.sequence_type.elem_type.tensor_type.elem_type = 1


def value_named(rng, model):
    pick(rng, [*model.graph.input, *model.graph.output]).name = some_name(rng, model)


CHANGES = (
    *(initializer_dims, initializer_dtype, initializer_values, initializer_cut, initializer_gone),
    *(initializer_twice, initializer_named, initializer_elsewhere, sparse_weights, declared_shape),
    *(declared_dtype, declared_kind, value_named),
)
