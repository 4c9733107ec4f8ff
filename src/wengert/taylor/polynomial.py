"""Taylor polynomials of functions and formulas, in any number of variables, as objects."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import comb, factorial, prod
from typing import Any

import numpy as np
import optree

from wengert.errors import NameClashError, ShapeError, TracingError, WengertError
from wengert.expr import Expr
from wengert.formulas import trace
from wengert.shapes import format_space
from wengert.taylor.domain import infinite_order, refuse_order
from wengert.taylor.entries import Entries, entries_text, increments_of, terms_of
from wengert.taylor.exact import Polynomial
from wengert.taylor.kinks import check_kinks
from wengert.taylor.monomials import multiplicities
from wengert.taylor.points import Point, read_point
from wengert.taylor.remainder import Remainder, remainder
from wengert.taylor.subject import Source, function_of
from wengert.taylor.symbolic import SymbolicPolynomial, check_number, symbolic_polynomial
from wengert.taylor.tensors import derivative_tensor, nested_blocks
from wengert.taylor.trees import flattened, leaves_of, mapped, subtracted, unflattened
from wengert.taylor.writing import Increment, Printed, Style
from wengert.tracing import TracedArray
from wengert.transforms import derivative, jacobian, jet
from wengert.transforms.jets import check_order, jets_along
from wengert.transforms.recording import Recorded, check_callable, record, shown

_MOST_TERMS = 80  # of a polynomial that is printed entry by entry
_MOST_RESULTS = 9
_DRAWS = 8  # of directions, for a summary


def taylor(
    f: Source,
    x0: Any = None,
    order: int = 2,
    *,
    given: Mapping[str, Any] | None = None,
    check: bool = True,
) -> TaylorPolynomial | SymbolicPolynomial:
    """The Taylor polynomial Σₖ D^k f(x₀)·δ^k / k! for k = 0, ..., order, with δ = x − x₀.

    Parameters
    ----------
    f : str, Formula or callable
        A formula, its text, or a function of one argument that is written with NumPy. In a text,
        a variable has the shape of its value in x₀: a number makes it a scalar.
    x0 : tree of array_like, optional
        The point. Of a function: its argument, any tree of arrays. Of a formula: values by name,
        or the one value if there is one variable (and for ``given``). A text is exact (``"1/3"``,
        ``"pi/4"``), or the name of a point: ``{"x": "u"}`` gives a formula in u and δ. Without
        it: about the variables themselves, as formulas.
    order : int
        The degree.
    given : mapping of str to array_like, optional
        Values of a formula's other variables.
    check : bool
        Refuse an order above what is defined at a kink; without it, the derivatives there are
        those that the operations declare (0 for abs at 0).

    Returns
    -------
    TaylorPolynomial or SymbolicPolynomial
        The second one if the point has names in it.

    Raises
    ------
    DomainError
        If the value or a derivative at the point is not finite; says which operation, on what.
    KinkError
        If a derivative does not exist because the function has a kink at the point.
    NameClashError
        For names that are not the formula's.
    ValueError
        For an order that is no number from 0 on.

    Examples
    --------
    >>> T = taylor("exp(x)*cos(y)", {"x": 0, "y": 0}, order=3)
    >>> print(T)
    1 + x + (x² − y²)/2 + (x³ − 3xy²)/6
    >>> round(float(T(x=0.1, y=0.2)), 6)
    1.083167
    >>> print(taylor("exp(h'*x)", {"x": "u"}, order=2))
    exp(hᵀu) (1 + hᵀδ + (hᵀδ)²/2)
    >>> T = taylor(lambda p: np.sin(p["a"]) @ p["b"], {"a": np.zeros(3), "b": np.ones(3)}, order=3)
    >>> float(T({"a": np.full(3, 0.5), "b": np.ones(3)}))
    1.4375
    """
    check_order(order)
    order = int(order)
    point = read_point(f, x0, given or {})
    if point is not None and point.is_symbolic:
        if point.floats:
            raise WengertError(
                f"the point has names in it, and {point.floats[0]} is an array or a float: "
                "give it as an exact number or text, or leave it a variable and pass its value to "
                "the polynomial"
            )
        return symbolic_polynomial(point.formula, order, point.places, point.held).checked()
    if point is None:
        check_callable(f, "taylor")
        function, at = function_of(f, x0, given)
        return TaylorPolynomial(function, at, order).checked(kinks=check)
    function, at = function_of(point.formula, point.values, point.given)
    return TaylorPolynomial(function, at, order, point).checked(kinks=check)


@dataclass(frozen=True, eq=False)
class TaylorPolynomial(Printed):
    """The Taylor polynomial of a function about a point of numbers.

    Attributes
    ----------
    function : callable
        Of the point.
    point : tree of array
        x₀.
    order : int
        The degree.
    origin : Point or None
        The formula and its point as they were written; None for a Python function.
    """

    function: Callable[[Any], Any]
    point: Any
    order: int
    origin: Point | None = None

    # ------------------------------------------------------------ evaluating

    def __call__(self, x: Any = None, /, **values: Any) -> Any:
        """The value at x, of the shape of f, by one sweep along x − x₀: no tensor is formed.

        Parameters
        ----------
        x : tree of array_like
            Nested and shaped as x₀. A formula's may be passed by name: ``T(x=0.1, y=0.2)``.
        """
        return mapped(lambda s: s.sum(axis=0), self._series(x, values))

    def terms(self, x: Any = None, /, **values: Any) -> Any:
        """All terms D^k f(x₀)·(x − x₀)^k / k! at x: like f's result, with k as the first axis."""
        return self._series(x, values)

    def partial_sums(self, x: Any = None, /, **values: Any) -> Any:
        """T₀(x), T₁(x), ..., Tₙ(x): like f's result, with the degree as the first axis."""
        return mapped(lambda s: np.cumsum(s, axis=0), self._series(x, values))

    def error(self, x: Any = None, /, **values: Any) -> Any:
        """f(x) − T(x): how far off the polynomial is at x."""
        at = self._argument(x, values)
        return subtracted(self.function(at), self(at))

    def term(self, k: int) -> Term:
        """The k-th term, as a function of x."""
        return Term(self, check_number(k, self.order))

    def coefficient(self, k: int) -> Any:
        """D^k f(x₀) / k!, outputs first: an array of shape ``f.shape + x.shape * k``.

        For trees, and formulas in several variables, nested as :func:`wengert.derivative` has it:
        ``T.coefficient(2)["x"]["y"]``.
        """
        nested = self._nested_coefficient(check_number(k, self.order))
        if not self.origin or len(self.point) > 1:
            return nested
        for _ in range(k):
            (nested,) = nested.values()
        return nested

    def _nested_coefficient(self, k: int) -> Any:
        factor = 1.0 / factorial(k)
        if k == 0 or self._recorded is None:  # in an outer run there are no numbers
            return mapped(lambda d: d * factor, derivative(self.function, order=k)(self.point))
        return mapped(lambda t: nested_blocks(t, self.point, factor), self._tensor(k))

    def _tensor(self, k: int) -> Any:
        """D^k f(x₀) by its distinct entries, for each result."""
        return derivative_tensor(self.function, self.point, k)

    def derivative(self) -> TaylorPolynomial:
        """The Taylor polynomial of f's derivative, outputs first, of one degree less.

        It is the derivative of this polynomial: D(Tₙ f) = Tₙ₋₁(Df).
        """
        if not self.order:
            raise ValueError("the derivative of a polynomial of order 0 is zero: take a higher one")
        return TaylorPolynomial(jacobian(self.function), self.point, self.order - 1)

    def _series(self, x: Any, values: Mapping[str, Any]) -> Any:
        delta = self._difference(self._argument(x, values))
        flat = leaves_of(delta)
        recorded = self._recorded
        if recorded is None or any(isinstance(d, TracedArray) for d in flat):
            return jet(self.function, self.point, delta, self.order)
        found = jets_along(recorded, tuple(np.asarray(d)[None] for d in flat), self.order)
        return recorded.unflatten([s[:, 0] for s in found])

    def _argument(self, x: Any, values: Mapping[str, Any]) -> Any:
        """The point that was asked for, nested as x₀."""
        if self.origin is None:
            if values:
                raise NameClashError("values by name are for formulas; pass x, nested as the point")
            return x
        own = list(self.point)
        named: dict[str, Any] = dict(values)
        if isinstance(x, Mapping):
            named = {**x, **named}
        elif x is not None and len(own) == 1:
            named = {own[0]: x, **named}
        elif x is not None:
            raise NameClashError(f"pass values by name: {', '.join(own)}")
        wrong = sorted(set(own) ^ set(named))
        if wrong:
            kind = "missing" if wrong[0] in own else "none of the point's"
            raise NameClashError(
                f"{wrong[0]} is {kind}; the polynomial is one in: {', '.join(own)}"
            )
        return {name: _as_array(named[name]) for name in own}

    def _difference(self, x: Any) -> Any:
        flat, structure = optree.tree_flatten(x)
        centre, own = optree.tree_flatten(self.point)
        if structure != own:
            raise ShapeError(f"x must be nested as the point, {shown(own)}; got {shown(structure)}")
        for value, at in zip(flat, centre, strict=True):
            if np.shape(value) != np.shape(at):
                raise ShapeError(
                    f"x of shape {np.shape(value)} where the point's {np.shape(at)} is needed; for "
                    "many x at once use wg.vmap(T)"
                )
        return subtracted(x, self.point)

    @property
    def recorded(self) -> Recorded:
        """The function's run at x₀, for series along many directions at once.

        Raises
        ------
        TracingError
            Within an outer run.
        """
        if self._recorded is None:
            raise TracingError("within a function that is being traced, call the polynomial itself")
        return self._recorded

    @cached_property
    def _recorded(self) -> Recorded | None:
        """The function's run at x₀; None within an outer run, where every call has its own."""
        recorded = record(self.function, (self.point,), {}, 0, name="taylor")
        return recorded if recorded.trace.parent is None else None

    def checked(self, *, kinks: bool = True) -> TaylorPolynomial:
        """The polynomial itself, if its value and derivatives are finite, and exist.

        Raises
        ------
        DomainError
            Otherwise; a KinkError at a kink, unless ``kinks`` are passed over.
        """
        if not leaves_of(self.point):
            raise WengertError("the point has no arrays: there is nothing to expand in")
        failing = infinite_order(self._recorded, self.order)
        if kinks and failing != 0:  # a kink may forbid a lower order than what is infinite
            check_kinks(self.function, self.point, self.order if failing is None else failing - 1)
        if failing is not None:
            refuse_order(self.recorded, failing, self._names)
        return self

    def remainder(
        self,
        x: Any = None,
        /,
        *,
        ball: float | None = None,
        box: tuple[Any, Any] | None = None,
        **values: Any,
    ) -> Remainder:
        """How large f − T is at x, on a ball around x₀ or on a box: a bound, or an estimate.

        See :func:`wengert.taylor.remainder`; x is passed as to the polynomial itself.
        """
        at = self._argument(x, values) if x is not None or values else None
        ends = None if box is None else tuple(self._argument(end, {}) for end in box)
        return remainder(self.function, self.point, at, order=self.order, ball=ball, box=ends)

    # ------------------------------------------------------------ reading

    @cached_property
    def symbolic(self) -> SymbolicPolynomial:
        """The polynomial as formulas, about exact numbers, or a point with a name: w₀ for w.

        Of a Python function: of its trace, where the arrays that it captures are variables.
        """
        if self.origin and not self.origin.floats:
            return symbolic_polynomial(
                self.origin.formula, self.order, self.origin.places, self.origin.held
            )
        formula = self.origin.formula if self.origin else trace(self.function, self.point)
        own = {v.name for v in formula.variables}
        names = list(self.point) if self.origin else [v.name for v in formula.variables]
        if not self.origin and formula.traced is not None:
            names = [n for n in names if n not in formula.traced.captured]
        held: Mapping[str, Expr] = self.origin.held if self.origin else {}
        return symbolic_polynomial(formula, self.order, {n: _centre(n, own) for n in names}, held)

    @cached_property
    def _names(self) -> list[str]:
        """A name for every array of the point."""
        if self.origin:
            return list(self.point)
        paths: list[tuple[Any, ...]] = optree.tree_paths(self.point)
        if paths == [()]:
            return [_parameter(self.function)]
        own = _parameter(self.function)
        return [_entry_name(own, path) for path in paths]

    @cached_property
    def _increments(self) -> list[Increment]:
        return increments_of(
            self._names, leaves_of(self.point), self.origin.centres if self.origin else {}
        )

    @cached_property
    def polynomials(self) -> list[Entries]:
        """The terms by degree: for each entry of the results, coefficients by exponents.

        A key is the number of the result and the entry: ``(0,)`` for the one number of a scalar
        function. Fractions where the point, the formula and the values of its functions are
        rational numbers; else floats.
        """
        found = self._exact()
        if found is not None:
            return [{(0,): p} for p in found]
        flat = flattened(self.point)
        if flat.size == 1:  # all degrees in one sweep
            ones = tuple(np.ones((1, *np.shape(v))) for v in leaves_of(self.point))
            series = jets_along(self.recorded, ones, self.order)
            return [
                terms_of([s[k, 0][..., None] for s in series], 1, k) for k in range(self.order + 1)
            ]
        values = [np.asarray(v)[..., None] for v in leaves_of(self.function(self.point))]
        found = [terms_of(values, flat.size, 0)]
        for k in range(1, self.order + 1):
            times = multiplicities(flat.size, k) / factorial(k)
            tensors = leaves_of(self._tensor(k))
            found.append(terms_of([t.entries * times for t in tensors], flat.size, k))
        return found

    def _exact(self) -> list[Polynomial] | None:
        """From the terms as expressions, if everything is a scalar."""
        if not self.origin or self.origin.floats or self.origin.formula.shape:
            return None
        return self.symbolic.polynomials()

    @cached_property
    def _results(self) -> list[tuple[int, ...]]:
        return [np.shape(v) for v in leaves_of(self.function(self.point))]

    def entry_names(self) -> list[str]:
        """The variables in LaTeX, one an entry of the point."""
        style = Style(latex=True)
        return [style.name(i.name, i.entry) for i in self._increments]

    @property
    def _is_small(self) -> bool:
        entries = flattened(self.point).size
        results = sum(prod(s) for s in self._results)
        return results <= _MOST_RESULTS and comb(entries + self.order, self.order) <= _MOST_TERMS

    def __repr__(self) -> str:
        return f"<Taylor polynomial of order {self.order}: {self}>"

    def written(self, style: Style) -> str:
        """The polynomial in a style; a summary of a function of many entries."""
        if self._has_arrays:
            return self.symbolic.latex() if style.latex else str(self.symbolic)
        if not self._is_small:
            return self.summary()
        return entries_text(self.polynomials, self._increments, self._results, style)

    def written_term(self, k: int, style: Style) -> str:
        """The k-th term alone, as :class:`Term` prints it."""
        if self._has_arrays:
            term = self.symbolic.term(k)
            return term.latex() if style.latex else str(term)
        if not self._is_small:
            return f"the term of degree {k} of: {self.summary()}"
        return entries_text(self.polynomials, self._increments, self._results, style, k)

    @property
    def _has_arrays(self) -> bool:
        """Is it a formula's, of arrays: to be written in matrix notation?"""
        return bool(self.origin) and any(np.ndim(v) for v in self.point.values())

    def summary(self) -> str:
        """Shapes, and how large the terms are along random directions of length 1."""
        leaves = zip(self._names, leaves_of(self.point), strict=True)
        point = ", ".join(f"{n} ∈ {format_space(np.shape(v))}" for n, v in leaves)
        results = ", ".join(format_space(s) for s in self._results)
        lines = [f"Taylor polynomial of order {self.order} in {point}, with values in {results}"]
        if self._recorded is None:
            return lines[0]
        entries = flattened(self.point).size
        draws = np.random.default_rng(0).normal(size=(_DRAWS, entries))
        units = draws / np.linalg.norm(draws, axis=1, keepdims=True)
        along = tuple(leaves_of(unflattened(units, self.point)))
        series = jets_along(self._recorded, along, self.order)
        for k in range(self.order + 1):
            rows = np.concatenate([s[k].reshape(_DRAWS, -1) for s in series], axis=1)
            size: Any = np.linalg.norm(rows, axis=1).mean()
            lines.append(f"  term {k}: about {size:.3g} at distance 1 from the point")
        return "\n".join(lines)

    def explain(self) -> str:
        """The terms one by one, as a course writes them: what D^k is, its shape, and its term."""
        return self.symbolic.explain()

    def plot(self, path: str | None = None, **options: Any) -> Any:
        """A figure: of f and its T₀, ..., Tₙ in one variable, of contours in two.

        Parameters
        ----------
        path : str, optional
            A file to write it to.
        **options
            See :func:`wengert.taylor.plots.plot_polynomial`.

        Returns
        -------
        matplotlib.figure.Figure
            Needs matplotlib: ``pip install "wengert[plot]"``.
        """
        from wengert.taylor.plots import plot_polynomial  # noqa: PLC0415 (an optional package)

        return plot_polynomial(self, path, **options)


