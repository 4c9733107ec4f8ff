"""Plans that run natively where they can: native segments, and NumPy's steps between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wengert.backends.native.builder import Module
from wengert.backends.native.callables import native_callable
from wengert.backends.native.engine import Engine, engine
from wengert.backends.native.entrance import FOREVER, Array
from wengert.backends.native.layout import check_layout
from wengert.backends.native.packing import in_a_row, packed
from wengert.backends.native.plans.kernels import needs_of, write_kernel
from wengert.backends.native.plans.lowerable import kinds_of
from wengert.backends.native.plans.lowering import Lowering
from wengert.backends.native.plans.natives import native_of, tapes_of, without_loops
from wengert.backends.native.plans.pairs import SMALL
from wengert.backends.native.plans.sources import (
    is_known,
    sources_of,
    without_preparations,
)
from wengert.backends.native.types import F32, F64
from wengert.backends.numpy_backend import compile_plan
from wengert.backends.numpy_steps import step_of
from wengert.plan import remembered, stacked_products
from wengert.plan.instructions import (
    Apply,
    Input,
    Instruction,
    Pair,
    Plan,
    Prepare,
)

_WORK = 10**7  # operations for which quick and careful code differ by what compiling them does
_OFTEN = 500  # calls after which a function is taken to be called for ever

Step = Callable[[list[Any]], Any]


@dataclass(frozen=True)
class _Stage:
    """Instructions that run together: native ones, or NumPy's one after the other."""

    native: bool
    instructions: tuple[Instruction, ...]


# ---------------------------------------------------------------- stages


def stages_of(plan: Plan, kinds: Mapping[int, str | None]) -> list[_Stage]:
    """A plan's instructions in as few alternations of native code and NumPy as there need be."""
    native = native_of(plan, kinds)
    tapes = tapes_of(plan)
    while True:
        number = _numbered(plan, native)
        if not tapes:
            break
        apart = {
            i.target
            for i in plan.instructions
            for s in i.sources
            if native[i.target] and s in tapes and number[tapes[s]] != number[i.target]
        }
        if not apart:
            break
        without_loops(plan, native, apart)
    found: dict[int, list[Instruction]] = {}
    for i in plan.instructions:
        if number.get(i.target, -1) >= 0:
            found.setdefault(number[i.target], []).append(i)
    return [_Stage(k % 2 == 0, tuple(found[k])) for k in sorted(found)]


def _numbered(plan: Plan, native: Mapping[int, bool]) -> dict[int, int]:
    """The stage of each instruction that is needed; −1 of what is there from the beginning."""
    number: dict[int, int] = {}
    for i in without_preparations(plan.instructions, native):
        if isinstance(i, Input) or is_known(i):
            number[i.target] = -1
            continue
        parity = 0 if native[i.target] else 1
        sources = sources_of(i, native=native[i.target])
        least = max((number[s] for s in sources), default=0)
        least = max(least, 0)
        number[i.target] = least if least % 2 == parity else least + 1
    return number


# ---------------------------------------------------------------- programs


