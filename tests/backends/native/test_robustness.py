"""Errors, machines without native code, too little memory, threads, forks: as with NumPy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optree
import pytest
from scipy import special

import wengert as wg
from backends.native import random_programs
from wengert.backends import engines

SOURCE = str(Path(wg.__file__).parents[1])


def in_a_process(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A process of its own that runs code."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300,
        check=False, env={**os.environ, "PYTHONPATH": SOURCE, **environment},
    )  # fmt: skip


# ---------------------------------------------------------------- errors


def _said(function: Callable[[], Any]) -> tuple[Any, ...]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = function()
        except Exception as error:
            return type(error), str(error)
    return "array", np.asarray(found).dtype, np.asarray(found).tolist()


class _Own(np.ndarray):
    pass


def _unaligned() -> Any:
    raw = np.zeros(8 * 3 + 1, np.uint8)
    array = raw[1:].view(np.float64)
    array[:] = [1.0, 2.0, 3.0]
    return array


def _mapped() -> Any:
    with tempfile.TemporaryFile() as file:
        found = np.memmap(file, np.float64, "w+", shape=(3,))
    found[:] = [1.0, 2.0, 3.0]
    return found


class _Duck:
    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array([1.0, 2.0, 3.0])


def _read_only() -> Any:
    array = np.array([1.0, 2.0, 3.0])
    array.flags.writeable = False
    return array


ARGUMENTS: dict[str, Any] = {
    "floats": np.array([1.0, 2.0, 3.0]),
    "single": np.array([1.0, 2.0, 3.0], np.float32),
    "half": np.array([1.0, 2.0, 3.0], np.float16),
    "long": np.array([1.0, 2.0, 3.0], np.longdouble),
    "integers": np.array([1, 2, 3]),
    "small integers": np.array([1, 2, 3], np.int8),
    "unsigned": np.array([1, 2, 3], np.uint64),
    "truth values": np.array([True, False, True]),
    "complex": np.array([1j, 2.0, 3.0]),
    "objects": np.array([1.0, 2.0, 3.0], object),
    "text": np.array(["a", "b", "c"]),
    "a word": "abc",
    "nothing": None,
    "dates": np.array(["2020-01-01"] * 3, "datetime64[D]"),
    "a list": [1.0, 2.0, 3.0],
    "a tuple": (1.0, 2.0, 3.0),
    "a number": 2.0,
    "an integer": 2,
    "truth": True,
    "a complex number": 1j,
    "one of NumPy's numbers": np.float32(2.0),
    "an array of rank 0": np.array(2.0),
    "other bytes first": np.array([1.0, 2.0, 3.0], ">f8"),
    "unaligned": _unaligned(),
    "read-only": _read_only(),
    "turned around": np.array([3.0, 2.0, 1.0])[::-1],
    "with gaps": np.zeros((3, 4))[:, 1],
    "a class of its own": np.array([1.0, 2.0, 3.0]).view(_Own),
    "masked": np.ma.array([1.0, 2.0, 3.0], mask=[0, 1, 0]),
    "a matrix": np.ones((3, 3)),
    "other lengths": np.ones(4),
    "empty": np.ones(0),
    "in a file": _mapped(),
    "NumPy's matrix": np.matrix([1.0, 2.0, 3.0]),
    "with fields": np.zeros(3, [("a", float)]),
    "what becomes an array": _Duck(),
    "of rank 40": np.ones((1,) * 40),
    "one entry three times": np.broadcast_to(2.0, (3,)),
    "NaN": np.array([np.nan, np.inf, -np.inf]),
}


@pytest.mark.parametrize("name", list(ARGUMENTS))
def test_arguments_of_every_kind(name: str, monkeypatch: pytest.MonkeyPatch):
    """The same value, or the same error, also after arrays that it was compiled for."""
    usual, given = np.array([0.5, 1.5, 2.5]), ARGUMENTS[name]

    def function(x: Any, y: Any) -> Any:
        return np.sum(np.sin(x) * y) + 2 * x

    def outcomes(engine: str) -> list[tuple[Any, ...]]:
        monkeypatch.setenv("WENGERT_ENGINE", engine)
        compiled, gradient = wg.compile(function), wg.compile(wg.jacobian(function))
        formula = wg.formula("sum(x.*x) + norm2(y)", shapes={"x": (3,)})
        pairs = [(given, usual), (usual, usual), (given, usual), (usual, given)]
        return [
            _said(call)
            for x, y in pairs
            for call in (
                partial(compiled, x, y), partial(gradient, x, y), partial(formula, x=x, y=y),
                partial(compiled, {"a": x}, y),
            )
        ]  # fmt: skip

    for one, other in zip(outcomes("numpy"), outcomes("native"), strict=True):
        if one[0] == "array" and other[0] == "array":
            assert one[1] == other[1]
            np.testing.assert_allclose(other[2], one[2], rtol=1e-6)
        else:
            assert one == other


@pytest.mark.parametrize("engine", ["numpy", "native"])
def test_errors_name_what_is_wrong(engine: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WENGERT_ENGINE", engine)
    inverse = wg.formula("inv(A)*x")
    with pytest.raises(wg.SingularMatrixError, match="singular"):
        inverse(A=np.zeros((2, 2)), x=np.ones(2))
    assert np.allclose(inverse(A=np.eye(2), x=np.ones(2)), 1.0)
    with pytest.raises(wg.ShapeError):
        inverse(A=np.eye(2), x=np.ones(3))
    definite = wg.formula("logdet(A)", assume={"A": "spd"})
    with pytest.raises(wg.AssumptionError):
        definite(A=-np.eye(2))
    solve = wg.compile(lambda A, b: np.exp(np.linalg.solve(A * 1.0, b)))
    for _ in range(2):
        assert np.allclose(solve(np.eye(2), np.zeros(2)), 1.0)
        with pytest.raises(wg.SingularMatrixError):
            solve(np.zeros((2, 2)), np.zeros(2))


MIXED: dict[str, Callable[[Any, Any], Any]] = {
    "float32 among float64": lambda x, y: np.sum(x) * 1.4 + np.sum(y),
    "NumPy's steps": lambda x, y: (np.linalg.pinv(x), np.sum(np.sinc(x)), y),
    "no steps": lambda x, y: (x.T, y),
    "float32 only": lambda x, y: np.sum(x) + np.sum(x @ x.T),
}


@pytest.mark.parametrize("name", list(MIXED))
def test_results_do_not_depend_on_how_arrays_lie(name: str):
    """To the last bit, also where NumPy computes them."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(7, 16)).astype(np.float32), rng.normal(size=3)
    function = wg.compile(wg.jacobian(MIXED[name]), engine="native")
    value = wg.compile(MIXED[name], engine="native")
    for run in (value, function):
        expected = [a.tobytes() for a in map(np.asarray, optree.tree_leaves(run(x, y)))]
        for way, laid in random_programs.LAYOUTS.items():
            found = [a.tobytes() for a in map(np.asarray, optree.tree_leaves(run(laid(x), y)))]
            assert found == expected, way


