"""Losses."""

from tests.cases.case import case, constant, fed, real

FORMS = [
    # reduction, weights, ignore_index
    ("mean", False, None),
    ("sum", False, None),
    ("none", False, None),
    ("mean", True, None),
    ("none", True, 1),
    ("mean", True, 1),
    ("mean", False, 1),
    ("sum", True, -1),
]


def loss(operator, shape, labels, reduction, weighted, ignored):
    attributes = f'reduction = "{reduction}"' + (f", ignore_index = {ignored}" if ignored is not None else "")
    labels = [labels[0] if ignored is not None and n == 0 else label for n, label in enumerate(labels)]
    if ignored == -1:
        labels[0] = -1
    inputs = {"x": real(*shape), "t": fed(labels if len(shape) == 2 else [labels, labels[::-1]])}
    if weighted:
        inputs["w"] = constant([0.4, 1.5, 0.7, 1.1])
    what = f"{reduction}{', weights' * weighted}{'' if ignored is None else f', ignore {ignored}'}, rank {len(shape)}"
    return case(f"{operator}/{what}", f"y = {operator}<{attributes}>({', '.join(inputs)})", **inputs, dims=("batch",))


CASES = [
    *(
        loss(operator, shape, [1, 0, 3], *form)
        for operator in ("NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss")
        for shape in ((3, 4), (2, 4, 3))
        for form in FORMS
    ),
    case(
        "SoftmaxCrossEntropyLoss/log_prob",
        "y, p = SoftmaxCrossEntropyLoss(x, t)",
        x=real(3, 4),
        t=constant([2, 0, 1]),
        dims=("batch",),
    ),
]
