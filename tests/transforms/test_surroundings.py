"""Compiled functions see what they read from around them change, wherever they read it."""

# ruff: noqa: PLW0108 (a lambda is what is traced here)

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.transforms.surroundings import Surroundings

X = np.array([0.3, -0.7, 1.1])
number: Any = 2.0
array: Any = np.ones(3)


def _helper(v: Any) -> Any:
    return v * number


def _set(name: str, value: Any) -> Callable[[], None]:
    return lambda: globals().__setitem__(name, value)


class Model:
    scale = 1.0

    def __init__(self) -> None:
        self.w = np.ones(3)
        self.k = 2.0

    @property
    def double(self) -> Any:
        return 2 * self.k

    def loss(self, v: Any) -> Any:
        return np.sum(self.w * v) * self.double * self.scale

    def __call__(self, v: Any) -> Any:
        return self.loss(v)


class Slotted:
    __slots__ = ("k",)

    def __init__(self, k: float) -> None:
        self.k = k


Case = tuple[Callable[..., Any], Callable[[], Any]]


def _in_place(a: Any) -> Callable[[], None]:
    return lambda: a.__setitem__(slice(None), 5)


def _closure(make: Callable[[Any], Callable[..., Any]], value: Any) -> Case:
    return make(value), _in_place(value)


def _cases() -> dict[str, Case]:
    model, slotted, space = Model(), Slotted(2.0), types.SimpleNamespace(k=2.0)
    listed: list[Any] = [2.0, np.ones(3)]
    named = {"k": 2.0}
    f: Any = lambda v: np.sum(v) * f.k  # noqa: E731
    f.k = 2.0
    gradient = wg.grad(lambda v: np.sum(v**2) * number)
    rule = np.ones(3)
    custom = wg.custom_derivative(lambda v: np.sum(v * rule), vjp=lambda c, y, v: c * rule)
    root_of = wg.implicit(lambda v: v * rule, lambda s, v: s - v * rule)
    part = np.ones(3)
    return {
        "a global": (lambda v: v * number, _set("number", 3.0)),
        "a number of NumPy": (lambda v: v * number, _set("number", np.float32(3))),
        "the sign of zero": (lambda v: v / np.arctan2(number * 0.0, -1.0), _set("number", -2.0)),
        "a global array": (lambda v: v * array, _set("array", np.full(3, 4.0))),
        "in a helper": (lambda v: _helper(v), _set("number", 3.0)),
        "in an inner function": (
            lambda v: wg.vmap(lambda u: u * number)(v), _set("number", 3.0)
        ),
        "in a gradient": (lambda v: gradient(v) * 2, _set("number", 3.0)),
        "contents": _closure(lambda w: lambda v: v * w, np.ones(3)),
        "computed from contents": _closure(lambda w: lambda v: v * (w + 1), np.ones(3)),
        "an entry": _closure(lambda w: lambda v: v * w[0], np.ones(3)),
        "a number of an entry": _closure(lambda w: lambda v: v * float(w[0]), np.ones(3)),
        "a decision": _closure(lambda w: lambda v: v if w[0] > 2 else 2 * v, np.ones(3)),
        "a decision and the array": _closure(
            lambda w: lambda v: v * w if w[0] > 2 else 2 * v * w, np.ones(3)
        ),
        "of many entries": _closure(
            lambda w: lambda v: v * np.mean(w) + w[:3], np.ones(100_000)
        ),
        "integers": _closure(lambda w: lambda v: v * w, np.ones(3, int)),
        "places": _closure(lambda w: lambda v: v[w - 4], np.full(2, 4)),
        "a mask": _closure(lambda w: lambda v: v[w], np.array([True, False, False])),
        "a default": (lambda v, k=listed: v * k[0], lambda: listed.__setitem__(0, 3.0)),
        "an entry of a list": (lambda v: v * listed[1], lambda: listed.__setitem__(1, 4 * X)),
        "an entry of a dict": (lambda v: v * named["k"], lambda: named.update(k=3.0)),
        "an attribute": (lambda v: v * space.k, lambda: setattr(space, "k", 3.0)),
        "a slot": (lambda v: v * slotted.k, lambda: setattr(slotted, "k", 3.0)),
        "a function's attribute": (f, lambda: setattr(f, "k", 3.0)),
        "a method": (model.loss, lambda: setattr(model, "k", 3.0)),
        "a callable": (wg.grad(model), lambda: setattr(model, "w", np.full(3, 4.0))),
        "a class": (model.loss, lambda: setattr(Model, "scale", 3.0)),
        "a partial": (
            functools.partial(lambda a, v: a * v, part), _in_place(part)
        ),
        "a rule": (wg.grad(lambda v: custom(v)), _in_place(rule)),
        "a residual": (wg.grad(lambda v: np.sum(root_of(v))), _in_place(rule)),
    }  # fmt: skip


