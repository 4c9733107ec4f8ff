"""Loops over arrays of every length, beside NumPy."""

from __future__ import annotations

import ctypes
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from wengert.backends.native.builder import Module
from wengert.backends.native.engine import engine
from wengert.backends.native.types import F32, F64, I64, PTR, Type, type_of
from wengert.backends.native.vectors import MAXIMUM, MINIMUM, PRODUCT, SUM, Stream, vector_loop

COUNTS = [*range(1, 36), 64, 100, 127, 1000]
DTYPES: dict[Type, Any] = {F64: np.float64, F32: np.float32}


def _function(text_of: Any, name: str, count: int) -> Any:
    """A compiled function of pointers and counts, which lives as long as what is given."""
    module = Module(engine().host.written_for)
    text_of(module)
    library = engine().load_module(module, [name])
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * count, ctypes.c_int64)(library[name])
    call.keep = library  # type: ignore[attr-defined]
    return call


def _affine(type_: Type, known: int | None, unroll: int, *, in_place: bool) -> Any:
    """out = a x + y, with sum, largest, smallest and product of it."""

    def write(module: Module) -> None:
        b = module.function("f", [PTR, PTR, PTR, PTR, PTR, I64])
        x, y, a, out, totals, count = b.parameters
        reads = [Stream(x, type_), Stream(y, type_, 2), Stream(a, type_, 0)]

        def body(entries: Any) -> Any:
            u, v, w = entries
            result = u * w + v
            return [result], [result] * 4

        results = vector_loop(
            b, count if known is None else known, reads, [Stream(out, type_)], body,
            lanes=engine().host.lanes(type_), unroll=unroll, in_place=in_place,
            reductions=[(r, type_) for r in (SUM, MAXIMUM, MINIMUM, PRODUCT)],
        )  # fmt: skip
        for k, result in enumerate(results):
            b.store(result, b.offset(totals, k, type_.size))
        b.give()

    return _function(write, "f", 5)


def _check(call: Any, dtype: Any, n: int, *, in_place: bool) -> None:
    rng = np.random.default_rng(n)
    x, y = rng.uniform(0.5, 1, n).astype(dtype), rng.uniform(0, 0.5, 2 * n).astype(dtype)
    a = np.array([0.99], dtype)
    room = np.full(n + 2, 7.0, dtype)
    out = x if in_place else room[1:-1]
    expected = x * a + y[::2]
    totals = np.zeros(4, dtype)
    call(*(v.ctypes.data for v in (x, y, a, out, totals)), n)
    np.testing.assert_allclose(out, expected, rtol=4e-7 if dtype == np.float32 else 1e-15)
    assert room[0] == room[-1] == 7.0
    reference = [expected.sum(), expected.max(), expected.min(), expected.prod()]
    np.testing.assert_allclose(totals, reference, rtol=1e-4 if dtype == np.float32 else 1e-12)


@pytest.mark.parametrize("unroll", [1, 4])
@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("type_", [F64, F32])
def test_loops_of_any_length(type_: Type, in_place: bool, unroll: int):
    call = _affine(type_, None, unroll, in_place=in_place)
    for n in COUNTS:
        _check(call, DTYPES[type_], n, in_place=in_place)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 13, 16, 29, 64])
def test_loops_of_known_length(n: int):
    for in_place in (False, True):
        for unroll in (1, 2):
            _check(_affine(F64, n, unroll, in_place=in_place), np.float64, n, in_place=in_place)


def test_nothing_is_read_of_empty_arrays():
    call = _affine(F64, None, 4, in_place=False)
    totals = np.ones(4)
    a = np.array([2.0])
    call(0, 0, a.ctypes.data, 0, totals.ctypes.data, 0)
    assert totals.tolist() == [0.0, -np.inf, np.inf, 1.0]


def test_largest_and_smallest_are_nan_if_an_entry_is():
    call = _affine(F64, None, 1, in_place=False)
    for place in range(11):
        x, y, a = np.ones(11), np.ones(22), np.ones(1)
        x[place] = np.nan
        out, totals = np.empty(11), np.empty(4)
        call(*(v.ctypes.data for v in (x, y, a, out, totals)), 11)
        assert np.isnan(totals).all()


def test_strided_results_are_written_between_the_others():
    def write(module: Module) -> None:
        b = module.function("f", [PTR, PTR, I64])
        x, out, count = b.parameters
        step = b.constant(3, I64)
        vector_loop(
            b, count, [Stream(x, F64)], [Stream(out, F64, step)], lambda e: ([e[0] + e[0]], []),
            lanes=8,
        )  # fmt: skip
        b.give()

    call = _function(write, "f", 2)
    for n in COUNTS:
        x, out = np.arange(float(n)), np.full(3 * n, -1.0)
        call(x.ctypes.data, out.ctypes.data, n)
        assert np.array_equal(out[::3], 2 * x)
        assert (out[1::3] == -1).all()
        assert (out[2::3] == -1).all()


def test_lanes_are_a_power_of_two():
    module = Module(engine().host.written_for)
    b = module.function("f", [PTR])
    with pytest.raises(ValueError, match="powers of two, not 3 and 1"):
        vector_loop(b, 10, [], [], lambda e: ([], []), lanes=3)
    one = [Stream(b.parameters[0], F64, 0)]
    with pytest.raises(ValueError, match="written for all"):
        vector_loop(b, 10, one, one, lambda e: (e, []), lanes=4)


def test_sums_are_the_same_from_run_to_run():
    call = _affine(type_of("f64"), None, 4, in_place=False)
    rng = np.random.default_rng(0)
    x, y, a = rng.normal(size=1003), rng.normal(size=2006), np.ones(1)
    found = set()
    for shift in range(4):  # wherever the array begins
        room = np.empty(1003 + shift)
        room[shift:] = x
        out, totals = np.empty(1003), np.empty(4)
        call(*(v.ctypes.data for v in (room[shift:], y, a, out, totals)), 1003)
        found.add(totals[0])
    assert len(found) == 1


def test_there_is_one_object_for_each_type() -> None:
    """Types are compared by identity, whoever asks for them first."""
    with ThreadPoolExecutor(8) as pool:
        for lanes in range(1000, 1100):
            found = set(pool.map(lambda _, lanes=lanes: type_of("f64", lanes), range(16)))
            assert len(found) == 1
            assert F64.of(lanes) in found
