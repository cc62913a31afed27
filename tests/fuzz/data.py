"""Hostile arrays, tables, records and configurations."""

import io
import struct
import zipfile

import numpy as np

from tests.fuzz.damage import damaged

NUMBERS = ("0", "1", "-1", "0.5", "16", "1e400", "nan", "inf", "-inf", "1" * 400, "1" * 5000, "0x10", "1_0", "9" * 18)
WORDS = ('"<fuzz>"', '""', '"../../x"', '"\\u0000"', '"RGB"', '"L"', '"NCHW"', '"float64"', '"\\ud800"', "true", "null")
DEEP = (1000, 100_000)


# ------------------------------------------------------------------------------------------------ arrays


def hostile_array(rng):
    """(suffix, bytes, what was done) of an .npy or .npz."""
    match rng.integers(6):
        case 0:
            return ".npy", _npy(rng, header=True), "npy of declared shape"
        case 1:
            return ".npz", damaged(rng, _npz(rng)), "npz, bytes"
        case 2:
            return ".npz", _odd_zip(rng), "odd zip"
        case 3:
            return ".npy", damaged(rng, _npy(rng)), "npy, bytes"
        case 4:
            return ".npz", _npz(rng), "npz"
        case _:
            return str(rng.choice([".npy", ".npz"])), _npy(rng), "npy"


def some_array(rng):
    """An array of any dtype and of some shape."""
    shape = [(1, 16, 16), (3, 1, 16, 16), (2, 6), (6,), (0, 1, 16, 16), (), (2, 16, 16, 3), (1, 1, 0)][rng.integers(8)]
    kind = str(rng.choice(["f4", "f8", "f2", "u1", "i8", "?", "c8", "U3", "S2", "M8[s]", "O", "i4,f4", ">f4"]))
    if kind == "O":
        made = np.empty(shape, object)
        made[...] = {}
        return made
    values = rng.normal(size=shape)
    if rng.random() < 0.2:
        values = values * np.inf
    with np.errstate(all="ignore"):
        return np.zeros(shape, kind) if kind in ("i4,f4", "M8[s]", "U3", "S2") else values.astype(kind)


def _npy(rng, header=False):
    file = io.BytesIO()
    np.save(file, some_array(rng), allow_pickle=True)
    if not header:
        return file.getvalue()
    size = int(rng.choice([2**20, 2**33, 2**62, -1]))
    shapes = (f"({size},)", f"({size}, 1, 16, 16)", "(" + "1," * 70 + ")", "[2]", "(2.5,)", "(" * 200 + ")" * 200)
    descr = str(rng.choice(["'<f4'", "'|O'", "'|V9999999999'", "[('a', '<f4')]", "'<U1000000000'", "None"]))
    text = (
        f"{{'descr': {descr}, 'fortran_order': {rng.choice(['False', 'True', '3'])}, 'shape': {rng.choice(shapes)}, }}"
    )
    body = text.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(body)) + body + bytes(int(rng.choice([0, 64, 1024])))


def _npz(rng):
    arrays = {"x": np.zeros((2, 1, 16, 16), np.float32)}
    names = ("images", "labels", "classes", "x", "masks", "tokens", "pathway", "mask_0", "../../x", "image", "a/b")
    for _ in range(int(rng.integers(0, 4))):
        arrays[str(rng.choice(names))] = some_array(rng)
    if rng.random() < 0.2:
        arrays["classes"] = np.array(["<fuzz>", "../../x"])
    if rng.random() < 0.2:
        arrays["labels"] = np.int64([2**62, -5])
    return zipped(arrays)


