"""The notation tree: what is printed, before the choice of Unicode, LaTeX, text or code.

Trees are frozen and compared by a structural digest, so that deep trees need no recursion. Every
tree knows its kind (scalar, column, row, matrix or tensor), how many transposes it shows, its
polynomial degree and a short text for alphabetical order. Build trees with the constructors of
:mod:`wengert.printing.build`, which keep them in the form in which a person would write them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from fractions import Fraction
from hashlib import blake2b
from typing import Literal

from wengert.expr import Expr
from wengert.shapes import Shape, Size

Kind = Literal["scalar", "column", "row", "matrix", "tensor"]

_LABEL_LENGTH = 80
_OWN = {"kind", "children", "cost", "size", "depth", "degree", "label", "digest"}


@dataclass(frozen=True, eq=False)
class Tree:
    """A piece of notation.

    Attributes
    ----------
    kind : str
        ``"scalar"``, ``"column"``, ``"row"``, ``"matrix"`` or ``"tensor"``.
    children : tuple of Tree
        The parts.
    cost : int
        Number of transposes shown.
    size : int
        About how many characters it prints.
    depth : int
        Height of the tree.
    degree : Fraction
        Polynomial degree in the variables, where functions count as one variable.
    label : str
        Start of a plain rendering, for alphabetical order.
    digest : int
        Structural hash; equal trees have equal digests.
    """

    kind: Kind
    children: tuple[Tree, ...]
    cost: int = field(init=False)
    size: int = field(init=False)
    depth: int = field(init=False)
    degree: Fraction = field(init=False)
    label: str = field(init=False)
    digest: int = field(init=False)

    def __post_init__(self) -> None:
        put = object.__setattr__
        data = ";".join(str(part) for part in self._data())
        put(self, "cost", sum(c.cost for c in self.children) + self._own_cost())
        put(self, "size", sum(c.size for c in self.children) + 2 + self._own_size())
        put(self, "depth", 1 + max((c.depth for c in self.children), default=0))
        put(self, "degree", self._degree())
        put(self, "label", self._label()[:_LABEL_LENGTH])
        below = ",".join(str(c.digest) for c in self.children)
        key = f"{type(self).__name__}|{self.kind}|{data}|{below}"
        digest = int.from_bytes(blake2b(key.encode(), digest_size=16).digest())
        put(self, "digest", digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tree) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def _data(self) -> tuple[object, ...]:
        return tuple(getattr(self, f.name) for f in fields(self) if f.name not in _OWN)

    def _own_cost(self) -> int:
        return 0

    def _own_size(self) -> int:
        return 0

    def _degree(self) -> Fraction:
        return max((c.degree for c in self.children), default=Fraction(0))

    def _label(self) -> str:
        return f"{type(self).__name__.lower()}({' '.join(c.label for c in self.children)})"


@dataclass(frozen=True, eq=False)
class Symbol(Tree):
    """A name; ``constant`` for numbers such as pi, ``symmetric`` if it equals its transpose."""

    name: str
    symmetric: bool = False
    constant: bool = False
    diagonal: bool = False

    def _own_size(self) -> int:
        return len(self.name)

    def _degree(self) -> Fraction:
        return Fraction(0 if self.constant else 1)

    def _label(self) -> str:
        return self.name


@dataclass(frozen=True, eq=False)
class Number(Tree):
    """A rational number."""

    value: Fraction

    def _label(self) -> str:
        return str(self.value)


@dataclass(frozen=True, eq=False)
class Extent(Tree):
    """A scalar that equals a dimension."""

    extent: Size

    def _label(self) -> str:
        return str(self.extent)


@dataclass(frozen=True, eq=False)
class Zero(Tree):
    """An array of zeros."""

    shape: Shape


@dataclass(frozen=True, eq=False)
class Ones(Tree):
    """A vector or matrix of ones; ``plain`` where a broadcast number reads better."""

    shape: Shape
    plain: bool = False

    def _label(self) -> str:
        return "1"


@dataclass(frozen=True, eq=False)
class Identity(Tree):
    """The unit matrix."""

    extent: Size

    def _label(self) -> str:
        return "I"


@dataclass(frozen=True, eq=False)
class Sum(Tree):
    """Signed terms in display order; ``signs`` are 1 or -1."""

    signs: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Scaled(Tree):
    """``coefficient`` times scalars over scalars, times one body.

    The children are ``above`` scalar factors, then ``below`` denominators, then the body if the
    kind is not scalar.
    """

    coefficient: Fraction
    above: int
    below: int

    @property
    def numerators(self) -> tuple[Tree, ...]:
        """The scalar factors."""
        return self.children[: self.above]

    @property
    def denominators(self) -> tuple[Tree, ...]:
        """The scalar divisors."""
        return self.children[self.above : self.above + self.below]

    @property
    def body(self) -> Tree | None:
        """The vector, matrix or tensor that is scaled."""
        rest = self.children[self.above + self.below :]
        return rest[0] if rest else None

    def _degree(self) -> Fraction:
        up = sum((c.degree for c in self.numerators), Fraction(0))
        down = sum((c.degree for c in self.denominators), Fraction(0))
        return up - down + (self.body.degree if self.body else 0)

    def _label(self) -> str:
        body = [self.body] if self.body else []
        return " ".join(c.label for c in (*self.numerators, *body, *self.denominators))


@dataclass(frozen=True, eq=False)
class Product(Tree):
    """A chain of matrix products; a scalar one is a row times ... times a column."""

    def _degree(self) -> Fraction:
        return sum((c.degree for c in self.children), Fraction(0))

    def _label(self) -> str:
        return " ".join(c.label for c in self.children)


@dataclass(frozen=True, eq=False)
class Hadamard(Tree):
    """The product entry by entry."""

    def _degree(self) -> Fraction:
        return sum((c.degree for c in self.children), Fraction(0))

    def _label(self) -> str:
        return " ".join(c.label for c in self.children)


@dataclass(frozen=True, eq=False)
class HadamardDivide(Tree):
    """The first child divided by the second, entry by entry."""

    def _degree(self) -> Fraction:
        return self.children[0].degree - self.children[1].degree

    def _label(self) -> str:
        return " ".join(c.label for c in self.children)


@dataclass(frozen=True, eq=False)
class Transpose(Tree):
    """A transposed child."""

    def _own_cost(self) -> int:
        return 1

    def _label(self) -> str:
        return self.children[0].label + "'"


@dataclass(frozen=True, eq=False)
class Diag(Tree):
    """The diagonal matrix of a vector."""


@dataclass(frozen=True, eq=False)
class DiagPart(Tree):
    """The vector on the diagonal of a matrix."""


@dataclass(frozen=True, eq=False)
class Kron(Tree):
    """The Kronecker product."""

    def _degree(self) -> Fraction:
        return sum((c.degree for c in self.children), Fraction(0))


@dataclass(frozen=True, eq=False)
class Vec(Tree):
    """The columns of a matrix stacked into one vector."""


@dataclass(frozen=True, eq=False)
class Unvec(Tree):
    """The matrix of this shape whose stacked columns are the child."""

    shape: Shape


@dataclass(frozen=True, eq=False)
class Reshape(Tree):
    """The child's entries, row by row, in another shape."""

    shape: Shape