@pytest.mark.parametrize("name", list(_cases()))
def test_what_changes_around_a_compiled_function_is_seen(name: str) -> None:
    _set("number", 2.0)()
    _set("array", np.ones(3))()
    f, change = _cases()[name]
    fast = wg.compile(f)
    before = np.array(fast(X))
    np.testing.assert_allclose(before, f(X))
    change()
    after = fast(X)
    Model.scale, expected = 1.0, f(X) if name != "a class" else 3 * before
    assert not np.array_equal(after, before)
    np.testing.assert_allclose(after, expected)


def test_another_array_at_the_same_address_is_another() -> None:
    fast = wg.compile(lambda v: v * array.sum())
    for k in range(20):
        _set("array", None)()
        _set("array", np.full(3, float(k)))()
        assert fast(1.0) == 3 * k


def test_an_array_bound_anew_needs_no_new_program() -> None:
    fast = wg.compile(lambda v: v @ array)
    _set("array", np.ones(3))()
    fast(X)
    plan = fast.plan(X)
    _set("array", np.full(3, 2.0))()
    assert fast(X) == pytest.approx(2 * X.sum())
    assert fast.plan(X) is plan


def test_a_function_that_changes_all_the_time_warns() -> None:
    counter = [0]

    def f(v: Any) -> Any:
        counter[0] += 1
        return v * counter[0]

    fast = wg.compile(f)
    with pytest.warns(UserWarning, match=r"traced 32 times .*an entry of a list"):
        found = [float(fast(1.0)) for _ in range(40)]
    assert found == [float(k + 1) for k in range(40)]


@pytest.mark.parametrize(
    "draw",
    [np.random.normal, np.random.default_rng(0).normal, np.random.RandomState(0).uniform],
)
def test_random_numbers_drawn_while_tracing_warn(draw: Any) -> None:
    with pytest.warns(UserWarning, match="random numbers"):
        wg.compile(lambda v: v * draw())(1.0)


def test_a_custom_function_reads_its_rule_anew_without_compile() -> None:
    w = np.ones(2)
    f = wg.custom_derivative(lambda v: v @ w, vjp=lambda c, y, v: c * w)
    np.testing.assert_array_equal(wg.grad(f)(np.ones(2)), w)
    w[:] = 3.0
    np.testing.assert_array_equal(wg.grad(f)(np.ones(2)), w)


def test_cycles_and_libraries_end() -> None:
    a: list[Any] = [1.0]
    a.append(a)
    found = Surroundings(lambda v: np.sum(v) * a[0], np.linalg.norm, a)
    assert found.changed() is None
    a[0] = 2.0
    assert found.changed() == "an entry of a list"


def test_compiled_functions_nest() -> None:
    base = lambda v: np.sin(v) * v**2  # noqa: E731
    again = wg.compile(wg.jacobian(wg.compile(base)))
    np.testing.assert_allclose(again(X), wg.jacobian(base)(X))
    custom = wg.custom_derivative(
        wg.custom_derivative(np.sin), jvp=lambda p, t: np.cos(p[0]) * t[0]
    )
    assert wg.grad(wg.grad(custom))(0.3) == pytest.approx(-np.sin(0.3))


def test_compile_decorates_methods() -> None:
    class Line:
        @functools.partial(wg.compile, static_argnums=0)
        def at(self, x: Any) -> Any:
            return self.slope * x  # type: ignore[attr-defined]

    line: Any = Line()
    line.slope = 2.0
    assert line.at(3.0) == 6.0
    line.slope = 5.0
    assert line.at(3.0) == 15.0
