"""The types of LLVM IR that code is written in, and how IR writes their numbers."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from functools import cached_property, lru_cache

Number = int | float

_NAMES = {"f64": "double", "f32": "float", "void": "void", "ptr": "ptr"}
_SIZES = {"f64": 8, "f32": 4, "i64": 8, "i32": 4, "i8": 1, "i1": 1, "ptr": 8}


@dataclass(frozen=True, eq=False)
class Type:
    """A type: a scalar (``lanes`` 0) or a vector of ``lanes`` scalars, the one object for it.

    ``kind`` is ``"f64"``, ``"f32"``, ``"i1"``, ``"i8"``, ``"i32"``, ``"i64"``, ``"i128"``,
    ``"ptr"`` or ``"void"``.
    """

    kind: str
    lanes: int = 0

    @cached_property
    def text(self) -> str:
        """As IR writes it."""
        name = _NAMES.get(self.kind, self.kind)
        return f"<{self.lanes} x {name}>" if self.lanes else name

    @cached_property
    def code(self) -> str:
        """As the names of intrinsics write it: ``v8f64``."""
        return f"v{self.lanes}{self.kind}" if self.lanes else self.kind

    @cached_property
    def floating(self) -> bool:
        """Is it float64 or float32, or a vector of these?"""
        return self.kind in {"f64", "f32"}

    @cached_property
    def integers(self) -> Type:
        """Integers of the same size and number."""
        return type_of(f"i{8 * _SIZES[self.kind]}", self.lanes)

    @cached_property
    def floats(self) -> Type:
        """Floating-point numbers of the same size and number."""
        return type_of(f"f{8 * _SIZES[self.kind]}", self.lanes)

    @cached_property
    def mask(self) -> Type:
        """What comparisons give."""
        return type_of("i1", self.lanes)

    @cached_property
    def scalar(self) -> Type:
        """The type of one lane."""
        return type_of(self.kind)

    @cached_property
    def size(self) -> int:
        """Bytes of one lane."""
        return _SIZES[self.kind]

    def of(self, lanes: int) -> Type:
        """The same with another number of lanes."""
        return self if lanes == self.lanes else type_of(self.kind, lanes)


_TYPES: dict[tuple[str, int], Type] = {}


def type_of(kind: str, lanes: int = 0) -> Type:
    """The one object for a type, also where several threads ask for a new one."""
    key = kind, lanes
    return _TYPES.get(key) or _TYPES.setdefault(key, Type(kind, lanes))


F64, F32 = type_of("f64"), type_of("f32")
I1, I8, I32, I64 = type_of("i1"), type_of("i8"), type_of("i32"), type_of("i64")
I128 = type_of("i128")
PTR, VOID = type_of("ptr"), type_of("void")


def _float_text(kind: str, number: float) -> str:
    """IR writes numbers of both precisions as the bits of a double."""
    if kind == "f32":
        (number,) = struct.unpack("<f", struct.pack("<f", number))
    return f"0x{struct.unpack('<Q', struct.pack('<d', number))[0]:016X}"


def constant_text(type_: Type, number: Number) -> str:
    """A number of a type, or the vector of it, as IR writes it; integers wrap around."""
    return _constant_text(type_, number, math.copysign(1.0, number) < 0)


@lru_cache(maxsize=4096)
def _constant_text(type_: Type, number: Number, _negative: bool) -> str:  # tells 0 from −0
    if type_.floating:
        one = _float_text(type_.kind, number)
    elif type_.kind == "i1":
        one = "true" if number else "false"
    elif type_.kind == "ptr":
        one = "null"
    else:
        bits = int(type_.kind[1:])
        one = str((int(number) + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1))
    return f"splat ({type_.scalar.text} {one})" if type_.lanes else one
