"""Buffers that are kept between calls: the same bits as without them, never seen from outside."""

from __future__ import annotations

import itertools
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from scipy import special

import wengert as wg
from operations.support import BATCHED, SMALL, Call, by_id, rng_for
from wengert.backends import compile_plan
from wengert.backends.workspaces import LARGE_BYTES, STORE, BufferedProgram, Store
from wengert.expr import Expr
from wengert.operations import (
    add,
    broadcast,
    constant,
    contract,
    diag,
    elementwise,
    embed,
    inv,
    logdet,
    logsumexp,
    matmul,
    mul,
    power,
    reshape,
    scale,
    solve,
    sub,
    sum_,
    transpose,
    variable,
)
from wengert.operations.structural import POWER
from wengert.plan import make_plan
from wengert.plan.buffers import Request, assign_buffers
from wengert.plan.instructions import (
    Apply,
    Combine,
    Input,
    Pair,
    Plan,
    Prepare,
    Scale,
    Single,
    Term,
)

FLOAT = np.dtype(float)
N = 5000


def program(*roots: Expr, dtype: Any = FLOAT) -> BufferedProgram:
    found = compile_plan(make_plan(list(roots), {}), np.dtype(dtype))
    assert isinstance(found, BufferedProgram)
    return found


def workspace_of(found: BufferedProgram) -> list[Any]:
    """The arrays that the program keeps, taken and given back."""
    slots = STORE.take(found._owner)
    assert slots is not None
    STORE.give(found._owner, slots, 0)
    return [a for a in slots if isinstance(a, np.ndarray)]


def same_bits(one: Any, other: Any) -> bool:
    return one.dtype == other.dtype and one.tobytes() == other.tobytes()


x, y, A, B = (
    variable("x", (N,)),
    variable("y", (N,)),
    variable("A", (70, 50)),
    variable("B", (50, 70)),
)
P = matmul(A, B)
ROOTS: dict[str, list[Expr]] = {
    "chain": [sum_(elementwise("exp", elementwise("sin", add([x, y]))))],
    "chain to an array": [elementwise("exp", elementwise("sin", add([x, y])))],
    "the operand twice": [mul(elementwise("sin", x), elementwise("sin", x))],
    "a value and its user": [elementwise("sin", x), elementwise("exp", elementwise("sin", x))],
    "the same output twice": [elementwise("sin", x), elementwise("sin", x)],
    "an input as output": [x, sum_(elementwise("sin", x))],
    "products": [matmul(transpose(P), P), transpose(P)],
    "a product and its transpose": [add([matmul(P, P), transpose(matmul(P, P)), P], [1, 1, -2])],
    "itself transposed": [sum_(mul(elementwise("sin", P), transpose(elementwise("sin", P))))],
    "reshaped": [reshape(elementwise("sin", P), (4900,)), sum_(elementwise("cos", P))],
    "long sum": [sum_(power(add([elementwise(f, x) for f in ("sin", "cos", "exp", "tanh")],
                                [1, -1, 3, -3]), 2))],
    "sum with scratch": [sum_(elementwise("sin", add([elementwise("sin", x), y, x], [1, 3, -3])))],
    "diagonal": [contract([elementwise("exp", add([elementwise("sin", P), diag(sum_(P, (0,)))]))],
                          [(0, 1)], (1, 0))],
    "powers": [sum_(power(elementwise("exp", x), k)) for k in (2, -1, 3, -2, -3)],
    "constants": [sum_(elementwise("sin", sub(elementwise("exp", x), scale(2, y))))],
}  # fmt: skip


