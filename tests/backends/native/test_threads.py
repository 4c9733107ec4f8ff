"""Several threads: the same bits as one, whatever they do at the same time, and a clean end."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg
from backends.native.support import engine_without
from wengert.backends import compile_plan, compile_with, cores, threads_named
from wengert.backends.native import blas, threads
from wengert.backends.native.engine import Library
from wengert.backends.native.host import llvm
from wengert.backends.native.plans import arranging, dividing
from wengert.plan import Plan

COUNTS = (1, 2, 3, 5)
ROUNDING = {"float64": 1e-13, "float32": 3e-5}  # relative to the largest entry


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of any size are cut."""
    for name, value in {"WORTH": 0.0, "_PIECE": 50.0, "_SHARE": 1e9, "_APART": 1}.items():
        monkeypatch.setattr(dividing, name, value)


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[dividing.Divided]:
    """The parts that are cut."""
    every: list[dividing.Divided] = []

    def divided(*given: Any) -> Any:
        parts = dividing.divided(*given)
        every.extend(p for p in parts if isinstance(p, dividing.Divided))
        return parts

    monkeypatch.setattr(arranging, "divided", divided)
    return every


def runs(plan: Plan, dtype: Any) -> list[Callable[[Any], Any]]:
    return [compile_with(plan, np.dtype(dtype), "native", count) for count in COUNTS]


def values_of(plan: Plan, arrays: Any) -> dict[str, Any]:
    names = sorted(
        (i.name for i in plan.instructions if hasattr(i, "name")), key=lambda n: (len(n), n)
    )
    return dict(zip(names, arrays, strict=True))


# ---------------------------------------------------------------- what is computed


def loss(w: Any, X: Any, y: Any) -> Any:
    return np.mean(np.logaddexp(0, -y * (X @ w))) + 0.01 * np.sum(w * w)


def network(V: Any, b: Any, W: Any, X: Any) -> Any:
    return np.mean((np.tanh(X @ V + b) @ W) ** 2)


def recurrence(W: Any, X: Any) -> Any:
    def step(state: Any, x: Any) -> Any:
        following = np.tanh(state @ W + x)
        return following, np.sum(following)

    state, sums = wg.scan(step, X[0], X)
    return np.sum(state) + np.sum(sums)


def softmax(X: Any) -> Any:
    Z = np.exp(X - np.max(X, axis=1, keepdims=True))
    return Z / np.sum(Z, axis=1, keepdims=True)


