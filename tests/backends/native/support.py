"""Functions of the vector mathematics, compiled over arrays for one machine or another."""

from __future__ import annotations

import ctypes
import importlib
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from scipy import special

from wengert.backends.native.builder import Module
from wengert.backends.native.cache import ObjectCache
from wengert.backends.native.engine import Engine
from wengert.backends.native.host import Host, host, host_of, llvm
from wengert.backends.native.mathematics.routines import FUNCTIONS, write
from wengert.backends.native.types import I64, PTR, Type

DTYPES: dict[str, Any] = {"f64": np.float64, "f32": np.float32}
ARM = "aarch64-unknown-linux-gnu"
WIDE = ("avx", "fma", "f16c", "vaes", "vpclmulqdq", "xop")


def without(host: Host, *prefixes: str) -> Host:
    """The host without instruction sets; none of them is needed to run."""
    features = ["-" + f[1:] if f[1:].startswith(prefixes) else f for f in host.features.split(",")]
    fused = host.fused and not any("fma".startswith(p) for p in prefixes)
    return replace(host, features=",".join(features), fused=fused)


@cache
def engine_without(*prefixes: str) -> Engine:
    return Engine(without(host(), *prefixes) if prefixes else host(), ObjectCache(None))


def emulated() -> Engine | None:
    """An engine for 64-bit ARM, if LLVM and unicorn are here to compile and run for it."""
    try:
        importlib.import_module("unicorn")
        llvm().initialize_all_targets()
        llvm().initialize_all_asmprinters()
        llvm().Target.from_triple(ARM)
    except (ImportError, AttributeError, RuntimeError):
        return None
    return Engine(host_of("aarch64", ARM, {"neon": True}), ObjectCache(None))


def add_function(module: Module, name: str, type_: Type, symbol: str) -> None:
    """``symbol(operands, result, count)``, the count a multiple of the lanes."""
    arity = FUNCTIONS[name].arity
    b = module.function(symbol, [PTR] * (arity + 1) + [I64])
    *places, out, count = b.parameters

    def body(index: Any, carried: Any) -> Any:
        operands = [b.load(type_, b.offset(p, index, type_.size)) for p in places]
        b.store(write(name, *operands), b.offset(out, index, type_.size))
        return ()

    b.loop(0, count, max(type_.lanes, 1), body)
    b.give()


def compiled(engine: Engine, name: str, type_: Type) -> Any:
    """The function over arrays whose size is a multiple of the lanes."""
    module = Module(engine.host.written_for)
    add_function(module, name, type_, "f")
    lanes = max(type_.lanes, 1)
    if engine.host.triple == ARM:
        emulator = importlib.import_module("backends.native.emulator")
        return emulator.Emulator(engine.compiled(module.text())).function("f", lanes)
    library = engine.load_module(module, ["f"])
    arity = FUNCTIONS[name].arity
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (arity + 1), ctypes.c_int64)(library["f"])

    def apply(*arrays: Any) -> Any:
        assert library
        count = len(arrays[0])
        padded = [np.concatenate([a, np.ones(-count % lanes, a.dtype)]) for a in arrays]
        out = np.empty_like(padded[0])
        call(*(a.ctypes.data for a in (*padded, out)), len(out))
        return out[:count]

    return apply


NUMPY: dict[str, Any] = {
    "abs": np.abs,
    "erf": special.erf,
    "erfc": special.erfc,
    "exp10": special.exp10,
    "finite": lambda x: np.isfinite(x).astype(x.dtype),
    "gelu": lambda x: x * special.ndtr(x),
    "log_expit": special.log_expit,
    "normcdf": special.ndtr,
    "normpdf": lambda x: np.exp(-(np.minimum(np.abs(x), 1e3) ** 2) / 2) / np.sqrt(2 * np.pi),
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": special.expit,
    "softplus": lambda x: np.logaddexp(x, 0),
    "xlogy": special.xlogy,
    "step": lambda x: np.heaviside(x, np.zeros_like(x)),
}


def reference(name: str) -> Any:
    """NumPy's or SciPy's function."""
    return NUMPY.get(name) or getattr(np, name)
