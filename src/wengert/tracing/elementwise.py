"""NumPy's and SciPy's ufuncs on traced arrays: broadcasting, dtypes, and the operation itself."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache, partial
from typing import Any

import numpy as np

from wengert.errors import UnsupportedFunctionError
from wengert.expr import Expr
from wengert.operations import (
    add,
    apply,
    as_int,
    clip,
    int_array,
    nan_to_num,
    neg,
    operation_of,
    power,
    power_general,
    sub,
    where,
)
from wengert.primitive import registry
from wengert.tracing.array import TracedArray, at_once
from wengert.tracing.dispatch import elementwise_functions, entrywise, implements, unsupported
from wengert.tracing.lifting import lift, product, spread, trace_of
from wengert.tracing.numbers import rational
from wengert.tracing.trace import kind_of
from wengert.tracing.trace import where as place

Build = Callable[..., Any]
_HALF = Fraction(1, 2)


def elementwise(ufunc: Any, build: Build, inputs: tuple[Any, ...], dtype: Any = None) -> Any:
    """A ufunc of traced arrays, arrays and numbers; ``build`` gets expressions, not yet spread."""
    trace = trace_of(*inputs)
    takes, gives = _dtypes(ufunc, inputs)
    operands = [lift(trace, x, kind) for x, kind in zip(inputs, takes, strict=True)]
    built = build(*operands)
    if isinstance(built, tuple):
        results: tuple[Any, ...] = tuple(built)  # pyright: ignore[reportUnknownArgumentType]
        return tuple(TracedArray(e, trace, d) for e, d in zip(results, gives, strict=True))
    return TracedArray(built, trace, gives[0] if dtype is None else np.dtype(dtype))


def any_ufunc(ufunc: Any, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A ufunc that is an operation, operand for operand; NotImplemented if there is none."""
    operation = operation_of(ufunc)
    if operation is None:
        return NotImplemented
    dtype = kwargs.pop("dtype", None)
    kwargs.pop("casting", None)
    if kwargs:
        raise unsupported(ufunc, f"the argument {next(iter(kwargs))!r} is not supported")
    found = operation
    whole = _OF_INTEGERS.get(ufunc)
    if whole is not None and all(_dtype_of(x) in _INTEGERS for x in inputs):
        return elementwise(ufunc, lambda a, b: _discrete(whole, a, b), inputs, dtype)
    entrywise.add(ufunc)
    return elementwise(ufunc, lambda *operands: found(*spread(*operands)), inputs, dtype)


def _dtypes(ufunc: Any, inputs: tuple[Any, ...]) -> tuple[list[str], list[Any]]:
    """The kinds that a ufunc computes in, and the dtypes of its results."""
    return _resolved(ufunc, tuple(map(_dtype_of, inputs)))


@lru_cache(maxsize=1024)
def _resolved(ufunc: Any, given: tuple[Any, ...]) -> tuple[list[str], list[Any]]:
    try:
        resolved = ufunc.resolve_dtypes((*given, *[None] * ufunc.nout))
    except TypeError:
        names = " and ".join(str(getattr(g, "name", g)) for g in given)
        raise UnsupportedFunctionError(
            f"{place()}: {ufunc.__name__} is not defined for {names}"
        ) from None
    kinds = [kind_of(d) for d in resolved]
    if None in kinds:
        raise UnsupportedFunctionError(
            f"{place()}: {ufunc.__name__} of {', '.join(map(str, given))} is not real; wengert "
            "computes with real numbers, integers and booleans"
        )
    return kinds[: ufunc.nin], list(resolved[ufunc.nin :])  # pyright: ignore[reportReturnType]


def _dtype_of(x: Any) -> Any:
    if isinstance(x, TracedArray | np.ndarray | np.generic):
        return np.dtype(float) if x.dtype == object else x.dtype
    if isinstance(x, bool):
        return np.dtype(bool)
    if isinstance(x, int | float):
        return type(x)
    if isinstance(x, list | tuple):
        return np.result_type(*[_dtype_of(part) for part in x] or [float])  # pyright: ignore
    return np.asarray(x).dtype


def joint_dtype(*values: Any) -> Any:
    """NumPy's dtype for arrays and numbers together: Python's numbers give way to arrays."""
    plain = (bool, int, float)
    return np.result_type(*(v if type(v) in plain else _dtype_of(v) for v in values))


_OF_INTEGERS = {np.remainder: "int_mod", np.floor_divide: "int_floor_divide"}
_INTEGERS = (int, *(np.dtype(f"{kind}{size}") for kind in "iu" for size in (1, 2, 4, 8)))


# ---------------------------------------------------------------- arithmetic


