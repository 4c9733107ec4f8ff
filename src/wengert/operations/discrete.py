"""Integers and truth values: constants, arithmetic, comparisons, rounding, conversions.

What is not real is discrete: its derivative is zero wherever it exists, and none passes through.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from hashlib import blake2b
from math import inf
from typing import Any, final

import numpy as np

from wengert.errors import DomainError, ShapeError
from wengert.expr import Expr, Params, make
from wengert.operations.apply import apply, same_shape
from wengert.operations.build import sub
from wengert.operations.enclosing import EXACT, Enclosure, always, blanked, moved
from wengert.operations.intervals import Interval, point
from wengert.operations.kinks import Kinks, at_halves, at_whole_numbers, at_zero, nowhere
from wengert.operations.structure import constant_like, constant_value
from wengert.operations.written import Lanes, Rows, Written, of_values
from wengert.operations.written_lines import integer_division, truncated
from wengert.primitive import Constant, Domain, Kink, Notation, Primitive, Sample, register
from wengert.shapes import Shape, concrete, format_shape

_SHOWN = 8  # entries of a constant that are written out

# ---------------------------------------------------------------- constants


@final
class Table:
    """An array of integers or truth values as a parameter: hashed by its contents, once."""

    __slots__ = ("array", "key")

    def __init__(self, values: Any) -> None:
        array = np.array(values)
        if array.dtype.kind == "b":
            array = array.astype(np.bool_)
        elif array.dtype.kind in "iu" or not array.size:
            array = array.astype(np.int64)
        else:
            raise ShapeError(f"integers or truth values are needed, not {array.dtype}")
        array.flags.writeable = False
        self.array = array
        content = blake2b(np.ascontiguousarray(array).tobytes(), digest_size=16).hexdigest()
        self.key = (array.dtype.kind, array.shape, content)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Table) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        kind, shape, content = self.key
        return f"Table({kind}, {shape}, {content})"


def _written(node: Expr) -> Notation:
    array = node.params[0].array
    if array.size <= _SHOWN:
        text = str(array.tolist())
        code = text if not array.ndim else f"np.array({text}, dtype=np.{array.dtype.name})"
        latex = text.replace("[", r"\left[").replace("]", r"\right]")
    else:
        text = latex = f"{node.dtype}[{format_shape(node.shape)}]"
        code = f"np.array({array.tolist()}, dtype=np.{array.dtype.name})"
    return Notation(text, text, latex, code)


def _declare_table(name: str, dtype: str, sample: Any) -> Primitive:
    return register(
        Primitive(
            name,
            0,
            lambda operands, params: params[0].array.shape,
            lambda node: node.params[0].array,
            Constant("a constant does not depend on anything"),
            _written,
            parameters=("values",),
            domains=(),
            samples=(Sample((), (Table(sample),)),),
            smooth=False,
            enclosure=lambda node: point(node.params[0].array),
            kinks=nowhere,
            source="values that are known in advance",
            dtype=dtype,
        )
    )


INT_ARRAY = _declare_table("int_array", "int", [[0, 1], [2, -1]])
BOOL_ARRAY = _declare_table("bool_array", "bool", [True, False])


def int_array(values: Any) -> Expr:
    """Integers or truth values that are known, as an expression of dtype "int" or "bool".

    Parameters
    ----------
    values : array_like of int or bool
        Copied.
    """
    table = Table(values)
    primitive = BOOL_ARRAY if table.array.dtype.kind == "b" else INT_ARRAY
    return make(primitive, (), (table,), table.array.shape, primitive.dtype_of(()))


def arange(count: int) -> Expr:
    """The integers 0, 1, ..., count − 1."""
    return int_array(np.arange(count))


def known_values(node: Expr) -> Any:
    """The array behind a constant of :func:`int_array`, or None."""
    return node.params[0].array if node.primitive in (INT_ARRAY, BOOL_ARRAY) else None


# ---------------------------------------------------------------- declarations by table

_REASONS = {
    "bool": "truth values are discrete",
    "int": "integers are discrete",
    "real": "piecewise constant",
}


def _discrete(
    name: str,
    evaluate: Callable[..., Any],
    domains: tuple[Domain, ...],
    dtype: str,
    notation: Notation,
    *,
    ufuncs: tuple[Callable[..., Any], ...] = (),
    zero_at_zero: bool = False,
    involution: bool = False,
    source: str = "",
    written: Written | None = None,
    by_arrays: Callable[..., Any] | None = None,
    enclosure: Enclosure = EXACT,
    kinks: Kinks = nowhere,
) -> Primitive:
    """An elementwise function whose derivative is zero, folded where its operands are known."""

    def rewrite(operands: tuple[Expr, ...], params: Params) -> Expr | None:
        known = [known_values(o) for o in operands]
        if operands and all(k is not None for k in known) and dtype != "real":
            return int_array(evaluate(*known))
        if involution and operands[0].name == name:
            return operands[0].operands[0]
        value = constant_value(operands[0]) if dtype == "real" else None
        if value is not None and value.denominator == 1:
            return constant_like(value, operands[0].shape)
        return None

    def infer(operands: tuple[Expr, ...], params: Params) -> Shape:
        discrete = any(d.dtype != "real" for d in domains)
        for operand, domain in zip(operands, domains, strict=True):
            if discrete and operand.dtype not in (domain.dtype, "bool"):
                raise ShapeError(f"{name} takes {domain.dtype} operands, not {operand.dtype}")
        return same_shape(operands, params)

    return register(
        Primitive(
            name,
            len(domains),
            infer,
            lambda node, *arrays: evaluate(*arrays),
            Constant(_REASONS[dtype]),
            notation,
            elementwise=True,
            written=written,
            by_arrays=by_arrays,
            zero_at_zero=zero_at_zero,
            rewrite=rewrite,
            domains=domains,
            smooth=False,
            enclosure=enclosure,
            kinks=kinks,
            ufuncs=ufuncs,
            source=source,
            dtype=dtype,
        )
    )


def _infix(sign: str, latex: str, code: str, unicode: str | None = None) -> Notation:
    return Notation(
        f"{{0:a}} {sign} {{1:a}}",
        f"{{0:a}} {unicode or sign} {{1:a}}",
        f"{{0:a}} {latex} {{1:a}}",
        f"{{0:a}} {code} {{1:a}}",
        "sum",
    )


def _bracketed(sign: str, latex: str, code: str, unicode: str | None = None) -> Notation:
    """An infix operation in its own brackets, which never needs more."""
    plain = _infix(sign, latex, code, unicode)
    return Notation(
        f"({plain.text})",
        f"({plain.unicode})",
        rf"\left({plain.latex}\right)",
        f"({plain.numpy})",
    )


# ---------------------------------------------------------------- comparisons and tests

_NUMBERS = (Domain(), Domain())
_COMPARISONS = {
    "less": ("<", "<", "<"),
    "less_equal": ("<=", r"\le", "≤"),
    "greater": (">", ">", ">"),
    "greater_equal": (">=", r"\ge", "≥"),
    "equal": ("==", "=", "="),
    "not_equal": ("!=", r"\ne", "≠"),
}


def _never_equal(x: Interval, z: Interval) -> Any:
    return (x.lower > z.upper) | (x.upper < z.lower)


def _always_equal(x: Interval, z: Interval) -> Any:
    return (x.lower == x.upper) & (z.lower == z.upper) & (x.lower == z.lower)


_COMPARED: dict[str, Callable[[Interval, Interval], Interval]] = {
    "less": lambda x, z: Interval(x.upper < z.lower, x.lower < z.upper),
    "less_equal": lambda x, z: Interval(x.upper <= z.lower, x.lower <= z.upper),
    "greater": lambda x, z: Interval(x.lower > z.upper, x.upper > z.lower),
    "greater_equal": lambda x, z: Interval(x.lower >= z.upper, x.upper >= z.lower),
    "equal": lambda x, z: Interval(_always_equal(x, z), ~_never_equal(x, z)),
    "not_equal": lambda x, z: Interval(_never_equal(x, z), ~_always_equal(x, z)),
}


def _at_equality(node: Expr) -> tuple[Kink, ...]:
    """Of real numbers, where both are equal: true on one side, false on the other."""
    x, z = node.operands
    if x.dtype != "real" or z.dtype != "real":
        return ()
    sides = [int_array(np.full(concrete(node.shape), side)) for side in (True, False)]
    return (Kink(sub(x, z), tuple(sides)),)


def _enclosed_comparison(name: str) -> Enclosure:
    return lambda node, x, z: _COMPARED[name](x, z)


_COMPARING: dict[str, Callable[[Any, Any], Any]] = {
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "equal": lambda x, z: x.equals(z),
    "not_equal": lambda x, z: x.differs(z),
}
COMPARISONS = {
    name: _discrete(
        name,
        getattr(np, name),
        _NUMBERS,
        "bool",
        _bracketed(sign, latex, sign, unicode),
        ufuncs=(getattr(np, name),),
        source="IEEE 754: a comparison with NaN is false, but for ≠",
        written=of_values(_COMPARING[name]),
        enclosure=_enclosed_comparison(name),
        kinks=_at_equality,
    )
    for name, (sign, latex, unicode) in _COMPARISONS.items()
}
TESTS = {
    name: _discrete(
        name, getattr(np, name), (Domain(),), "bool", Notation.function(name),
        ufuncs=(getattr(np, name),), source="IEEE 754", written=written, enclosure=enclosure,
        kinks=kinks,
    )
    for name, written, enclosure, kinks in (
        ("isnan", of_values(lambda x: x.is_nan()), always(False, False), nowhere),
        ("isfinite", lambda lanes, node, x: lanes.call("abs", x) < inf, always(True, True),
         nowhere),
        ("isinf", lambda lanes, node, x: lanes.call("abs", x).equals(inf), always(False, False),
         nowhere),
        ("signbit", of_values(lambda x: x.bits() < 0),
         lambda node, x: Interval(x.upper < 0, x.lower <= 0), at_zero()),
    )
}  # fmt: skip

# ---------------------------------------------------------------- truth values

_MASK = Domain(dtype="bool")
_LOGIC = {
    "logical_and": ("&", r"\wedge", "∧"),
    "logical_or": ("|", r"\vee", "∨"),
    "logical_xor": ("^", r"\oplus", "⊕"),
}
_DECIDING: dict[str, Callable[[Any, Any], Any]] = {
    "logical_and": operator.and_,
    "logical_or": operator.or_,
    "logical_xor": operator.xor,
}
LOGIC = {
    name: _discrete(
        name, getattr(np, name), (_MASK, _MASK), "bool", _bracketed(sign, latex, sign, unicode),
        ufuncs=(getattr(np, name),), source="logic of truth values",
        written=of_values(_DECIDING[name]),
    )
    for name, (sign, latex, unicode) in _LOGIC.items()
}  # fmt: skip
LOGICAL_NOT = _discrete(
    "logical_not", np.logical_not, (_MASK,), "bool",
    Notation("~{0:a}", "¬{0:a}", r"\neg {0:a}", "~{0:a}", "power"),
    ufuncs=(np.logical_not,), involution=True, source="logic of truth values",
    written=of_values(operator.invert),
)  # fmt: skip

# ---------------------------------------------------------------- integers

_INDEX = Domain(1, 6, dtype="int")


def _divided(function: Callable[..., Any]) -> Callable[..., Any]:
    def evaluate(x: Any, z: Any) -> Any:
        if np.any(np.equal(z, 0)):
            raise DomainError("an integer is divided by 0; integers have no infinity")
        return function(x, z)

    return evaluate


def _enclosed_integer_quotient(node: Expr, x: Interval, z: Interval) -> Interval:
    crossing = (z.lower <= 0) & (z.upper >= 0)
    nonzero = Interval(np.where(crossing, 1, z.lower), np.where(crossing, 1, z.upper))
    return blanked(EXACT(node, x, nonzero), crossing)


def _enclosed_modulus(node: Expr, x: Interval, z: Interval) -> Interval:
    if x.certain and z.certain:
        return EXACT(node, x, z)
    return Interval(np.minimum(z.lower + 1, 0), np.maximum(z.upper - 1, 0))


_ARITHMETIC: dict[str, tuple[Callable[..., Any], str, str]] = {
    "int_add": (np.add, "+", "+"),
    "int_sub": (np.subtract, "-", "-"),
    "int_mul": (np.multiply, "*", r"\cdot"),
    "int_floor_divide": (_divided(np.floor_divide), "//", r"\mathbin{{//}}"),
    "int_mod": (_divided(np.remainder), "%", r"\bmod"),
}
_COMPUTING = {
    "int_add": of_values(operator.add),
    "int_sub": of_values(operator.sub),
    "int_mul": of_values(operator.mul),
}
_DIVIDING = {
    "int_floor_divide": integer_division(remainder=False),
    "int_mod": integer_division(remainder=True),
}
ARITHMETIC = {
    name: _discrete(
        name, evaluate, (_INDEX, _INDEX), "int", _bracketed(sign, latex, sign),
        source="64-bit integers",
        written=_COMPUTING.get(name),
        by_arrays=_DIVIDING.get(name),
        enclosure={
            "int_floor_divide": _enclosed_integer_quotient, "int_mod": _enclosed_modulus,
        }.get(name, EXACT),
    )
    for name, (evaluate, sign, latex) in _ARITHMETIC.items()
}  # fmt: skip

# ---------------------------------------------------------------- rounding and conversion

ROUNDING = {
    name: _discrete(
        name, getattr(np, name), (Domain(),), "real",
        Notation(f"{name}({{0}})", unicode, latex, f"np.{name}({{0}})"),
        ufuncs=(getattr(np, name), *more), zero_at_zero=True, source=source,
        kinks=at_halves if name == "rint" else at_whole_numbers,
    )
    for name, unicode, latex, more, source in (
        ("floor", "⌊{0}⌋", r"\left\lfloor {0}\right\rfloor", (), "0 at jumps too"),
        ("ceil", "⌈{0}⌉", r"\left\lceil {0}\right\rceil", (), "0 at jumps too"),
        ("rint", "rint({0})", r"\operatorname{{rint}}\left({0}\right)", (), "halves go to even"),
        ("trunc", "trunc({0})", r"\operatorname{{trunc}}\left({0}\right)", (np.fix,),
         "towards 0"),
    )
}  # fmt: skip


def _to_int(x: Any) -> Any:
    x = np.asarray(x)
    if x.dtype.kind == "f" and not np.all(np.isfinite(x) & (np.abs(x) < 2.0**63)):
        raise DomainError("NaN, infinities and numbers from 2⁶³ on are no 64-bit integers")
    return x.astype(np.int64)


AS_INT = _discrete(
    "as_int", _to_int, (Domain(),), "int",
    Notation(
        "as_int({0})", "as_int({0})", r"\operatorname{{int}}\left({0}\right)",
        "np.asarray({0}).astype(np.int64)",
    ), source="truncation towards 0", by_arrays=truncated,
    kinks=at_whole_numbers,
)  # fmt: skip


def _shape_of_reals(operands: tuple[Expr, ...], params: Params) -> Shape:
    return operands[0].shape


def _reals(operands: tuple[Expr, ...], params: Params) -> Expr | None:
    x = operands[0]
    if x.dtype == "real":
        return x
    values = known_values(x)
    if values is None or not values.size or not np.all(values == values.flat[0]):
        return None
    return constant_like(int(values.flat[0]), x.shape)


AS_REAL = register(
    Primitive(
        "as_real",
        1,
        _shape_of_reals,
        lambda node, x: np.asarray(x).astype(np.float64),  # the plan sets the precision
        Constant("indices and masks are discrete"),
        Notation(
            "as_real({0})",
            "[{0}]",
            r"\left[{0}\right]",
            "np.asarray({0}).astype(np.float64)",
        ),
        elementwise=True,
        written=lambda lanes, node, x: lanes.real(x),
        rewrite=_reals,
        domains=(_MASK,),
        smooth=False,
        enclosure=moved,
        kinks=nowhere,
        source="Iverson bracket: 1 where true, 0 where false",
    )
)


def as_real(x: Expr) -> Expr:
    """Integers and truth values as real numbers; real numbers as they are."""
    return apply(AS_REAL, x)


def as_int(x: Expr) -> Expr:
    """Numbers truncated towards 0, and truth values as 0 and 1; integers as they are."""
    return x if x.dtype == "int" else apply(AS_INT, as_real(x))


# ---------------------------------------------------------------- reductions of truth values


def _batch(operands: tuple[Expr, ...], params: Params) -> Shape:
    x = operands[0]
    if x.dtype != "bool":
        raise ShapeError(f"truth values are needed, not {x.dtype} numbers")
    return x.shape[: x.ndim - params[0]]


def _declare_reduction(
    name: str,
    reduce: Callable[..., Any],
    dtype: str,
    code: str,
    by_rows: Callable[..., Any],
) -> Primitive:
    def notation(node: Expr) -> Notation:
        rank = node.params[0]
        axes = "" if node.operands[0].ndim == rank else f", axis={tuple(range(-rank, 0))}"
        plain = f"{name}({{0}}{axes})"
        latex = rf"\operatorname{{{{{name}}}}}\left({{0}}\right)"
        return Notation(plain, plain, latex, f"{code}({{0}}{axes})")

    return register(
        Primitive(
            name,
            1,
            _batch,
            lambda node, x: reduce(x, axis=tuple(range(-node.params[0], 0))),
            Constant(_REASONS[dtype]),
            notation,
            by_rows=by_rows,
            parameters=("rank",),
            domains=(_MASK,),
            samples=(Sample(((3,),), (1,)), Sample(((2, 2),), (1,)), Sample(((2, 2),), (2,))),
            smooth=False,
            enclosure=moved,
            kinks=nowhere,
            source="logic of truth values",
            dtype=dtype,
        )
    )


def _counted(rows: Rows, node: Expr, x: Any) -> Any:
    return rows.reduce("sum", rows.map(_as_integer, x, kind="int"))


def _any_of(rows: Rows, node: Expr, x: Any) -> Any:
    return rows.map(_is_not_zero, _counted(rows, node, x), kind="bool")


def _all_of(rows: Rows, node: Expr, x: Any) -> Any:
    missing = rows.reduce("sum", rows.map(_as_integer_of_false, x, kind="int"))
    return rows.map(_is_zero, missing, kind="bool")


def _as_integer(lanes: Lanes, x: Any) -> Any:
    return lanes.integer(x)


def _as_integer_of_false(lanes: Lanes, x: Any) -> Any:
    return lanes.integer(~x)


def _is_not_zero(lanes: Lanes, x: Any) -> Any:
    return x.differs(0)


def _is_zero(lanes: Lanes, x: Any) -> Any:
    return x.equals(0)


ANY = _declare_reduction("any", np.any, "bool", "np.any", _any_of)
ALL = _declare_reduction("all", np.all, "bool", "np.all", _all_of)
COUNT = _declare_reduction("count", np.count_nonzero, "int", "np.count_nonzero", _counted)
