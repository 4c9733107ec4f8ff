"""The two operations that everything is made of: the contraction and the sum, with powers.

A *contraction* (Einstein product) is the one product of the system: operands with labels, an
output labelling and a rational coefficient. Transposes, traces, diagonals, sums, outer and matrix
products and broadcasts are contractions. An output label that repeats is a delta, one on no
operand is ones, so neither needs a leaf: δ = contract([], [], (0, 0)).

The constructors keep a *light form*: an inner contraction is inlined only if it sums nothing, so
that sharing survives; the coefficient and the pattern (deltas, ones, permutations) of one that
stays float outwards; equal factors merge into powers; a factor meets its inverse and cancels;
scalar components are nodes of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction

from wengert.assumptions import Assumption
from wengert.errors import ShapeError
from wengert.expr import Expr, make
from wengert.operations.labelling import Factor, Labels, canonical_order, closed_components
from wengert.operations.ordinary import ordinary
from wengert.operations.structure import (
    FEW_PARTS,
    INLINED_FACTORS,
    ONE,
    ZERO,
    Coefficients,
    base_and_exponent,
    coefficients_of,
    constant_like,
    constant_value,
    content,
    contraction_params,
    coprime,
    exact,
    exponent_of,
    fits,
    has_delta,
    has_pattern,
    hides_delta,
    is_contraction,
    is_positive,
    is_power,
    is_safe_power,
    is_sum,
    rational_power,
    safe_power,
    scaled_sum,
    strip_coefficient,
    times,
    zeros,
)
from wengert.primitive import Linear, registry
from wengert.shapes import Shape, Size, format_shape

_INLINED_TERMS = 32  # a longer sum stays a term: x + h f(x), step by step, would grow and grow
_DISTRIBUTION_CAP = 8  # terms; beyond it a sum with deltas stays a factor

# ---------------------------------------------------------------- contraction: constructor


def contract(
    operands: Sequence[Expr],
    labels: Sequence[Sequence[int]],
    out: Sequence[int],
    *,
    sizes: Mapping[int, Size] | None = None,
    coefficient: Fraction | int = ONE,
    deep: bool = False,
) -> Expr:
    """The contraction of operands, in light form.

    Parameters
    ----------
    operands : sequence of Expr
        The factors.
    labels : sequence of label sequences
        One label an axis. A label that is not in ``out`` is summed over.
    out : sequence of int
        Labels of the result's axes: repeated ones are deltas, ones on no operand broadcast.
    sizes : mapping of int to Size, optional
        Sizes of the labels on no operand.
    coefficient : Fraction
        Scales the whole.
    deep : bool
        Inline inner contractions even if they sum (the flat form of printing).
    """
    quick = None if deep else ordinary(operands, labels, out, sizes or {}, coefficient, is_upright)
    if quick is not None:
        return quick
    network = _Network(Fraction(coefficient), tuple(out), dict(sizes or {}))
    for operand, axes in zip(operands, labels, strict=True):
        network.note_sizes(operand, tuple(axes))
    shape = tuple(network.sizes[label] for label in network.out)
    for operand, axes in zip(operands, labels, strict=True):
        network.absorb(operand, tuple(axes), deep)
    if network.coefficient == 0:
        return zeros(shape)
    network.resolve()
    network.split_merged_axes()
    mapped = _through_mask(network) or _through_linear_map(network)
    if mapped is not None:
        return mapped
    network.cancel_inverses()
    distributed = _distribute(network, shape, deep)
    if distributed is not None:
        return distributed
    network.merge_powers()
    network.split_scalars(deep)
    if network.coefficient == 0:
        return zeros(shape)
    return network.finish(shape)


class _Network:
    """A contraction under construction: factors, output labels, coefficient, label sizes."""

    def __init__(self, coefficient: Fraction, out: Labels, sizes: dict[int, Size]) -> None:
        self.coefficient = coefficient
        self.out = out
        self.sizes = sizes
        self.factors: list[Factor] = []
        self.fresh = max((*out, *sizes), default=-1) + 1
        self.same: dict[int, int] = {}  # label -> the label that it was unified with

    def note_sizes(self, operand: Expr, labels: Labels) -> None:
        if len(labels) != operand.ndim:
            raise ShapeError(f"{len(labels)} labels for an operand of rank {operand.ndim}")
        for label, size in zip(labels, operand.shape, strict=True):
            known = self.sizes.setdefault(label, size)
            if known != size and isinstance(known, int) and isinstance(size, int):
                raise ShapeError(f"one index runs over {known} entries here and {size} there")
            if label >= self.fresh:
                self.fresh = label + 1

    def absorb(self, operand: Expr, labels: Labels, deep: bool) -> None:
        """Add a factor, inlining what sums nothing and floating coefficients and patterns out."""
        if is_contraction(operand):
            self._absorb_contraction(operand, labels, deep)
            return
        core, turned = orient(operand)
        if is_sum(core):
            factor, core = coprime(core)
            if factor is not ONE:
                self.coefficient *= factor
        self.factors.append((core, labels[::-1] if turned else labels))

    def _absorb_contraction(self, operand: Expr, labels: Labels, deep: bool) -> None:
        inner_labels, inner_out, coefficient = contraction_params(operand)
        long = len(operand.operands) > INLINED_FACTORS
        if long and not deep and not has_pattern(operand):
            # with its coefficient, which with those of many others could leave the floats' range
            core, turned = orient(operand)
            self.factors.append((core, labels[::-1] if turned else labels))
            return
        if coefficient != 1:
            self.coefficient *= coefficient
        mapping: dict[int, int] = {}
        for inner, outer in zip(inner_out, labels, strict=True):
            if inner in mapping:
                self._unify(mapping[inner], outer)
            else:
                mapping[inner] = outer
        sums = any(x not in mapping for axes in inner_labels for x in axes)
        if (sums and not (deep and operand.ndim)) or (long and not deep):
            used = {x for axes in inner_labels for x in axes}
            core_out = tuple(x for x in dict.fromkeys(inner_out) if x in used)
            core = _with(operand, core_out, ONE)
            core, turned = orient(core)
            outer_labels = tuple(mapping[x] for x in core_out)
            self.factors.append((core, outer_labels[::-1] if turned else outer_labels))
            return
        for inner_operand, axes in zip(operand.operands, inner_labels, strict=True):
            for x, size in zip(axes, inner_operand.shape, strict=True):
                if x not in mapping:
                    mapping[x] = self.fresh
                    self.sizes[self.fresh] = size
                    self.fresh += 1
            inner_axes = tuple(mapping[x] for x in axes)
            if deep:
                self.absorb(inner_operand, inner_axes, deep)
            else:
                self.factors.append((inner_operand, inner_axes))

    def _find(self, label: int) -> int:
        while label in self.same:
            label = self.same[label]
        return label

    def _unify(self, first: int, second: int) -> None:
        keep, drop = self._find(first), self._find(second)
        if keep != drop:
            self.same[drop] = keep

    def resolve(self) -> None:
        """Carry out the unifications: a delta vanishes by relabelling."""
        if not self.same:
            return
        self.factors = [(e, tuple(map(self._find, axes))) for e, axes in self.factors]
        self.out = tuple(map(self._find, self.out))
        for label in self.same:
            size = self.sizes.pop(label)
            if isinstance(size, int):
                self.sizes[self._find(label)] = size
        self.same = {}

    def owns(self, labels: Labels, elsewhere: set[int]) -> bool:
        """Does each label stand on one output axis and on no other factor?"""
        return all(x not in elsewhere and self.out.count(x) == 1 for x in labels)

    def split_merged_axes(self) -> None:
        """A summed index over merged axes is one index an axis: vec(A)ᵀvec(B) = Σ Aᵢⱼ Bᵢⱼ."""
        if not any(e.primitive.merged is not None for e, _ in self.factors):
            return
        for label in [x for x in self.sizes if x not in self.out]:
            groups = {
                e.primitive.merged(e, slot) if e.primitive.merged is not None else None
                for e, axes in self.factors
                for slot, x in enumerate(axes)
                if x == label
            }
            group = groups.pop() if len(groups) == 1 else None
            if group is not None:
                self._split_label(label, group)

    def _split_label(self, label: int, group: Shape) -> None:
        parts = tuple(range(self.fresh, self.fresh + len(group)))
        self.fresh += len(group)
        del self.sizes[label]
        self.sizes.update(zip(parts, group, strict=True))
        while found := next((f for f in self.factors if label in f[1]), None):
            self.factors.remove(found)
            expr, axes = found
            slot = axes.index(label)
            assert expr.primitive.unmerge is not None
            split = (*axes[:slot], *parts, *axes[slot + 1 :])
            self.absorb(expr.primitive.unmerge(expr, slot), split, False)
        self.resolve()

    def cancel_inverses(self) -> None:
        """A_ij (A⁻¹)_jk summed over j alone is δ_ik; likewise QᵀQ for orthogonal Q."""
        while True:
            pair = self._cancelling_pair()
            if pair is None:
                return
            first, second, shared, ends = pair
            self.factors = [f for k, f in enumerate(self.factors) if k not in (first, second)]
            del self.sizes[shared]
            self._unify(*ends)
            self.resolve()

    def _cancelling_pair(self) -> tuple[int, int, int, tuple[int, int]] | None:
        for k, (expr, axes) in enumerate(self.factors):
            inverse = expr.primitive.inverse
            if inverse is None or expr.ndim != 2:
                continue
            partner, transposed = inverse(expr)
            if partner is None:
                continue
            for other, (candidate, other_axes) in enumerate(self.factors):
                if other == k or candidate is not partner:
                    continue
                found = self._joined(axes, other_axes, expr, candidate, transposed)
                if found is not None:
                    return k, other, *found
        return None

    def _joined(
        self, axes: Labels, other: Labels, expr: Expr, partner: Expr, transposed: bool
    ) -> tuple[int, tuple[int, int]] | None:
        pairs = [(0, 0), (1, 1)] if transposed else [(1, 0), (0, 1)]
        if is_symmetric(expr) and is_symmetric(partner):
            pairs = [(0, 0), (0, 1), (1, 0), (1, 1)]
        for a, b in pairs:
            shared = axes[a]
            if shared != other[b] or shared in self.out:
                continue
            if sum(x.count(shared) for _, x in self.factors) == 2:
                return shared, (axes[1 - a], other[1 - b])
        return None

    def merge_powers(self) -> None:
        """Factors with one base and the same labels become one power."""
        if len(self.factors) < 2 and not any(is_symmetric(e) for e, _ in self.factors):
            return
        gathered, unsafe = self._gather_powers()
        if len(gathered) == len(self.factors):
            return
        pending: list[Factor] = []
        self.factors = []
        for (base, axes), exponent in gathered.items():
            if exponent < 0 and (base, axes) not in unsafe:
                pending.append((safe_power(base, exponent), axes))
            elif exponent:
                pending.append((power(base, exponent), axes))
        for expr, axes in pending:
            if is_contraction(expr):
                self._absorb_contraction(expr, axes, False)
            else:
                self.factors.append((expr, axes))

    def _gather_powers(self) -> tuple[dict[Factor, Fraction], set[Factor]]:
        """Exponents by base and labels, and the bases that stand below a fraction line as such."""
        gathered: dict[Factor, Fraction] = {}
        unsafe: set[Factor] = set()
        for expr, axes in self.factors:
            backwards = expr.ndim == 2 and axes[0] > axes[1] and is_symmetric(expr)
            base, exponent = base_and_exponent(expr)
            key = base, axes[::-1] if backwards else axes
            gathered[key] = gathered.get(key, ZERO) + exponent
            if exponent < 0 and not is_safe_power(expr):
                unsafe.add(key)
        for base, axes in list(gathered):
            square = base.primitive.square
            if square is not None and (twice := (square(base), axes)) in gathered:
                gathered[base, axes] += 2 * gathered.pop(twice)
                if twice in unsafe:
                    unsafe.add((base, axes))
        return gathered, unsafe

    def split_scalars(self, deep: bool) -> None:
        """Components without output labels become scalar factors; lost labels become sizes."""
        kept = set(self.out)
        used = {x for _, axes in self.factors for x in axes}
        lost = [x for x in self.sizes if x not in used and x not in kept]
        scalars: list[Expr] = []
        for label in lost:
            size = self.sizes[label]
            if isinstance(size, int):
                self.coefficient *= size
            else:
                scalars.append(size_scalar(size))
        if len(self.factors) + len(scalars) > 1 and used - kept:
            scalars += self._extract_components(kept)
        if not scalars:
            return
        for scalar in scalars:
            if is_contraction(scalar):
                self._absorb_contraction(scalar, (), False)
            else:
                self.factors.append((scalar, ()))
        self.merge_powers()

    def _extract_components(self, kept: set[int]) -> list[Expr]:
        closed = closed_components([axes for _, axes in self.factors], kept)
        scalars = [
            contract([self.factors[k][0] for k in g], [self.factors[k][1] for k in g], ())
            for g in closed
        ]
        taken = {k for g in closed for k in g}
        self.factors = [f for k, f in enumerate(self.factors) if k not in taken]
        return scalars

    def finish(self, shape: Shape) -> Expr:
        """The canonical node."""
        if len(self.factors) == 1:
            expr, axes = self.factors[0]
            distinct = len(set(axes)) == len(axes)
            if distinct and axes == self.out and self.coefficient == 1:
                return expr
            if distinct and is_sum(expr) and sorted(axes) == sorted(self.out):
                return _permuted_sum(expr, axes, self.out, self.coefficient)
            if is_contraction(expr):
                return self._rewrap(expr, axes)
        return _finished(self.factors, self.out, self.coefficient, shape)

    def _rewrap(self, core: Expr, axes: Labels) -> Expr:
        """A pattern around one summing contraction is that contraction with the pattern."""
        inner_labels, inner_out, inner = contraction_params(core)
        mapping = dict(zip(inner_out, axes, strict=True))
        for label in (x for labels in inner_labels for x in labels):
            if label not in mapping:
                mapping[label] = self.fresh
                self.fresh += 1
        labels = [tuple(mapping[x] for x in inner) for inner in inner_labels]
        live = {x: self.sizes[x] for x in self.out}  # a lost label has been counted already
        coefficient = self.coefficient * inner
        return contract(core.operands, labels, self.out, sizes=live, coefficient=coefficient)


def _finished(factors: Sequence[Factor], out: Labels, coefficient: Fraction, shape: Shape) -> Expr:
    """The node with factors and labels in canonical order."""
    symmetric = [e.ndim == 2 and is_symmetric(e) for e, _ in factors]
    ordered, numbered = canonical_order(factors, out, symmetric)
    single = len(ordered) == 1 and coefficient == 1 and ordered[0][1] == numbered
    if single and len(set(numbered)) == len(numbered):
        return ordered[0][0]
    return make(
        registry["contract"],
        tuple(e for e, _ in ordered),
        (tuple(axes for _, axes in ordered), numbered, coefficient),
        shape,
    )


def _through_linear_map(network: _Network) -> Expr | None:
    """A linear operation on deltas, met by other factors or sums, is the operation on them.

    Without this, the Jacobian of a reshape would be a dense array of zeros and ones.
    """
    for k, (expr, axes) in enumerate(network.factors):
        rule = expr.primitive.derivative
        if not isinstance(rule, Linear):
            continue
        operand = expr.operands[0]
        rank = rule.rank(expr)
        whole = _is_delta(operand, rank)
        if not (whole or has_delta(operand)):
            continue
        if len(set(axes)) < len(axes):
            continue  # a diagonal of the result
        rest = [f for j, f in enumerate(network.factors) if j != k]
        elsewhere = {x for _, a in rest for x in a}
        met = elsewhere | {x for x in axes if x not in network.out}
        if not met:
            continue  # scalars only: they stay outside
        lead = axes[: operand.ndim - rank]
        last = axes[len(lead) :]
        if _tied(operand, lead) & met and network.owns(last, elsewhere):
            inner_axes = tuple(range(network.fresh, network.fresh + rank))
            moved = [(operand, (*lead, *inner_axes)), *rest]
            return _mapped(
                network, moved, last, inner_axes, lambda x, e=expr, r=rule: r.apply(e, x)
            )
        joined = set(last) & met
        apart = rank or not set(last) & set(network.out)  # v ⊙ eₖ is no smaller as an operation
        if whole and joined and apart and network.owns(lead, elsewhere):
            return _mapped(network, rest, lead, last, lambda x, e=expr, r=rule: r.transpose(e, x))
    return None


def _tied(node: Expr, axes: Labels) -> set[int]:
    """Of the labels of a node's leading axes, those on which it has a delta."""
    if not is_contraction(node):
        return set()
    out = contraction_params(node)[1]
    return {x for x, inner in zip(axes, out, strict=False) if out.count(inner) > 1}


