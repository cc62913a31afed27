"""Parquet files as inputs: the same as the data in other files, a group at a time, and everything that can be wrong."""

import json
import sys

import numpy as np
import pytest

import onnxpath
from onnxpath.batch import rowgroups
from onnxpath.batch.boxes import boxes_of
from onnxpath.batch.explain import Failed, read_inputs
from onnxpath.batch.fit import wanted_inputs
from onnxpath.batch.inputs import find_files, find_inputs, is_picture, label_of
from onnxpath.batch.preprocess import Preprocess, load_preprocess
from onnxpath.errors import InputError
from tests.cli.program import CNN, IMAGES, PREPROCESS, refused, run
from tests.models import mlp

pa = pytest.importorskip("pyarrow", reason="not installed: pyarrow")
from pyarrow import parquet  # noqa: E402

FILES = sorted(IMAGES.glob("*.png"))
NAMES = list("abcdef")


def write(path, columns, rows_of_a_group=4, **options):
    """Write columns, an Arrow table or arrays by name, in small row groups."""
    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    parquet.write_table(table, path, row_group_size=rows_of_a_group, **options)
    return path


def pictures(kind="struct"):
    """The column of the sample pictures."""
    data = [file.read_bytes() for file in FILES]
    if kind == "struct":
        return pa.array([{"bytes": one, "path": file.name} for one, file in zip(data, FILES, strict=True)])
    return pa.array(data, kind)


def read_all(model, paths, preprocess):
    wanted = wanted_inputs(model)
    return list(read_inputs(model, find_inputs(paths, wanted.rank, wanted), preprocess))


def arrays_of(read):
    return np.stack([loaded.array for _, loaded in read])


@pytest.fixture(scope="module")
def cnn():
    return onnxpath.load(CNN)


@pytest.fixture(scope="module")
def perceptron():
    return onnxpath.load(mlp())


@pytest.mark.parametrize("kind", ["struct", pa.binary(), pa.large_binary(), pa.binary_view()], ids=str)
def test_pictures_are_those_of_the_files(tmp_path, cnn, kind):
    preprocess = load_preprocess(PREPROCESS)
    labels = [row % 3 for row in range(len(FILES))]
    path = write(tmp_path / "t.parquet", {"image": pictures(kind), "label": labels, "caption": NAMES * 2})
    found, plain = read_all(cnn, [path], preprocess), read_all(cnn, FILES, preprocess)
    assert [item.name for item, _ in found] == [f"t.parquet[{row}]" for row in range(12)]
    assert [item.label for item, _ in found] == labels
    np.testing.assert_array_equal(arrays_of(found), arrays_of(plain))
    np.testing.assert_array_equal(
        np.stack([loaded.shown for _, loaded in found]), np.stack([loaded.shown for _, loaded in plain])
    )
    assert is_picture(found[0][0], 4)


@pytest.mark.parametrize(
    "kind", [pa.float64(), pa.float32(), pa.float16(), pa.int64(), pa.uint8(), pa.bool_()], ids=str
)
def test_rows_of_numbers_are_those_of_a_csv(tmp_path, perceptron, kind):
    values = np.random.default_rng(0).normal(0, 1e3, (9, 6))
    if not pa.types.is_floating(kind):
        values = (values > 0).astype(int) if pa.types.is_boolean(kind) else np.abs(values).astype(np.uint8)
    columns = {
        name: pa.array(column.tolist(), pa.float64()).cast(kind) for name, column in zip(NAMES, values.T, strict=True)
    }
    columns["label"] = pa.array(["dog", "3", None] * 3).dictionary_encode()
    path = write(tmp_path / "t.parquet", columns)
    read = pa.table(columns).to_pydict()
    lines = [
        ",".join("" if v is None else v if isinstance(v, str) else repr(float(v)) for v in row)
        for row in zip(*read.values(), strict=True)
    ]
    (tmp_path / "t.csv").write_text("\n".join([",".join(columns), *lines]))
    found, plain = (read_all(perceptron, [tmp_path / name], Preprocess()) for name in ("t.parquet", "t.csv"))
    np.testing.assert_array_equal(arrays_of(found), arrays_of(plain))
    assert [loaded.parts for _, loaded in found] == [loaded.parts for _, loaded in plain]
    assert [label_of(item, ["cat", "Dog"]) for item, _ in found] == [
        label_of(item, ["cat", "Dog"]) for item, _ in plain
    ]
    assert path.stat().st_size and found[0][0].label == "dog" and found[1][0].label == 3


