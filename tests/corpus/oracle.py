"""Numerical derivatives that owe nothing to the library.

Central differences, extrapolated (Richardson, in Ridders' form): with steps h, h/2, h/4, ... the
difference quotients have an error in even powers of the step, which the extrapolation removes one
by one; column k of the tableau has order 2k + 2. Columns from order 4 on compete, and each entry
takes the one that agrees best with its neighbours, so that rounding at small steps and a kink
within reach of a large one are both avoided. The steps end where all entries agree to 12 digits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import mpmath as mp
import numpy as np
from numpy.typing import ArrayLike, NDArray

from corpus.case import Case

Array = NDArray[np.float64]
Projection = Callable[[Array], Array]

STEP = 2.0**-5
LEVELS = 8
ENOUGH = 1e-12  # relative to the largest entry: what smaller steps change is rounding


# ------------------------------------------------------------------ drawing values


def sample(case: Case, rng: np.random.Generator) -> dict[str, Array]:
    """Values for every variable of the case, each from its domain, with the case's sizes."""
    return {name: draw(case.domain_of(name), shape, rng) for name, shape in case.sizes.items()}


def draw(domain: str, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """An array of the shape, from the domain (see `corpus.case.DOMAINS`)."""
    if domain in {"spd", "invertible", "symmetric", "diagonal", "orthogonal"}:
        if len(shape) != 2 or shape[0] != shape[1]:
            raise ValueError(f"{domain} needs a square matrix, not the shape {shape}")
        return _draw_square(domain, shape[0], rng)
    match domain:
        case "real":
            values = rng.uniform(0.1, 1.5, shape) * rng.choice([-1.0, 1.0], shape)
        case "positive":
            values = rng.uniform(0.3, 2.0, shape)
        case "large":
            values = rng.uniform(3.0, 5.0, shape)
        case "unit":
            values = rng.uniform(-0.9, 0.9, shape)
        case "labels":
            values = rng.choice([-1.0, 1.0], shape)
        case "counts":
            values = rng.integers(0, 5, shape)
        case "probability":
            if shape:
                weights = rng.uniform(0.3, 2.0, shape)
                values = weights / weights.sum(axis=-1, keepdims=True)
            else:
                values = rng.uniform(0.05, 0.95)
        case "mask":
            flat = rng.choice([0.0, 1.0], int(np.prod(shape)))
            flat[:2] = rng.permutation([0.0, 1.0])[: flat.size]
            values = rng.permutation(flat).reshape(shape)
        case "onehot":
            values = np.eye(shape[-1])[rng.integers(0, shape[-1], shape[:-1])]
        case _:
            raise ValueError(f"unknown domain {domain!r}")
    return np.asarray(values, dtype=np.float64)


def _draw_square(domain: str, n: int, rng: np.random.Generator) -> Array:
    match domain:
        case "spd":
            factor = rng.uniform(-1.0, 1.0, (n, n))
            return factor @ factor.T / n + 0.7 * np.eye(n)
        case "invertible":
            spread = rng.uniform(-1.0, 1.0, (n, n)) * (1.0 - np.eye(n))
            margin = rng.uniform(0.4, 1.0, n)
            return spread + np.diag(np.abs(spread).sum(axis=1) + margin)
        case "symmetric":
            return symmetric_part(draw("real", (n, n), rng))
        case "diagonal":
            return np.diag(draw("positive", (n,), rng))
        case _:
            q, r = np.linalg.qr(rng.standard_normal((n, n)))
            return np.asarray(q * np.sign(np.diag(r)), dtype=np.float64)


# ------------------------------------------------------------------ structured variables


def symmetric_part(direction: Array) -> Array:
    """The orthogonal projection on the symmetric matrices: entries (i, j) and (j, i), half each."""
    return (direction + direction.T) / 2


def diagonal_part(direction: Array) -> Array:
    """The orthogonal projection on the diagonal matrices."""
    return np.diag(np.diag(direction))


_PROJECTIONS: Mapping[str, Projection] = {
    "symmetric": symmetric_part,
    "positive definite": symmetric_part,
    "diagonal": diagonal_part,
}


def projection_for(assumption: str | None) -> Projection | None:
    """The projection on the variable's space, or None if the assumption leaves it whole."""
    return _PROJECTIONS.get(assumption or "")


# ------------------------------------------------------------------ derivatives


def richardson_jacobian(
    f: Callable[[Array], ArrayLike],
    x: ArrayLike,
    direction_projection: Projection | None = None,
) -> Array:
    """The Jacobian of ``f`` at ``x``, outputs first: shape ``f(x).shape + x.shape``.

    ``direction_projection`` maps each unit direction to the one that is used, which makes the
    result the projection of the unconstrained derivative: `symmetric_part` for a symmetric ``x``
    (which then stays symmetric), `diagonal_part` for a diagonal one.

    The relative accuracy is about 1e-10 for functions that are smooth within 1/32 of ``x``, and
    still better than 1e-8 if there is a kink at a distance of more than 1e-3.
    """
    return richardson(f, x, direction_projection)[0]


def richardson(
    f: Callable[[Array], ArrayLike],
    x: ArrayLike,
    direction_projection: Projection | None = None,
    *,
    step: float = STEP,
    levels: int = LEVELS,
) -> tuple[Array, Array]:
    """The Jacobian, and for each entry the difference that its choice in the tableau rests on."""
    point = np.array(x, dtype=np.float64)
    shape = np.asarray(f(point.copy()), dtype=np.float64).shape
    jacobian = np.zeros((*shape, point.size))
    error = np.zeros_like(jacobian)
    for k in range(point.size):
        unit = np.zeros(point.size)
        unit[k] = 1.0
        direction = unit.reshape(point.shape)
        if direction_projection is not None:
            direction = direction_projection(direction)
        if direction.any():
            jacobian[..., k], error[..., k] = _along(f, point, direction, step, levels)
    return jacobian.reshape(shape + point.shape), error.reshape(shape + point.shape)


def _along(
    f: Callable[[Array], ArrayLike], point: Array, direction: Array, step: float, levels: int
) -> tuple[Array, Array]:
    best = best_error = None
    previous: list[Array] = []
    for level in range(levels):
        h = step / 2**level
        ahead = np.asarray(f(point + h * direction), dtype=np.float64)
        behind = np.asarray(f(point - h * direction), dtype=np.float64)
        row = [(ahead - behind) / (2 * h)]
        for k, older in enumerate(previous, start=1):
            row.append(row[-1] + (row[-1] - older) / (4.0**k - 1.0))
            error = np.maximum(abs(row[k] - row[k - 1]), abs(row[k] - older))
            if best is None or best_error is None:
                best, best_error = row[k], error
            else:
                better = error < best_error
                best = np.where(better, row[k], best)
                best_error = np.where(better, error, best_error)
        previous = row
        if best_error is not None and _settled(best, best_error):
            break
    assert best is not None
    assert best_error is not None
    return best, best_error


def _settled(best: Array, error: Array) -> bool:
    largest = max(float(np.abs(best).max(initial=0.0)), 1e-3)  # as in `relative_error`
    return bool((error <= ENOUGH * largest).all())


def numerical_derivative(
    case: Case,
    f: Callable[[Mapping[str, Array]], ArrayLike],
    values: Mapping[str, ArrayLike],
    name: str,
) -> Array:
    """The derivative of ``f(values)`` in one variable of the case, as its assumption has it."""
    return richardson_jacobian(
        lambda x: f({**values, name: x}), values[name], projection_for(case.assume.get(name))
    )


def complex_step_jacobian(
    f: Callable[[NDArray[np.complex128]], Any], x: ArrayLike, step: float = 1e-30
) -> Array:
    """The Jacobian of an analytic ``f`` at ``x`` to the last digits, without any subtraction.

    ``f`` must be built from operations that carry complex numbers (not abs, max, conjugates). One
    whose result is real raises TypeError, because its derivative would silently come out as 0.
    """
    point = np.asarray(x, dtype=np.float64)
    columns: list[Array] = []
    shape: tuple[int, ...] = ()
    for k in range(point.size):
        shifted = point.astype(np.complex128).ravel()
        shifted[k] += 1j * step
        value = np.asarray(f(shifted.reshape(point.shape)))
        if not np.iscomplexobj(value):
            raise TypeError("f dropped the imaginary part, so it cannot be differentiated this way")
        shape = value.shape
        columns.append(value.imag.ravel() / step)
    return np.stack(columns, axis=-1).reshape(shape + point.shape)


def cauchy_coefficients(
    f: Callable[[Any], Any], x: float, order: int, *, radius: float, count: int, digits: int
) -> Array:
    """Taylor coefficients 0 to ``order`` by Cauchy's integral over a circle, in mpmath's numbers.

    ``f`` is real on the real line and analytic beyond the circle of this radius around ``x``. The
    sum over ``count`` equidistant points (even), conjugate ones together, converges like a
    geometric series.
    """
    half = count // 2
    with mp.workdps(digits):
        start, far = mp.mpf(x), mp.mpf(radius)
        turns = [mp.expjpi(mp.mpf(2 * j) / count) for j in range(count)]
        values = [mp.mpc(f(start + far * turns[j])) for j in range(half + 1)]
        weighted = [v * (1 if j in {0, half} else 2) for j, v in enumerate(values)]
        found: list[float] = []
        for k in range(order + 1):
            turned = [turns[j * k % count] for j in range(half + 1)]
            pairs = zip(weighted, turned, strict=True)
            total = mp.fdot(n for v, w in pairs for n in ((v.real, w.real), (v.imag, w.imag)))
            found.append(float(total / count / far**k))
    return np.array(found)


# ------------------------------------------------------------------ comparing


def relative_error(actual: ArrayLike, expected: ArrayLike) -> float:
    """The largest difference over the largest entry of either; a NaN counts as infinite.

    Entries below 1e-3 count as 1e-3, so that rounding around a zero is no error.
    Arrays of different shapes are refused, not broadcast.
    """
    a, b = np.asarray(actual, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    if a.shape != b.shape:
        raise ValueError(f"the shapes differ: {a.shape} and {b.shape}")
    if not a.size:
        return 0.0
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return float("inf")
    scale = max(np.abs(a).max(), np.abs(b).max(), 1e-3)
    return float(np.abs(a - b).max() / scale)
