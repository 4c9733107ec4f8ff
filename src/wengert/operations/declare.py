"""The declaration of an elementwise function, which the tables of functions are made of."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
from scipy import special

from wengert.expr import Expr, Params
from wengert.operations.algebra import add, power
from wengert.operations.apply import same_shape
from wengert.operations.build import ones_like, sub
from wengert.operations.enclosing import Enclosure
from wengert.operations.structure import constant_like, constant_value
from wengert.primitive import (
    ByCoefficient,
    Constant,
    Curved,
    Domain,
    Kink,
    Notation,
    Partials,
    Primitive,
    Sample,
    Shared,
    Undefined,
    register,
)

Partial = Callable[..., Expr] | Constant | Undefined
HALF = Fraction(1, 2)


def declare(
    name: str,
    evaluate: Callable[..., Any],
    *partials: Partial,
    ufuncs: tuple[Callable[..., Any], ...] | None = None,
    latex: str | None = None,
    numpy: str | None = None,
    notation: Notation | Callable[[Expr], Notation] | None = None,
    domains: tuple[Domain, ...] = (Domain(),),
    parameters: tuple[str, ...] = (),
    samples: tuple[Sample, ...] = (),
    at_zero: Fraction | int | None = None,
    values: dict[Fraction, Fraction] | None = None,
    rewrite: Callable[..., Expr | None] | None = None,
    positive: bool = False,
    smooth: bool = True,
    into: Callable[..., Any] | None = None,
    written: str | Callable[..., Any] | None = None,
    shared: Callable[[Expr], Shared | None] | None = None,
    power_rule: Callable[[Expr, Fraction], Expr | None] | None = None,
    as_power: Callable[[Expr], tuple[Expr, Fraction]] | None = None,
    series: ByCoefficient | None = None,
    defined: Callable[[Expr], Expr] | None = None,
    enclosure: Enclosure | None = None,
    bounds: Enclosure | None = None,
    kinks: Callable[[Expr], tuple[Kink, ...]] | None = None,
    curvature: tuple[Curved, ...] | Callable[[Expr], tuple[Curved, ...]] = (),
    complement: Callable[[Expr], Expr] | None = None,
    reason: str = "piecewise constant",
    source: str = "",
) -> Primitive:
    """Register an elementwise function.

    Parameters
    ----------
    name : str
        Its name.
    evaluate : callable
        ``evaluate(*params, *arrays)``.
    *partials : callable, Constant or Undefined
        ``partial(y, *operands)``, one an operand; none at all if the function is constant wherever
        it is continuous.
    ufuncs : tuple of callable, optional
        Functions of NumPy and SciPy that it equals; by default ``evaluate`` if that is one.
    latex, numpy : str, optional
        The function's name in LaTeX and in Python code, by default ``special.name`` if that is
        ``evaluate``, else ``np.name``.
    notation : Notation or callable(node) -> Notation, optional
        In place of ``name(x)``.
    domains : tuple of Domain
        One an operand: their number is the function's arity.
    parameters : tuple of str
        Names of the parameters.
    samples : tuple of Sample
        Calls for generated tests.
    at_zero : Fraction, optional
        f(0), of a function of one operand.
    values : dict of Fraction to Fraction, optional
        f at other rational numbers.
    rewrite : callable, optional
        ``rewrite(*operands, *params)``: a simpler node or None.
    into : callable, optional
        ``into(out, *params, *arrays)``: evaluate into an array; by default the ufunc's ``out``.
    positive, smooth, written, shared, power_rule, as_power, series, defined, enclosure, bounds,
    kinks, curvature, complement, source
        As :class:`wengert.primitive.Primitive` has them.
    reason : str
        Why the derivative is zero, if there are no partials.
    """
    arity = len(domains)
    if ufuncs is None:
        ufuncs = (evaluate,) if isinstance(evaluate, np.ufunc) else ()
    if into is None and isinstance(evaluate, np.ufunc):
        into = partial(_into_by_ufunc, evaluate)
    writing = into
    if numpy is None and getattr(special, name, None) is evaluate:
        numpy = f"special.{name}"
    known = dict(values or {})
    if at_zero is not None:
        known[Fraction(0)] = Fraction(at_zero)

    def rewriting(operands: tuple[Expr, ...], params: Params) -> Expr | None:
        value = constant_value(operands[0]) if arity == 1 else None
        if value is not None and value in known:
            return constant_like(known[value], operands[0].shape)
        return rewrite(*operands, *params) if rewrite is not None else None

    def with_parameters(node: Expr, *arrays: Any) -> Any:
        return evaluate(*node.params, *arrays)

    return register(
        Primitive(
            name,
            arity,
            same_shape,
            with_parameters if parameters else lambda node, *arrays: evaluate(*arrays),
            Partials(partials) if partials else Constant(reason),
            notation or Notation.function(name, latex=latex, numpy=numpy, arity=arity),
            parameters=parameters,
            into=None
            if writing is None
            else lambda node, out, *arrays: writing(out, *node.params, *arrays),
            written=written,
            shared=shared,
            series=series,
            elementwise=True,
            zero_at_zero=at_zero == 0,
            rewrite=rewriting,
            positive=(lambda node: True) if positive else None,
            domains=domains,
            samples=samples,
            smooth=smooth,
            power_rule=power_rule,
            as_power=as_power,
            defined=defined,
            enclosure=enclosure,
            bounds=bounds,
            kinks=kinks,
            curvature=curvature,
            complement=complement,
            ufuncs=ufuncs,
            source=source,
        )
    )


def _into_by_ufunc(ufunc: np.ufunc, out: Any, *arguments: Any) -> Any:
    return ufunc(*arguments, out=out)


def ordered(name: str, numpy: str, latex: str | None = None) -> Notation:
    """The notation of a family with an order, ``name(order, x)``."""
    head = latex or rf"\operatorname{{{name}}}"
    head = head.replace("{", "{{").replace("}", "}}")
    return Notation(
        f"{name}({{order}}, {{0}})",
        f"{name}({{order}}, {{0}})",
        rf"{head}_{{{{{{order}}}}}}\left({{0}}\right)",
        numpy,
    )


def in_double(evaluate: Callable[..., Any]) -> Callable[..., Any]:
    """A function of parameters and one array, computed in double precision and rounded to x's."""

    def rounded(*arguments: Any) -> Any:
        *params, x = arguments
        x = np.asarray(x)
        return np.asarray(evaluate(*params, x.astype(np.float64))).astype(x.dtype)[()]

    return rounded


def one_minus_square(y: Expr) -> Expr:
    """1 − y²."""
    return sub(ones_like(y), power(y, 2))


def one_plus_square(y: Expr) -> Expr:
    """1 + y²."""
    return add([ones_like(y), power(y, 2)])


def plus_one(x: Expr) -> Expr:
    """1 + x."""
    return add([ones_like(x), x])


def one_minus(x: Expr) -> Expr:
    """1 − x."""
    return sub(ones_like(x), x)