def test_a_manifest_is_that_of_a_csv(tmp_path):
    for file in FILES[:3]:
        (tmp_path / file.name).write_bytes(file.read_bytes())
    names = [file.name for file in FILES[:3]]
    columns = {"path": names, "label": ["dog", "3", None], "target": pa.array([None, 7, 0], pa.int64())}
    write(tmp_path / "m.parquet", columns, 2)
    (tmp_path / "m.csv").write_text("path,label,target\n{},dog,\n{},3,7\n{},,0\n".format(*names))
    assert find_inputs([tmp_path / "m.parquet"], 4) == find_inputs([tmp_path / "m.csv"], 4)
    write(tmp_path / "m.parquet", {"path": [names[0], None, names[0]], "target": [1, 2, -1]})
    with pytest.raises(InputError) as told:
        find_files([tmp_path / "m.parquet"])
    assert "row 1: 'path' must name a file, not None" in str(told.value)
    assert f"row 2: '{names[0]}' stands on row 0 already" in str(told.value)


def test_names_of_classes_that_the_datasets_keep(tmp_path, cnn):
    names = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    table = pa.table({"image": pictures(), "label": [row % 2 for row in range(12)]})
    for metadata, wanted in [(json.dumps(names), (1, "dog")), ("[" * 100_000, (1, "1")), ('{"info": 3}', (1, "1"))]:
        path = write(tmp_path / "t.parquet", table.replace_schema_metadata({"huggingface": metadata}))
        assert label_of(read_all(cnn, [path], load_preprocess(PREPROCESS))[1][0], None) == wanted


def test_one_group_is_in_memory_and_read_once(tmp_path, cnn, monkeypatch):
    path = write(tmp_path / "t.parquet", {"image": pictures(), "label": [1] * 12})
    monkeypatch.setattr("onnxpath.batch.explain.READERS", 1)
    rowgroups._group.cache_clear()
    read_all(cnn, [path], load_preprocess(PREPROCESS))
    assert rowgroups._group.cache_info()[1:] == (3, 1, 1)
    # Any row by itself, as a run that goes on asks for it.
    groups = rowgroups.open_groups(path)
    assert [groups.row(row, ("image",))["image"] for row in (11, 0, 5)] == [
        FILES[row].read_bytes() for row in (11, 0, 5)
    ]


def test_boxes_go_through_the_preprocessing(tmp_path, cnn):
    path = write(tmp_path / "t.parquet", {"image": pictures()})
    item = find_inputs([path], 4, wanted_inputs(cnn))[2]
    file = find_inputs([FILES[2]], 4)[0]
    preprocess, box = Preprocess(resize=32, crop=24), [(2.0, 3.0, 9.0, 11.0)]
    moved = boxes_of(file, {file.name: box}, preprocess)
    assert not np.array_equal(moved, box)
    np.testing.assert_array_equal(boxes_of(item, {item.name: box}, preprocess), moved)


def complaints(path, model):
    return [read.error for read in read_all(model, [path], load_preprocess(PREPROCESS)) if isinstance(read, Failed)]


