"""Programs that write large values into buffers, which are kept from call to call.

A fresh large array costs more than what is computed into it: the system hands out its pages one by
one. So the first call on arrays of one layout runs as usual and notes how every large value lies
in memory; from the second call on these values are written into buffers of exactly that layout, by
the same operations, so the results are the same bits. A call takes a workspace (all buffers of its
program) out of the store while it runs: two threads, or a program that runs inside itself, never
share one. What is kept between calls is at most ``KEPT_BYTES`` for the whole process; the
workspaces that were used last stay. Results are never in a buffer.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from threading import get_ident
from typing import Any

import numpy as np

from wengert.backends.numpy_programs import Step
from wengert.backends.numpy_steps import Writer, writer_of
from wengert.locks import process_lock
from wengert.plan.buffers import Request, assign_buffers
from wengert.plan.instructions import Input, Plan

LARGE_BYTES = 1 << 14  # a value from this size on is written into a buffer
KEPT_BYTES = 1 << 28  # what is kept between calls by all programs together
_LAYOUTS = 8  # combinations of input layouts for which a program makes a memory plan

Slots = list[Any]
Schedule = list[tuple[int, Step, tuple[int, ...]]]


# ---------------------------------------------------------------- what is kept between calls


class Store:
    """Workspaces that no call uses at present, the least recently used one first.

    Finalizers call :meth:`forget`, which may be anywhere, in the middle of its methods too.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.size = 0
        self._idle: OrderedDict[Any, tuple[Slots, int]] = OrderedDict()
        self._lock = process_lock()

    def take(self, owner: object) -> Slots | None:
        """A workspace of an owner that this thread gave back."""
        with self._lock:
            found = self._idle.pop((owner, get_ident()), None)
            if found is None:
                return None
            self.size -= found[1]
            return found[0]

    def give(self, owner: object, workspace: Slots, size: int) -> None:
        """Keep a workspace; others go if there are too many."""
        key = owner, get_ident()
        with self._lock:
            if key in self._idle:  # the program ran inside itself: one is enough
                return
            self._idle[key] = workspace, size
            self.size += size
            while self.size > self.limit:
                _, (_, gone) = self._idle.popitem(last=False)
                self.size -= gone

    def forget(self, owner: object) -> None:
        """Drop what is kept for an owner."""
        with self._lock:
            for key in list(self._idle):
                if key[0] is owner and (found := self._idle.pop(key, None)) is not None:
                    self.size -= found[1]


STORE = Store(KEPT_BYTES)


# ---------------------------------------------------------------- layouts


@dataclass(frozen=True)
class _Geometry:
    """How an array lies in memory."""

    dtype: Any
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def within(self, buffer: Any) -> Any:
        """Such an array at the beginning of a buffer."""
        return np.ndarray(self.shape, self.dtype, buffer, 0, self.strides)


def _geometry(array: Any) -> _Geometry | None:
    """Of an array without gaps, its axes in any order; None for others."""
    if type(array) is not np.ndarray:
        return None
    expected = array.itemsize
    axes = [k for k in range(array.ndim) if array.shape[k] != 1]
    for k in sorted(axes, key=lambda k: array.strides[k]):
        if array.strides[k] != expected:
            return None
        expected *= array.shape[k]
    return _Geometry(array.dtype, array.shape, array.strides)


def _layout(array: Any) -> tuple[Any, tuple[int, ...]]:
    """What of an input decides on dtypes and strides of all that is computed from it."""
    if isinstance(array, float | int):  # NumPy's float64 too
        return type(array), ()
    return array.dtype, array.strides


def _uniform(layouts: Sequence[tuple[Any, tuple[int, ...]]], dtype: Any) -> bool:
    """Are all real inputs in the precision of the program, so that every real value is?

    Integers go along with float64, but make float64 of float32.
    """
    found = {np.dtype(kind) for kind, _ in layouts}
    return all(d == dtype or (d.kind != "f" and dtype.itemsize == 8) for d in found)


# ---------------------------------------------------------------- programs