def _through_mask(network: _Network) -> Expr | None:
    """A product with what is masked is masked as a whole: 0 · ∞ is 0 where nothing is kept."""
    if len(network.factors) < 2:
        return None
    for k, (expr, axes) in enumerate(network.factors):
        rule = expr.primitive.derivative
        if not expr.primitive.masking or not isinstance(rule, Linear):
            continue
        last = axes[len(axes) - rule.rank(expr) :]
        if len(set(last)) < len(last) or not set(last) <= set(network.out):
            continue
        rest = [f for j, f in enumerate(network.factors) if j != k]
        used = {x for _, a in (*rest, (expr, axes)) for x in a}
        kept = tuple(x for x in dict.fromkeys(network.out) if x in used and x not in last)
        inner = contract(
            [expr.operands[0], *(e for e, _ in rest)],
            [axes, *(a for _, a in rest)],
            (*kept, *last),
            sizes={x: s for x, s in network.sizes.items() if x in used or x not in network.out},
        )
        return contract(
            [rule.apply(expr, inner)],
            [(*kept, *last)],
            network.out,
            sizes={x: network.sizes[x] for x in network.out},
            coefficient=network.coefficient,
        )
    return None


def _mapped(
    network: _Network,
    factors: Sequence[Factor],
    free: Labels,
    bound: Labels,
    operation: Callable[[Expr], Expr],
) -> Expr:
    """``operation`` on the product of factors: it takes axes ``bound`` to axes ``free``."""
    others = tuple(x for x in network.out if x not in free)
    inner = contract(
        [e for e, _ in factors],
        [a for _, a in factors],
        (*others, *bound),
        sizes={x: s for x, s in network.sizes.items() if x not in free},
        coefficient=network.coefficient,
    )
    count = len(others)
    position = {x: count + j for j, x in enumerate(free)}
    kept = iter(range(count))
    out = tuple(position[x] if x in position else next(kept) for x in network.out)
    return contract([operation(inner)], [range(count + len(free))], out)


