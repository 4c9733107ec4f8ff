"""The form that a person would write: flat products, like terms gathered, common factors out.

Derivation keeps a light form, in which sharing survives and the modes may differ in association.
Here products are flattened, sums *created by differentiation* are multiplied out, and the terms
are gathered and factored again, so that every mode prints the same. Sums that the user wrote (and
those of local derivatives, like 1 − t²) stay whole, unless multiplying them out makes terms
cancel. All of it under caps, beyond which the light form stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from fractions import Fraction

from wengert.expr import Expr, rebuild, topological
from wengert.operations.algebra import (
    add,
    contract,
    flipped,
    orient,
    power,
    scale,
)
from wengert.operations.apply import apply
from wengert.operations.binary_functions import XLOGY
from wengert.operations.build import mul
from wengert.operations.labelling import Labels
from wengert.operations.rebuild import with_operands
from wengert.operations.scalar_functions import LOG
from wengert.operations.structural import (
    ADD,
    CONTRACT,
    POWER,
    SAFE_POWER,
)
from wengert.operations.structure import (
    base_and_exponent,
    coefficients_of,
    contraction_params,
    exponent_of,
)
from wengert.primitive import Partials
from wengert.rewrite.collect import as_product, collect
from wengert.rewrite.quotients import cancel_quotients

_TERM_CAP = 64  # terms of a sum that is multiplied out
_FLAT_CAP = 24  # factors of a flat product
_NODE_CAP = 500  # nodes of an expression that is simplified at all


def display(root: Expr, written: Iterable[Expr] = (), passed: Iterable[Expr] = ()) -> Expr:
    """The expression as a person would write it; equal in value, found in one pass.

    Parameters
    ----------
    root : Expr
        What to show.
    written : iterable of Expr
        Expressions whose sums are kept whole: the formula that a derivative came from.
    passed : iterable of Expr
        Expressions the sums of whose local derivatives are kept whole (1 − t² of a tanh).
    """
    if len(topological(root)) > _NODE_CAP:
        return root
    root = rebuild(root, _on_paper, {})
    written = list(written)
    return _Simplifier(atomic_sums(written, [*written, *passed]), root).run(root)


def _on_paper(node: Expr, operands: tuple[Expr, ...]) -> Expr:
    """Functions that only mend a value at one point, as they are without: xᶻ log x, 1/‖x‖."""
    if node.primitive is XLOGY:
        return mul(operands[0], apply(LOG, operands[1]))
    if node.primitive is SAFE_POWER:
        return power(operands[0], exponent_of(node))
    return with_operands(node, operands)


def atomic_sums(written: Iterable[Expr], passed: Iterable[Expr]) -> set[Expr]:
    """Sums in expressions, and in the local derivatives of others' nodes."""
    found = {normalized_sum(n) for n in topological(*written) if n.primitive is ADD}
    for node in topological(*passed):
        rule = node.primitive.derivative
        if isinstance(rule, Partials) and node.primitive is not POWER:
            for partial in rule.functions:
                local = topological(partial(node, *node.operands))
                found.update(normalized_sum(n) for n in local if n.primitive is ADD)
    return found


def normalized_sum(node: Expr) -> Expr:
    """A sum as it is when a factor: canonical orientation, coprime coefficients."""
    core = orient(node)[0]
    return scale(1 / coefficients_of(core).content, core)


