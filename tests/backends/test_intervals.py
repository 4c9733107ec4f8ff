"""Enclosures hold: of every operation, on tight and wide boxes, at random points inside."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wengert as wg
from drawing import examples
from operations.references import DIGITS, SCALAR
from operations.support import GENERAL, Call, by_id, calls, evaluate, rng_for, small_shapes
from wengert.backends.intervals import Enclosed, enclose
from wengert.expr import Expr, topological
from wengert.operations import (
    add,
    apply,
    broadcast,
    diag,
    einsum,
    elementwise,
    mul,
    power,
    variable,
)
from wengert.operations.apply import same_shape
from wengert.operations.enclosing import MONOTONE, Extremes, Periodic, always
from wengert.operations.intervals import Interval, plus, times
from wengert.primitive import Domain, Notation, Partials, Primitive, registry
from wengert.taylor.kinks import constant_intervals
from wengert.transforms.recording import record

ELEMENTWISE = [p for p in registry.values() if p.elementwise and p.arity]
WIDTHS = (0.0, 1e-12, 1e-6, 1e-2, 0.3, 1.0)
LOOSE = {  # in which no enclosure is declared, and slopes give none
    "ive", "drgamma", "dgammainc", "dbetainc", "binom", "poch", "hyp0f1", "hyp1f1", "hyp2f1",
    "rgamma", "gammasgn",
}  # fmt: skip


def entries(domain: Domain, width: float, rng: np.random.Generator, count: int) -> Interval:
    """Intervals of that share of the operand's domain."""
    if domain.dtype == "bool":
        low = rng.random(count) < 0.5
        return Interval(low, low | (rng.random(count) < width))
    if domain.dtype == "int":
        low = rng.integers(int(domain.low), int(domain.high) + 1, count)
        high = np.minimum(low + int(2 * width), int(domain.high))
        return Interval(low, high)
    span = domain.high - domain.low
    low = domain.low + span * rng.random(count)
    return Interval(low, np.minimum(low + width * span, domain.high))


def boxes(call: Call, width: float, rng: np.random.Generator, count: int) -> list[Interval]:
    domains = call.primitive.domains
    padded = [*domains, *domains[-1:] * len(call.shapes)][: len(call.shapes)]
    return [entries(d, width, rng, count) for d in padded]


def inside(box: Interval, rng: np.random.Generator) -> Any:
    """A point of a box: mostly random, now and then an end."""
    share = np.clip(rng.random(box.lower.shape) * 1.4 - 0.2, 0, 1)
    if box.lower.dtype.kind == "b":
        return np.where(share < 0.5, box.lower, box.upper)
    if box.lower.dtype.kind == "i":
        return np.rint(box.lower + share * (box.upper - box.lower)).astype(int)
    return np.clip(box.lower + share * (box.upper - box.lower), box.lower, box.upper)


def enclosed(call: Call, operands: list[Interval]) -> tuple[Expr, Enclosed]:
    node = call.node()
    leaves = dict(zip(node.operands, operands, strict=True))
    return node, enclose([node], leaves)


def vector_calls() -> list[Call]:
    found = []
    for p in ELEMENTWISE:
        for call in calls(p, [(40,)]):
            shapes = ((40,),) * len(call.shapes)
            fresh = Call(p, shapes, call.params)
            if fresh not in found and fresh.node().primitive is p:
                found.append(fresh)
    return found


CALLS = vector_calls()


@pytest.mark.parametrize("width", WIDTHS)
@by_id(CALLS)
def test_values_of_elementwise_operations_are_inside(call: Call, width: float) -> None:
    rng = rng_for(call)
    operands = boxes(call, width, rng, 40)
    node, result = enclosed(call, operands)
    (found,) = result.intervals
    for _ in range(20):
        at = [inside(x, rng) for x in operands]
        with np.errstate(all="ignore"):
            value = np.asarray(node.primitive.evaluate(node, *at))
        check(found, value)
    exact = SCALAR.get(call.primitive.name)
    if exact is not None and node.dtype == "real" and call.primitive.name not in SLOW:
        at = [inside(x, rng) for x in operands]
        with mp.workdps(DIGITS):
            for k in range(0, 40, 10):
                value = exact(*(mp.mpf(float(a[k])) for a in at), **dict(call.params))
                assert found.lower[k] <= value <= found.upper[k], (at, k, value)
    if call.primitive.name not in LOOSE and node.dtype == "real":
        assert result.bounded, result.gaps


