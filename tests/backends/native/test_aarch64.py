"""Code for 64-bit ARM, run by an emulator: loops, plans with BLAS, and what Python calls.

The functions of the vector mathematics run there in ``test_mathematics``.
"""

from __future__ import annotations

import builtins
import struct
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest

pytest.importorskip("unicorn")

import wengert as wg
from backends.native.emulator import Emulator
from backends.native.support import emulated
from wengert.backends import compile_plan
from wengert.backends.native import blas, layout, threads
from wengert.backends.native.builder import Module
from wengert.backends.native.engine import Engine
from wengert.backends.native.entrance import FOREVER, KERNEL, entrance, words
from wengert.backends.native.layout import DTYPES
from wengert.backends.native.mathematics.routines import routine
from wengert.backends.native.plans import programs
from wengert.backends.native.types import F32, F64, PTR, Type
from wengert.backends.native.vectors import MAXIMUM, SUM, Stream, vector_loop

ENGINE: Any = emulated()
if ENGINE is None:
    pytest.skip("this LLVM has no other machines", allow_module_level=True)


# ---------------------------------------------------------------- loops


@pytest.mark.parametrize("type_", [F64, F32])
def test_loops_of_any_length(type_: Type):
    dtype, counts = np.dtype(DTYPES[type_]), (1, 2, 3, 7, 8, 9, 31, 100)
    lanes = ENGINE.host.lanes(type_)
    module = Module(ENGINE.host.written_for)
    for n in counts:
        b = module.function(f"f{n}", [PTR] * 4)
        x, y, out, totals = b.parameters

        def body(entries: Any, b: Any = b) -> Any:
            left, right = entries
            return [b.fma(left, right, 1.0)], [left + right] * 2

        found = vector_loop(
            b, n, [Stream(x, type_), Stream(y, type_, 2)], [Stream(out, type_)],
            body, lanes=lanes, unroll=4,
            reductions=[(SUM, type_), (MAXIMUM, type_)],
        )  # fmt: skip
        for k, total in enumerate(found):
            b.store(total, b.offset(totals, k, type_.size))
        b.give()
    machine = Emulator(ENGINE.compiled(module.text()))
    for n in counts:
        rng = np.random.default_rng(n)
        x, y = rng.normal(size=n).astype(dtype), rng.normal(size=2 * n).astype(dtype)
        machine.forget()
        out, totals = machine.put(np.full(n + 1, 7, dtype)), machine.room(2 * dtype.itemsize)
        machine.call(f"f{n}", machine.put(x), machine.put(y), out, totals)
        got = machine.get(out, n + 1, dtype)
        assert np.allclose(got[:n], x * y[::2] + 1, rtol=8 * np.finfo(dtype).eps, atol=1e-6)
        assert got[n] == 7
        both = machine.get(totals, 2, dtype)
        assert np.allclose(both, [(x + y[::2]).sum(), (x + y[::2]).max()], rtol=1e-5, atol=1e-6)


# ---------------------------------------------------------------- Python's and NumPy's objects