def arrays(layout: int, dtype: Any = float, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    made: dict[str, Any] = {}
    for name, shape in (("x", (N,)), ("y", (N,)), ("A", (70, 50)), ("B", (50, 70))):
        a = rng.standard_normal(shape).astype(dtype)
        if layout == 1:
            a = np.asfortranarray(a)
        if layout == 2:
            a = np.repeat(a, 2, axis=-1)[..., ::2]
        if layout == 3:
            a = np.ascontiguousarray(a[::-1])[::-1]
        made[name] = a
    return made


@pytest.mark.parametrize("name", ROOTS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_buffers_change_no_bit(name: str, dtype: Any) -> None:
    """First calls (without buffers), later ones, and every layout of the inputs in between."""
    found = program(*ROOTS[name], dtype=dtype)
    for seed, layout in itertools.product(range(3), range(4)):
        values = arrays(layout, dtype, seed)
        fresh = program(*ROOTS[name], dtype=dtype)(values)
        for one, other in zip(found(values), fresh, strict=True):
            assert same_bits(np.asarray(one), np.asarray(other))


@pytest.mark.parametrize("name", ROOTS)
def test_results_are_kept_and_inputs_left_alone(name: str) -> None:
    found = program(*ROOTS[name])
    kept: list[tuple[Any, Any]] = []
    for seed in range(4):
        values = arrays(0, seed=seed)
        before = {k: v.copy() for k, v in values.items()}
        results = found(values)
        kept.append((results, [np.array(r) for r in results]))
        assert all(np.array_equal(values[k], before[k]) for k in values)
    for results, copies in kept:
        assert all(np.array_equal(r, c) for r, c in zip(results, copies, strict=True))
    buffers = workspace_of(found) if found._known and any(
        not isinstance(v, dict) and v is not None for v in found._known.values()
    ) else []  # fmt: skip
    for results, _ in kept:
        for r in results:
            assert not any(np.shares_memory(r, b) for b in buffers)


def test_results_may_be_written_to_and_passed_in_again() -> None:
    found = program(elementwise("exp", elementwise("sin", x)))
    value = np.linspace(0, 1, N)
    expected = value
    for _ in range(5):
        (value,) = found({"x": value})
        expected = np.exp(np.sin(expected))
        assert np.array_equal(value, expected)
        value *= 0.5
        expected = expected * 0.5


def test_threads_do_not_share_buffers() -> None:
    found = program(sum_(elementwise("exp", elementwise("sin", elementwise("cos", x)))))
    start = threading.Barrier(8)

    def work(seed: int) -> bool:
        value = np.random.default_rng(seed).standard_normal(N)
        expected = np.exp(np.sin(np.cos(value))).sum()
        start.wait()
        return all(found({"x": value})[0] == expected for _ in range(200))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))


def test_a_program_may_run_inside_itself() -> None:
    """A user's function that calls the compiled function again."""
    depth = 0

    def inner(a: Any) -> Any:
        nonlocal depth
        if depth < 2:
            depth += 1
            outer(a + depth)
            depth -= 1
        return 2 * a

    twice = wg.custom_derivative(inner, jvp=lambda primals, tangents: 2 * tangents[0])

    @wg.compile
    def outer(a: Any) -> Any:
        b = np.sin(a)
        return np.sum(np.exp(b) * twice(np.cos(b)) * b)

    a = np.linspace(0, 1, N)
    b = np.sin(a)
    expected = np.sum(np.exp(b) * (2 * np.cos(b)) * b)
    for _ in range(4):
        assert np.isclose(outer(a), expected, rtol=1e-14)


def test_what_code_from_outside_keeps_is_not_a_buffer() -> None:
    seen: list[Any] = []

    def inner(a: Any) -> Any:
        seen.append(a)
        return a

    keeps = wg.custom_derivative(inner, jvp=lambda primals, tangents: tangents[0])
    f = wg.compile(lambda a: np.sum(np.exp(keeps(np.cos(np.sin(a))))), engine="numpy")
    inputs = [np.linspace(0, k + 1, N) for k in range(5)]
    f(inputs[0])
    seen.clear()
    for a in inputs:
        f(a)
    for a, b in zip(inputs, seen, strict=True):
        assert np.array_equal(b, np.cos(np.sin(a)))


