"""Formulas as users hold them: derive, read, evaluate, check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cached_property
from typing import Any

import numpy as np

from wengert import printing
from wengert.assumptions import Assumption
from wengert.backends import Program, compile_with, engine_named, program_of
from wengert.backends.arguments import Arguments, bind
from wengert.backends.numerical import largest_relative_error, relative_to
from wengert.derive import derivative, resolve_mode
from wengert.errors import NameClashError, ShapeError, WengertError
from wengert.explanation import explain
from wengert.expr import Expr, rebuild, topological
from wengert.formula import (
    AssumptionLike,
    Elaborated,
    Orientation,
    ShapeLike,
    Variable,
    build,
    build_all,
    elaborate,
    evaluate_directly,
)
from wengert.operations import variable
from wengert.operations.rebuild import of_sizes, with_operands
from wengert.operations.structural import (
    ADD,
    SIZE,
    VARIABLE,
)
from wengert.operations.structure import (
    is_zero,
    leaf_of,
)
from wengert.plan import Plan, make_plan
from wengert.rewrite import display, lower, recognise, with_written_signs, written_signs
from wengert.shapes import Shape, format_space, substitute, symbols_of
from wengert.structured import StructuredArray, layout_of
from wengert.tracing import TracedArray, lift, trace_of
from wengert.transforms.reading import Traced, trace_function


def trace(f: Callable[..., Any], *args: Any) -> Formula:
    """The expression that a Python function computes, as a formula.

    Parameters
    ----------
    f : callable
        Written with NumPy; gives one array.
    *args
        Arguments to run it on. Real arrays and floats in them become variables, named after the
        parameter or the key (``params["W1"]`` is ``W1``); everything else is taken as it is.
        Arrays that the function captures are variables ``c0``, ``c1``, ... with known values.

    Returns
    -------
    Formula
        To read, derive, evaluate and turn into code. If the function branches on values, it is
        the branch of these arguments.

    Raises
    ------
    TracingError
        If the function does not give one array.

    Examples
    --------
    >>> import numpy as np
    >>> f = trace(lambda X, w, y: np.sum((X @ w - y) ** 2), np.ones((3, 2)), np.ones(2), np.ones(3))
    >>> print(f.derivative("w"))
    2(Xw − y)ᵀX
    """
    expr, leaves, traced = trace_function(f, args)
    variables = tuple(
        Variable(str(v.params[0]), v.shape, frozenset(), _by_rank(v.ndim)) for v in leaves
    )
    return Formula(recognise(expr), variables, _by_rank(expr.ndim), None, traced=traced)


def _by_rank(rank: int) -> Orientation:
    if rank > 2:
        return "tensor"
    return ("scalar", "column", "matrix")[rank]  # type: ignore[return-value]


def formula(
    text: str,
    shapes: Mapping[str, ShapeLike] | None = None,
    assume: Mapping[str, AssumptionLike] | None = None,
) -> Formula:
    """Read a formula.

    Parameters
    ----------
    text : str
        In the formula language: MATLAB's operators, ``*`` is the matrix product, vectors are
        columns, ``r = X*w - y; r'*r`` defines a part.
    shapes : mapping, optional
        Shapes by name, as tuples of integers and size symbols: ``{"x": (), "T": ("n", "n", 3)}``.
        By default the first letter decides: a-g scalars, h-z vectors, A-Z matrices; a name
        that is transposed is a vector at least.
    assume : mapping, optional
        ``"symmetric"``, ``"positive definite"``, ``"diagonal"``, ``"orthogonal"``, ``"positive"``.

    Returns
    -------
    Formula
        To derive, print and evaluate.

    Raises
    ------
    FormulaError
        With a caret under the place.

    Examples
    --------
    >>> f = formula("norm2(X*w - y)^2")
    >>> print(f.derivative("w"))
    2(Xw − y)ᵀX
    >>> float(f(X=[[1.0, 2.0]], w=[1.0, 1.0], y=[1.0]))
    4.0
    """
    read = elaborate(text, shapes, assume)
    return Formula(recognise(build(read)), read.variables, read.orientation, read)


@dataclass(frozen=True, eq=False)
class Formula:
    """A function of named variables; a derivative of one is one again.

    Attributes
    ----------
    expr : Expr
        The expression.
    variables : tuple of Variable
        Of the formula as it was written, in order of appearance.
    orientation : str
        ``"scalar"``, ``"column"``, ``"row"``, ``"matrix"`` or ``"tensor"``.
    read : Elaborated or None
        The formula as it was read; None for a traced function.
    source : Formula or None
        What this is the derivative of.
    wrt : str
        With respect to which variable.
    mode : str
        The mode of differentiation.
    traced : Traced or None
        The Python function that this was traced from, and the arrays that it captured.
    form : Expr or None
        How it is shown, for what was neither read nor derived (terms of a series); by default
        that is found from the expression.
    sums : tuple of Expr
        Sums that were written by a person, of a formula that was not read itself.
    rows : int or None
        How many of the axes are the function's own, where that is not known from the source.
    """

    expr: Expr
    variables: tuple[Variable, ...]
    orientation: Orientation
    read: Elaborated | None
    source: Formula | None = None
    wrt: str = ""
    mode: str = "auto"
    traced: Traced | None = None
    form: Expr | None = None
    sums: tuple[Expr, ...] = ()
    rows: int | None = None
    _programs: dict[Any, Callable[[Any], Any]] = field(
        default_factory=dict[Any, Callable[[Any], Any]], repr=False
    )

    # ------------------------------------------------------------ facts

    @property
    def origin(self) -> Elaborated:
        """The formula as it was read.

        Raises
        ------
        WengertError
            For what was never read: a traced function, a term of a series.
        """
        if self.read is None:
            raise WengertError(
                "derivation steps and checks follow the parts of a formula's text; this one was "
                "traced from a Python function, or is a part of a polynomial: write it with "
                "wg.formula to have them"
            )
        return self.read

    @property
    def shape(self) -> Shape:
        """Sizes of the value's axes: the function's own, then each variable's."""
        return self.expr.shape

    @property
    def space(self) -> str:
        """The space of the value as people write it, e.g. ``ℝ¹ˣⁿ`` for a gradient."""
        if self.orientation == "row":
            return format_space((1, *self.shape))
        return format_space(self.shape)

    @property
    def order(self) -> int:
        """How many times it was derived."""
        return 0 if self.source is None else self.source.order + 1

    @property
    def primal(self) -> Formula:
        """The formula that all the deriving began with."""
        return self if self.source is None else self.source.primal

    @cached_property
    def shown(self) -> Expr:
        """The expression as a person would write it."""
        if self.form is not None:
            return self.form
        if self.source is None:
            return display(self.expr, [self.expr])
        before = self._sources()
        return display(self.expr, [self.primal.expr], [f.expr for f in before])

    @cached_property
    def printed(self) -> Expr:
        """As shown, with the signs of sums as the user wrote them."""
        return with_written_signs(self.shown, self._signs)

    @cached_property
    def _signs(self) -> dict[Expr, int]:
        if self.source is not None and self.source.source is not None:
            return {**written_signs([], [self.source.shown]), **self.source._signs}
        if self.source is not None:
            return self.source._signs
        return written_signs(self.written_sums, [self.shown])

    @cached_property
    def written_sums(self) -> tuple[Expr, ...]:
        """The sums that a person wrote, whose signs are kept where they are factors."""
        if self.source is not None:
            return self.source.written_sums
        if self.read is None:
            return self.sums
        sums = [recognise(e) for e in build_all(self.read).values() if e.primitive is ADD]
        return tuple(display(e, [e]) for e in sums)

    def _sources(self) -> list[Formula]:
        return [] if self.source is None else [self.source, *self.source._sources()]

    @property
    def is_zero(self) -> bool:
        """Is it identically zero?"""
        return is_zero(self.shown)

    # ------------------------------------------------------------ deriving

    def derivative(self, *names: str, order: int | None = None, mode: str = "auto") -> Formula:
        """The derivative with respect to variables, one after the other, outputs first.

        Parameters
        ----------
        *names : str
            ``("w",)``, ``("w", "w")``, ``("w", "X")``; none if there is just one variable.
        order : int, optional
            Repeats the last name so that the derivative has this order.
        mode : str
            ``"auto"``, ``"forward"``, ``"reverse"`` (or ``"backward"``), ``"cross-country"``: the
            same result, found in another order.

        Returns
        -------
        Formula
            Of shape ``f.shape + variable.shape * order``.

        Raises
        ------
        NameClashError
            For a name that is no variable; the message lists those that are.
        ValueError
            For an unknown mode or an order that does not fit.
        MissingRuleError
            For an operation without a derivative; never a silent zero.

        Examples
        --------
        >>> f = formula("x'*A*x")
        >>> print(f.derivative("x"))
        xᵀ(A + Aᵀ)
        >>> print(f.derivative("x", order=2))
        A + Aᵀ
        """
        mode = resolve_mode(mode)
        result = self
        for name in self._sequence(names, order):
            leaf = leaf_of(variable(name, *self._declared(name)))
            expr = derivative(result.expr, [leaf], mode)
            orientation = _orientation(result.orientation, len(leaf.shape), len(expr.shape))
            result = Formula(
                expr, self.variables, orientation, self.read, result, name, mode, self.traced
            )
        return result

    def _sequence(self, names: tuple[str, ...], order: int | None) -> tuple[str, ...]:
        if not names:
            if len(self.variables) != 1:
                listed = ", ".join(v.name for v in self.variables) or "none"
                raise NameClashError(f"name the variable to derive by; the variables are: {listed}")
            names = (self.variables[0].name,)
        if order is None:
            return names
        if type(order) is not int or order < len(names):
            raise ValueError(
                f"order must be an integer of at least {len(names)}, the number of names; "
                f"got {order!r}"
            )
        return names + names[-1:] * (order - len(names))

    def _declared(self, name: str) -> tuple[Shape, frozenset[Assumption]]:
        for v in self.variables:
            if v.name == name:
                if Assumption.ORTHOGONAL in v.assumptions:
                    raise WengertError(
                        f"{name} is assumed orthogonal, so its entries are not independent and the "
                        "derivative is not unique; derive by a variable without the assumption"
                    )
                return v.shape, v.assumptions
        listed = ", ".join(v.name for v in self.variables) or "none"
        close = get_close_matches(str(name), [v.name for v in self.variables], n=1)
        hint = f"; did you mean {close[0]!r}?" if close else "."
        raise NameClashError(f"there is no variable {name!r}{hint} The variables are: {listed}")

    # ------------------------------------------------------------ reading

    def __str__(self) -> str:
        if is_zero(self.shown):
            return "0"
        return self.index() if self._matrix is None else self._matrix

    @property
    def has_matrix_notation(self) -> bool:
        """Does it print in matrix notation (else with indices)?"""
        return self._matrix is not None

    @cached_property
    def _matrix(self) -> str | None:
        return printing.matrix_notation(self.printed, self.orientation, rows=self._rows)

    def __repr__(self) -> str:
        return f"<Formula {self}: {self.space}>"

    @property
    def _rows(self) -> int:
        """How many of the axes are the function's own."""
        return len(self.primal.shape) if self.rows is None else self.rows

    def latex(self) -> str:
        """LaTeX, in matrix notation if there is one, else with indices."""
        return printing.latex(self.printed, self.orientation, rows=self._rows)

    def index(self) -> str:
        """Index notation (Einstein, with δ)."""
        return printing.index_notation(self.printed)

    def index_latex(self) -> str:
        """Index notation in LaTeX."""
        return printing.index_latex(self.printed)

    def to_text(self) -> str:
        """The formula language; reading it gives the same function.

        Raises
        ------
        WengertError
            If the language cannot say it.
        """
        return printing.text(self.printed, self.orientation)

    def code(self, target: str = "numpy") -> str:
        """Source code that runs by itself.

        Parameters
        ----------
        target : str
            ``"numpy"``.
        """
        if target != "numpy":
            raise ValueError(f"there is no code for {target!r}; the targets are: numpy")
        leaves = [leaf_of(variable(v.name, v.shape, v.assumptions)) for v in self.variables]
        return printing.numpy_code(self.printed, leaves)

    def explain(self, *, latex: bool = False) -> str:
        """The steps of the last derivation: the parts, their derivatives with rules, the products.

        Parameters
        ----------
        latex : bool
            Markdown with the formulas in LaTeX, instead of plain text.
        """
        return explain(self, latex=latex)

    # ------------------------------------------------------------ evaluating

    def __call__(self, /, **values: Any) -> Any:
        """The value on arrays.

        Parameters
        ----------
        **values : array_like
            By name. Every variable of the formula is accepted; those that neither the value nor
            its shape depends on may be left out.

        Returns
        -------
        ndarray
            Of the formula's shape (a NumPy scalar for rank 0); float32 if all values are float32.

        Raises
        ------
        NameClashError, ShapeError, AssumptionError
            For values that do not fit.
        SingularMatrixError
            For a singular matrix that has to be inverted.

        Notes
        -----
        Within a function that is being differentiated, values may be traced: the result is too.
        """
        if any(isinstance(v, TracedArray) for v in values.values()):
            return self._traced(values)
        arguments = self._bind(values)
        program = self._programs.get(arguments.key)
        if program is None:
            program = self._compiled(arguments)
        (result,) = program(arguments.arrays)
        return _owned(result, arguments)

    def _compiled(self, arguments: Arguments) -> Program:
        program = compile_with(self._plan(arguments), arguments.dtype, engine_named(None))
        self._programs[arguments.key] = program
        return program

    def _traced(self, values: Mapping[str, Any]) -> TracedArray:
        """The value on arrays of which some are traced, as a traced array."""
        shapes = {name: np.broadcast_to(0.0, np.shape(v)) for name, v in values.items()}
        known: Mapping[str, Any] = self.traced.captured if self.traced is not None else {}
        sizes = bind(self._unassumed, self._needed, {**known, **shapes}).sizes
        trace = trace_of(*values.values())
        memo = {
            leaf_of(variable(v.name, substitute(v.shape, sizes), v.assumptions)): lift(
                trace, value, "real"
            )
            for v in self.variables
            if (value := values.get(v.name, known.get(v.name))) is not None
        }
        placed = rebuild(self._of_sizes(sizes).expr, with_operands, memo)
        return TracedArray(placed, trace, np.result_type(float))

    def structured(self, /, **values: Any) -> StructuredArray:
        """A derivative on arrays, stored as the few arrays that its deltas leave.

        Parameters
        ----------
        **values : array_like
            As for the value itself.

        Returns
        -------
        StructuredArray
            Of the formula's shape; its columns are the axes of the last variable derived by.

        Raises
        ------
        WengertError
            If the formula is no derivative.

        Examples
        --------
        >>> H = formula("norm2(T - U*V')^2").derivative("U", "U")
        >>> print(H.structured(T=np.zeros((4, 3)), U=np.ones((4, 2)), V=np.ones((3, 2))))
        4×2×4×2 (Kronecker product with an identity), 32 bytes, dense 512
          δ_ik A_jl  [2×2]
        """
        if self.source is None:
            raise WengertError("structured is for derivatives: take f.derivative(...) first")
        arguments = self._bind(values)
        exact = self._of_sizes(arguments.sizes)
        columns = len(self._declared(self.wrt)[0])
        layout, stored = layout_of(exact.expr, columns)
        arrays = program_of(stored, arguments.dtype)(arguments.arrays)
        return StructuredArray(layout, [_owned(a, arguments) for a in arrays], arguments.dtype)

    def _of_sizes(self, sizes: Mapping[str, int]) -> Formula:
        """The same formula for arrays of one size."""
        if self.source is not None:
            return self.source._of_sizes(sizes).derivative(self.wrt, mode=self.mode)
        if self.read is None and not sizes:
            return self
        if self.read is None:
            variables = tuple(replace(v, shape=substitute(v.shape, sizes)) for v in self.variables)
            expr = of_sizes(self.expr, sizes)
            return replace(self, expr=expr, variables=variables, form=None, _programs={})
        shapes = {v.name: substitute(v.shape, sizes) for v in self.variables}
        assume = {v.name: [a.value for a in v.assumptions] for v in self.variables}
        return formula(self.read.text, shapes, assume)

    def plan(self, /, **values: Any) -> Plan:
        """The instructions that evaluate it on arrays of these shapes; prints with costs."""
        return self._plan(self._bind(values))

    def _bind(self, values: Mapping[str, Any]) -> Arguments:
        if self.traced is not None:
            values = {**self.traced.captured, **values}
        arguments = bind(self.variables, self._needed, values)
        unknown = sorted(symbols_of(self.shape) - set(arguments.sizes))
        unknown += sorted(self._inner_symbols - set(arguments.sizes) - set(unknown))
        if unknown:
            names = [v.name for v in self.variables if symbols_of(v.shape) & set(unknown)]
            raise ShapeError(
                f"the size {unknown[0]} is not known from the values given; "
                + (f"pass {' or '.join(names)} too" if names else "declare it with shapes={...}")
            )
        return arguments

    @cached_property
    def _unassumed(self) -> list[Variable]:
        """The variables without what is assumed of their values."""
        return [replace(v, assumptions=frozenset()) for v in self.variables]

    @cached_property
    def _lowered(self) -> Expr:
        return lower(self.expr)

    @cached_property
    def _needed(self) -> frozenset[str]:
        return frozenset(
            str(n.params[0]) for n in topological(self._lowered) if n.primitive is VARIABLE
        )

    @cached_property
    def _inner_symbols(self) -> frozenset[str]:
        order = topological(self._lowered)
        named = {str(n.params[0]) for n in order if n.primitive is SIZE}
        return frozenset(named).union(*(symbols_of(n.shape) for n in order))

    def _plan(self, arguments: Arguments) -> Plan:
        return make_plan([self._lowered], arguments.sizes)

    # ------------------------------------------------------------ checking

    def check(self, /, **values: Any) -> float:
        """The largest relative error against an independent numerical derivative.

        The value is compared with the formula as it was written, evaluated step by step without
        any rewriting; the first derivative with extrapolated differences of that; each further
        one with differences of the derivative before it, which is checked likewise.

        Returns
        -------
        float
            The largest of these errors, each relative to the largest entry compared; near 1e-10
            for smooth functions. NaN where the value or its differences are not finite.
        """
        if self.traced is not None:
            values = {**self.traced.captured, **values}
        arguments = bind(self.variables, [v.name for v in self.variables], values)
        arrays = {k: np.asarray(a, dtype=np.float64) for k, a in arguments.arrays.items()}
        return self._check(arrays)

    def _check(self, arrays: dict[str, Any]) -> float:
        if self.source is None:
            return _relative_gap(self(**arrays), self._directly(arrays))
        before = self.source._check(arrays)
        shape_and_assumptions = self._declared(self.wrt)

        def function(x: Any) -> Any:
            moved = {**arrays, self.wrt: x}
            if self.source is not None and self.source.source is not None:
                return self.source._unchecked(moved)
            return self._directly(moved)

        project = _projection(shape_and_assumptions[1])
        error = largest_relative_error(function, arrays[self.wrt], self(**arrays), project)
        return max(before, error) if not np.isnan(before + error) else float("nan")

    def _directly(self, arrays: dict[str, Any]) -> Any:
        """The value without any rewriting: the formula step by step, or the Python function."""
        if self.traced is not None:
            return np.asarray(self.traced.call(arrays))
        return evaluate_directly(self.origin, arrays)

    def _unchecked(self, arrays: dict[str, Any]) -> Any:
        """The value without checking assumptions (differences may step off them by rounding)."""
        arguments = bind(self._unassumed, self._needed, arrays)
        program = self._programs.get(arguments.key)
        if program is None:
            program = self._compiled(arguments)
        return program(arguments.arrays)[0]


def _orientation(before: Orientation, added: int, rank: int) -> Orientation:
    if rank == 0:
        return "scalar"
    if rank == 1:
        return "row" if added == 1 else before
    return "matrix" if rank == 2 else "tensor"


def _projection(assumptions: frozenset[Assumption]) -> Callable[[Any], Any]:
    if Assumption.DIAGONAL in assumptions:
        return lambda d: np.diag(np.diag(d))
    if Assumption.SYMMETRIC in assumptions:
        return lambda d: (d + d.T) / 2
    return lambda d: d


def _relative_gap(value: Any, reference: Any) -> float:
    gap = float(np.max(np.abs(value - reference), initial=0.0))
    return relative_to(gap, float(np.max(np.abs(reference), initial=0.0)), 0.0)


def _owned(result: Any, arguments: Arguments) -> Any:
    """The result as an array of its own, never a view of the user's."""
    if np.ndim(result) == 0:
        return arguments.dtype.type(result)
    shared = any(np.may_share_memory(result, a) for a in arguments.arrays.values())
    return np.array(result) if shared else np.asarray(result)
