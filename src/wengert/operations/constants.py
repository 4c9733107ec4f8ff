"""Named real constants."""

from __future__ import annotations

import math
from fractions import Fraction

from wengert.expr import Expr, make
from wengert.operations.enclosing import constant
from wengert.operations.structure import constant_value, strip_coefficient
from wengert.primitive import Constant, Notation, Primitive, register

_VALUES = {"pi": math.pi}

CONSTANT = register(
    Primitive(
        "constant",
        0,
        lambda operands, params: (),
        lambda node: _VALUES[node.params[0]],
        Constant("a number does not depend on anything"),
        Notation("pi", "π", r"\pi", "np.pi"),
        parameters=("name",),
        positive=lambda node: True,
        domains=(),
        enclosure=constant,
    )
)


def multiple_of_pi(x: Expr) -> Fraction | None:
    """The rational q of a scalar x = qπ, 0 included; None of any other."""
    if x.shape:
        return None
    if constant_value(x) == 0:
        return Fraction(0)
    factor, rest = strip_coefficient(x)
    return factor if rest.primitive is CONSTANT and rest.params == ("pi",) else None


def pi() -> Expr:
    """The circle's number."""
    return make(CONSTANT, (), ("pi",), ())
