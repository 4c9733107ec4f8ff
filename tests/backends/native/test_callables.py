"""Builtin functions made at run time: what they take, and what goes the slow way."""

from __future__ import annotations

import ctypes
import gc
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wengert.backends.native import callables, layout
from wengert.backends.native import host as hosts
from wengert.backends.native.builder import Builder, Module, Value
from wengert.backends.native.cache import ObjectCache
from wengert.backends.native.callables import native_callable
from wengert.backends.native.engine import Engine, engine
from wengert.backends.native.entrance import Array
from wengert.backends.native.host import UnsupportedHostError, host
from wengert.backends.native.types import F32, F64, I8, I64, PTR, VOID
from wengert.backends.native.vectors import SUM, Stream, vector_loop


def slow(*arguments: Any, **named: Any) -> Any:
    return "slow", arguments, named


def _pointers(b: Builder, count: int) -> list[Value]:
    return [b.load(PTR, b.offset(b.parameters[0], 8 * k)) for k in range(count)]


def _scaled_sum(shape: tuple[int, ...] = (3, 4), path: Any = slow, kind: Any = F64) -> Any:
    """(x, a) -> (a x, the sum of x)."""
    module = Module(host().written_for)
    b = module.function("kernel", [PTR], I64)
    x, a, scaled, total = _pointers(b, 4)
    count = int(np.prod(shape))
    (result,) = vector_loop(
        b, count, [Stream(x, kind), Stream(a, kind, 0)], [Stream(scaled, kind)],
        lambda e: ([e[0] * e[1]], [e[0]]), lanes=8, reductions=[(SUM, kind)],
    )  # fmt: skip
    b.store(result, total)
    b.give(b.constant(0, I64))
    inputs, outputs = [Array(kind, shape), Array(kind)], [Array(kind, shape), Array(kind)]
    return native_callable(engine(), module, "kernel", inputs, outputs, path, doc="Scale, sum.")


X = np.arange(12.0).reshape(3, 4)


@pytest.fixture(scope="module")
def function() -> Any:
    return _scaled_sum()


@pytest.mark.parametrize("a", [2.0, np.float64(2), np.array(2.0), np.ones(1).reshape(()) * 2])
def test_arrays_and_numbers_are_taken(function: Any, a: Any):
    scaled, total = function(X, a)
    assert np.array_equal(scaled, 2 * X)
    assert type(total) is np.float64
    assert total == 66.0
    assert scaled.flags.owndata
    assert scaled.flags.writeable


def _other_layouts() -> list[Any]:
    unaligned = np.frombuffer(b"\0" * 97, np.uint8)[1:].view(np.float64).reshape(3, 4)
    read_as = np.ndarray.__new__(np.ma.MaskedArray, (3, 4))
    return [
        X.T, X[:, ::-1], np.asfortranarray(X), X[:2], X.reshape(12), X.reshape(3, 2, 2), X[None],
        X.astype(np.float32), X.astype(np.int64), X.astype(">f8"), X.astype(object), unaligned,
        read_as, np.matrix(X), X.tolist(), None, "x", 1.0, object(), np.float64(1), int,
    ]  # fmt: skip


@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_all_else_goes_the_slow_way(function: Any):
    for other in _other_layouts():
        assert function(other, 2.0)[0] == "slow"
    for other in (2, True, np.float32(2), np.array([2.0]), "2", None, np.int64(2), 2j, X):
        result = function(X, other)
        assert result[0] == "slow"
        assert result[1][0] is X
        assert result[1][1] is other
    for arguments, named in [((), {}), ((X,), {}), ((X, 2.0, 3.0), {}), ((X, 2.0), {"k": 1})]:
        result = function(*arguments, **named)
        assert result == ("slow", arguments, named)
    assert function(a=2.0, x=1)[2] == {"a": 2.0, "x": 1}


def test_errors_of_the_slow_way_come_through():
    def failing(*arguments: Any) -> Any:
        raise KeyError("as it should be")

    with pytest.raises(KeyError, match="as it should be"):
        _scaled_sum(path=failing)(1)


@pytest.mark.parametrize(("kind", "dtype"), [(F32, np.float32), (F64, np.float64), (I64, np.int64)])
def test_entries_of_every_type(kind: Any, dtype: Any):
    function = _scaled_sum((5,), kind=kind)
    scaled, total = function(np.arange(5, dtype=dtype), dtype(3))
    assert scaled.dtype == dtype
    assert scaled.tolist() == [0, 3, 6, 9, 12]
    assert type(total) is dtype
    assert total == 10


