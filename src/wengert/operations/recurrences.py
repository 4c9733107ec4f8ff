"""The power series of an elementwise function by its recurrence, as one operation.

The function's derivative is an expression of the function itself and of few others (tanh' = 1 −
tanh²), which are the *parts* of the recurrence: the coefficients of each follow from those of lower
order. They are found in NumPy order by order, all entries at once.

Source: Griewank and Walther, Evaluating Derivatives, chapter 13.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, lru_cache
from math import inf, prod
from typing import Any, Protocol

import numpy as np

from wengert.expr import Expr, Params
from wengert.operations.apply import apply
from wengert.operations.batching import spread
from wengert.operations.structure import coefficients_of, contraction_params
from wengert.operations.trailing import move_axis
from wengert.primitive import Kind, Notation, Primitive, Pushforward, WholeCurve, register
from wengert.shapes import Shape

_BLOCK = 4096  # entries that are worked on at a time, so that the coefficients stay in the cache

# ---------------------------------------------------------------- parts


@dataclass(frozen=True)
class Part:
    """A curve that takes part in a recurrence.

    Attributes
    ----------
    sources : tuple of int
        The parts that its value is made of.
    need : int
        The highest coefficient that is asked for.
    degree : int
        Coefficients beyond are 0.
    """

    sources: tuple[int, ...]
    need: int
    degree: int

    @property
    def rows(self) -> int:
        """The highest coefficient that is found."""
        return min(self.need, self.degree)


@dataclass(frozen=True)
class Given(Part):
    """The operand of that number."""

    operand: int


@dataclass(frozen=True)
class Fixed(Part):
    """What does not move, with its expression of the sources."""

    node: Expr


@dataclass(frozen=True)
class Sum(Part):
    """Σ weights · sources."""

    weights: tuple[float, ...]


@dataclass(frozen=True)
class Product(Part):
    """factor · the product of the sources; all but the first two are fixed."""

    factor: float


@dataclass(frozen=True)
class Scaled(Part):
    """factor · the product of the sources; all but the first are fixed."""

    factor: float


@dataclass(frozen=True)
class Power(Part):
    """The one source to a power that is not a whole number above 0, as ``node`` evaluates it."""

    node: Expr
    exponent: Fraction


@dataclass(frozen=True)
class Slope:
    """The partial derivative in a source: constant + weight · part; the part -1 is none."""

    source: int
    constant: float
    weight: float
    part: int


@dataclass(frozen=True)
class Function(Part):
    """A function by its partial derivatives, as ``node`` evaluates it."""

    node: Expr
    slopes: tuple[Slope, ...]


class Rules(Protocol):
    """The derivatives of a recurrence, by the same series as an expression."""

    def push(self, node: Expr, k: int, tangent: Expr) -> Expr:
        """The tangent of the series from that of an operand."""
        ...

    def tail(self, node: Expr, tails: dict[int, Expr], order: int) -> Expr | None:
        """The series of the series along a curve of its operands."""
        ...


@dataclass(frozen=True)
class Recurrence:
    """How the coefficients of a function's parts follow from each other.

    Attributes
    ----------
    label : str
        The function with its parameters, the degrees of its operands' curves and the order.
    parts : tuple of Part
        Each behind its sources.
    result : int
        The part that is the function.
    moving : tuple of int
        The operands with a tail.
    rules : Rules
        For derivatives.
    """

    label: str
    parts: tuple[Part, ...] = field(repr=False)
    result: int
    moving: tuple[int, ...]
    rules: Rules = field(compare=False, repr=False)

    @property
    def order(self) -> int:
        """The number of coefficients."""
        return self.parts[self.result].rows

    @cached_property
    def layout(self) -> _Layout:
        """What is kept of the parts, and what is done once their values are known."""
        return _layout(self.parts, self.result)


def series_by_recurrence(
    recurrence: Recurrence, value: Expr, operands: Sequence[Expr], tails: Sequence[Expr]
) -> Expr:
    """The tail of a function from its value, its operands and the tails of those that move."""
    return apply(RECURRENCE, value, *operands, *tails, recurrence=recurrence)


# ---------------------------------------------------------------- evaluation


class _Work:
    """The coefficients of all parts for one block of entries."""

    def __init__(self, layout: _Layout, size: int, dtype: Any) -> None:
        count = len(layout.parts)
        self.rows: list[Any] = [None] * count
        self.scaled: list[Any] = [None] * count
        self.inverse: list[Any] = [None] * count  # of a power's source
        self.regular: list[Any] = [None] * count  # a power without its poles
        for t, length in layout.stored:
            self.rows[t] = np.empty((length, size), dtype)
        for t, length in layout.weighted:
            self.scaled[t] = np.empty((length, size), dtype)


Step = Callable[[_Work], None]


@dataclass(frozen=True)
class _Layout:
    """What is kept of the parts, and what is done once their values are known.

    Attributes
    ----------
    stored, weighted : list of (int, int)
        The parts of which the coefficients are needed as they are, and those of which they are
        needed times ``weight · j``, with the number of rows.
    scaled : dict
        The weights of the latter.
    shifted : dict
        The parts that are needed with a constant added only, with the constant.
    steps : list of callable
        For the coefficients from order 1 on.
    """

    parts: tuple[Part, ...]
    stored: list[tuple[int, int]]
    weighted: list[tuple[int, int]]
    scaled: dict[int, float]
    shifted: dict[int, float]
    steps: list[Step] = field(default_factory=list[Step])


def _layout(parts: tuple[Part, ...], result: int) -> _Layout:
    used = _used_as_they_are(parts) | {result}
    slopes = [s for p in parts if isinstance(p, Function) for s in p.slopes]
    shifts: dict[int, set[float]] = {}
    weights: dict[int, set[float]] = {}
    for slope in slopes:
        if slope.part >= 0:
            shifts.setdefault(slope.part, set()).add(slope.constant / slope.weight)
            weights.setdefault(slope.source, set()).add(slope.weight)
    powers = {p.sources[0] for p in parts if isinstance(p, Power) and p.exponent != -1}
    shifted = {
        t: c
        for t, found in shifts.items()
        if len(found) == 1 and t not in used and not isinstance(parts[t], Given | Fixed | Power)
        for c in found
        if c
    }
    scaled = {
        t: (weights[t].copy().pop() if len(weights.get(t, ())) == 1 and t not in powers else 1.0)
        for t in weights.keys() | powers
    }
    linear = {s.source for s in slopes if s.constant and s.part not in shifted}
    moving = {t for t, p in enumerate(parts) if not isinstance(p, Fixed | Given)}
    wanted = used | moving | linear | {s.part for s in slopes if s.part >= 0}
    stored = [
        (t, parts[t].rows + 1) for t in sorted(wanted - {result}) if not isinstance(parts[t], Fixed)
    ]
    weighted = [(t, parts[t].rows + 1) for t in scaled]
    layout = _Layout(parts, stored, weighted, scaled, shifted)
    for k in range(1, max(p.rows for p in parts) + 1):
        for t, part in enumerate(parts):
            if k <= part.rows and type(part) in _STEPS:
                layout.steps.append(_STEPS[type(part)](layout, part, t, k))
                if t in scaled:
                    layout.steps.append(_scaling(t, k, k * scaled[t]))
    return layout


def _used_as_they_are(parts: Sequence[Part]) -> set[int]:
    """The parts that are sources of sums, products and powers."""
    return {s for p in parts if isinstance(p, Sum | Product | Scaled | Power) for s in p.sources}


def _scaling(t: int, k: int, weight: float) -> Step:
    def run(work: _Work) -> None:
        np.multiply(work.rows[t][k], weight, out=work.scaled[t][k])

    return run


def _sum_step(layout: _Layout, part: Sum, t: int, k: int) -> Step:
    parts = layout.parts
    weighted = zip(part.sources, part.weights, strict=True)
    (first, weight), *rest = ((s, w) for s, w in weighted if k <= parts[s].degree)

    def run(work: _Work) -> None:
        out = np.multiply(work.rows[first][k], weight, out=work.rows[t][k])
        for s, w in rest:
            out += work.rows[s][k] if w == 1 else w * work.rows[s][k]

    return run


def _products(low: int, high: int, k: int) -> Callable[[Any, Any, Any], Any]:
    """Σ aⱼ bₖ₋ⱼ for j = low, ..., high."""
    if low == high:
        return lambda a, b, out: np.multiply(a[low], b[k - low], out=out)
    left = slice(low, high + 1)
    right = slice(k - low, None if k == high else k - high - 1, -1)
    return lambda a, b, out: np.einsum("jn,jn->n", a[left], b[right], out=out)


def _product_step(layout: _Layout, part: Product, t: int, k: int) -> Step:
    parts = layout.parts
    a, b, *fixed = part.sources
    low, high = max(0, k - parts[b].degree), min(k, parts[a].degree)
    products = _products(low, high, k) if a != b else _square(low, k)

    def run(work: _Work) -> None:
        out = products(work.rows[a], work.rows[b], work.rows[t][k])
        _multiply(work, layout, out, part.factor, fixed)

    return run


def _scaled_step(layout: _Layout, part: Scaled, t: int, k: int) -> Step:
    moving, first, *rest = part.sources

    def run(work: _Work) -> None:
        out = np.multiply(work.rows[moving][k], _fixed_value(work, layout, first), work.rows[t][k])
        _multiply(work, layout, out, part.factor, rest)

    return run


def _multiply(work: _Work, layout: _Layout, out: Any, factor: float, fixed: Sequence[int]) -> None:
    if factor != 1:
        out *= factor
    for s in fixed:
        out *= _fixed_value(work, layout, s)


def _fixed_value(work: _Work, layout: _Layout, s: int) -> Any:
    return work.rows[s] if isinstance(layout.parts[s], Fixed) else work.rows[s][0]


def _square(low: int, k: int) -> Callable[[Any, Any, Any], Any]:
    """Σ aⱼ aₖ₋ⱼ for j = low, ..., k − low, from half of the products."""
    half, middle = (k - 1) // 2, k // 2
    if low > half:
        return lambda a, _, out: np.square(a[middle], out=out)
    products = _products(low, half, k)

    def run(a: Any, _: Any, out: Any) -> Any:
        products(a, a, out)
        out *= 2
        if k % 2 == 0:
            out += np.square(a[middle])
        return out

    return run


def _function_step(layout: _Layout, part: Function, t: int, k: int) -> Step:
    """k yₖ = Σ j xⱼ pₖ₋ⱼ over all sources x with partial derivatives p."""
    terms = [term for slope in part.slopes for term in _terms(layout, slope, k)]
    if len(terms) == 1:
        (only,) = terms
        return lambda work: only(work, work.rows[t][k])

    def run(work: _Work) -> None:
        out = work.rows[t][k]
        if not terms:
            out.fill(0)
        for number, term in enumerate(terms):
            if number:
                part = np.empty_like(out)
                term(work, part)
                out += part
            else:
                term(work, out)

    return run


def _terms(layout: _Layout, slope: Slope, k: int) -> list[Callable[[_Work, Any], None]]:
    parts, x, p = layout.parts, slope.source, slope.part
    found: list[Callable[[_Work, Any], None]] = []
    if p >= 0:
        low, high = max(1, k - parts[p].degree), min(k, parts[x].degree)
        if low <= high:
            weight = slope.weight / layout.scaled[x] / k
            found.append(
                _weighted(x, p, weight, _products(low, high, k), isinstance(parts[p], Fixed))
            )
    if slope.constant and p not in layout.shifted and k <= parts[x].degree:

        def linear(work: _Work, out: Any) -> None:
            np.multiply(work.rows[x][k], slope.constant, out=out)

        found.append(linear)
    return found


def _weighted(
    x: int, p: int, weight: float, products: Any, fixed: bool
) -> Callable[[_Work, Any], None]:
    def run(work: _Work, out: Any) -> None:
        partial = work.rows[p]
        products(work.scaled[x], partial[None] if fixed else partial, out)
        if weight != 1:
            np.multiply(out, weight, out=out)

    return run


def _power_step(layout: _Layout, part: Power, t: int, k: int) -> Step:
    """From x y' = a x' y: k x₀ yₖ = Σ ((a + 1) j − k) xⱼ yₖ₋ⱼ."""
    parts = layout.parts
    (x,) = part.sources
    weight = float(part.exponent + 1) / k
    products = _products(1, min(k, parts[x].degree), k)
    binomial = 1.0
    for j in range(k):
        binomial *= float(part.exponent - j) / (j + 1)

    def run(work: _Work) -> None:
        y = work.rows[t] if work.regular[t] is None else work.regular[t]
        out = products(work.rows[x], y, y[k])
        np.negative(out, out=out)
        if weight:
            out += weight * products(work.scaled[x], y, np.empty_like(out))
        out *= work.inverse[t]
        if y is not work.rows[t]:  # C(a, k) x₀ᵃ⁻ᵏ x₁ᵏ where x₀ = 0
            pole = inf if k > part.exponent else 0.0
            singular = binomial * pole * work.rows[x][1] ** k
            work.rows[t][k] = np.where(work.rows[x][0] == 0, singular, out)

    return run


_STEPS: dict[type[Part], Callable[..., Step]] = {
    Sum: _sum_step,
    Product: _product_step,
    Scaled: _scaled_step,
    Function: _function_step,
    Power: _power_step,
}


def _evaluate(node: Expr, value: Any, *arrays: Any) -> Any:
    """All coefficients, block by block of the entries."""
    recurrence: Recurrence = node.params[0]
    count = len(arrays) - len(recurrence.moving)
    operands, tails = arrays[:count], arrays[count:]
    full = tails[0].shape[1:]
    size = prod(full)
    flat = [_spread_flat(x, full) for x in (value, *operands)]
    moved = dict(zip(recurrence.moving, (t.reshape(len(t), size) for t in tails), strict=True))
    layout, result = recurrence.layout, recurrence.result
    found = np.empty((recurrence.order + 1, size), tails[0].dtype)
    work = None
    for start in range(0, size, _BLOCK):
        block = slice(start, min(start + _BLOCK, size))
        if work is None or block.stop - start < _BLOCK:
            work = _Work(layout, block.stop - start, found.dtype)
        work.rows[result] = found[:, block]
        values, *given = (x[block] for x in flat)
        _start(work, layout, result, values, given, {k: t[:, block] for k, t in moved.items()})
        for step in layout.steps:
            step(work)
    return found[1:].reshape(recurrence.order, *full)


def _spread_flat(x: Any, shape: tuple[int, ...]) -> Any:
    return (x if x.shape == shape else np.broadcast_to(x, shape)).reshape(-1)


def _start(
    work: _Work,
    layout: _Layout,
    result: int,
    value: Any,
    operands: list[Any],
    moved: dict[int, Any],
) -> None:
    """The values of all parts, and the coefficients that are given."""
    values: list[Any] = []
    for t, part in enumerate(layout.parts):
        if t == result:
            found = value
        elif isinstance(part, Given):
            found = operands[part.operand]
        else:
            found = _value_of(part, [values[s] for s in part.sources])
        values.append(found)
        if isinstance(part, Fixed):
            work.rows[t] = found
            continue
        rows, scaled = work.rows[t], work.scaled[t]
        if rows is not None:
            shift = layout.shifted.get(t)
            rows[0] = found if shift is None else found + shift
        if isinstance(part, Given) and part.rows:
            tail = moved[part.operand][: part.rows]
            if rows is not None:
                rows[1:] = tail
            if scaled is not None:
                np.multiply(tail, _weights(part.rows, layout.scaled[t], tail.dtype), out=scaled[1:])
        elif isinstance(part, Power):
            _start_power(work, t, values[part.sources[0]], found)


@lru_cache(maxsize=256)
def _weights(count: int, weight: float, dtype: Any) -> Any:
    return (weight * np.arange(1, count + 1, dtype=dtype))[:, None]


def _start_power(work: _Work, t: int, base: Any, value: Any) -> None:
    zero = base == 0
    poles = bool(np.any(zero))
    work.inverse[t] = np.where(zero, 0, 1 / np.where(zero, 1, base)) if poles else 1 / base
    work.regular[t] = None
    if poles:
        work.regular[t] = np.empty_like(work.rows[t])
        work.regular[t][0] = np.where(zero, 0, value)


def _value_of(part: Part, values: list[Any]) -> Any:
    if isinstance(part, Sum):
        return sum(w * x for w, x in zip(part.weights, values, strict=True))
    if isinstance(part, Product | Scaled):
        return part.factor * prod(values)
    assert isinstance(part, Fixed | Power | Function)
    node = part.node
    if node.primitive.kind is Kind.CONTRACTION:
        return float(contraction_params(node)[2]) * prod(values)
    if node.primitive.kind is Kind.SUM:
        return sum(float(w) * x for w, x in zip(coefficients_of(node), values, strict=True))
    found = node.primitive.evaluate(node, *values)
    return found if np.ndim(found) else float(found)  # numbers take the arrays' precision


# ---------------------------------------------------------------- declaration


def _shape_of_series(operands: tuple[Expr, ...], params: Params) -> Shape:
    (recurrence,) = params
    return (recurrence.order, *operands[-1].shape[1:])


def _batch(node: Expr, operands: tuple[Expr, ...], batched: tuple[bool, ...]) -> Expr:
    """A new axis of entries; it stands behind the tails' extra axes."""
    recurrence: Recurrence = node.params[0]
    size = operands[batched.index(True)].shape[0]
    count = len(operands) - len(recurrence.moving)
    behind = node.ndim - node.operands[0].ndim
    level = [o if b else spread(o, size) for o, b in zip(operands, batched, strict=True)]
    moved = [*level[:count], *(move_axis(t, 0, behind) for t in level[count:])]
    return move_axis(apply(RECURRENCE, *moved, recurrence=recurrence), behind, 0)


def _notation(node: Expr) -> Notation:
    arguments = ", ".join(f"{{{k}}}" for k in range(1, len(node.operands)))
    label = node.params[0].label
    text = f"series[{label}]({arguments})"
    latex = rf"\operatorname{{{{series}}}}\left({arguments}\right)"
    return Notation(text, text, latex, "")


RECURRENCE = register(
    Primitive(
        "recurrence",
        None,
        _shape_of_series,
        _evaluate,
        Pushforward(lambda node, k, tangent: node.params[0].rules.push(node, k, tangent)),
        _notation,
        parameters=("recurrence",),
        series=WholeCurve(lambda node, tails, order: node.params[0].rules.tail(node, tails, order)),
        domains=(),
        batch=_batch,
        source="Griewank and Walther, Evaluating Derivatives, chapter 13",
        rule="the derivative of every step of the recurrence",
    )
)
