"""Strong convexity and smoothness: quadratics between which a function bends.

A convex rule with second derivatives in [α, β] is replaced by α/2 z² from below and by β/2 z² from
above. What is left are polynomials of degree 2, whose constant Hessians bound the function's own
everywhere: their least and largest eigenvalues are μ and L.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import isfinite

import numpy as np

from wengert.convergence.convexity.curvature import Calculus
from wengert.convergence.convexity.hessians import constant_hessians, eigenvalue_ends
from wengert.convergence.convexity.known import AFFINE, CONCAVE, CONSTANT, CONVEX, joined
from wengert.convergence.facts import Constant
from wengert.expr import Expr
from wengert.operations import add, power, scale, sum_, zeros
from wengert.operations.rebuild import with_operands
from wengert.operations.structure import (
    coefficients_of,
    contraction_params,
    is_contraction,
    is_power,
    is_sum,
    is_variable,
)
from wengert.primitive import Linear

Pair = tuple[Expr | None, Expr | None]


@dataclass(frozen=True)
class Curvatures:
    """Bounds of the eigenvalues of the Hessian that hold everywhere.

    Attributes
    ----------
    modulus, smoothness : Constant or None
        μ and L; None where none is proven.
    """

    modulus: Constant | None
    smoothness: Constant | None


def curvatures(calculus: Calculus) -> Curvatures:
    """Strong convexity and smoothness of a function that was proven convex."""
    low, high = _between(calculus, calculus.root)
    if low is not None and low is high:
        return _of_quadratic(calculus, low)
    least, largest = _end(calculus, low, 0), _end(calculus, high, 1)
    how = "the least eigenvalue of a constant Hessian that f's is nowhere below"
    penalty = _penalty(calculus)
    if penalty is not None and not (least is not None and least > 1.001 * penalty):
        least = penalty
        how = f"λ/2 ‖θ‖² is a term, with λ = {penalty:g}, and the rest is convex"
    modulus = smoothness = None
    if least is not None and least > 0:
        modulus = Constant("mu", "strong convexity", least, "bound", how)
    if largest is not None:
        how = "the largest eigenvalue of a constant Hessian that f's is nowhere above"
        smoothness = Constant("L", "smoothness", largest, "bound", how)
    return Curvatures(modulus, smoothness)


def _of_quadratic(calculus: Calculus, quadratic: Expr) -> Curvatures:
    """Of a polynomial of degree 2 the ends of the spectrum are exact."""
    hessians = constant_hessians(quadratic, calculus.leaves, calculus.values)
    if hessians is None or not np.all(np.isfinite(hessians)):
        return Curvatures(None, None)
    low, high, error = (float(e[0]) for e in eigenvalue_ends(hessians))
    least = Constant("mu", "strong convexity", low, "exact", "the Hessian's least eigenvalue")
    largest = Constant("L", "smoothness", high, "exact", "the Hessian's largest eigenvalue")
    return Curvatures(least if low > 2 * error else None, largest)


def _end(calculus: Calculus, quadratic: Expr | None, side: int) -> float | None:
    """An end of the spectrum of a quadratic, on the safe side."""
    if quadratic is None:
        return None
    hessians = constant_hessians(quadratic, calculus.leaves, calculus.values)
    if hessians is None or not np.all(np.isfinite(hessians)):
        return None
    *ends, error = eigenvalue_ends(hessians)
    found = float(ends[side][0]) + (float(error[0]) if side else -float(error[0]))
    return found if side or found > 2 * error[0] else min(found, 0.0)


def _between(calculus: Calculus, node: Expr) -> Pair:
    """Quadratics such that the node less the one, and the other less the node, are convex."""
    known = calculus[node]
    nothing = zeros(node.shape)
    if known.bend in (CONSTANT, AFFINE):
        return nothing, nothing
    if known.degree is not None and known.degree <= 2:
        return (nothing, nothing) if known.degree < 2 else (node, node)
    moving = [k for k, o in enumerate(node.operands) if calculus[o].moves]
    bounded = _by_second(calculus, node, moving)
    if bounded is not None:
        return bounded
    if is_sum(node):
        pairs = [
            _turned(_between(calculus, o), c)
            for o, c in zip(node.operands, coefficients_of(node), strict=True)
        ]
        return _added([p[0] for p in pairs]), _added([p[1] for p in pairs])
    if len(moving) == 1 and (is_contraction(node) or isinstance(node.primitive.derivative, Linear)):
        sign = calculus.weight(node, moving) if is_contraction(node) else 1
        if sign:
            low, high = _between(calculus, node.operands[moving[0]])
            mapped = [None if q is None else _with(node, moving[0], q) for q in (low, high)]
            return (mapped[0], mapped[1]) if sign > 0 else (mapped[1], mapped[0])
    return (nothing if known.bend == CONVEX else None, nothing if known.bend == CONCAVE else None)


def _by_second(calculus: Calculus, node: Expr, moving: list[int]) -> Pair | None:
    """From the bounds of the second derivative in an affine argument."""
    known = calculus[node]
    if known.second is None:
        return None
    argument = known.argument
    if argument is None:
        if len(moving) != 1:
            return None
        argument = node.operands[moving[0]]
    half = scale(Fraction(1, 2), power(argument, 2))
    square = sum_(half, tuple(range(node.ndim, half.ndim))) if half.ndim > node.ndim else half
    low, high = known.second
    return (
        scale(Fraction(low), square) if isfinite(low) else None,
        scale(Fraction(high), square) if isfinite(high) else None,
    )


def _with(node: Expr, k: int, operand: Expr) -> Expr:
    operands = list(node.operands)
    operands[k] = operand
    return with_operands(node, tuple(operands))


def _turned(pair: Pair, coefficient: Fraction) -> Pair:
    low, high = (None if q is None else scale(coefficient, q) for q in pair)
    return (low, high) if coefficient > 0 else (high, low)


def _added(terms: list[Expr | None]) -> Expr | None:
    known = [t for t in terms if t is not None]
    return add(known) if len(known) == len(terms) else None


# ---------------------------------------------------------------- the regulariser


def _penalty(calculus: Calculus) -> float | None:
    """Twice the least coefficient of the squares of all parameters, if the rest is convex."""
    root = calculus.root
    if not is_sum(root):
        return None
    found: dict[Expr, Fraction] = {}
    rest: list[str] = []
    for term, c in zip(root.operands, coefficients_of(root), strict=True):
        leaf = _squared_leaf(term)
        if leaf is not None and leaf in calculus.leaves:
            found[leaf] = found.get(leaf, Fraction(0)) + c
        else:
            known = calculus[term]
            rest.append(known.bend if c > 0 else {CONVEX: CONCAVE, CONCAVE: CONVEX}.get(
                known.bend, known.bend))  # fmt: skip
    if len(found) < len(calculus.leaves) or joined([*rest, CONVEX]) != CONVEX:
        return None
    return float(2 * min(found.values()))


def _squared_leaf(term: Expr) -> Expr | None:
    """θ of a term Σ θᵢ²."""
    if is_contraction(term) and len(term.operands) == 1:
        labels, out, coefficient = contraction_params(term)
        if out or coefficient != 1 or len(set(labels[0])) < len(labels[0]):
            return None
        term = term.operands[0]
    if is_power(term) and term.params[0] == 2 and is_variable(term.operands[0]):
        return term.operands[0]
    return None
