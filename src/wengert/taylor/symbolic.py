"""Taylor polynomials as formulas: about a point that has a name, in an increment δ.

The terms D^k f·δ^k / k! are directional derivatives along δ, a variable like any other, so that no
tensor is ever written down: they read δᵀHδ/2 and tr(X⁻¹δ) as people write them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from math import factorial
from typing import Any

import numpy as np

from wengert import printing
from wengert.assumptions import Assumption
from wengert.derive.series import directional_terms
from wengert.errors import NameClashError
from wengert.expr import Expr, rebuild, topological
from wengert.formula import Orientation, Variable
from wengert.formulas import Formula
from wengert.operations import add, scale, variable
from wengert.operations.algebra import contract
from wengert.operations.rebuild import with_operands
from wengert.operations.structure import (
    contraction_params,
    is_contraction,
    is_sum,
    is_variable,
    is_zero,
    leaf_of,
)
from wengert.rewrite import display, recognise
from wengert.rewrite.collect import as_product
from wengert.taylor.domain import check_constants
from wengert.taylor.exact import Polynomial, polynomial_of
from wengert.taylor.lecture import explanation
from wengert.taylor.writing import Increment, Printed, Style, signed_sum
from wengert.transforms.evaluation import evaluate_known

_INCREMENTS = ("δ", "η", "ε", "Δ")
_STAND_INS = "ξζτχψω"
_OF_DIRECTIONS = frozenset({Assumption.SYMMETRIC, Assumption.DIAGONAL})


@dataclass(frozen=True, eq=False)
class SymbolicPolynomial(Printed):
    """The Taylor polynomial of a formula about a point with a name.

    Attributes
    ----------
    function : Formula
        Of the point: the formula with its variables under the point's names.
    names : tuple of str
        The point's variables that it is expanded in.
    increments : tuple of str
        δ for each of them: δ alone, or δ in front of the variable's name.
    sources : tuple of str
        The variables' own names, as in ``T(x=1.1, u=1.0)``.
    order : int
        The degree.
    points : mapping of str to Expr
        Of the variables that are expanded about a number or an expression, not about a name.
        About zero, the terms are formulas of the variable itself, which is its own δ.
    held : mapping of str to Expr
        Numbers for variables that are not expanded in.
    """

    function: Formula
    names: tuple[str, ...]
    increments: tuple[str, ...]
    sources: tuple[str, ...]
    order: int
    points: Mapping[str, Expr]
    held: Mapping[str, Expr]

    # ------------------------------------------------------------ terms

    @cached_property
    def _own(self) -> dict[str, Variable]:
        return {v.name: v for v in self.function.variables}

    @cached_property
    def _deltas(self) -> dict[str, Variable]:
        """δ by the name of its variable."""
        pairs = zip(self.names, self.increments, strict=True)
        return {n: _increment(self._own[n], d) for n, d in pairs}

    @cached_property
    def _variables(self) -> tuple[Variable, ...]:
        """What the terms are formulas of."""
        fixed = {**self.points, **self.held}
        kept = [v for v in self._own.values() if v.name not in fixed]
        inside = {n for p in fixed.values() for n in variables_in(p)} - set(self._own)
        moved = [self._own[n] for n in self._at_zero]
        deltas = [d for n, d in self._deltas.items() if n not in self._at_zero]
        return (*kept, *map(_scalar, sorted(inside)), *moved, *deltas)

    @cached_property
    def _fixed(self) -> dict[Expr, Expr]:
        """Numbers and expressions by the leaf that they stand for."""
        return {_leaf(self._own[n]): p for n, p in {**self.points, **self.held}.items()}

    @cached_property
    def _at_zero(self) -> list[str]:
        return [n for n, p in self.points.items() if is_zero(p)]

    @cached_property
    def _moved(self) -> dict[Expr, Expr]:
        """x by the leaf of its δ, about zero."""
        return {_leaf(self._deltas[n]): _placed(self._own[n]) for n in self._at_zero}

    @cached_property
    def _general(self) -> tuple[Expr, ...]:
        """The terms in δ about any point."""
        directions = {_leaf(self._own[n]): _placed(d) for n, d in self._deltas.items()}
        return tuple(directional_terms(self.function.expr, directions, self.order))

    @cached_property
    def _raw(self) -> tuple[Expr, ...]:
        """The terms in δ about this one."""
        return tuple(map(self._at_point, self._general))

    def _at_point(self, expr: Expr) -> Expr:
        return rebuild(expr, with_operands, dict(self._fixed)) if self._fixed else expr

    @cached_property
    def _terms(self) -> tuple[Expr, ...]:
        return tuple(recognise(rebuild(t, with_operands, dict(self._moved))) for t in self._raw)

    @cached_property
    def _shown(self) -> tuple[Expr, ...]:
        written = self._at_point(self.function.expr)
        return tuple(display(t, [written]) for t in self._terms)

    def polynomials(self) -> list[Polynomial] | None:
        """The terms' coefficients by exponents of the increments, by degree.

        Exact where the point and the values of functions there are. None if that is not so simple:
        with arrays, or names left in the terms.
        """
        deltas = {_placed(d): None for d in self._deltas.values()}
        left = {n for t in self._raw for n in variables_in(t)} - set(self.increments)
        if left or self.function.shape or any(d.ndim for d in deltas):
            return None
        found = [polynomial_of(t, list(deltas)) for t in self._raw]
        terms = [p for p in found if p is not None]
        return terms if len(terms) == len(found) else None

    def _formula(self, expr: Expr, form: Expr, orientation: Orientation | None = None) -> Formula:
        return Formula(
            expr,
            self._variables,
            orientation or self.function.orientation,
            None,
            form=form,
            sums=tuple(map(self._at_point, self.function.written_sums)),
            rows=_rows(self.function),
        )

    def term(self, k: int) -> Formula:
        """The k-th term, D^k f·δ^k / k!, as a formula in δ.

        Parameters
        ----------
        k : int
            From 0 to the order.

        Examples
        --------
        >>> from wengert.taylor import taylor
        >>> print(taylor("logdet(X)", order=2).term(2))
        −tr(X⁻¹δX⁻¹δ)/2
        """
        check_number(k, self.order)
        return self._formula(self._terms[k], self._shown[k])

    @property
    def terms(self) -> tuple[Formula, ...]:
        """All terms, from the value on."""
        return tuple(self.term(k) for k in range(self.order + 1))

    @cached_property
    def formula(self) -> Formula:
        """The polynomial as one formula, of the point and δ: to evaluate, derive and print."""
        return self._formula(add(self._terms), add(self._shown))

    def coefficient(self, k: int) -> Any:
        """D^k f / k! at the point, outputs first: a formula.

        For several variables, dicts nested k times: ``T.coefficient(2)["x"]["y"]``.

        Examples
        --------
        >>> from wengert.taylor import taylor
        >>> print(taylor("x'*A*x", {"x": "u"}, order=2).coefficient(1))
        uᵀ(A + Aᵀ)
        """
        return self.tensor(k, Fraction(1, factorial(check_number(k, self.order))))

    def tensor(self, k: int, factor: Fraction) -> Any:
        """A multiple of D^k f at the point, nested as :meth:`coefficient`."""

        def nested(below: Formula, depth: int) -> Any:
            if not depth:
                return self._at(below, factor)
            if len(self.names) == 1:
                return nested(below.derivative(self.names[0]), depth - 1)
            return {
                x: nested(below.derivative(n), depth - 1)
                for x, n in zip(self.sources, self.names, strict=True)
            }

        return nested(self.function, k)

    def _at(self, found: Formula, factor: Fraction) -> Formula:
        """A derivative at the point, times a number."""
        if not self._fixed and factor == 1:
            return found
        form = scale(factor, self._at_point(found.shown))
        expr = scale(factor, self._at_point(found.expr))
        form = display(form, [form])
        return replace(self._formula(expr, form, found.orientation), rows=len(self.function.shape))

    def checked(self) -> SymbolicPolynomial:
        """The polynomial itself, if the numbers in it are finite.

        Raises
        ------
        DomainError
            Otherwise: a number of the point is outside of a function's domain.
        """
        known = {leaf: p for leaf, p in self._fixed.items() if not variables_in(p)}
        numbers = {leaf: evaluate_known(p, {}, {}) for leaf, p in known.items()}
        if numbers:  # before they are put in: 0 · log(0) would be 0
            check_constants(self._general, numbers)
        return self

    # ------------------------------------------------------------ evaluating

    def __call__(self, /, **values: Any) -> Any:
        """The value of the polynomial.

        Parameters
        ----------
        **values : array_like
            The names in the point, the formula's other variables, and either δ or the variables
            themselves: T(x=1.1, u=1.0) has δ = x − u. About the variable itself, x is the point
            and δ must be given.
        """
        given = dict(values)
        for x, name, d in zip(self.sources, self.names, self.increments, strict=True):
            if d in given or name in self._at_zero:
                continue
            own = name in self.points
            if x not in given or (not own and (x == name or name not in given)):
                needed = f"{x}, or {d}" if own else f"{name} and {x}, or {name} and {d}"
                raise NameClashError(
                    f"the polynomial needs a value of {d if x == name and not own else needed}"
                )
            given[d] = np.subtract(given.pop(x), self._centre(name, given))
        return self.formula(**given)

    def _centre(self, name: str, given: Mapping[str, Any]) -> Any:
        """The value of a variable's point."""
        if name not in self.points:
            return given[name]
        expr = self.points[name]
        inside = variables_in(expr)
        point = Formula(expr, tuple(map(_scalar, inside)), "scalar", None)
        return point(**{n: given[n] for n in inside if n in given})

    # ------------------------------------------------------------ reading

    def __repr__(self) -> str:
        return f"<Taylor polynomial of order {self.order}: {self}>"

    def index(self) -> str:
        """Index notation."""
        return signed_sum([t.index() for t in self.terms if not t.is_zero], Style())

    def written(self, style: Style) -> str:
        """The polynomial in a style: in matrix notation if there is one, else with indices."""
        found = [t for t in self.terms if not t.is_zero]
        if not found:
            return "0"
        whole = all(t.has_matrix_notation for t in found)
        if not whole:
            return signed_sum([self._text(t, style, whole) for t in found], style)
        letters = self._letters
        if letters:
            memo = {_leaf(self._deltas[n]): variable(a, ()) for n, a in letters.items()}
            found = [replace(t, form=rebuild(t.shown, with_operands, dict(memo))) for t in found]
        factored = self._factored(style, [t.printed for t in found])
        text = factored or signed_sum([self._text(t, style, whole) for t in found], style)
        for name, letter in letters.items():
            moved = Increment(name, (), self.points[name])
            text = text.replace(style.name(letter), moved.text(style))
        return text

    @property
    def _letters(self) -> dict[str, str]:
        """A letter for each δ = x − x₀ that is written out, about numbers other than zero."""
        taken = {v.name for v in self._variables}
        free = [a for a in _STAND_INS if a not in taken]
        return dict(zip([n for n in self.points if n not in self._at_zero], free, strict=False))

    def _text(self, term: Formula, style: Style, whole: bool) -> str:
        if whole:
            return term.latex() if style.latex else str(term)
        return term.index_latex() if style.latex else term.index()

    def _factored(self, style: Style, terms: Sequence[Expr]) -> str | None:
        """The common factor and the sum of what it leaves: exp(u) (1 + δ + δ²/2)."""
        common = _common_factor(terms) if not self.function.shape else None
        if common is None:
            return None
        write = printing.matrix_latex if style.latex else printing.matrix_notation
        parts = [write(_without(t, common)) for t in terms]
        head = write(contract([common], [()], ()))
        if head is None or any(p is None for p in parts):
            return None
        inside = signed_sum([p for p in parts if p is not None], style)
        return f"{head} {style.bracketed(inside)}"

    def explain(self) -> str:
        """The terms one by one, as a course writes them: what D^k is, its shape, and its term.

        Examples
        --------
        >>> from wengert.taylor import taylor
        >>> print(taylor("h'*x", {"x": "x0"}, order=1).explain())
        f(x) = Σₖ Dᵏf(x₀) δᵏ/k!      δ = x − x₀ ∈ ℝⁿ
        <BLANKLINE>
        k = 0   D⁰f(x₀) δ⁰ = f(x₀) = hᵀx₀
        <BLANKLINE>
        k = 1   D¹f(x₀) δ¹ = ∇f(x₀) δ = hᵀδ
                ∇f(x₀) = hᵀ ∈ ℝ¹ˣⁿ
        """
        return explanation(self)


