"""What an expectation gives: the value, the series behind it, and how far to trust it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optree

Tree = Any


class ApproximationWarning(UserWarning):
    """A Taylor approximation that should not be trusted; the message says why."""


@dataclass(frozen=True)
class Cost:
    """What the series took.

    Attributes
    ----------
    jets : int
        How many directions the function was expanded along; 0 if none was needed.
    order : int
        Of these expansions.
    contracted : int
        How many terms were contractions of derivatives with the covariance, by their structure.
    """

    jets: int
    order: int
    contracted: int = 0

    def __str__(self) -> str:
        parts: list[str] = []
        if self.jets:
            parts.append(f"{self.jets:,} jet{'s' if self.jets > 1 else ''} of order {self.order}")
        if self.contracted:
            many = "s" if self.contracted > 1 else ""
            parts.append(f"{self.contracted} contraction{many} with the covariance")
        return " and ".join(parts) or "the value at the mean"


@dataclass(frozen=True, eq=False)
class Estimate:
    """An expectation by the Taylor series around the mean.

    Attributes
    ----------
    value : tree of array
        E f(X): like the function's result.
    terms : tuple of trees
        E of the k-th term of f's series, k = 0, ..., order, each like the value.
    order : int
        At which the series was cut.
    error_estimate : tree of array or None
        Of the size of what is left out: the largest of the terms computed beyond the order (with
        a geometric series of more such), or of the last term, where there is no next (``doubts``
        says so). 0 if the value is exact; None at orders below 2 without a next term.
    exact : str
        Why the value is exact; empty if it is an approximation.
    doubts : tuple of str
        Why the approximation should not be trusted; empty if nothing speaks against it.
    cost : Cost
        What it took.
    """

    value: Tree
    terms: tuple[Tree, ...]
    order: int
    error_estimate: Tree
    exact: str
    doubts: tuple[str, ...]
    cost: Cost

    @property
    def partial_sums(self) -> tuple[Tree, ...]:
        """The approximations of order 0, 1, ..., order."""
        sums = [self.terms[0]]
        for term in self.terms[1:]:
            sums.append(optree.tree_map(lambda a, b: a + b, sums[-1], term))
        return tuple(sums)

    @property
    def series(self) -> Tree:
        """The sum of the terms: the value, unless that has a closed form."""
        return self.partial_sums[-1]

    def __str__(self) -> str:
        return self.report()

    def report(self) -> str:
        """A table: terms and partial sums by order (largest entries, of arrays), and the doubts."""
        single = all(np.ndim(leaf) == 0 for leaf in optree.tree_leaves(self.value))
        single = single and len(optree.tree_leaves(self.value)) == 1
        head = f"E f = {_shown(self.value)}" if single else f"E f of shape {_shapes(self.value)}"
        how = f"exact: {self.exact}" if self.exact else f"order {self.order}"
        error = "" if self.exact or self.error_estimate is None else (
            f", error about {_largest(self.error_estimate):.2g}"
        )  # fmt: skip
        lines = [f"{head}   ({how}{error})"]
        columns = ("term", "sum") if single else ("largest term", "largest entry of the sum")
        lines.append(f"  order  {columns[0]:>22}  {columns[1]:>24}")
        for k, (term, total) in enumerate(zip(self.terms, self.partial_sums, strict=True)):
            if k and _largest(term) == 0.0 and k < len(self.terms) - 1:
                continue  # odd orders of symmetric distributions
            left, right = (
                (_shown(term), _shown(total))
                if single
                else (f"{_largest(term):.10g}", f"{_largest(total):.10g}")
            )
            lines.append(f"  {k:>5}  {left:>22}  {right:>24}")
        lines.append(f"  cost: {self.cost}")
        lines += [f"  doubt: {doubt}" for doubt in self.doubts]
        return "\n".join(lines)


def _shown(value: Tree) -> str:
    (leaf,) = optree.tree_leaves(value)
    return f"{float(leaf):.10g}"


def _shapes(value: Tree) -> str:
    return ", ".join(str(np.shape(leaf)) for leaf in optree.tree_leaves(value))


def _largest(value: Tree) -> float:
    return largest(optree.tree_leaves(value))


def largest(arrays: Sequence[Any]) -> float:
    """The largest absolute value among the entries of arrays."""
    return max((float(np.max(np.abs(a), initial=0.0)) for a in arrays), default=0.0)
