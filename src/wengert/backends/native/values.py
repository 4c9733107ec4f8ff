"""Values of LLVM IR: the results of instructions, whose operators write further ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wengert.backends.native.types import I8, Number, Type, constant_text

if TYPE_CHECKING:
    from wengert.backends.native.builder import Builder


class Value:
    """The result of an instruction, or a constant.

    ``+ - * / - & | ^ << >>`` write instructions, ``<`` and the like give masks; numbers are taken
    as constants of the value's type. ``>>`` shifts in zeros.
    """

    __slots__ = ("builder", "text", "type")

    def __init__(self, builder: Builder, text: str, type_: Type) -> None:
        self.builder = builder
        self.text = text
        self.type = type_

    def _with(self, name: str, other: Value | Number, *, turned: bool = False) -> Value:
        right = other if isinstance(other, Value) else self.builder.constant(other, self.type)
        left, right = (right, self) if turned else (self, right)
        if left.type is not right.type:
            raise TypeError(f"{name} of {left.type.text} and {right.type.text}")
        return self.builder.pure(self.type, f"{name} {self.type.text} {left.text}, {right.text}")

    def _arithmetic(self, name: str, other: Value | Number, *, turned: bool = False) -> Value:
        return self._with("f" + name if self.type.floating else name, other, turned=turned)

    def _is_zero(self) -> bool:
        return self.type.floating and self.text == constant_text(self.type, 0.0)

    def __add__(self, other: Value | Number) -> Value:
        return self._arithmetic("add", other)

    def __radd__(self, other: Number) -> Value:
        return self._arithmetic("add", other)

    def __sub__(self, other: Value | Number) -> Value:
        value = self._arithmetic("sub", other)
        if isinstance(other, Value) and self._is_zero():
            self.builder.unsigned[value.text] = other
        return value

    def __rsub__(self, other: Number) -> Value:
        return self._arithmetic("sub", other, turned=True)

    def __mul__(self, other: Value | Number) -> Value:
        return self._arithmetic("mul", other)

    def __rmul__(self, other: Number) -> Value:
        return self._arithmetic("mul", other)

    def __truediv__(self, other: Value | Number) -> Value:
        return self._with("fdiv", other)

    def __rtruediv__(self, other: Number) -> Value:
        return self._with("fdiv", other, turned=True)

    def __neg__(self) -> Value:
        if not self.type.floating:
            return 0 - self
        value = self.builder.pure(self.type, f"fneg {self.type.text} {self.text}")
        self.builder.unsigned[value.text] = self
        return value

    def __and__(self, other: Value | Number) -> Value:
        return self._with("and", other)

    def __or__(self, other: Value | Number) -> Value:
        return self._with("or", other)

    def __xor__(self, other: Value | Number) -> Value:
        return self._with("xor", other)

    def __invert__(self) -> Value:
        return self._with("xor", -1 if self.type.kind != "i1" else 1)

    def __lshift__(self, other: Value | Number) -> Value:
        return self._with("shl", other)

    def __rshift__(self, other: Value | Number) -> Value:
        return self._with("lshr", other)

    def _compare(self, floating: str, integer: str, other: Value | Number) -> Value:
        right = other if isinstance(other, Value) else self.builder.constant(other, self.type)
        if self.type is not right.type:
            raise TypeError(f"comparison of {self.type.text} and {right.type.text}")
        name = f"fcmp {floating}" if self.type.floating else f"icmp {integer}"
        return self.builder.pure(
            self.type.mask, f"{name} {self.type.text} {self.text}, {right.text}"
        )

    def __lt__(self, other: Value | Number) -> Value:
        return self._compare("olt", "slt", other)

    def __le__(self, other: Value | Number) -> Value:
        return self._compare("ole", "sle", other)

    def __gt__(self, other: Value | Number) -> Value:
        return self._compare("ogt", "sgt", other)

    def __ge__(self, other: Value | Number) -> Value:
        return self._compare("oge", "sge", other)

    def equals(self, other: Value | Number) -> Value:
        """The mask of equal lanes."""
        return self._compare("oeq", "eq", other)

    def differs(self, other: Value | Number) -> Value:
        """The mask of lanes that differ; NaN differs from everything."""
        return self._compare("une", "ne", other)

    def is_nan(self) -> Value:
        """The mask of lanes that are NaN."""
        return self._compare("uno", "ne", self)

    def as_mask(self) -> Value:
        """Truth values as masks: they are bytes in memory. Other values as they are."""
        return self.differs(0) if self.type.kind == "i8" else self

    def as_bytes(self) -> Value:
        """Masks as memory holds them. Other values as they are."""
        if self.type.kind != "i1":
            return self
        return self.builder.cast("zext", self, I8.of(self.type.lanes))

    def bits(self) -> Value:
        """The bits of floating-point numbers as integers."""
        return self.builder.cast("bitcast", self, self.type.integers)

    def as_float(self) -> Value:
        """The floating-point numbers of these bits."""
        return self.builder.cast("bitcast", self, self.type.floats)
