"""compile: a function traced once for each combination of shapes, then run as a program."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, update_wrapper
from types import MethodType
from typing import Any

import numpy as np
import optree

from wengert.backends import bound, common_dtype, engine_named, owned, threads_named
from wengert.errors import TracingError
from wengert.expr import Expr
from wengert.plan import Plan
from wengert.rewrite import recognise_all
from wengert.structured import Running, running
from wengert.tracing import TracedArray, current_trace, kind_of, new_trace
from wengert.transforms.direct import Direct, Quick, direct_of, exactly, quick_of
from wengert.transforms.recording import check_callable, describe, output_of, plain_array
from wengert.transforms.surroundings import Surroundings, to_compare

_VERSIONS = 16  # that are kept for arguments of the same shapes
_SHAPES = 1024  # combinations of shapes for which versions are kept: those that came last
_QUICK = 2  # versions that are tried before one is looked for: one for training, one for tests
_RARE = (
    16  # calls that go the long way, which takes some µs more; to write what is quick takes 0.1 ms
)
_WARNED = 32  # times that a function is traced for them without a warning


@dataclass(frozen=True)
class _Entry:
    """A traced and compiled version."""

    surroundings: Surroundings
    static: tuple[tuple[int, Any], ...]
    roots: tuple[Expr, ...]
    running: Running
    names: tuple[str, ...]
    captured: tuple[tuple[str, Any], ...]
    dtypes: tuple[Any, ...]
    output: Any
    precision: Any
    structure: Any

    @cached_property
    def direct(self) -> Direct | None:
        """The way without detours, if the whole program is native."""
        return direct_of(self)

    @cached_property
    def quick(self) -> Quick | None:
        """The same for arguments that are yet to be checked; None if the code looks not at all."""
        every = self.direct is not None and set(self.names) <= set(self.running.names)
        return quick_of(self) if every else None

    @cached_property
    def _rare(self) -> Iterator[int]:
        return iter(range(_RARE))

    def is_frequent(self) -> bool:
        """Has it been called so often that quick calls are worth the time to write them?"""
        return next(self._rare, None) is None

    def __call__(self, flat: list[Any]) -> Any:
        if self.direct is not None and (found := self.direct(flat)) is not NotImplemented:
            return found
        values = dict(zip(self.names, flat, strict=True))
        values.update(self.captured)
        arrays = self.running(bound(values, self.precision))
        results = [owned(a, d, values.values()) for a, d in zip(arrays, self.dtypes, strict=True)]
        return optree.tree_unflatten(self.output, results)


class Compiled:
    """A function compiled by :func:`compile`; call it like the function itself."""

    def __init__(
        self,
        function: Callable[..., Any],
        static_argnums: tuple[int, ...],
        engine: str | None = None,
        threads: int | None = None,
    ) -> None:
        update_wrapper(self, function, updated=())  # another Compiled's attributes are its own
        self.function = function
        self.static_argnums = static_argnums
        self.engine = engine
        self.threads = threads
        self._quick: tuple[Quick, ...] = ()  # of the last calls, the latest first
        self._entries: dict[Any, list[_Entry]] = {}
        self._traced: dict[Any, int] = {}

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """A method, if it is an attribute of a class."""
        return self if instance is None else MethodType(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The function's value."""
        for quick in self._quick:
            found = quick(args, kwargs)
            if found is not NotImplemented:
                return found
        flat, structure, static = self._arguments(args, kwargs)
        if current_trace() is not None and any(isinstance(a, TracedArray) for a in flat):
            return self.function(*args, **kwargs)
        entry = self._entry(flat, structure, static)
        if entry.is_frequent() and (quick := entry.quick) is not None:
            others = tuple(q for q in self._quick if q is not quick)
            self._quick = (quick, *others[: _QUICK - 1])
        return entry(flat)

    def plan(self, *args: Any, **kwargs: Any) -> Plan:
        """The instructions for arguments of these shapes; prints with FLOPs and bytes."""
        return self._entry(*self._arguments(args, kwargs)).running.plan

    def __str__(self) -> str:
        name = describe(self.function)
        if not self._entries:
            return f"{name}: not called yet, so nothing is compiled"
        entries = [entry for versions in self._entries.values() for entry in versions]
        return "\n\n".join(f"{name}\n{entry.running.plan}" for entry in entries)

    def _arguments(self, args: Any, kwargs: Any) -> tuple[list[Any], Any, tuple[Any, ...]]:
        static: tuple[Any, ...] = ()
        dynamic = args
        if self.static_argnums:
            chosen = {k % len(args) for k in self.static_argnums if k < len(args)}
            static = tuple((k, args[k]) for k in sorted(chosen))
            dynamic = tuple(a for k, a in enumerate(args) if k not in chosen)
        flat, structure = optree.tree_flatten((dynamic, kwargs))
        prepared = [
            a if type(a) in _USUAL else plain_array(a, describe(self.function)) for a in flat
        ]
        return prepared, structure, static

    def _entry(self, flat: list[Any], structure: Any, static: tuple[Any, ...]) -> _Entry:
        shapes = tuple("float" if type(a) is float else (a.shape, a.dtype) for a in flat)
        key = (structure, shapes, static, *(exactly(value) for _, value in static))
        try:
            versions = self._entries.setdefault(key, [])
        except TypeError:
            raise TracingError(
                f"static arguments must be hashable; {static!r} is not: pass arrays as usual "
                "arguments"
            ) from None
        changed = None
        for entry in reversed(versions):
            changed = entry.surroundings.changed()
            if changed is None:
                return entry
        while len(self._entries) > _SHAPES:
            oldest, *_ = tuple(self._entries)  # at once: another thread may enter one meanwhile
            self._entries.pop(oldest, None)
            self._traced.pop(oldest, None)
        self._count(key, changed)
        found = self._compile(flat, structure, static, versions)
        versions[:] = [v for v in versions[1 - _VERSIONS :] if v.running is not found.running]
        versions.append(found)
        return found

    def _count(self, key: Any, changed: str | None) -> None:
        """A warning if the function is traced over and over."""
        self._traced[key] = times = self._traced.get(key, 0) + 1
        if times == _WARNED:
            warnings.warn(
                f"compile: {describe(self.function)} has been traced {times} times for arguments "
                f"of the same shapes, since what it reads from around it changes ({changed}, the "
                "last time); pass that as an argument",
                stacklevel=5,
            )

    def _compile(
        self, flat: list[Any], structure: Any, static: tuple[Any, ...], versions: list[_Entry]
    ) -> _Entry:
        surroundings = Surroundings(self.function, *(value for _, value in static))
        chance = _states(surroundings.generators)
        with new_trace(None) as trace:
            leaves: list[Expr] = []
            given: list[Any] = []
            for a in flat:
                dtype = np.dtype(float) if isinstance(a, float) else a.dtype
                kind = kind_of(dtype)
                if kind is None:
                    raise TracingError(
                        f"compile: an argument of dtype {dtype} cannot be traced; name it in "
                        "static_argnums"
                    )
                leaves.append(trace.leaf(np.shape(a), kind))
                given.append(TracedArray(leaves[-1], trace, dtype))
            dynamic, kwargs = optree.tree_unflatten(structure, given)
            args = list(dynamic)
            for k, value in static:
                args.insert(k, value)
            flat_result, output = optree.tree_flatten(self.function(*args, **kwargs))
            lifted = [output_of(trace, o, self.function) for o in flat_result]
        roots = recognise_all([e for e, _ in lifted])
        captured = tuple(
            (str(leaf.params[0]), trace.values[leaf]) for _, leaf in trace.captured.values()
        )
        if _states(surroundings.generators) != chance:
            name = describe(self.function)
            warnings.warn(
                f"compile: {name} draws random numbers while it is traced; every "
                " later call would use the same ones: draw them outside and pass them as arguments",
                stacklevel=5,
            )
        surroundings.guard(to_compare(surroundings.arrays, [a for _, a in captured]))
        values = [*flat, *(a for _, a in captured)]
        precision = common_dtype(values)
        for entry in versions:  # the same program of other arrays
            if entry.roots == roots and entry.output == output and entry.precision == precision:
                return replace(entry, surroundings=surroundings, captured=captured)
        return _Entry(
            surroundings,
            static,
            roots,
            running(roots, precision, self.engine, self.threads),
            tuple(str(leaf.params[0]) for leaf in leaves),
            captured,
            tuple(d for _, d in lifted),
            output,
            precision,
            structure,
        )