@dataclass(frozen=True)
class _Version:
    """A program for inputs of one layout: its steps, and the arrays in the places behind slots."""

    schedule: Schedule
    arrays: tuple[tuple[int, _Geometry], ...]  # the number of a buffer, and how it is used
    sizes: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes of a workspace."""
        return sum(self.sizes)

    def workspace(self, template: Slots) -> Slots:
        """Slots with the buffers behind them."""
        buffers: list[Any] = [np.empty(size, np.uint8) for size in self.sizes]
        return template + [geometry.within(buffers[b]) for b, geometry in self.arrays]


class BufferedProgram:
    """A plan whose large values are written into buffers; call it with named arrays.

    Parameters
    ----------
    plan : Plan
        What to run.
    dtype : numpy dtype
        Of real values.
    schedule : sequence of (target, step, slots to be cleared)
        The steps without buffers.
    template : list
        The slots with the values that are the same in every call.
    writers : mapping of int to Writer
        How targets are written into an array.
    """

    def __init__(
        self,
        plan: Plan,
        dtype: Any,
        schedule: Schedule,
        template: Slots,
        writers: Mapping[int, Writer],
    ) -> None:
        self._plan, self._dtype, self._schedule = plan, dtype, schedule
        self._template, self._writers = template, writers
        self._inputs = [(i.target, i.name) for i in plan.instructions if isinstance(i, Input)]
        self._known: dict[Any, Mapping[int, _Geometry] | _Version | None] = {}
        self._owner = object()
        weakref.finalize(self, STORE.forget, self._owner).atexit = False

    def __call__(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """The outputs."""
        given = [(slot, values[name]) for slot, name in self._inputs]
        layouts = tuple([_layout(a) for _, a in given])
        version = self._version(layouts)
        if not isinstance(version, _Version):
            return self._run_without(given, layouts)
        slots = STORE.take(self._owner)
        if slots is None or len(slots) != len(self._template) + len(version.arrays):
            slots = version.workspace(self._template)
        for slot, value in given:
            slots[slot] = value
        with np.errstate(all="ignore"):
            for target, step, finished in version.schedule:
                slots[target] = step(slots)
                for slot in finished:
                    slots[slot] = None
        results = tuple([slots[o] for o in self._plan.outputs])
        slots[: len(self._template)] = self._template
        STORE.give(self._owner, slots, version.size)
        return results

    def _run_without(
        self, given: Sequence[tuple[int, Any]], layouts: tuple[tuple[Any, tuple[int, ...]], ...]
    ) -> tuple[Any, ...]:
        """The outputs by the steps without buffers; the first time, what they give is noted."""
        slots = self._template.copy()
        for slot, value in given:
            slots[slot] = value
        noted: dict[int, _Geometry] = {}
        with np.errstate(all="ignore"):
            for target, step, finished in self._schedule:
                slots[target] = step(slots)
                if target in self._writers and (found := _geometry(slots[target])) is not None:
                    noted[target] = found
                for slot in finished:
                    slots[slot] = None
        if len(self._known) < _LAYOUTS and layouts not in self._known:
            self._known[layouts] = noted if _uniform(layouts, self._dtype) else None
        return tuple([slots[o] for o in self._plan.outputs])

    def _version(self, layouts: tuple[tuple[Any, tuple[int, ...]], ...]) -> _Version | None:
        found = self._known.get(layouts)
        if isinstance(found, Mapping):
            found = self._known[layouts] = self._make_version(found)
        return found

    def _make_version(self, noted: Mapping[int, _Geometry]) -> _Version | None:
        buffers = assign_buffers(self._plan, self._requests(noted))
        if not buffers.of or sum(buffers.sizes) > STORE.limit:
            return None
        arrays: list[tuple[int, _Geometry]] = []
        schedule: Schedule = []
        for target, step, finished in self._schedule:
            if target in buffers.of:
                geometry = self._wanted(target, noted[target])
                places: list[int] = []
                for numbers in (buffers.of, buffers.scratch):
                    if target in numbers:
                        places.append(len(self._template) + len(arrays))
                        arrays.append((numbers[target], geometry))
                writing = _writing(self._writers[target], *places)
                schedule.append((target, writing, finished))
            else:
                schedule.append((target, step, finished))
        return _Version(schedule, tuple(arrays), buffers.sizes)

    def _requests(self, noted: Mapping[int, _Geometry]) -> dict[int, Request]:
        requests: dict[int, Request] = {}
        for target, geometry in noted.items():
            writer = self._writers[target]
            size = prod(geometry.shape) * geometry.dtype.itemsize
            requests[target] = Request(size, geometry, writer.over, writer.scratch)
        return requests

    def _wanted(self, target: int, noted: _Geometry) -> _Geometry:
        """The geometry of the array that a writer takes."""
        shape = self._writers[target].shape
        if shape is None:
            return noted
        return _Geometry(noted.dtype, shape, np.empty(shape, noted.dtype).strides)


def _writing(writer: Writer, place: int, scratch: int = 0) -> Step:
    write = writer.write
    return lambda slots: write(slots, slots[place], slots[scratch])


def large_writers(plan: Plan, dtype: Any) -> dict[int, Writer]:
    """The instructions with large values that can be written into an array, by target."""
    large = [i for i in plan.instructions if i.size * dtype.itemsize >= LARGE_BYTES]
    return {i.target: w for i in large if (w := writer_of(i)) is not None}
