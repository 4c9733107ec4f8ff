"""Compiling, linking, unloading."""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import pytest

from backends.native.support import WIDE, add_function, without
from wengert.backends.native import blas
from wengert.backends.native.builder import Module
from wengert.backends.native.cache import ObjectCache
from wengert.backends.native.engine import PER_LINKER, Engine, engine
from wengert.backends.native.host import Host, UnsupportedHostError, host, host_of
from wengert.backends.native.mathematics.routines import FUNCTIONS, addresses, call, routine
from wengert.backends.native.types import F32, F64, I32, I64, PTR, constant_text, type_of


def _adding(number: float) -> Module:
    module = Module(host().written_for)
    b = module.function("f", [F64], F64)
    b.give(b.parameters[0] + number)
    return module


def _as_function(library: Any) -> Any:
    return ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(library["f"])


# ---------------------------------------------------------------- hosts


def test_vectors_are_two_registers_of_those_that_the_machine_has():
    def lanes(machine: str, *features: str) -> tuple[int, bool]:
        found = host_of(machine, "", dict.fromkeys(features, True))
        return found.lanes(F64), found.fused

    assert lanes("x86_64", "sse4.1") == (4, False)
    assert lanes("AMD64", "sse4.1", "avx") == (4, False)
    assert lanes("x86_64", "sse4.1", "avx", "avx2") == (8, False)
    assert lanes("x86_64", "sse4.1", "avx", "avx2", "fma") == (8, True)
    assert lanes("x86_64", "sse4.1", "avx", "avx2", "fma", "avx512f") == (8, True)
    assert lanes("aarch64", "neon") == (4, True)
    assert lanes("arm64") == (4, True)


@pytest.mark.parametrize(
    ("machine", "reason"), [("x86_64", "SSE4.1"), ("riscv64", "riscv64"), ("i686", "i686")]
)
def test_what_is_not_supported_says_why(machine: str, reason: str):
    with pytest.raises(UnsupportedHostError, match=reason):
        host_of(machine, "", {"sse2": True})


def test_without_llvmlite_there_is_a_reason(monkeypatch: pytest.MonkeyPatch):
    from wengert.backends.native import host as hosts

    monkeypatch.setitem(sys.modules, "llvmlite", None)
    hosts.llvm.cache_clear()
    try:
        with pytest.raises(UnsupportedHostError, match="pip install llvmlite"):
            hosts.llvm()
    finally:
        hosts.llvm.cache_clear()


def test_an_old_llvmlite_is_refused(monkeypatch: pytest.MonkeyPatch):
    import llvmlite

    from wengert.backends.native import host as hosts

    monkeypatch.setattr(llvmlite, "__version__", "0.44.0")
    hosts.llvm.cache_clear()
    try:
        with pytest.raises(UnsupportedHostError, match=r"0\.44\.0 is too old"):
            hosts.llvm()
    finally:
        hosts.llvm.cache_clear()


# ---------------------------------------------------------------- numbers


def test_numbers_are_written_exactly():
    assert constant_text(F64, 0.0) == "0x0000000000000000"
    assert constant_text(F64, -0.0) == "0x8000000000000000"
    assert constant_text(F64.of(4), 0.1) == "splat (double 0x3FB999999999999A)"
    assert constant_text(F32, 0.1) == "0x3FB99999A0000000"  # what float32 makes of it
    assert constant_text(I64, 2**64 - 1) == constant_text(I64, -1) == "-1"
    assert constant_text(I32.of(2), 2**31) == "splat (i32 -2147483648)"


def test_values_of_one_type_only():
    b = Module(host().written_for).function("f", [F64, F32])
    x, y = b.parameters
    for wrong in (lambda: x + y, lambda: x < y):
        with pytest.raises(TypeError, match="double and float"):
            wrong()
    assert (x + 1.0).text == (x + 1.0).text  # written once
    assert (x + 0.0).text != (x + -0.0).text


# ---------------------------------------------------------------- objects on disk


def test_what_is_on_disk_is_not_compiled_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    text = _adding(2.0).text()
    Engine(host(), ObjectCache(tmp_path)).load(text, ["f"])
    later = Engine(host(), ObjectCache(tmp_path))
    monkeypatch.setattr(Engine, "compiled", lambda self, text: pytest.fail("compiled"))
    assert _as_function(later.load(text, ["f"]))(1.0) == 3.0


def test_what_is_no_object_is_compiled_again(tmp_path: Path):
    own = Engine(host(), ObjectCache(tmp_path))
    text = _adding(3.0).text()
    for wrong in (b"", b"no object", own.compiled(_adding(4.0).text().replace("@f", "@g"))):
        own.cache.write(own.key(text), wrong)
        assert _as_function(own.load(text, ["f"]))(1.0) == 4.0
        assert own.cache.read(own.key(text)) == own.compiled(text)


def test_keys_know_the_machine(tmp_path: Path):
    here = Engine(host(), ObjectCache(None))
    there = Engine(without(host(), *WIDE), ObjectCache(None))
    assert here.key("text") != there.key("text")
    assert here.key("text") != here.key("text ")