def test_an_error_leaves_nothing_wrong_behind() -> None:
    C = variable("C", (60, 60))
    found = program(matmul(inv(elementwise("sin", C)), elementwise("cos", C)))
    good = np.random.default_rng(0).standard_normal((60, 60))
    expected = found({"C": good})[0]
    for _ in range(3):
        with pytest.raises(wg.WengertError):
            found({"C": np.zeros((60, 60))})
        assert same_bits(found({"C": good})[0], expected)


def test_mixed_precisions_run_as_without_buffers() -> None:
    root = sum_(elementwise("exp", add([elementwise("sin", x), y])))
    found = program(root)
    values = {"x": np.linspace(0, 1, N, dtype=np.float32), "y": np.linspace(0, 1, N)}
    results = [found(values)[0] for _ in range(3)]
    assert results[0] == results[1] == results[2]
    assert results[0].dtype == float


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_does_not_stay(bad: float) -> None:
    found = program(sum_(elementwise("exp", elementwise("sin", x))), elementwise("cos", mul(x, x)))
    good = np.linspace(0, 1, N)
    spoilt = good.copy()
    spoilt[7] = bad
    expected = found({"x": good})
    for _ in range(3):
        assert np.isnan(found({"x": spoilt})[0])
        assert all(same_bits(a, b) for a, b in zip(found({"x": good}), expected, strict=True))


@pytest.mark.parametrize("seed", range(60))
def test_random_plans_give_the_same_bits_with_buffers(seed: int) -> None:
    """Sums with factors of several kinds, products, transposes, functions and constant rows."""
    rng = np.random.default_rng(seed)
    n, count = 50, 24
    sine = elementwise("sin", variable("S", (n, n)))
    square, row = (0, 1), (1,)
    steps: list[Any] = [Input(0, (n, n), "a"), Input(1, (n, n), "b"), Input(2, (n,), "v")]
    whole = [0, 1]
    for k in range(3, count):
        recent = whole[-5:] if rng.random() < 0.8 else whole
        chosen = [int(rng.choice(recent)) for _ in range(4)]
        kind = int(rng.integers(6))
        if kind <= 1:
            number = int(rng.integers(1, 5))
            terms = [Term(s, float(rng.choice([1, -1, 0.5, -0.5, 3])), square, square)
                     for s in dict.fromkeys(chosen[:number])]  # fmt: skip
            terms += [Term(2, 0.5, row, square)] if rng.random() < 0.3 else []
            terms += [Term(2, 1.0, row, (1, 1))] if rng.random() < 0.2 else []
            steps.append(Combine(k, (n, n), tuple(terms)))
        elif kind == 2:
            steps.append(Pair(k, (n, n), *chosen[:2], square, square, square, n * n))
        elif kind == 3:
            steps.append(Single(k, (n, n), chosen[0], square, (1, 0), n * n))
        elif kind == 4:
            steps.append(Apply(k, (n, n), sine, (chosen[0],)))
        else:
            steps.append(Scale(k, (n, n), chosen[0], 0.25))
        whole.append(k)
    plan = Plan(tuple(steps), (count - 1, int(rng.choice(whole[2:]))), count)
    found = compile_plan(plan, FLOAT)
    for _ in range(3):
        values = {"a": rng.random((n, n)), "b": rng.random((n, n)), "v": rng.random(n)}
        expected = compile_plan(plan, FLOAT)(values)
        for _ in range(2):
            for one, other in zip(found(values), expected, strict=True):
                assert same_bits(one, other)


