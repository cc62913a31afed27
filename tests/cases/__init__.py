"""The operator table: one small model for every form of every operator that has a rule."""

from tests.cases import activation, control, elementwise, index, linear, movement, norm, pool, reduce
from tests.cases.case import Case

FAMILIES = (elementwise, activation, linear, pool, norm, reduce, movement, index, control)
CASES: list[Case] = [case for family in FAMILIES for case in family.CASES]