def test_objects_hold_no_addresses():
    module = Module(host().written_for)
    b = module.function("f", [PTR], PTR)
    b.give(module.external(b, "somewhere"))
    text = module.text()
    first = engine().load(text, ["f"], {"somewhere": 0x1234567890AB})
    second = engine().load(text, ["f"], {"somewhere": 0x10})
    found = [
        ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(library["f"])(0)
        for library in (first, second)
    ]
    assert found == [0x1234567890AB, 0x10]


def test_wrong_code_is_an_error(capfd: pytest.CaptureFixture[str]):
    with pytest.raises(RuntimeError, match="expected"):
        engine().compiled("define nonsense")
    module = Module(host().written_for)
    b = module.function("f", [F64], F64)
    b.give(b.call("not_there", F64, *b.parameters))
    with pytest.raises(RuntimeError, match="materialize"):
        engine().load_module(module, ["f"])
    assert capfd.readouterr().err == ""


# ---------------------------------------------------------------- calls


def test_blas_is_called_by_its_address():
    module = Module(host().written_for)
    b = module.function("f", [PTR, PTR], F64)
    n, one = b.slot(4), b.slot(4)
    b.store(b.constant(3, I32), n)
    b.store(b.constant(1, I32), one)
    assert blas.arity("ddot") == 5
    x, y = b.parameters
    b.give(b.call("ddot", F64, n, x, one, y, one))
    library = engine().load_module(module, ["f"], blas.addresses(["ddot"]))
    three = ctypes.c_double * 3
    function = ctypes.CFUNCTYPE(ctypes.c_double, three, three)(library["f"])
    assert function(three(1, 2, 3), three(4, 5, 6)) == 32.0
    with pytest.raises(ValueError, match="'dnone'"):
        blas.addresses(["dnone"])


def test_routines_are_called_as_they_are_written():
    module = Module(host().written_for)
    b = module.function("f", [PTR])
    place = b.parameters[0]
    for k, name in enumerate(["exp", "sin", "tanh", "sqrt"]):
        for j, type_ in enumerate([type_of("f64", 8), F64]):
            at = b.offset(place, 64 * (2 * k + j))
            b.store(call(name, b.load(type_, at)) - FUNCTIONS[name].write(b.load(type_, at)), at)
    b.give()
    assert sorted(module.routines) == [
        f"wengert_{name}_{code}" for name in ("exp", "sin", "tanh") for code in ("f64", "v8f64")
    ]
    library = engine().load_module(module, ["f"])
    numbers = (ctypes.c_double * 64)(*(1 + 0.1 * k for k in range(64)))
    ctypes.CFUNCTYPE(None, ctypes.c_void_p)(library["f"])(ctypes.addressof(numbers))
    assert [numbers[k] for k in range(64) if k % 16 <= 8] == [0.0] * 36


# ---------------------------------------------------------------- other machines


def _undefined(data: bytes) -> set[str]:
    """Symbols that an ELF object does not define, by its tables of 64-bit machines."""
    start = int.from_bytes(data[40:48], "little")
    size, count = (int.from_bytes(data[k : k + 2], "little") for k in (58, 60))
    headers = [data[start + k * size : start + (k + 1) * size] for k in range(count)]

    def section(header: bytes) -> bytes:
        at, length = (int.from_bytes(header[k : k + 8], "little") for k in (24, 32))
        return data[at : at + length]

    found: set[str] = set()
    for header in headers:
        if int.from_bytes(header[4:8], "little") != 2:  # the table of symbols
            continue
        names = section(headers[int.from_bytes(header[40:44], "little")])
        table = section(header)
        for k in range(24, len(table), 24):
            name, where = (
                int.from_bytes(table[k + a : k + e], "little") for a, e in ((0, 4), (6, 8))
            )
            if not where:
                found.add(names[name : names.index(b"\0", name)].decode())
    return found


def _undefined_of_apple(data: bytes) -> set[str]:
    """The same of a Mach-O object."""
    assert data[:4] == b"\xcf\xfa\xed\xfe"
    found: set[str] = set()
    at = 32
    for _ in range(int.from_bytes(data[16:20], "little")):
        command, size = (int.from_bytes(data[at + k : at + k + 4], "little") for k in (0, 4))
        if command == 2:  # the table of symbols
            table, count, names = (
                int.from_bytes(data[at + k : at + k + 4], "little") for k in (8, 12, 16)
            )
            for k in range(table, table + 16 * count, 16):
                if not data[k + 4] & 0x0E:
                    name = names + int.from_bytes(data[k : k + 4], "little")
                    found.add(data[name : data.index(b"\0", name)].decode())
        at += size
    return found


MACHINES = {
    "Linux on ARM": Host("aarch64-unknown-linux-gnu", "+neon", 32, True),
    "macOS on ARM": Host("arm64-apple-darwin", "", 32, True),
    "Linux with SSE4.1": Host("x86_64-unknown-linux-gnu", "+sse4.1,-avx,-fma", 32, False),
    "Windows with SSE4.1": Host("x86_64-pc-windows-msvc-elf", "+sse4.1,-avx", 32, False),
    "Windows with AVX2": Host("x86_64-pc-windows-msvc-elf", "+avx2,+fma", 64, True),
}


