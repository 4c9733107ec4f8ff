"""The chain rule over the parts of a formula: in both directions, and in a cheap order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wengert.derive import derivative
from wengert.derive.modes import deltas
from wengert.explanation.parts import Part
from wengert.expr import Expr
from wengert.operations import add, contract


@dataclass(frozen=True)
class Elimination:
    """A part taken out: ``upper`` depends on ``lower`` directly now.

    ``known`` says that it did so before, and ``value`` is the sum.
    """

    upper: Part
    taken: Expr
    lower: Expr
    known: bool
    value: Expr


class Chain:
    """The derivatives of parts by their inputs, and what the chain rule makes of them.

    Parameters
    ----------
    parts : sequence of Part
        In order; the last one is the function.
    leaf : Expr
        The variable.

    Attributes
    ----------
    feeds : dict of Expr to list of Part
        The parts that a symbol is an input of.
    """

    def __init__(self, parts: Sequence[Part], leaf: Expr) -> None:
        self.parts = list(parts)
        self.leaf = leaf
        self.feeds: dict[Expr, list[Part]] = {}
        for part in parts:
            for symbol in part.inputs:
                self.feeds.setdefault(symbol, []).append(part)
        self._jacobians: dict[tuple[Expr, Expr], Expr] = {}

    @property
    def root(self) -> Part:
        """The function."""
        return self.parts[-1]

    def jacobian(self, part: Part, symbol: Expr) -> Expr:
        """∂part/∂symbol, the part's other inputs held fixed; outputs first."""
        key = (part.symbol, symbol)
        if key not in self._jacobians:
            self._jacobians[key] = derivative(part.step, [symbol], "reverse")
        return self._jacobians[key]

    def reverse(self, most: int) -> dict[Expr, Expr]:
        """d root/d symbol, from the root back, for at most so many symbols and the variable."""
        totals = {self.root.symbol: deltas(self.root.symbol)}
        symbols = [p.symbol for p in self.parts[-2::-1]]
        for symbol in [*symbols[:most], self.leaf]:
            users = self.feeds.get(symbol, [])
            if users and all(u.symbol in totals for u in users):
                totals[symbol] = add(
                    [product(totals[u.symbol], self.jacobian(u, symbol), u.symbol) for u in users]
                )
        return totals

    def forward(self, most: int) -> dict[Expr, Expr]:
        """d symbol/d variable, from the variable on, for at most so many parts."""
        totals: dict[Expr, Expr] = {}
        for part in self.parts[:most]:
            if part.inputs and all(u is self.leaf or u in totals for u in part.inputs):
                totals[part.symbol] = add([self._pushed(part, u, totals) for u in part.inputs])
        return totals

    def _pushed(self, part: Part, symbol: Expr, totals: dict[Expr, Expr]) -> Expr:
        jacobian = self.jacobian(part, symbol)
        return jacobian if symbol is self.leaf else product(jacobian, totals[symbol], symbol)

    def eliminations(self) -> list[Elimination]:
        """The parts taken out one after the other, the one with the fewest products first.

        That is Markowitz's order (Griewank and Walther, Evaluating Derivatives, chapter 9).
        """
        into = {p.symbol: {u: self.jacobian(p, u) for u in p.inputs} for p in self.parts}
        by_symbol = {p.symbol: p for p in self.parts}
        remaining = [p.symbol for p in self.parts[-2::-1]]
        found: list[Elimination] = []
        while remaining:
            users = {v: [w for w in into if v in into[w]] for v in remaining}
            v = min(remaining, key=lambda s: len(into[s]) * len(users[s]))
            remaining.remove(v)
            inner = into.pop(v)
            for w in users[v]:
                outer = into[w].pop(v)
                for u, jacobian in inner.items():
                    value = product(outer, jacobian, v)
                    known = into[w].get(u)
                    into[w][u] = value if known is None else add([known, value])
                    step = Elimination(by_symbol[w], v, u, known is not None, into[w][u])
                    found.append(step)
        return found


def product(outer: Expr, inner: Expr, between: Expr) -> Expr:
    """outer · inner, summed over the entries of what is in between."""
    first = outer.ndim - between.ndim
    left = tuple(range(outer.ndim))
    right = tuple(range(first, first + inner.ndim))
    return contract([outer, inner], [left, right], left[:first] + right[between.ndim :])
