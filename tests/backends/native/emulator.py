"""A processor in software: objects for 64-bit ARM are loaded into it, and their functions run.

What is needed of ELF, and of the relocations that the small code model has, is read here. Symbols
that an object does not define are Python functions, called with the integer registers, or
addresses of memory.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

unicorn: Any = pytest.importorskip("unicorn")
arm: Any = pytest.importorskip("unicorn.arm64_const")

IMAGE, STUBS, HEAP, STACK = 0x1000_0000, 0x1200_0000, 0x4000_0000, 0x7000_0000
_IMAGE_SIZE, _HEAP_SIZE, _STACK_SIZE, _STUBS_SIZE = 1 << 24, 1 << 26, 1 << 20, 1 << 12
_RETURN = 0xD65F03C0
_SECTIONS_OF_SYMBOLS, _RELOCATIONS, _NO_BYTES, _ALLOCATED = 2, 4, 8, 2


class Emulator:
    """An object in memory, and a processor that has not run yet.

    Parameters
    ----------
    data : bytes
        An ELF object for AArch64.
    symbols : mapping of str to array or callable
        What the object does not define: arrays, which are copied into the emulator's memory, and
        functions, which are given the first eight integer registers and the stack's first words.
    """

    def __init__(self, data: bytes, symbols: Mapping[str, Any] | None = None) -> None:
        self.cpu: Any = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
        for begin, size in (
            (IMAGE, _IMAGE_SIZE), (HEAP, _HEAP_SIZE), (STACK, _STACK_SIZE), (STUBS, _STUBS_SIZE)
        ):  # fmt: skip
            self.cpu.mem_map(begin, size)
        self.cpu.reg_write(arm.UC_ARM64_REG_CPACR_EL1, 3 << 20)  # vectors are allowed
        self.top = HEAP
        self._calls: dict[int, Callable[..., Any]] = {}
        self.cpu.hook_add(unicorn.UC_HOOK_CODE, self._outside, begin=STUBS, end=STUBS + _STUBS_SIZE)
        self.addresses: dict[str, int] = {}
        self.end = IMAGE
        self.add(data, symbols or {})

    def add(self, data: bytes, symbols: Mapping[str, Any]) -> None:
        """Load one more object; symbols that have a place already keep it."""
        self.addresses.update(_Object(data).load(self, symbols))

    # ------------------------------------------------ memory

    def put(self, array: Any) -> int:
        """Copy an array into memory; gives its address."""
        where = self.top
        self.cpu.mem_write(where, np.ascontiguousarray(array).tobytes())
        self.top = -(-(where + array.nbytes) // 64) * 64
        return where

    def get(self, where: int, shape: Any, dtype: Any) -> Any:
        """An array from memory."""
        count = int(np.prod(shape))
        raw = self.cpu.mem_read(where, count * np.dtype(dtype).itemsize)
        return np.frombuffer(bytes(raw), dtype).reshape(shape)

    def room(self, size: int) -> int:
        """Memory for so many bytes."""
        where = self.top
        self.top = -(-(where + size) // 64) * 64
        return where

    def given(self, value: Any) -> int:
        """What stands for something from outside: an address, or a number as it is."""
        if callable(value):
            return self.stub(value)
        return value if isinstance(value, int) else self.put(value)

    def forget(self) -> None:
        """Free all that was put."""
        self.top = HEAP

    def stub(self, function: Callable[..., Any]) -> int:
        """An address at which a call runs a function of Python."""
        where = STUBS + 16 * len(self._calls)
        self.cpu.mem_write(where, struct.pack("<I", _RETURN))
        self._calls[where] = function
        return where

    def _outside(self, cpu: Any, address: int, size: int, data: Any) -> None:
        if address in self._calls:
            names = [getattr(arm, f"UC_ARM64_REG_X{k}") for k in range(8)]
            at = cpu.reg_read(arm.UC_ARM64_REG_SP)
            more = struct.unpack("<8Q", bytes(cpu.mem_read(at, 64)))
            self._calls[address](*(cpu.reg_read(n) for n in names), *more)

    # ------------------------------------------------ calls

    def call(self, name: str, *arguments: int) -> int:
        """Run a function of integers and addresses; gives the first register."""
        cpu = self.cpu
        for k, argument in enumerate(arguments[:8]):
            cpu.reg_write(getattr(arm, f"UC_ARM64_REG_X{k}"), argument)
        rest = arguments[8:]
        top = STACK + _STACK_SIZE - 4096 - 16 * (len(rest) + 1)
        cpu.mem_write(top, struct.pack(f"<{len(rest)}Q", *rest))
        cpu.reg_write(arm.UC_ARM64_REG_SP, top)
        end = STUBS + _STUBS_SIZE - 16
        cpu.reg_write(arm.UC_ARM64_REG_LR, end)
        # What a function must leave as it is (AAPCS64): x19 to x28, and the lower halves of v8 to
        # v15.
        kept = [getattr(arm, f"UC_ARM64_REG_{r}") for r in _KEPT]
        for k, register in enumerate(kept):
            cpu.reg_write(register, 0x1111 * (k + 1))
        cpu.emu_start(self.addresses[name], end)
        changed = [r for k, r in enumerate(_KEPT) if cpu.reg_read(kept[k]) != 0x1111 * (k + 1)]
        assert not changed, f"{name} changes {changed}"
        assert cpu.reg_read(arm.UC_ARM64_REG_SP) == top
        return cpu.reg_read(arm.UC_ARM64_REG_X0)

    def function(self, name: str, lanes: int) -> Callable[..., Any]:
        """A function over arrays whose size is a multiple of the lanes."""

        def apply(*arrays: Any) -> Any:
            self.forget()
            count = len(arrays[0])
            padded = [np.concatenate([a, np.ones(-count % lanes, a.dtype)]) for a in arrays]
            size = len(padded[0])
            out = self.room(padded[0].nbytes)
            self.call(name, *(self.put(a) for a in padded), out, size)
            return self.get(out, size, padded[0].dtype)[:count]

        return apply


_KEPT = [f"X{k}" for k in range(19, 29)] + [f"D{k}" for k in range(8, 16)]


# ---------------------------------------------------------------- ELF


class _Object:
    def __init__(self, data: bytes) -> None:
        assert data[:5] == b"\x7fELF\x02"
        assert struct.unpack_from("<H", data, 18) == (183,), "not for AArch64"
        self.data = data
        start, count = struct.unpack_from("<Q", data, 40)[0], struct.unpack_from("<H", data, 60)[0]
        # name, type, flags, address, offset, size, link, info, align, size of entries
        self.headers = [
            struct.unpack_from("<IIQQQQIIQQ", data, start + 64 * k) for k in range(count)
        ]

    def load(self, machine: Emulator, symbols: Mapping[str, Any]) -> dict[str, int]:
        """Copy the sections, and resolve the relocations; gives the addresses of the symbols."""
        cpu, top = machine.cpu, machine.end
        where: dict[int, int] = {}
        for k, (_, kind, flags, _, offset, size, _, _, align, _) in enumerate(self.headers):
            if flags & _ALLOCATED and size:
                top = where[k] = -(-top // max(align, 1)) * max(align, 1)
                if kind != _NO_BYTES:
                    cpu.mem_write(top, self.data[offset : offset + size])
                top += size
        self.got, self.entries = -(-top // 64) * 64, dict[int, int]()
        addresses, named = self._symbols(machine, where, symbols)
        machine.end = self.got + 4096 * 8
        for _, kind, _, _, offset, size, _, target, _, _ in self.headers:
            if kind == _RELOCATIONS and target in where:
                for at in range(offset, offset + size, 24):
                    place, info, addend = struct.unpack_from("<QQq", self.data, at)
                    value = addresses[info >> 32] + addend
                    self._relocate(cpu, where[target] + place, info & 0xFFFFFFFF, value)
        return named

    def _symbols(
        self, machine: Emulator, where: Mapping[int, int], given: Mapping[str, Any]
    ) -> tuple[list[int], dict[str, int]]:
        ((offset, size, link),) = [
            (h[4], h[5], h[6]) for h in self.headers if h[1] == _SECTIONS_OF_SYMBOLS
        ]
        names = self.headers[link][4]
        addresses: list[int] = []
        named: dict[str, int] = {}
        for at in range(offset, offset + size, 24):
            name, _, _, section, value, _ = struct.unpack_from("<IBBHQQ", self.data, at)
            text = self.data[names + name : self.data.index(b"\0", names + name)].decode()
            if section == 0 and text:
                value = machine.addresses.get(text, 0)
                if not value:
                    assert text in given, f"the object needs {text}"
                    value = machine.given(given[text])
            else:
                value += where.get(section, 0)
            addresses.append(value)
            named[text] = value
        return addresses, named

    def _relocate(self, cpu: Any, place: int, kind: int, value: int) -> None:
        def patch(bits: int) -> None:
            (word,) = struct.unpack("<I", bytes(cpu.mem_read(place, 4)))
            cpu.mem_write(place, struct.pack("<I", word | bits))

        def page(address: int) -> None:
            distance = (address >> 12) - (place >> 12)
            assert -(1 << 20) <= distance < 1 << 20
            patch((distance & 3) << 29 | (distance >> 2 & 0x7FFFF) << 5)

        if kind in (311, 312):  # the table of addresses
            entry = self.entries.setdefault(value, self.got + 8 * len(self.entries))
            cpu.mem_write(entry, struct.pack("<Q", value))
            value = entry
        if kind in (275, 311):
            page(value)
        elif kind == 277:
            patch((value & 0xFFF) << 10)
        elif kind in _SHIFTS:
            low, shift = value & 0xFFF, _SHIFTS[kind]
            assert not low & ((1 << shift) - 1), "an address that is not aligned"
            patch(low >> shift << 10)
        elif kind in (282, 283):
            distance = value - place >> 2
            assert -(1 << 25) <= distance < 1 << 25
            patch(distance & 0x3FFFFFF)
        elif kind == 257:
            cpu.mem_write(place, struct.pack("<Q", value))
        else:
            raise NotImplementedError(f"relocation {kind}")


_SHIFTS = {278: 0, 284: 1, 285: 2, 286: 3, 299: 4, 312: 3}
