"""Writes docs/operations.md: every operation, and every function of NumPy and SciPy that is supported.

Run as ``python docs/make_operations.py`` (``--check`` only compares). The operations are read from
the registry. What a function is made of is seen by calling it: the tests of tracing hold a call of
each one, and the operations that appear between its arguments and its result are noted.
"""

# The tests' tables are imported where they are needed: tracing must be wrapped before.
# ruff: noqa: E402, E501, PLC0415, T201

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import optree

HERE = Path(__file__).parent
PAGE = HERE / "operations.md"
sys.path[:0] = [str(HERE.parent / "src"), str(HERE.parent / "tests")]

from wengert.errors import DomainError
from wengert.explanation.rules import operation_rule
from wengert.expr import Expr, topological
from wengert.operations import apply, constant, variable
from wengert.operations.composed import operation_of
from wengert.primitive import Constant, Domain, Kind, Primitive, Undefined, registry
from wengert.printing import index_notation, matrix_notation
from wengert.tracing import TracedArray
from wengert.tracing.dispatch import implementations, name_of
from wengert.tracing.replacing import versions
from wengert.tracing.scipy_distributions import CONTINUOUS, DISCRETE
from wengert.transforms.differentiate import derivative

INTRODUCTION = """# Operations

Written by `python docs/make_operations.py` from the declarations; a test fails when it is out of date.

An **operation** is what derivatives are known of. Everything else is made of operations: the last table says of which.

"""
OPERATIONS = """## Operations

*Formula* is how the operation prints, on operands of the least rank that it takes. *Kind* says how its derivative is
declared:

| kind | the derivative is given as |
|---|---|
| Partials | the partial derivative with respect to each operand, entry by entry |
| Linear, Multilinear, PartlyLinear | the operation itself, with a tangent in an operand's place |
| Pushforward | a linear map of tangents; reverse mode transposes it |
| Joint | the derivative of the program that the operation holds |
| Constant | zero: the result is an index, a truth value, or piecewise constant |
| Undefined | an error that gives the reason |

*Tested on* is where generated tests draw the operands from, with the special points that are tested besides. The
operation itself is defined wherever its formula is.

| operation | formula | kind | derivative | tested on | source or convention |
|---|---|---|---|---|---|
"""
FUNCTIONS = """
## Functions of NumPy and SciPy

All of these work on traced arrays, and so in every transform. A function without an operation only reads shapes and
dtypes or moves no numbers at all. Operators and methods of arrays (`x @ y`, `x.sum()`) are the functions of the same
name; ufuncs also have `reduce` (add, multiply, maximum, minimum, logical_and, logical_or), `accumulate` and `outer`.

| function | made of |
|---|---|
"""
DISTRIBUTIONS = """
## Distributions of scipy.stats

`pdf`, `logpdf` (`pmf`, `logpmf`), and `cdf`, `sf`, `logcdf`, `logsf` where they are named; with `loc` and `scale`. Also
`multivariate_normal.logpdf`, `pdf` and `entropy`, and `dirichlet.logpdf` and `pdf`.

| distribution | with derivatives of |
|---|---|
"""
NAMES = {0: "xzuvw", 1: "xyzuv", 2: "ABCDE"}
LEAVES = (Kind.VARIABLE, Kind.SIZE)
# Constants carry no derivative: naming them would only lengthen the lists.
SILENT = {"constant", "int_array", "bool_array"}
# Functions that the tests of tracing do not call by themselves.
MORE: dict[str, Callable[[Any], Any]] = {}


# ---------------------------------------------------------------- operations


def operation_rows() -> Iterable[str]:
    """A row for each declaration."""
    for name, primitive in sorted(registry.items(), key=lambda pair: pair[0].lower()):
        if primitive.kind in LEAVES:
            continue
        yield _row(
            f"`{name}`",
            _formula(primitive),
            type(primitive.derivative).__name__,
            _rule(primitive),
            _domains(primitive),
            primitive.source,
        )


def _row(*cells: str) -> str:
    return "| " + " | ".join(_escaped(c) for c in cells) + " |\n"


def _escaped(cell: str) -> str:
    for mark in "|*_<":
        if not cell.startswith("`"):
            cell = cell.replace(mark, f"\\{mark}")
    return " ".join(cell.split())


def _formula(primitive: Primitive) -> str:
    node = _example(primitive)
    if node is None:
        return _WRITTEN.get(primitive.kind, f"{primitive.name}(…)")
    return matrix_notation(node) or index_notation(node)


# Structural operations print as what they are used for; these show the general form.
_WRITTEN = {
    Kind.CONTRACTION: "Σ of products of entries over some of the indices",
    Kind.SUM: "x + z",
    Kind.POWER: "xᵖ, p a rational number",
    Kind.SAFE_POWER: "xᵖ, p a rational number, 0 where x = 0",
    Kind.BRANCH: "one of two programs, by a truth value",
    Kind.SCAN: "a program repeated along an axis",
    Kind.WHILE: "a program repeated as long as a condition holds",
}


def _example(primitive: Primitive) -> Expr | None:
    from operations.support import calls

    if primitive.kind is not Kind.FUNCTION or not (primitive.arity or primitive.samples):
        return None
    arity = primitive.arity or 0
    if primitive.samples:
        sample = primitive.samples[0]
        given = dict(zip(primitive.parameters, sample.params, strict=True))
        shapes = sample.shapes
    elif primitive.elementwise and not primitive.parameters:
        given, shapes = {}, ((),) * arity
    else:
        try:
            call = next(iter(calls(primitive, _shapes(primitive))))
        except AssertionError:  # the tests have no values for its parameters
            return None
        given, shapes = dict(call.params), call.shapes
    kinds = [d.dtype for d in primitive.domains]
    kinds += kinds[-1:] * (len(shapes) - len(kinds))
    used: dict[int, int] = {}
    operands: list[Expr] = []
    for shape, kind in zip(shapes, kinds, strict=False):
        rank = min(len(shape), 2)
        name = NAMES[rank][used.get(rank, 0)]
        used[rank] = used.get(rank, 0) + 1
        operands.append(variable(name, shape, dtype=kind))
    return apply(primitive, *operands, **given)