def test_an_array_whose_view_is_read_later_is_not_written_over() -> None:
    """s + a + sᵀ, where s and its transpose die."""
    n, square = 50, (0, 1)
    sine = elementwise("sin", variable("S", (n, n)))
    plan = Plan(
        (
            Input(0, (n, n), "a"),
            Apply(1, (n, n), sine, (0,)),
            Single(2, (n, n), 1, square, (1, 0), n * n),
            Combine(3, (n, n), tuple(Term(s, 1.0, square, square) for s in (1, 0, 2))),
            Scale(4, (n, n), 3, 2.0),
        ),
        (4,),
        5,
    )
    found = compile_plan(plan, FLOAT)
    a = np.random.default_rng(0).random((n, n))
    for _ in range(3):
        np.testing.assert_array_equal(found({"a": a})[0], 2 * (np.sin(a) + a + np.sin(a).T))


# ------------------------------------------------------------------ into


POWERS = [
    Call(POWER, ((4, 3),), (("exponent", Fraction(k)),)) for k in range(-6, 7) if k not in (0, 1)
]
INTO = [c for c in SMALL + BATCHED + POWERS if c.primitive.into is not None]


@by_id(INTO)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_operations_write_what_they_evaluate(call: Call, dtype: Any) -> None:
    """Bit for bit, also over an operand where the operation is elementwise."""
    primitive, node = call.primitive, call.node()
    if node.primitive is not primitive or any(o.dtype != "real" for o in node.operands):
        pytest.skip("the call is simplified")
    drawn = call.draw(rng_for(call)).values()
    operands = [np.asarray(a, dtype) for a in drawn]
    with np.errstate(all="ignore"):
        expected = np.asarray(primitive.evaluate(node, *operands))
        out = np.full_like(expected, np.nan)
        assert primitive.into is not None
        assert primitive.into(node, out, *operands) is out
        assert same_bits(out, expected)
        for k, own in enumerate(operands if primitive.elementwise else []):
            over = own.copy()
            given = [over[...] if j == k else o for j, o in enumerate(operands)]
            assert primitive.into(node, over, *given) is over
            assert same_bits(over, expected)


# ------------------------------------------------------------------ the memory plan


