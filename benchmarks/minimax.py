"""The polynomials of the native vector mathematics, from their definitions.

Run ``python benchmarks/minimax.py > src/wengert/backends/native/mathematics/coefficients.py``.
Each polynomial approximates a smooth remainder on a short interval: the exchange algorithm of
Remez on a grid of Chebyshev points, in 60 digits, with the least degree that meets the bound on
the relative error of the function it is for. Takes a minute or two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath as mp
import numpy as np

mp.mp.dps = 60
POINTS = 400
BOUNDS = {"f64": mp.mpf(2) ** -57, "f32": mp.mpf(2) ** -28}
Function = Callable[[Any], Any]


@dataclass(frozen=True)
class Wanted:
    """A polynomial for ``function`` on an interval; ``weight`` · error is to be small."""

    name: str
    said: str
    function: Function
    low: Any
    high: Any
    weight: Function
    slack: float = 1.0


def solve(points: list[Any], values: list[Any], weights: list[Any], degree: int) -> Any:
    """Coefficients whose weighted error alternates at the points."""
    size = degree + 2
    matrix, right = mp.matrix(size, size), mp.matrix(size, 1)
    for row, (x, value, weight) in enumerate(zip(points, values, weights, strict=True)):
        for k in range(degree + 1):
            matrix[row, k] = x**k
        matrix[row, size - 1] = (-1) ** row / weight
        right[row] = value
    return mp.lu_solve(matrix, right)


def extremes(errors: list[Any], wanted: int) -> list[int]:
    """Where the error is largest between changes of its sign."""
    found, best = [], 0
    for k in range(1, len(errors)):
        if (errors[k] > 0) != (errors[best] > 0):
            found.append(best)
            best = k
        elif abs(errors[k]) > abs(errors[best]):
            best = k
    found.append(best)
    while len(found) > wanted:
        found.pop(0 if abs(errors[found[0]]) < abs(errors[found[-1]]) else -1)
    return found


def minimax(wanted: Wanted, degree: int) -> tuple[Any, list[Any]]:
    """The largest weighted error, and the coefficients from the constant one on."""
    low, high = mp.mpf(wanted.low), mp.mpf(wanted.high)
    middle, half = (low + high) / 2, (high - low) / 2
    grid = [middle - half * mp.cos(mp.pi * k / (POINTS - 1)) for k in range(POINTS)]
    values = [wanted.function(x) for x in grid]
    weights = [wanted.weight(x) for x in grid]
    places = [round((POINTS - 1) * j / (degree + 1)) for j in range(degree + 2)]
    best: tuple[Any, list[Any]] = (mp.inf, [])
    for _ in range(8):
        solution = solve(*[[a[k] for k in places] for a in (grid, values, weights)], degree)
        coefficients = [solution[k] for k in range(degree + 1)]
        errors = [
            w * (mp.polyval(coefficients[::-1], x) - v)
            for x, v, w in zip(grid, values, weights, strict=True)
        ]
        largest = max(map(abs, errors))
        if largest < best[0]:
            best = (largest, coefficients)
        places = extremes(errors, degree + 2)
        if largest < 1.02 * abs(solution[degree + 1]) or len(places) < degree + 2:
            break
    return best


def least_degree(wanted: Wanted, bound: Any, start: int) -> tuple[Any, list[Any]]:
    degree = start
    while (found := minimax(wanted, degree))[0] > bound:
        degree += 1
    return found


def erfcx(x: Any) -> Any:
    return mp.exp(x * x) * mp.erfc(x)


def _atanh_series(s: Any) -> Any:
    return mp.log((1 + s) / (1 - s)) / s


TINY = mp.mpf(10) ** -14
LN2 = mp.log(2)
SHIFT = mp.mpf(4)  # of the argument of erfc
CENTRE = mp.mpf("0.75")  # from where erfc is scaled by an exponential
LAST = mp.mpf(28)


def _unshift(t: Any) -> Any:
    """The x whose (x − 4)/(x + 4) is t."""
    return SHIFT * (1 + t) / (1 - t)


def _shift(x: Any) -> Any:
    return (x - SHIFT) / (x + SHIFT)


R = LN2 / 2 * mp.mpf("1.01")
Z = R * R
S = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2 * mp.mpf("1.01")
Q = (mp.pi / 4) ** 2 * mp.mpf("1.02")
A = mp.tan(mp.pi / 8) ** 2 * mp.mpf("1.001")

POLYNOMIALS = [
    Wanted("EXP", "(exp(r) − 1 − r)/r² of r, |r| < 0.35",
           lambda r: (mp.expm1(r) - r) / r**2, -R, R, abs),
    Wanted("SINH", "(sinh(r)/r − 1)/r² of r², |r| < 0.35",
           lambda z: (mp.sinh(mp.sqrt(z)) / mp.sqrt(z) - 1) / z, TINY, Z, lambda z: z),
    Wanted("COSH", "(cosh(r) − 1)/r² of r², |r| < 0.35",
           lambda z: (mp.cosh(mp.sqrt(z)) - 1) / z, TINY, Z, lambda z: z),
    Wanted("LOG", "(log((1 + s)/(1 − s))/s − 2)/s² of s², |s| < 0.172",
           lambda z: (_atanh_series(mp.sqrt(z)) - 2) / z, TINY, S, lambda z: z / 2),
    Wanted("LOG_TAIL", "(log((1 + s)/(1 − s))/(2 s) − 1 − s²/3)/s⁴ of s², |s| < 0.172",
           lambda z: (_atanh_series(mp.sqrt(z)) / 2 - 1 - z / 3) / z**2, TINY, S,
           lambda z: z**2, 2.0**-10),
    Wanted("SIN", "(sin(r)/r − 1)/r² of r², |r| < π/4",
           lambda z: (mp.sin(mp.sqrt(z)) / mp.sqrt(z) - 1) / z, TINY, Q, lambda z: z),
    Wanted("COS", "(cos(r) − 1 + r²/2)/r⁴ of r², |r| < π/4",
           lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2, TINY, Q, lambda z: z**2),
    Wanted("ARCTAN", "(arctan(t)/t − 1)/t² of t², |t| < tan(π/8)",
           lambda z: (mp.atan(mp.sqrt(z)) / mp.sqrt(z) - 1) / z, TINY, A, lambda z: z),
    Wanted("ARCSIN", "(arcsin(t)/t − 1)/t² of t², |t| < 1/2",
           lambda z: (mp.asin(mp.sqrt(z)) / mp.sqrt(z) - 1) / z, TINY, mp.mpf("0.2501"),
           lambda z: z),
    Wanted("ERF", "erf(t)/t − 1 of t², |t| < 0.75",
           lambda z: mp.erf(mp.sqrt(z)) / mp.sqrt(z) - 1, TINY, CENTRE**2 * mp.mpf("1.001"),
           lambda z: mp.sqrt(z) / mp.erf(mp.sqrt(z))),
    Wanted("ERFC", "(1 + 2x) exp(x²) erfc(x) − 1 of (x − 4)/(x + 4), 0.75 < x < 28",
           lambda t: (1 + 2 * _unshift(t)) * erfcx(_unshift(t)) - 1, _shift(mp.mpf("0.749")),
           _shift(LAST), lambda t: 1 / ((1 + 2 * _unshift(t)) * erfcx(_unshift(t)))),
    Wanted("CBRT", "m^(−1/3), 0.353 < m < 2.83 (a first guess, to 1/400)",
           lambda m: 1 / mp.cbrt(m), mp.mpf("0.353"), mp.mpf("2.83"), mp.cbrt, 0.0),
]  # fmt: skip


def _line(number: Any, kind: str) -> str:
    return repr(float(number)) if kind == "f64" else str(np.float32(float(number)))


def main() -> None:
    print('"""Coefficients of minimax polynomials, from the constant one on.')
    print()
    print("Written by benchmarks/minimax.py, which says what each is and how it is found.")
    print('"""')
    print()
    print("Coefficients = dict[str, tuple[float, ...]]")
    for wanted in POLYNOMIALS:
        print()
        print(f"# {wanted.said}")
        print(f"{wanted.name}: Coefficients = {{")
        for kind, bound in BOUNDS.items():
            limit = bound * wanted.slack if wanted.slack else mp.mpf(1) / 400
            error, coefficients = least_degree(wanted, limit, 1)
            print(f'    "{kind}": (  # error 2^{float(mp.log(error, 2)):.1f}')
            for c in coefficients:
                print(f"        {_line(c, kind)},")
            print("    ),")
        print("}")


if __name__ == "__main__":
    main()