# ---------------------------------------------------------------- making


def symbolic_polynomial(
    formula: Formula,
    order: int,
    points: Mapping[str, str | Expr],
    held: Mapping[str, Expr] | None = None,
) -> SymbolicPolynomial:
    """The polynomial of a formula about points that are names or expressions.

    Parameters
    ----------
    formula : Formula
        What is expanded.
    order : int
        The degree.
    points : mapping of str to (str or Expr)
        By variable: the name of the point (its own for the variable itself), or the point as an
        expression of scalars (an exact number).
    held : mapping of str to Expr, optional
        Exact numbers for other variables.

    Raises
    ------
    NameClashError
        For a name that is no variable, or a point's name that is another variable.
    """
    own = {v.name: v for v in formula.variables}
    for name in points:
        formula.derivative(name)  # an error for what is no variable, or cannot be derived by
    wrong = sorted(set(held or {}) - set(own))
    if wrong:
        raise NameClashError(f"there is no variable {wrong[0]!r} to give a value")
    new_names = {x: p for x, p in points.items() if isinstance(p, str)}
    for x, p in new_names.items():
        if p != x and (p in own or list(new_names.values()).count(p) > 1):
            raise NameClashError(
                f"the point {p!r} of {x} is another variable of the formula; give it a new name"
            )
    renamed = renamed_formula(formula, new_names)
    names = tuple(new_names.get(x, x) for x in points)
    fixed = {x: p for x, p in points.items() if isinstance(p, Expr)}
    sources = tuple(points)
    increments = _increment_names(sources, renamed, own)
    return SymbolicPolynomial(renamed, names, increments, sources, order, fixed, held or {})


