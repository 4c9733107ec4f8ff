"""From LLVM IR to addresses: compiled once, kept on disk, linked, and unloaded when unused.

No optimising pass runs: the IR is written as it should be. Addresses of the process (BLAS, NumPy,
Python) come in as symbols when an object is linked; they are never part of it.
"""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from wengert.backends.native.builder import Module
from wengert.backends.native.cache import ObjectCache, default_folder, key_of
from wengert.backends.native.host import Host, host, llvm
from wengert.backends.native.mathematics.routines import addresses
from wengert.backends.once import Once
from wengert.locks import process_lock

FORMAT = "2"  # of what is kept on disk beyond the IR itself
_QUICKLY, _WITH_CARE = 0, 1  # LLVM's levels of generating code: the first takes a third of the time
_QUICK = "q"  # ends the keys of code that was compiled quickly
PER_LINKER = 32  # libraries: a linker keeps some 9 kB of each, until the last of them goes


@dataclass(frozen=True, eq=False)
class Library:
    """Linked machine code.

    Its addresses are valid as long as it lives; then the code is unloaded. ``keep`` is what the
    code uses and must outlive it; ``quick`` says that better code takes longer to compile, and
    ``key`` where it is kept on disk.
    """

    _tracker: Any
    keep: tuple[object, ...] = ()
    quick: bool = False
    key: str = ""

    def __getitem__(self, symbol: str) -> int:
        """The address of an exported symbol."""
        return self._tracker[symbol]


def _versions() -> tuple[str, ...]:
    try:
        own = version("wengert")
    except PackageNotFoundError:
        own = ""
    lite = importlib.import_module("llvmlite").__version__
    return (FORMAT, own, lite, ".".join(map(str, llvm().llvm_version_info)))


def _stack_probe() -> int:
    """The function that Windows' code calls before it uses more than a page of the stack."""
    library: Any = getattr(ctypes, "WinDLL")("ntdll")  # noqa: B009 - elsewhere there is none
    return ctypes.cast(library["__chkstk"], ctypes.c_void_p).value or 0