def test_arrays_that_repeat_more_entries_than_memory_holds():
    x = np.broadcast_to(np.arange(3.0), (2**37, 3))  # 3 TiB
    for f in (lambda x: x[3] * 2, lambda x: x[7] @ x[-1], lambda x: np.exp(x[:2]).T):
        native, numpy = (wg.compile(f, engine=e)(x) for e in ("native", "numpy"))
        np.testing.assert_allclose(native, numpy, rtol=1e-15)


SPECIAL: dict[str, Callable[[Any], Any]] = {
    "gamma": special.gamma,
    "kv": lambda x: special.kv(0.5, x),
    "erfinv": special.erfinv,
    "i0 by rows": lambda x: special.i0(np.outer(x, x)) @ x,
    "none": lambda x: np.log(x) / x,
}


@pytest.mark.parametrize("name", list(SPECIAL))
def test_errors_that_scipy_and_numpy_are_told_to_raise(name: str):
    """SciPy's are the same; NumPy's own are not raised, by either engine."""
    x = np.array([-1.0, 0.0, -2.5, 0.3, np.nan, 800.0])
    native, numpy = (wg.compile(SPECIAL[name], engine=e) for e in ("native", "numpy"))
    plain = native(x)
    states = (partial(special.errstate, all="raise"), partial(special.errstate, singular="raise"),
              partial(special.errstate, all="warn"), partial(np.errstate, all="raise"))  # fmt: skip
    for state in states:
        for _ in range(2):
            with state():
                found, expected = (_said(partial(f, x)) for f in (native, numpy))
            assert found[:2] == expected[:2]
            if found[0] == "array":
                np.testing.assert_array_equal(found[2], plain)
    if name != "none":
        with special.errstate(all="raise"), pytest.raises(special.SpecialFunctionError):
            native(x)


