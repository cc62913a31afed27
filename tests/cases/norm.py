"""Normalisation layers at inference."""

from tests.cases.case import Tensor, case, real, weight


def statistics(channels):
    """Scale, bias, mean and variance of a BatchNormalization, all asked for."""
    variance = Tensor((channels,), 0.4, 2.0, initializer=True)
    return {"s": weight(channels), "b": weight(channels), "m": weight(channels), "v": variance}


BATCH = "y = BatchNormalization(x, s, b, m, v)"
LAYER = "y = LayerNormalization"

CASES = [
    case("BatchNormalization", BATCH, x=real(2, 3, 4, 4), **statistics(3)),
    case("BatchNormalization/2-D", BATCH, x=real(4, 3), **statistics(3)),
    case("BatchNormalization/3-D", BATCH, x=real(2, 3, 5), **statistics(3)),
    case(
        "BatchNormalization/epsilon",
        BATCH.replace("(", "<epsilon = 0.1, momentum = 0.5>("),
        x=real(2, 3, 2, 2),
        **statistics(3),
    ),
    case("BatchNormalization/opset 9", BATCH, x=real(2, 3, 2, 2), **statistics(3), opset=9),
    case("BatchNormalization/opset 7", BATCH, x=real(2, 3, 2, 2), **statistics(3), opset=7),
    case("LayerNormalization", f"{LAYER}(x, s, b)", x=real(2, 6), s=weight(6), b=weight(6)),
    case("LayerNormalization/no bias", f"{LAYER}(x, s)", x=real(2, 6), s=weight(6)),
    case("LayerNormalization/3-D", f"{LAYER}(x, s, b)", x=real(2, 3, 4), s=weight(4), b=weight(4)),
    case("LayerNormalization/axis 1", f"{LAYER}<axis = 1>(x, s, b)", x=real(2, 3, 4), s=weight(3, 4), b=weight(3, 4)),
    case(
        "LayerNormalization/axis -2", f"{LAYER}<axis = -2>(x, s, b)", x=real(2, 2, 3, 2), s=weight(3, 2), b=weight(3, 2)
    ),
    case("LayerNormalization/axis 0", f"{LAYER}<axis = 0>(x, s, b)", x=real(2, 3), s=weight(2, 3), b=weight(2, 3)),
    case("LayerNormalization/epsilon", f"{LAYER}<epsilon = 0.2>(x, s, b)", x=real(2, 5), s=weight(5), b=weight(5)),
    case(
        "LayerNormalization/scale of one element",
        f"{LAYER}<axis = 1>(x, s, b)",
        x=real(2, 3, 4),
        s=weight(1),
        b=weight(4),
    ),
]
