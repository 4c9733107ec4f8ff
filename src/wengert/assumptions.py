"""What a user may promise about a variable; used by simplification, checked at evaluation."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Assumption(StrEnum):
    """A promise about a variable's values."""

    SYMMETRIC = "symmetric"
    POSITIVE_DEFINITE = "positive definite"
    DIAGONAL = "diagonal"
    ORTHOGONAL = "orthogonal"
    POSITIVE = "positive"


_IMPLIES = {
    Assumption.POSITIVE_DEFINITE: {Assumption.SYMMETRIC},
    Assumption.DIAGONAL: {Assumption.SYMMETRIC},
}

_SPELLINGS = {
    "sym": Assumption.SYMMETRIC,
    "psd": Assumption.POSITIVE_DEFINITE,
    "pd": Assumption.POSITIVE_DEFINITE,
    "spd": Assumption.POSITIVE_DEFINITE,
    "positive-definite": Assumption.POSITIVE_DEFINITE,
    "positive_definite": Assumption.POSITIVE_DEFINITE,
    "diag": Assumption.DIAGONAL,
}


def parse_assumptions(value: str | Iterable[str]) -> frozenset[Assumption]:
    """Read assumptions as users write them, with all that they imply.

    >>> sorted(parse_assumptions("positive definite"))
    [<Assumption.POSITIVE_DEFINITE: 'positive definite'>, <Assumption.SYMMETRIC: 'symmetric'>]

    Raises
    ------
    ValueError
        For a word that is not an assumption; the message lists those that are.
    """
    words = value.split(",") if isinstance(value, str) else list(value)
    found: set[Assumption] = set()
    for word in words:
        key = str(word).strip().lower()
        if key in _SPELLINGS:
            assumption = _SPELLINGS[key]
        elif key in list(Assumption):
            assumption = Assumption(key)
        else:
            known = ", ".join(Assumption)
            raise ValueError(f"unknown assumption {word!r}; the known ones are: {known}")
        found |= {assumption} | _IMPLIES.get(assumption, set())
    return frozenset(found)
