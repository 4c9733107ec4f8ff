"""Power series of expressions along curves of their leaves, coefficient by coefficient.

What is linear acts on all coefficients at once. For everything else the declared derivative is
the recurrence: with y' = push(x'), k·yₖ is coefficient k − 1 of push(x'), whose graph is small and
mostly made of y and x again, so that it is closed: no operation needs a rule for series of its
own. Coefficient 0 of a node is the node itself.

Source: Griewank and Walther, Evaluating Derivatives, chapter 13.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from wengert.derive.linearize import SWEEPS, push, push_all, pushforward
from wengert.derive.recurring import recurrence_of
from wengert.errors import MissingRuleError
from wengert.expr import Expr, topological
from wengert.operations.algebra import scale, variable
from wengert.operations.coefficients import added, entries_product, leading, product_coefficient
from wengert.operations.curves import Curve, coefficient_of, degree_of, extended, multiply
from wengert.operations.indexing import slice_
from wengert.operations.joining import stack
from wengert.operations.labelling import Labels
from wengert.operations.recurrences import series_by_recurrence
from wengert.operations.structure import contraction_params, is_contraction, zeros
from wengert.primitive import (
    ByCoefficient,
    Constant,
    Joint,
    Linear,
    Multilinear,
    Partials,
    WholeCurve,
)


def tails_along(roots: Sequence[Expr], tails: Mapping[Expr, Expr], order: int) -> list[Expr | None]:
    """The coefficients of functions along a curve of their leaves, from order 1 on.

    Parameters
    ----------
    roots : sequence of Expr
        The functions.
    tails : mapping of Expr to Expr
        By leaf, the coefficients of its curve from order 1 on: of the leaf's shape behind an axis
        of the order and any extra axes, the same for all leaves.
    order : int
        The highest order.

    Returns
    -------
    list of (Expr or None)
        One a root, likewise; of at most ``order`` coefficients, those beyond are 0. None for a
        constant.
    """
    known = _Curves(tails, order)
    return [known.tail(root) for root in known.finished(roots)]


def expanded_tail(root: Expr, tails: Mapping[Expr, Expr], order: int) -> Expr:
    """The coefficients from order 1 to ``order``, as expressions that differentiate as usual."""
    known = _Curves(tails, order, expanded=True)
    (tail,) = (known.tail(node) for node in known.finished([root]))
    if tail is None:
        leaf, first = next(iter(tails.items()))
        return zeros((order, *first.shape[1 : first.ndim - leaf.ndim], *root.shape))
    return extended(tail, order)


class _Curves:
    """What is known of the curves of nodes, filled as it is asked for."""

    def __init__(self, tails: Mapping[Expr, Expr], order: int, *, expanded: bool = False) -> None:
        self.order = order
        self.expanded = expanded
        self._tails: dict[Expr, Expr | None] = {
            leaf: _cut(tail, order) for leaf, tail in tails.items()
        }
        self._moving = dict.fromkeys(tails, True)
        self._known: dict[Any, Expr | None] = {}
        self._own: dict[Expr, dict[Any, Any]] = {}
        self._velocities: dict[Expr, Expr] = {}
        self._linear_in: dict[Expr, Expr | None] = {}
        self._pushed: dict[Expr, list[Expr]] = {}

    def finished(self, roots: Sequence[Expr]) -> Sequence[Expr]:
        """The roots, when the curves of all that they are made of are known."""
        for node in topological(*roots):
            if self.moves(node) and node not in self._tails:
                self._tails[node] = self._tail_of(node)
        return roots

    def tail(self, node: Expr) -> Expr | None:
        """The coefficients from order 1 on, of a node that is finished; None for a constant."""
        return self._tails[node] if self.moves(node) else None

    def moves(self, node: Expr) -> bool:
        """Does the node depend on the leaves, as far as derivatives can tell?"""
        if node not in self._moving:
            for n in topological(node):
                if n not in self._moving:
                    inner = [self._moving[o] for o in n.operands]
                    passes = n.dtype == "real" and not isinstance(n.primitive.derivative, Constant)
                    self._moving[n] = passes and any(inner)
        return self._moving[node]

    # ------------------------------------------------------------ all coefficients at once

    def _tail_of(self, node: Expr) -> Expr | None:
        rule = node.primitive.derivative
        series = node.primitive.series
        given = {k: tail for k, o in enumerate(node.operands) if (tail := self.tail(o)) is not None}
        if not given:
            return None
        if isinstance(series, WholeCurve):
            return series.tail(node, given, self.order)
        if is_contraction(node):
            labels, out, coefficient = contraction_params(node)
            factors = [
                Curve(o, axes, given.get(k))
                for k, (o, axes) in enumerate(zip(node.operands, labels, strict=True))
            ]
            sizes = dict(zip(out, node.shape, strict=True))
            return multiply(factors, out, self.order, sizes=sizes, coefficient=coefficient)
        if isinstance(rule, Linear) or _is_additive(node):
            degree = max(map(degree_of, given.values()))
            return push_all(node, {k: extended(tail, degree) for k, tail in given.items()})
        if isinstance(rule, Joint):
            full = {k: extended(tail, self.order) for k, tail in given.items()}
            return rule.push(node, full, SeriesSweeps(self.order))
        found = None if self.expanded else self._by_recurrence(node, given)
        if found is not None:
            return found
        return self._joined([self.coefficient(node, k) for k in range(1, self.order + 1)])

    def _by_recurrence(self, node: Expr, given: dict[int, Expr]) -> Expr | None:
        if not node.primitive.elementwise:
            return None
        count = range(len(node.operands))
        degrees = tuple(degree_of(given[k]) if k in given else 0 for k in count)
        found = recurrence_of(node.primitive, node.params, degrees, self.order, expanded_tail)
        if found is None:
            return None
        return series_by_recurrence(found, node, node.operands, [given[k] for k in found.moving])

    def _joined(self, found: list[Expr | None]) -> Expr | None:
        """Coefficients as one array, up to the last that is not zero."""
        while found and found[-1] is None:
            found.pop()
        like = next((c for c in found if c is not None), None)
        if like is None:
            return None
        return stack([zeros(like.shape) if c is None else c for c in found])

    # ------------------------------------------------------------ one by one

    def coefficient(self, node: Expr, k: int) -> Expr | None:
        """Coefficient k; None for zero."""
        if not self.moves(node):
            return node if k == 0 else None
        if k == 0 and self._velocity_in(node) is None:
            return node
        if node in self._tails:
            tail = self._tails[node]
            return None if tail is None else coefficient_of(tail, k)
        if (node, k) not in self._known:
            self._known[node, k] = self._coefficient(node, k)
        return self._known[node, k]

    def _coefficient(self, node: Expr, k: int) -> Expr | None:
        if node in self._velocities:
            found = self.coefficient(self._velocities[node], k + 1)
            return None if found is None else scale(k + 1, found)
        rule = node.primitive.derivative
        series = node.primitive.series
        if isinstance(series, ByCoefficient):
            own = self._own.setdefault(node, {})
            return series.coefficient(node, k, self.coefficient, own)
        if is_contraction(node):
            return self._product(node, k)
        if k == 0:
            return self._linear_at(node)
        if isinstance(rule, Linear) or _is_additive(node):
            parts = {
                j: part
                for j, o in enumerate(node.operands)
                if self.moves(o) and (part := self.coefficient(o, k)) is not None
            }
            return push_all(node, parts) if parts else None
        if isinstance(series, WholeCurve) or isinstance(rule, Joint):
            return self._from_tails(node, k)
        if isinstance(rule, Partials):
            return self._by_partials(node, rule, k)
        return added(
            None
            if (part := self.coefficient(pushed, k - 1)) is None
            else scale(Fraction(1, k), part)
            for pushed in self._pushed_of(node)
        )

    def _by_partials(self, node: Expr, rule: Partials, k: int) -> Expr | None:
        """k yₖ = Σ j xⱼ pₖ₋ⱼ with the partial derivative p."""
        terms: list[Expr] = []
        for i, operand in enumerate(node.operands):
            if not self.moves(operand):
                continue
            declared = rule.partials[i]
            if not callable(declared):
                push(node, i, operand)  # refuses what is undefined
                continue
            partial = declared(node, *node.operands)
            for j in range(1, k + 1):
                x = self.coefficient(operand, j)
                p = None if x is None else self.coefficient(partial, k - j)
                if x is not None and p is not None:
                    terms.append(entries_product(p, x, node.ndim, Fraction(j, k)))
        return added(terms)

    def _pushed_of(self, node: Expr) -> list[Expr]:
        """The derivative of the node along its operands' velocities."""
        if node not in self._pushed:
            found: list[Expr] = []
            for i, operand in enumerate(node.operands):
                if self.moves(operand):
                    velocity = variable(f"·velocity{node.digest:x}.{i}", operand.shape)
                    self._velocities[velocity] = operand
                    self._moving[velocity] = True
                    pushed = push(node, i, velocity)
                    if pushed is not None:
                        found.append(pushed)
            self._pushed[node] = found
        return self._pushed[node]

    def _product(self, node: Expr, k: int) -> Expr | None:
        """Of a contraction, factor by factor."""
        labels, out, coefficient = contraction_params(node)
        sizes = dict(zip(out, node.shape, strict=True))
        factors = list(zip(node.operands, labels, strict=True))
        constant = [(o, axes) for o, axes in factors if not self.moves(o)]
        moving = [(o, axes) for o, axes in factors if self.moves(o)]
        partial, kept = self._partial_product(node, moving, constant, out, len(moving), k)
        if partial is None:
            return None
        return leading(
            [partial, *(o for o, _ in constant)],
            [kept, *(axes for _, axes in constant)],
            out,
            sizes=sizes,
            coefficient=coefficient,
        )

    def _partial_product(
        self,
        node: Expr,
        moving: list[tuple[Expr, Labels]],
        constant: list[tuple[Expr, Labels]],
        out: Labels,
        count: int,
        k: int,
    ) -> tuple[Expr | None, Labels]:
        """Coefficient k of the first factors' product, on the labels that are needed after it."""
        last, axes = moving[count - 1]
        if count == 1:
            return self.coefficient(last, k), axes
        before = dict.fromkeys(x for _, own in moving[: count - 1] for x in own)
        rest = {x for _, own in (*moving[count - 1 :], *constant) for x in own} | set(out)
        left = tuple(x for x in before if x in rest) if count > 2 else moving[0][1]
        later = {x for _, own in (*moving[count:], *constant) for x in own} | set(out)
        kept = tuple(x for x in dict.fromkeys((*left, *axes)) if x in later)
        key = node, "product", count, k
        if key not in self._known:
            self._known[key] = product_coefficient(
                lambda j: self._partial_product(node, moving, constant, out, count - 1, j)[0],
                lambda j: self.coefficient(last, j),
                k,
                lambda a, b: leading([a, b], [left, axes], kept),
                square=count == 2 and moving[0] == moving[1],
            )
        return self._known[key], kept

    def _from_tails(self, node: Expr, k: int) -> Expr | None:
        """By the rule for whole curves, of operands that are known up to order k."""
        if any(self._velocity_in(o) is not None for o in node.operands if self.moves(o)):
            raise MissingRuleError(
                f"{node.name} within the derivative rule of another operation has no power series"
            )
        key = node, "whole", k
        if key not in self._known:
            given = {
                i: tail
                for i, o in enumerate(node.operands)
                if self.moves(o)
                and (tail := self._joined([self.coefficient(o, j) for j in range(1, k + 1)]))
                is not None
            }
            series, rule = node.primitive.series, node.primitive.derivative
            if isinstance(series, WholeCurve):
                found = series.tail(node, given, k) if given else None
            else:
                assert isinstance(rule, Joint)
                full = {i: extended(tail, k) for i, tail in given.items()}
                found = rule.push(node, full, SeriesSweeps(k)) if full else None
            self._known[key] = None if found is None else coefficient_of(found, k)
        return self._known[key]

    # ------------------------------------------------------------ velocities

    def _velocity_in(self, node: Expr) -> Expr | None:
        """The velocity in which a part of a derivative is linear; None if there is none in it."""
        if not self._velocities:
            return None
        if node not in self._linear_in:
            found = {n for n in topological(node) if n in self._velocities}
            if len(found) > 1:
                raise MissingRuleError(
                    f"the derivative rule of {node.name} has no power series: it is no linear map "
                    "of one tangent"
                )
            self._linear_in[node] = next(iter(found), None)
        return self._linear_in[node]

    def _linear_at(self, node: Expr) -> Expr | None:
        """Coefficient 0 of what is linear in a velocity: its value there."""
        velocity = self._velocity_in(node)
        assert velocity is not None
        first = self.coefficient(velocity, 0)
        return None if first is None else pushforward([node], {velocity: first})[0]


def _is_additive(node: Expr) -> bool:
    """Linear in its real operands together: a sum, a concatenation, a choice of entries."""
    rule = node.primitive.derivative
    product = is_contraction(node) or node.primitive.foreign
    return isinstance(rule, Multilinear) and not product


def _cut(tail: Expr, order: int) -> Expr | None:
    if order == 0:
        return None
    if degree_of(tail) <= order:
        return tail
    return slice_(tail, [slice(0, order), *[None] * (tail.ndim - 1)])


@dataclass(frozen=True)
class SeriesSweeps:
    """What rules of operations that hold a program are given: tails in place of tangents.

    A tail of full length has the shape of a tangent with one more extra axis.
    """

    order: int

    @property
    def pushforward(self) -> Callable[[Sequence[Expr], Mapping[Expr, Expr]], list[Expr | None]]:
        """The tails of the roots from those of the leaves."""

        def sweep(roots: Sequence[Expr], tails: Mapping[Expr, Expr]) -> list[Expr | None]:
            found = tails_along(roots, tails, self.order)
            return [None if t is None else extended(t, self.order) for t in found]

        return sweep

    @property
    def pullback(self) -> Any:
        """As for derivatives."""
        return SWEEPS.pullback
