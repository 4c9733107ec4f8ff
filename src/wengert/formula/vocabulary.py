"""All words of the language by name: operators, functions, elementwise functions, aliases.

Elementwise functions declared in the registry of operations are words without being listed here;
the table gives those that are known a textbook evaluation of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from fractions import Fraction
from functools import lru_cache, partial
from typing import Any, cast

import numpy as np
from scipy import special

from wengert import operations as ops
from wengert.expr import Expr
from wengert.formula.functions import FUNCTIONS
from wengert.formula.lexer import clip
from wengert.formula.operators import entrywise, spread
from wengert.formula.words import Array, Evaluation, Node, Parameter, Word
from wengert.primitive import registry

ALIASES = {
    "π": "pi",
    "trace": "tr",
    "ln": "log",
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "asinh": "arcsinh",
    "acosh": "arccosh",
    "atanh": "arctanh",
    "lgamma": "gammaln",
    "loggamma": "gammaln",
    "logistic": "sigmoid",
    "identity": "eye",
}

# ---------------------------------------------------------------- elementwise functions


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _softplus(x: Array) -> Array:
    return np.log(1 + np.exp(x)) if np.iscomplexobj(x) else np.logaddexp(x, np.zeros_like(x))


def _gamma_logarithm(x: Array) -> Array:
    return special.loggamma(x) if np.iscomplexobj(x) else special.gammaln(x)


def _normal_density(x: Array) -> Array:
    return np.exp(-x * x / 2) / np.sqrt(2 * np.pi)


def _normal_distribution(x: Array) -> Array:
    return (1 + special.erf(x / np.sqrt(2.0))) / 2


def _step(x: Array) -> Array:
    return np.where(x > 0, np.ones_like(x), 0)


def _relu(x: Array) -> Array:
    return np.maximum(x, np.zeros_like(x))


def _gelu(x: Array) -> Array:
    return x * _normal_distribution(x)


def _digamma(x: Array) -> Array:
    return cast(Any, special).digamma(x)


ELEMENTWISE: dict[str, tuple[Callable[..., Array], str]] = {
    "exp": (np.exp, "The exponential."),
    "log": (np.log, "The natural logarithm."),
    "log1p": (np.log1p, "log(1 + x), exact near 0."),
    "expm1": (np.expm1, "exp(x) - 1, exact near 0."),
    "sqrt": (np.sqrt, "The square root."),
    "abs": (np.abs, "The absolute value."),
    "sign": (np.sign, "The sign: -1, 0 or 1."),
    "step": (_step, "1 where x > 0, else 0."),
    "sin": (np.sin, "The sine."),
    "cos": (np.cos, "The cosine."),
    "tan": (np.tan, "The tangent."),
    "arcsin": (np.arcsin, "The inverse sine."),
    "arccos": (np.arccos, "The inverse cosine."),
    "arctan": (np.arctan, "The inverse tangent."),
    "sinh": (np.sinh, "The hyperbolic sine."),
    "cosh": (np.cosh, "The hyperbolic cosine."),
    "tanh": (np.tanh, "The hyperbolic tangent."),
    "arcsinh": (np.arcsinh, "The inverse hyperbolic sine."),
    "arccosh": (np.arccosh, "The inverse hyperbolic cosine."),
    "arctanh": (np.arctanh, "The inverse hyperbolic tangent."),
    "sigmoid": (_sigmoid, "1/(1 + exp(-x))."),
    "softplus": (_softplus, "log(1 + exp(x)), never overflowing."),
    "relu": (_relu, "x where x > 0, else 0."),
    "gelu": (_gelu, "x times the normal distribution function."),
    "normcdf": (_normal_distribution, "The normal distribution function."),
    "normpdf": (_normal_density, "The normal density."),
    "erf": (special.erf, "The error function."),
    "erfc": (special.erfc, "1 - erf(x), exact for large x."),
    "gammaln": (_gamma_logarithm, "The logarithm of |Γ(x)|."),
    "digamma": (_digamma, "The derivative of gammaln."),
}
ELEMENTWISE_OF_TWO: dict[str, tuple[Callable[..., Array], str]] = {
    "maximum": (np.maximum, "The larger of two, entry by entry."),
    "minimum": (np.minimum, "The smaller of two, entry by entry."),
    "xlogy": (special.xlogy, "x*log(y), 0 where x = 0."),
    "pow": (np.power, "x.^y."),
}


def _build_elementwise(name: str, node: Node, operands: Sequence[Expr]) -> Expr:
    return ops.elementwise(name, *(spread(operand, node.shape) for operand in operands))


def _elementwise(name: str, arity: int, evaluate: Callable[..., Array], doc: str) -> Word:
    if name == "sqrt":
        build: Callable[[Node, Sequence[Expr]], Expr] = _build_sqrt
    else:
        build = partial(_build_elementwise, name)

    def direct(evaluation: Evaluation) -> Array:
        return evaluate(*evaluation.arrays)

    parameters = tuple(Parameter(n) for n in ("x", "y", "z", "w")[:arity])
    rule = f"{name} needs equal shapes"
    return Word(name, parameters, partial(entrywise, rule=rule), direct, build, doc)


def _build_sqrt(node: Node, operands: Sequence[Expr]) -> Expr:
    return ops.power(operands[0], Fraction(1, 2))


WORDS: dict[str, Word] = {
    **{word.name: word for word in FUNCTIONS},
    **{name: _elementwise(name, 1, *entry) for name, entry in ELEMENTWISE.items()},
    **{name: _elementwise(name, 2, *entry) for name, entry in ELEMENTWISE_OF_TWO.items()},
}


@lru_cache(maxsize=1024)
def _registered(name: str) -> Word | None:
    """The word of an elementwise operation that the table does not have."""
    primitive = registry.get(name)
    if primitive is None or not _is_plain(name):
        return None
    known = getattr(np, name, None) or getattr(special, name, None)
    evaluate = known if known is not None else partial(primitive.evaluate, None)
    return _elementwise(name, primitive.arity or 1, evaluate, primitive.source or "Elementwise.")


def _is_plain(name: str) -> bool:
    primitive = registry[name]
    takes = (primitive.arity or 0) in (1, 2, 3, 4) and not primitive.parameters
    real = primitive.dtype == "real" and all(d.dtype == "real" for d in primitive.domains)
    return primitive.elementwise and takes and real and name.isidentifier()


def lookup(name: str) -> Word | None:
    """The function of that name, or None."""
    plain = ALIASES.get(name, name)
    word = WORDS.get(plain)
    return word or (_registered(plain) if plain in registry else None)


def reserved(name: str) -> Word | None:
    """The word that the name has to itself: no variable can be called so.

    The other functions of the registry (beta, gamma, zeta) are words only where they are called.
    """
    return WORDS.get(ALIASES.get(name, name))


def function_names() -> list[str]:
    """The names of all functions, aliases included."""
    return sorted({*WORDS, *ALIASES, *(name for name in registry if _is_plain(name))})


def suggest(name: str, known: Sequence[str]) -> str:
    """``; did you mean ...?`` with the nearest known name, or nothing."""
    near = get_close_matches(name[:40].lower(), known, n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else ""


def unknown_function(name: str) -> str:
    """The message for a call of something that is no function."""
    hint = suggest(name, function_names())
    return f"there is no function {clip(name)}{hint}; for a product write {clip(name)}*(...)"
