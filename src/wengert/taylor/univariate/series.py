"""Power series in one variable: all terms, computed when they are asked for."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from wengert.backends import run
from wengert.derive import derivative
from wengert.errors import ConvergenceError, DomainError, NameClashError, ShapeError
from wengert.expr import Expr, rebuild, topological
from wengert.formula import variable_names
from wengert.formulas import Formula, formula, trace
from wengert.operations import add, mul, power, variable
from wengert.operations.rebuild import with_operands
from wengert.operations.structure import is_variable
from wengert.taylor.subject import Source, function_of
from wengert.taylor.univariate import general_term as finding
from wengert.taylor.univariate.expand import Expansion, NotScalarError, without_definitions
from wengert.taylor.univariate.general_term import GeneralTerm
from wengert.taylor.univariate.lazy import (
    Checked,
    Combination,
    Computed,
    Derivative,
    Integral,
    Lazy,
    Power,
    Product,
    constant,
    without_pole,
)
from wengert.taylor.univariate.numbers import (
    Exact,
    Number,
    expr_of,
    number_of,
    symbols_in,
)
from wengert.taylor.univariate.proof import is_power_of, satisfies
from wengert.taylor.univariate.radius import Radius, radius_of
from wengert.taylor.univariate.sequences import Polynomial
from wengert.taylor.univariate.style import Style
from wengert.taylor.univariate.summing import Sum, summed
from wengert.taylor.univariate.writing import base_text, polynomial_text, region_text, series_text
from wengert.transforms import jet

_ONE = Fraction(1)
_FOR_RADIUS = 100
_TRUSTED = 1e-10  # relative errors of coefficients from which a radius is estimated


def series(
    f: Source,
    wrt: str | None = None,
    at: Any = 0,
    given: Mapping[str, Any] | None = None,
) -> Series:
    """The power series of a function of one variable, with all its terms.

    Parameters
    ----------
    f : str, Formula or callable
        A scalar function; a callable takes one number and is written with NumPy.
    wrt : str, optional
        The variable; not needed if there is just one.
    at : number or str
        The point x₀: an integer, a fraction or a text such as ``"0.3"`` or ``"pi/2"`` for exact
        coefficients, a float for floating-point ones.
    given : mapping of str to number or str, optional
        Numbers for the other variables, exact ones as for ``at``. Those that are not given stay
        symbols.

    Returns
    -------
    Series
        Coefficients, general term, radius of convergence, partial sums, arithmetic.

    Raises
    ------
    DomainError
        If the function is not analytic at the point: a pole, a branch point, a kink.
    NameClashError
        For names that do not fit.
    ShapeError
        If a variable or the value is no single number.

    Examples
    --------
    >>> print(series("sin(x)"))
    x − x³/6 + x⁵/120 + ... = Σ_{k≥0} (−1)^k x^{2k+1}/(2k+1)!,  |x| < ∞ (exact)
    >>> series("exp(x)/(1 - x)")[3]
    Fraction(8, 3)
    """
    point = point_of(at)
    if isinstance(f, str | Formula):
        return _of_formula(f, wrt, point, dict(given or {}))
    if not callable(f):
        raise TypeError(f"series takes a formula or a function, not {type(f).__name__}")
    if given:
        raise NameClashError(
            "values by name are for formulas; a function takes them where it is written: "
            "lambda x: f(x, a=2.0)"
        )
    return _of_function(f, wrt, point)


def point_of(at: Any, what: str = "the point") -> Number:
    """A number as an exact one, or a float.

    Raises
    ------
    DomainError
        If it is not finite.
    TypeError
        If it is no number.
    """
    if isinstance(at, str):
        names = variable_names(at)
        if names:
            raise NameClashError(f"{what} is a number; {at!r} has the variable {names[0]}")
        number = number_of(formula(at).expr)
        if isinstance(number, Exact):
            float(number)
        return number
    if hasattr(at, "item") and np.ndim(at) == 0:
        at = at.item()
    if isinstance(at, bool) or not isinstance(at, int | float | Fraction):
        raise TypeError(f"{what} is one number or its text; got {at!r}")
    if isinstance(at, float):
        if not math.isfinite(at):
            raise DomainError(f"{what} must be finite; got {at}")
        return Fraction(int(at)) if at.is_integer() and abs(at) < 2**53 else at
    return Fraction(at)


def _of_formula(f: str | Formula, wrt: str | None, point: Number, given: dict[str, Any]) -> Series:
    names = variable_names(f) if isinstance(f, str) else [v.name for v in f.variables]
    name = _variable(names, wrt, given)
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise NameClashError(f"{unknown[0]} is no variable of the formula: {', '.join(names)}")
    try:
        read = formula(f, dict.fromkeys(names, ())) if isinstance(f, str) else f
        return _of_read(read, name, point, given)
    except NotScalarError:
        values = {k: float(point_of(v, k)) for k, v in given.items()}
        if set(names) - {name} - set(values):
            raise
        return _numeric(f, name, point, values)


def _of_read(read: Formula, name: str, point: Number, given: Mapping[str, Any]) -> Series:
    known: Mapping[str, Any] = read.traced.captured if read.traced is not None else {}
    for v in read.variables:
        if v.shape and v.name in known:
            raise NotScalarError(f"{v.name} is an array")
        if v.shape:
            raise ShapeError(
                f"{v.name} is an array; series are of functions of numbers: give its shape as ()"
            )
    if read.shape:
        raise ShapeError(f"the value is an array of shape {read.shape}; a series has one number")
    numbers = {k: point_of(v, k) for k, v in given.items()}
    numbers.update({k: float(v) for k, v in known.items() if k not in numbers})
    leaves = {str(n.params[0]): n for n in topological(read.expr) if is_variable(n)}
    leaf = leaves.get(name, variable(name, ()))
    exact = {
        leaves[k]: expr_of(v)
        for k, v in numbers.items()
        if not isinstance(v, float) and k in leaves
    }
    expr = rebuild(read.expr, with_operands, dict(exact))
    floats = {leaves[k]: v for k, v in numbers.items() if isinstance(v, float) and k in leaves}
    if isinstance(point, float) or floats:
        symbols = sorted(set(leaves) - {name} - set(numbers))
        if symbols:
            raise NameClashError(
                f"with floats every variable needs a number; {symbols[0]} is not given"
            )
        x0 = float(point)
        root = _expanded(expr, leaf, x0, floats)
        return Series(expr, leaf, name, x0, root, floats, exact=False)
    return Series(expr, leaf, name, point, _expanded(expr, leaf, point, None))


def _of_function(f: Callable[..., Any], wrt: str | None, point: Number) -> Series:
    name = wrt or _parameter(f)
    try:
        traced = trace(f, float(point))
        return _of_read(_renamed(traced, name), name, point, {})
    except NotScalarError:
        return _numeric(f, name, point, {})


def _renamed(traced: Formula, name: str) -> Formula:
    """The formula, whose variable has another name."""
    first = traced.variables[0] if traced.variables else None
    if first is None or first.name == name:
        return traced
    leaf = variable(first.name, first.shape)
    expr = rebuild(traced.expr, with_operands, {leaf: variable(name, first.shape)})
    rest = tuple(v for v in traced.variables if v is not first)
    return Formula(expr, rest, traced.orientation, None, traced=traced.traced)


def _parameter(f: Callable[..., Any]) -> str:
    try:
        names = list(inspect.signature(f).parameters)
    except (TypeError, ValueError):
        return "x"
    return names[0] if names and names[0].isidentifier() else "x"


def _numeric(f: Source, name: str, point: Number, values: Mapping[str, float]) -> Series:
    """By jets: for functions with parts that have no scalar recurrence."""
    x0 = float(point)
    function, at = function_of(f, {name: x0} if isinstance(f, str | Formula) else x0, values)
    direction = {name: 1.0} if isinstance(at, dict) else 1.0

    def up_to(order: int) -> Sequence[Number]:
        found = np.asarray(jet(function, at, direction, order))
        if found.ndim != 1:
            raise ShapeError(
                f"the value is an array of shape {found.shape[1:]}; a series has one number"
            )
        if not np.all(np.isfinite(found)):
            raise DomainError(f"the function is not analytic at {name} = {x0:g}")
        return [float(c) for c in found]

    root = Computed(up_to)
    _ = root[1]
    return Series(None, variable(name, ()), name, x0, root, exact=False)


def _variable(names: Sequence[str], wrt: str | None, given: Mapping[str, Any]) -> str:
    listed = ", ".join(names) or "none"
    if wrt is not None:
        if wrt not in names and names:
            raise NameClashError(
                f"{wrt} is no variable of the formula; its variables are: {listed}"
            )
        if wrt in given:
            raise NameClashError(f"{wrt} is the variable of the series and among the given values")
        return wrt
    free = [n for n in names if n not in given]
    if len(free) > 1:
        raise NameClashError(
            f"which variable is the series in? The formula has: {listed}; name one"
        )
    return free[0] if free else "x"


def _expanded(expr: Expr, leaf: Expr, point: Number, floats: Mapping[Expr, Any] | None) -> Lazy:
    one: Number = 1.0 if isinstance(point, float) else _ONE
    try:
        found = _regular(Expansion(leaf, Lazy(0, [point, one]), floats).series(expr))
        if floats is None:
            return found
        other = Expansion(leaf, Lazy(0, [point, one]), floats, shaken=True)
        return Checked(found, _regular(other.series(expr)))
    except DomainError as error:
        raise DomainError(
            f"no power series at {leaf.params[0]} = {_shown(point)}: {error}"
        ) from error


def _regular(series: Lazy) -> Lazy:
    found = without_pole(series)
    if found is None:
        order = next(-k for k in range(series.start, 0) if series[k] != 0)
        raise DomainError(f"the function has a pole of order {order} there")
    _ = found[1]
    return found


def _shown(point: Number) -> str:
    return f"{point:g}" if isinstance(point, float) else str(point)


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
        number = _whole(n)
        if number is None:
            raise IndexError(f"coefficients are numbered by whole numbers from 0 on; got {n!r}")
        return self.lazy[number]

    def coefficients(self, n: int) -> list[Number]:
        """The first n coefficients."""
        return [self[k] for k in range(n)]

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
            return _expanded(self.expr, self.leaf, float(self.point), dict(self.values))
        except DomainError:
            return self.lazy

    def partial_sum(self, n: int) -> PartialSum:
        """The terms up to the exponent n, to evaluate and to print."""
        return PartialSum(self, n)

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
        root = _regular(Product(self.lazy, _reciprocal(one.lazy)))
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
                f"series around different points: {_shown(self.point)} and {_shown(other.point)}"
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
                f"f(g): f is expanded at {_shown(self.point)}, and g is {_shown(inner[0])} there"
            )
        numeric = None if self.exact and inner.exact else self.values
        root = _regular(Expansion(self.leaf, inner.lazy, numeric).series(self.expr))
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


def _whole(n: object) -> int | None:
    """A whole number from 0 on."""
    fits = isinstance(n, int | np.integer) and not isinstance(n, bool) and n >= 0
    return int(n) if fits else None  # type: ignore[call-overload]


def _reciprocal(series: Lazy) -> Lazy:
    valuation = series.valuation()
    if valuation is None:
        raise DomainError("division by a series that is zero")
    return Power(series, Fraction(-1), valuation)
