"""Hostile JSON: plain data with one place changed, which most checks of a whole file let through."""

import copy
import json
import math

from tests.fuzz.damage import damaged

VALUES = (
    *(None, True, "", "<fuzz>", "../../x", "/etc/hostname", "\ud800", "x" * 10_000, "\0", 0, 1, -1, 2**31, 2**63),
    *(10**30, 0.5, -0.0, 1e308, math.nan, math.inf, [], {}, [[]], [1, "a"], {"a": {"b": None}}, {"": []}),
)


def hostile_json(rng, data):
    """Bytes of JSON with one place changed, or with damaged bytes; and what was done."""
    if rng.random() < 0.2:
        return damaged(rng, data), "bytes"
    plain = json.loads(data)
    return json.dumps(changed(rng, plain)).encode("utf-8", "surrogatepass"), "a value"


def hostile_lines(rng, data):
    """Bytes of JSON lines, one of them changed, gone or there twice, or with damaged bytes; and what was done."""
    lines = data.splitlines()
    if rng.random() < 0.2 or not lines:
        return damaged(rng, data), "bytes"
    place = int(rng.integers(len(lines)))
    match rng.integers(6):
        case 0:
            del lines[place]
        case 1:
            lines.insert(int(rng.integers(len(lines) + 1)), lines[place])
        case _:
            lines[place] = hostile_json(rng, lines[place])[0].replace(b"\n", b"")
    return b"\n".join(lines) + b"\n", "a line"


def changed(rng, plain):
    """Plain data with one value replaced, taken away or added, somewhere."""
    root = [copy.deepcopy(plain)]
    holder, key = root, 0
    while isinstance(holder[key], dict | list) and holder[key] and rng.random() < 0.85:
        holder = holder[key]
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        key = keys[int(rng.integers(len(keys)))]
    value = copy.deepcopy(VALUES[int(rng.integers(len(VALUES)))])
    match rng.integers(5):
        case 0 if holder is not root:
            del holder[key]
        case 1 if isinstance(holder, list) and holder is not root:
            holder.insert(key, value)
        case 1 if isinstance(holder, dict):
            holder["<fuzz>"] = value
        case _:
            holder[key] = value
    return root[0]