CASES: dict[str, tuple[Callable[..., Any], list[tuple[int, ...]]]] = {
    "entries": (lambda x: np.exp(-x * x) + np.sin(x), [(1009,)]),
    "broadcast": (lambda x, y: x * y + np.cos(x), [(67, 13), (13,)]),
    "matrix": (lambda x: np.tanh(x) * 2, [(5, 7, 31)]),
    "all": (lambda x: (np.sum(x), np.max(x), np.min(np.abs(x)), np.prod(1 + x / 99)), [(4001,)]),
    "columns": (lambda x: (np.sum(x, 0), np.max(x, 0), np.mean(x * x, 0)), [(211, 17)]),
    "rows": (lambda x: (np.sum(x, 1), np.min(x, 1)), [(211, 17)]),
    "middle": (lambda x: np.sum(np.exp(x), axis=1), [(11, 70, 9)]),
    "turned": (lambda x, y: np.exp(x.T) + y, [(23, 41), (41, 23)]),
    "choice": (lambda x: np.where(x > 0, x, -2 * x), [(777,)]),
    "truth": (lambda x: (x > 0) & (x < 1), [(777,)]),
    "softmax": (softmax, [(150, 11)]),
    "AB": (lambda A, B: A @ B, [(131, 40), (40, 37)]),
    "AᵀB": (lambda A, B: A.T @ B, [(40, 131), (40, 37)]),
    "ABᵀ": (lambda A, B: A @ B.T, [(131, 40), (37, 40)]),
    "AᵀBᵀ": (lambda A, B: A.T @ B.T, [(40, 131), (37, 40)]),
    "tall AᵀB": (lambda A, B: A.T @ B, [(1013, 9), (1013, 5)]),
    "Ax": (lambda A, x: A @ x, [(310, 47), (47,)]),
    "Aᵀx": (lambda A, x: A.T @ x, [(1310, 17), (1310,)]),
    "wide Aᵀx": (lambda A, x: A.T @ x, [(47, 310), (47,)]),
    "part of A": (lambda A, B: A[3:, :] @ B, [(134, 40), (40, 37)]),
    "logistic": (wg.value_and_grad(loss), [(20,), (2003, 20), (2003,)]),
    "network": (
        wg.value_and_grad(network, argnums=(0, 1, 2)), [(10, 16), (16,), (16, 3), (700, 10)]
    ),
    "loop": (wg.value_and_grad(recurrence), [(12, 12), (4, 90, 12)]),
    "hessian": (wg.hessian(loss), [(5,), (1500, 5), (1500,)]),
    "nothing": (lambda x, y: (np.sum(x) + y, x * 2), [(0, 5), (3,)]),
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", CASES)
def test_the_same_bits_for_any_number_of_threads(name: str, dtype: str, cut: None, found: Any):
    """And NumPy's results up to rounding."""
    f, shapes = CASES[name]
    rng = np.random.default_rng(3)
    arrays = [rng.normal(size=s).astype(dtype) for s in shapes]
    plan = wg.compile(f, engine="numpy").plan(*arrays)
    values = values_of(plan, arrays)
    expected = compile_plan(plan, np.dtype(dtype))(values)
    first, *others = [run(values) for run in runs(plan, dtype)]
    assert found or name == "nothing"
    for one, other in zip(first, expected, strict=True):
        bound = np.max(np.abs(other), initial=1e-30) * ROUNDING[dtype]
        np.testing.assert_allclose(one, other, rtol=0, atol=bound)
    for other in others:
        for a, b in zip(first, other, strict=True):
            np.testing.assert_array_equal(a, b, strict=True)


def test_sums_in_pieces_within_a_long_loop(cut: None, found: Any):
    """Its step is several functions."""

    def f(x: Any, c: Any) -> Any:
        def step(c: Any, k: Any) -> Any:
            total = np.sum(np.exp(x * c))
            for _ in range(230):
                c = np.sin(c) + 0.01 * k
            return c + 1e-5 * total, total

        return wg.scan(step, c, np.arange(3.0))

    x, c = np.linspace(0, 1, 3000), np.asarray(0.3)
    one, two = (wg.compile(f, engine="native", threads=k)(x, c) for k in (1, 2))
    assert any(part.summed for part in found)
    for a, b, other in zip(one, two, wg.compile(f, engine="numpy")(x, c), strict=True):
        assert a.tolist() == b.tolist()
        np.testing.assert_allclose(a, other, rtol=1e-13)


def test_nan_and_infinities_in_pieces(cut: None, found: Any):
    x = np.linspace(-1, 1, 4096).reshape(512, 8)
    x[300, 2], x[3, 3], x[511, 7] = np.nan, np.inf, -np.inf

    def f(x: Any) -> Any:
        return np.max(x, 0), np.min(x), np.sum(x, 0), np.sum(np.where(x > 5, 0.0, 1.0))

    fast = wg.compile(f, engine="native", threads=2)
    with np.errstate(invalid="ignore"):
        for one, other in zip(fast(x), f(x), strict=True):
            np.testing.assert_allclose(one, other)
    assert found


def test_what_is_long_is_cut_and_what_is_short_is_not():
    """By the plan's own measure, without a fixture; the plan says it."""
    fast = wg.compile(wg.value_and_grad(loss), engine="native", threads=2)
    w, X, y = np.ones(50) / 50, np.sin(np.arange(1e6)).reshape(20_000, 50), np.ones(20_000)
    value, gradient = fast(w, X, y)
    slow = wg.compile(wg.value_and_grad(loss), engine="numpy")(w, X, y)
    np.testing.assert_allclose(value, slow[0], rtol=1e-13)
    np.testing.assert_allclose(gradient, slow[1], rtol=1e-11)
    assert "native, in pieces" in str(fast.plan(w, X, y))
    assert "in pieces" not in str(fast.plan(w, X[:100].copy(), y[:100].copy()))


def test_the_number_of_threads_is_no_part_of_the_code(found: Any, monkeypatch: pytest.MonkeyPatch):
    """It comes in when code is linked: one object on disk for all."""
    texts: list[str] = []
    load = type(engine_without()).load

    def seen(self: Any, text: str, *given: Any, **named: Any) -> Any:
        texts.append(text)
        return load(self, text, *given, **named)

    monkeypatch.setattr(type(engine_without()), "load", seen)
    x = np.ones(300_000)
    plan = wg.compile(lambda x: np.sum(np.exp(x)), engine="numpy").plan(x)
    compile_with(plan, np.dtype(float), "native", 2)
    compile_with(plan, np.dtype(float), "native", 3)
    kernels_ = [t for t in texts if "@kernel" in t]
    assert found
    assert len(kernels_) == 2
    assert kernels_[0] == kernels_[1]


def test_code_of_others_stays_on_its_thread(cut: None, found: Any):
    """Routines that are neither ours nor BLAS may ask for the GIL, which the caller holds."""
    from scipy import special

    x = np.linspace(0.1, 9, 1000)
    fast = wg.compile(lambda x: special.jv(1.5, x) * 2, engine="native", threads=2)
    np.testing.assert_allclose(fast(x), special.jv(1.5, x) * 2, rtol=1e-14)
    assert not any(
        "jv" in str(s.write) for p in found for g in p.groups for s in getattr(g, "statements", ())
    )


# ---------------------------------------------------------------- at the same time


def test_many_calls_give_the_same_bits():
    x = np.sin(np.arange(400_000.0))
    fast = wg.compile(
        wg.value_and_grad(lambda x: np.sum(np.exp(x) * x)), engine="native", threads=4
    )
    value, gradient = fast(x)
    for _ in range(50):
        again, other = fast(x)
        assert again == value
        np.testing.assert_array_equal(other, gradient)


def test_calls_from_python_threads():
    """Each gets its own result, and all of them the same one as before."""
    X = np.sin(np.arange(400_000.0)).reshape(20_000, 20)
    fast = wg.compile(wg.value_and_grad(loss), engine="native", threads=2)
    points = [np.cos(np.arange(20.0) + k) for k in range(8)]
    y = np.ones(20_000)
    expected = [fast(w, X, y) for w in points]
    wrong: list[int] = []

    def work(k: int) -> None:
        for _ in range(20):
            value, gradient = fast(points[k], X, y)
            if value != expected[k][0] or not np.array_equal(gradient, expected[k][1]):
                wrong.append(k)

    workers = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


def test_blas_has_its_threads_back():
    if not blas.can_be_told():
        pytest.skip("this BLAS cannot be told how many threads to take")
    addresses = blas.addresses([blas.THREADS, blas.TELL_THREADS])
    get = ctypes.CFUNCTYPE(ctypes.c_int)(addresses[blas.THREADS])
    tell = ctypes.CFUNCTYPE(None, ctypes.c_int)(addresses[blas.TELL_THREADS])
    before = get()
    tell(2)
    A = np.ones((300, 300))
    wg.compile(lambda A: A @ A, engine="native", threads=2)(A)
    after = get()
    tell(before)
    assert after == 2


# ---------------------------------------------------------------- jobs, without plans

# Adds one to the entry of its piece, and to that of its seat: without atomic operations, so that
# a piece that runs twice or a seat that two threads have at once is seen.
BODY = """
define internal void @add(ptr %where, i64 %index) #0 {
start:
  %place = getelementptr i64, ptr %where, i64 %index
  %old = load volatile i64, ptr %place
  %new = add i64 %old, 1
  store volatile i64 %new, ptr %place
  ret void
}

define void @body(ptr %context, i64 %piece, i64 %seat) #0 {
start:
  call void @add(ptr %context, i64 %piece)
  %seats = getelementptr i64, ptr %context, i64 1000
  call void @add(ptr %seats, i64 %seat)
  ret void
}

define void @nested(ptr %context, i64 %piece, i64 %seat) #0 {
start:
  %inner = getelementptr i64, ptr %context, i64 2000
  %place = mul i64 %piece, 2000
  %own = getelementptr i64, ptr %inner, i64 %place
  call void @run(ptr @body, ptr %own, i64 9, i64 2)
  call void @add(ptr %context, i64 %piece)
  ret void
}

declare void @run(ptr, ptr, i64, i64)

attributes #0 = { nounwind }
"""


@pytest.fixture(scope="module")
def jobs() -> dict[str, Any]:
    """``run``, and the bodies by name."""
    engine = engine_without()
    run = threads.symbols_of(engine, 2)[threads.RUN]
    library = engine.load(BODY, ["body", "nested"], {"run": run})
    return caller(run, library)


def caller(run: int, library: Library) -> dict[str, Any]:
    kinds = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64]
    return {
        "run": ctypes.CFUNCTYPE(None, *kinds)(run),  # lets go of the GIL
        "body": library["body"],
        "nested": library["nested"],
        "keep": library,
    }