def test_rows_that_cannot_be_read_fail_alone(tmp_path, cnn, perceptron):
    column = [{"bytes": None, "path": "/etc/passwd"}, None, {"bytes": b"GIF89a", "path": None}]
    column.append({"bytes": FILES[0].read_bytes(), "path": None})
    none, empty, gif = complaints(write(tmp_path / "t.parquet", {"image": pa.array(column)}), cnn)
    assert (
        none.startswith("file t.parquet, row 0: 'image' holds no bytes, and no path is followed") and "row 1" in empty
    )
    assert gif == (
        "image t.parquet[2] cannot be read: cannot identify image file t.parquet[2]; "
        "is it a whole png, jpg, webp or bmp file?"
    )
    columns = {name: [1.0, None, np.nan, np.inf] if name in "bc" else [1.0] * 4 for name in NAMES}
    assert complaints(write(tmp_path / "t.parquet", columns), perceptron) == [
        "table t.parquet, row 1: column 'b' is empty; column 'c' is empty",
        *(
            f"table t.parquet, row {row}: column 'b' is {what}, which no result can be computed from; "
            f"column 'c' is {what}, which no result can be computed from"
            for row, what in [(2, "nan"), (3, "inf")]
        ),
    ]


ONES = {name: [1.0, 2.0] for name in NAMES}
WRONG = {
    "too few": ({"a": [1.0], "b": [2]}, "it has 2 columns of features (a, b), model input 'x' wants 6"),
    "text": ({**ONES, "b": ["1", "2"]}, "column 'b' is text, not numbers"),
    "lists": ({**ONES, "b": [[1], [2]]}, "column 'b' is list<element: int64>, not numbers"),
    "decimals": (
        {**ONES, "b": pa.array([1, 2]).cast(pa.decimal128(20))},
        "column 'b' is decimal128(20, 0), not numbers",
    ),
    "label": ({**ONES, "label": [1.0, None]}, "column 'label' is numbers, and classes are given by index or name"),
    "no rows": ({name: pa.array([], pa.float32()) for name in NAMES}, "there are no rows"),
    "no columns": ({}, "there are no rows"),
    "twice": (pa.table([[1.0], [2.0]], names=["a", "a"]), "has a column 'a' 2 times"),
}


@pytest.mark.parametrize(("columns", "expected"), WRONG.values(), ids=WRONG)
def test_wrong_columns(tmp_path, perceptron, columns, expected):
    (told,) = complaints(write(tmp_path / "t.parquet", columns), perceptron)
    assert expected in told and "t.parquet" in told


def test_what_is_no_picture(tmp_path, cnn):
    for image in ([[1, 2]], ["x.png"], [{"path": "x.png"}]):
        (told,) = complaints(write(tmp_path / "t.parquet", {"image": image}), cnn)
        assert "not numbers" in told and "pictures are read from a column 'image' that holds their bytes" in told


def test_damaged_files_are_told_by_name(tmp_path, cnn):
    path = write(tmp_path / "t.parquet", {"image": pictures(), "label": [1] * 12})
    whole = path.read_bytes()
    for data in (b"", b"PAR1", whole[:-100], b"x" * 500):
        path.write_bytes(data)
        (told,) = complaints(path, cnn)
        assert told.startswith("file t.parquet cannot be read: ") and "\n" not in told
    # A whole footer, and pages of rubbish in two of three groups: their rows fail.
    path.write_bytes(whole[:4] + b"\xff" * 3000 + whole[3004:])
    told = complaints(path, cnn)
    assert len(told) == 8 and all("t.parquet" in one for one in told), told
    path.write_bytes(whole)
    items = find_inputs([path], 4, wanted_inputs(cnn))
    write(path, {"image": pictures().slice(0, 2)})
    read = list(read_inputs(cnn, items, load_preprocess(PREPROCESS)))
    assert [r.error for r in read[2:]] == ["file t.parquet has 2 rows now; it was changed during the run"] * 10


def varint(value, length=0):
    """A whole number as Thrift writes it, filled up to a length."""
    digits, value = [], 2 * value
    while value or len(digits) < length:
        digits.append(value & 127)
        value >>= 7
    return bytes([*(digit | 128 for digit in digits[:-1]), digits[-1]])


