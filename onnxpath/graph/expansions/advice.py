"""What to do about operators that no gradient goes through, by domain and name."""

from __future__ import annotations

import re
from collections.abc import Iterable

MICROSOFT = (
    "ONNX Runtime puts com.microsoft operators into models that it optimises: save the model at optimisation level "
    "BASIC, use the file that it was made from, or export it again"
)

ADVICE = (
    (
        r"com\.microsoft\.nchwc::",
        "com.microsoft.nchwc is a memory layout for the machine that the model was optimised on: save the model at "
        "optimisation level BASIC, use the file that it was made from, or export it again",
    ),
    (
        r"com\.microsoft::(QLinear|QGemm|QAttention|QEmbed|QOrdered|QMoE|DynamicQuantize|MatMulInteger|MulInteger|Nhwc"
        r"MaxPool|MatMulNBits|MatMulBnb4|GatherBlockQuantized)",
        "operators on quantised numbers have no gradient: use the float model that the file was quantised from, or "
        "quantise it to QuantizeLinear/DequantizeLinear pairs (QuantFormat.QDQ) and ask for the rules straight-through",
    ),
    (r"com\.microsoft::", MICROSOFT),
    (
        r"ai\.onnx\.ml::TreeEnsemble",
        "a tree ensemble is constant between its thresholds, so its gradient says nothing: use a black-box method, one "
        "that only runs the model, such as feature-ablation or shapley-value-sampling",
    ),
    (r"ai\.onnx\.ml::", "explain what comes before the encoding of labels: name tensors in `wrt` and outputs in `of`"),
)
"""(pattern of domain::operator, what to do), the first that fits an operator counts."""


def advice(operators: Iterable[str]) -> list[str]:
    """Return what to do about operators given as domain::operator, each piece of advice once."""
    found = [next((text for pattern, text in ADVICE if re.match(pattern, name)), "") for name in operators]
    return [text for text in dict.fromkeys(found) if text]