def test_buffers_are_never_shared_by_values_that_live_together() -> None:
    """Random plans of sums: at every step the values that are still read lie in other buffers."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        count = int(rng.integers(3, 25))
        steps: list[Any] = [Input(0, (9,), "x")]
        for k in range(1, count):
            chosen = rng.integers(0, k, size=rng.integers(1, 4)).tolist()
            terms = tuple(Term(int(s), 1.0, (0,), (0,)) for s in chosen)
            steps.append(Combine(k, (9,), terms))
        outputs = tuple({count - 1, int(rng.integers(1, count))})
        plan = Plan(tuple(steps), outputs, count)
        requests = {
            i.target: Request(size := int(rng.integers(1, 4)), size, i.sources[:1])
            for i in steps[1:]
            if rng.random() < 0.8
        }
        buffers = assign_buffers(plan, requests)
        assert not set(buffers.of) & set(outputs)
        last = {s: k for k, i in enumerate(steps) for s in i.sources}
        for t, b in buffers.of.items():
            assert buffers.sizes[b] >= requests[t].size
            for u, c in buffers.of.items():
                if t < u and b == c:
                    assert last.get(t, t) <= u
                    assert last.get(t, t) < u or t in requests[u].over


def test_a_view_keeps_its_buffer() -> None:
    node = elementwise("sin", variable("M", (9, 9)))
    plan = make_plan([matmul(transpose(node), elementwise("exp", transpose(node)))], {})
    requests = {i.target: Request(8, "one") for i in plan.instructions if isinstance(i, Apply)}
    buffers = assign_buffers(plan, requests)
    assert len(set(buffers.of.values())) == len(buffers.of) == 2


def test_outputs_and_what_they_may_share_get_no_buffer() -> None:
    node = elementwise("sin", x)
    plan = make_plan([reshape(node, (N // 2, 2)), sum_(elementwise("exp", node))], {})
    requests = {i.target: Request(8, "one") for i in plan.instructions if isinstance(i, Apply)}
    served = assign_buffers(plan, requests).of
    names = {i.target: i.node.name for i in plan.instructions if isinstance(i, Apply)}
    assert [names[t] for t in served] == ["exp"]


def test_pairs_and_scales_write_over_what_dies() -> None:
    plan = Plan(
        (
            Input(0, (9,), "x"),
            Scale(1, (9,), 0, 2.0),
            Pair(2, (9,), 0, 1, (0,), (0,), (0,), 9),
            Scale(3, (9,), 2, 2.0),
            Scale(4, (9,), 3, 2.0),
        ),
        (4,),
        5,
    )
    requests = {1: Request(72, 0, (0,)), 2: Request(72, 0, (0, 1)), 3: Request(72, 0, (2,))}
    assert assign_buffers(plan, requests).of == {1: 0, 2: 0, 3: 0}


# ------------------------------------------------------------------ the store


def test_the_store_is_bounded_and_forgets() -> None:
    store = Store(100)
    owners = [object() for _ in range(5)]
    for owner in owners:
        store.give(owner, [owner], 40)
        assert store.size <= 100
    assert store.take(owners[0]) is None
    assert store.take(owners[4]) == [owners[4]]
    assert store.take(owners[4]) is None
    assert store.size == 40
    store.give(owners[3], ["second"], 40)  # from inside itself: the first one stays
    assert store.size == 40
    store.forget(owners[3])
    assert store.size == 0
    store.give(owners[0], ["too large"], 101)
    assert store.size == 0


def test_small_programs_have_no_buffers() -> None:
    small = variable("s", (LARGE_BYTES // 8 - 1,))
    assert not isinstance(
        compile_plan(make_plan([sum_(elementwise("sin", small))], {}), FLOAT), BufferedProgram
    )


# ------------------------------------------------------------------ shared work and placed terms


SHARING = [c for c in SMALL + BATCHED if c.primitive.shared is not None]


def _special_values(call: Call, dtype: Any) -> list[list[Any]]:
    """Operands from the domains, then with NaN and infinities in every place."""
    drawn = [np.asarray(a, dtype) for a in call.draw(rng_for(call)).values()]
    found = [drawn]
    for bad in (np.nan, np.inf, -np.inf, 800.0, -800.0, 0.0):
        found += [[np.full_like(a, bad) for a in drawn]] if call.primitive.elementwise else []
        if drawn[0].size:
            spoilt = [a.copy() for a in drawn]
            spoilt[0].flat[0] = bad
            found.append(spoilt)
    return found


@by_id(SHARING)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_shared_work_gives_what_the_operation_gives(call: Call, dtype: Any) -> None:
    node = call.node()
    shared = node.primitive.shared(node) if node.primitive.shared is not None else None
    if shared is None or node.primitive is not call.primitive:
        pytest.skip("nothing is shared by such a call")
    tolerance = 1e-12 if dtype is np.float64 else 1e-4
    for drawn in _special_values(call, dtype):
        operands = [a[()] for a in drawn]  # numbers where there are no axes
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                expected = call.primitive.evaluate(node, *operands)
            except wg.WengertError as error:
                with pytest.raises(type(error)):
                    shared.evaluate(node, shared.work(operands[0], *shared.params), None, *operands)
                continue
            done = shared.work(operands[0], *shared.params)
            got = shared.evaluate(node, done, None, *operands)
        assert np.shape(got) == np.shape(expected)
        assert np.asarray(got).dtype == dtype
        np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


def test_matrices_and_their_transposes_share_one_factorisation() -> None:
    C, b = variable("C", (4, 4)), variable("b", (4,))
    S = matmul(C, add([C, diag(b)]))
    roots = [solve(S, b), solve(transpose(S), b), logdet(S), inv(S), inv(transpose(S))]
    plan = make_plan(roots, {})
    assert sum(isinstance(i, Prepare) for i in plan.instructions) == 1
    rng = np.random.default_rng(0)
    values = {"C": rng.random((4, 4)) + 3 * np.eye(4), "b": rng.random(4) + 1}
    s = values["C"] @ (values["C"] + np.diag(values["b"]))
    expected = [np.linalg.solve(s, values["b"]), np.linalg.solve(s.T, values["b"]),
                np.linalg.slogdet(s)[1], np.linalg.inv(s), np.linalg.inv(s.T)]  # fmt: skip
    for one, other in zip(compile_plan(plan, FLOAT)(values), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11)
    alone = make_plan([solve(S, b)], {})
    assert not any(isinstance(i, Prepare) for i in alone.instructions)


def test_sigmoids_of_a_number_and_its_negative_share_one_exponential() -> None:
    z = add([x, y])
    roots = [elementwise("sigmoid", z), elementwise("sigmoid", scale(-1, z)),
             elementwise("softplus", z), elementwise("softplus", scale(-1, z))]  # fmt: skip
    plan = make_plan(roots, {})
    assert sum(isinstance(i, Prepare) for i in plan.instructions) == 1
    values = {"x": np.linspace(-800, 800, N), "y": np.zeros(N)}
    t = values["x"]
    with np.errstate(all="ignore"):
        expected = [special.expit(t), special.expit(-t), np.logaddexp(t, 0), np.logaddexp(-t, 0)]
    found = compile_plan(plan, FLOAT)
    for _ in range(3):
        for one, other in zip(found(values), expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-14, atol=1e-307)


@pytest.mark.parametrize("size", [4, 2000])
def test_embedded_terms_are_added_in_their_places(size: int) -> None:
    """Overlapping, with factors, next to plain and constant terms, also of one entry."""
    p, q = variable("p", (size,)), variable("q", (3, size))
    parts = [embed(elementwise("sin", p), [0, None], (3, size)),
             embed(elementwise("cos", p), [2, slice(None, None, -1)], (3, size)),
             embed(elementwise("exp", p), [2, None], (3, size))]  # fmt: skip
    one = broadcast(constant(1), (3, size))
    for terms, factors in [
        (parts, [1, 2, -3]), ([q, *parts], [1, 1, -1, 2]), ([one, *parts], [5, 1, 1, 1]),
        ([elementwise("sin", q), q, *parts], [1, 3, 1, 1, 1]),
    ]:  # fmt: skip
        plan = make_plan([elementwise("sin", add(terms, factors))], {})
        assert any(isinstance(i, Combine) and len(i.placed) == 3 for i in plan.instructions)
        found = compile_plan(plan, FLOAT)
        for seed in range(3):
            rng = np.random.default_rng(seed)
            values = {"p": rng.random(size), "q": rng.random((3, size))}
            v, dense = values["p"], np.zeros((3, 3, size))
            dense[0, 0], dense[1, 2], dense[2, 2] = np.sin(v), np.cos(v)[::-1], np.exp(v)
            others = {q: values["q"], one: 1.0}
            total = sum(
                c * (dense[parts.index(t)] if t in parts else others.get(t, np.sin(values["q"])))
                for t, c in zip(terms, factors, strict=True)
            )
            np.testing.assert_allclose(found(values)[0], np.sin(total), rtol=1e-12, atol=1e-13)


def test_logsumexp_keeps_the_digits_of_what_is_small() -> None:
    v = variable("v", (100, 4))
    values = np.full((100, 4), -50.0)
    values[:, 1] = 0
    values[3] = -np.inf
    values[4, 0] = np.nan
    values[5, 0] = np.inf
    (got,) = compile_plan(make_plan([logsumexp(v, 1)], {}), FLOAT)({"v": values})
    np.testing.assert_allclose(got[6:], np.log1p(3 * np.exp(-50.0)), rtol=1e-14)
    assert got[3] == -np.inf
    assert np.isnan(got[4])
    assert got[5] == np.inf