@pytest.mark.parametrize("machine", MACHINES)
def test_the_mathematics_needs_no_library(machine: str):
    other = MACHINES[machine]
    try:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
        llvm.Target.from_triple(other.triple)
    except (AttributeError, RuntimeError):
        pytest.skip("this LLVM has no other machines")
    module = Module(other.written_for)
    for kind in (F64, F32):
        for name in FUNCTIONS:
            routine(module, name, kind.of(other.lanes(kind)))
    data = Engine(other, ObjectCache(None)).compiled(module.text())
    undefined = _undefined_of_apple if "apple" in other.triple else _undefined
    assert undefined(data) <= {""}


# ---------------------------------------------------------------- memory and threads


def _resident() -> int:
    """Memory of this process, in kB."""
    return 4 * int(Path("/proc/self/statm").read_text().split()[1])


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_unloaded_code_gives_its_memory_back():
    own = Engine(host(), ObjectCache(None))
    data = own.compiled(_adding(1.0).text())

    def some(count: int) -> None:
        for _ in range(count):
            own.link(data, ["f"])

    some(12 * PER_LINKER)
    gc.collect()
    before = _resident()
    some(80 * PER_LINKER)
    assert _resident() - before < 2500  # kB, that is 1 kB each


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_compiling_leaves_nothing_behind():
    own = Engine(host(), ObjectCache(None))
    for k in range(50):
        own.compiled(_adding(float(k)).text())
    before = _resident()
    for k in range(150):
        own.compiled(_adding(0.5 + k).text())
    assert _resident() - before < 1000


def test_code_lives_as_long_as_its_library():
    own = Engine(host(), ObjectCache(None))
    data = [own.compiled(_adding(float(k)).text()) for k in range(7)]
    kept = [
        (k, library)
        for k in range(3 * PER_LINKER)  # of several linkers, of which the last alone is in use
        if (library := own.link(data[k % 7], ["f"])) and k % 20 == 0
    ]
    del own
    gc.collect()
    assert [_as_function(library)(0.5) for _, library in kept] == [k % 7 + 0.5 for k, _ in kept]


def test_any_thread_compiles():
    own = Engine(host(), ObjectCache(None))
    results: dict[int, float] = {}

    def work(number: int) -> None:
        for k in range(10):
            library = own.load(_adding(float(10 * number + k)).text(), ["f"])
            results[10 * number + k] = _as_function(library)(0.0)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {k: float(k) for k in range(40)}


def test_a_function_may_be_added_to_any_module():
    module = Module(host().written_for)
    add_function(module, "sin", type_of("f64", 8), "f")
    add_function(module, "cos", type_of("f64", 8), "g")  # both reduce large angles
    library = engine().load_module(module, ["f", "g"])
    assert library["f"] != library["g"]
    assert module.text().count("define internal") == 1
    assert I64.text == "i64"


# ---------------------------------------------------------------- long modules


def _several() -> Module:
    """Functions that call each other, with constants and symbols from outside."""
    module = Module(host().written_for)
    b = module.function("f", [F64, PTR], F64)
    x, table = b.parameters
    numbers = module.table(b, "numbers_-8", F64, [2.0, 3.0])  # steps may be negative
    for k in range(6):
        inner = module.function(f"part_{k}", [F64, PTR], F64, internal=True)
        y = inner.parameters[0] * inner.load(F64, inner.offset(numbers, 8 * (k % 2)))
        inner.give(call("sin", y) + inner.load(F64, module.external(inner, "outside")))
        x = b.call(inner.name, F64, x, table)
    b.give(x)
    return module


def test_a_module_in_pieces_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    module, number = _several(), ctypes.c_double(0.25)
    outside = {"outside": ctypes.addressof(number), **addresses(engine(), module)}
    own = Engine(host(), ObjectCache(tmp_path))
    whole = _as_function_of_two(own.load(module.text(), ["f"], outside))
    assert module.texts(10_000) == [module.text()]
    texts = module.texts(10)
    assert len(texts) > 3
    assert own.load_kept([own.key(t) for t in texts], ["f"], outside, ()) is None
    objects = [own.object_of(text) for text in texts]
    linked = own.link(objects, ["f"], outside)
    assert _as_function_of_two(linked)(0.3, None) == whole(0.3, None)
    monkeypatch.setattr(Engine, "compiled", lambda self, text: pytest.fail("compiled"))
    later = Engine(host(), ObjectCache(tmp_path))
    kept = later.load_kept([later.key(t) for t in texts], ["f"], outside, ())
    assert kept is not None
    assert _as_function_of_two(kept)(0.3, None) == whole(0.3, None)
    later.cache.write(later.key(texts[-1]), b"no object")
    assert later.load_kept([later.key(t) for t in texts], ["f"], outside, ()) is None
    assert later.cache.read(later.key(texts[0])) is None


def _as_function_of_two(library: Any) -> Any:
    call = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double, ctypes.c_void_p)(library["f"])
    call.keep = library  # type: ignore[attr-defined]
    return call
