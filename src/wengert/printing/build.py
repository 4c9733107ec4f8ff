"""Constructors of notation trees that keep the form in which a person would write.

Order of commuting parts (the *display key*): in products names come first, alphabetically, then
functions and powers, then the rest; in sums positive terms come first, then higher polynomial
degree, then fewer transposes, then the alphabet. A sum with only negative terms inside a product
gives its sign to the coefficient.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from wengert.printing.tree import (
    Call,
    Diag,
    DiagPart,
    Extent,
    Hadamard,
    HadamardDivide,
    Identity,
    Kind,
    Kron,
    Norm,
    Number,
    Ones,
    Power,
    Product,
    Scaled,
    Sum,
    SumAll,
    Symbol,
    Transpose,
    Tree,
    Zero,
)

ONE = Fraction(1)
_MAX_DEPTH = 60  # beyond these a transpose stays outside, which bounds the work
_MAX_SIZE = 4000
_FLIPPED: dict[Kind, Kind] = {
    "scalar": "scalar",
    "column": "row",
    "row": "column",
    "matrix": "matrix",
    "tensor": "tensor",
}


# ---------------------------------------------------------------- display keys


def factor_key(tree: Tree) -> tuple[object, ...]:
    """The display key of a factor among factors that commute."""
    if isinstance(tree, Symbol):
        rank = 0
    elif isinstance(tree, Number | Extent):
        rank = -1
    elif isinstance(tree, Power) and isinstance(tree.children[0], Symbol):
        rank = 0
    elif isinstance(tree, Sum | Product):
        rank = 2
    else:
        rank = 1
    return (rank, tree.label.lower(), tree.label, tree.digest)


def term_key(sign: int, tree: Tree) -> tuple[object, ...]:
    """The display key of a term of a sum."""
    return (sign < 0, -tree.degree, tree.cost, tree.label.lower(), tree.label, tree.digest)


def chain_key(factors: Sequence[Tree]) -> tuple[object, ...]:
    """The display key of a chain among chains of equal value."""
    first = factors[0].children[0] if isinstance(factors[0], Transpose) else factors[0]
    text = " ".join(f.label for f in factors)
    cost = sum(f.cost for f in factors)
    simple = isinstance(first, Symbol)
    return (cost, not simple, text.lower(), text, tuple(f.digest for f in factors))


# ---------------------------------------------------------------- scalars


def number(value: Fraction | int) -> Tree:
    """A rational number."""
    return Number("scalar", (), Fraction(value))


def positive(tree: Tree) -> tuple[int, Tree]:
    """A sign and a tree whose first displayed term is positive."""
    if isinstance(tree, Sum) and tree.signs[0] < 0:
        return -1, Sum(tree.kind, tree.children, tuple(-s for s in tree.signs))
    return 1, tree


def _gather_scalars(
    numerators: Iterable[Tree], denominators: Iterable[Tree]
) -> tuple[Fraction, list[Tree], list[Tree]]:
    """Coefficient, factors and divisors, with powers of one base gathered."""
    coefficient = ONE
    powers: dict[Tree, Fraction] = {}
    work = [(t, 1) for t in numerators] + [(t, -1) for t in denominators]
    while work:
        tree, direction = work.pop()
        exponent = Fraction(direction)
        if isinstance(tree, Number):
            coefficient *= tree.value**direction
            continue
        if isinstance(tree, Scaled):
            coefficient *= tree.coefficient**direction
            work += [(t, direction) for t in tree.numerators]
            work += [(t, -direction) for t in tree.denominators]
            continue
        sign, tree = positive(tree)
        coefficient *= sign
        if isinstance(tree, Power):
            exponent *= tree.exponent
            tree = tree.children[0]
        elif isinstance(tree, Norm):
            exponent *= tree.exponent
            tree = Norm("scalar", tree.children, ONE)
        powers[tree] = powers.get(tree, Fraction(0)) + exponent
    above = [_raised(base, e) for base, e in powers.items() if e > 0]
    below = [_raised(base, -e) for base, e in powers.items() if e < 0]
    return coefficient, sorted(above, key=factor_key), sorted(below, key=factor_key)


def _raised(base: Tree, exponent: Fraction) -> Tree:
    if exponent == 1:
        return base
    if isinstance(base, Norm):
        return Norm("scalar", base.children, base.exponent * exponent)
    if isinstance(base, Power) and _may_merge(base.exponent, exponent):
        (inner,) = base.children
        merged = base.exponent * exponent
        return inner if merged == 1 else Power(base.kind, base.children, merged)
    return Power(base.kind, (base,), exponent)


def scale(
    coefficient: Fraction,
    numerators: Iterable[Tree] = (),
    body: Tree | None = None,
    denominators: Iterable[Tree] = (),
) -> Tree:
    """A body (or 1) times a coefficient, times scalars, divided by scalars."""
    above, below = list(numerators), list(denominators)
    if body is not None and body.kind == "scalar":
        above.append(body)
        body = None
    if isinstance(body, Scaled):
        coefficient *= body.coefficient
        above += body.numerators
        below += body.denominators
        body = body.body
    if body is not None:
        sign, body = positive(body)
        coefficient *= sign
    factor, above, below = _gather_scalars(above, below)
    coefficient *= factor
    if coefficient == 0:
        return Zero(body.kind, (), ()) if body else number(0)
    return _scaled(coefficient, above, below, body)


def _scaled(coefficient: Fraction, above: list[Tree], below: list[Tree], body: Tree | None) -> Tree:
    if isinstance(body, Zero):
        return body
    if not above and not below:
        if body is None:
            return number(coefficient)
        if coefficient == 1:
            return body
        if coefficient == -1 and isinstance(body, Sum):
            return Sum(body.kind, body.children, tuple(-s for s in body.signs))
    if body is None and len(above) == 1 and not below:
        if coefficient == 1:
            return above[0]
        if coefficient == -1 and isinstance(above[0], Sum):
            return Sum("scalar", above[0].children, tuple(-s for s in above[0].signs))
    rest = (body,) if body else ()
    kind = body.kind if body else "scalar"
    return Scaled(kind, (*above, *below, *rest), coefficient, len(above), len(below))


def split(tree: Tree) -> tuple[Fraction, tuple[Tree, ...], tuple[Tree, ...], Tree | None]:
    """Coefficient, scalar factors, scalar divisors and body of a tree."""
    if isinstance(tree, Scaled):
        return tree.coefficient, tree.numerators, tree.denominators, tree.body
    if isinstance(tree, Number):
        return tree.value, (), (), None
    if tree.kind == "scalar":
        return ONE, (tree,), (), None
    return ONE, (), (), tree


def unscaled(tree: Tree) -> tuple[Tree, Tree]:
    """The scalar part as one scalar, and the body, of a vector or matrix."""
    coefficient, above, below, body = split(tree)
    assert body is not None
    return scale(coefficient, above, None, below), body


class Factors:
    """Collects the scalar parts of factors while their bodies are combined."""

    def __init__(self) -> None:
        self.coefficient = ONE
        self.above: list[Tree] = []
        self.below: list[Tree] = []

    def strip(self, tree: Tree) -> Tree | None:
        """The body of a tree, its scalars kept here."""
        coefficient, above, below, body = split(tree)
        self.coefficient *= coefficient
        self.above += above
        self.below += below
        if body is not None:
            sign, body = positive(body)
            self.coefficient *= sign
        return body

    def around(self, body: Tree | None) -> Tree:
        """The body with all the scalars."""
        return scale(self.coefficient, self.above, body, self.below)


# ---------------------------------------------------------------- powers and norms


def power(base: Tree, exponent: Fraction) -> Tree:
    """A power, entry by entry for vectors and matrices."""
    if exponent == 1:
        return base
    if isinstance(base, Number) and exponent.denominator == 1 and (base.value or exponent > 0):
        return number(base.value ** int(exponent))
    if isinstance(base, Ones):
        return base
    return _negative(_raised(base, abs(exponent)), exponent)


def _may_merge(inner: Fraction, outer: Fraction) -> bool:
    """(x^inner)^outer is x^(inner*outer), also for negative x."""
    return outer.denominator == 1 or inner.numerator % 2 == 1


def _negative(raised: Tree, exponent: Fraction) -> Tree:
    if exponent > 0:
        return raised
    if raised.kind == "scalar":
        return scale(ONE, (), None, (raised,))
    return HadamardDivide(raised.kind, (Ones(raised.kind, (), (), plain=True), raised))


def norm_squared(tree: Tree) -> Tree:
    """The sum of the squared entries."""
    coefficient, above, below, body = split(tree)
    if body is None:
        return power(tree, Fraction(2))
    square: Tree = Norm("scalar", (untransposed(body),), Fraction(2))
    twice = [*above, *above]
    return scale(coefficient**2, [*twice, square], None, [*below, *below])


def untransposed(tree: Tree) -> Tree:
    """The tree or its transpose, whichever has fewer transposes."""
    other = transpose(tree)
    return other if other.cost < tree.cost or tree.kind == "row" else tree


def sum_all(tree: Tree) -> Tree:
    """The sum of all entries."""
    factors = Factors()
    body = factors.strip(tree)
    if body is None:
        return tree
    if isinstance(body, Power) and body.exponent == 2:
        return factors.around(norm_squared(body.children[0]))
    if isinstance(body, Ones) and body.shape:
        extents: list[Tree] = [extent(s) for s in body.shape]
        return scale(factors.coefficient, [*factors.above, *extents], None, factors.below)
    if isinstance(body, Diag):
        return factors.around(SumAll("scalar", body.children))
    return factors.around(SumAll("scalar", (untransposed(body),)))


def extent(size: object) -> Tree:
    """A dimension as a scalar."""
    return number(size) if isinstance(size, int) else Extent("scalar", (), size)  # pyright: ignore[reportArgumentType]


# ---------------------------------------------------------------- transposes


def transpose(tree: Tree) -> Tree:
    """The transpose, with as few transposes as a person would write."""
    if tree.kind in ("scalar", "tensor"):
        return tree
    if isinstance(tree, Transpose):
        return tree.children[0]
    if isinstance(tree, Diag | Identity) or getattr(tree, "symmetric", False):
        return tree
    if isinstance(tree, Ones | Zero) and tree.kind == "matrix":
        return type(tree)("matrix", (), tree.shape[::-1])
    if isinstance(tree, Ones):
        return _wrap(Ones(tree.kind, (), tree.shape))
    if isinstance(tree, Scaled):
        body = tree.body
        moved = None if body is None else transpose(body)
        return scale(tree.coefficient, tree.numerators, moved, tree.denominators)
    if tree.depth > _MAX_DEPTH or tree.size > _MAX_SIZE:
        return _wrap(tree)
    if isinstance(tree, Product):
        return product([transpose(f) for f in reversed(tree.children)])
    if isinstance(tree, Kron):
        return kron([transpose(f) for f in tree.children])
    return _transpose_entrywise(tree)


def _wrap(tree: Tree) -> Tree:
    return Transpose(_FLIPPED[tree.kind], (tree,))


def _transpose_entrywise(tree: Tree) -> Tree:
    """Sums, Hadamard products and powers: move the transpose inside only where that is shorter."""
    if isinstance(tree, Sum):
        sign, tree = positive(tree)
        if sign < 0:
            return scale(Fraction(-1), (), transpose(tree))
    moved = _moved_inside(tree)
    if moved is not None and (moved.cost < tree.cost + 1 or moved == tree):
        return moved
    return _wrap(tree)


def _moved_inside(tree: Tree) -> Tree | None:
    if isinstance(tree, Sum):
        return transpose_terms(tree)
    if tree.kind == "matrix" and isinstance(tree, Hadamard):
        return hadamard([transpose(f) for f in tree.children])
    if tree.kind == "matrix" and isinstance(tree, HadamardDivide):
        above, below = (transpose(f) for f in tree.children)
        return HadamardDivide("matrix", (above, below))
    if tree.kind == "matrix" and isinstance(tree, Power):
        return power(transpose(tree.children[0]), tree.exponent)
    if tree.kind == "column" and isinstance(tree, Hadamard):
        return _row_of_hadamard(tree)
    return None


def _row_of_hadamard(tree: Hadamard) -> Tree | None:
    """(d ⊙ Bᵀu)ᵀ is uᵀB diag(d)."""
    chains = [f for f in tree.children if isinstance(f, Product)]
    if len(chains) != 1:
        return None
    others = [f for f in tree.children if f is not chains[0]]
    return product([transpose(chains[0]), diag(hadamard(others))])


def transpose_terms(tree: Tree) -> Tree:
    """The transpose with every term of a sum transposed on its own."""
    if not isinstance(tree, Sum) or tree.size > _MAX_SIZE:
        return transpose(tree)
    moved = [
        (s, transpose_terms(t) if t.depth < _MAX_DEPTH else transpose(t))
        for s, t in zip(tree.signs, tree.children, strict=True)
    ]
    return add(moved)


def is_symmetric(tree: Tree) -> bool:
    """Whether the tree visibly equals its transpose."""
    return tree.kind == "matrix" and transpose(tree) == tree


# ---------------------------------------------------------------- products


def _chain_kind(factors: Sequence[Tree]) -> Kind:
    if factors[0].kind == "row":
        return "scalar" if factors[-1].kind == "column" else "row"
    return "column" if factors[-1].kind == "column" else "matrix"


def product(parts: Sequence[Tree]) -> Tree:
    """The chain of matrix products; scalars move to the front."""
    factors = Factors()
    chain: list[Tree] = []
    for part in parts:
        body = factors.strip(part)
        if isinstance(body, Product) and body.size < _MAX_SIZE:
            chain += body.children
        elif body is not None and not isinstance(body, Identity):
            chain.append(Ones(body.kind, (), body.shape) if isinstance(body, Ones) else body)
    if not chain:
        identities = [p for p in parts if p.kind != "scalar"]
        return factors.around(split(identities[0])[3] if identities else None)
    chain = _without_scalars(chain, factors)
    if not chain:
        return factors.around(None)
    return factors.around(chain_product(chain))


def _without_scalars(chain: list[Tree], factors: Factors) -> list[Tree]:
    """Move every inner row ... column out as a scalar."""
    left: list[Tree] = []
    for factor in chain:
        left.append(factor)
        if factor.kind != "column" or all(f.kind != "row" for f in left):
            continue
        start = max(k for k, f in enumerate(left) if f.kind == "row")
        factors.strip(chain_product(left[start:]))
        del left[start:]
    return left


def chain_product(factors: Sequence[Tree]) -> Tree:
    """A chain of bare factors as a tree."""
    if len(factors) == 1:
        return factors[0]
    kind = _chain_kind(factors)
    if kind != "scalar":
        return Product(kind, tuple(factors))
    return _scalar_chain(list(factors))


def _scalar_chain(factors: list[Tree]) -> Tree:
    """xᵀAy or yᵀAᵀx, whichever reads better; ‖r‖² for rᵀr; sums for ones at an end."""
    mirrored = [transpose(f) for f in reversed(factors)]
    if mirrored == factors and len(factors) % 2 == 0:
        return norm_squared(product(factors[len(factors) // 2 :]))
    if isinstance(mirrored[-1], Ones) or isinstance(factors[-1], Ones):
        inner = mirrored if isinstance(mirrored[-1], Ones) else factors
        ends = product(inner[:-1])
        first = inner[0].children[0] if isinstance(inner[0], Transpose) else inner[0]
        if isinstance(first, Ones):
            ends = product(inner[1:-1])
        return sum_all(transpose(ends) if ends.kind == "row" else ends)
    simple = all(not isinstance(f, Scaled) for f in mirrored)
    best = min(factors, mirrored, key=chain_key) if simple else factors
    return Product("scalar", tuple(best))


def dot(left: Tree, right: Tree) -> Tree:
    """The inner product of two columns."""
    return product([transpose(left), right])


# ---------------------------------------------------------------- entry by entry


def hadamard(parts: Sequence[Tree]) -> Tree:
    """The product entry by entry, powers gathered and divisors below."""
    factors = Factors()
    powers: dict[Tree, Fraction] = {}
    ones: Tree = parts[0]
    work = [(p, ONE) for p in reversed(parts)]
    while work:
        part, exponent = work.pop()
        body = factors.strip(part) if exponent == 1 else part
        if body is None:
            continue
        if isinstance(body, Hadamard):
            work += [(c, exponent) for c in body.children]
        elif isinstance(body, HadamardDivide):
            work += [(body.children[0], exponent), (body.children[1], -exponent)]
        elif isinstance(body, Ones):
            ones = body
        else:
            base = body.children[0] if isinstance(body, Power) else body
            own = body.exponent if isinstance(body, Power) else ONE
            powers[base] = powers.get(base, Fraction(0)) + own * exponent
    above = sorted((_raised(b, e) for b, e in powers.items() if e > 0), key=factor_key)
    below = sorted((_raised(b, -e) for b, e in powers.items() if e < 0), key=factor_key)
    return factors.around(_divided(above, below, ones))


def _divided(above: list[Tree], below: list[Tree], ones: Tree) -> Tree:
    if not above and not below:
        shape = ones.shape if isinstance(ones, Ones) else ()
        return Ones(ones.kind, (), shape)
    kind = (above or below)[0].kind
    plain = Ones(kind, (), (), plain=True)
    top = _entrywise(kind, above) if above else plain
    return HadamardDivide(kind, (top, _entrywise(kind, below))) if below else top


def _entrywise(kind: Kind, parts: list[Tree]) -> Tree:
    return parts[0] if len(parts) == 1 else Hadamard(kind, tuple(parts))


def diag(tree: Tree) -> Tree:
    """The diagonal matrix of a column."""
    factors = Factors()
    body = factors.strip(tree)
    if isinstance(body, Ones):
        return factors.around(Identity("matrix", (), body.shape[0]))
    if isinstance(body, DiagPart) and getattr(body.children[0], "diagonal", False):
        return factors.around(body.children[0])
    assert body is not None
    return factors.around(Diag("matrix", (body,)))


def kron(parts: Sequence[Tree]) -> Tree:
    """The Kronecker product."""
    factors = Factors()
    bodies = [body for part in parts if (body := factors.strip(part)) is not None]
    kinds = {b.kind for b in bodies}
    kind: Kind = bodies[0].kind if len(kinds) == 1 else "matrix"
    flat: list[Tree] = []
    for body in bodies:
        flat += body.children if isinstance(body, Kron) else (body,)
    return factors.around(Kron(kind, tuple(flat)))


# ---------------------------------------------------------------- sums


def add(parts: Iterable[tuple[Fraction | int, Tree]]) -> Tree:
    """The sum of coefficient-tree pairs of one kind, like terms gathered."""
    gathered: dict[Tree, Fraction] = {}
    work = [(Fraction(c), t) for c, t in parts][::-1]
    kind: Kind = work[0][1].kind
    while work:
        coefficient, tree = work.pop()
        if isinstance(tree, Sum):
            pairs = zip(tree.signs, tree.children, strict=True)
            if abs(coefficient) == 1 and tree.size < _MAX_SIZE:
                work += [(coefficient * s, t) for s, t in pairs]
                continue
        bare = scale(coefficient, (), tree)
        own, above, below, body = split(bare)
        key = scale(ONE, above, body, below)
        if isinstance(key, Ones):
            key = Ones(key.kind, (), key.shape)
        if not isinstance(key, Zero):
            gathered[key] = gathered.get(key, Fraction(0)) + own
    terms = [(c, t) for t, c in gathered.items() if c]
    return _sum(kind, _with_plain_ones(terms))


def _with_plain_ones(terms: list[tuple[Fraction, Tree]]) -> list[tuple[Fraction, Tree]]:
    """Broadcast numbers in place of ones, where the other terms make that readable."""
    others = [t for _, t in terms if not isinstance(split(t)[3], Ones)]
    readable = others and all(t.kind in ("column", "tensor") or _entrywise_like(t) for t in others)
    if not readable:
        return terms
    return [(c, _plain(t)) for c, t in terms]


def _plain(tree: Tree) -> Tree:
    coefficient, above, below, body = split(tree)
    if not isinstance(body, Ones):
        return tree
    return scale(coefficient, above, Ones(body.kind, (), body.shape, plain=True), below)


def _entrywise_like(tree: Tree) -> bool:
    body = split(tree)[3]
    if isinstance(body, Call):
        return body.node.primitive.elementwise
    return isinstance(body, Power | Hadamard | HadamardDivide)


def _sum(kind: Kind, terms: list[tuple[Fraction, Tree]]) -> Tree:
    if not terms:
        return number(0) if kind == "scalar" else Zero(kind, (), ())
    signed = [(1 if c > 0 else -1, scale(abs(c), (), t)) for c, t in terms]
    signed.sort(key=lambda pair: term_key(*pair))
    if len(signed) == 1:
        sign, tree = signed[0]
        return scale(Fraction(sign), (), tree)
    return Sum(kind, tuple(t for _, t in signed), tuple(s for s, _ in signed))