def test_booleans_and_single_results():
    module = Module(host().written_for)
    b = module.function("kernel", [PTR], I64)
    given, place = _pointers(b, 2)
    for k in range(3):
        b.store(b.load(I8, b.offset(given, k)) ^ 1, b.offset(place, k))
    b.give(b.constant(0, I64))
    function = native_callable(
        engine(), module, "kernel", [Array(I8, (3,))], [Array(I8, (3,))], slow, tupled=False
    )
    result = function(np.array([True, False, True]))
    assert result.dtype == bool
    assert result.tolist() == [False, True, False]


def test_empty_arrays():
    scaled, total = _scaled_sum((0, 4))(np.empty((0, 4)), 1.0)
    assert scaled.shape == (0, 4)
    assert total == 0.0


def test_a_kernel_that_gives_up_asks_the_slow_way():
    module = Module(host().written_for)
    b = module.function("kernel", [PTR], I64)
    negative = b.load(F64, _pointers(b, 1)[0]) < 0.0
    b.give(b.select(negative, b.constant(5, I64), 0))
    function = native_callable(engine(), module, "kernel", [Array(F64)], [Array(F64, (9,))], slow)
    assert function(1.0).shape == (9,)
    assert function(-1.0) == ("slow", (-1.0,), {})


def test_a_kernel_may_raise():
    module = Module(host().written_for)
    b = module.function("kernel", [PTR], I64)
    kind, text = module.external(b, "kind"), module.external(b, "text")
    b.call("raise", VOID, kind, text)
    b.give(b.constant(-1, I64))
    text, set_error = ctypes.c_char_p(b"as it is"), ctypes.pythonapi.PyErr_SetString
    symbols = {
        "kind": id(OverflowError),
        "text": ctypes.cast(text, ctypes.c_void_p).value or 0,
        "raise": ctypes.cast(set_error, ctypes.c_void_p).value or 0,
    }
    function = native_callable(
        engine(), module, "kernel", [], [Array(F64, (9,)), Array(F64)], slow, symbols=symbols,
        keep=[text],
    )  # fmt: skip
    for _ in range(3):
        with pytest.raises(OverflowError, match="as it is"):
            function()


def _increased(calls: int, number: int) -> Any:
    """n + number, as an integer of Python, of NumPy or an array; no other process has the code."""
    module = Module(host().written_for)
    b = module.function("kernel", [PTR], I64)
    given, place = _pointers(b, 2)
    b.store(b.load(I64, given) + number, place)
    b.give(b.constant(0, I64))
    own = Engine(host(), ObjectCache(None))
    return native_callable(own, module, "kernel", [Array(I64)], [Array(I64)], slow, calls=calls)


def test_integers_of_python():
    function = _increased(-1, 5)
    for n in (3, -(2**63), 2**63 - 6, np.int64(4), np.array(4)):
        assert function(n) == int(n) + 5
        assert type(function(n)) is np.int64
    for n in (2**63, -(2**63) - 1, True, 1.0, np.int32(3)):
        assert function(n) == ("slow", (n,), {})


def test_what_is_called_often_is_compiled_again():
    function = _increased(4, 6)
    code = function.__self__.code
    found = [(function(k), len(code.libraries)) for k in range(10)]
    assert found == [(k + 6, 1 + (k >= 3)) for k in range(10)]
    assert not code.libraries[1].quick
    assert len(_increased(-1, 6).__self__.code.libraries) == 1


def test_better_code_on_disk_is_taken_at_once(tmp_path: Path):
    text = Module(host().written_for).text() + "define double @f() { ret double 0.0 }"
    own = Engine(host(), ObjectCache(tmp_path))
    assert own.load(text, ["f"], quick=True).quick
    assert own.load(text, ["f"], quick=True).quick
    assert not own.load(text, ["f"]).quick
    assert not own.load(text, ["f"], quick=True).quick


def test_code_that_cannot_be_renewed_stays(monkeypatch: pytest.MonkeyPatch):
    function = _increased(2, 7)

    def failing(*_: Any, **__: Any) -> Any:
        raise MemoryError("no room")

    monkeypatch.setattr(Engine, "load", failing)
    assert [function(k) for k in range(4)] == [7, 8, 9, 10]
    assert len(function.__self__.code.libraries) == 1