@dataclass(frozen=True, eq=False)
class Term(Printed):
    """One term of a Taylor polynomial: homogeneous of degree k in x − x₀."""

    polynomial: TaylorPolynomial
    k: int

    def __call__(self, x: Any = None, /, **values: Any) -> Any:
        """D^k f(x₀)·(x − x₀)^k / k!."""
        lower = TaylorPolynomial(
            self.polynomial.function, self.polynomial.point, self.k, self.polynomial.origin
        )
        return mapped(lambda s: s[-1], lower.terms(x, **values))

    @property
    def coefficient(self) -> Any:
        """D^k f(x₀) / k!."""
        return self.polynomial.coefficient(self.k)

    def written(self, style: Style) -> str:
        """The term in a style."""
        return self.polynomial.written_term(self.k, style)


def _as_array(value: Any) -> Any:
    return value if isinstance(value, TracedArray) else np.asarray(value)


def _entry_name(parameter: str, path: tuple[Any, ...]) -> str:
    """The name of an array in a tree: its keys, or the parameter's name and a number from 1 on."""
    keys = "_".join(str(p + 1) if isinstance(p, int) else str(p) for p in path)
    return keys if keys[:1].isalpha() else parameter + keys


def _parameter(function: Callable[..., Any]) -> str:
    """The name of a function's only parameter; x where it has none that can be written."""
    try:
        names = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return "x"
    return names[0] if names and names[0].isidentifier() else "x"


def _centre(name: str, taken: set[str]) -> str:
    """A name for the point of a variable: w0, or the variable's own."""
    found = f"{name}0"
    return name if found in taken or name[-1].isdigit() else found
