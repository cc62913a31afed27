"""Reading and writing files: every form a model comes in, and every way that it can be broken."""

import os

import numpy as np
import onnx
import pytest

import onnxpath
from onnxpath.errors import JobError, ModelError, UnsupportedOperator
from onnxpath.graph.canonize import load_graph
from onnxpath.graph.load import read_model, save_model
from tests.models import mlp, parse, run, sample, value_info

X = np.random.default_rng(1).normal(size=(3, 6)).astype(np.float32)


def test_something_else_is_no_model():
    for given in (42, None, np.zeros(3)):
        with pytest.raises(ModelError, match=f"or a ModelProto, not {type(given).__name__}; export it to ONNX first"):
            onnxpath.attribute(given, X)


@pytest.fixture
def external(tmp_path):
    """A folder with model.onnx, whose weights are in weights.bin."""
    onnx.save_model(
        mlp(widths=(6, 64, 5, 3)),
        tmp_path / "model.onnx",
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    return tmp_path


def move_weights(folder, location):
    """Let every initializer of model.onnx name another file."""
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    onnx.save(model, folder / "model.onnx")


def test_path_bytes_and_proto_are_one_model(tmp_path):
    path = tmp_path / "m.onnx"
    onnx.save(mlp(), path)
    expected = run(mlp(), {"x": X})["y"]
    for source in (path, str(path), path.read_bytes(), mlp()):
        np.testing.assert_array_equal(run(load_graph(source).to_model(), {"x": X})["y"], expected)


def test_the_given_proto_is_not_changed():
    model = mlp(opset=13)
    before = model.SerializeToString(deterministic=True)
    onnxpath.gradient_graph(model)
    onnxpath.insert_masks(model)
    assert model.SerializeToString(deterministic=True) == before


def test_external_data_is_loaded_from_any_working_folder(external, monkeypatch, tmp_path_factory):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    expected = run(mlp(widths=(6, 64, 5, 3)), {"x": X})["y"]
    np.testing.assert_array_equal(run(load_graph(external / "model.onnx").to_model(), {"x": X})["y"], expected)


def test_external_data_in_a_folder_below(external):
    (external / "deep").mkdir()
    (external / "weights.bin").rename(external / "deep" / "weights.bin")
    move_weights(external, "deep/weights.bin")
    assert load_graph(external / "model.onnx").nodes


def test_missing_external_data_lists_every_initializer(external):
    (external / "weights.bin").unlink()
    with pytest.raises(ModelError) as error:
        load_graph(external / "model.onnx")
    assert all(f"'{name}'" in str(error.value) for name in ("W0", "b0", "W1", "b1", "W2", "b2"))
    assert "'weights.bin' is missing" in str(error.value)


@pytest.mark.parametrize("location", ["../weights.bin", "deep/../../weights.bin", "absolute"])
def test_external_data_outside_the_folder_is_refused(external, location):
    inside = external / "inside"
    inside.mkdir()
    (external / "model.onnx").rename(inside / "model.onnx")
    move_weights(inside, str(external / "weights.bin") if location == "absolute" else location)
    with pytest.raises(ModelError, match=r"'W0'.*points outside .*\(refused\)"):
        load_graph(inside / "model.onnx")


def test_external_data_behind_a_symbolic_link_is_refused(external):
    inside = external / "inside"
    inside.mkdir()
    (external / "model.onnx").rename(inside / "model.onnx")
    (inside / "weights.bin").symlink_to(external / "weights.bin")
    with pytest.raises(ModelError, match=r"'W0'.*points outside .*\(refused\)"):
        load_graph(inside / "model.onnx")


def test_external_data_that_is_too_short(external):
    data = (external / "weights.bin").read_bytes()
    (external / "weights.bin").write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelError, match=r"takes \d+ bytes, and 'weights.bin' holds \d+ at its place"):
        load_graph(external / "model.onnx")


@pytest.mark.parametrize(
    ("place", "held"),
    [({}, 4096), ({"offset": 4092}, 4), ({"offset": 5000}, 0), ({"length": 20}, 20), ({"length": 1}, 1)],
)
def test_external_data_of_another_size(tmp_path, place, held):
    """A file of any size may lie there: nothing is read that the tensor does not need."""
    model = parse("m (float[n, 4] x) => (float[n, 4] y) { y = Add(x, w) }", w=np.ones(4, np.float32))
    (tensor,) = model.graph.initializer
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": "w.bin", **place}.items():
        tensor.external_data.add(key=key, value=str(value))
    (tmp_path / "w.bin").write_bytes(bytes(4096))
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match=rf"'w': takes 16 bytes, and 'w.bin' holds {held} at its place"):
        read_model(tmp_path / "m.onnx")


@pytest.mark.parametrize("part", ["values", "indices"])
def test_sparse_weights_in_another_file(external, part):
    """ONNX Runtime would read them from the working folder."""
    model = onnx.load(external / "model.onnx", load_external_data=False)
    sparse = model.graph.sparse_initializer.add()
    sparse.values.CopyFrom(onnx.helper.make_tensor("s", onnx.TensorProto.FLOAT, [2], [1.0, 2.0]))
    sparse.indices.CopyFrom(onnx.helper.make_tensor("i", onnx.TensorProto.INT64, [2], [0, 1]))
    sparse.dims.append(4)
    tensor = getattr(sparse, part)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    with pytest.raises(ModelError, match="initializer 's' is sparse and lies in another file, which is not read"):
        read_model(model)


