"""What a Python function is, by content: the same digest in another process means the same program.

A function that was traced before, perhaps by another process, need not be traced again if it is the
same one and reads the same from around it. A digest covers its code and constants, without files
and lines; what its names stand for, in closures, modules, defaults, attributes and containers, with
the contents of arrays; and the functions and classes that it mentions, in turn. Functions of NumPy,
SciPy and of this package are known by their names: who keeps something under a digest adds the
packages' versions.

Whatever is not of a kind that is known to be the same in every process has no digest: objects of
other packages, random generators, files, sets of texts (their order changes from process to
process), code that reads in ways that its names do not show (``getattr``, ``globals``) or that does
something besides computing (``print``, ``open``).
"""

from __future__ import annotations

import builtins
import functools
import hashlib
import itertools
import opcode
import operator
import sys
import types
from abc import ABC, ABCMeta
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import optree

from wengert.transforms.surroundings import attributes_of, is_fixed, is_library, owner

LIMIT = 1 << 22  # bytes of arrays; to look at more takes longer than to trace
_WORDS = 20_000  # parts of a digest

_STANDARD = frozenset(
    {"__future__", "abc", "cmath", "collections", "collections.abc", "dataclasses", "functools"}
    | {"itertools", "math", "numbers", "operator", "types", "typing", "_functools", "_operator"}
    | {"_collections_abc", "_collections"}
)
_PACKAGES = ("numpy", "scipy", "wengert")
_MAKERS = ("r_", "c_", "s_", "mgrid", "ogrid", "index_exp")  # objects of NumPy
# Where functions of NumPy and SciPy are that only compute; of NumPy itself also at the top.
_COMPUTING = (
    "numpy.linalg", "numpy.fft", "numpy.polynomial", "numpy._core", "numpy.lib", "scipy.special",
    "scipy.linalg", "scipy.fft", "scipy.stats._distn_infrastructure", "scipy.stats._multivariate",
    "scipy.stats._continuous_distns", "scipy.stats._discrete_distns",
)  # fmt: skip
_OWN = tuple(
    f"wengert.{room}"
    for room in ("transforms", "tracing", "formulas", "operations", "structured", "errors")
)
_TOPS = ("numpy", "scipy", "scipy.stats", "wengert")
# Of them, what reads files, clocks, addresses or random numbers.
_HIDDEN = frozenset(
    {"DataSource", "clarkson_woodruff_transform", "ctypeslib", "interpolative"}
    | {"datetime64", "datetime_as_string", "f2py", "from_dlpack"}
    | {"fromfile", "frompyfunc", "fromregex", "genfromtxt", "get_printoptions", "getbufsize"}
    | {"geterr", "geterrcall", "load", "loadtxt", "ma", "matlib", "may_share_memory", "memmap"}
    | {"open_memmap", "printoptions", "qmc", "random", "rec", "recfromcsv", "recfromtxt", "save"}
    | {"savetxt", "savez", "savez_compressed", "set_printoptions", "setbufsize", "seterr"}
    | {"seterrcall", "shares_memory", "show_config", "show_runtime", "test", "testing", "info"}
)
_ATTRIBUTES = frozenset(  # that show more than they name, or what differs from process to process
    {"__array_interface__", "__array_struct__", "__builtins__", "__closure__", "__code__"}
    | {"__dict__", "__file__", "__getattribute__", "__globals__", "__subclasses__", "__loader__"}
    | {"__spec__", "attrgetter", "ctypes", "f_globals", "f_locals", "methodcaller", "rvs"}
    | {"random_state", "tofile", "__hash__", "__reduce__", "__reduce_ex__", "__getstate__"}
)
_BUILTINS = frozenset(
    {"Ellipsis", "NotImplemented", "abs", "all", "any", "bool", "bytes", "callable", "chr"}
    | {"classmethod", "complex", "dict", "divmod", "enumerate", "filter", "float", "format"}
    | {"int", "isinstance", "issubclass", "iter", "len", "list", "map", "max", "min", "next"}
    | {"object", "ord", "pow", "property", "range", "reversed", "round", "slice", "sorted"}
    | {"staticmethod", "str", "sum", "super", "tuple", "type", "zip"}
)
_UNSEEN = frozenset(  # of classes: what describes them, or is made anew from the rest
    {"__abstractmethods__", "__annotations__", "__dataclass_fields__", "__dataclass_params__"}
    | {"__dict__", "__doc__", "__firstlineno__", "__module__", "__orig_bases__", "__parameters__"}
    | {"__qualname__", "__slots__", "__static_attributes__", "__weakref__", "_abc_impl"}
    | {"__annotate__", "__annotate_func__", "__annotations_cache__", "__match_args__"}
)
_FLAT = "biufc"  # kinds of dtypes whose bytes are all there is


