"""Named real constants."""

from __future__ import annotations

import math

from wengert.expr import Expr, make
from wengert.operations.enclosing import constant
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


def pi() -> Expr:
    """The circle's number."""
    return make(CONSTANT, (), ("pi",), ())