@pytest.mark.parametrize("count", [1, 7, 8, 9, 40])
def test_any_number_of_arguments_and_results(count: int):
    module = Module(host().written_for)
    b = module.function("kernel", [PTR], I64)
    places = _pointers(b, 2 * count)
    for given, place in zip(places[:count], places[count:], strict=True):
        b.store(b.load(F64, given) + 1.0, place)
    b.give(b.constant(0, I64))
    shapes = [(1,) * (k % 4) for k in range(count)]
    arrays = [Array(F64, s) for s in shapes]
    function = native_callable(engine(), module, "kernel", arrays, arrays, slow, tupled=True)
    given = [np.full(s, float(k)) for k, s in enumerate(shapes)]
    found = function(*given)
    assert [f.shape for f in found] == shapes
    assert [float(f.sum()) for f in found] == [k + 1.0 for k in range(count)]
    assert function(*given[:-1], np.ones((1, 1, 1, 1)))[0] == "slow"


def test_nothing_is_counted_wrongly():
    function = _scaled_sum()
    a = np.array(2.0)
    watched = [X, a, slow, np.ndarray, np.dtype(np.float64), function]
    before = [sys.getrefcount(w) for w in watched]
    for _ in range(1000):
        function(X, a)
        function(X.T, a)
        function()
    after = [sys.getrefcount(w) for w in watched]
    assert all(abs(x - y) < 20 for x, y in zip(before, after, strict=True))
    scaled, total = function(X, a)
    assert sys.getrefcount(scaled) == sys.getrefcount(total) == 2


def test_functions_are_python_s_and_unload_their_code(function: Any):
    assert function.__name__ == "compiled"
    assert function.__doc__ == "Scale, sum."
    assert function.__module__ == "wengert"
    assert callable(function.__self__.slow)

    class Slow:
        def __call__(self, *arguments: Any) -> Any:
            return "slow"

    import weakref

    path = Slow()
    gone = weakref.ref(path)
    short_lived = _scaled_sum(path=path)
    del path
    assert gone() is not None
    assert short_lived() == "slow"
    del short_lived
    gc.collect()
    assert gone() is None


def test_threads_call_the_same_function(function: Any):
    wrong: list[Any] = []

    def work(number: float) -> None:
        for _ in range(300):
            scaled, _ = function(X, number)
            if not np.array_equal(scaled, number * X):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(float(k),)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_result_is_needed():
    with pytest.raises(ValueError, match="has a result"):
        native_callable(engine(), Module(host().written_for), "kernel", [], [], slow)


def test_other_objects_are_refused(monkeypatch: pytest.MonkeyPatch):
    layout.check_layout()
    layout.check_layout.cache_clear()
    monkeypatch.setattr(layout, "DTYPE", 48)
    with pytest.raises(UnsupportedHostError, match="laid out in another way"):
        layout.check_layout()
    layout.check_layout.cache_clear()


def test_free_threaded_python_is_refused(monkeypatch: pytest.MonkeyPatch):
    hosts.host.cache_clear()
    monkeypatch.setattr(hosts.sysconfig, "get_config_var", lambda name: name == "Py_GIL_DISABLED")
    with pytest.raises(UnsupportedHostError, match="free-threaded"):
        hosts.host()
    hosts.host.cache_clear()


def test_the_end_of_the_process_is_quiet():
    code = """
import numpy as np
from wengert.backends.native.builder import *
from wengert.backends.native.callables import *
from wengert.backends.native.entrance import Array
from wengert.backends.native.engine import engine
from wengert.backends.native.types import *
def make():
    m = Module(engine().host.written_for)
    b = m.function("kernel", [PTR], I64)
    x, y = (b.load(PTR, b.offset(b.parameters[0], 8 * k)) for k in range(2))
    b.store(b.load(F64, x) + 1.0, y)
    b.give(b.constant(0, I64))
    return native_callable(engine(), m, "kernel", [Array(F64)], [Array(F64)], lambda *a: "slow")
f = make()
class Late:
    def __del__(self):
        assert f is None or f(1.0) == 2.0
late, cycle = Late(), [make()]
cycle.append(cycle)
cycle[0].__self__.code.keep += (cycle,)
print(f(1.0))
"""
    source = str(Path(callables.__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": source},
    )  # fmt: skip
    assert done.stdout.strip() == "2.0"
    assert done.stderr == ""


def test_descriptions_outlive_functions_that_are_collected_in_cycles():
    """Freed with the owner, they were read once more by the garbage collector: a crash."""
    made = [_constant(), _constant()]
    # Where the object of a builtin function names its description.
    first, second = (ctypes.c_void_p.from_address(id(f) + 16).value for f in made)
    assert first == second is not None


def _constant() -> Any:
    module = Module(host().written_for)
    b = module.function("kernel", [PTR], I64)
    (place,) = _pointers(b, 1)
    b.store(b.constant(1, I64), place)
    b.give(b.constant(0, I64))
    return native_callable(engine(), module, "kernel", [], [Array(I64)], slow)