class UnknownError(Exception):
    """Something is not known to be the same in every process."""


@dataclass(frozen=True)
class Identity:
    """What a function is.

    Attributes
    ----------
    digest : str
        Of everything that its program depends on, besides its arguments and the packages.
    arrays : tuple of numpy.ndarray
        Those that it reads, in an order that the digest fixes.
    warned : bool
        Whether code of the function has been warned about something.
    """

    digest: str
    arrays: tuple[Any, ...]
    warned: bool


def identity(*values: Any) -> Identity | None:
    """What functions, and other things that a program is made from, are; None if that is not known.

    Examples
    --------
    >>> def power(n):
    ...     return lambda x: x**n
    >>> cube, other, square = (identity(power(n)) for n in (3, 3, 2))
    >>> cube.digest == other.digest, cube.digest == square.digest
    (True, False)
    >>> identity(print) is None
    True
    """
    if not _can_read():
        return None
    walk = _Walk()
    try:
        for value in values:
            walk.visit(value)
        walk.finish()
        return Identity(_digest(walk.parts), tuple(walk.arrays), walk.warned)
    except (UnknownError, RecursionError):
        return None


def _digest(parts: Any) -> str:
    """Of nested lists and tuples of numbers and texts."""
    try:
        text = repr(parts)  # 0.0 is not -0.0, True not 1, and a text not what it says
    except ValueError:  # an integer that is too long
        raise UnknownError from None
    return hashlib.sha256(text.encode()).hexdigest()


# ---------------------------------------------------------------- code


@dataclass(frozen=True)
class _Code:
    """A function's code with that of the functions in it.

    ``reads`` are the names that it looks up around it, ``imports`` the modules that it imports.
    """

    digest: str
    reads: tuple[str, ...]
    imports: tuple[str, ...]
    attributes: frozenset[str]


_READS = {
    opcode.opmap[n]
    for n in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
    if n in opcode.opmap
}
_NAMING = frozenset(opcode.hasname)
_BITS = {  # that an operand has before its name
    "LOAD_GLOBAL": 1,
    "LOAD_ATTR": int(sys.version_info >= (3, 12)),
    "LOAD_SUPER_ATTR": 2,
}
_IMPORT = opcode.opmap["IMPORT_NAME"]
_EXTENDED = opcode.opmap["EXTENDED_ARG"]
_REFUSED = {
    opcode.opmap[n]
    for n in ("STORE_GLOBAL", "DELETE_GLOBAL", "BUILD_SET", "SET_ADD", "IMPORT_STAR")
    if n in opcode.opmap
}


@functools.lru_cache(maxsize=4096)
def _described(code: types.CodeType) -> _Code | None:
    """What is to be known of code; None if it does what no digest covers."""
    parts: list[Any] = []
    reads: dict[str, None] = {}
    imports: dict[str, None] = {}
    attributes: set[str] = set()
    try:
        _describe(code, parts, reads, imports, attributes)
        digest = _digest(parts)
    except UnknownError:
        return None
    return _Code(digest, tuple(reads), tuple(imports), frozenset(attributes))


def _describe(
    code: types.CodeType,
    parts: list[Any],
    reads: dict[str, None],
    imports: dict[str, None],
    attributes: set[str],
) -> None:
    words = code.co_code
    operations, operands = words[::2], words[1::2]
    if not _REFUSED.isdisjoint(operations):
        raise UnknownError
    for at, operation in enumerate(operations):
        if operation not in _NAMING:
            continue
        index, before, shift = operands[at], at - 1, 8
        while before >= 0 and operations[before] == _EXTENDED:
            index |= operands[before] << shift
            before, shift = before - 1, shift + 8
        name = code.co_names[index >> _BITS.get(opcode.opname[operation], 0)]
        if operation == _IMPORT:
            imports[name] = None
        elif operation in _READS:
            reads[name] = None
        else:
            attributes.add(name)
    if not _ATTRIBUTES.isdisjoint(code.co_names):
        raise UnknownError
    parts += (
        "code", words, code.co_exceptiontable, code.co_argcount, code.co_posonlyargcount,
        code.co_kwonlyargcount, code.co_flags, code.co_names, code.co_varnames, code.co_freevars,
        code.co_cellvars, len(code.co_consts),
    )  # fmt: skip
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            _describe(constant, parts, reads, imports, attributes)
        else:
            parts.append(_constant(constant))