class Objects:
    """As much of Python and NumPy as compiled functions ask for, in an emulator's memory."""

    def __init__(self) -> None:
        self.machine: Any = None
        self.scalars: dict[int, Any] = {}
        self.asked = 0
        self.kernel_runs = np.zeros(8)
        kinds = [*DTYPES.values(), *map(np.dtype, DTYPES.values()), float, int]
        self.names: dict[int, str] = {id(kind): f"object {kind!r}" for kind in kinds}

    def symbols(self) -> dict[str, Any]:
        """What code is linked with: objects, and functions, most of which nobody should call."""
        objects = {id(o) for o in (np.ndarray, int, float, *vars(builtins).values())}
        return {
            name: np.zeros(8) if address in objects else getattr(self, name, self.unexpected)
            for name, address in layout.symbols().items()
        }

    def give_one(self, *_: int) -> None:
        """BLAS has one thread here."""
        self.give(1)

    def unexpected(self, *_: int) -> None:
        """A function that has no part in these programs."""
        raise AssertionError

    def place(self, of: object) -> int:
        """Where the emulator has an object of Python's."""
        return self.machine.addresses[self.names[id(of)]]

    def word(self, where: int, form: str = "Q") -> int:
        size = struct.calcsize(form)
        return struct.unpack(form, bytes(self.machine.cpu.mem_read(where, size)))[0]

    def array(self, shape: Sequence[int], dtype: Any, data: int) -> int:
        """An array object."""
        sizes = self.machine.put(np.array([*shape, 0], np.int64))
        packed = struct.pack(
            "<QQQiiQQQQiiQ", 1, self.machine.addresses["numpy_array"], data, len(shape), 0, sizes,
            0, 0, self.place(np.dtype(dtype)), layout.IN_A_ROW | 0x0400, 0, 0,
        )  # fmt: skip
        return self.machine.put(np.frombuffer(packed, np.uint8))

    def table(self, given: Any) -> int:
        """The table of a function, with the emulator's objects in the place of this process's."""
        begin, moved = given.ctypes.data, given.copy()
        where = self.machine.room(given.nbytes)
        for k, value in enumerate(given.tolist()):
            if value in self.names:
                moved[k] = self.machine.addresses[self.names[value]]
            elif begin <= value <= begin + given.nbytes:
                moved[k] = value - begin + where
        self.machine.cpu.mem_write(where, moved.tobytes())
        return where

    # ------------------------------------------------ what code calls

    def give(self, value: int) -> None:
        """A call's result."""
        from unicorn import arm64_const

        self.machine.cpu.reg_write(arm64_const.UC_ARM64_REG_X0, value)

    def numpy_new(self, *given: int) -> None:
        """PyArray_New."""
        _, axes, sizes, number, strides, data, itemsize, flags, other = given[:9]
        assert (strides, data, itemsize & 0xFFFFFFFF, flags & 0xFFFFFFFF, other) == (0,) * 5
        shape = [self.word(sizes + 8 * k, "q") for k in range(axes & 0xFFFFFFFF)]
        (dtype,) = [d for d in map(np.dtype, DTYPES.values()) if d.num == number & 0xFFFFFFFF]
        room = self.machine.room(max(int(np.prod(shape)), 1) * dtype.itemsize)
        self.give(self.array(shape, dtype, room))

    def numpy_scalar(self, *given: int) -> None:
        """PyArray_Scalar."""
        made = self.machine.room(16)
        self.scalars[made] = self.entry(given[0], (), given[1])
        self.give(made)

    def python_occurred(self, *_: int) -> None:
        """PyErr_Occurred, which says no."""
        self.give(0)

    def python_tuple(self, *given: int) -> None:
        """PyTuple_New."""
        self.give(self.machine.room(24 + 8 * given[0]))

    def python_drop(self, *_: int) -> None:
        """Py_DecRef, of results that are given up."""

    def python_call(self, *_: int) -> None:
        """The slow way, which there is none."""
        self.asked += 1
        self.give(0)

    def entry(self, data: int, shape: Sequence[int], dtype: int) -> Any:
        (kind,) = [d for d in DTYPES.values() if self.place(np.dtype(d)) == dtype]
        return self.machine.get(data, shape, kind)

    def read(self, made: int) -> Any:
        """The array of an object."""
        if made in self.scalars:
            return self.scalars[made]
        axes, sizes = self.word(made + 24, "i"), self.word(made + 32)
        shape = [self.word(sizes + 8 * k, "q") for k in range(axes)]
        return self.entry(self.word(made + 16), shape, self.word(made + 56))


def _matrix(machine: Any, where: int, rows: int, columns: int, dtype: Any) -> Any:
    """A matrix as BLAS reads it, by columns."""
    return machine.get(where, (columns, rows), dtype).T


