"""Token ids and texts as inputs: every kind of file, labels, and everything that can be wrong with them."""

import json

import numpy as np
import pytest

import onnxpath
from onnxpath.batch.explain import read_inputs, stacked
from onnxpath.batch.fit import wanted_inputs
from onnxpath.batch.inputs import InputItem, find_inputs, label_of, read_input
from onnxpath.batch.preprocess import Preprocess, load_preprocess
from onnxpath.errors import InputError
from tests.batch.token_models import WORDS, classifier, save_tokenizer
from tests.models import mlp, parse

NAMES = ("input_ids", "attention_mask", "token_type_ids")


@pytest.fixture
def model():
    return onnxpath.load(classifier(), providers="cpu")


def read(model, path, preprocess=None):
    wanted = wanted_inputs(model)
    return list(read_inputs(model, find_inputs([path], wanted.rank, wanted), preprocess or Preprocess()))


def lines(folder, *records, name="t.jsonl"):
    path = folder / name
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def entry(ids, **more):
    return {"input_ids": ids, "attention_mask": [1] * len(ids), "token_type_ids": [0] * len(ids), **more}


def tokenized(folder):
    pytest.importorskip("tokenizers", reason="not installed: tokenizers")
    return Preprocess(tokenizer=str(save_tokenizer(folder / "tokenizer.json")))


def check(model, found, ids, tokens=None, types=None):
    (item, loaded) = found
    fed = {name: value[0] for name, value in stacked(model, [(item, loaded)]).items()}
    assert fed["input_ids"].tolist() == ids and fed["input_ids"].dtype == np.int64
    assert fed["attention_mask"].tolist() == [1] * len(ids)
    assert fed["token_type_ids"].tolist() == (types or [0] * len(ids))
    assert loaded.parts.kind == "tokens" and loaded.parts.values == tuple(ids)
    assert loaded.parts.names == tuple(tokens or map(str, ids))
    assert list(fed) == ["input_ids", "attention_mask", "token_type_ids"]


def test_ids_line_by_line(model, tmp_path):
    path = lines(tmp_path, entry([2, 4, 3], label=1), entry([2, 5, 6, 3], tokens=["[CLS]", "bad", "film", "[SEP]"]))
    found = read(model, path)
    check(model, found[0], [2, 4, 3])
    check(model, found[1], [2, 5, 6, 3], ["[CLS]", "bad", "film", "[SEP]"])
    assert [item.name for item, _ in found] == ["t.jsonl[0]", "t.jsonl[1]"]
    assert label_of(found[0][0], ["worse", "better"]) == (1, "better")


def test_ids_as_json_and_as_arrays(model, tmp_path):
    (tmp_path / "one.json").write_text(json.dumps(entry([2, 4, 3], label="better")))
    found = read(model, tmp_path / "one.json")
    check(model, found[0], [2, 4, 3])
    assert label_of(found[0][0], ["worse", "better"]) == (1, "better")
    ids = np.int64([[2, 4, 3], [2, 5, 3]])
    tokens = np.array([["a", "b", "c"], ["d", "e", "f"]])
    np.savez(
        tmp_path / "n.npz",
        input_ids=ids,
        attention_mask=ids * 0 + 1,
        token_type_ids=ids * 0,
        tokens=tokens,
        labels=[1, 0],
    )
    found = read(model, tmp_path / "n.npz")
    check(model, found[1], [2, 5, 3], ["d", "e", "f"])
    assert [item.label for item, _ in found] == [1, 0]


def test_a_model_of_ids_alone_takes_plain_arrays_too(tmp_path):
    model = onnxpath.load(classifier(inputs=("input_ids",)), providers="cpu")
    np.save(tmp_path / "ids.npy", np.int32([[2, 4, 3], [2, 5, 3]]))
    (_, first), (_, second) = read(model, tmp_path / "ids.npy")
    assert second.array.tolist() == [2, 5, 3] and second.parts.names == ("2", "5", "3") and not first.others
    np.savez(tmp_path / "x.npz", x=np.int64([[2, 4]]), labels=[1])
    assert read(model, tmp_path / "x.npz")[0][1].parts.names == ("2", "4")


@pytest.mark.needs("tokenizers")
def test_texts_are_tokenized_and_named_as_they_are_written(model, tmp_path):
    preprocess = tokenized(tmp_path)
    path = tmp_path / "t.txt"
    path.write_text("A very GOOD film\n\n  not bad, really \n", encoding="utf-8")
    found = read(model, path, preprocess)
    check(model, found[0], [2, 7, 8, 4, 6, 3], ["[CLS]", "A", "very", "GOOD", "film", "[SEP]"])
    check(model, found[1], [2, 9, 5, 1, 1, 3], ["[CLS]", "not", "bad", ",", "really", "[SEP]"])
    pair = lines(tmp_path, {"text": "good", "text_pair": "bad film", "label": 0})
    check(
        model,
        read(model, pair, preprocess)[0],
        [2, 4, 3, 5, 6, 3],
        ["[CLS]", "good", "[SEP]", "bad", "film", "[SEP]"],
        [0, 0, 0, 1, 1, 1],
    )


@pytest.mark.needs("tokenizers")
def test_a_fixed_length_cuts_and_fills_and_says_so(tmp_path):
    model = onnxpath.load(classifier(length=5), providers="cpu")
    path = lines(tmp_path, {"text": "a very good film"}, {"text": "good"})
    (_, long), (_, short) = read(model, path, tokenized(tmp_path))
    assert long.array.tolist() == [2, 7, 8, 4, 3] and long.note == "the text was cut to 5 tokens"
    assert short.array.tolist() == [2, 4, 3, 0, 0] and short.note == ""
    assert short.others["attention_mask"].tolist() == [1, 1, 1, 0, 0]
    assert short.parts.names == ("[CLS]", "good", "[SEP]", "[PAD]", "[PAD]")


