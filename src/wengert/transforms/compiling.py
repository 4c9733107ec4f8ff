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
from wengert.transforms.direct import Direct, Quick, brief_of, direct_of, exactly, quick_of
from wengert.transforms.kept import Known, Native, known
from wengert.transforms.recording import check_callable, describe, output_of, plain_array
from wengert.transforms.surroundings import Surroundings, to_compare

_VERSIONS = 16  # that are kept for arguments of the same shapes
_SHAPES = 1024  # combinations of shapes for which versions are kept: those that came last
_QUICK = 2  # versions that are tried before one is looked for: one for training, one for tests
_RARE = 16  # calls that take some µs more: to write what is quick takes 0.1 ms
_KEPT = 4  # versions that are kept on disk: what changes all the time is not worth it
_WARNED = 32  # times that a function is traced for them without a warning


@dataclass(frozen=True)
class _Version:
    """What runs the function at arguments of certain shapes."""

    surroundings: Surroundings
    static: tuple[tuple[int, Any], ...]
    running: Running | Native
    names: tuple[str, ...]
    captured: tuple[tuple[str, Any], ...]
    dtypes: tuple[Any, ...]
    output: Any
    structure: Any

    @cached_property
    def direct(self) -> Direct | None:
        """The way without detours, if the whole program is native."""
        return direct_of(self)

    @cached_property
    def quick(self) -> Quick | None:
        """The same for arguments that are yet to be checked; None if the code looks not at all."""
        return quick_of(self) if self._reads_all else None

    @cached_property
    def brief(self) -> Quick | None:
        """The same for the first calls."""
        direct = self.direct if self._reads_all else None
        return None if direct is None else brief_of(self, direct, self._rare)

    @property
    def _reads_all(self) -> bool:
        """Does native code see every argument?"""
        return self.direct is not None and set(self.names) <= set(self.running.names)

    @cached_property
    def _rare(self) -> Iterator[int]:
        return iter(range(_RARE))

    def is_frequent(self) -> bool:
        """Has it been called so often that quick calls are worth the time to write them?"""
        return next(self._rare, None) is None


@dataclass(frozen=True)
class _FromDisk(_Version):
    """A version that was not traced: there is nothing but native code."""

    def __call__(self, flat: list[Any]) -> Any:
        """The results; NotImplemented if the code does not take the arguments."""
        return NotImplemented if self.direct is None else self.direct(flat)


