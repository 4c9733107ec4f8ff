"""The parts of sums, contractions and powers, and what can be read off a node.

Nothing here builds anything but leaves and constants: the constructors are in ``algebra``, the
declarations in ``structural``; both need these.
"""

from __future__ import annotations

from fractions import Fraction
from math import gcd, lcm

from wengert.expr import Expr, make
from wengert.operations.labelling import Labels
from wengert.primitive import Kind, Linear, registry
from wengert.shapes import Shape

FEW_PARTS = 8  # what stands in as many places is added up; more are joined in one array
ONE = Fraction(1)
INLINED_FACTORS = 48
"""A longer product stays a factor of others: the slopes of a chain would grow with each step."""
_LONG = 10**6  # a content with more digits stays inside: step after step it would grow and grow
ZERO = Fraction(0)

# ---------------------------------------------------------------- numbers


class Coefficients(tuple[Fraction, ...]):
    """The coefficients of a sum. They are compared, hashed and written as integers.

    Long sums are made anew at every step of a long program, and Python's fractions are slow.
    """

    _integers: tuple[int, ...]
    _hash: int
    _content: Fraction

    @property
    def integers(self) -> tuple[int, ...]:
        """The numerators, then the denominators."""
        try:
            return self._integers
        except AttributeError:
            above, below = [c.numerator for c in self], [c.denominator for c in self]
            self._integers = (*above, *below)
            return self._integers

    def __hash__(self) -> int:
        try:
            return self._hash
        except AttributeError:
            self._hash = hash(self.integers)
            return self._hash

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Coefficients):
            return self is other or self.integers == other.integers
        return super().__eq__(other)

    def __repr__(self) -> str:
        """As of a tuple of fractions."""
        pairs = zip(self.integers, self.integers[len(self) :], strict=False)
        parts = [f"Fraction({n}, {d})" for n, d in pairs]
        return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"

    def scaled(self, factor: Fraction) -> Coefficients:
        """Multiples of them all."""
        n, d = factor.numerator, factor.denominator
        pairs = zip(self.integers, self.integers[len(self) :], strict=False)
        return Coefficients([Fraction(n * above, d * below) for above, below in pairs])

    @property
    def content(self) -> Fraction:
        """The rational by which a sum is divided to have coprime integers, the first positive.

        Only its sign if it has many digits.
        """
        try:
            return self._content
        except AttributeError:
            count = len(self)
            above, below = gcd(*self.integers[:count]), lcm(*self.integers[count:])
            found = Fraction(above, below) if max(above, below) < _LONG else ONE
            self._content = -found if self.integers[0] < 0 else found
            return self._content


def exact(number: Fraction | int) -> Fraction:
    """A number as a fraction."""
    if type(number) is Fraction:
        return number
    return ONE if number == 1 else Fraction(number)


def times(one: Fraction, other: Fraction) -> Fraction:
    """The product; most coefficients are the object 1, which costs nothing."""
    if one is ONE:
        return other
    return one if other is ONE else one * other


# ---------------------------------------------------------------- kinds


def is_contraction(node: Expr) -> bool:
    """Whether the node is a contraction."""
    return node.primitive.kind is Kind.CONTRACTION


def is_sum(node: Expr) -> bool:
    """Whether the node is a sum."""
    return node.primitive.kind is Kind.SUM


def is_power(node: Expr) -> bool:
    """Whether the node is a power with a constant exponent."""
    return node.primitive.kind is Kind.POWER


def is_safe_power(node: Expr) -> bool:
    """Whether the node is a power that is 0 where its base is."""
    return node.primitive.kind is Kind.SAFE_POWER


def is_variable(node: Expr) -> bool:
    """Whether the node is a variable."""
    return node.primitive.kind is Kind.VARIABLE


# ---------------------------------------------------------------- parts


def coefficients_of(node: Expr) -> Coefficients:
    """The coefficients of a sum."""
    return node.params[0]


def content(node: Expr) -> Fraction:
    """The content of a sum's coefficients (:attr:`Coefficients.content`)."""
    return coefficients_of(node).content


def exponent_of(node: Expr) -> Fraction:
    """The exponent of a power."""
    return node.params[0]


def contraction_params(node: Expr) -> tuple[tuple[Labels, ...], Labels, Fraction]:
    """Labels, output labels and coefficient of a contraction node."""
    return node.params


def base_and_exponent(node: Expr) -> tuple[Expr, Fraction]:
    """The node as base ** exponent."""
    if is_power(node) or is_safe_power(node):
        return node.operands[0], exponent_of(node)
    if node.primitive.as_power is not None:
        return node.primitive.as_power(node)
    return node, ONE


def has_delta(node: Expr) -> bool:
    """Is the node a contraction with a repeated output label?"""
    if not is_contraction(node):
        return False
    out = contraction_params(node)[1]
    return len(set(out)) < len(out)


