"""The incomplete gamma and beta functions, in their shape parameters too.

Derivatives in a shape parameter have no closed form. They are integrals of the density's, which
have one: ∂ⁿP(a, x)/∂aⁿ = ∫₀ˣ ∂ⁿp(a, t)/∂aⁿ dt. The integral is taken from x outwards on the side
that has no more than about half of the mass, in the variable s = |log t − log x| (log-odds for the
beta function), in which it decays like an exponential at the least; a double exponential rule
(Takahasi and Mori 1974) then gives nearly all digits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import comb, inf
from typing import Any

import numpy as np
from scipy import special

from wengert.expr import Expr
from wengert.operations.algebra import add, power
from wengert.operations.apply import apply
from wengert.operations.binary_functions import XLOG1PY, XLOGY
from wengert.operations.build import divide, mul, neg, ones_like, sub
from wengert.operations.declare import declare
from wengert.operations.enclosing import Extremes
from wengert.operations.gamma_functions import BETALN, DIGAMMA, GAMMALN, polygamma
from wengert.operations.scalar_functions import EXP
from wengert.primitive import Domain, Notation, Sample

Array = Any

# ---------------------------------------------------------------- derivatives by quadrature

_STEP = 1 / 24
_PLACES = np.arange(-4.2, 4.4, _STEP)


def _bell(
    first: int, second: int, times: Callable[[int, int, Any], Any], start: Any,
    total: Callable[[Sequence[Any], Sequence[int]], Any],
) -> Any:  # fmt: skip
    """∂ᵃ∂ᵇ exp(h), from the derivatives of h (Faà di Bruno, Leibniz's rule again and again).

    ``times(i, j, e)`` is e ∂ⁱ∂ʲh and ``total`` a sum with weights; ``start`` is exp(h).
    """
    known: dict[tuple[int, int], Any] = {(0, 0): start}
    for i in range(first + 1):
        for j in range(second + 1):
            if (i, j) == (0, 0):
                continue
            step = (1, 0) if i else (0, 1)
            m, n = i - step[0], j - step[1]
            pairs = [(p, q) for p in range(m + 1) for q in range(n + 1)]
            parts = [times(p + step[0], q + step[1], known[m - p, n - q]) for p, q in pairs]
            known[i, j] = total(parts, [comb(m, p) * comb(n, q) for p, q in pairs])
    return known[first, second]


def _weighted(parts: Sequence[Array], weights: Sequence[int]) -> Array:
    return sum(w * p for w, p in zip(weights, parts, strict=True))


def _places(scale: Array) -> tuple[Array, Array]:
    """Places and weights for ∫₀^∞ of what decays like exp(−s/scale)."""
    t = _PLACES.reshape(-1, *[1] * np.ndim(scale))
    places = np.exp(t - np.exp(-t))
    return scale * places, scale * places * (1 + np.exp(-t)) * _STEP


def _stirling(a: Array) -> Array:
    """log Γ(a) − (a − 1/2) log a + a − log(2π)/2; DLMF 5.11.1."""
    large, small = np.maximum(a, 10.0), np.minimum(a, 10.0)
    z = 1 / (large * large)
    coefficients = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
    series = np.polynomial.polynomial.polyval(z, coefficients) / large
    plain = special.gammaln(small) - (small - 0.5) * np.log(small) + small - np.log(2 * np.pi) / 2
    return np.where(a >= 10, series, plain)


def _psi(order: int, a: Array) -> Array:
    return special.polygamma(order, a) if order else special.digamma(a)


def _inside(evaluate: Callable[..., Array], *arrays: Array, inner: Array, edge: Array) -> Array:
    """0 on the edge of the domain, NaN outside; both are replaced by harmless numbers before."""
    safe = [np.where(inner, x, 0.5) for x in arrays]
    with np.errstate(over="ignore", under="ignore"):
        found = evaluate(*safe)
    return np.where(inner, found, np.where(edge, 0.0, np.nan))


def _gamma_slopes(order: int, a: Array, x: Array) -> Array:
    """∂ⁿP(a, x)/∂aⁿ, on the side of x away from the mass: below for x ≤ max(a, 1)."""
    below = x <= np.maximum(a, 1)
    least = np.where(below, np.minimum(a, np.sqrt(a)), np.sqrt(x))
    s, weights = _places(1 / np.maximum(np.where(below, a - x, x - a), least))
    log_ratio = np.log(x / a) + np.where(below, -s, s)  # log t − log a
    near = np.abs(log_ratio) < 0.5
    excess = np.where(near, np.expm1(np.where(near, log_ratio, 0)), x / a * np.exp(
        np.where(below, -s, np.minimum(s, 700.0))) - 1)  # fmt: skip
    density = np.exp(a * (log_ratio - excess) + np.log(a / (2 * np.pi)) / 2 - _stirling(a))
    first = log_ratio + (np.log(a) - special.digamma(a))

    def times(i: int, j: int, e: Array) -> Array:
        return np.where(e == 0, 0, e * (first if i == 1 else -_psi(i - 1, a)))

    total = np.sum(weights * _bell(order, 0, times, density, _weighted), axis=0)
    return np.where(below, total, -total)


def _beta_slopes(first: int, second: int, a: Array, b: Array, x: Array) -> Array:
    """∂ᵃ∂ᵇI_x(a, b), on the side of x away from the mass."""
    one, other = np.maximum(a, 1), np.maximum(b, 1)
    below = (one + other) * x <= one
    p, q = np.where(below, a, b), np.where(below, b, a)
    odds = np.where(below, 1, -1) * (np.log(x) - np.log1p(-x))
    rate = np.where(below, 1, -1) * (a - (a + b) * x)
    s, weights = _places(1 / np.maximum(rate, np.minimum(p, np.sqrt((a + b) * x * (1 - x)))))
    odds = odds - s
    log_t, log_rest = -np.logaddexp(0, -odds), -np.logaddexp(0, odds)
    mean = p / (a + b)
    height = (np.log(p * q / (2 * np.pi * (a + b))) / 2
              + _stirling(a + b) - _stirling(a) - _stirling(b))  # fmt: skip
    density = np.exp(p * (log_t - np.log(mean)) + q * (log_rest - np.log1p(-mean)) + height)
    logs = np.where(below, log_t, log_rest), np.where(below, log_rest, log_t)

    def times(i: int, j: int, e: Array) -> Array:
        slope = _psi(i + j - 1, a + b)
        if i == 0 or j == 0:
            own, k = (b, 1) if i == 0 else (a, 0)
            slope = slope - _psi(i + j - 1, own) + (logs[k] if i + j == 1 else 0)
        return np.where(e == 0, 0, e * slope)

    total = np.sum(weights * _bell(first, second, times, density, _weighted), axis=0)
    return np.where(below, total, -total)


def _gamma_slope(order: int, a: Array, x: Array) -> Array:
    dtype = np.result_type(a, x)
    a, x = (np.asarray(v, dtype=np.float64) for v in (a, x))
    inner = (a > 0) & np.isfinite(a) & (x > 0) & np.isfinite(x)
    found = _inside(
        lambda a, x: _gamma_slopes(order, a, x), a, x,
        inner=inner, edge=(a > 0) & ((x == 0) | (x == np.inf)),
    )  # fmt: skip
    return found.astype(dtype)[()]


def _beta_slope(first: int, second: int, a: Array, b: Array, x: Array) -> Array:
    dtype = np.result_type(a, b, x)
    a, b, x = (np.asarray(v, dtype=np.float64) for v in (a, b, x))
    shapes = (a > 0) & (b > 0) & np.isfinite(a) & np.isfinite(b)
    found = _inside(
        lambda a, b, x: _beta_slopes(first, second, a, b, x), a, b, x,
        inner=shapes & (x > 0) & (x < 1), edge=shapes & ((x == 0) | (x == 1)),
    )  # fmt: skip
    return found.astype(dtype)[()]


# ---------------------------------------------------------------- densities and their slopes


def _summed(parts: Sequence[Expr], weights: Sequence[int]) -> Expr:
    return add(parts, weights)


def _gamma_density(a: Expr, x: Expr) -> Expr:
    """xᵃ⁻¹ exp(−x)/Γ(a)."""
    terms = [apply(XLOGY, sub(a, ones_like(a)), x), x, apply(GAMMALN, a)]
    return apply(EXP, add(terms, [1, -1, -1]))


def _gamma_density_slope(y: Expr, a: Expr, x: Expr) -> Expr:
    """∂ⁿ/∂aⁿ of the density; 0 where that is 0."""

    def times(i: int, j: int, e: Expr) -> Expr:
        if i == 1:
            return sub(apply(XLOGY, e, x), mul(e, apply(DIGAMMA, a)))
        return neg(mul(e, polygamma(i - 1, a)))

    return _bell(y.param("order"), 0, times, _gamma_density(a, x), _summed)


def _beta_density(a: Expr, b: Expr, x: Expr) -> Expr:
    """xᵃ⁻¹ (1 − x)ᵇ⁻¹/B(a, b)."""
    terms = [
        apply(XLOGY, sub(a, ones_like(a)), x),
        apply(XLOG1PY, sub(b, ones_like(b)), neg(x)),
        apply(BETALN, a, b),
    ]
    return apply(EXP, add(terms, [1, 1, -1]))


def _beta_density_slope(y: Expr, a: Expr, b: Expr, x: Expr) -> Expr:
    """∂ᵃ∂ᵇ of the density; 0 where that is 0."""

    def times(i: int, j: int, e: Expr) -> Expr:
        order = i + j - 1
        both = mul(e, polygamma(order, add([a, b])))
        if i and j:
            return both
        rest = sub(both, mul(e, polygamma(order, a if i else b)))
        if order:
            return rest
        return add([apply(XLOGY, e, x) if i else apply(XLOG1PY, e, neg(x)), rest])

    return _bell(y.param("first"), y.param("second"), times, _beta_density(a, b, x), _summed)


def _gamma_order(y: Expr, a: Expr, x: Expr) -> Expr:
    return apply(DGAMMAINC, a, x, order=y.param("order") + 1)


def _beta_order(step: tuple[int, int]) -> Callable[..., Expr]:
    def next_order(y: Expr, a: Expr, b: Expr, x: Expr) -> Expr:
        first, second = y.param("first") + step[0], y.param("second") + step[1]
        return apply(DBETAINC, a, b, x, first=first, second=second)

    return next_order


def _by_shape(a: Expr, x: Expr) -> Expr:
    """∂P(a, x)/∂a."""
    return apply(DGAMMAINC, a, x, order=1)


def _by_shapes(k: int, a: Expr, b: Expr, x: Expr) -> Expr:
    """∂I_x(a, b)/∂a and ∂b."""
    return apply(DBETAINC, a, b, x, first=1 - k, second=k)


# ---------------------------------------------------------------- declarations

_SHAPE = Domain(0.6, 3.0)
# Monotone in each operand; DLMF 8.2, 8.17.
_PROBABILITY = Extremes(low=(0.0, 0.0), within=(0.0, 1.0), relative=1e-11)
_BETA_PROBABILITY = Extremes(
    low=(0.0,) * 3, high=(inf, inf, 1.0), within=(0.0, 1.0), relative=1e-11
)
_QUANTILE = Extremes(low=(0.0, 0.0), high=(inf, 1.0), within=(0.0, inf), relative=1e-9)
_BETA_QUANTILE = Extremes(low=(0.0,) * 3, high=(inf, inf, 1.0), within=(0.0, 1.0), relative=1e-9)
_ORDERS = ((1, 0), (0, 1), (1, 1), (2, 0))
DGAMMAINC = declare(
    "dgammainc", _gamma_slope, _gamma_order, _gamma_density_slope, parameters=("order",),
    notation=Notation(
        "dgammainc({order}, {0}, {1})", "dgammainc({order}, {0}, {1})",
        r"P^{{({order})}}\left({0}, {1}\right)",
        "",
    ), domains=(_SHAPE, Domain(0.3, 4.0)),
    source="∂ⁿP(a, x)/∂aⁿ, integrated by a double exponential rule (Takahasi and Mori 1974)",
)  # fmt: skip
DBETAINC = declare(
    "dbetainc", _beta_slope, _beta_order((1, 0)), _beta_order((0, 1)), _beta_density_slope,
    parameters=("first", "second"),
    notation=Notation(
        "dbetainc({first}, {second}, {0}, {1}, {2})", "dbetainc({first}, {second}, {0}, {1}, {2})",
        r"I^{{({first}, {second})}}_{{{2}}}\left({0}, {1}\right)",
        "",
    ), domains=(_SHAPE, _SHAPE, Domain(0.1, 0.9)),
    samples=tuple(Sample((s,) * 3, o) for s in ((), (2,)) for o in _ORDERS),
    source="∂I_x(a, b)/∂a∂b, integrated by a double exponential rule (Takahasi and Mori 1974)",
)  # fmt: skip
GAMMAINC = declare(
    "gammainc", special.gammainc, lambda y, a, x: _by_shape(a, x),
    lambda y, a, x: _gamma_density(a, x),
    latex="P", domains=(_SHAPE, Domain(0.3, 4.0)), source="DLMF 8.2: γ(a, x)/Γ(a)",
    enclosure=_PROBABILITY,
)  # fmt: skip
GAMMAINCC = declare(
    "gammaincc", special.gammaincc, lambda y, a, x: neg(_by_shape(a, x)),
    lambda y, a, x: neg(_gamma_density(a, x)), latex="Q", domains=(_SHAPE, Domain(0.3, 4.0)),
    source="DLMF 8.2: Γ(a, x)/Γ(a)",
    enclosure=_PROBABILITY,
)  # fmt: skip
GAMMAINCINV = declare(
    "gammaincinv", special.gammaincinv,
    lambda y, a, p: neg(divide(_by_shape(a, y), _gamma_density(a, y))),
    lambda y, a, p: power(_gamma_density(a, y), -1), latex="P^{-1}",
    domains=(_SHAPE, Domain(0.1, 0.9)), source="the inverse of P(a, x) in x",
    enclosure=_QUANTILE,
)  # fmt: skip
GAMMAINCCINV = declare(
    "gammainccinv", special.gammainccinv,
    lambda y, a, p: neg(divide(_by_shape(a, y), _gamma_density(a, y))),
    lambda y, a, p: neg(power(_gamma_density(a, y), -1)), latex="Q^{-1}",
    domains=(_SHAPE, Domain(0.1, 0.9)), source="the inverse of Q(a, x) in x",
    enclosure=_QUANTILE,
)  # fmt: skip
BETAINC = declare(
    "betainc", special.betainc, lambda y, a, b, x: _by_shapes(0, a, b, x),
    lambda y, a, b, x: _by_shapes(1, a, b, x), lambda y, a, b, x: _beta_density(a, b, x),
    latex="I", domains=(_SHAPE, _SHAPE, Domain(0.1, 0.9)), source="DLMF 8.17: I_x(a, b)",
    enclosure=_BETA_PROBABILITY,
)  # fmt: skip
BETAINCC = declare(
    "betaincc", special.betaincc, lambda y, a, b, x: neg(_by_shapes(0, a, b, x)),
    lambda y, a, b, x: neg(_by_shapes(1, a, b, x)),
    lambda y, a, b, x: neg(_beta_density(a, b, x)),
    domains=(_SHAPE, _SHAPE, Domain(0.1, 0.9)), source="DLMF 8.17: 1 − I_x(a, b)",
    enclosure=_BETA_PROBABILITY,
)  # fmt: skip
BETAINCINV = declare(
    "betaincinv", special.betaincinv,
    lambda y, a, b, p: neg(divide(_by_shapes(0, a, b, y), _beta_density(a, b, y))),
    lambda y, a, b, p: neg(divide(_by_shapes(1, a, b, y), _beta_density(a, b, y))),
    lambda y, a, b, p: power(_beta_density(a, b, y), -1), latex="I^{-1}",
    domains=(_SHAPE, _SHAPE, Domain(0.1, 0.9)), source="the inverse of I_x(a, b) in x",
    enclosure=_BETA_QUANTILE,
)  # fmt: skip