def renamed_formula(formula: Formula, names: Mapping[str, str]) -> Formula:
    """The formula with other names for some of its variables."""
    changed = {x: n for x, n in names.items() if x != n}
    if not changed:
        return formula
    memo = {
        _leaf(v): _leaf(replace(v, name=changed[v.name]))
        for v in formula.variables
        if v.name in changed
    }
    variables = tuple(replace(v, name=changed.get(v.name, v.name)) for v in formula.variables)
    sums = tuple(rebuild(s, with_operands, dict(memo)) for s in formula.written_sums)
    expr = rebuild(formula.expr, with_operands, dict(memo))
    return Formula(expr, variables, formula.orientation, None, sums=sums, rows=_rows(formula))


def _rows(formula: Formula) -> int:
    """How many of the axes are the function's own: of a derivative, those of what was derived."""
    return len(formula.primal.shape) if formula.rows is None else formula.rows


def _increment_names(
    sources: Sequence[str], formula: Formula, own: Iterable[str]
) -> tuple[str, ...]:
    taken = {v.name for v in formula.variables} | set(own)
    for letter in _INCREMENTS:
        found = (letter,) if len(sources) == 1 else tuple(letter + x for x in sources)
        if not taken & set(found):
            return found
    raise NameClashError(f"the formula uses all of {', '.join(_INCREMENTS)}: rename one of them")