SLOW = {"dgammainc", "dbetainc", "gammaincinv", "gammainccinv", "betaincinv", "drgamma"}


def check(found: Interval, value: Any) -> None:
    ok = np.isnan(value.astype(float)) if value.dtype.kind == "f" else np.zeros(value.shape, bool)
    ok |= (found.lower <= value) & (value <= found.upper)
    bad = np.argmin(ok)
    assert ok.all(), (found.lower.flat[bad], value.flat[bad], found.upper.flat[bad])


# ------------------------------------------------------------------ arrays

UNBOUNDED = {  # operations on arrays of which no enclosure is known
    "pinv", "cholesky", "gaps", "eigenvectors", "qrorthogonal", "qrtriangle", "eigvals",
    "righteigenvectors", "solve_sylvester", "expm", "logm", "sqrtm", "svdleft", "svdright",
    "call", "while",
}  # fmt: skip
ARRAYS = [c for p in GENERAL if not p.elementwise for c in calls(p, small_shapes(p))]


def around(value: Any, width: float, rng: np.random.Generator) -> Interval:
    if value.dtype.kind in "ib":
        return Interval(value, value)
    radius = width * rng.random(value.shape)
    return Interval(value - radius, value + radius)


@pytest.mark.parametrize("width", [0.0, 1e-6, 0.05])
@by_id(ARRAYS)
def test_values_of_array_operations_are_inside(call: Call, width: float) -> None:
    rng = rng_for(call)
    drawn = call.draw(rng)
    operands = [around(np.asarray(drawn[n]), width, rng) for n in call.names]
    node = call.node()
    if not node.operands:
        pytest.skip("simplified to a constant")
    named = (call.names, call.shapes, call.dtypes)
    leaves = [variable(n, s, dtype=d) for n, s, d in zip(*named, strict=True)]
    result = enclose([node], dict(zip(leaves, operands, strict=True)))
    (found,) = result.intervals
    symmetric = any(d.matrix in ("symmetric", "positive") for d in call.primitive.domains)
    for _ in range(20):
        at = [inside(x, rng) for x in operands]
        if symmetric:
            at = [np.clip((x + np.swapaxes(x, -1, -2)) / 2, box.lower, box.upper)
                  for x, box in zip(at, operands, strict=True)]  # fmt: skip
        value = evaluate(node, dict(zip(call.names, at, strict=True)))
        rounding = 1e-13 * np.max(np.abs(value), initial=1.0) if node.dtype == "real" else 0
        assert np.all(found.lower - rounding <= value)
        assert np.all(value <= found.upper + rounding)
    if call.primitive.name not in UNBOUNDED and node.dtype == "real":
        assert result.bounded, result.gaps
        if width < 1e-3:
            assert np.max(found.upper - found.lower, initial=0) <= 1e3 * width + 1e-9


@pytest.mark.parametrize("volume", ["small", "large"])
@pytest.mark.parametrize(
    "spec", ["ij,jk->ik", "ij,ij->i", "i,j,k->ijk", "ij,jk,kl->il", "ij->ji", "ij->", "ii->i",
             "ijk,ijl->kl", "ij,j,k->ik"],
)  # fmt: skip
def test_contractions(spec: str, volume: str) -> None:
    rng = np.random.default_rng(0)
    n = 4 if volume == "small" else 40
    terms = spec.split("->", maxsplit=1)[0].split(",")
    shapes = [(n,) * len(t) for t in terms]
    leaves = [variable(f"x{k}", s) for k, s in enumerate(shapes)]
    node = einsum(spec, *leaves)
    for width in (0.0, 1e-9, 0.1):
        boxes = [around(rng.standard_normal(s), width, rng) for s in shapes]
        (found,) = enclose([node], dict(zip(leaves, boxes, strict=True))).intervals
        for _ in range(5):
            at = [inside(b, rng) for b in boxes]
            exact = np.einsum(spec, *(a.astype(np.longdouble) for a in at))
            assert np.all(found.lower <= exact)
            assert np.all(exact <= found.upper)
        if not width:
            assert np.max(found.upper - found.lower) < 1e-11 * n**2