def _shapes(primitive: Primitive) -> list[tuple[int, ...]]:
    from operations.support import small_shapes

    return small_shapes(primitive)


class _Node:
    """What the name of a rule depends on."""

    def __init__(self, primitive: Primitive) -> None:
        self.primitive = primitive
        self.params = tuple(1 for _ in primitive.parameters)
        self.ndim = 0


def _rule(primitive: Primitive) -> str:
    if isinstance(primitive.derivative, Constant | Undefined):
        return primitive.derivative.reason
    if primitive.arity == 0:
        return ""
    node: Any = _Node(primitive)
    return operation_rule(node, [True] * (primitive.arity or 1))


def _domains(primitive: Primitive) -> str:
    texts = [_domain(d) for d in primitive.domains] if primitive.arity != 0 else []
    return texts[0] if len(set(texts)) == 1 else "; ".join(texts)


def _domain(domain: Domain) -> str:
    if domain.dtype == "bool":
        return "masks"
    text = f"{domain.low:g} to {domain.high:g}".replace("-", "−")
    if domain.dtype == "int":
        return f"integers {text}"
    if domain.matrix:
        text = f"{domain.matrix}, {text}"
    if domain.boundary:
        text += "; " + ", ".join(f"{b:g}" for b in domain.boundary).replace("-", "−")
    return text


# ---------------------------------------------------------------- functions

found: dict[str, set[str]] = {}


def _exprs(tree: Any) -> list[Expr]:
    return [x.expr for x in optree.tree_leaves(tree) if isinstance(x, TracedArray)]


def _recording(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def recorded(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        before = {n for e in _exprs((args, kwargs)) for n in topological(e)}
        after = {n for e in _exprs(result) for n in topological(e)} - before
        named = {n.primitive.name for n in after if n.primitive.kind not in LEAVES}
        found.setdefault(name, set()).update(named - SILENT)
        return result

    return recorded


def _record_all() -> None:
    """Run the tests' calls with every function noting what it is made of."""
    for function, implementation in list(implementations.items()):
        implementations[function] = _recording(name_of(function), implementation)
    for module, functions in versions.items():
        for name, implementation in list(functions.items()):
            functions[name] = _recording(f"{module}.{name}", implementation)
    from scipy import special

    from tracing.table import TABLE
    from tracing.test_scipy_functions import INTEGRATE, LINALG, SIGNAL, SPECIAL

    MORE["factorial"] = special.factorial
    for row in (*TABLE, *SPECIAL, *LINALG, *SIGNAL, *INTEGRATE):
        arguments = row.draw()
        derivative(row.call, tuple(range(len(arguments))), order=0)(*arguments)
    for call in MORE.values():
        derivative(call, order=0)(np.array([0.5, 1.5]))


def _ufuncs() -> Iterable[tuple[str, set[str]]]:
    """Functions that a declaration or the table of compositions names."""
    from wengert.operations import composed

    declared = {f: p.name for p in registry.values() for f in p.ufuncs}
    for function, name in declared.items():
        if not isinstance(function, np.ufunc) and function not in implementations:
            continue
        yield name_of(function), {name}
    for function in composed._COMPOSED:
        build = operation_of(function)
        if not isinstance(function, np.ufunc) or build is None:
            continue
        operands = [variable(n, ()) for n in "nxyz"[-function.nin :]]
        try:
            built = build(*operands)
        except DomainError:  # its first operand is a whole order
            built = build(constant(2), *operands[1:])
        roots = built if isinstance(built, tuple) else (built,)
        nodes = {n for root in roots for n in topological(root)}
        names = {n.primitive.name for n in nodes if n.primitive.kind not in LEAVES}
        yield name_of(function), names - SILENT


def function_rows() -> Iterable[str]:
    """A row for each function, with the operations in its calls."""
    _record_all()
    made = dict(found)
    for name, names in _ufuncs():
        made.setdefault(name, set()).update(names if name not in found else set())
    titles = {"getitem": "x[index]", "astype": "x.astype"}
    rows = {titles.get(name, name): names for name, names in made.items()}
    for name in sorted(rows, key=str.lower):
        operations = ", ".join(f"`{n}`" for n in sorted(rows[name]))
        yield f"| `{name}` | {operations or '—'} |\n"


def distribution_rows() -> Iterable[str]:
    """A row for each distribution."""
    for table, base in ((CONTINUOUS, "pdf"), (DISCRETE, "pmf")):
        for name in sorted(table):
            methods = [base, f"log{base}", *table[name].functions]
            yield f"| `{name}` | {', '.join(f'`{m}`' for m in methods)} |\n"


def page() -> str:
    """The whole page."""
    return "".join(
        [
            INTRODUCTION,
            OPERATIONS,
            *operation_rows(),
            FUNCTIONS,
            *function_rows(),
            DISTRIBUTIONS,
            *distribution_rows(),
        ]
    )


def main() -> int:
    """Write the page, or say whether it is up to date."""
    text = page()
    if "--check" not in sys.argv:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    print(f"{PAGE.name} is out of date: python docs/make_operations.py")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
