"""Which operation an elementwise function of NumPy or SciPy is: the table for tracing.

Most are declared (``Primitive.ufuncs``); here are also those that are made of several operations
or take a plain number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache
from types import MappingProxyType
from typing import Any, cast

import numpy as np
from scipy import special

from wengert.errors import DomainError
from wengert.expr import Expr
from wengert.operations.algebra import add, power, scale
from wengert.operations.apply import apply
from wengert.operations.bessel_functions import I0, KV, YV
from wengert.operations.binary_functions import CLIP, FLOOR_DIVIDE, MAXIMUM, MINIMUM, REMAINDER
from wengert.operations.build import divide, mul
from wengert.operations.constants import pi
from wengert.operations.declare import plus_one
from wengert.operations.gamma_functions import multigammaln, polygamma, zeta
from wengert.operations.incomplete_functions import BETAINC, BETAINCC, GAMMAINC, GAMMAINCC
from wengert.operations.scalar_functions import NAN_TO_NUM
from wengert.operations.special_functions import (
    COSINT,
    FRESNELC,
    FRESNELS,
    SININT,
    expn,
    lambertw,
)
from wengert.operations.structure import constant_value
from wengert.primitive import Primitive, registry

Result = Expr | tuple[Expr, ...]


def radians(x: Expr) -> Expr:
    """Degrees as radians."""
    return scale(Fraction(1, 180), mul(pi(), x))


def degrees(x: Expr) -> Expr:
    """Radians as degrees."""
    return scale(180, mul(power(pi(), -1), x))


def clip(x: Expr, low: Expr | None = None, high: Expr | None = None) -> Expr:
    """The entries kept between bounds; on a bound the derivative is x's (1), not the bound's."""
    if low is None:
        return x if high is None else apply(CLIP, x, apply(MINIMUM, x, high), high)
    return apply(CLIP, x, low, apply(MAXIMUM, x, low) if high is None else high)


def nan_to_num(
    x: Expr, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Expr:
    """NaN and infinities replaced by numbers, infinities by the largest ones by default."""
    return apply(NAN_TO_NUM, x, nan=nan, posinf=posinf, neginf=neginf)


def _of_whole_order(primitive: Primitive, order: Expr, x: Expr) -> Expr:
    """``yn`` and ``kn`` cut the fraction of an order off, which is refused here if it is known."""
    value = constant_value(order)
    if value is not None and value.denominator != 1:
        raise DomainError(
            f"{primitive.name[0]}n takes whole orders, not {float(value)}; for others there is "
            f"{primitive.name}"
        )
    return apply(primitive, order, x)


def _whole_order(name: str, order: Any) -> int:
    """An order that is part of the operation."""
    value = constant_value(order) if isinstance(order, Expr) else order
    if value is None or value != int(value) or value < 0:
        raise DomainError(f"{name} takes one whole number as its order, which has no derivative")
    return int(value)


def _half(x: Expr) -> Expr:
    return scale(Fraction(1, 2), x)


def _next_whole(k: Expr) -> Expr:
    return plus_one(apply(registry["floor"], k))


def _f_share(n: Expr, d: Expr, x: Expr) -> Expr:
    """nx/(nx + d), between 0 and 1."""
    weighted = mul(n, x)
    return divide(weighted, add([weighted, d]))


_COMPOSED: Mapping[Callable[..., Any], Callable[..., Result]] = MappingProxyType({
    np.deg2rad: radians,
    np.radians: radians,
    np.rad2deg: degrees,
    np.degrees: degrees,
    np.divmod: lambda x, z: (apply(FLOOR_DIVIDE, x, z), apply(REMAINDER, x, z)),
    np.clip: clip,
    np.nan_to_num: nan_to_num,
    np.i0: lambda x: apply(I0, x),
    special.yn: lambda n, x: _of_whole_order(YV, n, x),
    special.kn: lambda n, x: _of_whole_order(KV, n, x),
    special.polygamma: lambda n, x: polygamma(_whole_order("polygamma", n), x),
    special.expn: lambda n, x: expn(_whole_order("expn", n), x),
    cast(Any, special).multigammaln: multigammaln,
    special.zeta: zeta,
    special.lambertw: lambertw,
    special.chdtr: lambda v, x: apply(GAMMAINC, _half(v), _half(x)),
    special.chdtrc: lambda v, x: apply(GAMMAINCC, _half(v), _half(x)),
    special.gdtr: lambda a, b, x: apply(GAMMAINC, b, mul(a, x)),
    special.gdtrc: lambda a, b, x: apply(GAMMAINCC, b, mul(a, x)),
    special.pdtr: lambda k, m: apply(GAMMAINCC, _next_whole(k), m),
    special.pdtrc: lambda k, m: apply(GAMMAINC, _next_whole(k), m),
    special.fdtr: lambda n, d, x: apply(BETAINC, _half(n), _half(d), _f_share(n, d, x)),
    special.fdtrc: lambda n, d, x: apply(BETAINCC, _half(n), _half(d), _f_share(n, d, x)),
    special.sici: lambda x: (apply(SININT, x), apply(COSINT, x)),
    special.fresnel: lambda x: (apply(FRESNELS, x), apply(FRESNELC, x)),
})  # fmt: skip


@cache
def _declared() -> dict[Callable[..., Any], Primitive]:
    return {f: p for p in registry.values() if not p.parameters for f in p.ufuncs}


def operation_of(function: Callable[..., Any]) -> Callable[..., Result] | None:
    """What builds the expression that an elementwise function of NumPy or SciPy stands for.

    Parameters
    ----------
    function : callable
        A ufunc, or a function such as ``np.sinc``.

    Returns
    -------
    callable or None
        Takes expressions of one shape in the function's order (whole orders as plain numbers) and
        gives the expression, or one an output; None for a function that is not known.
    """
    found = _COMPOSED.get(function)
    if found is not None:
        return found
    primitive = _declared().get(function)
    return None if primitive is None else lambda *operands: apply(primitive, *operands)
