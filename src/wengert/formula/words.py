"""What a word of the language declares, and the typed tree made of words.

Operators and functions are words alike: type rule, direct evaluation, builder and one line of
documentation in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, Protocol

from wengert.errors import FormulaError, ShapeError
from wengert.expr import Expr, Params
from wengert.formula.syntax import Syntax
from wengert.formula.types import FormulaShapeError, Solver, Type
from wengert.shapes import Shape, Size, concrete, substitute

Array = Any
Role = Literal["array", "axis", "integer", "size", "text"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """An argument of a function.

    ``role`` is ``"array"`` for an operand; ``"axis"`` and ``"integer"`` are integer literals,
    ``"size"`` a positive integer or the name of a size, ``"text"`` a quoted text. ``many`` takes
    all the arguments that are left; ``by_name`` is never given by position.
    """

    name: str
    role: Role = "array"
    optional: bool = False
    many: bool = False
    by_name: bool = False

    def __str__(self) -> str:
        if self.many:
            return f"{self.name}, ..."
        return f"{self.name}=None" if self.optional else self.name


@dataclass(frozen=True, eq=False)
class Word:
    """The declaration of one operator or function of the language.

    Attributes
    ----------
    name : str
        Its spelling.
    parameters : tuple of Parameter
        What it takes; operators take one or two operands.
    infer : callable
        ``infer(site) -> Type``: the type rule, which unifies sizes.
    evaluate : callable
        ``evaluate(evaluation) -> array``: the textbook formula in NumPy.
    build : callable
        ``build(node, operands) -> Expr``.
    doc : str
        One line of documentation.
    fold : callable or None
        The exact value, if all operands are numbers: ``fold(values, params) -> Fraction | None``.
    bare : bool
        May it be written without brackets, as ``eye`` and ``pi``?
    """

    name: str
    parameters: tuple[Parameter, ...]
    infer: Callable[[Site], Type]
    evaluate: Callable[[Evaluation], Array]
    build: Callable[[Node, Sequence[Expr]], Expr]
    doc: str
    fold: Callable[[Sequence[Fraction], Params], Fraction | None] | None = None
    bare: bool = False

    @property
    def signature(self) -> str:
        """How it is called: ``sum(X, axis=None)``."""
        return f"{self.name}({', '.join(map(str, self.parameters))})"

    def __repr__(self) -> str:
        return f"<word {self.name}>"


class Site(Protocol):
    """One use of a word, as its type rule sees it."""

    solver: Solver
    syntax: Syntax
    params: Params

    @property
    def types(self) -> Sequence[Type]:
        """The operands' types; sizes may be unknown."""
        ...

    @property
    def values(self) -> Sequence[Fraction | None]:
        """The operands' exact values where they are constants."""
        ...

    def source(self, k: int) -> str:
        """Operand ``k`` as it is written."""
        ...

    def equal(self, first: tuple[int, int], second: tuple[int, int], rule: str) -> None:
        """Unify (operand, axis) with (operand, axis); ``rule`` says what is required."""
        ...

    def sized(self, name: str | int) -> Size:
        """The size that an argument names."""
        ...

    def fail(self, message: str, k: int | None = None) -> FormulaError:
        """The error at this place, or at operand ``k``."""
        ...

    def clash(
        self, message: str, remedy: str = "", operands: Sequence[int] = ()
    ) -> FormulaShapeError:
        """The error about the shapes of these operands (all), with where each came from."""
        ...


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Node:
    """A node of the typed tree; shared where a definition is used twice.

    Attributes
    ----------
    word : Word
        The operator or function; variables and numbers have words of their own.
    operands : tuple of Node
        The operands.
    params : tuple
        Arguments that are no operands: axes, exponents, sizes, signs, a variable's name.
    type : Type
        Orientation and shape, with all sizes found.
    value : Fraction or None
        The exact value of a constant.
    start, end : int
        Where it was written.
    """

    word: Word
    operands: tuple[Node, ...]
    params: Params
    type: Type
    value: Fraction | None
    start: int
    end: int

    @property
    def shape(self) -> Shape:
        """The shape of its array."""
        return self.type.shape

    def __repr__(self) -> str:
        return f"<{self.word.name}: {self.type}>"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One node at evaluation: its operands' arrays, all variables' values, the sizes."""

    node: Node
    arrays: Sequence[Array]
    values: Mapping[str, Array]
    sizes: Mapping[str, int]
    dtype: Any

    @property
    def x(self) -> Array:
        """The first operand."""
        return self.arrays[0]

    @property
    def y(self) -> Array:
        """The second operand."""
        return self.arrays[1]

    @property
    def param(self) -> Any:
        """The first parameter."""
        return self.node.params[0]

    @property
    def shape(self) -> tuple[int, ...]:
        """The node's shape in integers.

        Raises
        ------
        ShapeError
            If no variable has one of the sizes.
        """
        shape = substitute(self.node.shape, self.sizes)
        unknown = next((size for size in shape if not isinstance(size, int)), None)
        if unknown is not None:
            word = self.node.word
            raise ShapeError(
                f"the size {unknown} of {word.name} is in no variable; give it as an argument: "
                f"{word.signature}"
            )
        return concrete(shape)

    @property
    def operand_types(self) -> tuple[Type, ...]:
        """The operands' types."""
        return tuple(operand.type for operand in self.node.operands)
