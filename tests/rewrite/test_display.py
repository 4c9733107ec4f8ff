"""The display form: equal in value, idempotent, the same however a formula was written down, and
zero for what is zero."""

from __future__ import annotations

import functools
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wengert as wg
from drawing import examples
from operations.expressions import Sample, samples
from operations.networks import SIZES, Network, leaves, nested, networks, operands
from operations.support import MODES, assert_close, evaluate
from wengert.derive import derivative
from wengert.expr import Expr
from wengert.operations import (
    add,
    constant,
    contract,
    elementwise,
    identity,
    inv,
    matmul,
    mul,
    norm2,
    outer,
    plus,
    power,
    scale,
    softmax,
    sub,
    sum_,
    trace,
    transpose,
    variable,
    zeros,
)
from wengert.operations.structure import (
    is_zero,
)
from wengert.rewrite import display

VALUES, POOL = operands()
LEAVES = {k: o.expr for k, o in leaves()[1].items()}
FEW = [o for o in POOL if o.expr in (LEAVES["A"], LEAVES["x"], LEAVES["S"], LEAVES["y"])]


def value(expr: Expr) -> Any:
    return evaluate(expr, VALUES)


def tame(array: Any) -> bool:
    return bool(np.isfinite(array).all() and np.abs(array).max(initial=0) < 1e8)


# ------------------------------------------------------------------ sound


@given(samples(kinks=True))
@examples(200)
def test_display_keeps_the_value(sample: Sample) -> None:
    if sample.tame:
        root, values = sample.pair.expr, sample.values
        assert_close(evaluate(display(root), values), sample.expected, 1e-6)
        assert_close(evaluate(display(root, [root]), values), sample.expected, 1e-6)


@given(samples(depth=4, ranks=(0, 0, 1)), st.data())
@examples(100)
def test_display_of_hessians_keeps_the_value(sample: Sample, data: st.DataObject) -> None:
    if not sample.tame or not sample.depends_on:
        return
    root, values = sample.pair.expr, sample.values
    name = data.draw(st.sampled_from(sample.depends_on))
    leaf = variable(name, values[name].shape)
    mode = data.draw(st.sampled_from(MODES))
    first = derivative(root, [leaf], mode)
    second = derivative(first, [leaf], mode)
    expected = evaluate(second, values)
    if tame(expected):
        shown = display(second, [root], [root, first])
        assert_close(evaluate(shown, values), expected, 1e-6)
        assert_close(evaluate(display(second), values), expected, 1e-6)


@given(nested(POOL))
@examples(300)
def test_display_of_networks_keeps_the_value(operand: Any) -> None:
    if tame(operand.array):
        assert_close(value(display(operand.expr)), operand.array, 1e-7)


@given(st.lists(networks(FEW, most=4, rank=2, free=False), min_size=2, max_size=4), st.data())
@examples(400)
def test_display_of_sums_of_products_keeps_the_value(
    terms: list[Network], data: st.DataObject
) -> None:
    """Few names, so that common factors abound."""
    first = terms[0]
    rank = len(first.out)
    same = [
        Network(t.operands, t.labels, first.out, first.kinds, t.coefficient)
        for t in terms
        if set(first.out) <= {x for axes in t.labels for x in axes} or not rank
    ]
    same = same or [first]
    total = add([t.build() for t in same])
    expected = sum(t.expected for t in same)
    scale_ = max(np.abs(t.expected).max(initial=1.0) for t in same)
    assert np.abs(value(display(total)) - expected).max(initial=0.0) <= 1e-9 * scale_


