"""Names of classes: the forms of files that hold them, and what is refused."""

import json

import pytest

from onnxpath.batch.class_names import read_classes
from onnxpath.errors import InputError

NAMES = ["tench", "great white shark", "über-cat", ""]


def written(folder, held, name="names.json"):
    (folder / name).write_text(held if isinstance(held, str) else json.dumps(held), "utf-8")
    return folder / name


def test_lines_of_a_text(tmp_path):
    path = written(tmp_path, "\ufeffn01440764 tench\n\n  great white shark \nüber-cat\n", "names.txt")
    assert read_classes(path) == read_classes(str(path)) == NAMES[:3]
    assert read_classes(None) == [] and read_classes(("a", "b")) == ["a", "b"]


@pytest.mark.parametrize(
    "held",
    [
        NAMES,
        ["n01440764 tench", *NAMES[1:]],
        dict(enumerate(NAMES)),
        {"2": NAMES[2], "0": NAMES[0], "3": "", "1": NAMES[1]},
        {"id2label": dict(enumerate(NAMES)), "label2id": {"tench": 0}, "architectures": ["ViT"]},
        {"id2label": NAMES},
        json.dumps(NAMES, indent=2),
        "\ufeff" + json.dumps(NAMES),
    ],
)
def test_json_names_every_class_in_its_place(tmp_path, held):
    assert read_classes(written(tmp_path, held)) == NAMES
    assert read_classes(written(tmp_path, held, "names.JSON")) == NAMES


@pytest.mark.parametrize(
    ("held", "says"),
    [
        ("[1, 2", "are not valid JSON: Expecting"),
        ("[" * 100_000, "are not valid JSON"),
        ({"tench": 0, "shark": 1}, r"hold an object with 'tench': 0, 'shark': 1; give a list of names, or an object"),
        ({"0": "a", "2": "c"}, r"hold an object with '0': \"a\", '2': \"c\"; .* counts from 0 without gaps"),
        ({"0": "a", "00": "b"}, "counts from 0 without gaps"),
        ({"1": "a", "2": "b"}, "counts from 0 without gaps"),
        ({"0": ["n01440764", "tench"]}, r"an object with '0': \[\"n01440764\", \"tench\"\]; give"),
        ({"id2label": {"a": 0}, "x": 1}, r"hold an object with 'a': 0; give .* under id2label"),
        (["a", 7, None], "hold a list whose entry 1 is 7"),
        ("3", "hold 3; give a list of names"),
        ('"cat"', 'hold "cat"; give'),
    ],
)
def test_other_json_is_refused_in_words(tmp_path, held, says):
    with pytest.raises(InputError, match=rf"class names '.*names.json' .*{says}"):
        read_classes(written(tmp_path, held))