def _blas(objects: Objects, prefix: str, dtype: Any) -> dict[str, Callable[..., None]]:
    """gemm and gemv, by NumPy."""

    def number(where: int) -> Any:
        return objects.machine.get(where, (), dtype)

    def integer(where: int) -> int:
        return objects.word(where, "i")

    def turned(where: int) -> bool:
        return objects.word(where, "B") == ord("T")

    def gemm(*given: int) -> None:
        first, second, m, n, k, alpha, a, lda, b, _, beta, c, ldc = given[:13]
        m, n, k = integer(m), integer(n), integer(k)
        left = _matrix(objects.machine, a, integer(lda), m if turned(first) else k, dtype)
        right = _matrix(objects.machine, b, integer(given[9]), k if turned(second) else n, dtype)
        left = left[:k].T if turned(first) else left[:m]
        right = right[:n].T if turned(second) else right[:k]
        before = _matrix(objects.machine, c, integer(ldc), n, dtype)
        total = number(alpha) * (left @ right)
        if number(beta):
            total = total + number(beta) * before[:m]
        objects.machine.cpu.mem_write(c, np.ascontiguousarray(total.T.astype(dtype)).tobytes())

    def gemv(*given: int) -> None:
        letter, m, n, alpha, a, lda, x, _, beta, y, _ = given[:11]
        m, n = integer(m), integer(n)
        matrix = _matrix(objects.machine, a, integer(lda), n, dtype)[:m]
        matrix = matrix.T if turned(letter) else matrix
        vector = objects.machine.get(x, matrix.shape[1], dtype)
        before = objects.machine.get(y, matrix.shape[0], dtype)
        total = number(alpha) * (matrix @ vector) + number(beta) * before
        objects.machine.cpu.mem_write(y, total.astype(dtype).tobytes())

    return {f"{prefix}gemm": gemm, f"{prefix}gemv": gemv}


# What shares pieces out, for one thread.
ALONE = f"""
define void @{threads.RUN}(ptr %body, ptr %context, i64 %pieces, i64 %threads) nounwind {{
start:
  br label %head
head:
  %k = phi i64 [0, %start], [%next, %loop]
  %more = icmp slt i64 %k, %pieces
  br i1 %more, label %loop, label %done
loop:
  call void %body(ptr %context, i64 %k, i64 0)
  %next = add i64 %k, 1
  br label %head
done:
  ret void
}}
"""


class Catching(Engine):
    """Keeps the text of what it should load."""

    text = ""

    def load(self, text: str, *_: Any, **__: Any) -> Any:
        self.text = text
        raise KeyError


def _entrance(engine: Engine, count: int) -> str:
    catching = Catching(engine.host, engine.cache)
    with pytest.raises(KeyError):
        entrance(catching, count)
    return catching.text


def emulated_callable(
    engine: Engine, module: Module, kernel: str, arguments: Any, results: Any, slow: Any,
    *, symbols: Any, keep: Any, quick: bool, **_: Any,
) -> Any:  # fmt: skip
    """In place of native_callable: the same code, with everything that it asks for emulated."""
    for name, type_ in list(module.routines.values()):
        routine(module, name, type_)
    for symbol, write in list(module.shared.items()):
        write(module, symbol)
    objects = Objects()
    outside = {**objects.symbols(), **_blas(objects, "d", np.float64)}
    outside |= _blas(objects, "s", np.float32)
    known = {a.ctypes.data: a for a in keep}
    for name, address in symbols.items():
        if name == "arena":
            outside[name] = np.zeros(max(a.nbytes for a in keep), np.uint8)
        elif address in known:
            outside[name] = known[address]
    outside |= {blas.THREADS: objects.give_one, blas.TELL_THREADS: objects.give_one}
    outside |= {threads.COUNT: 1, threads.SEATS: np.zeros(1 << 20, np.uint8)}
    objects.machine = machine = Emulator(engine.compiled(ALONE))
    machine.add(engine.compiled(module.text(), quick=quick), outside)
    data = engine.compiled(_entrance(engine, len(arguments) + len(results)))
    machine.add(data, outside)
    for name in objects.names.values():
        machine.addresses[name] = machine.room(8)
    table = words(arguments, results, None, None, calls=FOREVER, tupled=True)
    table[KERNEL] = machine.addresses[kernel]
    place = objects.table(table)
    own = objects.array((len(table),), np.dtype(np.int64), place)
    me = machine.put(np.array([1, 0, 1, own]))
    begin = machine.top

    def call(*given: Any) -> Any:
        machine.top = begin
        arrays = [np.asarray(a) for a in given]
        made = [objects.array(a.shape, a.dtype, machine.put(a)) for a in arrays]
        items = machine.put(np.array(made, np.uint64))
        found = machine.call("entrance", me, items, len(made), 0)
        if not found:
            return NotImplemented
        return tuple(
            objects.read(objects.word(found + layout.TUPLE_ITEMS + 8 * k))
            for k in range(len(results))
        )

    call.objects = objects  # type: ignore[attr-defined]
    return call


