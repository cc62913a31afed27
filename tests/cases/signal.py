"""Fourier transforms."""

from tests.cases.case import case, constant, fed, real, weight

DFT = [
    # what, attributes, x, length, axis
    ("real", "", (2, 5, 1), None, None),
    ("complex", "", (2, 4, 2), None, None),
    ("inverse", "inverse = 1", (2, 5, 2), None, None),
    ("onesided, even", "onesided = 1", (2, 6, 1), None, None),
    ("onesided, odd", "onesided = 1", (2, 5, 1), None, None),
    ("axis", "", (2, 3, 4, 2), None, 1),
    ("axis 0", "", (4, 2, 1), None, 0),
    ("negative axis", "inverse = 1", (2, 3, 4, 2), None, -3),
    ("filled up", "", (2, 4, 1), 7, None),
    ("cut off", "", (2, 6, 2), 4, None),
    ("filled up, onesided", "onesided = 1", (2, 4, 1), 6, None),
    ("inverse, cut off", "inverse = 1", (2, 5, 2), 3, None),
]


def dft(what, attributes, x, length, axis):
    inputs = {"x": real(*x)}
    names = ["x", "" if length is None else "n", "" if axis is None else "a"]
    if length is not None:
        inputs["n"] = constant(length)
    if axis is not None:
        inputs["a"] = constant(axis)
    return case(f"DFT/{what}", f"y = DFT<{attributes}>({', '.join(names).rstrip(', ')})", **inputs)


CASES = [
    *(dft(*row) for row in DFT),
    case("DFT/axis as input", "y = DFT<onesided = 1>(x, , a)", x=real(2, 5, 4, 1), a=fed(1)),
    *(
        case(
            f"DFT/half a spectrum to {length}",
            "y = DFT<inverse = 1, onesided = 1>(x, n)",
            x=real(2, 4, 2),
            n=constant(length),
        )
        for length in (6, 7)
    ),
    case("DFT/length as input", "y = DFT(x, n)", x=real(2, 4, 1), n=fed(6)),
    case(
        "STFT",
        "y = STFT(x, step, w, n)",
        x=real(2, 12, 1),
        step=constant(3),
        w=weight(4),
        n=constant(4),
        dims=("batch",),
    ),
    case(
        "STFT/twosided",
        "y = STFT<onesided = 0>(x, step, w, n)",
        x=real(1, 10, 1),
        step=constant(2),
        w=weight(5),
        n=constant(5),
        dims=("batch",),
    ),
    case(
        "STFT/complex, no window",
        "y = STFT<onesided = 0>(x, step, , n)",
        x=real(1, 9, 2),
        step=constant(2),
        n=constant(4),
        dims=("batch",),
    ),
]