def test_deltas_and_ones() -> None:
    x = variable("x", (3,))
    box = Interval(np.array([1.0, 2.0, -1.0]), np.array([1.5, 2.5, 1.0]))
    diagonal, spread = enclose([diag(x), broadcast(x, (2, 3))], {x: box}).intervals
    assert np.array_equal(diagonal.lower, np.diag(box.lower))
    assert np.array_equal(diagonal.upper, np.diag(box.upper))
    assert np.array_equal(spread.upper, np.tile(box.upper, (2, 1)))


# ------------------------------------------------------------------ extremes of the number line

EXTREMES = {
    "exp": [(-1e308, 1e308), (700, 720), (-800, -740), (5e-324, 1e-300)],
    "log": [(5e-324, 1e308), (1e-310, 1e-309)],
    "sin": [(1e15, 1e15), (1e300, 1e300), (-1e5, 1e5), (1e-320, 1e-310)],
    "tanh": [(-1e308, 1e308), (1e-320, 1e-310)],
    "sigmoid": [(-1e308, 1e308), (-750, -700)],
    "sinh": [(-1e3, 1e3), (-1e-310, 1e-310)],
    "cbrt": [(-1e308, 1e308)],
    "gamma": [(1e-300, 170), (170, 180)],
    "erfc": [(20, 30), (-5, 25)],
    "abs": [(-1e308, 5e-324)],
}


@pytest.mark.parametrize("name", EXTREMES)
def test_huge_and_tiny_operands(name: str) -> None:
    x = variable("x", ())
    for low, high in EXTREMES[name]:
        box = Interval(np.float64(low), np.float64(high))
        (found,) = enclose([elementwise(name, x)], {x: box}).intervals
        with mp.workdps(400):
            for at in (low, high, (low / 2 + high / 2)):
                value = SCALAR[name](mp.mpf(at))
                assert found.lower <= value <= found.upper


@pytest.mark.parametrize("exponent", [2, 3, -1, -2, -3, "1/2", "-1/2", "3/2", "1/3", 7, -5])
@pytest.mark.parametrize(
    "box", [(-2, 3), (0, 3), (-3, 0), (1, 2), (-2, -1), (1e-200, 1e200), (-1e-200, 1e300), (0, 0)]
)
def test_powers(exponent: Any, box: tuple[float, float]) -> None:
    x, p = variable("x", ()), Fraction(exponent)
    low, high = map(float, box)
    interval = Interval(np.float64(low), np.float64(high))
    result = enclose([power(x, p)], {x: interval})
    (found,) = result.intervals
    outside = p.denominator > 1 and low < 0
    for at in np.linspace(low, high, 23):
        if (at == 0 and p < 0) or (at < 0 and outside):
            continue
        with mp.workdps(60):
            value = (
                mp.mpf(at) ** mp.mpf(p.numerator)
                if p.denominator == 1
                else mp.power(mp.mpf(at), mp.mpf(p.numerator) / p.denominator)
            )
            assert found.lower <= value <= found.upper
    assert result.bounded == (not outside and (p > 0 or low > 0 or high < 0)) or high > 1e100
    assert bool(result.gaps) != result.bounded or high > 1e100


# ------------------------------------------------------------------ arithmetic

NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=64)


@given(st.tuples(NUMBERS, NUMBERS), st.tuples(NUMBERS, NUMBERS), st.floats(0, 1), st.floats(0, 1))
@examples(500)
def test_sums_and_products_hold(
    one: tuple[float, float], other: tuple[float, float], s: float, t: float
) -> None:
    x, z = (Interval(np.float64(min(p)), np.float64(max(p))) for p in (one, other))
    a, b = (
        float(np.clip(i.lower * (1 - u) + i.upper * u, i.lower, i.upper))
        for i, u in ((x, s), (z, t))
    )
    for found, exact in (
        (plus(x, z), Fraction(a) + Fraction(b)),
        (times(x, z), Fraction(a) * Fraction(b)),
    ):
        low, high = float(found.lower), float(found.upper)
        assert low == -np.inf or Fraction(low) <= exact
        assert high == np.inf or exact <= Fraction(high)