def _is_delta(node: Expr, rank: int) -> bool:
    """Is the node δ of ``rank`` axes against ``rank`` axes?"""
    if not is_contraction(node) or node.operands:
        return False
    _, out, coefficient = contraction_params(node)
    return (
        coefficient == 1 and len(out) == 2 * rank and out[:rank] == out[rank:] == tuple(range(rank))
    )


def _distribute(network: _Network, shape: Shape, deep: bool) -> Expr | None:
    """Multiply out a factor that is a sum with delta terms, so that the deltas vanish."""
    if len(network.factors) == 1:
        axes = network.factors[0][1]
        if sorted(axes) == sorted(network.out) and len(set(axes)) == len(axes):
            return None  # a permutation is carried out in the sum's terms anyway
    for k, (expr, axes) in enumerate(network.factors):
        if not is_sum(expr) or len(expr.operands) > _DISTRIBUTION_CAP:
            continue
        if not any(map(hides_delta, expr.operands)):
            continue
        rest = network.factors[:k] + network.factors[k + 1 :]
        terms = [
            contract(
                [t, *(e for e, _ in rest)],
                [axes, *(a for _, a in rest)],
                network.out,
                sizes=network.sizes,
                deep=deep,
            )
            for t in expr.operands
        ]
        coefficients = [c * network.coefficient for c in coefficients_of(expr)]
        return add(terms, coefficients)
    return None