def check_number(k: object, order: int) -> int:
    """An error unless this is the number of a term.

    Raises
    ------
    ValueError
        Saying what there is.
    """
    if not isinstance(k, int | np.integer) or isinstance(k, bool) or not 0 <= k <= order:
        raise ValueError(f"k must be an integer from 0 to {order}, the order; got {k!r}")
    return int(k)  # pyright: ignore[reportUnknownArgumentType]


# ---------------------------------------------------------------- expressions


def _leaf(v: Variable) -> Expr:
    return leaf_of(_placed(v))


def _placed(v: Variable) -> Expr:
    return variable(v.name, v.shape, v.assumptions)


def _increment(v: Variable, name: str) -> Variable:
    """δ for a variable: of its shape, and symmetric if it is."""
    return replace(v, name=name, assumptions=v.assumptions & _OF_DIRECTIONS)


def _scalar(name: str) -> Variable:
    return Variable(name, (), frozenset(), "scalar")


def variables_in(expr: Expr) -> dict[str, Expr]:
    """The variables of an expression by name."""
    return {str(n.params[0]): n for n in topological(expr) if is_variable(n)}


def _common_factor(terms: Sequence[Expr]) -> Expr | None:
    """A function that is a scalar factor of every term; None if there is no such one."""
    if len(terms) < 2:
        return None
    shared = [o for o in _scalars(terms[0]) if not is_variable(o) and not is_sum(o)]
    for factor in shared:
        if all(factor in _scalars(t) for t in terms[1:]):
            return factor
    return None


def _scalars(term: Expr) -> list[Expr]:
    operands, labels, _ = as_product(term)
    return [o for o, axes in zip(operands, labels, strict=True) if not axes]


def _without(term: Expr, factor: Expr) -> Expr:
    """The term with one of its scalar factors left out."""
    operands, labels, out = as_product(term)
    coefficient = contraction_params(term)[2] if is_contraction(term) else Fraction(1)
    k = operands.index(factor)
    rest = [o for j, o in enumerate(operands) if j != k]
    axes = [a for j, a in enumerate(labels) if j != k]
    return contract(rest, axes, out, coefficient=coefficient)