@given(st.integers(-(2**26), 2**26), st.integers(-(2**26), 2**26))
def test_exact_results_stay_points(a: int, b: int) -> None:
    x, z = (Interval(np.float64(n), np.float64(n)) for n in (a, b))
    for found, exact in ((plus(x, z), a + b), (times(x, z), a * b)):
        assert found.lower == found.upper == exact


# ------------------------------------------------------------------ against mpmath's intervals

SCALARS: list[tuple[str, Any, Any]] = [
    ("x + x^2", lambda x: x + x**2, (-1.0, 0.5)),
    ("exp(x)*sin(x)", lambda x: mp.iv.exp(x) * mp.iv.sin(x), (0.2, 0.9)),
    ("1/(2 + cos(x))", lambda x: 1 / (2 + mp.iv.cos(x)), (-3.0, 4.0)),
    ("log(1 + x^2)", lambda x: mp.iv.log(1 + x**2), (-2.0, 3.0)),
    ("sqrt(x + 2)*x", lambda x: mp.iv.sqrt(x + 2) * x, (-1.0, 1.0)),
]


@pytest.mark.parametrize(("text", "function", "box"), SCALARS, ids=[s[0] for s in SCALARS])
def test_as_tight_as_the_intervals_of_mpmath(text: str, function: Any, box: Any) -> None:
    f = wg.formula(text, {"x": ()})
    (x,) = [n for n in topological(f.expr) if not n.operands and n.name == "variable"]
    interval = Interval(np.float64(box[0]), np.float64(box[1]))
    (found,) = enclose([f.expr], {x: interval}).intervals
    expected = function(mp.iv.mpf(list(box)))
    assert float(found.lower) == pytest.approx(float(expected.a), rel=1e-12, abs=1e-12)
    assert float(found.upper) == pytest.approx(float(expected.b), rel=1e-12, abs=1e-12)


# ------------------------------------------------------------------ programs and choices


def enclosed_function(f: Any, box: Interval) -> Enclosed:
    recorded = record(f, (box.lower,), {}, 0, valued=False)
    return enclose(recorded.roots, {**constant_intervals(recorded), recorded.leaves[0]: box})


def test_loops_and_branches() -> None:
    box = Interval(np.float64(-0.5), np.float64(0.75))
    functions = (
        lambda x: wg.fori_loop(0, 5, lambda i, c: np.sin(c) + 0.1 * x, x),
        lambda x: wg.scan(lambda c, t: (c * x + t, c + t), x, np.arange(4.0))[1],
        lambda x: wg.cond(x > 0, lambda t: t + 1, lambda t: -t, x),
        lambda x: np.where(x > 0.1, x, -x) * np.clip(x, -0.2, 0.3),
        lambda x: np.sort(np.stack([x, 0.2 * x + 0.1, -x])),
    )
    for f in functions:
        result = enclosed_function(f, box)
        (found,) = result.intervals
        assert result.bounded, result.gaps
        for t in np.linspace(box.lower, box.upper, 31):
            value = np.asarray(f(t))
            assert np.all(found.lower - 1e-14 <= value)
            assert np.all(value <= found.upper + 1e-14)


def test_a_branch_that_is_certain() -> None:
    box = Interval(np.float64(0.5), np.float64(0.75))
    result = enclosed_function(
        lambda x: wg.cond(x > 0, lambda t: t, lambda t: 1 / (t - 0.6), x), box
    )
    assert result.bounded
    assert not result.rough


def test_unknown_loops_say_so() -> None:
    box = Interval(np.float64(0.5), np.float64(0.75))
    result = enclosed_function(lambda x: wg.while_loop(lambda c: c < 3, lambda c: c + x, x), box)
    assert not result.bounded
    assert "while" in result.gaps[0]


