"""Products of matrices and vectors by BLAS.

Arrays are stored by rows here and by columns there: what BLAS sees is the transposes, so that
``C = A B`` is asked for as ``Cᵀ = Bᵀ Aᵀ``.
"""

from __future__ import annotations

from wengert.backends.native.blas import integer, letter
from wengert.backends.native.builder import Builder, Value
from wengert.backends.native.plans.nests import fill
from wengert.backends.native.plans.statements import Product
from wengert.backends.native.types import VOID, Number, Type

HALVED = 96  # columns from which on half of a symmetric product is cheaper than all of it
_STRIP = 64  # columns at a time that the half is computed in

_PREFIX = {"f64": "d", "f32": "s"}


def write_product(
    b: Builder,
    product: Product,
    left: Value,
    right: Value,
    target: Value,
    type_: Type,
    lanes: int,
    *,
    added: bool = False,
) -> str:
    """Write the call; gives the name of the routine. The product may be added to the target."""
    prefix = _PREFIX[type_.kind]
    first, second = product.turned
    rows, columns, summed = product.rows, product.columns, product.summed
    factor, one = _number(b, type_, product.factor), _number(b, type_, 1.0)
    ahead = product.ahead or (rows if first else summed)
    if product.vector:
        # What was in y would be multiplied by zero, NaN and all; zeros are not.
        if not added:
            fill(b, target, type_, rows, 0.0, lanes)
        sizes = (rows, summed) if first else (summed, rows)
        shape = (integer(b, sizes[0]), integer(b, sizes[1]))
        b.call(
            f"{prefix}gemv", VOID, letter(b, _side(not first)), *shape, factor, left,
            integer(b, ahead), right, integer(b, 1), one, target, integer(b, 1),
        )  # fmt: skip
        return f"{prefix}gemv"
    before = _number(b, type_, 1.0 if added else 0.0)
    beside = summed if second else columns

    def multiply(start: int, stop: int) -> None:
        """Some columns, from the row of the first of them on."""
        begin = start if is_halved(product) else 0
        b.call(
            f"{prefix}gemm", VOID, letter(b, _side(second)), letter(b, _side(first)),
            integer(b, stop - start), integer(b, rows - begin), integer(b, summed), factor,
            b.offset(right, start * (beside if second else 1), type_.size), integer(b, beside),
            b.offset(left, begin * (1 if first else ahead), type_.size), integer(b, ahead),
            before, b.offset(target, begin * columns + start, type_.size), integer(b, columns),
        )  # fmt: skip

    strips = -(-columns // _STRIP) if is_halved(product) else 1
    step = -(-columns // strips)
    for start in range(0, columns, step):
        multiply(start, min(start + step, columns))
    if is_halved(product) and not added:
        mirror(b, product, target, type_)
    return f"{prefix}gemm"


def is_halved(product: Product) -> bool:
    """Is only the lower half of a symmetric product computed?"""
    return product.symmetric and product.columns >= HALVED


def mirror(b: Builder, product: Product, target: Value, type_: Type) -> None:
    """Copy the lower half of a symmetric product to the upper one."""
    n = product.columns

    def line(row: Value) -> None:
        begin = b.offset(target, row, n * type_.size)

        def entry(column: Value) -> None:
            value = b.load(type_, b.offset(begin, column, type_.size))
            there = b.offset(b.offset(target, column, n * type_.size), row, type_.size)
            b.store(value, there)

        b.each(0, row, 1, entry)

    b.each(1, n, 1, line)


def _side(turned: bool) -> str:
    """What routines call a matrix, or its transpose."""
    return "T" if turned else "N"


def _number(b: Builder, type_: Type, number: Number) -> Value:
    bits = float(number).hex().replace("-", "m").replace("+", "p").replace(".", "_")
    return b.module.table(b, f"number_{type_.code}_{bits}", type_, [float(number)])