def _with(node: Expr, out: Labels, coefficient: Fraction) -> Expr:
    """The same network under another (distinct, used) output labelling and coefficient."""
    labels, old_out, old = contraction_params(node)
    if out == old_out:
        if coefficient == old:
            return node
        return make(registry["contract"], node.operands, (labels, out, coefficient), node.shape)
    size = dict(zip(old_out, node.shape, strict=True))
    shape = tuple(size[x] for x in out)
    return _finished(list(zip(node.operands, labels, strict=True)), out, coefficient, shape)


# ---------------------------------------------------------------- orientation and symmetry


def transpose(node: Expr) -> Expr:
    """The matrix transposed (other ranks stay as they are)."""
    if node.ndim != 2:
        return node
    return contract([node], [(0, 1)], (1, 0))


def is_symmetric(node: Expr) -> bool:
    """Is the node known to be a symmetric matrix?"""
    if node.ndim != 2 or node.shape[0] != node.shape[1]:
        return False
    if is_contraction(node) or is_sum(node):
        return flipped(node) is node
    known = node.facts.get("symmetric")
    if known is None:
        rule = node.primitive.symmetric
        if rule is None and node.primitive.elementwise:
            known = all(is_symmetric(o) for o in node.operands)
        else:
            known = rule is not None and rule(node)
        node.facts["symmetric"] = known
    return known


