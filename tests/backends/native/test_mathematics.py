"""The vector mathematics beside mpmath, and NumPy at special values."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import mpmath as mp
import numpy as np
import pytest

from backends.native.support import (
    DTYPES,
    WIDE,
    compiled,
    emulated,
    engine_without,
    reference,
)
from wengert.backends.native.mathematics.routines import FUNCTIONS
from wengert.backends.native.types import type_of

NAMES = sorted(FUNCTIONS)
EXACT = [name for name in NAMES if FUNCTIONS[name].ulps == 0.5]
ROUNDED = [name for name in NAMES if name not in EXACT]
MACHINES = {
    "fused": engine_without(),
    "not fused": engine_without("fma", "avx512"),
    "128 bits": engine_without(*WIDE),
}
if (_other := emulated()) is not None:
    MACHINES["64-bit ARM"] = _other

# ---------------------------------------------------------------- what is exact


def _normcdf(x: Any) -> Any:
    return mp.erfc(-x / mp.sqrt(2)) / 2


def _softplus(x: Any) -> Any:
    return max(x, mp.mpf(0)) + mp.log1p(mp.exp(-abs(x)))


EXACTLY: dict[str, Any] = {
    "arccos": mp.acos,
    "arccosh": mp.acosh,
    "arcsin": mp.asin,
    "arcsinh": mp.asinh,
    "arctan": mp.atan,
    "arctan2": mp.atan2,
    "arctanh": mp.atanh,
    "cbrt": lambda x: mp.sign(x) * mp.cbrt(abs(x)),
    "exp10": lambda x: mp.mpf(10) ** x,
    "exp2": lambda x: mp.mpf(2) ** x,
    "gelu": lambda x: x * _normcdf(x),
    "log10": mp.log10,
    "log_expit": lambda x: -_softplus(-x),
    "log2": lambda x: mp.log(x, 2),
    "normcdf": _normcdf,
    "normpdf": mp.npdf,
    "power": mp.power,
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "softplus": _softplus,
    "xlogy": lambda x, y: x * mp.log(y),
}
# Where arguments are drawn: uniformly from intervals, and by their logarithms, with both signs.
LARGEST = {"f64": 708.0, "f32": 87.0}
SMALL = 10.0 ** np.array([-12.0, -8.0, -5.0, -3.0, -2.0])


def _intervals(name: str, kind: str) -> tuple[list[tuple[float, float]], tuple[float, float]]:
    """Intervals, and exponents of 10 between which magnitudes are drawn."""
    top, wide = LARGEST[kind], {"f64": (-300.0, 300.0), "f32": (-36.0, 36.0)}[kind]
    table: dict[str, Any] = {
        "exp": ([(-1, 1), (-1.05 * top, top)], (-9, 1)),
        "expm1": ([(-1, 1), (-45, top)], (-9, 1)),
        "exp2": ([(-1, 1), (-1.5 * top, 1.4 * top)], (-9, 1)),
        "exp10": ([(-1, 1), (-0.45 * top, 0.43 * top)], (-9, 1)),
        "sinh": ([(-2, 2), (-top, top)], (-9, 1)),
        "cosh": ([(-2, 2), (-top, top)], (-9, 1)),
        "tanh": ([(-1, 1), (-20, 20)], (-9, 1)),
        "erf": ([(-1, 1), (-6, 6)], (-9, 0)),
        "erfc": ([(-1, 1), (-6, 9)], (-9, 0)),
        "normcdf": ([(-1, 1), (-12, 9)], (-9, 0)),
        "normpdf": ([(-1, 1), (-12, 12)], (-9, 0)),
        "sigmoid": ([(-1, 1), (-top, 40)], (-9, 1)),
        "softplus": ([(-1, 1), (-top, 40)], (-9, 1)),
    }
    if kind == "f64":
        table["erfc"][0].append((9, 26.5))
        table["normcdf"][0].append((-37.5, -12))
    table["gelu"] = table["normcdf"]
    table["log_expit"] = [(-i, -j) for j, i in table["softplus"][0]], (-9, 1)
    for one in ("arcsin", "arccos", "arctanh"):
        table[one] = ([(-1, 1), (-1, -0.99), (0.99, 1)], (-9, -1))
    for one in ("sin", "cos", "tan"):
        table[one] = ([(-4, 4), (-100, 100), (-1e5, 1e5)], (-9, wide[1]))
    return table.get(name, ([(-3, 3), (0.7, 1.5)], wide))


def _arguments(name: str, kind: str, count: int) -> list[Any]:
    """Random arguments, one array for each operand."""
    rng = np.random.default_rng(len(name) + count)
    intervals, (low, high) = _intervals(name, kind)

    def drawn() -> Any:
        sizes = 10 ** rng.uniform(low, high, count)
        parts = [*(rng.uniform(*i, count) for i in intervals), sizes * rng.choice([-1, 1], count)]
        near_one = 1 + rng.choice([-1, 1], count) * 10 ** rng.uniform(-7, -1, count)
        return np.concatenate([*parts, near_one])

    operands = [drawn() for _ in range(FUNCTIONS[name].arity)]
    if name == "power":
        operands[0] = np.abs(operands[0])
        operands[1] = rng.uniform(-1.2, 1.2, len(operands[0])) * LARGEST[kind]
        operands[1] /= np.maximum(np.abs(np.log(operands[0])), 1e-6)
    if name == "hypot":
        operands[1] = operands[0] * 10 ** rng.uniform(-9, 0, len(operands[0]))
    if name == "xlogy":
        operands = [np.clip(np.abs(o), 1e-18, 1e18) for o in operands]
    if name in ("log", "log2", "log10"):
        operands[0] = np.abs(operands[0])
    if name == "log1p":
        operands[0] = np.where(operands[0] <= -1, -operands[0], operands[0])
    if name == "arccosh":
        operands[0] = 1 + np.abs(operands[0])
    if name in ("arcsin", "arccos", "arctanh"):
        operands[0] = np.clip(operands[0], -1, 1)
    return [o.astype(DTYPES[kind]) for o in operands]


@cache
def _expected(name: str, kind: str, count: int) -> tuple[list[Any], list[Any]]:
    arguments = _arguments(name, kind, count)
    exactly = EXACTLY.get(name) or getattr(mp, name)
    with mp.workdps(50):
        return arguments, [
            exactly(*map(mp.mpf, map(float, row))) for row in zip(*arguments, strict=True)
        ]


def _ulps(got: Any, exact: list[Any], kind: str) -> Any:
    """Errors in units in the last place of the exact value."""
    info = np.finfo(DTYPES[kind])
    errors = np.zeros(len(got))
    for k, (value, want) in enumerate(zip(got, exact, strict=True)):
        if want in (mp.inf, -mp.inf):
            errors[k] = 0.0 if float(value) == float(want) else np.inf
        elif abs(want) > float(info.max):
            errors[k] = 0.0 if np.isinf(value) else np.inf
        else:
            exponent = max(mp.frexp(want)[1] - 1, int(info.minexp)) if want else int(info.minexp)
            unit = mp.mpf(2) ** (exponent - info.nmant)
            errors[k] = float(abs(mp.mpf(float(value)) - want) / unit)
    return errors


@pytest.mark.parametrize("kind", ["f64", "f32"])
@pytest.mark.parametrize("name", ROUNDED)
def test_errors_are_within_their_bounds(name: str, kind: str):
    arguments, exact = _expected(name, kind, 60)
    for machine in ("fused", "not fused", "64-bit ARM"):
        if (engine := MACHINES.get(machine)) is None:
            continue
        apply = compiled(engine, name, type_of(kind, engine.host.lanes(type_of(kind))))
        errors = _ulps(apply(*arguments), exact, kind)
        worst = int(np.argmax(errors))
        at = [float(a[worst]) for a in arguments]
        assert errors[worst] <= FUNCTIONS[name].ulps, f"{machine}: {errors[worst]} ulps at {at}"


# ---------------------------------------------------------------- special values


def _specials(kind: str) -> Any:
    info = np.finfo(DTYPES[kind])
    numbers = [
        0.0, 0.25, 0.5, 1 / 3, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 10.0, 20.0, 100.0, 1000.0, 1e6,
        np.pi, np.pi / 2, np.nextafter(DTYPES[kind](1), DTYPES[kind](0)),
        np.nextafter(DTYPES[kind](1), DTYPES[kind](2)), 1e-5, 1e-10, info.tiny,
        0.75 * float(info.tiny), info.smallest_subnormal, info.max, float(info.max) / 2,
        2.0**info.nmant, 2.0**info.nmant + 1, 2.0 ** (info.nmant - 1) + 0.5, np.inf, np.nan,
    ]  # fmt: skip
    return np.array([*numbers, *(-n for n in numbers)]).astype(DTYPES[kind])


def _kinds(values: Any) -> list[str]:
    """What each value is: a zero or an infinity with its sign, NaN, or a number with its sign."""
    signs = np.where(np.signbit(values), "-", "+")
    what = np.select(
        [np.isnan(values), np.isinf(values), values == 0], ["nan", "inf", "0"], "number"
    )
    return [w if w == "nan" else s + w for s, w in zip(signs, what, strict=True)]


def _agree(name: str, got: str, expected: str) -> bool:
    if name in FLUSHED and expected[1:] == "0":
        return True
    if name in EITHER_ZERO and expected[1:] == "0":
        return got[1:] == "0"
    return got == expected


# SciPy's are 0 where the value is subnormal.
FLUSHED = {"erfc", "sigmoid"}
# Of two zeros NumPy takes either, by machine.
EITHER_ZERO = {"maximum", "minimum", "fmax", "fmin"}


@pytest.mark.parametrize("kind", ["f64", "f32"])
@pytest.mark.parametrize("name", NAMES)
def test_special_values_are_numpy_s(name: str, kind: str):
    points = _specials(kind)
    arguments = [points]
    if FUNCTIONS[name].arity == 2:
        arguments = [np.repeat(points, len(points)), np.tile(points, len(points))]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = reference(name)(*arguments).astype(DTYPES[kind])
    for machine, engine in MACHINES.items():
        lanes = engine.host.lanes(type_of(kind))
        for width in (lanes, 0) if machine in ("fused", "64-bit ARM") else (lanes,):
            got = compiled(engine, name, type_of(kind, width))(*arguments)
            differing = [
                (*(float(a[k]) for a in arguments), float(got[k]), float(expected[k]))
                for k, (x, y) in enumerate(zip(_kinds(got), _kinds(expected), strict=True))
                if not _agree(name, x, y)
            ]
            assert not differing
            if name in EXACT:
                np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_angles_near_multiples_of_a_quarter_turn(name: str):
    # 6381956970095103 · 2**797 is the float64 number nearest to a multiple of π/2.
    numbers = [6381956970095103 * 2.0**797, 2.0**1023, 1e22, 2.0**36, 2.0**20, 3.0]
    numbers += [float(np.round(k * np.pi / 2, 17)) for k in (1, 2, 3, 11, 355, 10**5, 10**9)]
    arguments = np.array([*numbers, *(-n for n in numbers)])
    with mp.workdps(400):
        exact = [getattr(mp, name)(mp.mpf(float(x))) for x in arguments]
    for engine in MACHINES.values():
        apply = compiled(engine, name, type_of("f64", engine.host.lanes(type_of("f64"))))
        assert max(_ulps(apply(arguments), exact, "f64")) <= FUNCTIONS[name].ulps


def test_large_and_small_angles_in_one_vector_do_not_disturb_each_other():
    apply = compiled(engine_without(), "sin", type_of("f64", 8))
    x = np.array([0.1, 1e300, 0.2, -1e20, np.inf, np.nan, 0.0, 3.0])
    alone = np.concatenate([apply(np.full(8, v))[:1] for v in x])
    np.testing.assert_array_equal(apply(x), alone)
