"""Functions that take text or bytes from outside: whatever is given, they answer or refuse with an error of onnxpath.

Each is given something good with one thing changed, so that what lies behind the first check is reached too.
"""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from onnxpath.attribution.methods import METHODS
from onnxpath.batch.boxes import CORNERS, carried, read_boxes
from onnxpath.batch.manifest import is_manifest, read_manifest
from onnxpath.batch.preprocess import Preprocess, load_preprocess
from onnxpath.batch.tokenizer import load_tokenizer
from onnxpath.errors import InputError, OnnxPathError
from onnxpath.options import read_pairs, value_of
from onnxpath.pathway.pathway import Pathway
from onnxpath.pathway.sparsity import limit_of
from onnxpath.rules.relevance.composite_file import read_composite
from tests.batch.token_models import save_tokenizer
from tests.fuzz.data import PREPROCESS
from tests.fuzz.settings import PROCESSOR

patient = settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
numbers = st.integers() | st.integers(10**30, 10**31) | st.floats() | st.sampled_from([10**400, -0.0, 1e308, 5e-324])
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def answered(function, *given):
    """What a function returns, or the text of the onnxpath error that it raises; any other error goes on."""
    try:
        return function(*given)
    except OnnxPathError as error:
        assert str(error)
        return str(error)


# ------------------------------------------------------------------------------------------------ files of settings


@patient
@given(st.sampled_from([*PREPROCESS, "unknown"]), values)
def test_a_key_of_a_preprocess_file(tmp_path, key, value):
    plain = {name: json.loads(text) for name, text in PREPROCESS.items()} | {key: value}
    file = tmp_path / "p.json"
    file.write_text(json.dumps(plain))
    found = answered(load_preprocess, file)
    if isinstance(found, Preprocess):
        assert found.mean is None or np.isfinite(np.float64(found.mean)).all()
        assert found.std is None or np.all(np.float64(found.std) != 0)
        assert load_preprocess(file) == found
    else:
        assert str(file) in found and key in found


@patient
@given(st.sampled_from([*PROCESSOR, "unknown"]), values)
def test_a_key_of_an_image_processor(tmp_path, key, value):
    file = tmp_path / "preprocessor_config.json"
    file.write_text(json.dumps(PROCESSOR | {key: value}))
    assert isinstance(answered(load_preprocess, file), Preprocess | str)


keys = st.sampled_from(["rule", "operators", "role", "node", "gamma", "epsilon", "low", "high", "bias", "unknown"])
literals = st.sampled_from(
    [
        "true",
        "nan",
        "-inf",
        "1e400",
        "0",
        "-1",
        "[]",
        "[[1, 2], [3]]",
        "'Conv'",
        "['Conv', 3]",
        "{}",
        "1979-05-27",
        "''",
    ]
) | st.integers().map(str)


@patient
@given(keys, literals, st.sampled_from(["lrp-zbox", "lrp-gamma", "lrp-epsilon", "lrp-alpha-beta", "pass"]))
def test_a_key_of_a_composite(tmp_path, key, literal, rule):
    file = tmp_path / "c.toml"
    head = "" if key == "rule" else f"rule = '{rule}'\n"
    file.write_text(f"[[rule]]\n{head}{key} = {literal}\n")
    found = answered(read_composite, file)
    assert not isinstance(found, str) or str(file) in found


@patient
@given(st.binary(max_size=60))
def test_bytes_for_files_of_settings(tmp_path, data):
    for name, read in (("p.toml", load_preprocess), ("p.json", load_preprocess), ("c.toml", read_composite)):
        (tmp_path / name).write_bytes(data)
        answered(read, tmp_path / name)


