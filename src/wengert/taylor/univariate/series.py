"""Power series in one variable: all terms, computed when they are asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from operator import index
from typing import Any

import numpy as np

from wengert.backends import run
from wengert.derive import derivative
from wengert.errors import ConvergenceError, DomainError
from wengert.expr import Expr, rebuild, topological
from wengert.operations import add, mul, power
from wengert.operations.rebuild import with_operands
from wengert.operations.structure import is_variable
from wengert.taylor.univariate import general_term as finding
from wengert.taylor.univariate.expand import Expansion, without_definitions
from wengert.taylor.univariate.general_term import GeneralTerm
from wengert.taylor.univariate.lazy import (
    Checked,
    Combination,
    Derivative,
    Integral,
    Lazy,
    Power,
    Product,
    constant,
)
from wengert.taylor.univariate.numbers import (
    Exact,
    Number,
    expr_of,
    symbols_in,
)
from wengert.taylor.univariate.points import expanded, point_of, regular, shown
from wengert.taylor.univariate.proof import is_power_of, satisfies
from wengert.taylor.univariate.radius import Radius, radius_of
from wengert.taylor.univariate.sequences import Polynomial
from wengert.taylor.univariate.style import Style
from wengert.taylor.univariate.summing import Sum, summed
from wengert.taylor.univariate.writing import base_text, polynomial_text, region_text, series_text

_FOR_RADIUS = 100
_TRUSTED = 1e-10  # relative errors of coefficients from which a radius is estimated


@dataclass(frozen=True)
class PartialSum:
    """The first terms of a series: a polynomial.

    Attributes
    ----------
    series : Series
        The series.
    degree : int
        The last exponent.
    """

    series: Series
    degree: int

    def __call__(self, x: Any) -> Any:
        """The value, entry by entry."""
        t = np.asarray(x, dtype=float) - float(self.series.point)
        total = np.zeros_like(t)
        for c in reversed(self.series.floats(self.degree + 1)):
            total = total * t + c
        return total[()]

    def __str__(self) -> str:
        style = Style()
        base = base_text(self.series.name, self.series.point, style)
        return polynomial_text(self.series.__getitem__, base, style, degree=self.degree)


@dataclass(frozen=True, eq=False)
class Series:
    """A power series Σ aₙ (x − x₀)ⁿ, whose coefficients are computed when they are asked for.

    Attributes
    ----------
    expr : Expr or None
        The function, None if it is known by its jets only.
    leaf : Expr
        Its variable.
    name : str
        The variable's name.
    point : Number
        x₀: a fraction, an exact number or a float.
    lazy : Lazy
        The coefficients.
    values : mapping of Expr to float
        Numbers for other variables.
    exact : bool
        Are the coefficients exact?
    """

    expr: Expr | None
    leaf: Expr
    name: str
    point: Number
    lazy: Lazy
    values: Mapping[Expr, float] = field(default_factory=dict[Expr, float])
    exact: bool = True

    # ------------------------------------------------------------ coefficients

    def __getitem__(self, n: int) -> Number:
        """The coefficient aₙ: a fraction, an exact number (which ``float`` takes) or a float."""
        return self.lazy[_from_zero(n)]

    def coefficients(self, n: int) -> list[Number]:
        """The first n coefficients."""
        return [self[k] for k in range(_from_zero(n))]

    @property
    def symbols(self) -> list[str]:
        """The names of the symbols in the coefficients."""
        if self.expr is None or not self.exact:
            return []
        leaves = {str(n.params[0]) for n in topological(self.expr) if is_variable(n)}
        return sorted(leaves - {self.name})

    def floats(self, n: int) -> list[float]:
        """The first n coefficients as floats, by floating-point recurrences where that is faster.

        Raises
        ------
        DomainError
            If they depend on symbols.
        """
        source = self._by_floats
        return [float(source[k]) for k in range(n)]

    def _trusted(self) -> list[float]:
        """Coefficients as floats, as many as rounding errors leave most digits of."""
        source = self._by_floats
        try:
            source.known_to(_FOR_RADIUS)
        except (ConvergenceError, DomainError):
            if not source.known:
                raise
        end = len(source.known)
        if isinstance(source, Checked):
            end = next((k for k, e in enumerate(source.noise) if e > _TRUSTED), end)
        return [float(source[k]) for k in range(end)]

    @cached_property
    def _by_floats(self) -> Lazy:
        if not self.exact or self.expr is None:
            return self.lazy
        look = [self[k] for k in range(6)]
        if not any(isinstance(a, Exact) for a in look):
            return self.lazy
        for a in look:
            for name in symbols_in(a):
                raise DomainError(
                    f"the coefficients depend on {name}, which is a symbol: give it a number "
                    "with given={...}"
                )
        try:
            return expanded(self.expr, self.leaf, float(self.point), dict(self.values))
        except DomainError:
            return self.lazy

    def partial_sum(self, n: int) -> PartialSum:
        """The terms up to the exponent n, to evaluate and to print."""
        return PartialSum(self, _from_zero(n))

    # ------------------------------------------------------------ what is known of all

    @cached_property
    def general_term(self) -> GeneralTerm | None:
        """The rule of all coefficients, proven or found; None if none was found."""
        if not self.exact:
            return None
        return finding.find(self.lazy.__getitem__, self._prove, self._prove_power)

    @property
    def _moved(self) -> Expr:
        """t = x − x₀."""
        assert not isinstance(self.point, float)
        return add([self.leaf, expr_of(self.point)], [1, -1])

    def _prove_power(self, step: int, first: int, ratio: Number, top: Number) -> bool:
        if self.expr is None:
            return False
        function = without_definitions(self.expr)
        return is_power_of(function, self.leaf, self._moved, step, first, ratio, top)

    def _prove(
        self,
        polynomials: Sequence[Polynomial],
        step: int,
        first: int,
        single: Mapping[int, Number],
        growth: Expr,
    ) -> bool:
        if self.expr is None or isinstance(self.point, float):
            return False
        moved = self._moved
        terms = [
            mul(expr_of(v), power(moved, n)) for n, v in single.items() if not isinstance(v, float)
        ]
        rest = add([without_definitions(self.expr), *terms], [1, *[-1] * len(terms)])

        def coefficient(n: int) -> Number:
            return self[n] - single.get(n, Fraction(0))

        return satisfies(rest, self.leaf, moved, polynomials, step, first, coefficient, growth)

    @cached_property
    def radius(self) -> Radius:
        """The radius of convergence, exact or estimated, and why."""
        function = None
        if self.expr is not None and not self.symbols and not self.values:
            function = self.expr, self.leaf, float(self.point)
        try:
            return radius_of(self.general_term, function, self._trusted)
        except DomainError:
            return Radius(math.nan, "estimated", "it depends on symbols", math.inf)

    # ------------------------------------------------------------ writing

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<Series {self.text()}>"

    def text(self, terms: int = 3) -> str:
        """The series in one line, with its first few terms."""
        return self._written(terms, Style())

    def latex(self, terms: int = 3) -> str:
        """The series in LaTeX."""
        return self._written(terms, Style(latex=True))

    def _written(self, terms: int, style: Style) -> str:
        return series_text(
            self.__getitem__, self.name, self.point, self.general_term, self.radius, terms, style
        )

    # ------------------------------------------------------------ values

    def sum(self, x: float, tol: float = 1e-12) -> Sum:
        """The sum of the series at a point, to a tolerance.

        Parameters
        ----------
        x : float
            Within the radius of convergence.
        tol : float
            The largest error, relative to the sum or to 1, whichever is larger.

        Raises
        ------
        DomainError
            Outside the disc of convergence.
        ConvergenceError
            If rounding errors, or the number of terms, do not allow it.
        """
        if np.ndim(x):
            raise TypeError("a series is summed at one number; partial_sum(n) takes arrays")
        t = float(x) - float(self.point)
        radius = self.radius
        if not abs(t) < radius.value:
            raise DomainError(
                f"the series converges for "
                f"{region_text(self.name, self.point, radius, Style())} ({radius.kind}); "
                f"{float(x):g} is not within"
            )
        return summed(self._by_floats, t, radius.value, tol)

    def plot(
        self,
        path: str | None = None,
        *,
        degrees: Sequence[int] | None = None,
        width: float | None = None,
    ) -> Any:
        """The function, partial sums, and where the series converges; needs matplotlib.

        Parameters
        ----------
        path : str, optional
            A file to write the figure to; its ending says the format.
        degrees : sequence of int, optional
            Of the partial sums; by default of the first few that differ.
        width : float, optional
            How far the axis goes to either side of the point.

        Returns
        -------
        matplotlib.figure.Figure
            Not attached to a window.
        """
        from wengert.taylor.univariate.plots import plot_series  # noqa: PLC0415 - optional

        return plot_series(self, path, degrees=degrees, width=width)

    def function(self, x: Any) -> Any:
        """The function itself, not its series, at an array of points; NaN where it is not defined.

        Raises
        ------
        DomainError
            If it is known by its coefficients only.
        """
        if self.expr is None:
            raise DomainError("of this series only the coefficients are known")
        values = {**self.values, self.leaf: np.float64(0)}
        points = np.asarray(x, dtype=float)
        found = [run((self.expr,), {**values, self.leaf: p})[0] for p in points.ravel()]
        return np.array(found, dtype=float).reshape(points.shape)[()]

    # ------------------------------------------------------------ arithmetic

    def __add__(self, other: Series | Fraction | int | float) -> Series:
        one = self._like(other)
        root = Combination([(1, self.lazy), (1, one.lazy)])
        return self._with(one, root, lambda a, b: add([a, b]))

    def __sub__(self, other: Series | Fraction | int | float) -> Series:
        one = self._like(other)
        root = Combination([(1, self.lazy), (-1, one.lazy)])
        return self._with(one, root, lambda a, b: add([a, b], [1, -1]))

    def __mul__(self, other: Series | Fraction | int | float) -> Series:
        one = self._like(other)
        return self._with(one, Product(self.lazy, one.lazy), mul)

    def __truediv__(self, other: Series | Fraction | int | float) -> Series:
        one = self._like(other)
        root = regular(Product(self.lazy, _reciprocal(one.lazy)))
        return self._with(one, root, lambda a, b: mul(a, power(b, -1)))

    def __neg__(self) -> Series:
        return self * -1

    def __radd__(self, other: Fraction | int | float) -> Series:
        return self + other

    def __rsub__(self, other: Fraction | int | float) -> Series:
        return self._like(other) - self

    def __rmul__(self, other: Fraction | int | float) -> Series:
        return self * other

    def __rtruediv__(self, other: Fraction | int | float) -> Series:
        return self._like(other) / self

    def _like(self, other: Series | Fraction | int | float) -> Series:
        """The other operand, around the same point; a number as a series."""
        if not isinstance(other, Series):
            number = point_of(other, "a number")
            expr = None if isinstance(number, float) else expr_of(number)
            exact = self.exact and expr is not None
            return Series(expr, self.leaf, self.name, self.point, constant(number), exact=exact)
        if other.point != self.point:
            raise DomainError(
                f"series around different points: {shown(self.point)} and {shown(other.point)}"
            )
        return other

    def _with(self, other: Series, root: Lazy, operation: Callable[[Expr, Expr], Expr]) -> Series:
        expr = None
        if self.expr is not None and other.expr is not None:
            theirs = rebuild(other.expr, with_operands, {other.leaf: self.leaf})
            expr = operation(self.expr, theirs)
        return self._made(expr, root, other)

    def _made(self, expr: Expr | None, root: Lazy, *others: Series) -> Series:
        values = dict(self.values)
        for other in others:
            values.update(other.values)
        exact = self.exact and all(o.exact for o in others)
        return Series(expr, self.leaf, self.name, self.point, root, values, exact)

    def derivative(self) -> Series:
        """The derivative, term by term."""
        expr = None if self.expr is None else derivative(self.expr, [self.leaf])
        return self._made(expr, Derivative(self.lazy))

    def integral(self, first: Fraction | int | float = 0) -> Series:
        """The integral from x₀, term by term, plus a constant."""
        return self._made(None, Integral(point_of(first, "the constant"), lambda: self.lazy))

    def compose(self, inner: Series) -> Series:
        """The series of f(g(x)), around the point of g.

        Raises
        ------
        DomainError
            Unless the constant term of g is the point around which f is expanded.
        """
        if self.expr is None:
            raise DomainError(
                "of this series only the coefficients are known: it cannot be composed"
            )
        if inner[0] != self.point:
            raise DomainError(
                f"f(g): f is expanded at {shown(self.point)}, and g is {shown(inner[0])} there"
            )
        numeric = None if self.exact and inner.exact else self.values
        root = regular(Expansion(self.leaf, inner.lazy, numeric).series(self.expr))
        expr = None
        if inner.expr is not None:
            expr = rebuild(self.expr, with_operands, {self.leaf: inner.expr})
        return inner._made(expr, root, self)

    def reversion(self) -> Series:
        """The series of the inverse function, around the value at x₀.

        Its coefficients are those of Lagrange's formula, from g' = 1/f'(g).

        Raises
        ------
        DomainError
            If the derivative at x₀ is zero: there is no inverse with a power series.
        """
        if self.expr is None:
            raise DomainError("of this series only the coefficients are known: it has no reversion")
        if self[1] == 0:
            raise DomainError("the derivative is zero at the point: the inverse has a branch point")
        slope = power(derivative(self.expr, [self.leaf]), -1)
        numeric = None if self.exact else self.values

        def integrand() -> Lazy:
            return Expansion(self.leaf, root, numeric).series(slope)

        root = Integral(self.point, integrand)
        return Series(None, self.leaf, self.name, self[0], root, exact=self.exact)


def _from_zero(n: Any) -> int:
    """A whole number from 0 on."""
    try:
        number = -1 if isinstance(n, bool) else index(n)
    except TypeError:
        number = -1
    if number < 0:
        raise IndexError(f"coefficients are numbered by whole numbers from 0 on; got {n!r}")
    return number


def _reciprocal(series: Lazy) -> Lazy:
    valuation = series.valuation()
    if valuation is None:
        raise DomainError("division by a series that is zero")
    return Power(series, Fraction(-1), valuation)
