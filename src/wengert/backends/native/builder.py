"""Functions of LLVM IR, written by Python code that reads like the mathematics.

A :class:`Module` holds functions, a :class:`Builder` writes one of them, instruction by
instruction, and a :class:`Value` is the result of an instruction: its operators write further
ones. Nothing that is pure is written twice where its first result can be used (common
subexpressions), so that no optimiser has to run afterwards.

    >>> from wengert.backends.native.types import F64
    >>> module = Module(Features(fused=True))
    >>> b = module.function("f", [F64, F64], F64)
    >>> x, y = b.parameters
    >>> b.give(x * y + x * y)
    >>> print(module.text())
    define double @f(double %0, double %1) #0 {
    start:
      %2 = fmul double %0, %1
      %3 = fadd double %2, %2
      ret double %3
    }
    <BLANKLINE>
    attributes #0 = { nounwind }
    <BLANKLINE>

Source: the LLVM Language Reference Manual.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from wengert.backends.native.types import (
    I1,
    I32,
    I64,
    PTR,
    VOID,
    Number,
    Type,
    constant_text,
)
from wengert.backends.native.values import Value

# ---------------------------------------------------------------- modules


@dataclass(frozen=True)
class Features:
    """What code may count on.

    ``fused`` says that the machine multiplies and adds with one rounding.
    """

    fused: bool = True


class Module:
    """Functions that are compiled together.

    Attributes
    ----------
    features : Features
        What the functions are written for.
    routines : dict
        The routines of the vector-math library that are called: their symbols, and what they are
        (the function's name, and the type).
    shared : dict
        Further functions that are compiled once for all modules: what writes them, by symbol.
    addresses : dict
        The addresses of other symbols that are called or read, where they are known.
    loops : dict
        Which of them are loops of ufuncs (``UfuncLoop``), whose data are under ``{symbol}_data``.
    """

    def __init__(self, features: Features) -> None:
        self.features = features
        self.routines: dict[str, tuple[str, Type]] = {}
        self.shared: dict[str, Callable[[Module, str], None]] = {}
        self.addresses: dict[str, int] = {}
        self.loops: dict[str, object] = {}
        self._functions: list[Builder] = []
        self._declarations: dict[str, str] = {}
        self._globals: dict[str, str] = {}

    def function(
        self, name: str, parameters: Sequence[Type], result: Type = VOID, *, internal: bool = False
    ) -> Builder:
        """Begin a function; pointers that it is given may be the same."""
        builder = Builder(self, name, parameters, result, internal=internal)
        self._functions.append(builder)
        return builder

    def fresh(self, name: str) -> str:
        """The name of a further function like another one."""
        return f"{name}_{len(self._functions)}"

    @property
    def called(self) -> set[str]:
        """The functions of other modules that are called, without intrinsics."""
        return {n for n in self._declarations if not n.startswith("llvm.") and not self.has(n)}

    def has(self, name: str) -> bool:
        """Does the module define a function of this name?"""
        return any(function.name == name for function in self._functions)

    def declare(self, name: str, result: Type, parameters: Sequence[Type]) -> str:
        """Declare a function of another module, or an intrinsic; gives its name in IR."""
        if name not in self._declarations:
            listed = ", ".join([t.text for t in parameters])
            self._declarations[name] = f"declare {result.text} @{name}({listed})"
        return f"@{name}"

    def external(self, builder: Builder, name: str, address: int | None = None) -> Value:
        """The address of a symbol that is given here, or when the module is linked."""
        if address is not None:
            self.addresses[name] = address
        self._globals[name] = f"@{name} = external global i8"
        return Value(builder, f"@{name}", PTR)

    def table(self, builder: Builder, name: str, type_: Type, entries: Sequence[Number]) -> Value:
        """The address of a constant array."""
        if name not in self._globals:
            listed = ", ".join(f"{type_.text} {constant_text(type_, e)}" for e in entries)
            self._globals[name] = (
                f"@{name} = internal constant [{len(entries)} x {type_.text}] [{listed}], align 64"
            )
        return Value(builder, f"@{name}", PTR)

    def text(self) -> str:
        """The module as LLVM reads it."""
        parts = ["\n".join(self._globals.values())] if self._globals else []
        parts += [function.definition() for function in self._functions]
        declared = [text for name, text in self._declarations.items() if not self.has(name)]
        if declared:
            parts.append("\n".join(declared))
        parts.append("attributes #0 = { nounwind }")
        return "\n\n".join(parts) + "\n"

    def texts(self, most: int) -> list[str]:
        """The module as several, of about so many instructions each, to be linked together."""
        groups: list[list[Builder]] = [[]]
        length = 0
        for function in self._functions:
            if groups[-1] and length + function.length > most:
                groups.append([])
                length = 0
            groups[-1].append(function)
            length += function.length
        if len(groups) == 1:
            return [self.text()]
        heads = {f.name: f.declaration() for f in self._functions}
        return [self._part(group, {**self._declarations, **heads}) for group in groups]

    def _part(self, functions: Sequence[Builder], declarations: Mapping[str, str]) -> str:
        """Some functions, with what they name."""
        written = [f.definition(shared=True) for f in functions]
        named = {name for text in written for name in _NAMES.findall(text)}
        own = {f.name for f in functions}
        parts = ["\n".join(text for name, text in self._globals.items() if name in named)]
        parts += written
        declared = sorted(named - own)
        parts.append("\n".join(declarations[name] for name in declared if name in declarations))
        parts.append("attributes #0 = { nounwind }")
        return "\n\n".join(part for part in parts if part) + "\n"


_NAMES = re.compile(r"@([-\w.]+)")

# ---------------------------------------------------------------- functions


class Builder:
    """Writes one function.

    Attributes
    ----------
    parameters : tuple of Value
        The function's arguments.
    unsigned : dict
        For values whose magnitude is that of another value, that one.
    """

    def __init__(
        self,
        module: Module,
        name: str,
        parameters: Sequence[Type],
        result: Type,
        *,
        internal: bool = False,
    ) -> None:
        self.module = module
        self.name = name
        self.result = result
        self.fused = module.features.fused
        self.parameters = tuple(Value(self, f"%{k}", t) for k, t in enumerate(parameters))
        self.unsigned: dict[str, Value] = {}
        self._internal = internal
        self._next = len(parameters)
        self._labels = 0
        self._lines: list[str] = ["start:"]
        self._block = "start"
        self._slots: list[str] = []
        self._known: dict[str, Value] = {}
        self._inside: list[str] = []  # what the innermost scope added

    def declaration(self) -> str:
        """What other modules declare it as."""
        listed = ", ".join(p.type.text for p in self.parameters)
        return f"declare {self.result.text} @{self.name}({listed})"

    def definition(self, *, shared: bool = False) -> str:
        """The function as LLVM reads it; shared, for other modules that are linked with it."""
        listed = ", ".join(f"{p.type.text} {p.text}" for p in self.parameters)
        linkage = "internal " if self._internal and not shared else ""
        head = f"define {linkage}{self.result.text} @{self.name}({listed}) #0 {{"
        return "\n".join([head, self._lines[0], *self._slots, *self._lines[1:], "}"])

    @property
    def length(self) -> int:
        """How many instructions are written."""
        return len(self._lines) - 1

    # ------------------------------------------------ instructions

    def pure(self, type_: Type, text: str) -> Value:
        """An instruction without effects: written once where its result can be used again."""
        known = self._known.get(text)
        if known is not None:
            return known
        name = f"%{self._next}"
        self._next += 1
        self._lines.append(f"  {name} = {text}")
        value = self._known[text] = Value(self, name, type_)
        self._inside.append(text)
        return value

    def effect(self, type_: Type, text: str) -> Value:
        """An instruction that is written wherever it is asked for: a load, a call."""
        if type_ is VOID:
            self._lines.append(f"  {text}")
            return Value(self, "", VOID)
        name = self._fresh()
        self._lines.append(f"  {name} = {text}")
        return Value(self, name, type_)

    def _fresh(self) -> str:
        self._next += 1
        return f"%{self._next - 1}"

    def constant(self, number: Number, type_: Type) -> Value:
        """A number in every lane."""
        return Value(self, constant_text(type_, number), type_)

    def zero(self, type_: Type) -> Value:
        """Zero in every lane."""
        return self.constant(0, type_)

    def lanes(self, type_: Type, numbers: Sequence[Number]) -> Value:
        """A constant vector with a number for each lane."""
        one = type_.scalar
        listed = ", ".join(f"{one.text} {constant_text(one, n)}" for n in numbers)
        return Value(self, f"<{listed}>", type_)

    def intrinsic(self, name: str, result: Type, *operands: Value) -> Value:
        """A call of ``llvm.name`` for the type of the first operand; pure."""
        symbol = f"llvm.{name}.{operands[0].type.code}"
        return self.call(symbol, result, *operands, pure=True)

    def call(self, symbol: str, result: Type, *operands: Value, pure: bool = False) -> Value:
        """A call of a function by its symbol."""
        where = self.module.declare(symbol, result, [o.type for o in operands])
        listed = ", ".join([f"{o.type.text} {o.text}" for o in operands])
        text = f"call {result.text} {where}({listed})"
        return self.pure(result, text) if pure else self.effect(result, text)

    def call_address(self, address: Value, result: Type, *operands: Value) -> Value:
        """A call of a function by its address."""
        listed = ", ".join(f"{o.type.text} {o.text}" for o in operands)
        return self.effect(result, f"call {result.text} {address.text}({listed})")

    def fma(self, x: Value, y: Value | Number, z: Value | Number) -> Value:
        """``x y + z``, with one rounding where the machine can."""
        y = y if isinstance(y, Value) else self.constant(y, x.type)
        z = z if isinstance(z, Value) else self.constant(z, x.type)
        return self.intrinsic("fma", x.type, x, y, z) if self.fused else x * y + z

    def select(self, mask: Value, yes: Value | Number, no: Value | Number) -> Value:
        """``yes`` in the lanes of the mask, ``no`` in the others; one of them may be a number."""
        given = yes if isinstance(yes, Value) else no
        if not isinstance(given, Value):
            raise TypeError("select needs a value to know the type")
        yes = yes if isinstance(yes, Value) else self.constant(yes, given.type)
        no = no if isinstance(no, Value) else self.constant(no, given.type)
        return self.pure(
            yes.type,
            f"select {mask.type.text} {mask.text}, {yes.type.text} {yes.text}, "
            f"{no.type.text} {no.text}",
        )

    def cast(self, name: str, value: Value, type_: Type) -> Value:
        """A conversion by IR's name for it: ``bitcast``, ``fpext``, ``sext``, ``sitofp``..."""
        if value.type is type_:
            return value
        return self.pure(type_, f"{name} {value.type.text} {value.text} to {type_.text}")

    def any(self, mask: Value) -> Value:
        """Is a lane of the mask set? A scalar."""
        return self.intrinsic("vector.reduce.or", I1, mask) if mask.type.lanes else mask

    # ------------------------------------------------ lanes

    def spread(self, scalar: Value, lanes: int) -> Value:
        """A scalar in every lane."""
        if not lanes:
            return scalar
        type_ = scalar.type.of(lanes)
        if not scalar.text.startswith(("%", "@")):
            return Value(self, f"splat ({scalar.type.text} {scalar.text})", type_)
        first = self.insert(Value(self, "poison", type_), scalar, 0)
        zeros = constant_text(I32.of(lanes), 0)
        return self.pure(
            type_,
            f"shufflevector {type_.text} {first.text}, {type_.text} poison, "
            f"<{lanes} x i32> {zeros}",
        )

    def extract(self, vector: Value, lane: int) -> Value:
        """One lane as a scalar."""
        text = f"extractelement {vector.type.text} {vector.text}, i32 {lane}"
        return self.pure(vector.type.scalar, text)

    def insert(self, vector: Value, scalar: Value, lane: int) -> Value:
        """The vector with another number in one lane."""
        return self.pure(
            vector.type,
            f"insertelement {vector.type.text} {vector.text}, {scalar.type.text} {scalar.text}, "
            f"i32 {lane}",
        )

    def shuffle(self, left: Value, right: Value, places: Sequence[int]) -> Value:
        """Lanes of two vectors, counted through, at the places."""
        listed = ", ".join(f"i32 {p}" for p in places)
        return self.pure(
            left.type.of(len(places)),
            f"shufflevector {left.type.text} {left.text}, {right.type.text} {right.text}, "
            f"<{len(places)} x i32> <{listed}>",
        )

    def by_lane(self, function: Callable[[Value], Value], x: Value) -> Value:
        """A function of a scalar, lane after lane."""
        if not x.type.lanes:
            return function(x)
        results = [function(self.extract(x, k)) for k in range(x.type.lanes)]
        vector = Value(self, "poison", results[0].type.of(x.type.lanes))
        for k, result in enumerate(results):
            vector = self.insert(vector, result, k)
        return vector

    # ------------------------------------------------ memory

    def offset(self, pointer: Value, index: Value | int, size: int = 1) -> Value:
        """The address ``index`` steps of ``size`` bytes on."""
        if isinstance(index, int):
            if not index:
                return pointer
            if pointer.text.startswith("@"):  # a constant as well: no instruction
                text = f"getelementptr (i8, ptr {pointer.text}, i64 {index * size})"
                return Value(self, text, PTR)
            return self.pure(PTR, f"getelementptr i8, ptr {pointer.text}, i64 {index * size}")
        if size < 0:
            index, size = -index, -size
        return self.pure(PTR, f"getelementptr [{size} x i8], ptr {pointer.text}, i64 {index.text}")

    def load(self, type_: Type, pointer: Value, align: int | None = None) -> Value:
        """What memory holds; aligned as one lane is."""
        align = align or type_.size
        return self.effect(type_, f"load {type_.text}, ptr {pointer.text}, align {align}")

    def store(self, value: Value, pointer: Value, align: int | None = None) -> None:
        """Write to memory."""
        align = align or value.type.size
        text = f"store {value.type.text} {value.text}, ptr {pointer.text}, align {align}"
        self.effect(VOID, text)

    def slot(self, size: int) -> Value:
        """Memory of the function's own, of a fixed size in bytes."""
        name = f"%slot{len(self._slots)}"
        self._slots.append(f"  {name} = alloca [{size} x i8], align 64")
        return Value(self, name, PTR)

    # ------------------------------------------------ control

    def _label(self, hint: str) -> str:
        self._labels += 1
        return f"{hint}{self._labels}"

    def _begin(self, label: str) -> None:
        self._lines.append(f"{label}:")
        self._block = label

    def _jump(self, label: str) -> None:
        self._lines.append(f"  br label %{label}")

    def _fork(self, condition: Value, yes: str, no: str) -> None:
        self._lines.append(f"  br i1 {condition.text}, label %{yes}, label %{no}")

    @contextmanager
    def _scope(self) -> Generator[None]:
        """Results written inside are not known after it, where they may never have been."""
        outside, self._inside = self._inside, []
        try:
            yield
        finally:
            for text in self._inside:
                self._known.pop(text, None)
            self._inside = outside

    def give(self, value: Value | None = None) -> None:
        """Return."""
        self._lines.append(f"  ret {value.type.text} {value.text}" if value else "  ret void")

    def branch(
        self,
        condition: Value,
        yes: Callable[[], Sequence[Value]],
        no: Callable[[], Sequence[Value]] = tuple,
    ) -> tuple[Value, ...]:
        """Write one of two pieces, by a scalar condition; gives the results of the one that ran."""
        labels = [self._label("yes"), self._label("no")]
        after = self._label("after")
        self._fork(condition, *labels)
        ends: list[tuple[Sequence[Value], str]] = []
        for label, piece in zip(labels, (yes, no), strict=True):
            self._begin(label)
            with self._scope():
                results = piece()
            ends.append((results, self._block))
            self._jump(after)
        self._begin(after)
        (first, at_first), (second, at_second) = ends
        return tuple(
            self.effect(
                a.type,
                f"phi {a.type.text} [{a.text}, %{at_first}], [{b.text}, %{at_second}]",
            )
            for a, b in zip(first, second, strict=True)
        )

    def leave_if(self, condition: Value, label: str) -> None:
        """Go on at a label, where :meth:`land` writes, if a scalar condition holds."""
        go = self._label("go")
        self._fork(condition, label, go)
        self._begin(go)

    def go(self, label: str) -> None:
        """Go on at a label, where :meth:`land` writes."""
        self._jump(label)

    def land(self, label: str) -> None:
        """Write on at a label, where nothing but the parameters is known.

        What was written last has returned, or gone elsewhere.
        """
        self._begin(label)
        self._known.clear()

    def repeat(
        self,
        condition: Callable[[tuple[Value, ...]], Value],
        body: Callable[[tuple[Value, ...]], Sequence[Value]],
        carried: Sequence[Value],
    ) -> tuple[Value, ...]:
        """As long as a scalar condition of the carried values holds; gives their last."""
        head, inside, after = (self._label(h) for h in ("head", "loop", "done"))
        before = self._block
        self._jump(head)
        self._begin(head)
        phis = [Value(self, self._fresh(), c.type) for c in carried]
        place = len(self._lines)
        with self._scope():
            self._fork(condition(tuple(phis)), inside, after)
            self._begin(inside)
            results = body(tuple(phis))
        self._lines[place:place] = self._phis(phis, carried, before, results)
        self._jump(head)
        self._begin(after)
        return tuple(phis)

    def _phis(
        self, phis: Sequence[Value], first: Sequence[Value], before: str, last: Sequence[Value]
    ) -> list[str]:
        """The values of a loop's head: those from before it, or from the end of its body."""
        return [
            f"  {phi.text} = phi {phi.type.text} [{a.text}, %{before}], [{b.text}, %{self._block}]"
            for phi, a, b in zip(phis, first, last, strict=True)
        ]

    def each(
        self,
        start: Value | int,
        stop: Value | int,
        step: Value | int,
        body: Callable[[Value], None],
    ) -> None:
        """For an index from ``start`` below ``stop``, with nothing that is carried."""

        def inside(index: Value, _: tuple[Value, ...]) -> tuple[Value, ...]:
            body(index)
            return ()

        self.loop(start, stop, step, inside)

    def loop(
        self,
        start: Value | int,
        stop: Value | int,
        step: Value | int,
        body: Callable[[Value, tuple[Value, ...]], Sequence[Value]],
        carried: Sequence[Value] = (),
    ) -> tuple[Value, ...]:
        """For an index from ``start`` below ``stop``; gives the carried values after the last run.

        ``body(index, carried)`` gives the next carried values. Indices are 64-bit integers.
        """
        start, stop, step = (
            v if isinstance(v, Value) else self.constant(v, I64) for v in (start, stop, step)
        )
        head, inside, after = (self._label(h) for h in ("head", "loop", "done"))
        before = self._block
        self._jump(head)
        self._begin(head)
        index = Value(self, self._fresh(), I64)
        phis = [Value(self, self._fresh(), c.type) for c in carried]
        place = len(self._lines)
        self._fork(index < stop, inside, after)
        self._begin(inside)
        with self._scope():
            results = body(index, tuple(phis))
            following = index + step
        self._lines[place:place] = self._phis(
            [index, *phis], [start, *carried], before, [following, *results]
        )
        self._jump(head)
        self._begin(after)
        return tuple(phis)