@dataclass(frozen=True)
class _Entry(_Version):
    """A traced and compiled version."""

    running: Running
    roots: tuple[Expr, ...]
    precision: Any

    def __call__(self, flat: list[Any]) -> Any:
        """The results."""
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
        self._entries: dict[Any, list[_Entry | _FromDisk]] = {}
        self._traced: dict[Any, int] = {}

    @property
    def made_of(self) -> tuple[Any, ...]:
        """All that is not made anew in each process."""
        return self.function, self.static_argnums, self.engine, self.threads

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
        found = entry(flat)
        if found is NotImplemented:
            entry = self._traced_entry(flat, structure, static)
            found = entry(flat)
        quick = entry.quick if entry.is_frequent() else entry.brief
        if quick is not None:
            others = tuple(q for q in self._quick if q not in (quick, entry.brief))
            self._quick = (quick, *others[: _QUICK - 1])
        return found

    def plan(self, *args: Any, **kwargs: Any) -> Plan:
        """The instructions for arguments of these shapes; prints with FLOPs and bytes."""
        return self._traced_entry(*self._arguments(args, kwargs)).running.plan

    def __str__(self) -> str:
        name = describe(self.function)
        if not self._entries:
            return f"{name}: not called yet, so nothing is compiled"
        entries: list[_Entry] = []
        for (structure, shapes, static, *_), versions in list(self._entries.items()):
            if any(isinstance(version, _FromDisk) for version in versions):
                self._traced_entry([_like(shape) for shape in shapes], structure, static)
            entries += [version for version in versions if isinstance(version, _Entry)]
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

    def _entry(
        self, flat: list[Any], structure: Any, static: tuple[Any, ...]
    ) -> _Entry | _FromDisk:
        versions, key = self._versions(flat, structure, static)
        changed = None
        for entry in reversed(versions):
            changed = entry.surroundings.changed()
            if changed is None:
                return entry
        while len(self._entries) > _SHAPES:
            oldest, *_ = tuple(self._entries)  # at once: another thread may enter one meanwhile
            self._entries.pop(oldest, None)
            self._traced.pop(oldest, None)
        surroundings = self._surroundings(static)
        what = self._known(flat, structure, static)
        found = None if what is None else what.find()
        if found is None:
            self._count(key, changed)
            return self._trace(flat, structure, static, surroundings, what)
        surroundings.guard(to_compare(surroundings.arrays, [a for _, a in found.captured]))
        entry = _FromDisk(
            surroundings, static, found.running, found.names, found.captured,
            found.running.dtypes, found.output, structure,
        )  # fmt: skip
        versions[:] = [*versions[1 - _VERSIONS :], entry]
        return entry

    def _traced_entry(self, flat: list[Any], structure: Any, static: tuple[Any, ...]) -> _Entry:
        """A version that was traced in this process; it takes the place of one from disk."""
        entry = self._entry(flat, structure, static)
        if isinstance(entry, _Entry):
            return entry
        versions, _ = self._versions(flat, structure, static)
        self._quick = ()
        versions[:] = [v for v in versions if v is not entry]
        return self._trace(flat, structure, static, self._surroundings(static), None)

    def _versions(
        self, flat: list[Any], structure: Any, static: tuple[Any, ...]
    ) -> tuple[list[_Entry | _FromDisk], Any]:
        """Those for arguments like these, the latest last, and their key."""
        shapes = tuple("float" if type(a) is float else (a.shape, a.dtype) for a in flat)
        key = (structure, shapes, static, *(exactly(value) for _, value in static))
        try:
            return self._entries.setdefault(key, []), key
        except TypeError:
            raise TracingError(
                f"static arguments must be hashable; {static!r} is not: pass arrays as usual "
                "arguments"
            ) from None

    def _surroundings(self, static: tuple[Any, ...]) -> Surroundings:
        return Surroundings(self.function, *(value for _, value in static))

    def _known(self, flat: list[Any], structure: Any, static: tuple[Any, ...]) -> Known | None:
        """What the function is now, with what it reads from around it."""
        values = [self.function, *(value for _, value in static)]
        places = [k for k, _ in static]
        return known(values, flat, structure, places, self.engine, self.threads)

    def _trace(
        self,
        flat: list[Any],
        structure: Any,
        static: tuple[Any, ...],
        surroundings: Surroundings,
        what: Known | None,
    ) -> _Entry:
        """A new version; it is kept on disk if it is known what it is."""
        versions, key = self._versions(flat, structure, static)
        chance = _states(surroundings.generators)
        found = self._compile(flat, structure, static, versions, surroundings)
        if _states(surroundings.generators) != chance:
            what = None
            name = describe(self.function)
            warnings.warn(
                f"compile: {name} draws random numbers while it is traced; every "
                " later call would use the same ones: draw them outside and pass them as arguments",
                stacklevel=4,
            )
        versions[:] = [v for v in versions[1 - _VERSIONS :] if v.running is not found.running]
        versions.append(found)
        if what is not None and self._traced.get(key, 0) <= _KEPT:
            after = self._known(flat, structure, static)
            if after is not None and after.key == what.key:  # tracing has changed nothing
                what.keep(found)
        return found

    def _count(self, key: Any, changed: str | None) -> None:
        """A warning if the function is traced over and over."""
        self._traced[key] = times = self._traced.get(key, 0) + 1
        if times == _WARNED and changed is not None:
            warnings.warn(
                f"compile: {describe(self.function)} has been traced {times} times for arguments "
                f"of the same shapes, since what it reads from around it changes ({changed}, the "
                "last time); pass that as an argument",
                stacklevel=4,
            )

    def _compile(
        self,
        flat: list[Any],
        structure: Any,
        static: tuple[Any, ...],
        versions: list[_Entry | _FromDisk],
        surroundings: Surroundings,
    ) -> _Entry:
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
        surroundings.guard(to_compare(surroundings.arrays, [a for _, a in captured]))
        values = [*flat, *(a for _, a in captured)]
        precision = common_dtype(values)
        for entry in versions:  # the same program of other arrays
            if not isinstance(entry, _Entry):
                continue
            if entry.roots == roots and entry.output == output and entry.precision == precision:
                return replace(entry, surroundings=surroundings, captured=captured)
        return _Entry(
            surroundings,
            static,
            running(roots, precision, self.engine, self.threads),
            tuple(str(leaf.params[0]) for leaf in leaves),
            captured,
            tuple(d for _, d in lifted),
            output,
            structure,
            roots,
            precision,
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


def _like(shape: Any) -> Any:
    """An argument of a shape, without memory."""
    return 0.0 if shape == "float" else np.broadcast_to(np.zeros((), shape[1]), shape[0])


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