def losses() -> dict[str, tuple[Callable[..., Any], tuple[Any, ...]]]:
    rng = np.random.default_rng(0)
    normal = rng.normal

    def chain(x: Any) -> Any:
        y = np.sin(x) * np.exp(-x * x) + np.tanh(x) / (1 + x * x)
        return np.sum(y * np.cos(y) + np.exp(-y))

    def logistic(w: Any, X: Any) -> Any:
        return np.mean(np.logaddexp(0, -(X @ w))) + 0.01 * np.sum(w * w)

    def network(V: Any, W: Any, X: Any) -> Any:
        return np.mean((np.tanh(X @ V) @ W) ** 2)

    def rows(Z: Any) -> Any:
        return np.sum(np.log(np.sum(np.exp(Z - np.max(Z, 1, keepdims=True)), 1)) * Z[:, 0])

    def straight(x: Any) -> Any:
        for _ in range(60):
            x = x + 0.01 * np.sin(x) * x
        return x * x

    return {
        "chain": (chain, (normal(size=103),)),
        "logistic": (logistic, (normal(size=5), normal(size=(37, 5)))),
        "network": (network, (normal(size=(20, 32)), normal(size=(32, 4)), normal(size=(50, 20)))),
        "blocks": (network, (normal(size=(9, 16)), normal(size=(16, 3)), normal(size=(4100, 9)))),
        "rows": (rows, (normal(size=(11, 6)),)),
        "scalars": (straight, (np.float64(0.7),)),
    }


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", sorted(losses()))
def test_values_and_gradients(name: str, dtype: str, quick: bool, monkeypatch: pytest.MonkeyPatch):
    loss, arguments = losses()[name]
    arguments = tuple(np.asarray(a).astype(dtype)[()] for a in arguments)
    plan = wg.compile(wg.value_and_grad(loss), engine="numpy").plan(*arguments)
    monkeypatch.setattr(programs, "native_callable", partial(emulated_callable, quick=quick))
    program = programs.NativeProgram(plan, np.dtype(dtype), ENGINE, 1)
    values = dict(zip(program.names, arguments, strict=False))
    expected = compile_plan(plan, np.dtype(dtype))(values)
    got = program(values)
    assert program.function is not None, "not all of it is native"
    assert program.function(*[values[n] for n in program.names]) is not NotImplemented
    tolerance = 1e-12 if dtype == "float64" else 2e-4
    for one, other in zip(got, expected, strict=True):
        assert np.asarray(one).dtype == np.asarray(other).dtype
        assert np.allclose(one, other, rtol=tolerance, atol=tolerance * np.abs(other).max())
    wrong = [np.zeros((3, 3, 3), dtype)] * len(program.names)
    assert program.function(*wrong) is NotImplemented
    assert program.function.objects.asked == 1  # type: ignore[attr-defined]
