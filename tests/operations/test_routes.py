"""Operations that say where their entries go: the array of zeros and ones that a route describes,
times the operand, is what the operation evaluates to. Generated from the registry: an operation
that declares `route` later is tested on its samples without a line here."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drawing import examples
from operations import engines
from operations.support import Call, assert_close, by_id, calls, evaluate, rng_for, small_shapes
from wengert.expr import Expr, make
from wengert.operations import apply, variable
from wengert.operations.discrete import int_array, known_values
from wengert.operations.reshaping import RESHAPE
from wengert.primitive import Place, Primitive, Route, registry
from wengert.shapes import symbol

ROUTED = [p for p in registry.values() if p.route is not None]
LEADS: tuple[tuple[int, ...], ...] = ((), (2,), (2, 3), (1,), (0,))


# ------------------------------------------------------------------ the checker


def _index(place: Place, labels: Sequence[int], sizes: Sequence[int]) -> int:
    """A place at one value of the labels, by the words of its docstring."""
    if place.at is not None:
        table = known_values(place.at)
        assert table is not None
        assert table.shape == tuple(sizes[x] for x in place.labels)
        return int(table[tuple(labels[x] for x in place.labels)])
    index = 0
    for x in place.labels:
        index = index * sizes[x] + labels[x]
    return index


def moved(route: Route, result: Sequence[int], operand: Any, lead: int) -> Any:
    """``result[places] += operand[places]``, one entry after the other."""
    sizes = [int(s) for s in route.sizes]  # type: ignore[arg-type]
    assert len(route.result) == len(result) - lead
    assert len(route.operand) == operand.ndim - lead
    found = np.zeros(tuple(result))
    for labels in itertools.product(*map(range, sizes)):
        target = tuple(_index(p, labels, sizes) for p in route.result)
        source = tuple(_index(p, labels, sizes) for p in route.operand)
        assert all(0 <= i < n for i, n in zip(target, found.shape[lead:], strict=True))
        assert all(0 <= i < n for i, n in zip(source, operand.shape[lead:], strict=True))
        found[(..., *target)] += operand[(..., *source)]
    return found


def node_on(call: Call, values: Mapping[str, Any], lead: Sequence[int] = ()) -> Expr:
    """The call as it is, unsimplified, on known indices and on real variables with extra axes."""
    operands = tuple(
        variable(n, (*lead, *s)) if dtype == "real" else int_array(values[n])
        for n, s, dtype in zip(call.names, call.shapes, call.dtypes, strict=True)
    )
    params = tuple(value for _, value in call.params)
    shape = call.primitive.infer(operands, params)
    return make(call.primitive, operands, params, shape, call.primitive.dtype_of(operands, params))


def check_route(call: Call, values: Mapping[str, Any], lead: tuple[int, ...] = ()) -> None:
    """The sum of what the routes of all real operands move is the operation's value."""
    node = node_on(call, values, lead)
    assert call.primitive.route is not None
    shape = tuple(int(s) for s in node.shape)  # type: ignore[arg-type]
    total = np.zeros(shape)
    own = 0
    for k, operand in enumerate(node.operands):
        if operand.dtype != "real":
            continue
        route = call.primitive.route(node, k)
        assert route is not None, f"no route in operand {k}, though all indices are known"
        own = operand.ndim - len(route.operand)
        assert own >= len(lead)
        total += moved(route, shape, values[f"x{k}"], own)
    assert_close(total, evaluate(node, values), 1e-12, call.id)


# ------------------------------------------------------------------ every declared route


def samples_of(primitive: Primitive) -> list[Call]:
    """All the primitive's samples; reshapes, which have none, in all small sizes."""
    if primitive is not RESHAPE:
        return list(calls(primitive, small_shapes(primitive)))
    shapes: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
        ((6,), (2, 3)), ((2, 3), (6,)), ((2, 3), (3, 2)), ((4, 3), (2, 6)), ((2, 3, 4), (4, 6)),
        ((1,), ()), ((), (1,)), ((1, 1), (1,)), ((2, 1, 3), (2, 3)), ((3,), (3, 1)), ((), ()),
        ((2, 2, 3), (4, 3)), ((4, 3), (2, 2, 3)), ((6, 1), (1, 6)), ((2, 6), (3, 4)),
        ((1, 2, 3), (3, 1, 2)), ((5,), (5,)),
    ]  # fmt: skip
    pairs = [(("tail", tail), ("target", target)) for tail, target in shapes]
    return [Call(RESHAPE, (tail,), p) for (tail, _), p in zip(shapes, pairs, strict=True)]