QUOTIENTS = {
    "summed": lambda A, x: contract([A, x, power(matmul(A, x), -1)], [(0, 1), (1,), (0,)], ()),
    "kept": lambda A, x: contract([A, x, power(matmul(A, x), -1)], [(0, 1), (1,), (0,)], (0,)),
    "turned": lambda A, x: contract([A, x, power(matmul(A, x), -1)], [(1, 0), (1,), (0,)], (0,)),
    "square": lambda A, x: contract([A, x, power(matmul(A, x), -2)], [(0, 1), (1,), (0,)], (0,)),
    "shared": lambda A, x: contract(
        [A, x, x, power(matmul(A, x), -1)], [(0, 1), (1,), (1,), (0,)], (0,)
    ),
    "twice": lambda A, x: contract(
        [A, x, A, x, power(matmul(A, x), -1)], [(0, 1), (1,), (0, 2), (2,), (0,)], (0,)
    ),
    "elsewhere": lambda A, x: contract(
        [A, x, power(matmul(A, x), -1)], [(0, 1), (1,), (2,)], (0, 2)
    ),
    "scalar": lambda A, x: contract(
        [x, A, x, power(contract([x, A, x], [(0,), (0, 1), (1,)], ()), -1)],
        [(0,), (0, 1), (1,), ()], (),
    ),
    "diagonal": lambda A, x: contract([A, x, power(matmul(A, x), -1)], [(0, 0), (0,), (0,)], (0,)),
    "weighted": lambda A, x: contract(
        [A, x, x, power(matmul(A, x), -1)], [(0, 1), (1,), (0,), (0,)], ()
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", QUOTIENTS)
def test_quotients_cancel_only_where_they_are_quotients(case: str) -> None:
    node = QUOTIENTS[case](LEAVES["A"], LEAVES["x"])
    expected = value(node)
    assert_close(value(display(node)), expected)
    deep = contract([node], [tuple(range(node.ndim))], tuple(range(node.ndim)), deep=True)
    assert_close(value(display(deep)), expected)


# ------------------------------------------------------------------ idempotent


@given(samples(depth=5, kinks=True))
@examples(200)
def test_display_is_idempotent(sample: Sample) -> None:
    shown = display(sample.pair.expr)
    assert display(shown) is shown


@given(samples(depth=4, ranks=(0, 0, 1)), st.data())
@examples(150)
def test_display_of_derivatives_is_idempotent(sample: Sample, data: st.DataObject) -> None:
    if not sample.depends_on:
        return
    root = sample.pair.expr
    name = data.draw(st.sampled_from(sample.depends_on))
    leaf = variable(name, sample.values[name].shape)
    found = derivative(root, [leaf], data.draw(st.sampled_from(MODES)))
    plain = display(found)
    assert display(plain) is plain


# ------------------------------------------------------------------ order does not matter

FACTORS = ["A", "C", "A'", "C'", "S", "Ai"]


def _factor(name: str) -> Expr:
    n = 3
    A, C = variable("A", (n, n)), variable("C", (n, n))
    S = LEAVES["S"]
    return {"A": A, "C": C, "A'": transpose(A), "C'": transpose(C), "S": S, "Ai": inv(A)}[name]


Word = tuple[str, ...]


def _written(word: Word, random: Any) -> Expr:
    """The product of a word applied to x, associated at random."""
    parts = [_factor(f) for f in word] + [variable("x", (3,))]
    while len(parts) > 1:
        k = random.randrange(len(parts) - 1)
        parts[k : k + 2] = [matmul(parts[k], parts[k + 1])]
    return parts[0]


def _sum(words: list[tuple[Word, Fraction]], random: Any) -> Expr:
    """The sum of words, in random order and association, coefficients split at random."""
    parts: list[Expr] = []
    for word, c in words:
        if random.random() < 0.3:
            parts += [scale(c - 1, _written(word, random)), _written(word, random)]
        else:
            parts.append(scale(c, _written(word, random)))
    random.shuffle(parts)
    while len(parts) > 1:
        k = random.randrange(len(parts) - 1)
        pair = parts[k : k + 2]
        parts[k : k + 2] = [add(pair if random.random() < 0.5 else pair[::-1])]
    return parts[0]


WORDS = st.lists(
    st.tuples(
        st.lists(st.sampled_from(FACTORS), min_size=0, max_size=4).map(tuple),
        st.sampled_from([Fraction(1), Fraction(2), Fraction(-1), Fraction(1, 2)]),
    ),
    min_size=1,
    max_size=5,
)


@given(WORDS, st.randoms(use_true_random=False))
@examples(200)
def test_the_form_does_not_depend_on_how_it_was_written(words: Any, random: Any) -> None:
    one, two = (display(_sum(words, random)) for _ in range(2))
    values = {**VALUES, "C": VALUES["A"].T - 0.5}
    assert_close(evaluate(one, values), evaluate(two, values), 1e-8)
    assert one is two


@given(WORDS, st.randoms(use_true_random=False))
@examples(100)
def test_nor_does_the_derivative_of_a_quadratic(words: Any, random: Any) -> None:
    """x'(Σ words)x and its gradients: one form for every way of writing."""
    x = variable("x", (3,))
    forms = set()
    for _ in range(2):
        root = matmul(x, _sum(words, random))
        mode = random.choice(MODES)
        forms.add(display(derivative(root, [x], mode)))
    values = {**VALUES, "C": VALUES["A"].T - 0.5}
    first, *others = [evaluate(f, values) for f in forms]
    for other in others:
        assert_close(first, other, 1e-8)
    assert len(forms) == 1


@given(st.permutations(range(4)), st.permutations(range(3)))
@settings(max_examples=30)
def test_layers_written_in_any_order(terms: list[int], factors: list[int]) -> None:
    A, x, y, s = (LEAVES[k] for k in "Axys")
    parts = [matmul(A, x), mul(x, y), elementwise("tanh", x), y]
    total = functools.reduce(lambda a, b: add([a, b]), [parts[k] for k in terms])
    heads = [elementwise("exp", total), scale(3, y), x]
    product = functools.reduce(mul, [heads[k] for k in factors])
    root = mul(s, sum_(product))
    straight = mul(s, sum_(mul(elementwise("exp", add(parts)), scale(3, y), x)))
    assert display(root) is display(straight)
    for mode in MODES:
        shown = display(derivative(root, [x], mode), [root])
        assert shown is display(derivative(straight, [x], "reverse"), [straight])


# ------------------------------------------------------------------ disguised zeros

ZEROS = {
    "x'(A - A')x": "x'*(A - A')*x",
    "difference of squares": "(x + z)'*(x - z) - x'*x + z'*z",
    "cyclic trace": "tr(A*B) - tr(B*A)",
    "cyclic trace of three": "tr(A*B*C) - tr(C*A*B)",
    "inverse": "inv(A)*A - eye(n)",
    "inverse on the right": "A*inv(A) - eye(n)",
    "binomial": "(a + b)^2 - a^2 - 2*a*b - b^2",
    "binomial cubed": "(a + b)^3 - a^3 - 3*a^2*b - 3*a*b^2 - b^3",
    "matrix binomial": "(A + B)*(A + B) - A*A - A*B - B*A - B*B",
    "norm": "norm2(x)^2 - x'*x",
    "norm of a difference": "norm2(x - y)^2 - x'*x + 2*x'*y - y'*y",
    "frobenius": "tr(A'*A) - norm2(A)^2",
    "transpose of a product": "(A*B)' - B'*A'",
    "vec": "vec(A)'*vec(B) - tr(A'*B)",
    "kron and outer": "x*y' - (y*x')'",
    "diag": "diag(x)*y - x.*y",
    "sum": "sum(x) - vector(1)'*x",
    "scalar transpose": "x'*A*y - y'*A'*x",
    "trace of an outer product": "tr(x*y') - y'*x",
    "quotient": "(x.*y)./y - x",
    "power": "(x.^2).*x - x.^3",
    "sandwich": "x'*A*x*a - a*x'*A'*x",
    "distributed": "A*(x + y) - A*x - A*y",
    "distributed scalar": "a*(x + y) - a*x - a*y",
    "nested": "exp((x + y)'*(x + y) - x'*x - 2*x'*y - y'*y) - 1",
    "logarithm": "log(exp(a)) - a",
    "inverse of a product with a scalar": "inv(2*A) - inv(A)/2",
    "inverse of the transpose": "inv(A)' - inv(A')",
    "double inverse": "inv(inv(A)) - A",
    "sum of a hadamard product": "sum(x.*y) - x'*y",
    "symmetrised quadratic": "x'*(A + A')*x - 2*x'*A*x",
    "softmax adds up": "0*sum(softmax(x)) + 0",
    "mean": "mean(x) - sum(x)/n",
    "same chain": "(A*B)*(C*x) - A*((B*C)*x)",
}


@pytest.mark.parametrize("name", ZEROS)
def test_disguised_zeros_are_zero(name: str) -> None:
    text = ZEROS[name]
    square = {k: ("n", "n") for k in "ABC" if k in text}
    shapes: dict[str, Any] = dict(square)
    if "n" in text.split("/")[-1:] or name == "mean":
        shapes["x"] = ("n",)
    f = wg.formula(
        text if name != "mean" else "mean(x) - sum(x)/3",
        {**square, "x": (3,)} if name == "mean" else square or None,
    )
    assert f.is_zero, str(f)
    assert str(f) == "0"
    assert is_zero(f.shown)


@pytest.mark.parametrize("mode", MODES)
def test_disguised_zeros_in_derivatives(mode: str) -> None:
    for text, wrt in [
        ("x'*(A - A')*x", "x"),
        ("tr(A*B) - tr(B*A)", "A"),
        ("norm2(x)^2 - x'*x", "x"),
        ("(a + b)^2 - a^2 - 2*a*b - b^2", "a"),
        ("log(exp(a)) - a", "a"),
        ("tr(A*inv(A))", "A"),
        ("sum(diag(x)*y - x.*y)", "x"),
    ]:
        for order in (1, 2):
            g = wg.formula(text).derivative(wrt, order=order, mode=mode)
            assert str(g) == "0", f"{text}: {g}"


def test_what_is_no_zero_is_not_shown_as_zero() -> None:
    for text in (
        "x'*(A - B)*x", "tr(A*B*C) - tr(A*C*B)", "(a + b)^2 - a^2 - b^2", "A*B - B*A",
        "inv(A)*B - eye(n)",
        "(x.^2).^0.5 - x", "exp(a)*exp(b) - exp(a)", "norm2(x) - norm1(x)", "A.*inv(A) - eye(n)",
    ):  # fmt: skip
        square = {k: ("n", "n") for k in "ABC" if k in text}
        assert not wg.formula(text, square or None).is_zero, text


def test_display_of_leaves_and_constants() -> None:
    x = LEAVES["x"]
    for node in (x, zeros((3,)), identity(3), constant(Fraction(2, 3)), scale(-2, x)):
        assert display(node) is node


def test_what_a_person_wrote_stays_whole() -> None:
    f = wg.formula("norm2(X*w - y)^2")
    assert str(f.derivative("w")) == "2(Xw − y)ᵀX"
    x, y = LEAVES["x"], LEAVES["y"]
    root = matmul(add([x, y]), add([x, y]))
    assert_close(value(display(root, [root])), value(root))
    shown = display(derivative(root, [x]), [root])
    assert shown is scale(2, add([x, y]))


def test_expressions_beyond_the_caps_keep_their_value() -> None:
    """Very many terms and factors: the light form stays, the value too."""
    A, x, y = (LEAVES[k] for k in "Axy")
    long_sum = add([elementwise("sin", scale(k, x)) for k in range(1, 90)])
    product = mul(*[add([x, scale(k, y)]) for k in range(1, 9)])
    chain = x
    for _ in range(40):
        chain = matmul(A, chain)
    for node in (long_sum, mul(long_sum, long_sum), product, chain, mul(long_sum, product)):
        assert_close(value(display(node)), value(node), 1e-7)
        shown = display(node)
        assert display(shown) is shown


def test_symbolic_sizes_survive() -> None:
    from wengert.shapes import symbol

    n = symbol("n")
    A, x = variable("A", (n, n)), variable("x", (n,))
    nodes = [
        trace(matmul(A, inv(A))),
        sum_(plus(constant(1), x)),
        mul(trace(identity(n)), norm2(x)),
        matmul(add([A, identity(n)]), softmax(x)),
        outer(x, matmul(A, x)),
    ]
    values = {"A": VALUES["A"], "x": VALUES["x"]}
    for node in nodes:
        expected = evaluate(node, values, sizes=SIZES)
        assert_close(evaluate(display(node), values, sizes=SIZES), expected)
    assert_close(evaluate(display(nodes[0]), values, sizes=SIZES), 3.0)


def test_subtraction_of_equal_displays() -> None:
    """display(a − b) is zero if a and b display alike (for sums of products)."""
    A, S, x = LEAVES["A"], LEAVES["S"], LEAVES["x"]
    left = matmul(x, matmul(add([A, S]), x))
    right = add([matmul(matmul(x, A), x), matmul(x, matmul(S, x))])
    assert display(left) is display(right)
    assert is_zero(display(sub(left, right)))
