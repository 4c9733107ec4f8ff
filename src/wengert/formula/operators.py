"""The words that are written as operators, and the leaves: variables, numbers, pi.

``*`` is the matrix product in which scalars scale; ``.* ./ .^`` and sums work entry by entry and
spread scalars; nothing else is ever spread.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import partial

import numpy as np

from wengert import operations as ops
from wengert.expr import Expr, Params
from wengert.formula.dense import matrix_power
from wengert.formula.syntax import Name, Operation
from wengert.formula.types import SCALAR, Type
from wengert.formula.words import Array, Evaluation, Node, Parameter, Site, Word
from wengert.shapes import Shape

_ONE, _TWO = (Parameter("x"),), (Parameter("x"), Parameter("y"))
_MAX_BITS = 2048
MAX_EXPONENT = 1000

# ---------------------------------------------------------------- leaves


def _given_type(site: Site) -> Type:
    raise AssertionError("leaves get their types where they are read")


def _number(evaluation: Evaluation) -> Array:
    value = evaluation.node.value or Fraction(0)
    kind = evaluation.dtype.type
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > 52:
        return kind(float(value))
    return kind(value.numerator) / kind(value.denominator)


def _build_number(node: Node, operands: Sequence[Expr]) -> Expr:
    return ops.constant(node.value or 0)


def _build_variable(node: Node, operands: Sequence[Expr]) -> Expr:
    name, assumptions = node.params
    return ops.variable(str(name), node.shape, assumptions)  # type: ignore[arg-type]


NUMBER = Word("number", (), _given_type, _number, _build_number, "A number, exactly as written.")
VARIABLE = Word(
    "variable", (), _given_type, lambda e: e.values[e.param], _build_variable, "A variable."
)
PI = Word(
    "pi",
    (),
    lambda site: SCALAR,
    lambda e: e.dtype.type(np.pi),
    lambda node, operands: ops.pi(),
    "The circle constant, also written π.",
    bare=True,
)

# ---------------------------------------------------------------- helpers


def spread(operand: Expr, shape: Shape) -> Expr:
    """A scalar repeated over a shape; arrays as they are."""
    return ops.broadcast(operand, shape) if shape and not operand.ndim else operand


def entrywise(site: Site, *, rule: str) -> Type:
    """The type of operands of one shape, scalars apart."""
    types = site.types
    lead = next((k for k, t in enumerate(types) if t.shape), None)
    if lead is None:
        return SCALAR
    first = types[lead]
    for k in range(lead + 1, len(types)):
        other = types[k]
        if not other.shape:
            continue
        if other.orientation != first.orientation or other.rank != first.rank:
            raise site.clash(rule, _mismatch(site, lead, k), (lead, k))
        for axis in range(first.rank):
            site.equal((lead, axis), (k, axis), rule)
    return first


def _mismatch(site: Site, i: int, k: int) -> str:
    """What to write where two orientations do not fit entry by entry."""
    orientations = {site.types[i].orientation: i, site.types[k].orientation: k}
    match sorted(orientations):
        case ["column", "row"]:
            return "Transpose one of them"
        case ["column", "matrix"]:
            column = _atom(site, orientations["column"])
            return f"To have the vector in every column write {column}*vector(1)'"
        case ["matrix", "row"]:
            row = _atom(site, orientations["row"])
            return f"To have the row in every row write vector(1)*{row}"
        case _:
            return "Only scalars are spread over arrays"


def _atom(site: Site, k: int) -> str:
    """Operand ``k`` as written, in brackets unless it is a name, a number or bracketed."""
    source = site.source(k)
    word = source.rstrip("'").replace(".", "")
    return source if word.isalnum() or source.endswith(")") else f"({source})"


def folded(value: Fraction) -> Fraction | None:
    """The value, unless it has too many digits to carry along exactly."""
    bits = max(value.numerator.bit_length(), value.denominator.bit_length())
    return value if bits <= _MAX_BITS else None


# ---------------------------------------------------------------- sums and signs


def _fold_sum(values: Sequence[Fraction], params: Params) -> Fraction | None:
    total = Fraction(0)
    for value, sign in zip(values, params, strict=True):
        total = total + value if sign == 1 else total - value
        if folded(total) is None:
            return None
    return total


def _evaluate_sum(evaluation: Evaluation) -> Array:
    pairs = zip(evaluation.arrays, evaluation.node.params, strict=True)
    first, sign = next(pairs)
    total = first if sign == 1 else -first
    for array, sign in pairs:
        total = total + array if sign == 1 else total - array
    return total


def _build_sum(node: Node, operands: Sequence[Expr]) -> Expr:
    terms = [spread(operand, node.shape) for operand in operands]
    return ops.add(terms, [Fraction(str(sign)) for sign in node.params])


SUM = Word(
    "+",
    _TWO,
    partial(entrywise, rule="+ and - need equal shapes"),
    _evaluate_sum,
    _build_sum,
    "Sum and difference; a scalar is added to every entry.",
    fold=_fold_sum,
)
NEG = Word(
    "neg",
    _ONE,
    lambda site: site.types[0],
    lambda e: -e.x,
    lambda node, operands: ops.add([operands[0]], [Fraction(-1)]),
    "Sign; looser than powers: -x.^2 is -(x.^2).",
    fold=lambda values, params: -values[0],
)

# ---------------------------------------------------------------- products


def _infer_product(site: Site) -> Type:
    left, right = site.types
    if not left.shape or not right.shape:
        return left if left.shape else right
    match left.orientation, right.orientation:
        case "matrix", "matrix":
            result = Type("matrix", (left.shape[0], right.shape[1]))
        case "matrix", "column":
            result = Type("column", left.shape[:1])
        case "row", "matrix":
            result = Type("row", right.shape[1:])
        case "row", "column":
            result = SCALAR
        case "column", "row":
            return Type("matrix", left.shape + right.shape)
        case _:
            raise site.clash(*_no_product(site))
    site.equal((0, left.rank - 1), (1, 0), "* needs equal inner sizes")
    return result


def _no_product(site: Site) -> tuple[str, str]:
    """Why there is no product, and what to write."""
    x, y = _atom(site, 0), _atom(site, 1)
    match site.types[0].orientation, site.types[1].orientation:
        case "column", "column":
            return "two columns have no product *", (
                f"Write {x}'*{y} for the inner product, {x}*{y}' for the outer product, "
                f"{x}.*{y} entry by entry"
            )
        case "row", "row":
            return "two rows have no product *", (
                f"Write {x}*{y}' for the inner product, {x}'*{y} for the outer product, "
                f"{x}.*{y} entry by entry"
            )
        case "column", "matrix":
            return "a column has no product * with a matrix", f"Write {x}'*{y} or {y}*{x}"
        case "matrix", "row":
            return "a matrix has no product * with a row", f"Write {x}*{y}' or {y}*{x}"
        case _:
            remedy = 'Name the axes: einsum("ijk,k->ij", T, x)'
            return "tensors have no product *", remedy


def _evaluate_product(evaluation: Evaluation) -> Array:
    left, right = evaluation.operand_types
    if not left.shape or not right.shape:
        return evaluation.x * evaluation.y
    if left.orientation == "column":
        return np.outer(evaluation.x, evaluation.y)
    return evaluation.x @ evaluation.y


def _build_product(node: Node, operands: Sequence[Expr]) -> Expr:
    x, y = operands
    if not x.ndim or not y.ndim:
        return ops.mul(x, y)
    if node.operands[0].type.orientation == "column":
        return ops.outer(x, y)
    return ops.matmul(x, y)


PRODUCT = Word(
    "*",
    _TWO,
    _infer_product,
    _evaluate_product,
    _build_product,
    "Matrix product, also written @; scalars scale.",
    fold=lambda values, params: folded(values[0] * values[1]),
)
TIMES = Word(
    ".*",
    _TWO,
    partial(entrywise, rule=".* needs equal shapes"),
    lambda e: e.x * e.y,
    lambda node, operands: ops.mul(*operands),
    "Product entry by entry, also written ⊙.",
    fold=lambda values, params: folded(values[0] * values[1]),
)

# ---------------------------------------------------------------- quotients


def _fold_quotient(values: Sequence[Fraction], params: Params) -> Fraction | None:
    return folded(values[0] / values[1])


def _check_divisor(site: Site) -> None:
    if site.values[1] == 0:
        raise site.fail("division by zero", 1)


def _infer_quotient(site: Site) -> Type:
    _check_divisor(site)
    left, right = site.types
    if not right.shape:
        return left
    x, y = _atom(site, 0), _atom(site, 1)
    if right.orientation == "matrix" and left.shape:
        remedy = f"Write {x}*inv({y}) for the product with the inverse, {x}./{y} entry by entry"
    else:
        remedy = f"To divide entry by entry write {x}./{y}"
    raise site.clash("/ divides by scalars only", remedy)


def _infer_divide(site: Site) -> Type:
    _check_divisor(site)
    return entrywise(site, rule="./ needs equal shapes")


QUOTIENT = Word(
    "/",
    _TWO,
    _infer_quotient,
    lambda e: e.x / e.y,
    lambda node, operands: ops.divide(*operands),
    "Quotient by a scalar.",
    fold=_fold_quotient,
)
DIVIDE = Word(
    "./",
    _TWO,
    _infer_divide,
    lambda e: e.x / e.y,
    lambda node, operands: ops.divide(*(spread(x, node.shape) for x in operands)),
    "Quotient entry by entry, also written ⊘.",
    fold=_fold_quotient,
)

# ---------------------------------------------------------------- powers


def _fold_power(values: Sequence[Fraction], params: Params) -> Fraction | None:
    base, exponent = values
    if exponent.denominator != 1:
        return None
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    return folded(base**exponent.numerator) if bits * abs(exponent) <= _MAX_BITS else None


def _check_exponent(site: Site) -> None:
    base, exponent = site.values
    if exponent is not None and abs(exponent) > MAX_EXPONENT:
        raise site.fail(f"an exponent can be up to {MAX_EXPONENT}", 1)
    if base == 0 and exponent is not None and exponent < 0:
        raise site.fail("zero has no negative power", 0)


def _infer_power(site: Site) -> Type:
    _check_exponent(site)
    base, exponent = site.types
    x = _atom(site, 0)
    if exponent.shape:
        written = site.syntax.operands[1] if isinstance(site.syntax, Operation) else None
        if isinstance(written, Name) and written.name == "T" and base.shape:
            raise site.fail(f"T is a variable here; for the transpose write {x}'", 1)
        y = _atom(site, 1)
        raise site.clash("the exponent of ^ is a scalar", f"Entry by entry write {x}.^{y}")
    if not base.shape:
        return SCALAR
    if base.orientation != "matrix":
        remedy = f"Entry by entry write {x}.^{_atom(site, 1)}"
        raise site.clash("^ is for scalars and square matrices", remedy)
    site.params = (integer_power(site, site.values[1], f"{x}.^{_atom(site, 1)}"),)
    site.equal((0, 0), (0, 1), "a matrix power needs a square matrix")
    return base


def integer_power(site: Site, value: Fraction | None, instead: str) -> int:
    """The exponent of a matrix power, which is an integer literal."""
    if value is None or value.denominator != 1:
        raise site.fail(
            f"a matrix power has an integer as its exponent; entry by entry write {instead}", 1
        )
    if abs(value) > MAX_EXPONENT:
        raise site.fail(f"an exponent can be up to {MAX_EXPONENT}", 1)
    return value.numerator


def _evaluate_power(evaluation: Evaluation) -> Array:
    if evaluation.node.params:
        return matrix_power(evaluation.x, evaluation.param)
    return np.power(evaluation.x, evaluation.y)


def _build_power(node: Node, operands: Sequence[Expr]) -> Expr:
    if node.params:
        return ops.matpow(operands[0], int(str(node.params[0])))
    exponent = node.operands[1].value
    if exponent is not None and operands[0].shape == node.shape:
        return ops.power(operands[0], exponent)
    return ops.power_general(*(spread(x, node.shape) for x in operands))


def _infer_entry_power(site: Site) -> Type:
    _check_exponent(site)
    return entrywise(site, rule=".^ needs equal shapes")


POWER = Word(
    "^",
    _TWO,
    _infer_power,
    _evaluate_power,
    _build_power,
    "Power of a scalar, or integer power of a square matrix; also written **.",
    fold=_fold_power,
)
ENTRY_POWER = Word(
    ".^",
    _TWO,
    _infer_entry_power,
    lambda e: np.power(e.x, e.y),
    _build_power,
    "Power entry by entry.",
    fold=_fold_power,
)

# ---------------------------------------------------------------- transpose


def _infer_transpose(site: Site) -> Type:
    operand = site.types[0]
    match operand.orientation:
        case "scalar":
            return operand
        case "column":
            return Type("row", operand.shape)
        case "row":
            return Type("column", operand.shape)
        case "matrix":
            return Type("matrix", operand.shape[::-1])
        case "tensor":
            remedy = 'Name the axes: einsum("ijk->kij", T)'
            raise site.clash("a tensor has no transpose", remedy)


TRANSPOSE = Word(
    "'",
    _ONE,
    _infer_transpose,
    lambda e: e.x.T,
    lambda node, operands: ops.transpose(operands[0]) if operands[0].ndim == 2 else operands[0],
    "Transpose, also written .T or ᵀ.",
    fold=lambda values, params: values[0],
)

OPERATORS = {
    word.name: word
    for word in (
        SUM, NEG, PRODUCT, TIMES, QUOTIENT, DIVIDE, POWER, ENTRY_POWER, TRANSPOSE,
    )
}  # fmt: skip