def _constant(value: Any) -> Any:
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind is tuple or (
        kind is frozenset and (len(value) < 2 or all(type(v) is int for v in value))
    ):
        return (kind.__name__, *map(_constant, value))
    if kind is slice:
        return ("slice", *map(_constant, (value.start, value.stop, value.step)))
    raise UnknownError


_SCALARS = frozenset(
    {type(None), type(Ellipsis), type(NotImplemented), bool, int, float, complex, str, bytes}
)


@functools.cache
def _can_read() -> bool:
    """Is code of this Python written as expected?"""
    space: dict[str, Any] = {}
    exec("def probe(x):\n import math\n return one(two.three(x, 3.0), math.four)", space)
    found = _described(space["probe"].__code__)
    if found is None:
        return False
    lists = (found.reads, found.imports) == (("one", "two"), ("math",))
    return lists and found.attributes == frozenset({"three", "four"})


# ---------------------------------------------------------------- the walk


class _Walk:
    """Writes down what values are, each once; later it is a number."""

    def __init__(self) -> None:
        self.parts: list[Any] = []
        self.arrays: list[Any] = []
        self.warned = False
        self._numbers: dict[int, tuple[int, Any]] = {}  # with the value, so that it keeps its id
        self._owners: dict[int, int] = {}
        self._size = 0
        self._names: set[str] = set()  # of attributes that code mentions
        self._open: list[tuple[Any, set[str]]] = []  # modules, classes; what is written of them

    def put(self, *words: Any) -> None:
        """Write down texts and numbers."""
        self.parts.append(words)
        if len(self.parts) > _WORDS:
            raise UnknownError

    def finish(self) -> None:
        """Write down what code mentions of modules and classes; more code may be found so."""
        while True:
            at = len(self.parts)
            for number, (space, done) in enumerate(self._open):  # which may grow
                for name in sorted((space.keys() & self._names) - done):
                    done.add(name)
                    self.put("attribute", number, name)
                    self.visit(space[name])
            if len(self.parts) == at:
                return

    def visit(self, value: Any) -> None:
        """Write down what a value is.

        Raises
        ------
        UnknownError
            If it may differ from process to process.
        """
        kind: Any = type(value)
        if kind in _SCALARS:
            self.put("=", value)
            return
        seen = self._numbers.get(id(value))
        if seen is not None:
            self.put("again", seen[0])
            return
        self._numbers[id(value)] = len(self._numbers), value
        write = _KINDS.get(kind)
        if write is not None:
            write(self, value)
        elif isinstance(value, type):
            self._class(value)
        elif isinstance(value, np.dtype):
            self._dtype(value)
        elif isinstance(value, np.generic):
            self._dtype(value.dtype)
            self.put(value.tobytes())
        elif not is_fixed(kind) or not self._named(value):  # objects of users are not asked
            self._object(value)

    # ------------------------------------------------ containers, arrays

    def _items(self, value: Any) -> None:
        self.put(type(value).__name__, len(value))
        for item in value:
            self.visit(item)

    def _dict(self, value: dict[Any, Any]) -> None:
        self.put("dict", len(value))
        for key, item in value.items():  # in their order, which code may go by
            self.visit(key)
            self.visit(item)

    def _range(self, value: range) -> None:
        self.put("range", value.start, value.stop, value.step)

    def _slice(self, value: slice) -> None:
        self.put("slice")
        for part in (value.start, value.stop, value.step):
            self.visit(part)

    def _dtype(self, dtype: Any) -> None:
        if dtype.kind not in _FLAT or not dtype.isnative:
            raise UnknownError
        self.put("dtype", dtype.str)

    def _array(self, array: Any) -> None:
        """With all its contents: any of them may have become numbers of the program."""
        self._dtype(array.dtype)
        self._size += array.nbytes
        if self._size > LIMIT:
            raise UnknownError
        memory = self._owners.setdefault(owner(array), len(self._owners))
        self.put("array", array.shape, array.strides, array.flags.writeable, memory)
        self.put(hashlib.sha256(array.tobytes()).digest())
        self.arrays.append(array)

    # ------------------------------------------------ functions

    def _function(self, function: types.FunctionType) -> None:
        code = function.__code__
        own = False
        if is_library(code.co_filename):
            own = _within(function.__globals__.get("__name__"), _OWN)
            if not own:
                if not self._named(function):
                    raise UnknownError
                return
        found = _of_own(code) if own else _described(code)
        if found is None:
            raise UnknownError
        self.put("function", function.__globals__["__name__"] if own else "", found.digest)
        self.visit(function.__defaults__)
        self.visit(function.__kwdefaults__)
        for cell in function.__closure__ or ():
            try:
                self.visit(cell.cell_contents)
            except ValueError:  # not bound yet
                self.put("empty")
        self._dict({k: v for k, v in vars(function).items() if k not in _UNSEEN})
        if not own:
            self._names |= found.attributes
            self._globals(function.__globals__, found)

    def _globals(self, space: dict[str, Any], code: _Code) -> None:
        if any(key != "version" for key in space.get("__warningregistry__", ())):
            self.warned = True
        usual = space.get("__builtins__", builtins)
        if usual is not builtins and usual is not vars(builtins):
            raise UnknownError
        for name in code.reads:
            self.put("name", name)
            if name in space:
                self.visit(space[name])
            elif hasattr(builtins, name):
                self.visit(getattr(builtins, name))
        if code.imports and space.get("__package__"):  # they may be relative
            raise UnknownError
        for name in code.imports:
            for whole in itertools.accumulate(name.split("."), "{}.{}".format):
                self.put("import", whole)
                self.visit(sys.modules.get(whole))

    def _method(self, method: types.MethodType) -> None:
        self.put("method")
        self.visit(method.__func__)
        self.visit(method.__self__)

    def _partial(self, value: functools.partial[Any]) -> None:
        self.put("partial")
        for part in (value.func, value.args, value.keywords, vars(value)):
            self.visit(part)

    def _builtin(self, function: Any) -> None:
        """A function of C, or a method of an object."""
        of = function.__self__
        if of is not None and not isinstance(of, types.ModuleType):
            if function.__name__ in _ATTRIBUTES:
                raise UnknownError
            self.put("method", function.__name__)
            self.visit(of)
        elif function.__module__ == "builtins":
            self._of_builtins(function)
        elif not self._named(function):
            raise UnknownError

    def _of_builtins(self, value: Any) -> None:
        name = value.__name__
        usual = isinstance(value, type) and issubclass(value, BaseException)
        if vars(builtins).get(name) is not value or not (usual or name in _BUILTINS):
            raise UnknownError
        self.put("builtin", name)

    def _getter(self, value: Any) -> None:
        self.put("itemgetter")
        self.visit(value.__reduce__()[1])

    def _cached(self, value: Any) -> None:
        self.put("cached")
        self.visit(value.__wrapped__)

    def _property(self, value: property) -> None:
        self.put("property")
        for part in (value.fget, value.fset, value.fdel):
            self.visit(part)

    def _cached_property(self, value: Any) -> None:
        self.put("cached property")
        self.visit(value.func)

    def _slot(self, value: Any) -> None:
        self.put("slot", value.__name__)

    def _of_class(self, value: Any) -> None:
        self.put(type(value).__name__)
        self.visit(value.__func__)

    # ------------------------------------------------ names

    def _named(self, value: Any) -> bool:
        """Write down something of NumPy, SciPy, ours or Python's by its name, if it is that."""
        name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
        module = getattr(value, "__module__", None)
        if isinstance(value, np.ufunc):
            places = ("numpy", "scipy.special", "numpy.linalg._umath_linalg")
            module = next((m for m in places if _found(m, name) is value), None)
        elif name is None:  # one of the makers of arrays, or a distribution
            name = next((n for n in _MAKERS if getattr(np, n) is value), None)
            module = "numpy" if name else "scipy.stats"
            name = name or getattr(value, "name", None)
        if not isinstance(module, str) or not isinstance(name, str):
            return False
        if not (module in _STANDARD or module in _TOPS or _within(module, (*_COMPUTING, *_OWN))):
            return False
        last = name.rpartition(".")[2]
        if last in _HIDDEN or last in _ATTRIBUTES or _found(module, name) is not value:
            return False
        self.put("named", module, name)
        return True

    def _module(self, module: types.ModuleType) -> None:
        name = module.__name__
        root = name.partition(".")[0]
        if sys.modules.get(name) is not module:
            raise UnknownError
        self.put("module", name)
        if name in _STANDARD:
            return
        if root == "wengert" and name != root:
            if not _within(name, _OWN):
                raise UnknownError
            return
        if root in _PACKAGES:
            if name not in _TOPS and not _within(name, _COMPUTING):
                raise UnknownError
        elif is_library(getattr(module, "__file__", None) or "<frozen>"):
            raise UnknownError
        self._open.append((vars(module), set()))

    # ------------------------------------------------ classes and objects

    def _class(self, cls: type) -> None:
        if cls.__module__ == "builtins":
            self._of_builtins(cls)
            return
        if is_fixed(cls):
            if not self._named(cls):
                raise UnknownError
            return
        if type(cls) not in (type, ABCMeta) or _is_registered(cls):
            raise UnknownError
        self.put("class", type(cls).__name__, len(cls.__bases__))
        for base in cls.__bases__:
            self.visit(base)
        space = vars(cls)
        self.put(*space.get("__dataclass_fields__", ()))
        for name in space:  # in their order
            special = name.startswith("__") and name.endswith("__")
            if special and name not in _UNSEEN and not _is_written(name, space[name]):
                self.put("member", name)
                self.visit(space[name])
        self.put("end")
        self._open.append((space, set(_UNSEEN)))

    def _object(self, value: Any) -> None:
        """An object with nothing but attributes, all of which are written down."""
        cls: type = type(value)
        if "made_of" in vars(cls) and _within(
            cls.__module__, _OWN
        ):  # the rest may be compiled code
            self.put("ours", cls.__qualname__)
            self.visit(value.made_of)
            return
        for base in cls.__mro__:
            if base is not object and base is not ABC and is_fixed(base):
                raise UnknownError
        self.put("object")
        self.visit(cls)
        for base in cls.__mro__:
            for name, member in vars(base).items():
                if isinstance(member, types.MemberDescriptorType):
                    self.put("attribute", name)
                    self._slot_of(member, value)
        self._dict(attributes_of(value))

    def _slot_of(self, member: Any, value: Any) -> None:
        try:
            found = member.__get__(value)
        except AttributeError:
            self.put("absent")
        else:
            self.visit(found)

    def _namespace(self, value: types.SimpleNamespace) -> None:
        self.put("namespace")
        self._dict(vars(value))


