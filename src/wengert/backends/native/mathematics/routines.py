"""The functions by name: written into a loop, or called as routines that are compiled once.

>>> sorted(FUNCTIONS)[:4]
['abs', 'arccos', 'arccosh', 'arcsin']
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from wengert.backends.native.builder import Module, Value
from wengert.backends.native.mathematics import (
    errors,
    exponentials,
    inverses,
    logarithms,
    powers,
    simple,
    trigonometry,
)
from wengert.backends.native.types import Type

if TYPE_CHECKING:
    from wengert.backends.native.engine import Engine, Library


@dataclass(frozen=True)
class Function:
    """A function of one or two floating-point values, lane by lane.

    ``ulps`` bounds its error in units in the last place, float64 and float32, with fused
    multiply-add or without; ``short`` says that a call would cost more than writing it out.
    ``through`` are routines that it can be written with, as further arguments of ``write``: what
    several functions have in common, exp(−|x|) say, is then computed once.
    """

    write: Callable[..., Value]
    arity: int = 1
    ulps: float = 1.5
    short: bool = False
    through: tuple[str, ...] = ()


def _exact(write: Callable[..., Value], arity: int = 1) -> Function:
    return Function(write, arity, ulps=0.5, short=True)


FUNCTIONS: dict[str, Function] = {
    "abs": _exact(simple.absolute),
    "ceil": _exact(simple.ceil),
    "copysign": _exact(simple.copysign, 2),
    "finite": _exact(simple.finite),
    "floor": _exact(simple.floor),
    "fmax": _exact(simple.fmax, 2),
    "fmin": _exact(simple.fmin, 2),
    "heaviside": _exact(simple.heaviside, 2),
    "maximum": _exact(simple.maximum, 2),
    "minimum": _exact(simple.minimum, 2),
    "reciprocal": _exact(simple.reciprocal),
    "relu": _exact(simple.relu),
    "rint": _exact(simple.rint),
    "sign": _exact(simple.sign),
    "sqrt": _exact(simple.sqrt),
    "square": _exact(simple.square),
    "step": _exact(simple.step),
    "trunc": _exact(simple.trunc),
    "arccos": Function(inverses.arccos),
    "arccosh": Function(inverses.arccosh, ulps=3.0),
    "arcsin": Function(inverses.arcsin),
    "arcsinh": Function(inverses.arcsinh, ulps=3.0),
    "arctan": Function(inverses.arctan),
    "arctan2": Function(inverses.arctan2, 2),
    "arctanh": Function(inverses.arctanh, ulps=3.0),
    "cbrt": Function(powers.cbrt),
    "cos": Function(trigonometry.cos),
    "cosh": Function(exponentials.cosh),
    "erf": Function(errors.erf),
    "erfc": Function(errors.erfc, ulps=3.0),
    "exp": Function(exponentials.exp),
    "exp10": Function(exponentials.exp10),
    "exp2": Function(exponentials.exp2),
    "expm1": Function(exponentials.expm1),
    "gelu": Function(errors.gelu, ulps=3.5),
    "hypot": Function(powers.hypot, 2),
    "log": Function(logarithms.log),
    "log10": Function(logarithms.log10),
    "log_expit": Function(exponentials.log_sigmoid, ulps=2.0, through=("exp", "log1p")),
    "log1p": Function(logarithms.log1p),
    "log2": Function(logarithms.log2),
    "normcdf": Function(errors.normcdf, ulps=3.0),
    "normpdf": Function(errors.normpdf, ulps=2.0),
    "power": Function(powers.power, 2),
    "sigmoid": Function(exponentials.sigmoid, ulps=2.0, through=("exp",)),
    "sin": Function(trigonometry.sin),
    "sinh": Function(exponentials.sinh),
    "softplus": Function(exponentials.softplus, ulps=2.0, through=("exp", "log1p")),
    "tan": Function(trigonometry.tan),
    "tanh": Function(exponentials.tanh),
    "xlogy": Function(logarithms.xlogy, 2, ulps=2.0),
}


def write(name: str, *operands: Value) -> Value:
    """The function's instructions, here."""
    return FUNCTIONS[name].write(*operands)


def call(name: str, *operands: Value) -> Value:
    """A call of the function's routine, or its instructions where there are few.

    The routine takes vectors of the operands' type; it is compiled once and kept on disk.
    """
    function, type_ = FUNCTIONS[name], operands[0].type
    if function.short or function.through:
        return function.write(*operands, *(partial(call, inner) for inner in function.through))
    b = operands[0].builder
    symbol = f"wengert_{name}_{type_.code}"
    b.module.routines[symbol] = (name, type_)
    return b.call(symbol, type_, *operands, pure=True)


def routine(module: Module, name: str, type_: Type) -> str:
    """Write a function's routine into a module; gives its symbol."""
    function = FUNCTIONS[name]
    symbol = f"wengert_{name}_{type_.code}"
    builder = module.function(symbol, [type_] * function.arity, type_)
    builder.give(function.write(*builder.parameters))
    return symbol


# ---------------------------------------------------------------- routines that are linked


def addresses(engine: Engine, module: Module) -> dict[str, int]:
    """Where the functions are that a module calls; they stay loaded as long as the engine."""
    writers: dict[str, Callable[[Module, str], None]] = {
        symbol: partial(_write_routine, name=name, type_=type_)
        for symbol, (name, type_) in module.routines.items()
    }
    writers.update(module.shared)
    return {symbol: _library(engine, symbol, write)[symbol] for symbol, write in writers.items()}


def _write_routine(module: Module, symbol: str, *, name: str, type_: Type) -> None:
    routine(module, name, type_)


def _library(engine: Engine, symbol: str, write: Callable[[Module, str], None]) -> Library:
    with engine.lock:
        found = engine.routines.get(symbol)
        if found is None:
            module = Module(engine.host.written_for)
            write(module, symbol)
            found = engine.routines[symbol] = engine.load(module.text(), [symbol])
        return found