@pytest.mark.needs("tokenizers")
@patient
@given(st.sampled_from(["version", "truncation", "padding", "added_tokens", "normalizer", "model"]), values)
def test_a_key_of_a_tokenizer(tmp_path, key, value):
    file = save_tokenizer(tmp_path / "tokenizer.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | {key: value}))
    found = answered(load_tokenizer, str(file))
    assert not isinstance(found, str) or "tokenizer.json" in found


# ------------------------------------------------------------------------------------------------ lists of inputs


cells = st.text(max_size=8) | st.sampled_from(
    ["", "1", "-1", "nan", "1e400", "inf", "9" * 30, '"', "a,b", "../x", "\0"]
)


@patient
@given(st.lists(st.tuples(cells, cells, cells), max_size=4), st.sampled_from([".csv", ".tsv", ".jsonl"]))
def test_rows_of_a_manifest(tmp_path, rows, suffix):
    file = tmp_path / f"m{suffix}"
    if suffix == ".jsonl":
        text = "\n".join(json.dumps(dict(zip(("path", "label", "target"), row, strict=True))) for row in rows)
    else:
        between = {".csv": ",", ".tsv": "\t"}[suffix]
        text = "\n".join(between.join(row) for row in [("path", "label", "target"), *rows])
    file.write_text(text, encoding="utf-8", errors="surrogatepass")
    if is_manifest(file):
        found = answered(read_manifest, file)
        assert isinstance(found, str) or all(entry.target is None or entry.target >= 0 for entry in found)


@patient
@given(st.lists(st.lists(cells, min_size=5, max_size=5), min_size=1, max_size=3))
@example([["a", "-inf", "-inf", "inf", "inf"]])
@example([["a", "0", "0", "1e308", "1e308"]])
def test_rows_of_boxes(tmp_path, rows):
    file = tmp_path / "b.csv"
    text = "\n".join(",".join(row) for row in [("file", *CORNERS), *rows])
    file.write_text(text, encoding="utf-8", errors="surrogatepass")
    found = answered(read_boxes, file)
    if isinstance(found, str):
        assert "b.csv" in found
        return
    for boxes in found.values():
        inside = carried(np.float64(boxes), (40, 30), Preprocess(resize=16, crop=16))
        assert np.isfinite(inside).all() and (inside >= 0).all() and (inside <= 16).all()


@patient
@given(st.binary(max_size=80))
@example(b"file,x0,y0,x1,y1\n" + b"x" * 200_000)
@example(b"file,x0,y0,x1,y1\na\0,1,1,2,2")
def test_bytes_for_lists(tmp_path, data):
    for name, read in (("m.csv", read_manifest), ("m.jsonl", read_manifest), ("b.csv", read_boxes)):
        (tmp_path / name).write_bytes(data)
        answered(read, tmp_path / name)


# ------------------------------------------------------------------------------------------------ options, archives


@patient
@given(st.text(max_size=30) | values.map(lambda value: json.dumps(value)))
@example("[" * 5000)
@example("1" * 5000)
@example("/dev/null/x.npy")
@example("\0.npy")
@example("lambda: 1")
@example("9**9**9**9")
def test_values_of_options(text):
    answered(value_of, "name", text)


@patient
@given(st.sampled_from(METHODS.names()), st.text(max_size=12), st.text(max_size=12) | numbers.map(repr))
def test_options_of_methods(name, option, text):
    method = METHODS.get(name)
    for key in (option, *method.defaults):
        found = answered(read_pairs, [method.options], [f"{key}={text}"])
        assert isinstance(found, str | list)


@patient
@given(st.text(max_size=20) | st.from_regex(r"softmax-change<=.{1,10}", fullmatch=True))
def test_rules_of_sparsity(text):
    found = answered(limit_of, text)
    assert isinstance(found, str) or found >= 0


@patient
@given(st.binary(max_size=200))
@example(b"PK\x05\x06" + bytes(18))
@example(b"\x93NUMPY\x01\x00\x76\x00{")
def test_bytes_for_a_pathway(tmp_path, data):
    (tmp_path / "p.npz").write_bytes(data)
    with pytest.raises(InputError, match="is not a pathway file of onnxpath"):
        Pathway.load(tmp_path / "p.npz")