class _Simplifier:
    """One pass, operands first.

    Within a region of sums and products, everything is flattened and multiplied out, so that its
    form does not depend on how it was associated; where the region ends (the root, an operand of
    a function, a sum that is kept) terms cancel and common factors are taken out.
    """

    def __init__(self, atoms: set[Expr], root: Expr) -> None:
        self.atoms = atoms
        self.kept: set[Expr] = set()
        self.ends = {root}
        for node in topological(root):
            if node.primitive not in (ADD, CONTRACT):
                self.ends.update(node.operands)

    def run(self, root: Expr) -> Expr:
        return rebuild(root, self._transform, {})

    def _transform(self, node: Expr, operands: tuple[Expr, ...]) -> Expr:
        if node.primitive is CONTRACT:
            shown = multiply_out(self._flatten(node, operands), self.kept, _TERM_CAP)
        else:
            shown = with_operands(node, operands)
        atom = node.primitive is ADD and normalized_sum(node) in self.atoms
        if atom or node in self.ends:
            shown = finished(shown)
            if shown.primitive is ADD and (atom or normalized_sum(shown) in self.atoms):
                self.kept.add(normalized_sum(shown))
        return shown

    def _flatten(self, node: Expr, operands: tuple[Expr, ...]) -> Expr:
        factors = sum(len(o.operands) if o.primitive is CONTRACT else 1 for o in operands)
        return cancel_quotients(with_operands(node, operands, deep=factors <= _FLAT_CAP))


def finished(node: Expr) -> Expr:
    """Terms cancelled and common factors taken out."""
    if node.primitive is ADD:
        node = add([_with_finished_scalars(t) for t in node.operands], coefficients_of(node))
    elif node.primitive is CONTRACT:
        node = _with_finished_scalars(cancel_quotients(node))
    if node.primitive not in (ADD, CONTRACT, POWER):
        return node
    return collect(_cancelled(node))


def _with_finished_scalars(node: Expr) -> Expr:
    """The product with its scalar factors finished: each is a sum or product of its own."""
    if node.primitive is not CONTRACT or len(node.operands) < 2:
        return node
    operands = tuple(finished(o) if not o.ndim else o for o in node.operands)
    return node if operands == node.operands else with_operands(node, operands, deep=True)


def multiply_out(node: Expr, kept: set[Expr], cap: int) -> Expr:
    """Distribute a product over its factors that are sums, but for those in ``kept``."""
    if node.primitive is ADD:
        parts = [multiply_out(t, kept, cap) for t in node.operands]
        return add(parts, coefficients_of(node))
    if node.primitive is CONTRACT:
        inner = tuple(multiply_out(o, kept, cap) if not o.ndim else o for o in node.operands)
        if inner != node.operands:
            node = with_operands(node, inner, deep=True)
            if node.primitive is not CONTRACT:
                return multiply_out(node, kept, cap)
    operands, labels, out = as_product(node)
    open_factors = [k for k, o in enumerate(operands) if _opens(o, kept)]
    if not open_factors or _expanded_count(operands, kept) > cap:
        return node
    k = open_factors[0]
    coefficient = contraction_params(node)[2] if node.primitive is CONTRACT else Fraction(1)
    base, exponent = base_and_exponent(operands[k])
    rest = [(o, a) for j, (o, a) in enumerate(zip(operands, labels, strict=True)) if j != k]
    rest += [(base, labels[k])] * (int(exponent) - 1)
    sizes = dict(zip(out, node.shape, strict=True))
    parts = _grouped(base, kept)
    terms: list[Expr] = []
    for term, _ in parts:
        product = contract(
            [term, *(o for o, _ in rest)],
            [labels[k], *(a for _, a in rest)],
            out,
            sizes=sizes,
            deep=True,
        )
        terms.append(multiply_out(product, kept, cap))
    return add(terms, [c * coefficient for _, c in parts])


def _grouped(total: Expr, kept: set[Expr]) -> list[tuple[Expr, Fraction]]:
    """The terms of a sum, where those that make up a kept sum are put together again.

    A kept sum that is a term of another dissolves in it; which ones do depends on the mode.
    """
    left = dict(zip(total.operands, coefficients_of(total), strict=True))
    groups: list[tuple[Expr, Fraction]] = []
    for atom in sorted(kept, key=lambda a: (-len(a.operands), a.digest)):
        for form in (atom,) if atom.ndim != 2 else (atom, flipped(atom)):
            if form.primitive is not ADD or form.shape != total.shape:
                continue
            ratios = {
                left[t] / c if t in left else None
                for t, c in zip(form.operands, coefficients_of(form), strict=True)
            }
            ratio = ratios.pop()
            if not ratios and ratio is not None:
                groups.append((form, ratio))
                for t in form.operands:
                    del left[t]
    return [*groups, *left.items()]


