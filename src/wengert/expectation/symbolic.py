"""Expectations of formulas in symbols: u and S for a mean and a covariance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from wengert import printing
from wengert.assumptions import Assumption
from wengert.errors import NameClashError, WengertError
from wengert.expectation.closed import closed_form
from wengert.expectation.coupling import Coupling, Couplings
from wengert.expectation.distributions import Normal, as_distribution, is_distribution
from wengert.expectation.polynomials import degree_of
from wengert.expr import Expr, rebuild, topological
from wengert.formula import Orientation, ShapeLike, Variable, variable_names
from wengert.formula.declarations import rank_by_letter
from wengert.formulas import Formula, formula
from wengert.operations import add, mul, power, scale, variable
from wengert.operations.rebuild import with_operands
from wengert.operations.structure import exponent_of, is_power, is_sum, is_zero, leaf_of
from wengert.rewrite import display

_MOST_NODES = 3000  # of a term: beyond it nobody reads it


@dataclass(frozen=True, eq=False)
class SymbolicEstimate:
    """E f(X) as formulas of the means and the covariances.

    Attributes
    ----------
    value : Formula
        The closed form where there is one, else the sum of the terms.
    terms : tuple of Formula
        E of the k-th term of f's series, k = 0, ..., order; odd ones are zero.
    order : int
        At which the series was cut.
    exact : str
        Why the value is exact; empty if it is an approximation.
    is_whole : bool
        Is the series exact, as it ends?
    given : dict
        Values of the variables that were given as numbers.

    Examples
    --------
    >>> from wengert.expectation import Normal, expectation
    >>> E = expectation("x'*A*x", {"x": Normal("u", "S")})
    >>> print(E)
    uᵀAu + tr(AS)
    >>> float(E(u=[1.0, 2.0], S=[[1.0, 0.0], [0.0, 3.0]], A=[[2.0, 0.0], [0.0, 1.0]]))
    11.0
    """

    value: Formula
    terms: tuple[Formula, ...]
    order: int
    exact: str
    is_whole: bool
    given: Mapping[str, Any]

    def __str__(self) -> str:
        return self._written(printing.matrix_notation, printing.index_notation)

    def latex(self) -> str:
        """The series in LaTeX."""
        return self._written(printing.latex, printing.index_latex, brackets=(r"\left(", r"\right)"))

    @property
    def series(self) -> Formula:
        """The sum of the terms."""
        return _formula_like(self.terms[0], add([t.expr for t in self.terms]))

    def report(self) -> str:
        """The series, and the closed form if there is one beside it."""
        if self.is_whole:
            return f"E f = {self}   (exact: {self.exact})"
        series = f"{self}   (order {self.order})"
        if not self.exact:
            return f"E f ≈ {series}"
        return f"E f = {self.value}   (exact: {self.exact})\n    ≈ {series}"

    def __call__(self, /, **values: Any) -> Any:
        """The value on arrays, by name."""
        return self.value(**{**self.given, **values})

    def _written(self, notation: Any, fallback: Any, brackets: tuple[str, str] = ("(", ")")) -> str:
        """The terms one after the other; what the first is a factor of all is written once."""
        first, orientation = self.terms[0], self.terms[0].orientation
        shown = [display(t.expr, [first.expr]) for t in self.terms]
        shown = [e for e in shown if not is_zero(e)]
        if not shown:
            return "0"
        factors = _over_first(shown)

        def text(expr: Expr, how: Orientation) -> str:
            found = notation(expr, how, rows=first.expr.ndim)
            return fallback(expr) if found is None else found

        if factors is None or len(shown) == 1:
            return _sum_of([text(e, orientation) for e in shown])
        inner = _sum_of(["1", *(text(e, orientation) for e in factors)])
        lead = text(shown[0], orientation)
        times = "" if first.expr.ndim == 0 else (" ⊙ " if brackets[0] == "(" else r"\odot ")
        return f"{lead}{times}{brackets[0]}{inner}{brackets[1]}"


def _sum_of(parts: Sequence[str]) -> str:
    text = parts[0]
    for part in parts[1:]:
        negative = part.startswith(("−", "-"))
        text += f" − {part[1:]}" if negative and part[0] == "−" else (
            f" {part[0]} {part[1:]}" if negative else f" + {part}"
        )  # fmt: skip
    return text


def _over_first(terms: Sequence[Expr]) -> list[Expr] | None:
    """The quotients of later terms by the first, if it divides them; None if not."""
    first = terms[0]
    if is_sum(first) or not any(n.operands for n in topological(first)):
        return None
    found: list[Expr] = []
    for term in terms[1:]:
        quotient = display(mul(term, power(first, -1)))
        below = any(is_power(n) and exponent_of(n) < 0 for n in topological(quotient))
        if below or first in topological(quotient):
            return None
        found.append(quotient)
    return found


# ---------------------------------------------------------------- reading


def is_symbolic(dist: Any) -> bool:
    """Is a distribution in it given by names?"""
    parts = dist.values() if isinstance(dist, Mapping) else [dist]
    return any(isinstance(d, Normal) and d.symbolic for d in parts)  # pyright: ignore


def symbolic_expectation(
    f: Any,
    dist: Any,
    order: int,
    given: Mapping[str, Any] | None,
    shapes: Mapping[str, ShapeLike] | None,
) -> SymbolicEstimate:
    """E f(X) in symbols.

    Raises
    ------
    WengertError
        For what is no formula, for distributions that are not Gaussian, or terms of an order that
        are too long to read.
    NameClashError
        If a name is taken, or is no variable.
    """
    if not isinstance(f, str | Formula):
        raise WengertError("expectations in symbols are of formulas: a text, or wg.formula(...)")
    read = f if isinstance(f, Formula) else _read(f, dist, shapes)
    random = _random(read, dist)
    held = dict(given or {})
    if isinstance(dist, Mapping):
        held |= {k: v for k, v in dist.items() if k not in random}  # pyright: ignore
    return _Symbols(read, random, held).estimate(order)


def _read(text: str, dist: Any, shapes: Mapping[str, ShapeLike] | None) -> Formula:
    """The formula; a covariance that it has in it is symmetric."""
    parts = dist.values() if isinstance(dist, Mapping) else [dist]
    names = set(variable_names(text))
    assume = {
        cov: "symmetric"
        for d in parts  # pyright: ignore
        if isinstance(d, Normal) and d.symbolic
        for cov in (d.cov if isinstance(d.cov, tuple) else (d.cov,))  # pyright: ignore
        if cov in names and cov not in (shapes or {}) and rank_by_letter(cov) == 2  # pyright: ignore
    }
    return formula(text, shapes, assume)


def _random(read: Formula, dist: Any) -> dict[str, Normal]:
    if not isinstance(dist, Mapping):
        if len(read.variables) != 1:
            listed = ", ".join(v.name for v in read.variables)
            raise NameClashError(f"give distributions by name; the variables are: {listed}")
        dist = {read.variables[0].name: dist}
    found: dict[str, Normal] = {}
    for name, value in dist.items():  # pyright: ignore
        if not is_distribution(value):
            continue
        normal = as_distribution(value, str(name))  # pyright: ignore
        if not isinstance(normal, Normal) or isinstance(normal.mean, Mapping):
            raise WengertError(f"{name}: expectations in symbols are of Gaussian variables")
        found[str(name)] = normal  # pyright: ignore
    unknown = [n for n in dist if n not in {v.name for v in read.variables}]  # pyright: ignore
    if unknown:
        listed = ", ".join(v.name for v in read.variables)
        raise NameClashError(f"there is no variable {unknown[0]!r}; the variables are: {listed}")
    return found


class _Symbols:
    """A formula with names for the means and covariances of its random variables."""

    def __init__(self, read: Formula, random: Mapping[str, Normal], held: dict[str, Any]) -> None:
        self.read = read
        self.held = held
        self.leaves: list[Expr] = []
        self.means: dict[Expr, Expr] = {}
        self.variables = [v for v in read.variables if v.name not in random]
        moving = [v for v in read.variables if v.name in random]
        self.couplings = Couplings(tuple(self._coupling(v, random[v.name]) for v in moving))

    def _coupling(self, v: Variable, normal: Normal) -> Coupling:
        mean_name, cov = normal.mean, normal.cov
        if not normal.symbolic:
            mean_name, cov = f"{v.name}_mean", f"S_{v.name}"
            self.held |= {mean_name: normal.mean, cov: _given_covariance(normal)}
        leaf = leaf_of(variable(v.name, v.shape, v.assumptions))
        mean = self._declare(mean_name, v.shape, frozenset(), v.orientation)
        self.leaves.append(leaf)
        self.means[leaf] = mean
        rank = len(v.shape)
        axes = tuple(range(rank))
        if isinstance(cov, tuple):
            if len(cov) != rank:
                raise NameClashError(f"{v.name} has {rank} axes; its covariance {len(cov)} names")
            arrays = tuple(
                (self._covariance(name, (n, n)), (k, rank + k))
                for k, (name, n) in enumerate(zip(cov, v.shape, strict=True))
            )
            return Coupling(leaf, leaf, arrays)
        kind = rank_by_letter(cov) if normal.symbolic else 2
        if rank == 0 or kind == 0:  # a variance for all
            return Coupling(leaf, leaf, ((self._covariance(cov, ()), ()),), tied=True)
        if kind == 1:
            return Coupling(leaf, leaf, ((self._covariance(cov, v.shape), axes),), tied=True)
        both = tuple(range(2 * rank))
        return Coupling(leaf, leaf, ((self._covariance(cov, v.shape * 2), both),))

    def _covariance(self, name: str, shape: tuple[Any, ...]) -> Expr:
        rank = len(shape)
        assumed = frozenset({Assumption.SYMMETRIC}) if rank == 2 else frozenset[Assumption]()
        orientation: Orientation = (
            "tensor" if rank > 2 else ("scalar", "column", "matrix")[rank]  # type: ignore[assignment]
        )
        return self._declare(name, shape, assumed, orientation)

    def _declare(
        self, name: str, shape: Any, assumed: frozenset[Assumption], orientation: Orientation
    ) -> Expr:
        known = next((v for v in self.variables if v.name == name), None)
        if known is None:
            self.variables.append(Variable(name, shape, assumed, orientation))
        elif known.shape != shape or known.assumptions != assumed:
            raise NameClashError(f"the formula has a variable {name} already; choose another name")
        return variable(name, shape, assumed)

    def estimate(self, order: int) -> SymbolicEstimate:
        """The terms, and the closed form if there is one."""
        root = self.read.expr
        degree = degree_of([root], self.leaves)
        if degree is not None:
            order = min(order, degree)
        terms = [root]
        for k in range(1, order + 1):
            last = terms[-2] if k > 1 else root
            terms.append(
                scale(0, root) if k % 2 else scale(Fraction(1, k), self.couplings.trace(last))
            )
            if len(topological(terms[-1])) > _MOST_NODES:
                raise WengertError(f"the term of order {k} is too long to read; take numbers")
        closed = closed_form(root, self.leaves, self.couplings)
        formulas = tuple(map(self._at_means, terms))
        value = self._at_means(add(terms) if closed is None else closed[0])
        exact = "" if closed is None else closed[1]
        if degree is not None:
            exact = f"a polynomial of degree {degree}"
        whole = degree is not None and degree <= order
        return SymbolicEstimate(value, formulas, order, exact, whole, self.held)

    def _at_means(self, expr: Expr) -> Formula:
        placed = rebuild(expr, with_operands, dict(self.means))
        return Formula(placed, tuple(self.variables), self.read.orientation, None)


def _given_covariance(normal: Normal) -> Any:
    dense = normal.covariance.dense()
    return dense.reshape(normal.shape * 2)


def _formula_like(like: Formula, expr: Expr) -> Formula:
    return Formula(expr, like.variables, like.orientation, None)
