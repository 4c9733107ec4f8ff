"""Where in the complex plane an expression may be singular, read off its operations.

A power with a negative or fractional exponent is singular where its base is zero. A function is
what its declared derivative says: y' = p(y, w). If p is linear in y with entire coefficients, the
function is entire; if the coefficients have singularities, these are the function's; if p is a
quadratic polynomial in y with constant coefficients, its poles are known in closed form. Of other
functions nothing is known here.
"""

from __future__ import annotations

import cmath
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from wengert.derive import derivative
from wengert.errors import WengertError
from wengert.expr import Expr, depending, rebuild, topological
from wengert.operations import variable
from wengert.operations.rebuild import with_operands
from wengert.operations.structural import ADD, CONTRACT
from wengert.operations.structure import (
    coefficients_of,
    contraction_params,
    exponent_of,
    is_power,
    is_safe_power,
)
from wengert.primitive import Constant, Partials, Undefined
from wengert.taylor.univariate.expand import Expansion, written
from wengert.taylor.univariate.lazy import Lazy

_ORDER = 72  # of the polynomials whose roots are zeros
_DEPTH = 12  # functions in the derivatives of functions
_FRINGE = 0.9  # of a disc of convergence, in which zeros of sums are found
_MANY = 6
_PERIODS = range(-4, 5)


@dataclass(frozen=True)
class Singularity:
    """A point at which a function may be singular.

    Attributes
    ----------
    at : complex
        The point, less x₀.
    why : str
        Which part of the expression is singular there.
    """

    at: complex
    why: str

    @property
    def distance(self) -> float:
        """From x₀."""
        return abs(self.at)


@dataclass(frozen=True)
class Survey:
    """What is known of an expression's singularities.

    Attributes
    ----------
    found : tuple of Singularity
        The nearest ones, the nearest first.
    complete : bool
        Was every part of the expression understood?
    exhaustive : bool
        Are these all there are? Of functions other than polynomials only near zeros are found.
    why : str
        What is not known, if it is not complete.
    """

    found: tuple[Singularity, ...]
    complete: bool
    exhaustive: bool
    why: str = ""


def survey(expr: Expr, leaf: Expr, point: float) -> Survey:
    """The singularities of an expression nearest to a real point.

    Parameters
    ----------
    expr, leaf : Expr
        The function of one variable, without other ones.
    point : float
        x₀.
    """
    return _survey(expr, leaf, point, ())


def _survey(expr: Expr, leaf: Expr, point: float, active: tuple[Expr, ...]) -> Survey:
    return _Survey(leaf, point, depending(topological(expr), {leaf}), active).of(expr)


class _UnknownError(WengertError):
    """Nothing is known of a function's singularities."""


class _Survey:
    """The singularities below each node of an expression.

    It is a part of the differential equations of functions that are ``active``: theirs are asked
    for already.
    """

    def __init__(
        self, leaf: Expr, point: float, moving: set[Expr], active: tuple[Expr, ...]
    ) -> None:
        self.active = active
        self.leaf = leaf
        self.point = point
        self.moving = moving
        self.below: dict[Expr, list[Singularity]] = {}
        self.exhaustive = True

    def of(self, expr: Expr) -> Survey:
        unknown = ""
        for node in topological(expr):
            if node not in self.moving:
                continue
            found = [s for o in node.operands for s in self.below.get(o, ())]
            try:
                found += self._own(node)
            except (WengertError, np.linalg.LinAlgError, ArithmeticError) as error:
                unknown = unknown or str(error) or node.name
            self.below[node] = sorted(dict.fromkeys(found), key=lambda s: s.distance)
        known = tuple(self.below.get(expr, ()))
        return Survey(known, not unknown, self.exhaustive and not unknown, unknown)

    def _own(self, node: Expr) -> list[Singularity]:
        if node is self.leaf or node.primitive in (ADD, CONTRACT):
            return []
        if is_power(node) or is_safe_power(node):
            exponent = exponent_of(node)
            if exponent > 0 and exponent.denominator == 1:
                return []
            kind = "pole" if exponent.denominator == 1 else "branch point"
            return self._where(node.operands[0], 0j, f"{kind} of {written(node)}")
        if node.primitive.defined is not None:
            inner = _survey(node.primitive.defined(node), self.leaf, self.point, self.active)
            return self._all(inner)
        places = [k for k, o in enumerate(node.operands) if o in self.moving]
        if len(places) != 1:
            raise _UnknownError(f"{written(node)} depends on the variable in several ways")
        (place,) = places
        inner = node.operands[place]
        argument = variable("·w", ())
        rest = node.operands[:place], node.operands[place + 1 :]
        function = with_operands(node, (*rest[0], argument, *rest[1]))
        base = float(_numbers(inner, self.leaf, self.point, 1)[0].real)
        special = _special(function, argument, base, self.active)
        self.exhaustive = self.exhaustive and len(special) < len(_PERIODS)
        why = f"singularity of {written(node)}"
        return [s for target in special for s in self._where(inner, target, why)]

    def _all(self, inner: Survey) -> list[Singularity]:
        if not inner.complete:
            raise _UnknownError(inner.why)
        self.exhaustive = self.exhaustive and inner.exhaustive
        return list(inner.found)

    def _where(self, inner: Expr, target: complex, why: str) -> list[Singularity]:
        """The points nearest to x₀ at which an expression takes a value."""
        own = depending(topological(inner), {self.leaf})
        if inner not in own:
            return []
        exact = _is_polynomial(inner, own)
        self.exhaustive = self.exhaustive and exact
        numbers = _numbers(inner, self.leaf, self.point, _ORDER + 1)
        numbers[0] -= target
        reach = min((s.distance for s in self.below.get(inner, ())), default=float("inf"))
        zeros = _zeros(numbers, reach, exact=exact)
        return [Singularity(z, why) for z in (zeros if exact else zeros[:_MANY])]


