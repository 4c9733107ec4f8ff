"""Trees of a known structure, and calls of compiled functions with them."""

from __future__ import annotations

import warnings
from collections import OrderedDict, namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np
import optree
import pytest

import wengert as wg
from wengert.transforms.trees import Source, in_tuple, putting_together, read_trees, template

X = np.array([1.0, 2.0, 3.0])
Pair = namedtuple("Pair", "a b")

TREES: list[Any] = [
    1, (), {}, [], None, (1,), [1], {"a": 1}, {"b": 1, "a": 2}, {3: 1, 1: [2, (3, None)], 2: {}},
    ((), {"x": 1}), ([{"w": 1, "b": (2, 3)}, {"w": 4, "b": [5]}], None, {"k": {"l": {"m": 6}}}),
]  # fmt: skip


def taking_apart(structure: Any) -> Callable[[Any], tuple[Any, ...] | None] | None:
    """A function that gives the leaves of a tree, or None if it is another tree.

    There is no such function if the structure has other containers.
    """
    source = Source("def f(tree):")
    source.line("try:")
    leaves = read_trees(source, [(template(structure), "tree")], "return None")
    if leaves is None:
        return None
    source.line(f"return {in_tuple(leaves)}", 2)
    source.line("except KeyError:")
    source.line("return None", 2)
    return source.function()


def test_leaves_come_in_optree_s_order() -> None:
    leaves = taking_apart(optree.tree_structure({"b": 1.0, "a": (2.0, 3.0)}))
    assert leaves is not None
    assert leaves({"b": 7, "a": (5, 6)}) == (5, 6, 7)
    assert leaves({"a": (5, 6), "c": 7}) is None


@pytest.mark.parametrize("tree", TREES, ids=str)
def test_taken_apart_and_put_together_as_optree_does(tree: Any) -> None:
    expected, structure = optree.tree_flatten(tree)
    leaves = taking_apart(structure)
    assert leaves is not None
    assert leaves(tree) == tuple(expected)
    again = putting_together(structure)(expected)
    assert repr(again) == repr(optree.tree_unflatten(structure, expected))  # the order of keys, too


@pytest.mark.parametrize("tree", TREES, ids=str)
def test_other_trees_are_noticed(tree: Any) -> None:
    structure = optree.tree_structure(tree)
    leaves = taking_apart(structure)
    assert leaves is not None
    for other in TREES:
        found = leaves(other)
        fits = structure.is_prefix(optree.tree_structure(other))  # a leaf is anything
        assert (found is not None) == fits
        if found is not None:
            assert putting_together(structure)(found) == other


def test_other_containers_are_optree_s() -> None:
    for tree in (Pair(1, 2), OrderedDict(a=1), (1, [Pair(1, 2)])):
        flat, structure = optree.tree_flatten(tree)
        assert taking_apart(structure) is None
        assert putting_together(structure)(flat) == tree
    assert taking_apart(optree.tree_structure((1, 2)))(Pair(1, 2)) is None  # pyright: ignore


# ---------------------------------------------------------------- compiled functions


def _compiled(function: Any) -> Any:
    return wg.compile(function, engine="native")


def _traces(fast: Any) -> int:
    return sum(fast._traced.values())


def test_calls_with_trees_keywords_and_numbers() -> None:
    fast = _compiled(lambda w, x, scale: {"sum": w["a"] @ x * scale, "all": (w["b"] * x, x)})
    for k in range(1, 41):
        w = {"b": X * k, "a": X + k} if k % 2 else {"a": X + k, "b": X * k}
        found = fast(w, scale=2.0, x=X)
        assert list(found) == ["sum", "all"]
        assert found["sum"] == pytest.approx(2 * (X + k) @ X)
        np.testing.assert_allclose(found["all"][0], k * X * X)
        np.testing.assert_array_equal(found["all"][1], X)
    assert _traces(fast) == 1
    with pytest.raises(KeyError):
        fast({"a": X, "c": X}, scale=2.0, x=X)
    assert fast({"a": X, "b": X}, X, 3.0)["sum"] == pytest.approx(42.0)


def test_an_integer_an_array_and_a_float_are_told_apart() -> None:
    fast = _compiled(lambda x, n: x * n)
    for n in (2, 2.5, np.float32(2), np.arange(3), np.array(3), True, 2**62, X):
        for x in (X, 3, 1.5, np.float32(1.5), X.astype(np.float32)):
            expected = np.asarray(x) * np.asarray(n)
            for _ in range(20):
                found = fast(x, n)
                np.testing.assert_allclose(found, expected)


def test_two_shapes_in_turn_are_quick() -> None:
    fast = _compiled(lambda x: (x * 2.0).sum())
    for k in range(60):
        x = np.ones(3 + k % 2)
        assert fast(x) == 2.0 * x.size
    assert _traces(fast) == 2
    assert len(fast._quick) == 2
    for k in range(6):
        for _ in range(20):
            assert fast(np.ones(3 + k)) == 2.0 * (3 + k)
    assert len(fast._quick) == 2


@pytest.mark.parametrize("argnums", [0, 1, -1, (0, 2)], ids=str)
def test_calls_with_static_arguments_are_quick(argnums: Any) -> None:
    fast = wg.compile(
        lambda a, b, c, scale=1.0: (a + b + c) * scale, static_argnums=argnums, engine="native"
    )
    places = {k % 3 for k in (argnums if isinstance(argnums, tuple) else (argnums,))}
    given: list[Any] = []
    for k in range(80):
        given = [float(300 + k % 2) if p in places else X * p for p in range(3)]
        total = sum(given[1:], given[0])
        np.testing.assert_array_equal(fast(*given), total)
        np.testing.assert_array_equal(fast(*given, scale=2.0), 2 * total)
    assert _traces(fast) == 4
    quick = fast._quick[0]
    assert quick(tuple(given), {"scale": 2.0}) is not NotImplemented
    for other in (given[:2], [7.0 if p in places else X for p in range(3)]):
        assert quick(tuple(other), {"scale": 2.0}) is NotImplemented
    assert quick(tuple(given), {"scal": 2.0}) is NotImplemented
    assert quick(tuple(given), {}) is NotImplemented


def test_what_changes_is_seen_by_quick_calls() -> None:
    scale = 2.0
    fast = _compiled(lambda w: {"x": w["x"] * scale, "one": 1.0 + w["x"]})
    for scale in [*[2.0] * 20, 2.0, 3.0, 3.0, 2.0]:
        np.testing.assert_array_equal(fast({"x": X})["x"], scale * X)


def test_the_first_calls_see_what_the_later_ones_see() -> None:
    """A call is quick before and after the code that is written for it; both look at all."""
    scale = 2.0
    fast = _compiled(lambda x, y: x * y * scale)
    kinds: list[Any] = []
    for k in range(40):
        scale = 2.0 + (k in (1, 7, 30))
        np.testing.assert_array_equal(fast(X, 2.0), 2 * scale * X)
        kinds += [q for q in fast._quick if q not in kinds]
        np.testing.assert_array_equal(fast(X[::-1], 2), 2 * scale * X[::-1])
        np.testing.assert_array_equal(fast(y=X, x=2.0), 2 * scale * X)
        for wrong in ((X,), (X, X, X)):
            with pytest.raises(TypeError):
                fast(*wrong)
    assert len({q.__qualname__ for q in kinds}) == 2


def test_a_mistake_is_no_change_around() -> None:
    def wrong(x: Any) -> Any:
        raise ValueError("never")

    fast = _compiled(wrong)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(40):
            with pytest.raises(ValueError, match="never"):
                fast(X)