class NativeProgram:
    """A plan as native code; call it with named arrays.

    Attributes
    ----------
    function : callable or None
        If all of the plan is native, the builtin function: of the arrays in the order of
        ``names``, it gives a tuple of arrays of its own, or NotImplemented if it was not written
        for such arrays.
    dtypes : tuple of dtype
        Of the results.
    names : tuple of str
        The plan's inputs, shorter names first.
    native : frozenset of int
        The targets of the instructions that are native.
    divided : frozenset of int
        The slots that are written in pieces, by several threads if there are.
    """

    def __init__(self, plan: Plan, dtype: Any, engine: Engine, threads: int) -> None:
        kinds = kinds_of(plan)
        stages = stages_of(plan, kinds)
        inputs = [i for i in plan.instructions if isinstance(i, Input)]
        inputs.sort(key=lambda i: (len(i.name), i.name))
        real = np.dtype(dtype).type
        of_kind: dict[str | None, Any] = {"real": real, "int": np.int64, "bool": np.bool_}
        self.dtypes = tuple(np.dtype(of_kind[kinds[o]]) for o in plan.outputs if kinds[o])
        self.names = tuple(i.name for i in inputs)
        own = [i.target for s in stages if s.native for i in s.instructions]
        run = {i.target for s in stages for i in s.instructions}
        part = [  # constants, and work that is part of native code
            i.target
            for i in plan.instructions
            if is_known(i) or (isinstance(i, Prepare) and i.target not in run)
        ]
        self.native = frozenset((*own, *part))
        self.plan = plan
        self._inputs = [i.target for i in inputs]
        slots: list[Any] = [None] * plan.slots
        known = {i.target: step_of(i, dtype)(slots) for i in plan.instructions if is_known(i)}
        for slot, value in known.items():
            slots[slot] = value
        self._template = slots
        self._runs: list[Callable[[list[Any]], None]] = []
        self.function: Callable[..., Any] | None = None
        self._numpy = None if own else compile_plan(plan, dtype)
        whole = len(stages) == 1 and stages[0].native
        divided: set[int] = set()
        done = {} if whole else _last_reads(stages, plan.outputs)
        last = {
            s: k for k, stage in enumerate(stages if not whole else ()) for i in stage.instructions
            for s in sources_of(i, native=stage.native)
        } | dict.fromkeys(plan.outputs, len(stages))  # fmt: skip
        for k, stage in enumerate(stages if own else ()):
            if not stage.native:
                self._runs.append(_numpy_run(stage.instructions, done, dtype))
                continue
            if whole:
                takes, gives = list(self._inputs), list(plan.outputs)
            else:
                written = [i.target for i in stage.instructions]
                inside = {*written, *known}
                read = [s for i in stage.instructions for s in sources_of(i)]
                takes = [s for s in dict.fromkeys(read) if s not in inside]
                gives = [t for t in written if last.get(t, k) > k]
            function = _segment(
                plan, stage.instructions, takes, gives, known, kinds, dtype, engine, threads
            )  # fmt: skip
            divided |= function.divided
            if whole:
                self.function = function.native
            gone = [s for i in stage.instructions for s in done.get(i.target, ())]
            self._runs.append(_native_run(function, takes, gives, gone))
        self.divided = frozenset(divided)

    def __call__(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        """The outputs."""
        given = [values[name] for name in self.names]
        if self.function is not None:
            found = self.function(*given)
            if found is not NotImplemented:
                return found
        # How arrays lie would change the order of NumPy's sums, and so the last bits.
        given = [in_a_row(a) if isinstance(a, np.ndarray) else a for a in given]
        if self._numpy is not None:
            return self._numpy(dict(zip(self.names, given, strict=True)))
        slots = self._template.copy()
        for slot, value in zip(self._inputs, given, strict=True):
            slots[slot] = value
        with np.errstate(all="ignore"):
            for run in self._runs:
                run(slots)
        return tuple([slots[o] for o in self.plan.outputs])


def _last_reads(stages: Sequence[_Stage], outputs: Sequence[int]) -> dict[int, tuple[int, ...]]:
    """For each target, the slots that nobody reads after it was written."""
    seen = set(outputs)
    found: dict[int, tuple[int, ...]] = {}
    for stage in reversed(stages):
        for i in reversed(stage.instructions):
            fresh = set(sources_of(i, native=stage.native)) - seen
            seen |= fresh
            found[i.target] = tuple(fresh)
    return found


def _numpy_run(
    instructions: Sequence[Instruction], done: Mapping[int, tuple[int, ...]], dtype: Any
) -> Callable[[list[Any]], None]:
    steps = [(i.target, step_of(i, dtype), done[i.target]) for i in instructions]

    def run(slots: list[Any]) -> None:
        for target, step, gone in steps:
            slots[target] = step(slots)
            for slot in gone:
                slots[slot] = None

    return run


def _native_run(
    segment: Segment, takes: Sequence[int], gives: Sequence[int], gone: Sequence[int]
) -> Callable[[list[Any]], None]:
    def run(slots: list[Any]) -> None:
        given = [slots[s] for s in takes]
        found = segment.native(*given)
        if found is NotImplemented:
            found = segment.by_numpy(given)
        for slot, value in zip(gives, found, strict=True):
            slots[slot] = value
        for slot in gone:
            slots[slot] = None

    return run


# ---------------------------------------------------------------- segments


def _segment(
    plan: Plan,
    instructions: Sequence[Instruction],
    takes: Sequence[int],
    gives: Sequence[int],
    known: Mapping[int, Any],
    kinds: Mapping[int, str | None],
    dtype: Any,
    engine: Engine,
    threads: int,
) -> Segment:
    """Some instructions as a builtin function: of what they take, a tuple of what they give."""
    real = F32 if dtype == np.float32 else F64
    shapes = {i.target: i.shape for i in plan.instructions}
    lowering = Lowering(real, instructions, gives)
    for slot in takes:
        kind = kinds[slot]
        assert kind is not None
        lowering.enter(slot, shapes[slot], kind)
    used = {s for i in instructions for s in sources_of(i)} | set(gives)
    for slot, value in known.items():
        if slot in used:
            lowering.know(slot, np.asarray(value), kinds[slot] or "real")
    graph = lowering.graph
    graph.fresh = max(graph.fresh, plan.slots)
    for i in instructions:
        lowering.lower(i)
    module = Module(engine.host.written_for)
    kernel = write_kernel(module, "kernel", graph, takes, gives, engine.host.width)
    arguments = [Array(graph.types[s], shapes[s]) for s in takes]
    results = [Array(graph.types[s], shapes[s]) for s in gives]
    needs = needs_of([kernel], threads)
    symbols, keep = needs.symbols(engine)
    template: list[Any] = [None] * plan.slots
    for slot, value in known.items():
        template[slot] = value
    segment = Segment(instructions, template, takes, gives, arguments, dtype)
    segment.divided = kernel.cut
    segment.native = native_callable(
        engine, module, "kernel", arguments, results, segment.slow, tupled=True, symbols=symbols,
        keep=keep, calls=_worth(instructions), needs=needs,
    )  # fmt: skip
    return segment


def _worth(instructions: Sequence[Instruction]) -> int:
    """How often code must run until better code is worth the time to compile it."""
    own = [i for i in instructions if not isinstance(i, Pair) or i.volume < SMALL]  # not BLAS
    calls = min(_WORK // max(sum(i.flops for i in own), 1), _OFTEN)
    return calls if calls > 1 else FOREVER


class Segment:
    """Instructions as a builtin function, and by NumPy for arrays that it was not written for.

    Attributes
    ----------
    native : builtin function
        Gives NotImplemented for such arrays.
    divided : frozenset of int
        The slots that are written in pieces.
    """

    native: Callable[..., Any]
    divided: frozenset[int]

    def __init__(
        self,
        instructions: Sequence[Instruction],
        template: list[Any],
        takes: Sequence[int],
        gives: Sequence[int],
        arguments: Sequence[Array],
        dtype: Any,
    ) -> None:
        self._instructions, self._template, self._dtype = instructions, template, dtype
        self._takes, self._gives, self._arguments = takes, gives, arguments
        self._steps: list[tuple[int, Step]] | None = None

    def slow(self, *arguments: Any, **named: Any) -> Any:
        """The results for arrays that only lie in memory in another way; they are copied.

        Arrays that are what they should be were refused: NumPy has the result, or the error.
        """
        found = None if named else packed(arguments, self._arguments)
        if found is None:
            return NotImplemented
        if any(p is not a for p, a in zip(found, arguments, strict=True)):
            return self.native(*found)
        return self.by_numpy(arguments)

    def by_numpy(self, arguments: Sequence[Any]) -> tuple[Any, ...]:
        """The results for any arrays."""
        if self._steps is None:
            self._steps = [(i.target, step_of(_alone(i), self._dtype)) for i in self._instructions]
        slots = self._template.copy()
        for slot, value in zip(self._takes, arguments, strict=True):
            slots[slot] = value
        with np.errstate(all="ignore"):
            for target, step in self._steps:
                slots[target] = step(slots)
        return tuple([_own(slots[s], arguments) for s in self._gives])


def _alone(i: Instruction) -> Instruction:
    """The instruction without work that others would share."""
    return replace(i, prepared=None, evaluate=None) if isinstance(i, Apply) else i


def _own(value: Any, arguments: Sequence[Any]) -> Any:
    array = np.asarray(value)
    if not array.ndim:
        return array[()]
    if array.base is not None or any(array is a for a in arguments):
        return array.copy()
    return value


def compiler() -> Callable[[Plan, Any, int], Any]:
    """What compiles plans for this machine: ``(plan, dtype, threads) -> program``.

    Raises
    ------
    UnsupportedHostError
        If native code cannot run here; the message says why.
    """
    check_layout()
    machine = engine()

    def compiled(plan: Plan, dtype: Any, threads: int) -> Any:
        return NativeProgram(stacked_products(remembered(plan)), dtype, machine, threads)

    return compiled