def test_a_warning_that_is_shown_may_run_compiled_functions():
    """SciPy warns in the middle of native code, whose values between lie in shared memory."""
    x = np.linspace(0.01, 1.0, 40)
    inner = wg.compile(lambda x: np.cos(np.outer(x, x) @ np.sin(np.outer(x, 2 * x))) @ x)

    def outer(x: Any) -> Any:
        A = np.exp(np.outer(x, x) / 9)
        y = special.kv(0.5, 100 * x * (A @ A)[:, 0])  # in part too small to be a number
        return (A @ y) @ np.tanh(A @ A @ y)

    function, expected = wg.compile(outer), wg.compile(outer, engine="numpy")(x)
    function(x)  # so that there is room for both
    shown: list[Any] = []
    wanted = inner(x)
    for _ in range(3):
        with special.errstate(all="warn"), warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = lambda *_, **__: shown.append(inner(x))
            np.testing.assert_allclose(function(x), expected, rtol=1e-12)
    assert shown
    np.testing.assert_allclose(shown, [wanted] * len(shown), rtol=1e-12)


# ---------------------------------------------------------------- no native code


@pytest.fixture
def _asked_again() -> Iterator[None]:
    engines._native_compiler.cache_clear()
    yield
    engines._native_compiler.cache_clear()


@pytest.mark.usefixtures("_asked_again")
@pytest.mark.parametrize("reason", ["llvmlite", "machine", "objects"])
def test_where_there_is_no_native_code_numpy_runs(reason: str, monkeypatch: pytest.MonkeyPatch):
    from wengert.backends.native import engine, host, layout

    def refuse(*_: Any) -> Any:
        raise host.UnsupportedHostError(f"no {reason}")

    engine.engine.cache_clear()
    host.host.cache_clear()
    layout.check_layout.cache_clear()
    place, value = {
        "llvmlite": ((host, "llvm"), refuse), "machine": ((engine, "host"), refuse),
        "objects": ((layout, "DTYPE"), 48),
    }[reason]  # fmt: skip
    monkeypatch.setattr(*place, value)
    n = {"llvmlite": 2, "machine": 3, "objects": 5}[reason]  # what was compiled before is kept
    functions = [lambda x: np.sin(x) + n, lambda x: np.cos(x) + n]
    try:
        with pytest.warns(UserWarning, match="no native code here, NumPy runs instead") as seen:
            found = [wg.compile(f, engine="native")(np.ones(2)) for f in functions]
        assert len(seen) == 1
        assert np.array_equal(found, [f(np.ones(2)) for f in functions])
    finally:
        for cached in (engine.engine, host.host, layout.check_layout):
            cached.cache_clear()