def test_limits_hold_before_anything_is_unpacked(tmp_path, cnn, perceptron, monkeypatch):
    filled = [file.read_bytes() + np.random.default_rng(0).bytes(2_000) for file in FILES[:3]]
    path = write(tmp_path / "t.parquet", {"image": filled})
    assert not complaints(path, cnn)
    monkeypatch.setenv("ONNXPATH_MAX_ARRAY_BYTES", "5000")
    rowgroups._group.cache_clear()
    said = parquet.ParquetFile(path).metadata.row_group(0).total_byte_size
    told = complaints(path, cnn)
    assert len(told) == 3 and told[0] == (
        f"row group 0 of t.parquet takes {said + 3 * 8} bytes in memory, and at most 5000 are taken; write smaller "
        "files or row groups, or set the environment variable ONNXPATH_MAX_ARRAY_BYTES"
    )
    # A footer that says less than there is.
    path.write_bytes(path.read_bytes().replace(varint(said), varint(1000, len(varint(said)))))
    assert complaints(path, cnn)[0].startswith("row group 0 of t.parquet takes ")
    write(path, {name: np.zeros(1_000) for name in NAMES}, 2_000)
    (told,) = complaints(path, perceptron)
    assert told.startswith("the list of the 1000 rows of t.parquet takes 512000 bytes in memory, and at most 5000")


def test_a_value_that_is_repeated_is_held_once(tmp_path):
    one = np.random.default_rng(0).bytes(1 << 16)
    path = write(tmp_path / "t.parquet", {"image": [{"bytes": one}] * 400, "label": [one.hex()] * 400}, 400)
    assert path.stat().st_size < 1 << 20
    groups = rowgroups.open_groups(path)
    assert groups.row(399, ("image", "label")) == {"image": one, "label": one.hex()}
    leaves = ("image.bytes", "label")
    assert rowgroups._group(path, groups.stamp, 0, leaves, leaves).nbytes < 1 << 20


def test_without_the_package(tmp_path, monkeypatch):
    path = write(tmp_path / "t.parquet", {"image": pictures()})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    # Before the other input is explained.
    told = refused(tmp_path / "out", "report", CNN, FILES[0], path, "--preprocess", PREPROCESS)
    assert "reading t.parquet needs the package pyarrow: pip install 'onnxpath[parquet]'" in told


def test_a_report_is_that_of_the_files_and_goes_on(tmp_path):
    data, files = tmp_path / "data", tmp_path / "files"
    data.mkdir()
    write(data / "t.parquet", {"image": pictures(), "label": [3] * 12})
    options = ["--preprocess", PREPROCESS, "--method", "gradient", "--threads", "1", "--unit", "5"]
    assert run("report", CNN, data, *options, "-o", tmp_path / "out").code == 0
    assert run("report", CNN, *FILES, *options, "-o", files).code == 0
    one, other = (json.loads((out / "report.json").read_text())["items"] for out in (tmp_path / "out", files))
    assert [item["name"] for item in one] == [f"t.parquet[{row}]" for row in range(12)]
    assert {item["label"]["index"] for item in one} == {3}
    for ours, theirs in zip(one, other, strict=True):
        assert ours["predictions"] == theirs["predictions"]
        with np.load(tmp_path / "out" / ours["arrays"]) as left, np.load(files / theirs["arrays"]) as right:
            assert left.files == right.files
            np.testing.assert_array_equal(left["map_gradient"], right["map_gradient"])
    unit = tmp_path / "out" / "units" / "000001.jsonl"
    before = unit.read_bytes()
    unit.unlink()
    (tmp_path / "out" / "report.json").unlink()
    assert run("report", CNN, data, *options, "-o", tmp_path / "out").code == 0
    assert unit.read_bytes() == before


def test_a_file_with_a_damaged_footer_is_read_or_told(tmp_path, cnn):
    """pyarrow ends the process where it is asked for the columns of a row group in some of them."""
    path = write(tmp_path / "t.parquet", {"image": pictures().slice(0, 3), "label": ["a", "b", None]})
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    told, end = set(), len(whole) - 8
    for _ in range(250):
        data = bytearray(whole)
        place = rng.integers(end - int.from_bytes(whole[end : end + 4], "little"), end)
        data[place] = rng.integers(256)
        path.write_bytes(data)
        told |= set(complaints(path, cnn))
    assert len(told) > 5 and all("t.parquet" in one for one in told)