def is_upright(node: Expr) -> bool:
    """Is a matrix neither symmetric nor the one that is written as the transpose of another?"""
    return not is_symmetric(node) and not orient(node)[1]


def orient(node: Expr) -> tuple[Expr, bool]:
    """Of a matrix and its transpose, the canonical one, and whether it is the transpose."""
    if node.ndim != 2 or not (is_contraction(node) or is_sum(node)):
        return node, False
    other = flipped(node)
    if other is node:
        return node, False
    if not (is_contraction(other) or is_sum(other)) or _rank_of(other) < _rank_of(node):
        return other, True
    return node, False


def _rank_of(node: Expr) -> tuple[int, int]:
    """What orders a matrix and its transpose: the one with fewer transposes written is first.

    Of a sum it does not depend on scale and sign.
    """
    if not is_sum(node):
        return -_straight_ends(node), node.digest
    plain = coprime(node)[1]
    return -sum(map(_straight_ends, node.operands)), plain.digest


def _straight_ends(node: Expr) -> int:
    """How many of a matrix's two axes are an operand's own rows or columns."""
    if not is_contraction(node):
        return 2
    labels, (row, column), _ = contraction_params(node)
    matrices = [axes for axes in labels if len(axes) == 2]
    return sum(a[0] == row for a in matrices) + sum(a[1] == column for a in matrices)