SAMPLES = [c for p in ROUTED for c in samples_of(p)]


def test_routes_are_declared() -> None:
    """What moves entries to known places says so."""
    names = {"slice", "embed", "take", "scatter", "take_along", "scatter_along"}
    assert names | {"concatenate", "reshape"} <= {p.name for p in ROUTED}


@pytest.mark.parametrize("lead", LEADS, ids=str)
@by_id(SAMPLES)
def test_a_route_moves_the_entries_as_the_operation_does(call: Call, lead: tuple[int, ...]) -> None:
    rng = rng_for(call)
    values = call.draw(rng)
    wide = {
        n: v if v.dtype.kind == "i" else rng.standard_normal((*lead, *np.shape(v)))
        for n, v in values.items()
    }
    check_route(call, wide, lead)


# Random sizes, negative and repeated indices, none at all. The shapes are drawn from the words of
# the operations' documentation, not from their samples.


def _one_of(name: str, shapes: Sequence[tuple[int, ...]], *params: Any) -> Call:
    primitive = registry[name]
    pairs = tuple(zip(primitive.parameters, params, strict=True))
    return Call(primitive, tuple(shapes), pairs)


@st.composite
def index_calls(draw: Any) -> tuple[Call, dict[str, Any]]:
    """Takes and scatters, plain and along the last axis."""
    sizes = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    count = draw(st.integers(1, len(sizes)))
    shape = tuple(draw(st.lists(st.integers(0, 3), min_size=0, max_size=2)))

    def indices(n: int, shape: tuple[int, ...]) -> Any:
        flat = draw(
            st.lists(st.integers(-n, n - 1), min_size=(m := int(np.prod(shape))), max_size=m)
        )
        return np.array(flat, np.int64).reshape(shape)

    rng = np.random.default_rng(draw(st.integers(0, 99)))
    given_indices = [indices(n, shape) for n in sizes[:count]]
    named = {f"x{k + 1}": i for k, i in enumerate(given_indices)}
    rest = sizes[count:]
    match draw(st.sampled_from(["take", "scatter", "take_along", "scatter_along"])):
        case "take":
            call = _one_of("take", [sizes, *(shape for _ in given_indices)], len(sizes))
            x = rng.standard_normal(sizes)
        case "scatter":
            call = _one_of("scatter", [(*shape, *rest), *(shape for _ in given_indices)], sizes)
            x = rng.standard_normal((*shape, *rest))
        case "take_along":
            lines = sizes[:-1]
            named = {"x1": indices(sizes[-1], (*lines, draw(st.integers(0, 3))))}
            call = _one_of("take_along", [sizes, named["x1"].shape])
            x = rng.standard_normal(sizes)
        case _:
            lines = sizes[:-1]
            named = {"x1": indices(sizes[-1], (*lines, draw(st.integers(0, 3))))}
            call = _one_of("scatter_along", [named["x1"].shape] * 2, sizes[-1])
            x = rng.standard_normal(named["x1"].shape)
    return call, {"x0": x, **named}


@examples(150)
@given(index_calls())
def test_routes_of_any_indices(drawn: tuple[Call, dict[str, Any]]) -> None:
    check_route(*drawn)


