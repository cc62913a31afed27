"""Resize in its modes."""

from tests.cases.case import case, constant, fed, real

MODES = [
    # what, attributes
    ("nearest", 'mode = "nearest"'),
    ("nearest, floor, asymmetric", 'nearest_mode = "floor", coordinate_transformation_mode = "asymmetric"'),
    ("nearest, ceil, asymmetric", 'nearest_mode = "ceil", coordinate_transformation_mode = "asymmetric"'),
    ("nearest, prefer ceil", 'nearest_mode = "round_prefer_ceil"'),
    ("nearest, align_corners", 'coordinate_transformation_mode = "align_corners"'),
    ("linear", 'mode = "linear"'),
    ("linear, align_corners", 'mode = "linear", coordinate_transformation_mode = "align_corners"'),
    ("linear, asymmetric", 'mode = "linear", coordinate_transformation_mode = "asymmetric"'),
    ("linear, pytorch_half_pixel", 'mode = "linear", coordinate_transformation_mode = "pytorch_half_pixel"'),
    ("linear, half_pixel_symmetric", 'mode = "linear", coordinate_transformation_mode = "half_pixel_symmetric"'),
    ("linear, antialias", 'mode = "linear", antialias = 1'),
    ("cubic", 'mode = "cubic"'),
    ("cubic, a and outside", 'mode = "cubic", cubic_coeff_a = -0.5, exclude_outside = 1'),
    ("cubic, antialias", 'mode = "cubic", antialias = 1'),
    ("cubic, align_corners", 'mode = "cubic", coordinate_transformation_mode = "align_corners"'),
]

SIZES = {"up": [4, 6], "down": [2, 2], "by odd factors": [5, 7], "one axis": [3, 5]}

CASES = [
    *(
        case(
            f"Resize/{what}, {where}",
            f"y = Resize<{attributes}>(x, , , sizes)",
            x=real(2, 2, 3, 4),
            sizes=constant([2, 2, *size]),
            dims=() if "align" in what and where == "down" else ("batch",),
        )
        for what, attributes in MODES
        for where, size in SIZES.items()
        if not ("antialias" in what and where == "up")
    ),
    *(
        case(
            f"Resize/{what}, factor {factor}",
            f"y = Resize<{attributes}>(x, , scales)",
            x=real(2, 2, 3, 4),
            scales=constant([1.0, 1.0, factor, factor]),
        )
        for what, attributes in MODES
        for factor in (2.0, 3.0)
    ),
    case(
        "Resize/factors of no whole size",
        'y = Resize<mode = "linear">(x, , s)',
        x=real(1, 2, 5, 4),
        s=constant([1.0, 1.0, 1.3, 0.6]),
    ),
    case(
        "Resize/axes", 'y = Resize<mode = "linear", axes = [3, 2]>(x, , s)', x=real(1, 2, 3, 4), s=constant([2.0, 1.5])
    ),
    case("Resize/channels", "y = Resize(x, , s)", x=real(1, 2, 3, 2), s=constant([1.0, 2.0, 1.0, 1.0])),
    case("Resize/1-D", 'y = Resize<mode = "linear">(x, , s)', x=real(2, 2, 5), s=constant([1.0, 1.0, 2.0])),
    case(
        "Resize/3-D",
        'y = Resize<mode = "linear">(x, , s)',
        x=real(1, 1, 2, 3, 2),
        s=constant([1.0, 1.0, 2.0, 1.5, 2.0]),
    ),
    case(
        "Resize/scales as input", 'y = Resize<mode = "linear">(x, , s)', x=real(1, 2, 3, 4), s=fed([1.0, 1.0, 2.0, 1.5])
    ),
    case("Resize/sizes as input", 'y = Resize<mode = "cubic">(x, , , s)', x=real(1, 2, 3, 4), s=fed([1, 2, 5, 3])),
    case(
        "Resize/an empty scales",
        'y = Resize<mode = "linear">(x, , e, s)',
        x=real(1, 1, 3, 4),
        e=constant([], "float32"),
        s=constant([1, 1, 6, 5]),
    ),
    case(
        "Resize/crop",
        'y = Resize<mode = "linear", coordinate_transformation_mode = "tf_crop_and_resize", extrapolation_value = 9.0>'
        "(x, r, , s)",
        x=real(1, 1, 4, 5),
        r=constant([0.0, 0.0, 0.3, -0.2, 1.0, 1.0, 0.8, 1.1]),
        s=constant([1, 1, 3, 4]),
    ),
    *(
        case(
            f"Resize/{policy}",
            f'y = Resize<mode = "linear", keep_aspect_ratio_policy = "{policy}", axes = [2, 3]>(x, , , s)',
            x=real(1, 2, 3, 4),
            s=constant([7, 6]),
            dims=("batch",),
        )
        for policy in ("not_larger", "not_smaller")
    ),
    case("Upsample", "y = Upsample(x, s)", x=real(1, 2, 3, 2), s=constant([1.0, 1.0, 2.0, 2.0]), opset=9),
]
