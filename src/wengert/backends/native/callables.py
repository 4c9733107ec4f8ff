"""Machine code as Python functions: the arguments are checked inside, and nothing is in between.

What is made is a builtin function. It looks at its arguments; where they are the arrays that the
code was written for, it makes the results, runs the code and returns, else it calls a Python
function with the same arguments. It holds the GIL, and knows how CPython and NumPy lay out their
objects (:mod:`wengert.backends.native.layout`).
"""

from __future__ import annotations

import ctypes
import weakref
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from wengert.backends.native.builder import Module
from wengert.backends.native.engine import Engine, Library
from wengert.backends.native.entrance import FOREVER, KERNEL, Array, entrance, words
from wengert.backends.native.later import worker
from wengert.backends.native.layout import check_layout
from wengert.backends.native.mathematics.routines import addresses
from wengert.backends.native.needs import Needs

LONG = 4000  # instructions of LLVM from which on compiling with care takes long (0.1 s)
_FAST_WITH_KEYWORDS = 0x0080 | 0x0002


class _Method(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("code", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


class Owner(NamedTuple):
    """What a builtin function needs as long as it lives; it is its ``__self__``.

    Attributes
    ----------
    table : numpy.ndarray
        What the entrance reads; the first of all.
    code : Code
        The machine code.
    slow : callable
        Takes what the code was not written for.
    """

    table: Any
    code: Code
    slow: Callable[..., Any]


@cache
def _described(address: int, name: str, doc: str | None) -> _Method:
    """Python's description of functions, which is never freed.

    A function that is collected as part of a cycle may lose its owner before it is freed itself,
    and looks at its description once more then.
    """
    return _Method(name.encode(), address, _FAST_WITH_KEYWORDS, doc.encode() if doc else None)


@dataclass(frozen=True)
class Recipe:
    """What a function is made from, besides its code and the addresses of this process.

    Attributes
    ----------
    kernel : str
        The function that is called.
    arguments, results : tuple of Array
        What it takes and gives.
    calls : int
        After which it is compiled with care.
    needs : Needs
        What it is linked with.
    routines : tuple of str
        Functions that are compiled once for all.
    loops : mapping
        Loops of ufuncs by symbol.
    outside : tuple of str
        Further routines of BLAS and LAPACK.
    """

    kernel: str
    arguments: tuple[Array, ...]
    results: tuple[Array, ...]
    calls: int
    needs: Needs
    routines: tuple[str, ...]
    loops: Mapping[str, Any]
    outside: tuple[str, ...]


@dataclass(eq=False)
class Code:
    """A kernel's machine code; called, it puts better code in its place.

    Attributes
    ----------
    texts : list of bytes
        What the code was compiled from, compressed, in as many pieces as are linked together.
    libraries : list of Library
        The code that was in use so far: a call may still be inside.
    recipe : Recipe or None
        What the function is made from in another process.
    """

    engine: Engine
    texts: list[bytes]
    kernel: str
    symbols: Mapping[str, int]
    keep: tuple[object, ...]
    libraries: list[Library]
    table: Any = None
    recipe: Recipe | None = None

    def __call__(self) -> None:
        """Compile with care what was compiled quickly: now, or later if it takes long.

        Where that fails, the code stays.
        """
        if len(self.texts) > 1:
            worker().do(_renewal(weakref.ref(self)))
            return
        try:
            self.take(self.engine.load(self.text(0), [self.kernel], self.symbols, self.keep))
        except (RuntimeError, MemoryError):
            return

    def text(self, k: int) -> str:
        """One of the texts."""
        return zlib.decompress(self.texts[k]).decode()

    def take(self, library: Library) -> None:
        """Run other code from now on."""
        self.libraries.append(library)
        self.table[KERNEL] = library[self.kernel]


def _renewal(wanted: weakref.ref[Code]) -> Iterator[None]:
    """Steps to better code, as long as there is use for it."""
    objects: list[bytes] = []
    while (code := wanted()) is not None:
        engine = code.engine
        try:
            if len(objects) < len(code.texts):
                objects.append(engine.object_of(code.text(len(objects))))
            else:
                code.take(engine.link(objects, [code.kernel], code.symbols, code.keep))
                return
        except (RuntimeError, MemoryError):
            return
        del code
        yield


def _loaded(
    engine: Engine,
    module: Module,
    texts: Sequence[str],
    kernel: str,
    symbols: Mapping[str, int],
    keep: tuple[object, ...],
    *,
    quick: bool,
) -> Library:
    """The best code that takes little time."""
    if len(texts) == 1:
        return engine.load(texts[0], [kernel], symbols, keep, quick=quick)
    found = engine.load_kept([engine.key(t) for t in texts], [kernel], symbols, keep)
    return found or engine.load(module.text(), [kernel], symbols, keep, quick=True)


def native_callable(
    engine: Engine,
    module: Module,
    kernel: str,
    arguments: Sequence[Array],
    results: Sequence[Array],
    slow: Callable[..., Any],
    *,
    name: str = "compiled",
    doc: str | None = None,
    tupled: bool | None = None,
    symbols: Mapping[str, int] | None = None,
    keep: Iterable[object] = (),
    calls: int = FOREVER,
    needs: Needs | None = None,
) -> Callable[..., Any]:
    """A builtin function that runs a kernel.

    Parameters
    ----------
    engine : Engine
        What compiles and links.
    module : Module
        Where the kernel is.
    kernel : str
        A function of the module: of the address of a table of pointers, one for each argument,
        then one for each result, which it fills; its result is 0, or another 64-bit integer: 2
        if the user has interrupted it, a negative one if it has set an exception, and any other
        one, as 1, if ``slow`` has to be asked (a matrix is singular, say). Arguments may share
        memory with each other, results with nothing.
    arguments, results : sequence of Array
        What they are.
    slow : callable
        Is called with the function's arguments, whatever they are, where these are others.
    name, doc : str
        Of the function.
    tupled : bool, optional
        Whether results come as a tuple; by default where there are several.
    symbols : mapping
        Addresses for the symbols that the kernel needs.
    keep : iterable
        What must live as long as the function.
    calls : int, optional
        So many calls are not worth the time to compile with care: the code is compiled quickly,
        and again with care when it was called as often; if that takes long, while the program
        goes on. By default it is compiled with care at once, or from the first call on if that
        takes long. Results are the same.
    needs : Needs, optional
        Where ``symbols`` and ``keep`` are from, so that the function can be kept on disk.

    Raises
    ------
    UnsupportedHostError
        If this Python, or this NumPy, has objects of another layout.
    """
    check_layout()
    if not results:
        raise ValueError("a compiled function has a result")
    texts, keep = module.texts(LONG), tuple(keep)
    wanted = {**addresses(engine, module), **module.addresses, **(symbols or {})}
    if len(texts) > 1 and calls == FOREVER:
        calls = 1
    library = _loaded(engine, module, texts, kernel, wanted, keep, quick=calls != FOREVER)
    left = [zlib.compress(text.encode(), 1) for text in texts] if library.quick or needs else []
    code = Code(engine, left, kernel, wanted, keep, [library])
    if needs is not None:
        loops, called = module.loops, (*module.routines, *module.shared)
        outside = [n for n in module.addresses if n.removesuffix("_data") not in loops]
        code.recipe = Recipe(
            kernel, tuple(arguments), tuple(results), calls, needs, called, loops, tuple(outside)
        )  # fmt: skip
    tupled = len(results) > 1 if tupled is None else tupled
    return function_of(code, arguments, results, slow, calls, tupled=tupled, name=name, doc=doc)


def function_of(
    code: Code,
    arguments: Sequence[Array],
    results: Sequence[Array],
    slow: Callable[..., Any],
    calls: int,
    *,
    tupled: bool = True,
    name: str = "compiled",
    doc: str | None = None,
) -> Callable[..., Any]:
    """The builtin function that runs linked code; see :func:`native_callable`."""
    (library,) = code.libraries
    calls = calls if library.quick else FOREVER
    code.table = table = words(arguments, results, slow, code, calls=calls, tupled=tupled)
    table[KERNEL] = library[code.kernel]
    start = entrance(code.engine, len(arguments) + len(results))
    method = _described(start["entrance"], name, doc)
    make = ctypes.pythonapi.PyCMethod_New
    make.restype = ctypes.py_object
    make.argtypes = (ctypes.c_void_p, ctypes.py_object, ctypes.py_object, ctypes.c_void_p)
    return make(ctypes.addressof(method), Owner(table, code, slow), "wengert", None)