class Engine:
    """Compiles and links for one host.

    Every method may be called from any thread. Compiling releases the GIL; llvmlite lets one
    thread in at a time.

    Parameters
    ----------
    host : Host
        What to compile for; only what is compiled for this machine can be linked.
    cache : ObjectCache
        Where objects are kept.

    Attributes
    ----------
    lock : RLock
        Held while anything of the engine changes.
    routines : dict
        The routines of the vector mathematics that were called so far, by symbol.
    """

    def __init__(self, host: Host, cache: ObjectCache) -> None:
        self.host = host
        self.cache = cache
        self.lock = process_lock()
        self.routines: dict[str, Library] = {}
        self._linked = 0
        self._linker: Any = None
        self._versions = _versions()

    def _machine(self, level: int = _WITH_CARE) -> Any:
        target = llvm().Target.from_triple(self.host.triple)
        # Windows' code has no table of addresses: what is outside may be anywhere in memory.
        far = self.host.windows
        return target.create_target_machine(
            cpu="", features=self.host.features, opt=level,
            reloc="static" if far else "pic", codemodel="large" if far else "small",
        )  # fmt: skip

    @cached_property
    def _emitters(self) -> tuple[Any, Any]:
        return self._machine(_QUICKLY), self._machine(_WITH_CARE)

    def _linker_for_one_more(self) -> Any:
        """A linker; those before live as long as their libraries."""
        if self._linked % PER_LINKER == 0:
            # JITLink gives memory back when a library is unloaded; the older linker does not, and
            # is for Windows only, where llvmlite has no other.
            self._linker = llvm().create_lljit_compiler(
                self._machine(), use_jit_link=not self.host.windows, suppress_errors=True
            )
        self._linked += 1
        return self._linker

    def key(self, text: str, *, quick: bool = False) -> str:
        """Under which the object of a module's text is kept."""
        key = key_of(text, *self._versions, self.host.triple, self.host.features)
        return key + _QUICK if quick else key

    def compiled(self, text: str, *, quick: bool = False) -> bytes:
        """The object of a module's text, compiled now."""
        binding = llvm()
        context = binding.create_context()
        with binding.parse_assembly(text, context=context) as module:
            module.verify()
            with self.lock:
                return self._emitters[not quick].emit_object(module)

    def assembly(self, text: str) -> str:
        """The machine code of a module's text in words, to read."""
        binding = llvm()
        with binding.parse_assembly(text, context=binding.create_context()) as module:
            module.triple = self.host.triple
            return self._machine().emit_assembly(module)

    def link(
        self,
        data: bytes | Sequence[bytes],
        exports: Iterable[str],
        symbols: Mapping[str, int] | None = None,
        keep: Iterable[object] = (),
        *,
        quick: bool = False,
        key: str = "",
    ) -> Library:
        """Load an object, or several together.

        Parameters
        ----------
        data : bytes or sequence of bytes
            The objects.
        exports : iterable of str
            Symbols whose addresses are wanted.
        symbols : mapping
            Addresses for the symbols that the objects do not define themselves.
        keep : iterable
            What must live as long as the code.
        quick : bool
            Whether it was compiled quickly.
        key : str
            Under which the object is kept, if there is one.
        """
        builder = llvm().JITLibraryBuilder()
        for one in [data] if isinstance(data, bytes) else data:
            builder.add_object_img(one)
        if self.host.windows:
            builder.import_symbol("__chkstk", _stack_probe())
        for name, address in (symbols or {}).items():
            builder.import_symbol(name, address)
        for name in exports:
            builder.export_symbol(name)
        with self.lock:
            tracker = builder.link(self._linker_for_one_more(), f"library{self._linked}")
        return Library(tracker, tuple(keep), quick, key)

    def load(
        self,
        text: str,
        exports: Iterable[str],
        symbols: Mapping[str, int] | None = None,
        keep: Iterable[object] = (),
        *,
        quick: bool = False,
    ) -> Library:
        """Compile a module's text, or take its object from disk, and link it.

        Parameters
        ----------
        quick : bool
            Whether to compile in less time, to code that takes more; the better code is still
            taken if it is on disk.
        """
        exports, keep, key = tuple(exports), tuple(keep), self.key(text)
        for fast in (False, True) if quick else (False,):
            found = self.load_kept([key + _QUICK * fast], exports, symbols, keep)
            if found is not None:
                return found
        data = self.compiled(text, quick=quick)
        key += _QUICK * quick
        library = self.link(data, exports, symbols, keep, quick=quick, key=key)
        self.cache.write(key, data)
        return library

    def load_kept(
        self,
        keys: Sequence[str],
        exports: Iterable[str],
        symbols: Mapping[str, int] | None = None,
        keep: Iterable[object] = (),
    ) -> Library | None:
        """The library of modules by the keys of their objects, if all of them are on disk."""
        objects: list[bytes] = []
        for key in keys:
            data = self.cache.read(key)
            if data is None:
                return None
            objects.append(data)
        quick, key = keys[0].endswith(_QUICK), keys[0] if len(keys) == 1 else ""
        try:
            return self.link(objects, exports, symbols, keep, quick=quick, key=key)
        except RuntimeError:  # not what they should be, though whole
            for key in keys:
                self.cache.drop(key)
            return None

    def object_of(self, text: str) -> bytes:
        """The object of a module's text, compiled with care, or from disk."""
        key = self.key(text)
        data = self.cache.read(key)
        if data is None:
            data = self.compiled(text)
            self.cache.write(key, data)
        return data

    def load_module(
        self,
        module: Module,
        exports: Iterable[str],
        symbols: Mapping[str, int] | None = None,
        keep: Iterable[object] = (),
    ) -> Library:
        """The same for a module, with the vector mathematics that it calls.

        The routines stay loaded as long as the engine, and it as long as the code.
        """
        known = {**addresses(self, module), **module.addresses, **(symbols or {})}
        return self.load(module.text(), exports, known, (*keep, self))


@Once
def engine() -> Engine:
    """The engine for this machine.

    Raises
    ------
    UnsupportedHostError
        If native code cannot run here; the message says why.
    """
    return Engine(host(), ObjectCache(default_folder()))