# ---------------------------------------------------------------- functions of one variable


def _special(function: Expr, w: Expr, base: float, active: tuple[Expr, ...]) -> list[complex]:
    """The points of the w-plane at which a function of w is singular."""
    if len(active) > _DEPTH:
        raise _UnknownError(f"the derivatives of {written(active[0])} have no end")
    if function.primitive.defined is not None:
        inner = _survey(function.primitive.defined(function), w, base, active)
        if not inner.exhaustive:
            raise _UnknownError(inner.why or f"{function.name} has many singularities")
        return [base + s.at for s in inner.found]
    now = (*active, function)
    marks = {f: variable(f"·y{k}", ()) for k, f in enumerate(now)}
    slope = rebuild(_slope(function, w), with_operands, dict(marks))
    slopes = [derivative(slope, [m]) for m in marks.values()]
    mixed = any(d in topological(s) for s in slopes for d in marks.values())
    if mixed:
        return _riccati(function, slope, marks[function], w, base)
    dependent = depending(topological(slope), {w})
    return [
        at
        for node in topological(slope)
        if node in dependent and node is not w and node.primitive not in (ADD, CONTRACT)
        for at in _of_coefficient(node, w, base, now, set(marks.values()))
    ]


def _slope(function: Expr, w: Expr) -> Expr:
    """The declared derivative in w, an expression of the function and w."""
    rule = function.primitive.derivative
    place = function.operands.index(w) if w in function.operands else -1
    partial = rule.partials[place] if isinstance(rule, Partials) and place >= 0 else None
    if partial is None or isinstance(partial, Constant | Undefined):
        raise _UnknownError(f"the singularities of {function.name} are not known")
    return partial(function, *function.operands)


def _of_coefficient(
    node: Expr, w: Expr, base: float, active: tuple[Expr, ...], marks: set[Expr]
) -> list[complex]:
    """The singularities of a part of the coefficients of a linear differential equation."""
    if len(node.operands) == 1 and node.operands[0] is w and not is_power(node):
        return _special(node, w, base, active)
    if marks & set(topological(node)):
        raise _UnknownError(f"the singularities of {active[0].name} are not known")
    inner = _survey(node, w, base, active)
    if not inner.exhaustive:
        raise _UnknownError(inner.why or f"{written(node)} has many singularities")
    return [base + s.at for s in inner.found]


def _riccati(function: Expr, slope: Expr, y: Expr, w: Expr, base: float) -> list[complex]:
    """The poles of y' = a + by + cy², with constant a, b, c."""
    second = derivative(derivative(slope, [y]), [y])
    leaves = {n for n in topological(slope) if n.primitive is w.primitive}
    if leaves - {y} or y in topological(second):
        raise _UnknownError(f"the singularities of {function.name} are not known")
    a, b, c = (complex(v) for v in _numbers(slope, y, 0.0, 3))
    first = _numbers(function, w, base, 1)[0]
    root = cmath.sqrt(b * b - 4 * a * c)
    low, high = (-b - root) / (2 * c), (-b + root) / (2 * c)
    if root == 0:
        return [] if first == low else [base + 1 / (c * (first - low))]
    if first in (low, high):
        return []
    ratio = (first - low) / (first - high)
    poles = [base + (-cmath.log(ratio) + 2j * cmath.pi * k) / (c * (low - high)) for k in _PERIODS]
    return sorted(poles, key=lambda p: abs(p - base))


# ---------------------------------------------------------------- removable ones