MEMORY = """
import resource, sys, warnings
import numpy as np
import wengert as wg
def two(x):
    return np.outer(x, x), np.outer(x, x) + 1.0
def inside(x):
    return np.max(np.exp(-np.outer(x, x)) @ np.tanh(np.outer(x, 2 * x)))
functions = [wg.compile(f, engine="native") for f in (two, inside)]
for f in functions:
    f(np.ones(3))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 700 * 2**20,) * 2)
for _ in range(5):
    for f in functions:
        try:
            f(np.ones(8000))
        except MemoryError:
            print("refused")
    assert f(np.ones(3)) is not None
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited another way")
def test_too_little_memory_is_an_error():
    """Nothing crashes, and what was taken until then is given back."""
    done = in_a_process(MEMORY)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["refused"] * 10


# ---------------------------------------------------------------- threads, processes


def _fold(x: Any) -> Any:
    return np.sum(np.tanh(np.outer(x, x) @ np.cos(x)) * x)


def test_threads_share_a_compiled_function():
    """Eight of them, with arrays of their own, some of which have to be traced for."""
    function = wg.compile(wg.value_and_grad(_fold), engine="native")
    given = [np.random.default_rng(k).normal(size=20 + k % 3) for k in range(8)]
    expected = [wg.compile(wg.value_and_grad(_fold), engine="numpy")(x) for x in given]
    wrong: list[int] = []
    begin = threading.Barrier(8)

    def work(k: int) -> None:
        begin.wait()
        for _ in range(200):
            value, slope = function(given[k])
            if not np.isclose(value, expected[k][0], rtol=1e-12):
                wrong.append(k)
            if not np.allclose(slope, expected[k][1], rtol=1e-11, atol=1e-12):
                wrong.append(k)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert not wrong


def test_threads_compile_at_the_same_time():
    def make(k: int) -> float:
        function = wg.compile(lambda x: np.sum(np.sin(x) * k) + k, engine="native")
        return float(function(np.ones(k + 1)))

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(make, range(1, 17)))
    assert np.allclose(found, [np.sin(1.0) * k * (k + 1) + k for k in range(1, 17)])


def test_code_inside_calls_compiled_functions():
    """A solver of the user's between native steps, which runs native code in the same memory."""
    inner = wg.compile(lambda x: np.tanh(np.outer(x, x) @ x), engine="native")
    called = wg.custom_derivative(lambda x: inner(np.asarray(x)), jvp=lambda primals, t: t[0])

    def outer(x: Any) -> Any:
        early = np.sin(np.outer(x, x))
        return np.sum(early @ called(np.exp(-x)) + early[0])

    x = np.linspace(0.1, 1.0, 30)
    native, numpy = (wg.compile(outer, engine=e) for e in ("native", "numpy"))
    for _ in range(3):
        assert np.isclose(native(x), numpy(x), rtol=1e-13)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
def test_code_runs_after_a_fork():
    code = """
import os
import numpy as np
import wengert as wg
f = wg.compile(wg.grad(lambda x: np.sum(np.tanh(np.outer(x, x) @ x))), engine="native")
x = np.linspace(0, 1, 50)
expected = f(x)
for _ in range(3):
    child = os.fork()
    if not child:
        same = np.array_equal(f(x), expected)
        other = wg.compile(lambda x: np.cos(x) @ x, engine="native")(x)
        os._exit(0 if same and np.isclose(other, np.cos(x) @ x) else 1)
    assert os.waitpid(child, 0)[1] == 0
assert np.array_equal(f(x), expected)
print("alive")
"""
    done = in_a_process(code)
    assert done.stdout.strip() == "alive", done.stderr


def test_results_are_the_same_bits_in_every_process():
    """Here compiled or kept from another test, there from the disk."""
    code = """
import hashlib
import numpy as np
import wengert as wg
def f(W, X):
    return np.mean(np.log1p(np.exp(-np.tanh(X @ W) @ np.ones(7)))) + np.sum(W * W)
rng = np.random.default_rng(0)
W, X = rng.normal(size=(30, 7)), rng.normal(size=(3001, 30))
run = wg.compile(wg.value_and_grad(f), engine="native")
print(*{hashlib.sha256(run(W, X)[1].tobytes()).hexdigest() for _ in range(4)})
"""
    kept = in_a_process(code, PYTHONHASHSEED="1")
    assert len(kept.stdout.split()) == 1, kept.stderr
    said: list[str] = []
    exec(code, {"print": lambda *digests: said.extend(digests)})
    assert said == kept.stdout.split()


# ---------------------------------------------------------------- random programs


def test_random_programs_agree():
    """A few seconds of benchmarks/fuzz.py; what crashes a process is named."""
    first = 0 if os.environ.get("CI") else int(np.random.default_rng().integers(10**6))
    done = subprocess.run(
        [sys.executable, random_programs.__file__, str(first), "200", "8", "shrink"],
        capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "PYTHONPATH": SOURCE},
    )  # fmt: skip
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert told, done.stderr
    assert told[-1].get("done"), f"program {told[-1]['seed']} ended the process: {done.stderr}"
    wrong = [t for t in told if "wrong" in t]
    assert not wrong, "\n".join(f"{t['seed']}: {t['wrong']}\n{t['program']}" for t in wrong)