def _opens(factor: Expr, kept: set[Expr]) -> bool:
    base, exponent = base_and_exponent(factor)
    if base.primitive is not ADD or base in kept:
        return False
    return exponent == 1 or (exponent.denominator == 1 and 1 < exponent <= 3)


def _expanded_count(operands: tuple[Expr, ...], kept: set[Expr]) -> int:
    """How many terms the product has when it is multiplied out."""
    count = 1
    for factor in operands:
        if _opens(factor, kept):
            base, exponent = base_and_exponent(factor)
            count *= len(base.operands) ** int(exponent)
    return count


# ---------------------------------------------------------------- cancellation


def _cancelled(node: Expr) -> Expr:
    """The node multiplied out altogether, if terms gather so that it becomes shorter."""
    terms = node.operands if node.primitive is ADD else (node,)
    products = [as_product(t) for t in terms]
    if not any(_opens(o, set()) for operands, _, _ in products for o in operands):
        return node
    count = sum(_expanded_count(operands, set()) for operands, _, _ in products)
    if count > _TERM_CAP or not (_may_gather(terms) or any(map(_sums_ones, products))):
        return node
    opened = multiply_out(node, set(), _TERM_CAP)
    if opened.primitive is ADD and len(opened.operands) >= count:
        return node  # nothing gathered
    return opened if cost(collect(opened)) < cost(collect(node)) else node


def _sums_ones(product: tuple[tuple[Expr, ...], tuple[Labels, ...], Labels]) -> bool:
    """Is a sum taken over an index on which a term of a factor does not depend?"""
    operands, labels, out = product
    return any(
        _is_constant_along_an_axis(term)
        for factor, axes in zip(operands, labels, strict=True)
        if factor.primitive is ADD and any(x not in out for x in axes)
        for term in factor.operands
    )


def _is_constant_along_an_axis(node: Expr) -> bool:
    if node.primitive is not CONTRACT:
        return False
    labels, out, _ = contraction_params(node)
    used = {x for axes in labels for x in axes}
    return any(x not in used and out.count(x) == 1 for x in out)


def _may_gather(terms: tuple[Expr, ...]) -> bool:
    """Do two terms of the expansion have the same factors?"""
    seen: set[tuple[int, ...]] = set()
    for term in terms:
        for signature in _signatures(term):
            if signature in seen:
                return True
            seen.add(signature)
    return False


def _signatures(term: Expr) -> list[tuple[int, ...]]:
    """The factors of each term of the expansion, as sorted digests."""
    found: list[Counter[int]] = [Counter()]
    for operand in as_product(term)[0]:
        base, exponent = base_and_exponent(operand)
        if base.primitive is ADD and _opens(operand, set()):
            choices = [_factor_digests(t) for t in base.operands]
            for _ in range(int(exponent)):
                found = [f + c for f in found for c in choices][: 4 * _TERM_CAP]
        else:
            found = [f + _factor_digests(operand) for f in found]
    return [tuple(sorted(f.elements())) for f in found]


def _factor_digests(node: Expr) -> Counter[int]:
    total: Counter[int] = Counter()
    stack = [node]
    while stack:
        item = stack.pop()
        if item.primitive is CONTRACT:
            stack.extend(item.operands)
        elif item.primitive is POWER and exponent_of(item).denominator == 1:
            number = int(exponent_of(item))
            base = item.operands[0]
            if 0 < number < 4:
                stack.extend([base] * number)
            else:
                total[item.digest] += 1
        else:
            total[item.digest] += 1
    return total


def cost(node: Expr) -> int:
    """How long the expression is when written: operand places of the tree, shared ones too."""
    memo: dict[Expr, int] = {}
    for item in topological(node):
        memo[item] = min(1 + sum(memo[o] for o in item.operands), 10**9)
    return memo[node]