def flipped(node: Expr) -> Expr:
    """The transpose of a matrix that is a sum or a contraction."""
    known = node.facts.get("transpose")
    if known is not None:
        return known
    if is_sum(node):
        other = _permuted_sum(node, (0, 1), (1, 0), ONE)
    else:
        labels, out, coefficient = contraction_params(node)
        if out[0] == out[1]:
            return node
        factors = list(zip(node.operands, labels, strict=True))
        other = _finished(factors, (out[1], out[0]), coefficient, node.shape[::-1])
    node.facts["transpose"] = other
    return other


# ---------------------------------------------------------------- sums


def add(terms: Sequence[Expr], coefficients: Sequence[Fraction | int] | None = None) -> Expr:
    """The linear combination of terms of one shape, with like terms gathered.

    Raises
    ------
    ShapeError
        If two shapes differ; the message names both.
    """
    shape = terms[0].shape
    gathered: dict[Expr, Fraction] = {}
    for k, term in enumerate(terms):
        if term.shape != shape and not fits(term.shape, shape):
            raise ShapeError(f"cannot add {format_shape(shape)} and {format_shape(term.shape)}")
        scale_by = ONE if coefficients is None else exact(coefficients[k])
        parts: Iterable[tuple[Expr, Fraction]]
        if is_sum(term) and len(term.operands) <= _INLINED_TERMS:
            parts = zip(term.operands, coefficients_of(term), strict=True)
        elif is_sum(term):
            plainest = min(coefficients_of(term), key=lambda c: abs(c.numerator) * c.denominator)
            parts = [(scaled_sum(term, 1 / plainest), plainest)]
        else:
            own, stripped = strip_coefficient(term)
            parts = [(stripped, own)]
        for part, c in parts:
            scaled, known = times(c, scale_by), gathered.get(part)
            gathered[part] = scaled if known is None else known + scaled
    left = sorted(((t, c) for t, c in gathered.items() if c), key=lambda tc: tc[0].digest)
    fewer = _summed(left) if len(left) > FEW_PARTS else None
    if fewer is not None:
        return add(*fewer)
    if not left:
        return zeros(shape)
    if len(left) == 1:
        return scale(left[0][1], left[0][0])
    numbers = Coefficients([c for _, c in left])
    return make(registry["add"], tuple([t for t, _ in left]), (numbers,), shape)