_TURNS = 256
_NOTHING = 1e-9
_SMOOTH = 1e-4


def kind_at(
    expr: Expr, leaf: Expr, point: float, one: Singularity, others: Sequence[Singularity]
) -> Literal["removable", "isolated", "unsure"]:
    """What the function's values around a point say: is it analytic there, or has it a pole?

    Laurent's coefficients are integrals over a small circle around the point: of an analytic
    function those with negative exponents are zero; of one that is not single-valued, for one
    because of the branches that NumPy takes, they fall slowly.
    """
    gaps = [abs(s.at - one.at) for s in others if abs(s.at - one.at) > _NOTHING * one.distance]
    radius = min([0.2 * one.distance, *(0.2 * g for g in gaps)])
    turns = np.exp(2j * np.pi * (np.arange(_TURNS) + 0.5) / _TURNS)
    try:
        values = _evaluated(expr, leaf, point + one.at + radius * turns)
    except (TypeError, ValueError, NotImplementedError):
        return "unsure"
    size = float(np.abs(values).max())
    if not np.isfinite(size):
        return "unsure"
    terms = np.abs(np.fft.fft(values)) / _TURNS  # at exponents 0, 1, ..., and from the end −1, ...
    if terms[_TURNS // 4 : 3 * _TURNS // 4].max() > _SMOOTH * size / _TURNS:
        return "unsure"
    return "removable" if terms[_TURNS // 2 :].max() < _NOTHING * size else "isolated"


def _evaluated(root: Expr, leaf: Expr, points: np.ndarray) -> np.ndarray:
    """An expression's values at complex points."""
    known: dict[Expr, np.ndarray] = {leaf: points}
    with np.errstate(all="ignore"):
        for node in topological(root):
            if node in known:
                continue
            parts = [known[o] for o in node.operands]
            if node.primitive is ADD:
                found = sum(float(c) * p for c, p in zip(coefficients_of(node), parts, strict=True))
            elif node.primitive is CONTRACT:
                found = float(contraction_params(node)[2]) * np.prod(
                    [np.ones_like(points), *parts], axis=0
                )
            elif is_power(node):
                found = parts[0] ** float(exponent_of(node))
            else:
                found = node.primitive.evaluate(node, *parts)
            known[node] = np.broadcast_to(np.asarray(found, dtype=complex), points.shape)
    return known[root]


# ---------------------------------------------------------------- zeros


def _numbers(expr: Expr, leaf: Expr, point: float, count: int) -> np.ndarray:
    """The first coefficients of the series at a point, as complex numbers."""
    series = Expansion(leaf, Lazy(0, [point, 1.0]), {}).series(expr)
    if series.start < 0 and any(series[k] != 0 for k in range(series.start, 0)):
        raise _UnknownError("a pole")
    return np.array([complex(float(series[k])) for k in range(count)])


def _is_polynomial(expr: Expr, moving: set[Expr]) -> bool:
    return all(
        n.primitive in (ADD, CONTRACT)
        or not n.operands
        or (is_power(n) and exponent_of(n) > 0 and exponent_of(n).denominator == 1)
        for n in topological(expr)
        if n in moving
    )


def _zeros(numbers: np.ndarray, reach: float, *, exact: bool) -> list[complex]:
    """The zeros of a power series other than at 0 within its disc, the nearest first."""
    support = np.nonzero(numbers)[0]
    if not len(support):
        raise _UnknownError("a function that vanishes")
    numbers = numbers[support[0] :]
    if exact:
        return _roots(numbers[: support[-1] - support[0] + 1])
    scale = _scale_of(numbers)
    scaled = numbers * scale ** np.arange(len(numbers))
    found: list[complex] = []
    shorter = _roots(scaled[: 3 * len(scaled) // 4])
    for root in _roots(scaled):
        z = root * scale
        if abs(z) > _FRINGE * reach:
            break
        if not any(abs(root - other) < 1e-6 * abs(root) for other in shorter):
            break  # from here on the roots are those of the truncation
        found.append(z)
    if not found and reach == float("inf"):
        tail = np.abs(scaled[-6:]).max()
        if tail > 1e-8 * np.abs(scaled).max():
            raise _UnknownError("the zeros of a part are out of reach")
    return found


def _scale_of(numbers: np.ndarray) -> float:
    """The distance at which the terms are of one size."""
    sizes = [abs(c) ** (-1 / n) for n, c in enumerate(numbers) if n and c != 0]
    return float(np.median(sizes)) if sizes else 1.0


def _roots(numbers: np.ndarray) -> list[complex]:
    trimmed = np.trim_zeros(numbers, "b")
    return sorted((complex(z) for z in np.roots(trimmed[::-1])), key=abs)
