"""Operations along the last axis as routines, for back ends that generate code.

Running sums, places of extrema, orders, products of the other factors, and division of integers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from wengert.operations.written import Arrays, Cells, Code, over_batch

Given = Sequence[Cells]


# ---------------------------------------------------------------- running sums and products


def cumulative_sum(arrays: Arrays, node: Any, x: Any) -> Any:
    """Running sums, from the end if the node says so."""
    reverse = node.param("reverse")
    return arrays.run(_write_sums, [(arrays.shape(x), "real")], x, reverse=reverse)[0]


def _write_sums(code: Code, results: Given, operands: Given, *, reverse: bool) -> None:
    (y,), (x,) = results, operands
    n = x.shape[-1]

    def line(index: tuple[Any, ...]) -> None:
        def entry(i: Any, total: Any) -> list[Any]:
            k = (n - 1) - i if reverse else i
            total = total + x.at(*index)[k]
            y.at(*index)[k] = total
            return [total]

        first = n - 1 if reverse else 0
        y.at(*index)[first] = start = x.at(*index)[first]
        code.loop(n, entry, start, start=1)

    over_batch(code, x.shape[:-1], line)


def other_factors(arrays: Arrays, node: Any, x: Any) -> Any:
    """The products of all entries but those of some indices, 0 where two of these are the same."""
    *lead, n = arrays.shape(x)
    order = node.param("order")
    results = [((*lead, *(n,) * order), "real"), ((n,), "real")]
    return arrays.run(_write_other_factors, results, x)[0]


def _write_other_factors(code: Code, results: Given, operands: Given) -> None:
    (y, without), (x,) = results, operands
    n, batch = x.shape[-1], len(x.shape) - 1

    def line(index: tuple[Any, ...]) -> None:
        given, excluded = x.at(*index[:batch]), index[batch:]

        def entry(i: Any) -> None:
            value = given[i]
            for k in excluded:
                value = code.select(i.equals(k), 1.0, value)
            without[i] = value

        code.loop(n, entry)
        _exclude_one(code, without, y.at(*index))
        _clear_repeated(code, y.at(*index), excluded)

    over_batch(code, y.shape[:-1], line)


def _exclude_one(code: Code, given: Cells, found: Cells) -> None:
    """The products of all entries before each, times those of all entries after it."""
    n = given.shape[-1]

    def before(i: Any, product: Any) -> list[Any]:
        found[i] = product
        return [product * given[i]]

    def after(i: Any, product: Any) -> list[Any]:
        k = (n - 1) - i
        found[k] = found[k] * product
        return [product * given[k]]

    code.loop(n, before, code.number(1.0))
    code.loop(n, after, code.number(1.0))


def _clear_repeated(code: Code, row: Cells, excluded: Sequence[Any]) -> None:
    """0 at the places that are excluded already; all of the row if two of these are the same."""

    def entry(i: Any) -> None:
        places = [*excluded, i]
        for k, one in enumerate(places):
            for other in places[k + 1 :]:
                row[i] = code.select(_equal(code, one, other), 0.0, row[i])

    if excluded:
        code.loop(row.shape[-1], entry)


def _equal(code: Code, one: Any, other: Any) -> Any:
    first = code.index(one) if isinstance(one, int) else one
    return first.equals(other)


# ---------------------------------------------------------------- places


def place_of_extremum(*, largest: bool) -> Callable[..., Any]:
    """The place of the largest or least entry, the first one at ties, or of the first NaN."""
    return lambda arrays, node, x: arrays.run(
        _write_place, [(arrays.shape(x)[:-1], "int")], x, largest=largest
    )[0]


def _write_place(code: Code, results: Given, operands: Given, *, largest: bool) -> None:
    (places,), (x,) = results, operands

    def line(index: tuple[Any, ...]) -> None:
        given = x.at(*index)

        def entry(i: Any, best: Any, place: Any) -> list[Any]:
            value = given[i]
            further = value > best if largest else value < best
            further = (further | value.is_nan()) & ~best.is_nan()
            return [code.select(further, value, best), code.select(further, i, place)]

        _, place = code.loop(x.shape[-1], entry, given[0], code.index(0), start=1)
        places[index] = place

    over_batch(code, x.shape[:-1], line)


def ascending_order(arrays: Arrays, node: Any, x: Any) -> Any:
    """The places of the entries in ascending order, NaN last; ties keep their order."""
    shape = arrays.shape(x)
    return arrays.run(_write_order, [(shape, "int"), (shape[-1:], "int")], x)[0]


def _write_order(code: Code, results: Given, operands: Given) -> None:
    """Merging from below: runs of 1, 2, 4, ... places, from one array to the other and back."""
    (order, other), (x,) = results, operands
    n = x.shape[-1]
    passes = max(n - 1, 0).bit_length()

    def line(index: tuple[Any, ...]) -> None:
        given, own = x.at(*index), order.at(*index)
        here, there = (own, other) if passes % 2 == 0 else (other, own)

        def begin(i: Any) -> None:
            here[i] = i

        code.loop(n, begin)
        for k in range(passes):
            _merge_runs(code, given, here, there, 1 << k)
            here, there = there, here

    over_batch(code, x.shape[:-1], line)


def _merge_runs(code: Code, x: Cells, here: Cells, there: Cells, length: int) -> None:
    """Pairs of sorted runs of a length become one each."""
    n = x.shape[-1]

    def least(value: Any) -> Any:
        return code.select(value < n, value, n)

    def pair(p: Any) -> None:
        start = p * (2 * length)
        middle, stop = least(start + length), least(start + 2 * length)

        def one(k: Any, i: Any, j: Any) -> list[Any]:
            left, right = here[_inside(code, i, n)], here[_inside(code, j, n)]
            first, second = x[left], x[right]
            # The left one, unless the right one is less; what is NaN comes after all else.
            later = (second < first) | (first.is_nan() & ~second.is_nan())
            takes = (j < stop) & (later | (i >= middle))
            there[k] = code.select(takes, right, left)
            step = code.integer(takes)
            return [i + 1 - step, j + step]

        code.loop(stop, one, start, middle, start=start)

    code.loop(-(-n // (2 * length)), pair)


def _inside(code: Code, index: Any, n: int) -> Any:
    """The index, or the last one where it is beyond the end."""
    return code.select(index < n, index, n - 1)


# ---------------------------------------------------------------- integers


def integer_division(*, remainder: bool) -> Callable[..., Any]:
    """Quotients rounded down, or remainders with the sign of the divisor."""
    return lambda arrays, node, x, y: arrays.run(
        _write_division, [(arrays.shape(x), "int")], x, y, remainder=remainder
    )[0]


def _write_division(code: Code, results: Given, operands: Given, *, remainder: bool) -> None:
    found, x, y = (cells.flat() for cells in (*results, *operands))

    def entry(i: Any) -> None:
        above, below = x[i], y[i]
        code.refuse(below.equals(0))
        turned = below.equals(-1)  # the least integer has no such quotient: it wraps around
        quotient = code.integer_quotient(above, code.select(turned, 1, below))
        quotient = code.select(turned, -quotient, quotient)
        rest = above - quotient * below
        down = rest.differs(0) & ((rest ^ below) < 0)
        found[i] = (
            rest + code.select(down, below, 0) if remainder else (quotient - code.integer(down))
        )

    code.loop(found.size, entry)


def truncated(arrays: Arrays, node: Any, x: Any) -> Any:
    """Real numbers without their fractions, as integers."""
    return arrays.run(_write_truncation, [(arrays.shape(x), "int")], x)[0]


def _write_truncation(code: Code, results: Given, operands: Given) -> None:
    found, x = (cells.flat() for cells in (*results, *operands))

    def entry(i: Any) -> None:
        value = x[i]
        code.refuse(~(code.call("abs", value) < 2.0**63))
        found[i] = code.integer(value)

    code.loop(found.size, entry)


__all__ = [
    "ascending_order",
    "cumulative_sum",
    "integer_division",
    "other_factors",
    "place_of_extremum",
    "truncated",
]