@pytest.mark.parametrize("pieces", [0, 1, 2, 7, 64, 900])
@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_every_piece_once(jobs: dict[str, Any], pieces: int, count: int):
    memory = np.zeros(2000, np.int64)
    for _ in range(200):
        jobs["run"](jobs["body"], memory.ctypes.data, pieces, count)
    assert np.all(memory[:pieces] == 200)
    assert not memory[pieces:1000].any()
    assert memory[1000:].sum() == 200 * pieces
    assert not memory[1000 + count :].any()


def test_jobs_at_the_same_time(jobs: dict[str, Any]):
    """One of them has the threads, the others run alone; none waits for another."""
    memories = [np.zeros(2000, np.int64) for _ in range(6)]

    def work(memory: Any) -> None:
        for _ in range(3000):
            jobs["run"](jobs["body"], memory.ctypes.data, 16, 3)

    workers = [threading.Thread(target=work, args=(m,)) for m in memories]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for memory in memories:
        assert np.all(memory[:16] == 3000)
        assert memory[1000:].sum() == 3000 * 16


def test_jobs_within_jobs(jobs: dict[str, Any]):
    memory = np.zeros(2000 * 12, np.int64)
    jobs["run"](jobs["nested"], memory.ctypes.data, 11, 2)
    assert np.all(memory[:11] == 1)
    inner = memory[2000:].reshape(11, 2000)
    assert np.all(inner[:, :9] == 1)
    assert np.all(inner[:, 1000] == 9)