def _summed(terms: list[tuple[Expr, Fraction]]) -> tuple[list[Expr], list[Fraction]] | None:
    """The terms and coefficients of a sum of which an operation's nodes are joined."""
    for primitive in dict.fromkeys(t.primitive for t, _ in terms if t.primitive.summed is not None):
        assert primitive.summed is not None
        joined = primitive.summed([(t, c) for t, c in terms if t.primitive is primitive])
        if joined is not None:
            rest = [(t, c) for t, c in terms if t.primitive is not primitive]
            return [*(t for t, _ in rest), *joined], [*(c for _, c in rest), *([ONE] * len(joined))]
    return None


def scale(factor: Fraction | int, node: Expr) -> Expr:
    """A rational multiple."""
    if factor == 1:
        return node
    if factor == 0:
        return zeros(node.shape)
    if is_sum(node):
        return scaled_sum(node, Fraction(factor))
    if is_contraction(node):
        labels, out, coefficient = contraction_params(node)
        product = coefficient * factor
        if product == 1:
            return strip_coefficient(node)[1]
        return make(registry["contract"], node.operands, (labels, out, product), node.shape)
    axes = tuple(range(node.ndim))
    return make(registry["contract"], (node,), ((axes,), axes, Fraction(factor)), node.shape)


def _permuted_sum(node: Expr, axes: Labels, out: Labels, factor: Fraction) -> Expr:
    if axes == out:
        return scaled_sum(node, factor)
    terms = [contract([t], [axes], out) for t in node.operands]
    return add(terms, [c * factor for c in coefficients_of(node)])


# ---------------------------------------------------------------- powers