def test_a_file_that_protobuf_cannot_read(tmp_path):
    """3 GB that take no room on the disk: refused before a byte is read."""
    with (tmp_path / "m.onnx").open("wb") as file:
        file.truncate(3 << 30)
    with pytest.raises(ModelError, match="has 3 GiB, and protobuf reads less than 2; save it with its weights"):
        read_model(tmp_path / "m.onnx")


def test_bytes_cannot_name_files_in_the_working_folder(external, monkeypatch):
    monkeypatch.chdir(external)
    data = (external / "model.onnx").read_bytes()
    for source in (data, onnx.load(external / "model.onnx", load_external_data=False)):
        with pytest.raises(ModelError, match=r"'W0'.*give the path"):
            load_graph(source)


def test_broken_files(tmp_path):
    whole = sample("digits_cnn").read_bytes()
    broken = {
        "truncated": whole[: len(whole) // 2],
        "first bytes": whole[:40],
        "picture": b"\x89PNG\r\n\x1a\n" + bytes(100),
        "text": b"this is not a model\n" * 20,
        "empty": b"",
        "without its opset": onnx.ModelProto(graph=onnx.load(sample("digits_cnn")).graph).SerializeToString(),
    }
    for name, data in broken.items():
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(data)
        for source in (path, data):
            with pytest.raises(ModelError, match="export or copy the file again"):
                load_graph(source)


def test_every_cut_of_a_file_is_a_model_error(tmp_path):
    data = mlp().SerializeToString()
    for end in range(0, len(data), 37):
        with pytest.raises(ModelError):
            load_graph(data[:end])


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(ModelError, match=r"none\.onnx' does not exist"):
        load_graph(tmp_path / "none.onnx")
    with pytest.raises(ModelError, match="is a folder, not a file"):
        load_graph(tmp_path)


def test_a_tensor_that_nothing_makes():
    model = parse("m (float[n, 2] x) => (float[n, 2] y, float[n, 2] spirit) { y = Add(x, ghost) }")
    with pytest.raises(ModelError, match=r"'ghost' \(node 'Add'\), 'spirit' \(output\)"):
        load_graph(model)


def test_unknown_operators_are_all_listed():
    nodes = "a = Relu(x); b = Frobnicate(a); c = my.own.Thing(b); y = Frobnicate(c)"
    model = parse(f"m (float[n, 2] x) => (float[n, 2] y) {{ {nodes} }}")
    model.opset_import.add(domain="my.own", version=3)
    with pytest.raises(UnsupportedOperator) as error:
        load_graph(model)
    text = str(error.value)
    assert "2 operators" in text and "Frobnicate (opset 21)" in text and "and 1 more" in text
    assert "my.own::Thing (opset 3)" in text and "Relu" not in text


@pytest.mark.parametrize(("opset", "fits"), [(6, False), (7, True), (26, True), (27, True)])
def test_range_of_opsets(opset, fits):
    model = mlp(opset=opset)
    if fits:
        assert load_graph(model).file_opset == opset
    else:
        with pytest.raises(ModelError, match=rf"opset {opset}; onnxpath reads 7 and newer"):
            load_graph(model)


def test_saving_is_whole_or_not_at_all(tmp_path, monkeypatch):
    target = tmp_path / "new" / "m.onnx"
    save_model(mlp(), target)
    assert read_model(target) == mlp()
    assert [p.name for p in target.parent.iterdir()] == ["m.onnx"]

    def fail(model, path, **options):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(onnx, "save_model", fail)
    with pytest.raises(JobError, match=r"m\.onnx' cannot be written: No space left"):
        save_model(mlp(widths=(6, 3)), target)
    assert [p.name for p in target.parent.iterdir()] == ["m.onnx"]
    assert read_model(target) == mlp()


def test_saving_where_no_folder_can_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(JobError, match="cannot be written"):
        save_model(mlp(), tmp_path / "file" / "m.onnx")


def test_large_models_are_saved_with_external_data(tmp_path, monkeypatch):
    monkeypatch.setattr("onnxpath.graph.load.PROTOBUF_LIMIT", 2**20)
    save_model(mlp(widths=(6, 64, 5, 3)), tmp_path / "m.onnx")
    assert sorted(os.listdir(tmp_path)) == ["m.onnx", "m.onnx.data"]
    np.testing.assert_array_equal(
        run(load_graph(tmp_path / "m.onnx").to_model(), {"x": X})["y"],
        run(mlp(widths=(6, 64, 5, 3)), {"x": X})["y"],
    )


def test_initializers_listed_as_inputs_are_no_inputs():
    model = mlp(opset=8)
    model.graph.input.extend(value_info(t.name, list(t.dims)) for t in model.graph.initializer)
    model.ir_version = 3
    graph = load_graph(model)
    assert [t.name for t in graph.inputs] == ["x"]
    result = graph.to_model()
    assert [v.name for v in result.graph.input] == ["x", "W0", "b0", "W1", "b1", "W2", "b2"]
    model.ir_version = 4  # ONNX Runtime lets initializers be fed from here on
    changed = {"x": X, "b2": np.float32([5, 6, 7])}
    np.testing.assert_allclose(run(result, changed)["y"], run(model, changed)["y"], rtol=1e-6)