def hides_delta(node: Expr) -> bool:
    """Is a delta in the node, or in what linear operations of its factors act on?"""
    if is_contraction(node):
        return has_delta(node) or any(map(_acts_on_delta, node.operands))
    return _acts_on_delta(node)


def _acts_on_delta(node: Expr) -> bool:
    return isinstance(node.primitive.derivative, Linear) and has_delta(node.operands[0])


def has_pattern(node: Expr) -> bool:
    """Is the node a contraction with a delta or a one among its output labels?"""
    if not is_contraction(node):
        return False
    labels, out, _ = contraction_params(node)
    used = {x for axes in labels for x in axes}
    return len(set(out)) < len(out) or any(x not in used for x in out)


def is_zero(node: Expr) -> bool:
    """Is the node the constant zero?"""
    return is_contraction(node) and contraction_params(node)[2] == 0


def constant_value(node: Expr) -> Fraction | None:
    """The rational number that every entry of the node equals, if it is such a constant."""
    if is_contraction(node) and not node.operands and not has_delta(node):
        return contraction_params(node)[2]
    return None


def strip_coefficient(node: Expr) -> tuple[Fraction, Expr]:
    """The node as coefficient times a node with coefficient one."""
    if not is_contraction(node):
        return ONE, node
    labels, out, coefficient = contraction_params(node)
    if coefficient is ONE or coefficient in (0, 1):
        return coefficient, node
    if len(node.operands) == 1 and labels[0] == out and len(set(out)) == len(out):
        return coefficient, node.operands[0]
    return coefficient, make(registry["contract"], node.operands, (labels, out, ONE), node.shape)


def fits(one: Shape, other: Shape) -> bool:
    """Whether two shapes may be equal: of one rank, and no two known sizes differ."""
    return len(one) == len(other) and not any(
        a != b for a, b in zip(one, other, strict=True) if isinstance(a, int) and isinstance(b, int)
    )


def is_positive(node: Expr) -> bool:
    """Is every entry known to be positive?"""
    rule = node.primitive.positive
    if rule is not None:
        return rule(node)
    if is_power(node):
        return is_positive(node.operands[0])
    if is_contraction(node):
        if has_delta(node):
            return False  # zeros off the diagonal
        return contraction_params(node)[2] > 0 and all(is_positive(o) for o in node.operands)
    if is_sum(node):
        return all(c > 0 for c in coefficients_of(node)) and all(
            is_positive(o) for o in node.operands
        )
    return False


def scaled_sum(node: Expr, factor: Fraction) -> Expr:
    """A rational multiple of a sum, as a sum."""
    if factor is ONE:
        return node
    scaled = coefficients_of(node).scaled(factor)
    return make(registry["add"], node.operands, (scaled,), node.shape)


def coprime(node: Expr) -> tuple[Fraction, Expr]:
    """A sum as its content times a sum of content 1."""
    factor = content(node)
    if factor == 1:
        return ONE, node
    known = node.facts.get("companion")
    if known is None:
        node.facts["companion"] = known = scaled_sum(node, 1 / factor), factor
    return factor, known[0]


def safe_power(base: Expr, exponent: Fraction | int) -> Expr:
    """A negative power that is 0 where the base is 0: what a subgradient of a norm is made of."""
    return make(registry["safepower"], (base,), (Fraction(exponent),), base.shape)


def constant_like(value: Fraction | int, shape: Shape) -> Expr:
    """An array whose entries all equal a rational number."""
    out = tuple(range(len(shape)))
    return make(registry["contract"], (), ((), out, Fraction(value)), shape)


def zeros(shape: Shape) -> Expr:
    """The zero array."""
    return constant_like(0, shape)


def ones(shape: Shape) -> Expr:
    """The array of ones."""
    return constant_like(1, shape)


def leaf_of(node: Expr) -> Expr:
    """The variable leaf behind what :func:`variable` returned."""
    while not is_variable(node):
        node = node.operands[0]
    return node


def rational_power(value: Fraction, exponent: Fraction) -> Fraction | None:
    """value ** exponent if it is rational, defined and not huge."""
    if value == 1:
        return ONE
    if value == 0:
        return ZERO if exponent > 0 else None
    if abs(exponent.numerator) > 64:
        return None
    if exponent.denominator == 1:
        return value**exponent.numerator
    if value < 0:
        return None
    top = _exact_root(value.numerator, exponent.denominator)
    bottom = _exact_root(value.denominator, exponent.denominator)
    if top is None or bottom is None:
        return None
    return Fraction(top, bottom) ** exponent.numerator


def _exact_root(value: int, degree: int) -> int | None:
    if value.bit_length() > 512:
        return None
    root = round(value ** (1 / degree)) if value.bit_length() < 1000 else 0
    return root if root**degree == value else None
