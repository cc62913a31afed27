"""A small text classifier of token ids, mask and types, and a tokenizer for it, made on the spot."""

import json

import numpy as np

from tests.models import parse

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad", "film", "a", "very", "not"]
WIDTH = 8
LOOK_UP = "/embeddings/words/Gather_output_0"

HEAD = """
  f = Cast<to = 1>(attention_mask); m = Unsqueeze(f, behind); a = MatMul(s, w); h = Relu(a); k = Mul(h, m);
  u = ReduceSum<keepdims = 0>(k, axes); logits = MatMul(u, v)
"""


def classifier(length="t", inputs=("input_ids", "attention_mask", "token_type_ids")):
    """Ids (and mask, types) [n, length] -> logits [n, 2]; with types there are two look-ups, else one."""
    rng = np.random.default_rng(0)
    weights = {
        "table": rng.normal(size=(len(WORDS), WIDTH)),
        "kinds": rng.normal(size=(2, WIDTH)),
        "w": rng.normal(size=(WIDTH, WIDTH)),
        "v": rng.normal(size=(WIDTH, 2)),
    }
    arrays = {name: value.astype(np.float32) for name, value in weights.items()}
    typed = "token_type_ids" in inputs
    sums = "t0 = Gather(kinds, token_type_ids); s = Add(e, t0);" if typed else "s = Identity(e);"
    head = HEAD if "attention_mask" in inputs else HEAD.replace("Cast<to = 1>(attention_mask)", "Cast<to = 1>(ones)")
    ones = "" if "attention_mask" in inputs else "o = Equal(input_ids, input_ids); ones = Cast<to = 7>(o);"
    declared = ", ".join(f"int64[n, {length}] {name}" for name in inputs)
    text = f"m ({declared}) => (float[n, 2] logits) {{ e = Gather(table, input_ids); {sums} {ones} {head} }}"
    used = {name: value for name, value in arrays.items() if typed or name != "kinds"}
    model = parse(text, **used, behind=np.int64([2]), axes=np.int64([1]))
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = [LOOK_UP if name == "e" else name for name in names]
    return model


def save_tokenizer(path):
    """Write a tokenizer.json of WORDS that puts [CLS] and [SEP] around a text."""
    single = [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    single += [{"SpecialToken": {"id": "[SEP]", "type_id": 0}}]
    pair = [*single, {"Sequence": {"id": "B", "type_id": 1}}, {"SpecialToken": {"id": "[SEP]", "type_id": 1}}]
    special = {t: {"id": t, "ids": [WORDS.index(t)], "tokens": [t]} for t in ("[CLS]", "[SEP]")}
    about = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": single,
            "pair": pair,
            "special_tokens": special,
        },
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": {w: i for i, w in enumerate(WORDS)}, "unk_token": "[UNK]"},
    }
    path.write_text(json.dumps(about), encoding="utf-8")
    return path