@dataclass(frozen=True, eq=False)
class Power(Tree):
    """A power, entry by entry if the kind is not scalar."""

    exponent: Fraction

    def _degree(self) -> Fraction:
        return self.children[0].degree * self.exponent

    def _label(self) -> str:
        return f"{self.children[0].label}^{self.exponent}"


@dataclass(frozen=True, eq=False)
class Norm(Tree):
    """A power of the Euclidean (for a matrix: Frobenius) norm."""

    exponent: Fraction

    def _degree(self) -> Fraction:
        return self.children[0].degree * self.exponent


@dataclass(frozen=True, eq=False)
class Trace(Tree):
    """The trace of a matrix."""


@dataclass(frozen=True, eq=False)
class SumAll(Tree):
    """The sum of all entries."""


@dataclass(frozen=True, eq=False)
class Call(Tree):
    """Any other operation, written by its primitive's notation."""

    node: Expr
    symmetric: bool = False

    def _data(self) -> tuple[object, ...]:
        return (self.node.primitive.name, self.node.params, self.node.shape)

    def _own_size(self) -> int:
        return 6

    def _degree(self) -> Fraction:
        return Fraction(1 if any(c.degree for c in self.children) else 0)

    def _label(self) -> str:
        return f"{self.node.primitive.name}({', '.join(c.label for c in self.children)})"


@dataclass(frozen=True, eq=False)
class Einsum(Tree):
    """A contraction that has no matrix form, for the formula language and for code.

    ``labels`` and ``out`` are as in a contraction; ``shape`` is the result's.
    """

    labels: tuple[tuple[int, ...], ...]
    out: tuple[int, ...]
    shape: Shape

    def _own_size(self) -> int:
        return 20

    def _degree(self) -> Fraction:
        return sum((c.degree for c in self.children), Fraction(0))
