"""Normalisation layers."""

from tests.cases.case import Tensor, case, constant, real, weight


def statistics(channels):
    """Scale, bias, mean and variance of a BatchNormalization, all asked for."""
    variance = Tensor((channels,), 0.4, 2.0, initializer=True)
    return {"s": weight(channels), "b": weight(channels), "m": weight(channels), "v": variance}


BATCH = "y = BatchNormalization(x, s, b, m, v)"
INSTANCE = "y = InstanceNormalization(x, s, b)"
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
    *(
        case(
            f"BatchNormalization/training, {what}",
            f"{outputs} = BatchNormalization<training_mode = 1, momentum = 0.7>(x, s, b, m, v)",
            x=real(*shape),
            **statistics(3),
        )
        for what, outputs, shape in (
            ("running statistics", "y, rm, rv", (4, 3)),
            ("running statistics of images", "y, rm, rv", (2, 3, 2, 3)),
        )
    ),
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
    case(
        "LayerNormalization/all outputs",
        "y, m, d = LayerNormalization(x, s, b)",
        x=real(2, 3, 4),
        s=weight(4),
        b=weight(4),
    ),
    case(
        "LayerNormalization/further outputs, added",
        "y, m, d = LayerNormalization<axis = 1>(x, s) z = Add(m, d)",
        x=real(2, 3, 4),
        s=constant([1.0]),
    ),
    *(
        case(f"InstanceNormalization/{len(shape)} axes", INSTANCE, x=real(*shape), s=weight(3), b=weight(3))
        for shape in ((2, 3, 4), (2, 3, 3, 4), (1, 3, 2, 2, 3))
    ),
    case(
        "InstanceNormalization/epsilon",
        INSTANCE.replace("(", "<epsilon = 0.2>("),
        x=real(2, 3, 5),
        s=weight(3),
        b=weight(3),
    ),
    *(
        case(
            f"GroupNormalization/{groups} groups, {len(shape)} axes",
            f"y = GroupNormalization<num_groups = {groups}, epsilon = 0.01>(x, s, b)",
            x=real(*shape),
            s=weight(4),
            b=weight(4),
        )
        for groups in (1, 2, 4)
        for shape in ((2, 4, 3), (2, 4, 2, 3))
    ),
    *(
        case(
            f"RMSNormalization/axis {axis}",
            f"y = RMSNormalization<axis = {axis}, epsilon = 0.01>(x, s)",
            x=real(2, 3, 4),
            s=weight(*(2, 3, 4)[axis:]),
            opset=23,
        )
        for axis in (-1, 1, -3)
    ),
    *(
        case(f"LRN/size {size}", f"y = LRN<size = {size}, alpha = 0.3, beta = 0.6, bias = 1.5>(x)", x=real(2, 5, 2, 3))
        for size in (1, 3, 5)
    ),
    *(
        case(
            f"LpNormalization/p {p}, axis {axis}",
            f"y = LpNormalization<p = {p}, axis = {axis}>(x)",
            x=real(2, 3, 4),
            kinks=(0,),
        )
        for p in (1, 2)
        for axis in (-1, 1)
    ),
    case("MeanVarianceNormalization", "y = MeanVarianceNormalization<axes = [0, 2, 3]>(x)", x=real(2, 3, 2, 3)),
    case("MeanVarianceNormalization/axes", "y = MeanVarianceNormalization<axes = [1, 2]>(x)", x=real(2, 3, 4)),
]
