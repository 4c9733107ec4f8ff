"""Formulas whose derivatives are identities with a number, and how to recognise them.

Numbers without a book are those of section 5.5 of Deisenroth, Faisal and Ong, Mathematics for
Machine Learning (5.99 to 5.108), which the lecture repeats; the others are the Matrix Cookbook's
(November 15, 2012).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import permutations

from wengert.assumptions import Assumption
from wengert.derive import derivative
from wengert.errors import WengertError
from wengert.expr import Expr, rebuild, topological
from wengert.formula import build, elaborate
from wengert.operations.rebuild import with_operands
from wengert.operations.structural import (
    VARIABLE,
)
from wengert.printing import matrix_notation
from wengert.rewrite import display, recognise
from wengert.shapes import Shape

_MOST_VARIABLES = 6
_MOST_NODES = 40
_Key = tuple[tuple[int, ...], int, tuple[tuple[str, int], ...]]


@dataclass(frozen=True)
class Identity:
    """The derivative of a formula, under a number.

    Attributes
    ----------
    text : str
        The formula.
    wrt : str
        Its variable.
    number : str
        The number, with the book if it is not the lecture's.
    vectors : str
        Vectors whose letters would be scalars.
    symmetric : str
        Matrices that have to be symmetric.
    """

    text: str
    wrt: str
    number: str
    vectors: str = ""
    symmetric: str = ""

    def statement(self) -> str:
        """The identity, e.g. ``(5.106): ∂(aᵀXb)/∂X = abᵀ``."""
        function = self.expr(tuple((v, "vector") for v in self.vectors))
        leaf = next(v for v in _variables(function) if v.params[0] == self.wrt)
        result = display(derivative(function, [leaf]), [function])
        left = matrix_notation(_shown(function))
        right = matrix_notation(result, "row" if leaf.ndim == 1 else "matrix")
        if left is None or right is None or result.ndim > 2:
            return f"{self.number}: the derivative of {left}"
        return f"{self.number}: ∂({left})/∂{self.wrt} = {right}"

    def expr(self, shapes: tuple[tuple[str, str | Shape], ...]) -> Expr:
        """The formula's expression with these shapes."""
        return _read(self.text, shapes, self.symmetric)


@cache
def _read(text: str, shapes: tuple[tuple[str, str | Shape], ...], symmetric: str) -> Expr:
    assume = dict.fromkeys(symmetric, "symmetric")
    return recognise(build(elaborate(text, dict(shapes), assume)))


_QUADRATIC = "(x - A*s)'*W*(x - A*s)"

IDENTITIES = (
    Identity("X'", "X", "(5.99)"),
    Identity("tr(X)", "X", "(5.100)"),
    Identity("a'*inv(X)*b", "X", "(5.103)", vectors="ab"),
    Identity("x'*a", "x", "(5.104), (5.105)", vectors="a"),
    Identity("a'*X*b", "X", "(5.106)", vectors="ab"),
    Identity("x'*B*x", "x", "(5.107)"),
    Identity(_QUADRATIC, "s", "(5.108)", symmetric="W"),
    Identity("det(A*X*B)", "X", "Matrix Cookbook (51)"),
    Identity("log(det(X'*X))", "X", "Matrix Cookbook (55)"),
    Identity("a'*X*a", "X", "Matrix Cookbook (72)", vectors="a"),
    Identity("sum(X)^2", "X", "Matrix Cookbook (76)"),
    Identity("b'*X'*X*c", "X", "Matrix Cookbook (77)", vectors="bc"),
    Identity("(B*x + b)'*C*(D*x + c)", "x", "Matrix Cookbook (78)", vectors="bc"),
    Identity("b'*X'*D*X*c", "X", "Matrix Cookbook (82)", vectors="bc"),
    Identity("(X*b + c)'*D*(X*b + c)", "X", "Matrix Cookbook (83)", vectors="bc"),
    Identity("(x - s)'*W*(x - s)", "x", "Matrix Cookbook (85), (86)", symmetric="W"),
    Identity(_QUADRATIC, "x", "Matrix Cookbook (87)", symmetric="W"),
    Identity(_QUADRATIC, "A", "Matrix Cookbook (88)", symmetric="W"),
    Identity("tr(X*A)", "X", "Matrix Cookbook (100)"),
    Identity("tr(A*X*B)", "X", "Matrix Cookbook (101)"),
    Identity("tr(A*X'*B)", "X", "Matrix Cookbook (102)"),
    Identity("tr(X'*A)", "X", "Matrix Cookbook (103)"),
    Identity("tr(X*X)", "X", "Matrix Cookbook (106)"),
    Identity("tr(X*X*B)", "X", "Matrix Cookbook (107)"),
    Identity("tr(X'*B*X)", "X", "Matrix Cookbook (108)"),
    Identity("tr(A*inv(X)*B)", "X", "Matrix Cookbook (124)"),
    Identity("norm2(x - a)", "x", "Matrix Cookbook (129)", vectors="a"),
    Identity("(x - a)/norm2(x - a)", "x", "Matrix Cookbook (130)", vectors="a"),
    Identity("norm2(x)^2", "x", "Matrix Cookbook (131)"),
    Identity("norm2(X)^2", "X", "Matrix Cookbook (132)"),
)