_KINDS: dict[Any, Callable[[Any, Any], None]] = {
    tuple: _Walk._items,  # pyright: ignore[reportPrivateUsage]
    list: _Walk._items,  # pyright: ignore[reportPrivateUsage]
    dict: _Walk._dict,  # pyright: ignore[reportPrivateUsage]
    range: _Walk._range,  # pyright: ignore[reportPrivateUsage]
    slice: _Walk._slice,  # pyright: ignore[reportPrivateUsage]
    np.ndarray: _Walk._array,  # pyright: ignore[reportPrivateUsage]
    types.FunctionType: _Walk._function,  # pyright: ignore[reportPrivateUsage]
    types.MethodType: _Walk._method,  # pyright: ignore[reportPrivateUsage]
    types.BuiltinFunctionType: _Walk._builtin,  # pyright: ignore[reportPrivateUsage]
    types.ModuleType: _Walk._module,  # pyright: ignore[reportPrivateUsage]
    types.SimpleNamespace: _Walk._namespace,  # pyright: ignore[reportPrivateUsage]
    functools.partial: _Walk._partial,  # pyright: ignore[reportPrivateUsage]
    operator.itemgetter: _Walk._getter,  # pyright: ignore[reportPrivateUsage]
    type(functools.lru_cache(len)): _Walk._cached,  # pyright: ignore[reportPrivateUsage]
    property: _Walk._property,  # pyright: ignore[reportPrivateUsage]
    functools.cached_property: _Walk._cached_property,  # pyright: ignore[reportPrivateUsage]
    types.MemberDescriptorType: _Walk._slot,  # pyright: ignore[reportPrivateUsage]
    staticmethod: _Walk._of_class,  # pyright: ignore[reportPrivateUsage]
    classmethod: _Walk._of_class,  # pyright: ignore[reportPrivateUsage]
}