@st.composite
def factorings(draw: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two shapes with equal numbers of entries."""
    sizes = draw(st.lists(st.sampled_from([1, 2, 3]), min_size=0, max_size=4))

    def merged() -> tuple[int, ...]:
        shape: list[int] = []
        for k, n in enumerate(draw(st.permutations(sizes))):
            if k and draw(st.booleans()):
                shape[-1] *= n
            else:
                shape.append(n)
        return tuple(shape)

    return merged(), merged()


@examples(150)
@given(factorings())
def test_routes_of_any_reshape(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    tail, target = shapes
    x = np.random.default_rng(0).standard_normal(tail)
    node = make(RESHAPE, (variable("x", tail),), (tail, target), target)
    route = RESHAPE.route and RESHAPE.route(node, 0)
    assert route is not None
    np.testing.assert_array_equal(moved(route, target, x, 0), x.reshape(target))


# ------------------------------------------------------------------ no route where none is known


@pytest.mark.parametrize("name", ["take", "take_along"])
def test_indices_that_are_computed_are_the_table(name: str) -> None:
    x, i = variable("x", (3,)), variable("i", (2,), dtype="int")
    primitive = registry[name]
    node = apply(primitive, x, i, **({"rank": 1} if name == "take" else {}))
    assert primitive.route is not None
    route = primitive.route(node, 0)
    assert route is not None
    assert route.operand == (Place((0,), i),)
    assert route.result == (Place((0,)),)


def test_computed_indices_that_are_spread_have_no_route() -> None:
    x, i = variable("x", (3, 4)), variable("i", (2,), dtype="int")
    take = registry["take"]
    assert take.route is not None
    assert take.route(apply(take, x, i, int_array([[1], [0]]), rank=2), 0) is None


def test_sizes_that_are_not_known_have_no_route() -> None:
    n = symbol("n")
    x = variable("x", (n,))
    take = registry["take"]
    assert take.route is not None
    assert take.route(apply(take, x, int_array([0, 1]), rank=1), 0) is None
    node = make(RESHAPE, (x,), ((n,), (n, 1)), (n, 1))
    assert RESHAPE.route is not None
    assert RESHAPE.route(node, 0) is None


# ------------------------------------------------------------------ the checker finds wrong routes


def _changed(call: Call, change: Callable[[Route], Route | None]) -> Call:
    right = call.primitive.route
    assert right is not None

    def route(node: Expr, k: int) -> Route | None:
        found = right(node, k)
        return found and change(found)

    return Call(replace(call.primitive, route=route), call.shapes, call.params)


WRONG: dict[str, Callable[[Route], Route | None]] = {
    "exchanged": lambda r: Route(r.sizes, r.operand, r.result),
    "one short": lambda r: Route((r.sizes[0] - 1, *r.sizes[1:]), r.result, r.operand),  # type: ignore[operator]
    "shifted": lambda r: Route(
        r.sizes, r.result, (_shifted(r.operand[0], r.sizes), *r.operand[1:])
    ),
    "none": lambda r: None,
    "too few axes": lambda r: Route(r.sizes, r.result[1:], r.operand),
}


def _shifted(place: Place, sizes: Sequence[Any]) -> Place:
    shape = tuple(sizes[x] for x in place.labels)
    table = known_values(place.at) if place.at is not None else np.arange(np.prod(shape))
    return Place(place.labels, int_array(np.roll(np.asarray(table).reshape(shape), 1)))


@pytest.fixture
def _by_numpy_only(monkeypatch: pytest.MonkeyPatch) -> None:  # pyright: ignore[reportUnusedFunction]
    """Native code goes by the route, so with a wrong one the engines differ."""
    monkeypatch.setattr(engines, "MOST", 0)


@pytest.mark.usefixtures("_by_numpy_only")
@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_route_is_found(wrong: str) -> None:
    call = _one_of("take", [(4,), (3,)], 1)
    values = {"x0": np.arange(1.0, 5.0), "x1": np.array([0, -1, 2])}
    check_route(call, values)
    with pytest.raises(AssertionError):
        check_route(_changed(call, WRONG[wrong]), values)


@pytest.mark.usefixtures("_by_numpy_only")
def test_a_route_of_one_part_only_is_found() -> None:
    """A joined array is the sum of all its parts' moved entries."""
    call = _one_of("concatenate", [(2,), (3,)], -1, (False, False))
    values = {"x0": np.ones(2), "x1": np.ones(3)}
    check_route(call, values)
    right = call.primitive.route
    assert right is not None
    first = replace(call.primitive, route=lambda node, k: right(node, 0))
    with pytest.raises(AssertionError):
        check_route(Call(first, call.shapes, call.params), values)