def identity_of(function: Expr, leaf: Expr) -> Identity | None:
    """The identity that gives the derivative of a function, if there is one.

    Parameters
    ----------
    function : Expr
        In display form.
    leaf : Expr
        The variable.
    """
    if len(topological(function)) > _MOST_NODES:
        return None
    variables = _variables(function)
    if leaf not in variables or len(variables) > _MOST_VARIABLES:
        return None
    for identity in _by_key().get(_key(function, leaf), []):
        if any(_agrees(identity, function, names) for names in _namings(identity, variables, leaf)):
            return identity
    return None


def _namings(identity: Identity, variables: list[Expr], leaf: Expr) -> Iterator[dict[Expr, Expr]]:
    """The identity's variables, with the shapes of the function's, in place of these."""
    theirs = _variables(_template(identity))
    for order in permutations(theirs):
        if all(
            _stands_for(t, v, v is leaf, identity) for t, v in zip(order, variables, strict=True)
        ):
            yield {v: t for t, v in zip(order, variables, strict=True)}


def _stands_for(template: Expr, actual: Expr, wanted: bool, identity: Identity) -> bool:
    if template.ndim != actual.ndim or (template.params[0] == identity.wrt) != wanted:
        return False
    promised, given = set(template.param("assumptions")), set(actual.param("assumptions"))
    return promised == given - {Assumption.POSITIVE} if wanted else promised <= given


def _agrees(identity: Identity, function: Expr, names: dict[Expr, Expr]) -> bool:
    shapes = tuple(sorted((str(t.params[0]), v.shape) for v, t in names.items()))
    try:
        template = _shown(identity.expr(shapes))
        assumed = {str(v.params[0]): v for v in _variables(template)}
        memo = {v: assumed[str(t.params[0])] for v, t in names.items()}
        return _shown(rebuild(function, with_operands, memo)) is template
    except (WengertError, KeyError):
        return False


def _template(identity: Identity) -> Expr:
    return _shown(identity.expr(tuple((v, "vector") for v in identity.vectors)))


def _shown(expr: Expr) -> Expr:
    """Display form, with the sums as they are written."""
    return display(expr, [expr])


def _variables(expr: Expr) -> list[Expr]:
    return [n for n in topological(expr) if n.primitive is VARIABLE]


@cache
def _by_key() -> dict[_Key, list[Identity]]:
    found: dict[_Key, list[Identity]] = {}
    for identity in IDENTITIES:
        template = _template(identity)
        leaf = next(v for v in _variables(template) if v.params[0] == identity.wrt)
        found.setdefault(_key(template, leaf), []).append(identity)
    return found


def _key(function: Expr, leaf: Expr) -> _Key:
    """What does not change when variables are renamed."""
    nodes = topological(function)
    ranks = sorted(n.ndim for n in nodes if n.primitive is VARIABLE)
    return tuple(ranks), leaf.ndim, tuple(sorted(Counter(n.name for n in nodes).items()))