@functools.lru_cache(maxsize=1024)
def _of_own(code: types.CodeType) -> _Code:
    """Code of this package; its version is known to who keeps something."""
    constants = [c for c in code.co_consts if type(c) in _SCALARS]  # of lambdas on one line, say
    what = (code.co_qualname, code.co_firstlineno, code.co_code, code.co_names, constants)
    return _Code(_digest(what), (), (), frozenset())


def _within(module: Any, packages: tuple[str, ...]) -> bool:
    return isinstance(module, str) and any(
        module == package or module.startswith(package + ".") for package in packages
    )


def _found(module: str, name: Any) -> Any:
    """What is in a module under a dotted name."""
    value: Any = sys.modules.get(module)
    for part in str(name).split("."):
        value = getattr(value, part, None)
    return value


def _is_written(name: str, member: Any) -> bool:
    """Is it one of the methods that Python writes for dataclasses, from their fields?"""
    if name not in {"__hash__", "__repr__"}:
        return False
    code = getattr(member, "__code__", None)
    return code is None or code.co_filename == "<string>" or is_library(code.co_filename)


def _is_registered(cls: type) -> bool:
    """Does optree take its objects apart? How is then said elsewhere."""
    return optree.register_pytree_node.get(cls) is not None  # pyright: ignore
