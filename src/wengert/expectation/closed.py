"""Expectations of Gaussians in closed form, where an expression has one.

For g affine in X, with value μ and variance v = ∇gᵀ Σ ∇g: E exp g = exp(μ + v/2), E sin g =
exp(−v/2) sin μ, E cos g = exp(−v/2) cos μ, E erf g = erf(μ/√(1 + 2v)). What is linear passes the
expectation on; polynomials have a series that ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from types import MappingProxyType

from wengert.expectation.coupling import Couplings
from wengert.expectation.polynomials import degrees_of
from wengert.expr import Expr
from wengert.operations import add, apply, contract, mul, ones, power, scale
from wengert.operations.scalar_functions import COS, EXP, SIN
from wengert.operations.special_functions import ERF
from wengert.operations.structure import (
    coefficients_of,
    contraction_params,
    is_contraction,
    is_sum,
)
from wengert.primitive import Linear, Primitive

_HIGHEST = 8  # degree of polynomials whose series is written out

_HALF = Fraction(1, 2)


def _damped(primitive: Primitive) -> Callable[[Expr, Expr], Expr]:
    return lambda g, v: mul(apply(EXP, scale(-_HALF, v)), apply(primitive, g))


def _erf(g: Expr, v: Expr) -> Expr:
    return apply(ERF, mul(g, power(add([ones(v.shape), v], [1, 2]), -_HALF)))


_OF_AFFINE: Mapping[Primitive, tuple[str, Callable[[Expr, Expr], Expr]]] = MappingProxyType(
    {
        EXP: ("exp", lambda g, v: apply(EXP, add([g, v], [1, _HALF]))),
        SIN: ("sin", _damped(SIN)),
        COS: ("cos", _damped(COS)),
        ERF: ("erf", _erf),
    }
)


@dataclass(eq=False)
class _Closing:
    """One search for a closed form."""

    couplings: Couplings
    leaves: Sequence[Expr]
    degrees: dict[Expr, int | None]
    reasons: dict[str, None] = field(default_factory=dict[str, None])

    def of(self, node: Expr) -> Expr | None:
        """E of a node, over leaves that stand for the means; None if there is no closed form."""
        if node not in self.degrees:  # made on the way
            self.degrees |= degrees_of([node], self.leaves)
        degree = self.degrees[node]
        if degree == 0:
            return node
        if degree is not None:
            return self._polynomial(node, degree)
        if node.primitive in _OF_AFFINE:
            return self._of_affine(node)
        if is_sum(node):
            parts = [self.of(o) for o in node.operands]
            known = [p for p in parts if p is not None]
            return add(known, coefficients_of(node)) if len(known) == len(parts) else None
        if is_contraction(node):
            return self._product(node)
        rule = node.primitive.derivative
        fixed = all(self.degrees[o] == 0 for o in node.operands[1:])
        if isinstance(rule, Linear) and fixed:
            inner = self.of(node.operands[0])
            return None if inner is None else rule.apply(node, inner)
        return None

    def _polynomial(self, node: Expr, degree: int) -> Expr | None:
        if degree > _HIGHEST:
            return None
        if degree > 1:
            self.reasons[f"a polynomial of degree {degree}"] = None
        terms = [node]
        for m in range(1, degree // 2 + 1):
            terms.append(scale(Fraction(1, 2 * m), self.couplings.trace(terms[-1])))
        return add(terms)

    def _of_affine(self, node: Expr) -> Expr | None:
        (inner,) = node.operands
        if self.degrees[inner] != 1:
            return None
        name, closed = _OF_AFFINE[node.primitive]
        self.reasons[f"{name} of a linear form of Gaussians"] = None
        return closed(inner, self.couplings.pair(inner, inner))

    def _product(self, node: Expr) -> Expr | None:
        """A product of which one factor is random, or of exponentials of one shape."""
        labels, out, coefficient = contraction_params(node)
        places = [k for k, o in enumerate(node.operands) if self.degrees[o] != 0]
        factors = [node.operands[k] for k in places]
        if len(places) == 1:
            (joined,) = factors
        elif all(f.primitive is EXP for f in factors) and len({labels[k] for k in places}) == 1:
            joined = apply(EXP, add([f.operands[0] for f in factors]))
        else:
            return None
        inner = self.of(joined)
        if inner is None:
            return None
        kept = [k for k in range(len(labels)) if k not in places]
        return contract(
            [inner, *(node.operands[k] for k in kept)],
            [labels[places[0]], *(labels[k] for k in kept)],
            out,
            sizes=dict(zip(out, node.shape, strict=True)),
            coefficient=coefficient,
        )


def closed_form(
    root: Expr, leaves: Sequence[Expr], couplings: Couplings
) -> tuple[Expr, str] | None:
    """E of an expression of Gaussian leaves, and why it is that.

    Parameters
    ----------
    root : Expr
        The function.
    leaves : sequence of Expr
        The random variables; in the result they stand for their means.
    couplings : Couplings
        Their covariance.

    Returns
    -------
    tuple of (Expr, str), or None
        None if no closed form was found.
    """
    search = _Closing(couplings, leaves, degrees_of([root], leaves))
    found = search.of(root)
    if found is None:
        return None
    return found, " and ".join(search.reasons) or "linear"