def compile(
    f: Callable[..., Any],
    *,
    static_argnums: int | tuple[int, ...] = (),
    engine: str | None = None,
    threads: int | None = None,
) -> Compiled:
    """The function as a program: traced once for each combination of shapes and dtypes.

    Parameters
    ----------
    f : callable
        Written with NumPy, or a transform of such a function. Its arguments have no values while
        it is traced: use :func:`cond`, :func:`scan` and so on where Python would branch on them.
    static_argnums : int or tuple of int
        Positional arguments that are no arrays (sizes, flags); each value is traced anew.
    engine : str, optional
        ``"native"`` runs the program as machine code, with NumPy for what has none (``print`` of
        the plan tells); ``"numpy"`` runs all of it by NumPy. By default what the environment
        variable ``WENGERT_ENGINE`` says when the function is traced, else native. Results agree
        to a few units in the last place of the sums and functions in between.
    threads : int, optional
        How many threads native code may have where it takes long; results are the same bits for
        any number. By default what the environment variable ``WENGERT_THREADS`` (else
        ``OMP_NUM_THREADS``) says when the function is traced, or one for each core that the
        process may use.

    Returns
    -------
    Compiled
        Call it like ``f``; ``.plan(*args)`` shows its instructions. Arrays that ``f`` captures
        are read at every call. If something else that it reads from around it has changed (a
        name, an attribute, an entry of a list, an array from which numbers were computed), it is
        traced anew.

    Raises
    ------
    UnknownValueError
        If the function needs a value: the message names the line and the remedy.

    Examples
    --------
    >>> fast = compile(lambda x: np.sum(x * x))
    >>> float(fast(np.array([1.0, 2.0])))
    5.0
    """
    check_callable(f, "compile")
    if engine is not None:
        engine_named(engine)
    if threads is not None:
        threads = threads_named(threads)
    numbers = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)
    return Compiled(f, numbers, engine, threads)


_USUAL = (np.ndarray, float, TracedArray)


def _states(generators: list[Any]) -> list[Any]:
    """Where the random generators are in their sequences, to be compared."""
    states = [g.bit_generator.state if hasattr(g, "bit_generator") else g for g in generators]
    own: Any = np.random.get_state(legacy=False)  # noqa: NPY002
    return [_frozen(s) for s in (own, *states)]


def _frozen(state: Any) -> Any:
    """A state that does not change when the generator does; text of its words is slow to make."""
    if isinstance(state, dict):
        return {key: _frozen(value) for key, value in state.items()}
    if isinstance(state, np.random.RandomState):
        return _frozen(state.get_state(legacy=False))
    return state.tobytes() if isinstance(state, np.ndarray) else state
