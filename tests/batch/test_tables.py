"""Tables as inputs: header, rows, labels, and everything that can be wrong with a CSV."""

import numpy as np
import pytest

from onnxpath.batch.inputs import InputItem, find_inputs, label_of, read_input
from onnxpath.batch.loaded import Wanted
from onnxpath.batch.preprocess import Preprocess
from onnxpath.batch.records import records
from onnxpath.errors import InputError
from onnxpath.runtime.feeds import TensorInfo

FOUR = Wanted((TensorInfo("X", "float32", (None, 4)),))
GOOD = "age,income,height,debt\n1,2,3,4\n5.5,-6e2,7,8\n"


def table(folder, text, name="t.csv"):
    path = folder / name
    path.write_bytes(text.encode())
    return path


def read_all(path, wanted=FOUR):
    return [read_input(item, Preprocess(), wanted) for item in find_inputs([path], 2, wanted)]


def complaint(path, wanted=FOUR, row=0):
    with pytest.raises(InputError) as caught:
        read_input(find_inputs([path], 2, wanted)[row], Preprocess(), wanted)
    return str(caught.value)


def test_a_row_is_an_input_and_the_header_names_its_features(tmp_path):
    found = read_all(table(tmp_path, GOOD))
    assert [item.name for item, _ in found] == ["t.csv[0]", "t.csv[1]"]
    np.testing.assert_array_equal(found[1][1].array, np.float32([5.5, -600, 7, 8]))
    assert found[1][1].array.dtype == np.float32
    assert found[1][1].parts.kind == "features" and found[1][1].parts.values == (5.5, -600, 7, 8)
    assert found[0][1].parts.names == ("age", "income", "height", "debt")


def test_quotes_tabs_blank_lines_byte_order_marks_and_line_ends(tmp_path):
    text = '\ufeff"a, b",c,"d\ne",f\r\n\r\n"1",2,3,4\r\n5,6,7,8'
    found = read_all(table(tmp_path, text))
    assert found[0][1].parts.names == ("a, b", "c", "d\ne", "f")
    np.testing.assert_array_equal(np.stack([loaded.array for _, loaded in found]), [[1, 2, 3, 4], [5, 6, 7, 8]])
    tabs = read_all(table(tmp_path, "a\tb\tc\td\n1\t2\t3\t4\n", "t.tsv"))
    np.testing.assert_array_equal(tabs[0][1].array, [1, 2, 3, 4])


def test_labels_by_index_and_by_name(tmp_path):
    path = table(tmp_path, "a,label,b,c,d\n1,2,2,3,4\n1,dog,2,3,4\n1,,2,3,4\n")
    found = read_all(path)
    assert [label_of(item, ["cat", "dog", "eel"]) for item, _ in found] == [(2, "eel"), (1, "dog"), None]
    assert found[0][1].parts.names == ("a", "b", "c", "d")


def test_models_of_whole_numbers_and_of_any_number_of_features(tmp_path):
    whole = Wanted((TensorInfo("X", "int64", (None, "features")),))
    path = table(tmp_path, "a,b\n1,-2.0\n3,4.5\n")
    assert complaint(path, whole, 1) == "table t.csv, line 3: column 'b' is 4.5, the model takes whole numbers"
    found = read_input(find_inputs([path], 2, whole)[0], Preprocess(), whole)[1]
    assert found.array.dtype == np.int64 and found.array.tolist() == [1, -2]


def test_cells_that_are_missing_empty_or_no_numbers_are_named_at_once(tmp_path):
    path = table(tmp_path, 'a,b,c,d\n1,2,3,4\n"x\ny",, nan,inf\n1,2\n1,2,3,4,5,6\n')
    np.testing.assert_array_equal(
        read_input(find_inputs([path], 2, FOUR)[0], Preprocess(), FOUR)[1].array, [1, 2, 3, 4]
    )
    assert complaint(path, row=1) == (
        "table t.csv, line 3: column 'a' is 'x\ny', not a number; column 'b' is empty; "
        "column 'c' is nan, which no result can be computed from; "
        "column 'd' is inf, which no result can be computed from"
    )
    # The quoted line break counts.
    assert complaint(path, row=2) == "table t.csv, line 5: column 'c' is missing; column 'd' is missing"
    assert complaint(path, row=3) == "table t.csv, line 6: it has 6 cells, the first line names 4 columns"


HEADERS = {
    "too few": ("a,b,c\n1,2,3\n", "it has 3 columns of features (a, b, c), model input 'X' wants 4"),
    "too many": ("a,b,c,d,e\n1,2,3,4,5\n", "wants 4; a column 'label' is no feature; take other columns out"),
    "semicolons": ("a;b;c;d\n1;2;3;4\n", "its cells are separated by ';': save it with commas"),
    "no header": ("1,2,3,4\n5,6,7,8\n", "the first line holds numbers; it must name the features"),
    "twice": ("a,b,a,d\n1,2,3,4\n", "the name 'a' is there 2 times"),
    "nameless": ("a,,c,d\n1,2,3,4\n", "column 2 has no name"),
    "no rows": ("a,b,c,d\n", "there is no line below the names"),
    "empty": ("", "table t.csv is empty"),
    "several": ("a,,a\n", "the name 'a' is there 2 times; column 2 has no name; it has 3 columns"),
}


@pytest.mark.parametrize(("text", "expected"), HEADERS.values(), ids=HEADERS)
def test_wrong_headers(tmp_path, text, expected):
    assert expected in complaint(table(tmp_path, text))


def test_text_that_is_not_utf_8_and_models_of_other_inputs(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,b,c,d\n1,2,3,4\n1,\xff,3,4\n")
    assert complaint(path, row=1) == "file t.csv, line 3 is not UTF-8 text: invalid start byte; save it as UTF-8"
    picture = Wanted((TensorInfo("image", "float32", (None, 3, 8, 8)),))
    with pytest.raises(InputError, match=r"t\.csv' is of a kind that is not read; give one of png"):
        find_inputs([path], 4, picture)
    with pytest.raises(InputError, match="tables are for models whose inputs are rows of numbers"):
        read_input(InputItem("t", table(tmp_path, GOOD), 0), Preprocess(), picture)
    with pytest.raises(InputError, match="holds no inputs"):
        find_inputs([tmp_path], 4, picture)
    assert len(find_inputs([tmp_path], 2, FOUR)) == 2


def test_a_long_table_is_kept_as_offsets_only(tmp_path):
    rows = 20_000
    path = table(tmp_path, "a,b,c,d\n" + "".join(f"{i},{i},{i},{i}\n" for i in range(rows)))
    found = records(path, quoted=True)
    assert len(found) == rows + 1 and found.offsets.itemsize + found.lines.itemsize == 16
    items = find_inputs([path], 2, FOUR)
    assert len(items) == rows
    assert read_input(items[12_345], Preprocess(), FOUR)[1].array.tolist() == [12_345] * 4
