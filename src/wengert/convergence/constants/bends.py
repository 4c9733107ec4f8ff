"""Functions that are made of curves of affine expressions, as most losses of linear models are.

Let f(θ) = q(θ) + Σ wₑ g(aₑ·θ + bₑ) with a quadratic q, weights w ≥ 0 and a function g of one
number. Its Hessian is that of q and Σ wₑ g''(aₑ·θ + bₑ) aₑaₑᵀ, so that bounds on g'' are bounds on
it: those of two quadratics, with ½c(aₑ·θ + bₑ)² in the place of g. Which parts are such curves is
read off the expression; g'' and g''' are enclosed on all of the line, a small interval at a time.

Source: Moore, Kearfott and Cloud, Introduction to Interval Analysis (2009), chapter 6.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import isfinite, sqrt
from typing import Any

import numpy as np

from wengert.backends.intervals import enclose
from wengert.convergence.constants.degrees import is_smooth
from wengert.convergence.constants.ends import DENSE, Ends, ends_of
from wengert.derive import jacobians, pullback, pushforward
from wengert.errors import WengertError
from wengert.expr import Expr, rebuild, topological
from wengert.operations import add, apply, contract, ones, power, scale, sub, variable, zeros
from wengert.operations.intervals import Interval
from wengert.operations.rebuild import with_operands
from wengert.operations.structure import (
    coefficients_of,
    constant_like,
    constant_value,
    contraction_params,
    exponent_of,
    is_contraction,
    is_power,
    is_sum,
    strip_coefficient,
)
from wengert.optimize.problem import Derivatives, Problem
from wengert.optimize.space import Vector
from wengert.primitive import Linear
from wengert.rewrite import recognise
from wengert.transforms.recording import Recorded, record

_CACHED = 64
_FAR = 1e300  # numbers beyond are not looked at
_CORE, _PIECES = 30.0, 12_000  # where curves bend, and in how many intervals it is cut
_GRID = np.concatenate([
    [-_FAR], -np.geomspace(1e3, _CORE, 40), np.linspace(-_CORE, _CORE, _PIECES + 1)[1:-1],
    np.geomspace(_CORE, 1e3, 40), [_FAR],
])  # fmt: skip
_LINE = Interval(_GRID[:-1], _GRID[1:])


@dataclass(frozen=True)
class Bend:
    """A curve of one affine expression, entry by entry.

    Attributes
    ----------
    node, inside : Expr
        g(u) and u.
    low, high : float
        Bounds of g''.
    third : float
        A bound of |g'''|.
    """

    node: Expr
    inside: Expr
    low: float
    high: float
    third: float


@dataclass(frozen=True, eq=False)
class Composite:
    """Bounds on a function's derivatives by its curves.

    Attributes
    ----------
    low, high : float
        Of all eigenvalues of all Hessians; ``low`` may be −∞.
    third : float
        Of the third derivative along unit vectors.
    names : str
        Of the curves.
    """

    low: float
    high: float
    third: float
    names: str


def composite_of(problem: Problem, x: Vector) -> Composite | None:
    """The bounds, if the function is a quadratic and curves of affine expressions.

    Parameters
    ----------
    problem : Problem
        Any problem of up to 1500 parameters.
    x : ndarray
        Parameters.

    Examples
    --------
    >>> from wengert.optimize import problem_of
    >>> problem = problem_of(lambda x: np.log1p(np.exp(2 * x[0])) + x @ x, np.zeros(2))
    >>> found = composite_of(problem, np.zeros(2))
    >>> found.names, round(found.low, 9), 3.0 <= found.high < 3.01
    ('softplus', 2.0, True)
    """
    if problem.space.size > DENSE:
        return None
    function, theta = problem.derivatives.function, problem.space.tree(x)
    names: dict[str, None] = {}
    steepest, bounded, thirds = 0.0, True, True
    try:
        for rows in problem.source.chunks():
            recorded = record(function, (theta, *rows), {}, 0, name="constants", valued=False)
            bends = _bends(recorded.roots[0], recorded.leaves)
            if not is_smooth(recorded, kinks=True) or not bends or not _positive(recorded, bends):
                return None
            names |= dict.fromkeys(bend.node.name for bend in bends)
            thirds = thirds and all(isfinite(bend.third) for bend in bends)
            bounded = bounded and all(isfinite(bend.low) for bend in bends)
            steepest = max(steepest, *(_steepest(recorded, bend) for bend in bends))
        above = _ends(problem, x, lambda bend: bend.high)
        below = _ends(problem, x, lambda bend: bend.low) if bounded else None
        third = _third(problem, x, steepest) if thirds else float("inf")
    except WengertError:
        return None
    return Composite(_lowest(below), above.ceiling, third, ", ".join(names))


def _lowest(below: Ends | None) -> float:
    if below is None:
        return -float("inf")
    return 0.0 if abs(below.low) <= below.error else below.low - below.error


def _ends(problem: Problem, x: Vector, choose: Callable[[Bend], float], rest: bool = True) -> Ends:
    """Of the Hessian of the quadratic in which ½c·u² stands for each curve."""
    function = problem.derivatives.function

    def run(theta: Any, *rows: Any) -> Any:
        recorded = record(function, (theta, *rows), {}, 0, name="constants")
        bends = _bends(recorded.roots[0], recorded.leaves)
        if bends is None:
            raise WengertError("the function was recorded in another way")
        squares = {
            bend.node: scale(Fraction(choose(bend)) / 2, power(bend.inside, 2)) for bend in bends
        }
        root = _with(recorded.roots[0], squares)
        if not rest:
            root = sub(root, _with(recorded.roots[0], {b.node: zeros(b.node.shape) for b in bends}))
        return recorded.finish([root], recorded.dtypes)[0]

    return ends_of(Problem(Derivatives(run), problem.space.tree(x), problem.source), x)


def _third(problem: Problem, x: Vector, steepest: float) -> float:
    """max ‖aₑ‖ λmax(Σ wₑ tₑ aₑaₑᵀ), with bounds t of |g'''|."""
    return steepest * max(_ends(problem, x, lambda bend: bend.third, rest=False).ceiling, 0.0)


def _with(root: Expr, replaced: dict[Expr, Expr]) -> Expr:
    return rebuild(recognise(root), with_operands, dict(replaced))


def _positive(recorded: Recorded, bends: Sequence[Bend]) -> bool:
    """Are the weights of all curves 0 or more?"""
    holders = {b.node: variable(f"·bend{k}", b.node.shape) for k, b in enumerate(bends)}
    root = _with(recorded.roots[0], dict(holders))
    found = pullback([root], [ones(())], list(holders.values()))
    weights = [w for w in found if w is not None]
    if set(topological(*weights)) & {*holders.values(), *recorded.leaves}:
        return False
    values = recorded.finish(weights, [np.dtype(float)] * len(weights))
    return all(bool(np.all(np.asarray(v) >= 0)) for v in values)


def _steepest(recorded: Recorded, bend: Bend) -> float:
    """The largest norm of a gradient of an entry of u."""
    rank = bend.inside.ndim
    ((*blocks,),) = jacobians([bend.inside], recorded.leaves, "auto")
    total = 0.0
    for leaf, block in zip(recorded.leaves, blocks, strict=True):
        axes = tuple(range(rank + leaf.ndim))
        squares = contract([block, block], [axes, axes], axes[:rank])
        total = total + np.asarray(recorded.finish([squares], [np.dtype(float)])[0])
    return sqrt(float(np.max(total, initial=0.0)))


# ---------------------------------------------------------------- which parts are curves


@lru_cache(maxsize=_CACHED)
def _bends(root: Expr, leaves: tuple[Expr, ...]) -> tuple[Bend, ...] | None:
    """The curves of which a function is a sum, with what is quadratic; None if it is another."""
    form = recognise(root)
    order = topological(form)
    moving = set(leaves)
    affine = set(leaves)
    for node in order:
        if any(o in moving for o in node.operands):
            moving.add(node)
            if _keeps_affine(node, moving, affine):
                affine.add(node)
    found: dict[Expr, Bend] = {}
    pending, seen = [form], set[Expr]()
    while pending:
        node = pending.pop()
        if node in seen or node not in moving or node in affine or _is_square(node, moving, affine):
            continue
        seen.add(node)
        if _is_linear(node, moving):
            pending += [o for o in node.operands if o in moving]
            continue
        bend = _bend_of(node, moving, affine)
        if bend is None:
            return None
        found[node] = bend
    return tuple(found.values())


def _is_linear(node: Expr, moving: set[Expr]) -> bool:
    """Is it linear in the operands that depend on the parameters, taken together?"""
    if node.primitive.kinks is not None:
        return False
    count = sum(o in moving for o in node.operands)
    if is_sum(node):
        return True
    if is_contraction(node):
        return count == 1
    return (
        isinstance(node.primitive.derivative, Linear)
        and count == 1
        and (node.operands[0] in moving)
    )


def _keeps_affine(node: Expr, moving: set[Expr], affine: set[Expr]) -> bool:
    return _is_linear(node, moving) and all(o in affine for o in node.operands if o in moving)


def _is_square(node: Expr, moving: set[Expr], affine: set[Expr]) -> bool:
    """Is it a product of two affine expressions, or a square?"""
    parts = [o for o in node.operands if o in moving]
    if any(o not in affine for o in parts):
        return False
    if is_power(node):
        return exponent_of(node) == 2
    return is_contraction(node) and len(parts) == 2


def _bend_of(node: Expr, moving: set[Expr], affine: set[Expr]) -> Bend | None:
    parts: dict[Expr, tuple[Fraction, Expr]] = {}
    pending = [node]
    while pending:
        part = pending.pop()
        if part not in moving:
            if constant_value(part) is None:
                return None
        elif part in affine:
            parts[part] = strip_coefficient(part)
        elif _is_entrywise(part):
            pending += part.operands
        else:
            return None
    bases = {base for _, base in parts.values()}
    if len(bases) != 1:
        return None
    (base,) = bases
    bounds = _enclosed(node, tuple((part, factor) for part, (factor, _) in parts.items()))
    return None if bounds is None else Bend(node, base, *bounds)


def _is_entrywise(node: Expr) -> bool:
    if is_contraction(node):
        labels, out, _ = contraction_params(node)
        return len(set(out)) == len(out) and all(axes == out for axes in labels)
    return is_sum(node) or is_power(node) or node.primitive.elementwise


@lru_cache(maxsize=_CACHED)
def _enclosed(
    node: Expr, parts: tuple[tuple[Expr, Fraction], ...]
) -> tuple[float, float, float] | None:
    """Bounds of the second and of the size of the third derivative, on all of the line."""
    t = variable("·t", _LINE.lower.shape)
    memo = {part: scale(factor, t) for part, factor in parts}

    def placed(part: Expr, operands: tuple[Expr, ...]) -> Expr:
        value = constant_value(part)
        if value is not None:
            return constant_like(value, t.shape)
        if is_contraction(part):
            return contract(
                operands, [(0,)] * len(operands), (0,), coefficient=contraction_params(part)[2]
            )
        if is_sum(part) or is_power(part):
            return _resized(part, operands)
        params = dict(zip(part.primitive.parameters, part.params, strict=True))
        return apply(part.primitive, *operands, **params)

    curve = rebuild(node, placed, memo)
    if _meets_kinks(curve, t):
        return None
    derivatives: list[Expr | None] = [curve]
    for _ in range(3):
        derivatives.append(None if derivatives[-1] is None else _slope(derivatives[-1], t))
    second, third = (zeros(t.shape) if d is None else d for d in derivatives[2:])
    found = enclose((second, third), {t: _LINE}).intervals
    low, high = float(np.min(found[0].lower)), float(np.max(found[0].upper))
    size = float(np.max(np.maximum(np.abs(found[1].lower), np.abs(found[1].upper))))
    if not isfinite(high):
        return None
    return low if isfinite(low) else -float("inf"), high, size


def _meets_kinks(curve: Expr, t: Expr) -> bool:
    """May one of its operations be at a kink somewhere on the line?"""
    gaps = [
        kink.gap
        for node in topological(curve)
        if node.primitive.kinks is not None
        for kink in node.primitive.kinks(node)
    ]
    found = enclose(gaps, {t: _LINE}).intervals if gaps else ()
    return not all(bool(np.all((x.lower > 0) | (x.upper < 0))) for x in found)


def _slope(curve: Expr, t: Expr) -> Expr | None:
    return pushforward([curve], {t: ones(t.shape)})[0]


def _resized(part: Expr, operands: tuple[Expr, ...]) -> Expr:
    if is_power(part):
        return power(operands[0], exponent_of(part))
    return add(operands, coefficients_of(part))