@pytest.mark.needs("tokenizers")
def test_the_preprocess_file_may_name_the_tokenizer_beside_it(model, tmp_path):
    save_tokenizer(tmp_path / "tokenizer.json")
    (tmp_path / "p.toml").write_text('tokenizer = "tokenizer.json"')
    check(
        model,
        read(model, lines(tmp_path, {"text": "good"}), load_preprocess(tmp_path / "p.toml"))[0],
        [2, 4, 3],
        ["[CLS]", "good", "[SEP]"],
    )


WRONG = {
    "missing": ({"input_ids": [1]}, "attention_mask, token_type_ids: no values were given, and the model takes them"),
    "unknown": (entry([1], mask=[1]), "unknown 'mask'; known are attention_mask, input_ids, label, token_type_ids"),
    "several": (
        {**entry([1, 2]), "attention_mask": [1], "token_type_ids": ["a", "b"]},
        "token_type_ids: must be a list of numbers; lengths differ: input_ids 2, attention_mask 1",
    ),
    "halves": (entry([1.5, 2.0]), "input_ids is float64, model input 'input_ids' wants int64; give whole numbers"),
    "nested": (entry([[1, 2]]), "input_ids: is 1×2, the model wants any"),
    "empty": (entry([]), "input_ids: must be a list of numbers"),
    "tokens": (entry([1, 2], tokens=["a"]), "'tokens' must list a text for each of the token ids"),
    "no tokens": (entry([1, 2], tokens=[1, 2]), "'tokens' must list a text"),
    "label": (entry([1], label=[1]), "'label' must be a class index or name, not [1]"),
    "a list": ([1, 2], "must hold an object with keys and values, not a list"),
    "text without tokenizer": ({"text": "good"}, "a text needs a tokenizer; name its tokenizer.json (--tokenizer)"),
    "text that is none": ({"text": 3}, "'text' and 'text_pair' must be texts"),
}


@pytest.mark.parametrize(("record", "expected"), WRONG.values(), ids=WRONG)
def test_wrong_records_fail_alone_with_file_and_line(model, tmp_path, record, expected):
    found = read(model, lines(tmp_path, entry([2, 4, 3]), record, entry([2, 5, 3])))
    check(model, found[0], [2, 4, 3])
    check(model, found[2], [2, 5, 3])
    assert found[1].error.startswith("file t.jsonl, line 2") and expected in found[1].error


def test_wrong_files(model, tmp_path):
    (tmp_path / "bad.json").write_text("{")
    assert "file bad.json is not valid JSON" in read(model, tmp_path / "bad.json")[0].error
    (tmp_path / "bad.jsonl").write_text("{\n")
    assert "file bad.jsonl, line 1 is not valid JSON" in read(model, tmp_path / "bad.jsonl")[0].error
    (tmp_path / "none.txt").write_text("\n")
    assert "holds no texts" in read(model, tmp_path / "none.txt")[0].error
    np.savez(tmp_path / "half.npz", input_ids=np.int64([[1]]))
    assert "the model takes attention_mask, token_type_ids too" in read(model, tmp_path / "half.npz")[0].error
    np.save(tmp_path / "ids.npy", np.int64([[1]]))
    assert (
        "give arrays named input_ids, attention_mask, token_type_ids in an .npz"
        in read(model, tmp_path / "ids.npy")[0].error
    )
    text = tmp_path / "t.txt"
    text.write_text("good")
    plain = onnxpath.load(mlp(), providers="cpu")
    with pytest.raises(InputError, match=r"t\.txt' is of a kind that is not read; give one of png"):
        read(plain, text)
    with pytest.raises(InputError, match="texts are for models of token ids"):
        read_input(InputItem("t", text, 0), Preprocess(), wanted_inputs(plain))


@pytest.mark.needs("tokenizers")
def test_wrong_tokenizers(model, tmp_path):
    (tmp_path / "t.json").write_text("{}")
    path = lines(tmp_path, {"text": "good"})
    assert "cannot be used" in read(model, path, Preprocess(tokenizer=str(tmp_path / "t.json")))[0].error
    assert "cannot be read: No such file" in read(model, path, Preprocess(tokenizer=str(tmp_path / "no.json")))[0].error
    for name in ("\ud800", "a\0b"):
        assert "cannot be read: " in read(model, path, Preprocess(tokenizer=name))[0].error
    text = "m (int64[n, t] ids, int64[n, t] extra) => (float[n, t, 2] y) { e = Gather(w, ids); z = Cast<to = 1>(extra);"
    weights = {"w": np.ones((10, 2), np.float32), "k": np.int64([2])}
    odd = parse(f"{text} u = Unsqueeze(z, k); y = Mul(e, u) }}", **weights)
    assert "no tokenizer makes the model input 'extra'" in read(onnxpath.load(odd), path, tokenized(tmp_path))[0].error


def test_what_a_model_wants(model):
    assert wanted_inputs(model).ids == "input_ids" and len(WORDS) == 10
    assert wanted_inputs(onnxpath.load(mlp(), providers="cpu")).ids is None
    two = parse("m (float[n, 2] a, float[n, 2] b) => (float[n, 2] y) { y = Add(a, b) }")
    with pytest.raises(InputError, match="with one input or with token ids, and this one has 2: a, b"):
        wanted_inputs(onnxpath.load(two, providers="cpu"))
