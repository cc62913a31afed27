"""Pooling over regions of interest."""

from tests.cases.case import case, constant, given, real

ROIS = [[0.4, 0.3, 3.1, 4.2], [1.2, 0.6, 4.6, 2.3], [0.2, 1.7, 2.9, 4.4]]

CASES = [
    *(
        case(
            f"RoiAlign/{mode}, {coordinates}, ratio {ratio}",
            f'y = RoiAlign<mode = "{mode}", coordinate_transformation_mode = "{coordinates}", '
            f"sampling_ratio = {ratio}, "
            "output_height = 2, output_width = 3, spatial_scale = 0.9>(x, r, b)",
            x=real(2, 2, 6, 6),
            r=given(ROIS),
            b=constant([0, 1, 1]),
        )
        for mode in ("avg", "max")
        for coordinates in ("half_pixel", "output_half_pixel")
        for ratio in (0, 2)
    ),
    case(
        "RoiAlign/outside the image",
        "y = RoiAlign<output_height = 2, output_width = 2, sampling_ratio = 2>(x, r, b)",
        x=real(1, 1, 4, 4),
        r=given([[-3.3, -2.2, 2.6, 2.1], [1.7, 2.3, 8.6, 7.9]]),
        b=constant([0, 0]),
    ),
    case(
        "MaxRoiPool",
        "y = MaxRoiPool<pooled_shape = [2, 3], spatial_scale = 0.5>(x, r)",
        x=real(2, 2, 5, 6),
        r=constant([[0.0, 1.0, 1.0, 8.0, 9.0], [1.0, 0.0, 2.0, 6.0, 5.0], [1.0, 4.0, 4.0, 5.0, 5.0]]),
    ),
]
