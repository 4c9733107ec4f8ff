"""The machine that code is written for: its vectors, and whether it multiplies and adds at once."""

from __future__ import annotations

import importlib
import platform
import struct
import sys
import sysconfig
from dataclasses import dataclass
from typing import Any

from wengert.backends.native.builder import Features
from wengert.backends.native.types import Type
from wengert.backends.once import Once
from wengert.locks import waited_for

OLDEST = (0, 47)  # of llvmlite: constants are written the way LLVM 20 reads them
_X86 = {"x86_64", "amd64"}
_ARM = {"aarch64", "arm64"}


class UnsupportedHostError(RuntimeError):
    """No native code on this machine; the message says why."""


@Once
def llvm() -> Any:
    """llvmlite's binding of LLVM, loaded and initialised when it is first used.

    Raises
    ------
    UnsupportedHostError
        If llvmlite is not installed, or too old.
    """
    try:
        package = importlib.import_module("llvmlite")
        binding = importlib.import_module("llvmlite.binding")
    except (ImportError, OSError) as error:
        raise UnsupportedHostError(
            f"llvmlite cannot be loaded ({error}); pip install llvmlite"
        ) from error
    version = tuple(int(part) for part in package.__version__.split(".")[:2])
    if version < OLDEST:
        raise UnsupportedHostError(
            f"llvmlite {package.__version__} is too old: "
            f"pip install 'llvmlite>={OLDEST[0]}.{OLDEST[1]}'"
        )
    # Every call of LLVM holds this lock. It is private, and there is no other way to hold it.
    lock = getattr(getattr(binding.ffi.lib, "_lock", None), "_lock", None)
    if lock is not None:
        waited_for(lock)
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    return binding


@dataclass(frozen=True)
class Host:
    """What native code is made for.

    Attributes
    ----------
    triple : str
        LLVM's name of the kind of machine. On Windows objects are ELF's too: the linker for
        Windows' own has no stubs for constants and data that are far away.
    features : str
        Every instruction set that is there, with ``+``. What the operating system masks is not,
        whatever the processor's name promises.
    width : int
        Bytes that a loop takes at once: two registers, or one of 512 bits.
    fused : bool
        Whether a product and a sum can be rounded once.
    """

    triple: str
    features: str
    width: int
    fused: bool

    def lanes(self, type_: Type) -> int:
        """How many numbers of a type a loop takes at once."""
        return self.width // type_.size

    @property
    def written_for(self) -> Features:
        """What functions may count on."""
        return Features(fused=self.fused)

    @property
    def windows(self) -> bool:
        """Is it Windows?"""
        return "windows" in self.triple


def _python_reason() -> str | None:
    if sys.implementation.name != "cpython":
        return f"{sys.implementation.name} is not CPython"
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "free-threaded builds of Python have other objects"
    if struct.calcsize("P") != 8 or sys.byteorder != "little":
        return "only 64-bit little-endian machines are supported"
    return None


def host_of(machine: str, triple: str, features: dict[str, bool]) -> Host:
    """The host with these instruction sets.

    Raises
    ------
    UnsupportedHostError
        If the machine is neither x86-64 with SSE4.1 nor 64-bit ARM.
    """
    if machine.lower() in _X86:
        if not features.get("sse4.1"):
            raise UnsupportedHostError("the processor has no SSE4.1")
        width = 64 if features.get("avx2") else 32
        fused = bool(features.get("fma") and features.get("avx2"))
    elif machine.lower() in _ARM:
        width, fused = 32, True
    else:
        raise UnsupportedHostError(f"{machine} is neither x86-64 nor 64-bit ARM")
    # What is not named is not there; each name costs time whenever something is compiled.
    listed = ",".join(f"+{name}" for name, on in sorted(features.items()) if on)
    return Host(triple, listed, width, fused)


@Once
def host() -> Host:
    """The machine that runs.

    Raises
    ------
    UnsupportedHostError
        If native code cannot run here; the message says why.
    """
    if reason := _python_reason():
        raise UnsupportedHostError(reason)
    binding = llvm()
    try:
        features = dict(binding.get_host_cpu_features())
    except RuntimeError:
        features = {}
    triple = binding.get_process_triple()
    if "windows" in triple and not triple.endswith("-elf"):
        triple += "-elf"
    return host_of(platform.machine(), triple, features)
