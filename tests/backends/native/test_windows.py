"""Code for Windows, with its calling convention, run here where the processor is the same."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from wengert.backends.native import engine as engines
from wengert.backends.native.builder import Module
from wengert.backends.native.cache import ObjectCache
from wengert.backends.native.engine import Engine
from wengert.backends.native.host import host
from wengert.backends.native.mathematics.routines import routine
from wengert.backends.native.types import F64, I64, PTR
from wengert.backends.native.vectors import SUM, Stream, vector_loop

TRIPLE = "x86_64-pc-windows-msvc-elf"

# Functions of this machine's convention around those of Windows'.
AROUND = """
declare i64 @here(i64, i64, i64, i64, i64)
define win64cc i64 @outside(i64 %a, i64 %b, i64 %c, i64 %d, i64 %e) {
  %r = call i64 @here(i64 %a, i64 %b, i64 %c, i64 %d, i64 %e)
  ret i64 %r
}
define void @probe() { ret void }
define i64 @call(ptr %f, ptr %x, ptr %y, ptr %total, i64 %n, i64 %k) {
  %r = call win64cc i64 %f(ptr %x, ptr %y, ptr %total, i64 %n, i64 %k)
  ret i64 %r
}
"""


@pytest.mark.skipif(
    "x86_64" not in host().triple or host().windows, reason="another processor, or Windows itself"
)
def test_windows_code_runs_wherever_memory_is(monkeypatch: pytest.MonkeyPatch):
    here = engines.engine()
    number = ctypes.c_int64
    heard: list[tuple[int, ...]] = []
    function = ctypes.CFUNCTYPE(number, *[number] * 5)(lambda *a: heard.append(a) or sum(a))
    address: Any = ctypes.cast(function, ctypes.c_void_p).value
    around = here.link(here.compiled(AROUND), ["outside", "probe", "call"], {"here": address})
    monkeypatch.setattr(engines, "_stack_probe", lambda: around["probe"])

    there = Engine(replace(host(), triple=TRIPLE), ObjectCache(None))
    type_ = F64.of(there.host.lanes(F64))
    module = Module(there.host.written_for)
    exp = routine(module, "exp", type_)
    b = module.function("f", [PTR, PTR, PTR, I64, I64], I64)
    x, y, total, n, k = b.parameters
    room = b.slot(20_000)  # more than a page
    b.store(k, room)
    (found,) = vector_loop(
        b, n, [Stream(x, F64)], [Stream(y, F64)],
        lambda e: ([b.call(exp, type_, e[0])], [e[0]]), lanes=type_.lanes,
        reductions=[(SUM, F64)],
    )  # fmt: skip
    b.store(found, total)
    b.store(b.load(I64, room), module.external(b, "cell"))
    b.give(b.call("outside", I64, n, k, n, k, n))
    data = there.compiled(module.text())
    assert data.startswith(b"\x7fELF")

    cell = np.zeros(1, np.int64)
    library = there.link(data, ["f"], {"cell": cell.ctypes.data, "outside": around["outside"]})
    x = np.linspace(-3, 3, 101)
    y, total = np.empty(101), np.empty(1)
    call = ctypes.CFUNCTYPE(number, *[ctypes.c_void_p] * 4, number, number)(around["call"])
    assert call(library["f"], *(a.ctypes.data for a in (x, y, total)), 101, 7) == 317
    assert heard == [(101, 7, 101, 7, 101)]
    assert cell[0] == 7
    np.testing.assert_allclose(y, np.exp(x), rtol=4e-16)
    np.testing.assert_allclose(total, x.sum(), atol=1e-13)