def zipped(arrays):
    """Bytes of an .npz; numpy itself refuses names that lead out of the archive when it writes, not when it reads."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            body = io.BytesIO()
            np.save(body, array, allow_pickle=True)
            archive.writestr(f"{name}.npy", body.getvalue())
    return file.getvalue()


def _odd_zip(rng):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for _ in range(int(rng.integers(0, 4))):
            name = str(rng.choice(["x.npy", "x", "../../x.npy", "/x.npy", "dir/", "<fuzz>.npy", ""]))
            bodies = (b"", b"text", _npy(rng), _npy(rng, header=True), bytes(2**22))
            archive.writestr(name or "n", bodies[rng.integers(len(bodies))])
    return file.getvalue()


# ------------------------------------------------------------------------------------------------ records


def hostile_table(rng):
    """(suffix, bytes, what was done) of a table of six features."""
    header = ["a", "b", "c", "d", "e", "f", "label"][: int(rng.choice([6, 7]))]
    if rng.random() < 0.4:
        header[int(rng.integers(len(header)))] = str(rng.choice(["", "a", "<fuzz>", "x" * 200_000, "1", '"', "\x00"]))
    rows = [[str(rng.normal()) for _ in header] for _ in range(int(rng.integers(0, 5)))]
    for row in rows:
        if rng.random() < 0.6:
            odd = [*NUMBERS, "", '"', '""', '"\n"', "\x00", "<fuzz>", "x" * 200_000, "a,b"]
            row[int(rng.integers(len(row)))] = odd[rng.integers(len(odd))]
    text = str(rng.choice(["\n", "\r\n", "\r"])).join(",".join(row) for row in [header, *rows])
    data = text.encode(str(rng.choice(["utf-8", "utf-8-sig", "utf-16"])))
    return str(rng.choice([".csv", ".tsv"])), damaged(rng, data) if rng.random() < 0.3 else data, "table"


def hostile_records(rng):
    """(suffix, bytes, what was done) of token ids or texts."""
    lines = []
    for _ in range(int(rng.integers(1, 4))):
        record = {"input_ids": "[1, 2, 3]", "attention_mask": "[1, 1, 1]"}
        for _ in range(int(rng.integers(0, 3))):
            named = [*record, "token_type_ids", "tokens", "label", "text", "text_pair", "<fuzz>"]
            record[str(rng.choice(named))] = _json(rng)
        lines.append("{" + ", ".join(f'"{key}": {value}' for key, value in record.items()) + "}")
    suffix = str(rng.choice([".jsonl", ".json", ".txt"]))
    text = "\n".join(lines) if suffix != ".json" else "[" + ",".join(lines) + "]"
    if rng.random() < 0.1:
        text = _json(rng)
    data = text.encode("utf-8", "surrogatepass")
    return suffix, damaged(rng, data) if rng.random() < 0.3 else data, f"records {suffix}"


def _json(rng):
    match rng.integers(5):
        case 0:
            return str(rng.choice([*NUMBERS, *WORDS, "{}", "[]", "NaN", "Infinity"]))
        case 1:
            return "[" + ", ".join(str(rng.choice(NUMBERS)) for _ in range(3)) + "]"
        case 2:
            depth = int(rng.choice(DEEP))
            return "[" * depth + "]" * depth
        case 3:
            return '{"a":' * 500 + "1" + "}" * 500
        case _:
            return "[" + ", ".join(str(rng.choice([*WORDS, "[1]", "{}"])) for _ in range(3)) + "]"


# ------------------------------------------------------------------------------------------------ configurations

PREPROCESS = {
    "layout": '"NCHW"',
    "color": '"L"',
    "resize": "[16, 16]",
    "crop": "16",
    "scale": "0.00392",
    "mean": "[0.5]",
    "std": "[0.5]",
    "dtype": '"float32"',
}
COMPOSITE = """extends = "relevance"
[[rule]]
rule = "lrp-zbox"
role = "first_linear"
low = -2.1
high = 2.6
[[rule]]
rule = "lrp-gamma"
operators = ["Conv"]
node = "*"
gamma = 0.5
[[rule]]
rule = "lrp-epsilon"
"""


def hostile_preprocess(rng):
    """(suffix, bytes, what was done) of a preprocess file."""
    chosen = {key: value for key, value in PREPROCESS.items() if rng.random() < 0.8}
    for _ in range(int(rng.integers(0, 3))):
        chosen[str(rng.choice([*PREPROCESS, "tokenizer", "unknown"]))] = toml(rng)
    if rng.random() < 0.5:
        text, suffix = "\n".join(f"{key} = {value}" for key, value in chosen.items()), ".toml"
    else:
        text, suffix = "{" + ", ".join(f'"{key}": {value}' for key, value in chosen.items()) + "}", ".json"
    data = text.encode()
    return suffix, damaged(rng, data) if rng.random() < 0.2 else data, f"preprocess {suffix}"


def hostile_composite(rng):
    """(suffix, bytes, what was done) of a composite."""
    lines = COMPOSITE.splitlines()
    for _ in range(int(rng.integers(1, 3))):
        place = int(rng.integers(len(lines)))
        keys = ("rule", "role", "low", "high", "operators", "node", "gamma", "epsilon", "extends", "unknown")
        key = lines[place].partition(" =")[0] if rng.random() < 0.6 else str(rng.choice(keys))
        lines[place] = f"{key} = {toml(rng)}" if rng.random() < 0.9 else str(rng.choice(["[rule]", "[[rule]]", "[["]))
    data = "\n".join(lines).encode()
    return ".toml", damaged(rng, data) if rng.random() < 0.2 else data, "composite"


def hostile_classes(rng):
    """Bytes of a list of class names."""
    names = ["<fuzz>", "../../x", "", "\x00", "a" * 10_000, "\u202ename", "'\"--><script>", "{{ 7 * 7 }}", "</script>"]
    data = "\n".join(str(rng.choice(names)) for _ in range(10)).encode()
    return damaged(rng, data) if rng.random() < 0.2 else data


def toml(rng):
    """A value of a key, as it stands in a file."""
    if rng.random() < 0.15:
        depth = int(rng.choice([200, 5000]))
        return "[" * depth + "]" * depth
    if rng.random() < 0.5:
        values = [*NUMBERS, *WORDS, "100000", "[100000, 100000]", "[16]", "[1e-300]", "{}", "1979-05-27", "[[1, [2]]]"]
        return values[rng.integers(len(values))]
    return "[" + ", ".join(str(rng.choice([*NUMBERS, *WORDS])) for _ in range(int(rng.integers(0, 5)))) + "]"
