"""The operator table: one small model for every form of every operator that has a rule."""

from tests.cases import (
    activation,
    algebra,
    attention,
    control,
    elementwise,
    index,
    linear,
    loss,
    movement,
    norm,
    pool,
    quantise,
    recurrent,
    reduce,
    region,
    resample,
    sample,
    scatter,
    signal,
    transposed,
)
from tests.cases.case import Case

FAMILIES = (
    elementwise,
    activation,
    linear,
    transposed,
    pool,
    norm,
    reduce,
    movement,
    index,
    control,
    recurrent,
    algebra,
    attention,
    loss,
    region,
    resample,
    sample,
    scatter,
    signal,
    quantise,
)
CASES: list[Case] = [case for family in FAMILIES for case in family.CASES]
