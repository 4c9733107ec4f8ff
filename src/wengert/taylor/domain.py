"""Where a value stops being a number: the first operation that is outside of its domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert import printing
from wengert.derive.series import directional_terms
from wengert.errors import DomainError, WengertError
from wengert.expr import Expr, rebuild, topological
from wengert.operations import variable
from wengert.operations.rebuild import with_operands
from wengert.operations.structural import SIZE
from wengert.operations.structure import is_variable
from wengert.rewrite import recognise
from wengert.shapes import concrete
from wengert.tracing import TracedArray
from wengert.transforms.evaluation import evaluate_known
from wengert.transforms.jets import jets_along
from wengert.transforms.recording import Recorded

_TINY = 2.0**-12  # a step along which series overflow only where they must
_MOST_DERIVED = 8  # order up to which a failure is looked for in the derivative's expression
_LONGEST = 60  # characters of an expression in a message


@dataclass(frozen=True)
class Failure:
    """The first operation whose operands are finite and whose result is not.

    Attributes
    ----------
    node : Expr
        The operation.
    operands : tuple of array
        What it was given.
    result : array
        What it gave.
    """

    node: Expr
    operands: tuple[Any, ...]
    result: Any

    def describe(self, names: Mapping[Expr, str]) -> str:
        """``log(x − 1) is nan where x − 1 = -1``; the leaves by the names that users gave."""
        memo = {leaf: variable(name, leaf.shape) for leaf, name in names.items()}
        text = _written(self.node, memo)
        bad = ~np.isfinite(self.result)
        place = tuple(int(i) for i in np.argwhere(bad)[0])
        value = self.result[place]
        at = f" at index {place}" if place else ""
        causes = [
            f"{_written(o, memo)} = {_entry(a, place, np.shape(self.result))}"
            for o, a in zip(self.node.operands, self.operands, strict=True)
            if o.operands or is_variable(o)
        ]
        where = f" where {', '.join(dict.fromkeys(causes))}" if causes else ""
        return f"{text} is {float(value)}{at}{where}"


def first_failure(roots: Sequence[Expr], values: Mapping[Expr, Any]) -> Failure | None:
    """The first node whose operands are all finite and whose value is not; None if there is none.

    Parameters
    ----------
    roots : sequence of Expr
        Expressions.
    values : mapping of Expr to array
        Of their variables.

    Examples
    --------
    >>> from wengert.operations import variable
    >>> import wengert as wg
    >>> f = wg.formula("log(x - 1)", {"x": ()})
    >>> found = first_failure([f.expr], {variable("x", ()): np.array(0.0)})
    >>> print(found.describe({}))
    log(x − 1) is nan where x − 1 = -1
    """
    known: dict[Expr, Any] = {}
    for root in map(recognise, roots):
        evaluate_known(root, values, known)
        for node in topological(root):
            if not _finite(known[node]) and all(_finite(known[o]) for o in node.operands):
                return Failure(node, tuple(known[o] for o in node.operands), known[node])
    return None


def refuse(failure: Failure | None, what: str, names: Mapping[Expr, str], remedy: str) -> None:
    """Raise the error that says which operation failed, and on what.

    Raises
    ------
    DomainError
        Always.
    """
    why = f": {failure.describe(names)}" if failure else ""
    raise DomainError(f"{what} is not finite{why}; {remedy}")


def _finite(value: Any) -> bool:
    array = np.asarray(value)
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def _written(node: Expr, memo: Mapping[Expr, Expr]) -> str:
    named = rebuild(node, with_operands, dict(memo))
    try:
        text = printing.matrix_notation(named) or printing.index_notation(named)
    except ZeroDivisionError:  # 1/0 has no notation
        text = f"{named.name} of {', '.join(_written(o, memo) for o in node.operands)}"
    return text if len(text) <= _LONGEST else f"{named.name}(...)"


def _entry(array: Any, place: tuple[int, ...], shape: tuple[int, ...]) -> str:
    """The entry of an operand behind an entry of the result, or what its entries are like."""
    array = np.asarray(array)
    if array.ndim == 0 or array.shape == shape:
        return f"{float(array[place] if array.ndim else array):.6g}"
    return f"an array of shape {array.shape}"


def check_point(recorded: Recorded | None, order: int, names: Sequence[str]) -> None:
    """An error unless a function's value and derivatives up to an order are finite.

    Parameters
    ----------
    recorded, order
        As for :func:`infinite_order`.
    names : sequence of str
        Of the point's arrays, for messages.

    Raises
    ------
    DomainError
        Saying which operation failed, and on what.
    """
    failing = infinite_order(recorded, order)
    if recorded is not None and failing is not None:
        refuse_order(recorded, failing, names)


def infinite_order(recorded: Recorded | None, order: int) -> int | None:
    """The lowest order of a derivative that is not finite at the point; 0 for the value.

    Parameters
    ----------
    recorded : Recorded or None
        The function's run at the point; within an outer run nothing is checked.
    order : int
        The highest order.
    """
    if recorded is None or any(isinstance(a, TracedArray) for a in recorded.arguments):
        return None
    if not recorded.roots:
        raise WengertError("the function gives no array: return what is to be expanded")
    return _first_infinite(recorded, order)


def refuse_order(recorded: Recorded, failing: int, names: Sequence[str]) -> None:
    """Raise the error that the derivative of an order is not finite.

    Parameters
    ----------
    recorded : Recorded
        The function's run at the point.
    failing : int
        The order.
    names : sequence of str
        Of the point's arrays.

    Raises
    ------
    DomainError
        Saying which operation failed, and on what.
    """
    named = dict(zip(recorded.leaves, names, strict=True))
    if failing == 0:
        what = "the point is outside of the function's domain: its value"
        remedy = "choose another point"
    else:
        what = f"the function has no derivative of order {failing} at the point: it"
        remedy = f"take an order of at most {failing - 1}, or another point"
    refuse(_failure_of_order(recorded, failing, named), what, named, remedy)


def check_constants(roots: Sequence[Expr], values: Mapping[Expr, Any]) -> None:
    """An error unless all that expressions have of some variables alone is finite there.

    Parameters
    ----------
    roots : sequence of Expr
        Expressions, of more variables.
    values : mapping of Expr to array
        Of these variables.

    Raises
    ------
    DomainError
        Saying which operation failed, and on what.
    """
    order = topological(*roots)
    open_: set[Expr] = set()
    for node in order:
        unknown = node.primitive is SIZE or (is_variable(node) and node not in values)
        if unknown or any(o in open_ for o in node.operands):
            open_.add(node)
    closed = [n for n in order if n not in open_ and n.ndim == 0 and n.operands]
    failure = first_failure(closed, values)
    if failure is not None:
        refuse(
            failure,
            "the point is outside of the domain of the function or of a derivative: a factor",
            {},
            "choose another point, or a lower order",
        )


def _first_infinite(recorded: Recorded, order: int) -> int | None:
    """The lowest order in which the series along (1, ..., 1) is not finite."""
    series: list[Any] = []
    for size in (1.0, _TINY):  # a small step, for series that overflow
        along = tuple(np.full((1, *np.shape(a)), size) for a in recorded.arguments)
        with np.errstate(all="ignore"):
            series = jets_along(recorded, along, order)
        if all(np.isfinite(s).all() for s in series):
            return None
    return min(k for k in range(order + 1) if not all(np.isfinite(s[k]).all() for s in series))


def _failure_of_order(recorded: Recorded, k: int, named: dict[Expr, str]) -> Failure | None:
    """The first failure in the k-th term along (1, ..., 1), whose name is δ."""
    if k > _MOST_DERIVED:
        return None
    seeds = {leaf: variable(f"·along{j}", leaf.shape) for j, leaf in enumerate(recorded.leaves)}
    named |= dict.fromkeys(seeds.values(), "δ")
    values = dict(zip(recorded.leaves, recorded.arguments, strict=True))
    values |= {leaf: recorded.trace.values[leaf] for _, leaf in recorded.trace.captured.values()}
    values |= {seed: np.ones(concrete(leaf.shape)) for leaf, seed in seeds.items()}
    return first_failure(
        [directional_terms(recognise(r), seeds, k)[k] for r in recorded.roots], values
    )