def _sum(a: Expr, b: Expr) -> Expr:
    return add(spread(a, b)) if a.dtype == "real" else _discrete("int_add", a, b)


def _difference(a: Expr, b: Expr) -> Expr:
    return sub(*spread(a, b)) if a.dtype == "real" else _discrete("int_sub", a, b)


def _times(a: Expr, b: Expr) -> Expr:
    return product([a, b]) if a.dtype == "real" else _discrete("int_mul", a, b)


def _quotient(a: Expr, b: Expr) -> Expr:
    return product([a, power(b, -1)])


def _negative(a: Expr) -> Expr:
    return neg(a) if a.dtype == "real" else _discrete("int_sub", int_array(np.asarray(0)), a)


def _discrete(name: str, *operands: Expr) -> Expr:
    if operands[0].dtype == "bool" and name in ("int_add", "int_mul"):
        name = "logical_or" if name == "int_add" else "logical_and"
    return apply(registry[name], *spread(*operands))


def _square(a: Expr) -> Expr:
    return power(a, 2) if a.dtype == "real" else _times(a, a)


ARITHMETIC: dict[Any, Build] = {
    np.add: _sum,
    np.subtract: _difference,
    np.multiply: _times,
    np.true_divide: _quotient,
    np.negative: _negative,
    np.positive: lambda a: a,
    np.square: _square,
    np.sqrt: lambda a: power(a, _HALF),
    np.reciprocal: lambda a: power(a, -1),
    np.conjugate: lambda a: a,
}


def _power_of(base: Any, exponent: Any, **kwargs: Any) -> Any:
    """``base ** exponent``; a constant exponent stays a number."""
    if isinstance(base, TracedArray) and isinstance(exponent, int | float | np.number):
        exact = rational(exponent)
        if exact is not None and base.expr.dtype == "real":
            base.run.check_open()
            gives = _dtypes(np.power, (base, exponent))[1][0]
            return TracedArray(power(base.expr, exact), base.run, gives)
    return elementwise(np.power, lambda a, b: power_general(*spread(a, b)), (base, exponent))


def _declare(ufunc: Any, build: Build) -> None:
    def implementation(*inputs: Any, dtype: Any = None, casting: Any = None) -> Any:
        return elementwise(ufunc, build, inputs, dtype)

    implements(ufunc)(implementation)
    entrywise.add(ufunc)


for _ufunc, _build in ARITHMETIC.items():
    _declare(_ufunc, _build)
for _ufunc in (np.power, np.float_power):
    implements(_ufunc)(_power_of)
elementwise_functions.append(any_ufunc)


# ---------------------------------------------------------------- functions that are no ufuncs


@implements(np.where)
def _where(condition: Any, a: Any = None, b: Any = None) -> Any:
    trace = trace_of(condition, a, b)
    chooser = lift(trace, condition)
    if a is None:
        return np.nonzero(condition.value)  # a mask's places have no derivative
    if chooser.dtype != "bool":
        chooser = apply(registry["not_equal"], *spread(chooser, lift(trace, 0, chooser.dtype)))
    dtype = joint_dtype(a, b)
    kind = kind_of(dtype)
    parts = [lift(trace, x, kind) for x in (a, b)]
    return TracedArray(where(*spread(chooser, *parts)), trace, dtype)


@implements(np.clip)
def _clip(a: Any, a_min: Any = None, a_max: Any = None, **kwargs: Any) -> Any:
    a_min = kwargs.get("min", a_min)
    a_max = kwargs.get("max", a_max)
    trace = trace_of(a, a_min, a_max)
    given = [a, *(b for b in (a_min, a_max) if b is not None)]
    lifted = spread(*(lift(trace, x, "real") for x in given))
    low = lifted[1] if a_min is not None else None
    high = lifted[-1] if a_max is not None else None
    dtype = joint_dtype(*given)
    return TracedArray(clip(lifted[0], low, high), trace, dtype)


@implements(np.nan_to_num)
def _nan_to_num(
    x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None
) -> Any:
    trace = trace_of(x)
    return TracedArray(nan_to_num(lift(trace, x, "real"), nan, posinf, neginf), trace, x.dtype)


@implements(np.real, np.real_if_close)
def _real(x: Any, tol: Any = None) -> Any:
    return x


@implements(np.imag)
def _imag(val: Any) -> Any:
    return np.zeros(val.shape, val.dtype)


@implements(np.angle)
def _angle(z: Any, deg: bool = False) -> Any:
    turn = np.where(z < 0, 180.0 if deg else np.pi, 0.0)  # of real numbers, by their sign
    return turn.astype(np.result_type(z.dtype, np.float32) if z.dtype.kind == "f" else float)


