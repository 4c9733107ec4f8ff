"""Whole functions from disk: the same digest for the same function only, and the same results."""

from __future__ import annotations

import functools
import itertools
import os
import subprocess
import sys
import textwrap
import types
import warnings
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import optree
import pytest
from scipy import special, stats

import wengert as wg
from wengert.backends.native.cache import ObjectCache
from wengert.backends.native.engine import engine
from wengert.transforms import compiling, kept
from wengert.transforms.identity import identity

REMEMBERED: Any = (
    sys.modules["wengert.structured.running"]._running,
    sys.modules["wengert.backends.programs"]._program_of,
)


def made(source: str, **space: Any) -> Any:
    """The function ``f`` of a source, in a module of its own."""
    names: dict[str, Any] = {
        "__name__": "user_of_wengert",
        "np": np,
        "wg": wg,
        "special": special,
        "stats": stats,
        **space,
    }
    sys.modules.setdefault("user_of_wengert", types.ModuleType("user_of_wengert"))
    exec(textwrap.dedent(source), names)
    return names["f"]


def digest(value: Any) -> str | None:
    found = identity(value)
    return None if found is None else found.digest


# ---------------------------------------------------------------- digests

A = np.arange(3.0)
LISTS = [1.0, 2.0]

SAME = {
    "code": lambda: made("def f(x): return np.sum(np.tanh(x) * 2.0)"),
    "lines": lambda: made("\n\n\ndef f(x):\n    # why\n    return np.sum(x)"),
    "a global": lambda: made("def f(x): return g(x)", g=made("def f(x): return x + k", k=2)),
    "itself": lambda: made("def f(x, n=3): return x if n == 0 else f(x * x, n - 1)"),
    "arrays": lambda: made("def f(x): return A @ x + B", A=np.eye(2), B=np.ones(2)),
    "numpy": lambda: made("def f(x): return np.linalg.solve(x, special.expit(x) @ np.r_[1, 2])"),
    "a distribution": lambda: made("def f(x): return stats.norm.logpdf(x).sum()"),
    "logsumexp": lambda: made("def f(x): return special.logsumexp(x)"),
    "a partial": lambda: functools.partial(made("def f(x, n): return x * n"), n=2),
    "transforms": lambda: wg.value_and_grad(wg.vmap(made("def f(x): return x * x")), argnums=(0,)),
    "loops": lambda: made("def f(x): return wg.fori_loop(0, 3, lambda i, c: c * x, x)"),
    "imports": lambda: made("def f(x):\n    import math\n    return x * math.pi"),
    "a namespace": lambda: made("def f(x): return m.exp(x)", m=types.SimpleNamespace(exp=np.exp)),
    "compiled": lambda: wg.grad(wg.compile(made("def f(x): return x * x"))),
    "a mark": lambda: made("def f(x): return x if k is None else -x", k=object()),
    "cached": lambda: made("def f(x): return g(2)", g=functools.cache(made("def f(n): return 1"))),
    "a class": lambda: made(
        """
        class Model:
            rate = 2.0
            def __init__(self, w): self.w = w
            @property
            def half(self): return self.rate / 2
            @staticmethod
            def twice(x): return 2 * x
            def __call__(self, x): return self.twice(self.w @ x) * self.half
            def save(self): open("model", "w").write(str(self.w))
        f = Model(np.ones(3))
        """
    ),
    "a dataclass": lambda: made(
        """
        from dataclasses import dataclass
        @dataclass(frozen=True)
        class Setting:
            rate: float = 2.0
            steps: int = 3
        setting = Setting()
        def f(x): return x * setting.rate ** setting.steps
        """
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_the_same_function_has_the_same_digest(name: str) -> None:
    one, other = SAME[name](), SAME[name]()
    assert digest(one) is not None
    assert digest(one) == digest(other)


def test_files_and_lines_are_no_part_of_it() -> None:
    assert digest(made("def f(x): return x")) == digest(made("\n\ndef f(x):\n    return x"))


def _model(body: str) -> Any:
    return made(f"class M:\n{textwrap.indent(textwrap.dedent(body), '    ')}\nf = M().value")


DIFFERENT: dict[str, list[Callable[[], Any]]] = {
    "constants": [
        functools.partial(made, f"def f(x): return x * {k}")
        for k in ("2", "2.0", "True", "3", "-2", "0.0", "-0.0", "1", "2j", "np.nan", "np.inf")
    ],
    "constants in tuples": [
        functools.partial(made, f"def f(x): return g(x, {k})")
        for k in ("(1, 2)", "(1, 2.0)", "(True, 2)", "((1,), 2)", "(0.0,)", "(-0.0,)", "()", "'1'")
    ],
    "names": [
        functools.partial(made, f"def f(x): return np.{k}(x)") for k in ("sin", "cos", "tan", "sum")
    ],
    "globals": [
        functools.partial(made, "def f(x): return x * k", k=k)
        for k in (1, 1.0, True, "1", b"1", None, 0.0, -0.0, np.float64(1), np.float32(1), (1,), [1])
    ],
    "containers": [
        functools.partial(made, "def f(x): return x * k", k=k)
        for k in (
            [1, 2], (1, 2), [2, 1], [[1], 2], [1, [2]], {"a": 1, "b": 2}, {"b": 2, "a": 1},
            {"a": 1.0, "b": 2}, {1: 2}, {True: 2}, {1: {}}, range(2), slice(2), slice(0, 2), [], {},
            np.dtype(float), np.dtype("f4"), float, int, np.exp, np.sum, special.expit, ["a", "b"],
            ["a\0b"], "a\0b", "[1, 2]", ["1, 2"], ["1", "2"], types.SimpleNamespace(a=1),
        )
    ],
    "arrays": [
        functools.partial(made, "def f(x): return x * A", A=A)
        for A in (
            np.zeros(3), -np.zeros(3), np.ones(3), np.ones(2), np.ones((3, 1)), np.ones((1, 3)),
            np.ones(3, np.float32), np.ones(3, int), np.array([1.0, 1.0, np.nan]), np.ones(3, bool),
            np.ones((2, 3)), np.asfortranarray(np.ones((2, 3))),
        )
    ],
    "the same twice": [
        lambda: made("def f(x): return x if a is b else -x", a=LISTS, b=LISTS),
        lambda: made("def f(x): return x if a is b else -x", a=LISTS, b=list(LISTS)),
        lambda: made("def f(x): return x if a is b else -x", a=A, b=A),
        lambda: made("def f(x): return x if a is b else -x", a=A, b=A.copy()),
        lambda: made("def f(x): return x if a is b else -x", a=A, b=A[:]),
    ],
    "defaults": [
        functools.partial(made, f"def f(x, {k}): return x * n")
        for k in ("n=1", "n=2", "n=1.0", "*, n=1", "*, n=2", "n")
    ],
    "closures": [
        functools.partial(made, f"def g(n):\n    return lambda x: x * n\nf = g({k})")
        for k in ("1", "2", "np.ones(2)", "np.zeros(2)", "g", "lambda: 1", "lambda: 2")
    ],
    "functions": [
        functools.partial(made, "def f(x): return g(x)", g=g)
        for g in (
            made("def f(x): return x"), made("def f(x): return -x"), np.sin, abs, float,
            made("def f(x): return h(x)", h=np.sin), made("def f(x): return h(x)", h=np.cos),
            functools.partial(np.add, 1), functools.partial(np.add, 2), lambda x: (lambda: 1),
            lambda x: (lambda: 2), functools.cache(lambda x: 1), functools.cache(lambda x: 2),
        )
    ],
    "inside": [
        functools.partial(made, f"def f(x):\n    def g(y): return {k}\n    return g(x)")
        for k in ("y", "y * y", "[z for z in y]", "[z for z in y if 1]", "(lambda: y)()")
    ],
    "imports": [
        functools.partial(made, f"def f(x):\n    {k}\n    return a(x)")
        for k in ("from math import sin as a", "from math import cos as a", "import math as a")
    ],
    "transforms": [
        lambda: wg.grad(np.sum), lambda: wg.grad(np.max), lambda: wg.value_and_grad(np.sum),
        lambda: wg.grad(np.sum, argnums=(0,)), lambda: wg.grad(wg.grad(np.sum)),
        lambda: wg.jacobian(np.sum), lambda: wg.hessian(np.sum), lambda: wg.vmap(np.sum),
        lambda: wg.jacobian(np.sum, mode="forward"), lambda: wg.jacobian(np.sum, mode="reverse"),
        lambda: wg.vmap(np.sum, in_axes=1), lambda: wg.grad(np.sum, has_aux=True),
        lambda: wg.grad(wg.compile(np.sum)), lambda: wg.grad(wg.compile(np.sum, engine="numpy")),
    ],
    "classes": [
        functools.partial(_model, body)
        for body in (
            "def value(self, x): return x", "def value(self, x): return -x",
            "k = 1\ndef value(self, x): return x * self.k",
            "k = 2\ndef value(self, x): return x * self.k",
            "def __init__(self): self.k = 1\ndef value(self, x): return x * self.k",
            "def __init__(self): self.k = 2\ndef value(self, x): return x * self.k",
            "__slots__ = ('k',)\ndef __init__(self): self.k = 2\ndef value(self, x): return self.k",
            "__slots__ = ('k',)\ndef __init__(self): self.k = 3\ndef value(self, x): return self.k",
            "@property\ndef k(self): return 1\ndef value(self, x): return x * self.k",
            "@property\ndef k(self): return 2\ndef value(self, x): return x * self.k",
            "def __len__(self): return 1\ndef value(self, x): return x * len(self)",
            "def __len__(self): return 2\ndef value(self, x): return x * len(self)",
            "@staticmethod\ndef value(x): return x", "@classmethod\ndef value(cls, x): return x",
            "class In:\n    k = 1\ndef value(self, x): return x * self.In.k",
            "class In:\n    k = 2\ndef value(self, x): return x * self.In.k",
        )
    ],
    "bases": [
        functools.partial(
            made, f"class A:\n    k = {k}\nclass B(A): pass\nb = B()\ndef f(x): return x * b.k"
        )
        for k in (1, 2, "(1,)", "lambda self: 1")
    ],
    "modules": [
        functools.partial(made, "def f(x): return m.deep.k * x", m=_m)
        for k in (1, 2, 3.0)
        for _m in [types.ModuleType("m")]
        if not setattr(_m, "deep", types.SimpleNamespace(k=k))
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", DIFFERENT)
def test_different_functions_have_different_digests(name: str, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "m", types.ModuleType("m"))
    found: list[Any] = []
    for make in DIFFERENT[name]:
        function = make()
        if name == "modules":
            sys.modules["m"] = module = function.__globals__["m"]
            module.__file__ = "m.py"
        found.append(digest(function))
    assert None not in found
    assert len(set(found)) == len(found)


def test_random_expressions_have_digests_of_their_own() -> None:
    rng = np.random.default_rng(0)
    sources: set[str] = set()
    while len(sources) < 200:
        text = "x"
        for _ in range(3):
            k = round(float(rng.normal()), 1)
            text = rng.choice(
                [f"({text} + {k})", f"np.sin({text})", f"({text} * k{rng.integers(3)})"]
            )
        sources.add(text)
    found = [digest(made(f"def f(x): return {s}", k0=0.0, k1=1.0, k2=2.0)) for s in sources]
    assert None not in found
    assert len(set(found)) == len(sources)


class _Colour(Enum):
    RED = 1


class _Own(dict[str, float]):
    pass


class _Node:
    pass


_GLOBAL: Any = vars(optree.registry)["__GLOBAL_NAMESPACE"]


_structure: Any = optree.tree_structure
_register: Any = optree.register_pytree_node
_register(_Node, lambda n: ((), None, None), lambda m, c: _Node(), namespace=_GLOBAL)

UNKNOWN: dict[str, Callable[[], Any]] = {
    "print": lambda: made("def f(x):\n    print(1)\n    return x"),
    "open": lambda: made("def f(x): return x * len(open('a').read())"),
    "input": lambda: made("def f(x): return x * float(input())"),
    "getattr": lambda: made("def f(x): return getattr(np, 'sin')(x)"),
    "globals": lambda: made("def f(x): return globals()['k'] * x", k=1),
    "eval": lambda: made("def f(x): return eval('x')"),
    "__import__": lambda: made("def f(x): return __import__('os').getpid() * x"),
    "id": lambda: made("def f(x): return x * id(x)"),
    "hash": lambda: made("def f(x): return x * hash('a')"),
    "a set": lambda: made("def f(x): return x if k else x", k={"a", "b"}),
    "a set of constants": lambda: made("def f(x): return [k for k in {'a', 'b'}]"),
    "a set that is made": lambda: made("def f(x): return [k for k in {x, 1}]"),
    "a global that is set": lambda: made("def f(x):\n    global k\n    k = 1\n    return x"),
    "the clock": lambda: made("def f(x):\n    import time\n    return x * time.time()"),
    "the environment": lambda: made("def f(x): return x * len(os.environ)", os=os),
    "a date": lambda: made("def f(x): return x if np.datetime64('now') else x"),
    "random numbers": lambda: made("def f(x): return x * np.random.rand()"),
    "a generator": lambda: made("def f(x): return x * r.normal()", r=np.random.default_rng(0)),
    "rvs": lambda: made("def f(x): return x * stats.norm.rvs()"),
    "numpy.load": lambda: made("def f(x): return x * np.load('a')"),
    "another name for it": lambda: made("def f(x): return x * g('a')", g=np.loadtxt),
    "a lock": lambda: made("def f(x): return x if k else x", k=__import__("threading").Lock()),
    "an iterator": lambda: made("def f(x): return x * next(k)", k=iter([1])),
    "a defaultdict": lambda: made("def f(x): return x * k[1]", k=defaultdict(int)),
    "a subclass of dict": lambda: made("def f(x): return x * k['a']", k=_Own(a=1.0)),
    "an enumeration": lambda: made("def f(x): return x * k.value", k=_Colour.RED),
    "another package": lambda: made("def f(x): return k(x)", k=pytest.approx),
    "an array of objects": lambda: made("def f(x): return x * k[0]", k=np.array([object()])),
    "much data": lambda: made("def f(x): return x * k[0]", k=np.zeros(1 << 20)),
    "long lists": lambda: made("def f(x): return x * k[0]", k=[1] * 30_000),
    "attributes in disguise": lambda: made("def f(x): return x * f.__dict__['a']"),
    "a package's module": lambda: made("def f(x): return x * k.mark", k=pytest),
    "a node": lambda: made("def f(x): return x if n else x", n=_Node()),
    "other builtins": lambda: made("def f(x): return abs(x)", __builtins__={"abs": lambda x: x}),
    "numpy's state": lambda: made("def f(x):\n    np.seterr(all='raise')\n    return x"),
    "a replaced function": lambda: made("def f(x): return g(x)", g=_replaced),
}  # fmt: skip


def _replaced(x: Any) -> Any:
    return x * len(os.listdir())


_replaced.__module__, _replaced.__qualname__ = "numpy", "sin"  # it only says so


def test_attributes_of_objects_are_not_asked_for() -> None:
    strange = made(
        """
        class Strange:
            __slots__ = ("k", "none")
            def __init__(self): self.k = 2.0
            def __getattr__(self, name): raise KeyError(name)
        s = Strange()
        def f(x): return x * s.k
        """
    )
    assert digest(strange) is not None


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_may_differ_from_process_to_process_has_none(name: str) -> None:
    assert digest(UNKNOWN[name]()) is None


def test_functions_of_numpy_that_somebody_replaced_are_not_taken_for_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    function = made("def f(x): return np.cbrt(x)")
    usual = digest(function)
    monkeypatch.setattr(np, "cbrt", lambda x: 2 * x)
    assert digest(function) not in (usual, None)


# ---------------------------------------------------------------- functions from disk


@pytest.fixture
def traced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A folder of its own, and what is traced meanwhile."""
    monkeypatch.delenv("WENGERT_ENGINE", raising=False)
    monkeypatch.setattr(engine(), "cache", ObjectCache(tmp_path / "cache"))
    monkeypatch.setattr(compiling, "known", kept.known)
    for remembered in REMEMBERED:  # whose objects are in other folders
        remembered.cache_clear()
    found: list[Any] = []
    compile_ = compiling.Compiled._compile  # pyright: ignore[reportPrivateUsage]

    def counted(self: Any, *args: Any) -> Any:
        found.append(self.function)
        return compile_(self, *args)

    monkeypatch.setattr(compiling.Compiled, "_compile", counted)
    return found


def twice(make: Callable[[], Any], traced: list[Any], *args: Any, **kwargs: Any) -> Any:
    """The compiled function that was not traced; its result is that of the one that was."""
    first = wg.compile(make())(*args, **kwargs)
    count = len(traced)
    again = wg.compile(make())
    second = again(*args, **kwargs)
    assert len(traced) == count
    _assert_same(first, second)
    _assert_same(first, again(*args, **kwargs))
    return again


def _assert_same(one: Any, other: Any) -> None:
    leaves, structure = optree.tree_flatten(one)
    others, another = optree.tree_flatten(other)
    assert structure == another
    for a, b in zip(leaves, others, strict=True):
        assert type(a) is type(b)
        assert a.dtype == b.dtype
        assert a.tobytes() == b.tobytes()


X = np.linspace(-1.0, 1.0, 12).reshape(4, 3)
CALLS: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
    "a number": ("def f(x): return x * x", (2.0,), {}),
    "float32": ("def f(x): return np.sum(np.exp(x))", (X.astype(np.float32),), {}),
    "integers": ("def f(x, k): return x[k] * k", (X, 2), {}),
    "truth values": ("def f(x, b): return np.where(b, x, 0)", (X, X > 0), {}),
    "keywords": ("def f(x, *, k): return x * k", (X,), {"k": 2.0}),
    "trees": (
        "def f(p, q): return {'b': p['w'] @ q[0], 'a': [q[1], (p['b'],)], 'c': None}",
        ({"w": X, "b": 2.0}, (X[0], X)), {},
    ),
    "special": ("def f(x): return special.gammaln(x * x + 1) + special.j0(x)", (X,), {}),
    "linear systems": (
        "def f(A, b): return np.linalg.solve(A.T @ A, b)", (X + np.eye(4, 3), X[0]), {},
    ),
    "large systems": ("def f(A): return np.linalg.inv(A)", (np.eye(9) + 0.1,), {}),
    "loops": ("def f(x): return wg.fori_loop(0, 5, lambda i, c: np.tanh(c @ c), x)", (X[:3],), {}),
    "gradients": (
        "def g(x): return np.sum(np.log1p(np.exp(x @ x.T)))\nf = wg.value_and_grad(g)", (X,), {},
    ),
    "hessians": ("def g(x): return np.sum(np.tanh(x) ** 3)\nf = wg.hessian(g)", (X[0],), {}),
    "tables": ("def f(x): return x[np.array([2, 0, 1])] * np.arange(3.0)", (X[0],), {}),
    "arguments that it does not read": ("def f(x, y): return x * 2", (X, X), {}),
    "products": ("def f(x): return np.einsum('ij,kj->ik', x, x)", (np.ones((70, 80)),), {}),
    "sorting": ("def f(x): return np.sort(x, axis=0), np.argmax(x)", (X,), {}),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_functions_from_disk_give_the_same(name: str, traced: list[Any]) -> None:
    source, args, kwargs = CALLS[name]
    twice(lambda: made(source), traced, *args, **kwargs)


def test_what_is_around_decides(traced: list[Any]) -> None:
    def value(k: float, table: Any) -> float:
        return float(wg.compile(made("def f(x): return x * k + A[0]", k=k, A=table))(2.0))

    for _ in range(2):
        for k, first in itertools.product((1.0, 2.0), (3.0, 4.0)):
            assert value(k, np.array([first, 0.0])) == 2 * k + first
    assert len(traced) == 4


def test_arrays_around_are_read_anew(traced: list[Any]) -> None:
    A = X.copy()
    fast = twice(lambda: made("def f(x): return A @ x, A.T @ (A @ x)", A=A), traced, X[0])
    count = len(traced)
    A[...] = 2 * X
    for one, other in zip(fast(X[0]), (A @ X[0], A.T @ (A @ X[0])), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-14)
    big = np.ones(20_000)  # too large to be compared: it is read
    fast = twice(lambda: made("def f(x): return np.sum(A * x)", A=big), traced, 2.0)
    count = len(traced)
    big[0] = 5.0
    assert fast(2.0) == 2 * big.sum()
    assert len(traced) == count


def test_arrays_that_only_look_at_others_are_not_kept(traced: list[Any]) -> None:
    A = X.copy()
    for _ in range(2):
        fast = wg.compile(made("def f(x): return A[1:3] @ x", A=A))
        fast(X[0])
        A[...] = A + 1
        np.testing.assert_allclose(fast(X[0]), A[1:3] @ X[0], rtol=1e-14)


def test_arrays_that_were_computed_are_kept(traced: list[Any]) -> None:
    A = X.copy()
    fast = twice(lambda: made("def f(x): return (2 * A) @ x", A=A), traced, X[0])
    A[0] = 7.0
    np.testing.assert_allclose(fast(X[0]), 2 * A @ X[0], rtol=1e-14)


def test_what_has_changed_is_seen_later(traced: list[Any]) -> None:
    space = {"k": 2.0}
    function = made("def f(x): return x * space['k']", space=space)
    fast = twice(lambda: function, traced, X)
    space["k"] = 3.0
    np.testing.assert_array_equal(fast(X), 3.0 * X)


def test_static_arguments(traced: list[Any]) -> None:
    function = made("def f(x, n): return x * n if n is not True else -x")
    for _ in range(2):
        fast = wg.compile(function, static_argnums=1)
        assert [float(fast(2.0, n)) for n in (3, True, 2, 1.5)] == [6.0, -2.0, 4.0, 3.0]
        assert [float(fast(2.0, n)) for n in (0.5, 2.5)] == [1.0, 5.0]
    assert len(traced) == 6


def test_what_the_code_refuses_is_traced(traced: list[Any]) -> None:
    fast = twice(lambda: made("def f(A): return np.linalg.inv(A)"), traced, np.eye(3) * 2)
    count = len(traced)
    with pytest.raises(wg.SingularMatrixError):
        fast(np.zeros((3, 3)))
    assert len(traced) == count + 1
    np.testing.assert_array_equal(fast(np.eye(3)), np.eye(3))
    assert len(traced) == count + 1


def test_other_layouts(traced: list[Any]) -> None:
    fast = twice(lambda: made("def f(A): return A * 2"), traced, X)
    count = len(traced)
    np.testing.assert_array_equal(fast(X.T.copy().T), 2 * X)
    np.testing.assert_array_equal(fast(np.repeat(X, 2, 1)[:, ::2]), 2 * X)
    assert len(traced) == count


def test_plans(traced: list[Any]) -> None:
    fast = twice(lambda: made("def f(A): return np.sum(A * 2)"), traced, X)
    other = twice(lambda: made("def f(A): return np.sum(A * 2)"), traced, X)
    assert "native" in str(fast.plan(X))
    assert str(other) == f"f\n{fast.plan(X)}"
    assert fast(X) == other(X)


def test_threads(traced: list[Any]) -> None:
    big = np.linspace(0.0, 1.0, 100_000)
    for _ in range(2):
        found = [
            wg.compile(made("def f(x): return np.sum(np.exp(x))"), threads=n)(big)
            for n in (1, 2, 3)
        ]
        assert len(set(found)) == 1
    assert len(traced) == 3


def test_careful_code_comes_later(traced: list[Any]) -> None:
    make = functools.partial(made, "def f(x): return np.sum(np.tanh(x) * x)")
    fast = twice(make, traced, X)
    value = fast(X)
    for _ in range(600):
        assert fast(X) == value
    (version,) = next(iter(fast._entries.values()))  # pyright: ignore[reportPrivateUsage]
    assert len(version.running.function.__self__.code.libraries) == 2
    assert twice(make, traced, X)(X) == value


def test_what_tracing_does_besides_is_done_again(traced: list[Any]) -> None:
    seen: list[int] = []
    function = made("def f(x):\n    seen.append(1)\n    return x * 2", seen=seen)
    for _ in range(2):
        wg.compile(function)(2.0)
        seen.clear()
    assert len(traced) == 2
    state = types.SimpleNamespace(n=1)
    function = made("def f(x):\n    state.n = 2\n    return x * 2", state=state)
    for _ in range(2):
        state.n = 1
        wg.compile(function)(2.0)
        assert state.n == 2


def test_warnings_come_again(traced: list[Any]) -> None:
    function = made("def f(x): return x * np.log(k)", k=np.zeros(2))
    for _ in range(2):
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("default")
            wg.compile(function)(2.0)
        assert "divide by zero" in str(found[0].message)


def test_broken_files(traced: list[Any]) -> None:
    make = functools.partial(made, "def f(x): return x * 5")
    twice(make, traced, X)
    cache = engine().cache
    assert cache.folder is not None
    what = kept.known([make()], [X], _structure(((0,), {})), [], None, None)
    assert what is not None
    data = cache.read(what.key)
    assert data is not None
    count = len(traced)
    for broken in (
        data[:40],
        data.replace(b"arguments", b"something"),
        b"",
        data[:-10],
        b"\xff" * 99,
    ):
        cache.write(what.key, broken)
        np.testing.assert_array_equal(wg.compile(make())(X), 5 * X)
    assert len(traced) > count
    for path in cache.folder.glob("*.o"):  # its objects are gone
        if what.key not in path.name:
            path.unlink()
    np.testing.assert_array_equal(wg.compile(make())(X), 5 * X)


def test_nothing_is_kept_without_a_folder(
    traced: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine(), "cache", ObjectCache(None))
    for _ in range(2):
        wg.compile(made("def f(x): return x * 7"))(2.0)
    assert len(traced) == 2


@dataclass
class _Net:
    """A model as users write them."""

    target: Any
    rate: float = 0.5

    def loss(self, w: Any, x: Any) -> Any:
        """Of new weights."""
        return np.sum(np.tanh(x @ w - self.target) ** 2) * self.rate


def test_methods_of_objects(traced: list[Any]) -> None:
    net = _Net(np.ones(4))
    fast = twice(lambda: wg.value_and_grad(net.loss), traced, np.zeros(3), X)
    net.rate = 1.0
    value, _ = fast(np.zeros(3), X)
    np.testing.assert_allclose(value, 4 * np.tanh(1.0) ** 2, rtol=1e-14)


def test_another_process_finds_it(tmp_path: Path) -> None:
    script = tmp_path / "model.py"
    script.write_text(
        textwrap.dedent("""
        import sys
        import numpy as np
        import wengert as wg
        from wengert.transforms import compiling
        A = np.arange(6.0).reshape(2, 3)
        def loss(p, x):
            return np.mean(np.logaddexp(0, A @ p["w"] * x)) + K * p["b"] ** 2
        K = float(sys.argv[1])
        traced = []
        usual = compiling.Compiled._compile
        def counted(self, *args):
            traced.append(1)
            return usual(self, *args)
        compiling.Compiled._compile = counted
        value, gradient = wg.compile(wg.value_and_grad(loss))({"w": np.ones(3), "b": 2.0}, 0.1)
        print(len(traced), value.hex(), gradient["w"].tobytes().hex(), gradient["b"].hex())
        """)
    )
    env = {**os.environ, "WENGERT_CACHE": str(tmp_path / "cache"), "PYTHONHASHSEED": "random"}
    env.pop("WENGERT_ENGINE", None)
    env["PYTHONPATH"] = str(Path(wg.__file__).parents[1])
    found = [
        subprocess.run(
            [sys.executable, script, k], env=env, capture_output=True, text=True, check=True
        ).stdout.split()
        for k in ("1", "1")
    ]
    assert [f[0] for f in found] == ["1", "0"]
    assert found[0][1:] == found[1][1:]