def power(base: Expr, exponent: Fraction | int) -> Expr:
    """Elementwise power with a constant rational exponent."""
    exponent = Fraction(exponent)
    if exponent == 1:
        return base
    if exponent == 0:
        return constant_like(1, base.shape)
    simpler = _power_of_constant(base, exponent) or _power_of_power(base, exponent)
    if simpler is None and base.primitive.power_rule is not None:
        simpler = base.primitive.power_rule(base, exponent)
    if simpler is None and is_contraction(base):
        simpler = _power_of_contraction(base, exponent, exponent.denominator == 1)
    if simpler is None and is_sum(base) and exponent.denominator == 1:
        factor = content(base)
        if factor != 1:
            return scale(factor**exponent.numerator, power(scale(1 / factor, base), exponent))
    if simpler is not None:
        return simpler
    core, turned = orient(base)
    if turned:
        return transpose(power(core, exponent))
    return make(registry["power"], (base,), (exponent,), base.shape)


def _power_of_constant(base: Expr, exponent: Fraction) -> Expr | None:
    value = constant_value(base)
    root = None if value is None else rational_power(value, exponent)
    return None if root is None else constant_like(root, base.shape)


def _power_of_power(base: Expr, exponent: Fraction) -> Expr | None:
    """(xᵃ)ᵇ = xᵃᵇ for a whole b, or a positive x."""
    whole = exponent.denominator == 1
    if is_safe_power(base) and whole:
        total = exponent_of(base) * exponent
        return (safe_power if exponent > 0 else power)(base.operands[0], total)
    if is_power(base) and (whole or is_positive(base.operands[0])):
        return power(base.operands[0], exponent_of(base) * exponent)
    return None


def _power_of_contraction(base: Expr, exponent: Fraction, whole: bool) -> Expr | None:
    labels, out, coefficient = contraction_params(base)
    if len(set(out)) < len(out) and exponent < 0:
        return None  # off the diagonal 0 ** -1: not a diagonal matrix
    used = {x for axes in labels for x in axes}
    sums = bool(used - set(out))
    distinct = tuple(x for x in dict.fromkeys(out) if x in used)
    sizes = dict(zip(out, base.shape, strict=True))
    if not sums and base.operands:
        root = rational_power(coefficient, exponent)
        if not whole:
            positive = all(is_positive(o) for o in base.operands) or (len(base.operands) == 1)
            if coefficient < 0 or root is None or not positive:
                root = None
        if root is not None and all(len(set(axes)) == len(axes) for axes in labels):
            powers = [power(o, exponent) for o in base.operands]
            return contract(powers, labels, out, sizes=sizes, coefficient=root)
    if distinct != out:  # the pattern floats outwards
        core = _with(base, distinct, coefficient)
        return contract([power(core, exponent)], [distinct], out, sizes=sizes)
    if sums and coefficient != 1:
        root = rational_power(coefficient, exponent)
        if root is not None and (whole or coefficient > 0):
            return scale(root, power(_with(base, out, ONE), exponent))
    return None


# ---------------------------------------------------------------- constants and leaves


def size_scalar(size: Size) -> Expr:
    """A size as a scalar expression."""
    if isinstance(size, int):
        return constant_like(size, ())
    terms: list[Expr] = []
    for monomial, coefficient in size.terms:
        leaves = [make(registry["size"], (), (name,), ()) for name in monomial]
        terms.append(contract(leaves, [()] * len(leaves), (), coefficient=coefficient))
    return add(terms)


def variable(
    name: str,
    shape: Shape,
    assumptions: frozenset[Assumption] = frozenset(),
    dtype: str = "real",
) -> Expr:
    """A variable; one assumed diagonal comes as its diagonal under a delta."""
    leaf = make(registry["variable"], (), (name, tuple(sorted(assumptions))), shape, dtype)
    if Assumption.DIAGONAL in assumptions:
        return contract([leaf], [(0, 0)], (0, 0))
    return leaf


# ---------------------------------------------------------------- declarations
