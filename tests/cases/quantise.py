"""Quantisation, as far as its gradient is exact: the scale of DequantizeLinear, and paths beside QuantizeLinear.

tests/rules/test_quantised.py has the rest.
"""

import numpy as np

from tests.cases.case import case, constant, fed, real, weight

INTEGERS = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)

CASES = [
    case("DequantizeLinear", "y = DequantizeLinear(q, s)", q=fed(INTEGERS, np.uint8), s=weight()),
    case(
        "DequantizeLinear/zero point and axis",
        "y = DequantizeLinear<axis = -1>(q, s, z)",
        q=fed(INTEGERS, np.uint8),
        s=weight(4, low=0.3, high=1.3),
        z=constant([3, 5, 7, 9], np.uint8),
    ),
    case(
        "DequantizeLinear/blocks",
        "y = DequantizeLinear<axis = 2, block_size = 2>(q, s)",
        q=fed(INTEGERS, np.uint8),
        s=weight(2, 3, 2, low=0.3, high=1.3),
    ),
    case(
        "QuantizeLinear/beside another path",
        "q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) c = Cast<to = 1>(q) e = Mul(c, x) y = Add(e, d)",
        x=real(2, 3),
        s=constant(np.float32(4.0)),
        z=constant(3, np.uint8),
    ),
]
