"""What an operation declares, in one place, and the registry of all operations.

A declaration holds the type rule, the evaluation, the derivative, the notation, and the domain
from which generated tests draw. Nothing outside a declaration branches on an operation's name.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from fractions import Fraction
from math import inf
from typing import Any, Protocol

from wengert.expr import Expr, Params
from wengert.shapes import Shape, Size

# ---------------------------------------------------------------- derivatives


@dataclass(frozen=True)
class Partials:
    """Elementwise: ``partials[k](y, *operands)`` is ∂y/∂operand k, entry by entry.

    A partial may also be ``Constant(reason)``, zero, or ``Undefined(reason)``: a function that can
    be differentiated in some of its operands only.
    """

    partials: tuple[Callable[..., Expr] | Constant | Undefined, ...]

    @property
    def functions(self) -> tuple[Callable[..., Expr], ...]:
        """The partials that are functions."""
        return tuple(p for p in self.partials if not isinstance(p, Constant | Undefined))


@dataclass(frozen=True)
class Multilinear:
    """Linear in each operand apart: a tangent takes the operand's place.

    ``push(node, k, tangent)`` and ``pull(node, k, cotangent)`` carry extra leading axes.
    ``together(node, {k: tangent})`` is the sum of the pushed tangents in one piece, where that is
    cheaper than adding them; None where it is not.
    """

    push: Callable[[Expr, int, Expr], Expr]
    pull: Callable[[Expr, int, Expr], Expr]
    together: Callable[[Expr, dict[int, Expr]], Expr | None] | None = None


@dataclass(frozen=True)
class Linear:
    """Linear in its first operand, on trailing axes: ``apply(node, tangent)`` and its transpose.

    Further operands, if there are any, are discrete (indices). ``rank(node)`` is the number of
    the operand's trailing axes that are acted on.
    """

    apply: Callable[[Expr, Expr], Expr]
    transpose: Callable[[Expr, Expr], Expr]
    rank: Callable[[Expr], int]


@dataclass(frozen=True)
class Pushforward:
    """``push(node, k, tangent)``, built from linear pieces; the pullback is its transpose."""

    push: Callable[[Expr, int, Expr], Expr]


@dataclass(frozen=True)
class PartlyLinear:
    """Linear in the operands that ``linear(k)`` marks, not linear in the others.

    ``push(node, k, tangent)`` is built from linear pieces for every operand; ``pull(node, k,
    cotangent)`` is given for the linear ones, so that rules may hold the operation as a linear
    piece, and made by transposing ``push`` for the others. Both carry extra leading axes.
    """

    push: Callable[[Expr, int, Expr], Expr]
    pull: Callable[[Expr, int, Expr], Expr]
    linear: Callable[[int], bool]


class Sweeps(Protocol):
    """The two sweeps of differentiation, for rules of operations that hold a program."""

    @property
    def pushforward(self) -> Callable[[Sequence[Expr], Mapping[Expr, Expr]], list[Expr | None]]:
        """``(roots, {leaf: tangent})`` to the tangents of the roots; None for zero."""
        ...

    @property
    def pullback(
        self,
    ) -> Callable[[Sequence[Expr], Sequence[Expr], Sequence[Expr]], list[Expr | None]]:
        """``(roots, cotangents, leaves)`` to the cotangents of the leaves; None for zero."""
        ...


@dataclass(frozen=True)
class Joint:
    """Tangents of all operands at once, for operations that hold a program (loops, branches).

    Such an operation has several results; each is a node of its own, and nodes of one ``group``
    are results of one run. ``push(node, {k: tangent}, sweeps)`` is a node's tangent;
    ``pull({node: cotangent}, wanted, sweeps)`` takes the cotangents of all nodes of one group
    together and gives those of the wanted operands, by number. Both carry extra leading axes.
    ``sweeps`` differentiates the program inside.
    """

    push: Callable[[Expr, dict[int, Expr], Sweeps], Expr | None]
    pull: Callable[[Mapping[Expr, Expr], Sequence[int], Sweeps], dict[int, Expr]]
    group: Callable[[Expr], Hashable]


@dataclass(frozen=True)
class Constant:
    """Derivative zero wherever it exists; ``reason`` says so in derivation steps."""

    reason: str = ""


@dataclass(frozen=True)
class Undefined:
    """No derivative: differentiating is an error with this reason."""

    reason: str


Derivative = (
    Partials | Multilinear | Linear | Pushforward | PartlyLinear | Joint | Constant | Undefined
)

# ---------------------------------------------------------------- power series


@dataclass(frozen=True)
class ByCoefficient:
    """``coefficient(node, k, of, own)``: coefficient k >= 1 of the node along a curve x(t).

    ``of(expression, j)`` is coefficient j of an operand, of the node itself (j < k), or of any
    expression of these; None for zero. Coefficients of order 1 and more may have extra axes in
    front. ``own`` is a dict in which the rule may keep what it needs for the next coefficients.
    """

    coefficient: Callable[
        [Expr, int, Callable[[Expr, int], Expr | None], dict[Any, Any]], Expr | None
    ]


@dataclass(frozen=True)
class WholeCurve:
    """``tail(node, {k: tail}, order)``: all coefficients of the node from order 1 on at once.

    The tails of the operands have the order as their first axis, then any extra axes.
    """

    tail: Callable[[Expr, dict[int, Expr], int], Expr | None]


# ---------------------------------------------------------------- entries that move


@dataclass(frozen=True)
class Place:
    """The index on one axis as a function of labels: ``at[labels]``, or their place in row order.

    ``at`` is an expression of integers whose axes are the labels, where negative ones count from
    the end if they are not known in advance; without it a single label is the index itself,
    several are the index of a merged axis, and none is index 0.
    """

    labels: tuple[int, ...]
    at: Expr | None = None

    @property
    def plain(self) -> bool:
        """Is the index a label as it is?"""
        return self.at is None and len(self.labels) == 1


@dataclass(frozen=True)
class Route:
    """How an operation moves entries: ``result[places] += operand[places]`` for all labels.

    ``sizes[k]`` is how far label k runs. The places are those of trailing axes; leading ones are
    carried along.
    """

    sizes: tuple[Size, ...]
    result: tuple[Place, ...]
    operand: tuple[Place, ...]


# ---------------------------------------------------------------- kinks


@dataclass(frozen=True)
class Kink:
    """Where an operation is not smooth.

    Attributes
    ----------
    gap : Expr
        Zero at the kink. Where it has axes, each entry that is zero is a kink of its own.
    pieces : tuple of Expr
        What the node is on the sides of the kink, each smooth across it; empty if it is not made
        of such pieces (a norm at 0). If there are some, the gap has the node's shape.
    order : int
        The lowest derivative that does not exist there, of the operation by itself.
    said : str
        Where it is, in words, with ``{0}`` for the first operand; by default that the gap is 0.
    """

    gap: Expr
    pieces: tuple[Expr, ...] = ()
    order: int = 1
    said: str = ""


# ---------------------------------------------------------------- curvature


@dataclass(frozen=True)
class Curved:
    """Where an operation is convex or concave: in all operands that may move, jointly.

    Attributes
    ----------
    sign : int
        1 where it is convex, −1 where it is concave.
    slopes : tuple of int
        One an operand: 1 if it never falls there as the operand rises, −1 if it never rises, 0 if
        neither is so. An operand that has entries is meant entry by entry.
    low, high : tuple of float
        Between which numbers each operand has to be; missing ones are infinite.
    domain : bool
        Is the value no number, or infinite, where an operand that moves is beyond these?
    moving : tuple of int or None
        The operands that may move; by default all. The others are constants.
    second : tuple of float
        Between which numbers the second derivatives there lie in any direction of unit length, of
        all operands that move together.
    definite : bool
        Does it hold for an operand that is a symmetric, positive definite matrix?
    logarithm : bool
        Is it said of the logarithm of a value that is positive? A convex one makes the value
        convex, a concave one says nothing of the value.
    of_logarithm : bool
        Is it enough that the logarithms of the operands are so?
    """

    sign: int
    slopes: tuple[int, ...] = (0,)
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    domain: bool = False
    moving: tuple[int, ...] | None = None
    second: tuple[float, float] = (-inf, inf)
    definite: bool = False
    logarithm: bool = False
    of_logarithm: bool = False


@dataclass(frozen=True)
class Ordered:
    """Entries in order along the last axis: of an array, or a matrix's eigenvalues.

    A sum of them with weights is convex in the array or matrix if the larger entries have the
    larger weights.

    Attributes
    ----------
    sign : int
        1 if they ascend, −1 if they descend.
    sizes : bool
        Are they singular values, of which weights may not be negative?
    """

    sign: int
    sizes: bool = False


# ---------------------------------------------------------------- notation


@dataclass(frozen=True)
class Notation:
    """How a node is written, as format templates over its operands and named parameters.

    ``{0}`` is the first operand as it stands, ``{0:a}`` the same in brackets unless it is an
    atom. ``text`` is the formula language; ``numpy`` is Python code in which ``np`` is NumPy,
    ``special`` is ``scipy.special`` and ``linalg`` is ``scipy.linalg``; it is empty where no such
    code is short. ``level`` is ``"atom"`` for
    results that never need brackets (``f(x)``, ``|x|``) and ``"power"`` for superscripts.
    """

    text: str
    unicode: str
    latex: str
    numpy: str
    level: str = "atom"

    @staticmethod
    def function(
        name: str, *, latex: str | None = None, numpy: str | None = None, arity: int = 1
    ) -> Notation:
        r"""``name(x)``, with ``\operatorname{name}`` in LaTeX unless given."""
        arguments = ", ".join(f"{{{k}}}" for k in range(arity))
        head = (latex or rf"\operatorname{{{name}}}").replace("{", "{{").replace("}", "}}")
        return Notation(
            text=f"{name}({arguments})",
            unicode=f"{name}({arguments})",
            latex=rf"{head}\left({arguments}\right)",
            numpy=f"{numpy or 'np.' + name}({arguments})",
        )


# ---------------------------------------------------------------- shared work


@dataclass(frozen=True)
class Shared:
    """Work on an operand that several operations begin with: a plan does it once for all of them.

    Attributes
    ----------
    work : callable
        ``work(array, *params)`` gives anything.
    params : tuple
        Hashable parameters of the work.
    operand : Expr
        What it works on: an operand, or its transpose.
    evaluate : callable
        ``evaluate(node, done, out, *arrays)``: the node's value from what the work gave, written
        into ``out`` unless that is None; ``out`` is none of the arrays.
    key : Expr or None
        By default the operand. Operands with one key give the same, and one of them is enough.
    """

    work: Callable[..., Any]
    params: Params
    operand: Expr
    evaluate: Callable[..., Any]
    key: Expr | None = None


# ---------------------------------------------------------------- test domains


@dataclass(frozen=True)
class Domain:
    """Where generated tests draw an operand from.

    ``low`` and ``high`` bound the entries; ``matrix`` is ``""``, ``"invertible"``, ``"spd"`` or
    ``"tall"`` (full column rank) for matrix operands; ``boundary`` lists special entries at which
    value and derivative must be right too. ``"symmetric"`` (separated eigenvalues) and
    ``"positive"`` (definite) matrices move within the symmetric ones; ``"full rank"`` ones have
    separated singular values, those of ``"real eigenvalues"`` are separated too. ``dtype`` is
    ``"int"`` for indices (from ``low`` up to and including ``high``) and ``"bool"`` for masks.
    """

    low: float = -2.0
    high: float = 2.0
    matrix: str = ""
    boundary: tuple[float, ...] = ()
    dtype: str = "real"


@dataclass(frozen=True)
class Sample:
    """A call that generated tests make: operand shapes, and parameters in their declared order."""

    shapes: tuple[tuple[int, ...], ...]
    params: Params = ()


# ---------------------------------------------------------------- declaration


class Kind(Enum):
    """What the constructors and passes treat by its structure; everything else is a function."""

    CONTRACTION = auto()
    SUM = auto()
    POWER = auto()
    SAFE_POWER = auto()
    VARIABLE = auto()
    SIZE = auto()
    BRANCH = auto()
    SCAN = auto()
    WHILE = auto()
    FUNCTION = auto()


@dataclass(frozen=True, eq=False)
class Primitive:
    """The declaration of one operation.

    Attributes
    ----------
    name : str
        The one name, also the formula language's where the language has it.
    arity : int or None
        Number of operands; None for any.
    infer : callable
        ``infer(operands, params) -> shape``; raises ShapeError with both shapes.
    evaluate : callable
        ``evaluate(node, *arrays) -> array`` in NumPy, on trailing axes (batch axes lead).
    into : callable or None
        ``into(node, out, *arrays)``: what ``evaluate`` gives, bit for bit, written into an array
        of the result's shape and dtype. Of elementwise operations it may be one of the operands.
    add_into : callable or None
        ``add_into(node, total, factor, *arrays)``: add a multiple of the value to an array of its
        shape, where that is cheaper than making the value: it is zero in most places.
    shared : callable or None
        ``shared(node)``: the work that is shared with other operations, None for no such work.
    written : str, callable or None
        Of elementwise operations, how back ends that generate code write it: the name of one of
        their routines, or ``written(lanes, node, *values)`` in terms of these
        (:class:`wengert.operations.written.Lanes`). By default the routine of the operation's
        name, where there is one.
    by_rows : callable or None
        The same for operations on trailing axes: ``by_rows(rows, node, *values)`` in terms of
        reductions and elementwise functions (:class:`wengert.operations.written.Rows`).
    by_arrays : callable or None
        The same for operations on whole arrays: ``by_arrays(arrays, node, *operands)`` in terms of
        routines (:class:`wengert.operations.written.Arrays`). It is asked for arrays with entries.
    foreign : bool
        Runs code from outside, which may keep its operands.
    derivative : Derivative
        See above.
    series : ByCoefficient, WholeCurve or None
        The power series along a curve, where it does not follow from the derivative: by default
        the derivative is read as a recurrence, which costs O(order²) if it is an expression of
        the operation itself and of few others.
    notation : Notation or callable(node) -> Notation
        How it is written.
    parameters : tuple of str
        Names of ``params``.
    elementwise : bool
        Entry by entry, operands of one shape.
    zero_at_zero : bool
        f(0) = 0, so that zeros outside a diagonal stay zeros.
    rewrite : callable or None
        ``rewrite(operands, params) -> Expr | None``: a simplification that always holds.
    symmetric : callable or None
        ``symmetric(node)``: is the result a symmetric matrix?
    positive : callable or None
        ``positive(node)``: is every entry positive?
    inverse : callable or None
        ``inverse(node) -> (partner, transposed)``: the matrix with which the node cancels
        (``node @ partner = I``, or ``node @ partner.T = I`` if ``transposed``).
    power_rule : callable or None
        ``power_rule(node, exponent) -> Expr | None``: a simpler node for ``node ** exponent``.
    as_power : callable or None
        ``as_power(node) -> (base, exponent)`` with ``base ** exponent`` the node: exp(−x) is
        exp(x) ** −1, so that it meets exp(x) in products.
    square : callable or None
        ``square(node)``: the node that equals ``node ** 2``, for norms.
    merged, unmerge : callable or None
        ``merged(node, axis)``: the sizes of the axes that were merged into one, None if it is no
        such axis; ``unmerge(node, axis)``: the node with that axis split into them.
    sliced : callable or None
        ``sliced(node, slices) -> Expr | None``: a simpler node for a slice of the node (its
        parameters are those of the operation ``slice``).
    route : callable or None
        ``route(node, k) -> Route | None``: how the entries of operand k move, if the node is the
        sum of its operands' moved entries; None where the places are not known in advance.
    summed : callable or None
        ``summed(terms) -> list of Expr | None``: fewer nodes with the same sum, for many nodes of
        the operation that are added, each with its coefficient.
    defined : callable or None
        ``defined(node) -> Expr``: other operations that it equals, up to removable singularities.
        Power series are read off these, where they are exact and the partials' constants are not.
    masking : bool
        Zero where its last operand, a mask, is false, and its first operand elsewhere: products
        with it are taken inside, so that 0 · ∞ is 0 where nothing is kept.
    domains : tuple of Domain
        One an operand, for generated tests.
    samples : tuple of Sample
        Calls for generated tests; without any they are made from the parameters' names.
    batch : callable or None
        ``batch(node, operands, batched) -> Expr``: the operation on operands of which those that
        ``batched`` marks have one more leading axis. By default the others are spread along it and
        the operation is applied with the same parameters, which suits trailing axes.
    smooth : bool
        False where a derivative jumps within the domain (abs, max): tests stay off the kinks.
    enclosure : callable or None
        ``enclosure(node, *intervals) -> Interval``: bounds of the value's entries, given those of
        the operands' (:mod:`wengert.operations.intervals`); NaN for entries of which it knows none.
        Without it, smooth elementwise functions are enclosed by their derivatives.
    bounds : callable or None
        ``bounds(node, *intervals) -> Interval``: right but loose ones, from which the enclosure by
        derivatives starts.
    kinks : callable or None
        ``kinks(node) -> tuple of Kink``: where a derivative, or the value, jumps.
    curvature : tuple of Curved, or callable(node) -> tuple of Curved
        Where it is convex or concave, the regions with the most said first. Linear operations that
        say nothing keep what is not negative so. Reductions that do are symmetric in what they
        reduce.
    ordered : callable or None
        ``ordered(node) -> Ordered | None``: are the entries some that were put in order?
    ranking : bool
        The places of the operand's entries along the last axis in ascending order.
    complement : callable or None
        ``complement(node) -> Expr``: 1 less the node.
    ufuncs : tuple of callable
        The functions of NumPy and SciPy that it equals on real arrays: ``ufunc(*params,
        *operands)``. Tracing turns their calls into nodes.
    source : str
        Where the mathematics is from.
    kind : Kind
        FUNCTION for all but the structural operations.
    dtype : str or callable(operands, params) -> str
        Of the result: ``"real"``, ``"int"``, ``"bool"``, or ``"same"`` as the first operand. What
        is not real is discrete: no derivative passes through it.
    rule : str
        Name of the derivative's rule in derivation steps, with its number where a book has one.
        Steps write the rule of an elementwise operation from its partials if there is no name.
    """

    name: str
    arity: int | None
    infer: Callable[[tuple[Expr, ...], Params], Shape]
    evaluate: Callable[..., Any]
    derivative: Derivative
    notation: Notation | Callable[[Expr], Notation]
    parameters: tuple[str, ...] = ()
    into: Callable[..., Any] | None = None
    add_into: Callable[..., None] | None = None
    shared: Callable[[Expr], Shared | None] | None = None
    written: str | Callable[..., Any] | None = None
    by_rows: Callable[..., Any] | None = None
    by_arrays: Callable[..., Any] | None = None
    foreign: bool = False
    series: ByCoefficient | WholeCurve | None = None
    elementwise: bool = False
    zero_at_zero: bool = False
    rewrite: Callable[[tuple[Expr, ...], Params], Expr | None] | None = None
    symmetric: Callable[[Expr], bool] | None = None
    positive: Callable[[Expr], bool] | None = None
    inverse: Callable[[Expr], tuple[Expr | None, bool]] | None = None
    power_rule: Callable[[Expr, Fraction], Expr | None] | None = None
    as_power: Callable[[Expr], tuple[Expr, Fraction]] | None = None
    square: Callable[[Expr], Expr] | None = None
    merged: Callable[[Expr, int], Shape | None] | None = None
    unmerge: Callable[[Expr, int], Expr] | None = None
    sliced: Callable[[Expr, Any], Expr | None] | None = None
    route: Callable[[Expr, int], Route | None] | None = None
    summed: Callable[[Sequence[tuple[Expr, Fraction]]], list[Expr] | None] | None = None
    defined: Callable[[Expr], Expr] | None = None
    masking: bool = False
    domains: tuple[Domain, ...] = field(default=(Domain(),))
    samples: tuple[Sample, ...] = ()
    batch: Callable[[Expr, tuple[Expr, ...], tuple[bool, ...]], Expr] | None = None
    smooth: bool = True
    enclosure: Callable[..., Any] | None = None
    bounds: Callable[..., Any] | None = None
    kinks: Callable[[Expr], tuple[Kink, ...]] | None = None
    curvature: tuple[Curved, ...] | Callable[[Expr], tuple[Curved, ...]] = ()
    ordered: Callable[[Expr], Ordered | None] | None = None
    ranking: bool = False
    complement: Callable[[Expr], Expr] | None = None
    ufuncs: tuple[Callable[..., Any], ...] = ()
    source: str = ""
    kind: Kind = Kind.FUNCTION
    dtype: str | Callable[[tuple[Expr, ...], Params], str] = "real"
    rule: str = ""

    def dtype_of(self, operands: tuple[Expr, ...], params: Params = ()) -> str:
        """The result's dtype: "real", "int" or "bool"."""
        if not isinstance(self.dtype, str):
            return self.dtype(operands, params)
        return operands[0].dtype if self.dtype == "same" else self.dtype

    def curvature_of(self, node: Expr) -> tuple[Curved, ...]:
        """Where one node is convex or concave."""
        return self.curvature(node) if callable(self.curvature) else self.curvature

    def notation_of(self, node: Expr) -> Notation:
        """The notation for one node."""
        return self.notation if isinstance(self.notation, Notation) else self.notation(node)

    def __repr__(self) -> str:
        return f"<{self.name}>"


registry: dict[str, Primitive] = {}


def register(primitive: Primitive) -> Primitive:
    """Enter a declaration; a name can be declared once."""
    if primitive.name in registry:
        raise ValueError(f"operation {primitive.name!r} is declared twice")
    registry[primitive.name] = primitive
    return primitive
