"""Einsum and determinants."""

from tests.cases.case import case, given, real

EINSUM = [
    # equation, shapes
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("bij,bjk->bik", (2, 2, 3), (2, 3, 2)),
    ("bhqd,bhkd->bhqk", (2, 2, 3, 2), (2, 2, 3, 2)),
    ("...ij,...jk->...ik", (2, 2, 3), (2, 3, 2)),
    ("b...,bd->b...d", (2, 3, 2), (2, 4)),
    ("ij->ji", (2, 3)),
    ("ij->i", (2, 3)),
    ("ij->", (2, 3)),
    ("ii->i", (3, 3)),
    ("ii", (3, 3)),
    ("bii->bi", (2, 3, 3)),
    ("iij,jk->ik", (3, 3, 2), (2, 4)),
    ("ij,kl->ik", (2, 3), (4, 2)),
    ("i,j", (3,), (4,)),
    ("i,i", (4,), (4,)),
    ("ij,jk,kl->il", (2, 3), (3, 2), (2, 4)),
    ("ij,ij->ij", (2, 3), (2, 3)),
    ("...,...->...", (2, 3), (2, 3)),
    ("...i,ij->...j", (2, 2, 3), (3, 2)),
    ("b n d, e d -> b n e", (2, 3, 4), (5, 4)),
]

CASES = [
    *(
        case(
            f"Einsum/{equation}",
            f'y = Einsum<equation = "{equation}">({", ".join("xyz"[: len(shapes)]).replace("y", "w")})',
            **{name: real(*shape) for name, shape in zip("xwz", shapes, strict=False)},
        )
        for equation, *shapes in EINSUM
    ),
    case(
        "Einsum/a size of one", 'y = Einsum<equation = "ij,ij->i">(x, w)', x=real(2, 3), w=real(2, 1), dims=("batch",)
    ),
    case("Det", "y = Det(x)", x=real(3, 3), dims=("batch",)),
    case("Det/of one", "y = Det(x)", x=real(2, 1, 1), dims=("batch",)),
    case("Det/of two", "y = Det(x)", x=real(2, 2, 2), dims=("batch",)),
    case("Det/a batch", "y = Det(x)", x=real(2, 3, 4, 4), dims=("batch",)),
    case("Det/singular", "y = Det(x)", x=given([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [1.0, 0.0, 1.0]]), dims=("batch",)),
]
