"""What a case of the corpus says, and a short way to write one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

DOMAINS = frozenset(
    {
        "real",  # uniform in -1.5..1.5, at least 0.1 away from 0 (the default)
        "positive",  # uniform in 0.3..2
        "large",  # uniform in 3..5
        "unit",  # uniform in -0.9..0.9
        "probability",  # a scalar in 0.05..0.95; else positive, the last axis sums to 1
        "labels",  # -1 or +1
        "mask",  # 0 or 1, at least one of each
        "onehot",  # one 1 in each row, the rest 0
        "counts",  # 0, 1, 2, 3 or 4
        "spd",  # symmetric positive definite, well conditioned
        "invertible",  # rows dominated by a positive diagonal, so that the determinant is positive
        "symmetric",
        "diagonal",  # entries as in "positive" on the diagonal, 0 off it
        "orthogonal",
    }
)

#: What a variable of each assumption is drawn from, if its domain is not stated.
DOMAIN_OF_ASSUMPTION = {
    "symmetric": "symmetric",
    "positive definite": "spd",
    "diagonal": "diagonal",
    "orthogonal": "orthogonal",
    "positive": "positive",
}


@dataclass(frozen=True, eq=False)
class Case:
    """One formula, where it comes from, how to draw its variables and what is known about it.

    Parameters
    ----------
    id
        Unique, lower case.
    text
        The formula.
    wrt
        Each variable to differentiate with respect to (one at a time).
    sizes
        The concrete shape of every variable, for evaluation: ``{"X": (4, 3), "w": (3,), "c": ()}``.
    source
        The book and equation, the lecture, the site, or the practice that the formula is from.
    shapes
        Declared shapes, of names and numbers: ``{"b": ("m",), "t": ()}``. A variable that is not
        here has its letter's shape: a..g scalars, h..z vectors, A..Z matrices. Every variable of
        more than one letter is here.
    assume
        Variable to assumption: ``{"W": "symmetric"}``. The derivative with respect to a variable
        assumed symmetric (or positive definite) is the unconstrained one projected on the symmetric
        matrices, (G + Gᵀ)/2; diagonal likewise.
    domain
        Variable to one of `DOMAINS`; default: its assumption's, or ``"real"``. A domain is not an
        assumption: a variable drawn from ``"spd"`` and not assumed so is a general matrix.
    known
        Variable to the formula of the derivative with respect to it, in the same language, with
        the same shapes. Its array has the derivative's shape, outputs first; the gradient of a
        scalar in a vector is written as a row.
    known_orientation
        How ``known`` differs from what the source prints (a transpose, a projection).
    """

    id: str
    text: str
    wrt: tuple[str, ...]
    sizes: Mapping[str, tuple[int, ...]]
    source: str
    shapes: Mapping[str, tuple[str | int, ...]] = field(default_factory=dict)
    assume: Mapping[str, str] = field(default_factory=dict)
    domain: Mapping[str, str] = field(default_factory=dict)
    known: Mapping[str, str] = field(default_factory=dict)
    known_orientation: str = ""

    def __post_init__(self) -> None:
        named = {*self.wrt, *self.shapes, *self.assume, *self.domain, *self.known}
        if missing := named - set(self.sizes):
            raise ValueError(f"{self.id}: no size for {sorted(missing)}")
        if not self.wrt or not set(self.known) <= set(self.wrt):
            raise ValueError(f"{self.id}: `known` speaks of {sorted(self.known)}, wrt {self.wrt}")
        if wrong := set(self.domain.values()) - DOMAINS:
            raise ValueError(f"{self.id}: unknown domains {sorted(wrong)}")
        if wrong := set(self.assume.values()) - set(DOMAIN_OF_ASSUMPTION):
            raise ValueError(f"{self.id}: unknown assumptions {sorted(wrong)}")
        if any(self.assume.get(name) == "orthogonal" for name in self.wrt):
            raise ValueError(
                f"{self.id}: a derivative along the orthogonal matrices is not defined"
            )

    def domain_of(self, name: str) -> str:
        """The domain that the variable is drawn from."""
        if name in self.domain:
            return self.domain[name]
        return DOMAIN_OF_ASSUMPTION.get(self.assume.get(name, ""), "real")

    def declarations_for(
        self, text: str
    ) -> tuple[dict[str, tuple[str | int, ...]], dict[str, str]]:
        """The declared shapes and the assumptions of the variables that a text mentions.

        A ``known`` derivative may have lost some of the formula's variables, and declaring one that
        a formula does not have is an error.
        """
        names = names_in(text)
        shapes = {name: shape for name, shape in self.shapes.items() if name in names}
        assume = {name: promise for name, promise in self.assume.items() if name in names}
        return shapes, assume

    def __repr__(self) -> str:
        return f"<Case {self.id}: {self.text}>"


def names_in(text: str) -> set[str]:
    """The names in a formula: variables, definitions and functions.

    Not einsum strings, numbers' exponents, ``.T`` and ``axis=``.
    """
    text = re.sub(r'"[^"]*"', "", text)
    text = re.sub(r"(\d+\.?\d*|\.\d+)[eE][+-]?\d+", "0", text)
    text = re.sub(r"\.T\b|\baxis\s*=", "", text)
    return set(re.findall(r"[A-Za-z_]\w*", re.sub("[ᵀ²⊙]", " ", text)))


_ENTRY = re.compile(r"\s*(\w+)\(([^)]*)\)")


def parse_shapes(text: str) -> dict[str, tuple[str | int, ...]]:
    """Read shapes written as in ``"X(4,3) w(3) c()"`` or ``"b(m) T(m,n,n)"``.

    >>> parse_shapes("X(4,3) b(m) c()")
    {'X': (4, 3), 'b': ('m',), 'c': ()}
    """
    found: dict[str, tuple[str | int, ...]] = {}
    position = 0
    while position < len(text.rstrip()):
        match = _ENTRY.match(text, position)
        if match is None or match[1] in found:
            raise ValueError(f"cannot read the shapes {text!r} at {text[position:]!r}")
        axes = [axis.strip() for axis in match[2].split(",") if axis.strip()]
        found[match[1]] = tuple(int(axis) if axis.isdigit() else axis for axis in axes)
        position = match.end()
    return found


def case(
    id: str,
    text: str,
    wrt: str,
    sizes: str,
    source: str,
    *,
    shapes: str = "",
    assume: Mapping[str, str] | None = None,
    domain: Mapping[str, str] | None = None,
    known: Mapping[str, str] | None = None,
    orientation: str = "",
) -> Case:
    """Write a `Case` briefly: variables by spaces, shapes as in ``"X(4,3) w(3) c()"``."""
    concrete = {
        name: tuple(axis for axis in shape if isinstance(axis, int))
        for name, shape in parse_shapes(sizes).items()
    }
    return Case(
        id=id,
        text=text,
        wrt=tuple(wrt.split()),
        sizes=concrete,
        source=source,
        shapes=parse_shapes(shapes),
        assume=dict(assume or {}),
        domain=dict(domain or {}),
        known=dict(known or {}),
        known_orientation=orientation,
    )