def _other(function: Any) -> None:
    operation = operation_of(function)
    if operation is not None:
        found = operation

        def implementation(x: Any) -> Any:
            trace = trace_of(x)
            return TracedArray(found(lift(trace, x, "real")), trace, np.result_type(x.dtype, 0.0))

        implements(function)(implementation)


for _function in (np.sinc, np.i0):
    _other(_function)


@implements(np.modf)
def _modf(x: Any) -> Any:
    whole = np.trunc(x)
    return x - whole, whole


@implements(np.fix)
def _fix(x: Any, out: Any = None) -> Any:
    return np.trunc(x)


@implements(np.ldexp)
def _ldexp(x: Any, exponent: Any) -> Any:
    powers = np.exp2(np.asarray(_plain_whole(exponent), dtype=float)).astype(x.dtype)
    return x * powers


def _plain_whole(exponent: Any) -> Any:
    return exponent.value if isinstance(exponent, TracedArray) else exponent


@implements("astype")
def _astype(x: Any, dtype: Any) -> Any:
    target = np.dtype(dtype)
    kind = kind_of(target)
    if kind is None:
        raise UnsupportedFunctionError(f"{place()}: astype({target}) is not supported")
    own = x.expr.dtype
    if kind in (own, "real"):
        return TracedArray(lift(x.run, x, kind), x.run, target)
    if kind == "int":
        return TracedArray(as_int(x.expr), x.run, target)
    return x != 0


@implements(np.zeros_like, np.empty_like)
def _zeros_like(a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None,
                **kwargs: Any) -> Any:  # fmt: skip
    return np.zeros(a.shape if shape is None else shape, dtype or a.dtype)


@implements(np.ones_like)
def _ones_like(a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None,
               **kwargs: Any) -> Any:  # fmt: skip
    return np.ones(a.shape if shape is None else shape, dtype or a.dtype)


@implements(np.full_like)
def _full_like(a: Any, fill_value: Any, dtype: Any = None, order: str = "K", subok: bool = True,
               shape: Any = None, **kwargs: Any) -> Any:  # fmt: skip
    return np.broadcast_to(fill_value, a.shape if shape is None else shape)


@implements(np.shape)
def _shape(a: Any) -> Any:
    return a.shape


@implements(np.ndim)
def _ndim(a: Any) -> Any:
    return a.ndim


@implements(np.size)
def _size(a: Any, axis: Any = None) -> Any:
    return a.size if axis is None else a.shape[axis]


@implements(np.iscomplexobj)
def _is_complex(x: Any) -> bool:
    return False


@implements(np.isrealobj)
def _is_real(x: Any) -> bool:
    return True


@implements(np.isreal)
def _isreal(x: Any) -> Any:
    return np.ones(x.shape, bool)


@implements(np.iscomplex)
def _iscomplex(x: Any) -> Any:
    return np.zeros(x.shape, bool)


@implements(np.isclose)
def _isclose(a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False) -> Any:
    near = np.abs(a - b) <= atol + rtol * np.abs(b)
    found = np.logical_or(np.logical_and(near, np.isfinite(b)), np.equal(a, b))
    both = np.logical_and(np.isnan(a), np.isnan(b))
    return np.logical_or(found, both) if equal_nan else found


@implements(np.allclose)
def _allclose(a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False) -> bool:
    return bool(np.all(np.isclose(a, b, rtol, atol, equal_nan)))


@implements(np.array_equal)
def _array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> bool:
    if np.shape(a1) != np.shape(a2):
        return False
    both = np.logical_and(np.isnan(a1), np.isnan(a2))
    same = np.equal(a1, a2)
    return bool(np.all(np.logical_or(same, both) if equal_nan else same))


@implements(np.result_type)
def _result_type(*values: Any) -> Any:
    return np.result_type(*(v.dtype if isinstance(v, TracedArray) else v for v in values))


@implements(np.logical_not)
def _logical_not(x: Any) -> Any:
    return elementwise(np.equal, lambda a, b: apply(registry["equal"], *spread(a, b)), (x, 0))


def _of_masks(ufunc: Any, logic: Any, *inputs: Any) -> Any:
    """A bitwise operation: of truth values it is logic."""
    if all(_dtype_of(x) == np.dtype(bool) for x in inputs):
        return logic(*inputs)
    return at_once(ufunc, inputs, {})


for _bitwise, _logic in (
    (np.bitwise_and, np.logical_and),
    (np.bitwise_or, np.logical_or),
    (np.bitwise_xor, np.logical_xor),
    (np.invert, np.logical_not),
):
    implements(_bitwise)(partial(_of_masks, _bitwise, _logic))