def test_a_system_that_gives_no_threads(monkeypatch: pytest.MonkeyPatch):
    """Then who has the job does it alone; so it is where there are no such threads at all."""
    libc = threads._libc()
    if libc is None:
        pytest.skip("there are no POSIX threads")
    refusing = {**libc, "pthread_create": libc["getpid"]}  # gives a number that is not 0
    for given in (refusing, None):
        monkeypatch.setattr(threads, "_libc", lambda given=given: given)
        run = threads._addresses.__wrapped__(engine_without())[0]
        library = engine_without().load(BODY, ["body", "nested"], {"run": run})
        made = caller(run, library)
        memory = np.zeros(2000, np.int64)
        made["run"](made["body"], memory.ctypes.data, 50, 4)
        assert np.all(memory[:50] == 1)
        assert memory[1000] == 50


@pytest.mark.parametrize("arm", [False, True])
@pytest.mark.parametrize("apple", [False, True])
def test_code_for_every_system(arm: bool, apple: bool):
    binding = llvm()
    text = threads.text_of(arm=arm, apple=apple)
    with binding.parse_assembly(text, context=binding.create_context()) as module:
        module.verify()


# ---------------------------------------------------------------- processes

SOURCES = str(Path(wg.__file__).parents[1])
SCRIPT = """
import os, signal, sys, threading, time
import numpy as np
import wengert as wg

x = np.sin(np.arange(300_000.0))
fast = wg.compile(wg.value_and_grad(lambda x: np.sum(np.exp(x))), engine="native", threads=3)
value, gradient = fast(x)

def right():
    again, other = fast(x)
    return again == value and np.array_equal(other, gradient)

"""


def process(rest: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT + textwrap.dedent(rest)], capture_output=True, text=True,
        timeout=120, check=False, env={**os.environ, "PYTHONPATH": SOURCES, **environment},
    )  # fmt: skip


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_forks_make_their_own_threads():
    done = process(
        """
        def child():
            good = all(right() for _ in range(20))
            if good and os.path.isdir("/proc/self/task"):  # two of ours; BLAS may have others
                good = len(os.listdir("/proc/self/task")) >= 3
            os._exit(0 if good else 1)

        for _ in range(5):
            number = os.fork()
            if not number:
                child()
            assert right()
            assert os.waitpid(number, 0)[1] == 0
        """
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_signals_go_to_python_and_the_end_is_clean():
    """With threads that sleep, threads that work, and those of Python that nobody waits for."""
    done = process(
        """
        signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background

        def interrupt():
            time.sleep(0.2)
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=interrupt, daemon=True).start()
        try:
            for _ in range(10**6):
                right()
        except KeyboardInterrupt:
            assert right()
            print("interrupted")

        def work():
            while True:
                right()

        for _ in range(3):
            threading.Thread(target=work, daemon=True).start()
        time.sleep(0.2)
        assert right()
        """
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "interrupted\n"
    assert not done.stderr


# ---------------------------------------------------------------- how many


def test_numbers_of_threads(monkeypatch: pytest.MonkeyPatch):
    names = ("WENGERT_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    assert threads_named(None) == cores()
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "6")
    assert threads_named(None) == 6
    monkeypatch.setenv("OMP_NUM_THREADS", "5,2")
    assert threads_named(None) == 5
    assert threads_named(np.int64(3)) == 3
    monkeypatch.setenv("WENGERT_THREADS", "7")
    assert threads_named(None) == 7
    assert threads_named(2) == 2
    monkeypatch.setenv("WENGERT_THREADS", "many")
    with pytest.raises(ValueError, match="WENGERT_THREADS is a number from 1 to 1024, not 'many'"):
        threads_named(None)


@pytest.mark.parametrize("count", [0, -1, 1025, 1.5, "2", True, np.ones(2)])
def test_what_is_no_number_of_threads(count: Any):
    with pytest.raises(ValueError, match="threads is a number from 1 to 1024"):
        wg.compile(np.sin, threads=count)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="affinity cannot be set")
def test_one_thread_on_one_core():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert cores.__wrapped__() == 1
    finally:
        os.sched_setaffinity(0, before)