def test_random_expressions() -> None:
    """Compositions: every operation of one variable, in sums and products of three."""
    rng = np.random.default_rng(3)
    smooth = [c.primitive for c in CALLS if of_all_numbers(c.primitive)]
    x, y = variable("x", ()), variable("y", ())
    for _ in range(150):
        first, second, last = (smooth[k] for k in rng.integers(len(smooth), size=3))
        inner = [apply(first, x), apply(second, y)]
        root = mul(apply(last, add([*inner, mul(*inner)], [1, -1, 2])), add([x, y]))
        centres, widths = rng.uniform(-0.5, 0.5, 2), rng.choice([1e-8, 0.01, 0.3], 2)
        box = [Interval(*pair) for pair in zip(centres - widths, centres + widths, strict=True)]
        (found,) = enclose([root], {x: box[0], y: box[1]}).intervals
        for _ in range(10):
            at = {"x": inside(box[0], rng), "y": inside(box[1], rng)}
            with np.errstate(all="ignore"):
                value = float(evaluate(root, at))
            slack = 1e-11 * max(1.0, abs(value))
            assert np.isnan(value) or found.lower - slack <= value <= found.upper + slack


def of_all_numbers(p: Primitive) -> bool:
    d = p.domains[0]
    return (
        (p.arity, p.parameters, p.dtype, d.dtype) == (1, (), "real", "real")
        and d.low <= -2
        and d.high >= 2
    )


# ------------------------------------------------------------------ the checker itself


def made(evaluate: Any, **declared: Any) -> Call:
    """An operation that never enters the registry."""
    primitive = Primitive(
        "made", 1, same_shape, lambda node, x: evaluate(x), Partials((lambda y, x: x,)),
        Notation.function("made"), elementwise=True, domains=(Domain(),), **declared,
    )  # fmt: skip
    return Call(primitive, ((40,),), ())


WRONG: dict[str, Call] = {
    "monotone, though it turns": made(np.square, enclosure=MONOTONE),
    "another turning point": made(np.square, enclosure=MONOTONE.turning(1.0)),
    "too small a range": made(np.sin, enclosure=Extremes(within=(-0.9, 0.9))),
    "another period": made(np.sin, enclosure=Periodic(0.0, 4.0)),
    "exact, though it is rounded to other values": made(
        lambda x: x + 1e-9 * (x > 0.1), enclosure=lambda node, x: x
    ),
    "a wrong partial derivative": made(np.cos),
    "always within": made(np.exp, enclosure=always(0.0, 1.0)),
}


@pytest.mark.parametrize("name", WRONG)
def test_the_checker_fails_on_a_wrong_declaration(name: str) -> None:
    call, failed = WRONG[name], 0
    for width in WIDTHS:
        rng = np.random.default_rng(1)
        operands = boxes(call, width, rng, 40)
        node, result = enclosed(call, operands)
        for _ in range(20):
            at = [inside(x, rng) for x in operands]
            try:
                check(result.intervals[0], np.asarray(node.primitive.evaluate(node, *at)))
            except AssertionError:
                failed += 1
    assert failed


def test_a_right_declaration_passes() -> None:
    call = made(np.square, enclosure=MONOTONE.turning(0.0))
    rng = np.random.default_rng(1)
    for width in WIDTHS:
        operands = boxes(call, width, rng, 40)
        node, result = enclosed(call, operands)
        for _ in range(20):
            at = [inside(x, rng) for x in operands]
            check(result.intervals[0], np.asarray(node.primitive.evaluate(node, *at)))


def test_what_has_no_enclosure_is_unbounded_and_named() -> None:
    x = variable("x", (2, 2))
    box = Interval(np.eye(2) - 0.1, np.eye(2) + 0.1)
    result = enclose([elementwise("exp", apply(registry["expm"], x))], {x: box})
    assert np.all(result.intervals[0].lower == 0) or not result.bounded
    assert result.gaps == ("expm has no enclosure",)
    y = variable("y", ())
    result = enclose([elementwise("log", y)], {y: Interval(np.float64(-1), np.float64(1))})
    assert "domain" in result.gaps[0]
    result = enclose([power(y, -1)], {y: Interval(np.float64(-1), np.float64(1))})
    assert result.gaps == ("power is unbounded there",)


def test_single_precision_is_enclosed_in_double() -> None:
    x = variable("x", ())
    third = np.float32(1 / 3)
    (found,) = enclose([elementwise("exp", x)], {x: Interval(third, third)}).intervals
    with mp.workdps(30):
        assert found.lower <= mp.exp(mp.mpf(float(third))) <= found.upper
    assert found.upper - found.lower < 1e-14
