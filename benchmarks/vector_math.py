"""The native vector mathematics beside NumPy, JAX and PyTorch: time and error of each function.

Run ``python benchmarks/vector_math.py [names]``. For float64 and float32 on 10⁵ numbers, one
thread, in turns: nanoseconds per number (the median of the rounds), and the largest error in
units in the last place over 2,000 other numbers, against mpmath. Peers that are not installed, or
do not have a function, are left out. The last line is the geometric mean of peer time over ours.
"""

from __future__ import annotations

import os

for _name in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "NUMEXPR"):
    os.environ[f"{_name}_NUM_THREADS"] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["JAX_PLATFORMS"] = "cpu"

import ctypes
import importlib
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
from scipy import special

from wengert.backends.native.builder import Module
from wengert.backends.native.engine import engine
from wengert.backends.native.mathematics.routines import FUNCTIONS
from wengert.backends.native.types import F32, F64, I64, PTR, Type
from wengert.backends.native.vectors import Stream, vector_loop

N, SAMPLE, ROUNDS = 100_000, 2000, 15
DTYPES: dict[Type, Any] = {F64: np.float64, F32: np.float32}
NAMES = [name for name, function in FUNCTIONS.items() if not function.short]

EXACTLY: dict[str, Any] = {
    "arccos": mp.acos, "arccosh": mp.acosh, "arcsin": mp.asin, "arcsinh": mp.asinh,
    "arctan": mp.atan, "arctan2": mp.atan2, "arctanh": mp.atanh,
    "gelu": lambda x: x * mp.erfc(-x / mp.sqrt(2)) / 2, "xlogy": lambda x, y: x * mp.log(y),
    "log_expit": lambda x: -mp.log1p(mp.exp(-x)), "exp10": lambda x: mp.mpf(10) ** x,
    "cbrt": lambda x: mp.sign(x) * mp.cbrt(abs(x)),
    "exp2": lambda x: mp.mpf(2) ** x, "log10": mp.log10, "log2": lambda x: mp.log(x, 2),
    "normcdf": lambda x: mp.erfc(-x / mp.sqrt(2)) / 2, "normpdf": mp.npdf, "power": mp.power,
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)), "softplus": lambda x: mp.log1p(mp.exp(x)),
}  # fmt: skip
RANGES = {
    "arccos": (-1, 1), "arcsin": (-1, 1), "arctanh": (-0.99, 0.99), "arccosh": (1.01, 20),
    "log": (0.01, 20), "log2": (0.01, 20), "log10": (0.01, 20), "log1p": (-0.9, 20),
    "power": (0.01, 10), "xlogy": (0.01, 10), "erf": (-3, 3), "erfc": (-3, 6),
    "normcdf": (-8, 6), "sin": (-30, 30), "cos": (-30, 30), "tan": (-30, 30), "exp": (-20, 20),
    "sigmoid": (-20, 20),
}  # fmt: skip
SCIPY: dict[str, Any] = {
    "erf": special.erf, "erfc": special.erfc, "exp10": special.exp10, "normcdf": special.ndtr,
    "gelu": lambda x: x * special.ndtr(x), "log_expit": special.log_expit, "xlogy": special.xlogy,
    "sigmoid": special.expit, "softplus": lambda x: np.logaddexp(x, 0),
}  # fmt: skip
JAX = {
    "erf": "scipy.special.erf", "erfc": "scipy.special.erfc", "normcdf": "scipy.stats.norm.cdf",
    "normpdf": "scipy.stats.norm.pdf", "sigmoid": "nn.sigmoid", "softplus": "nn.softplus",
}  # fmt: skip
TORCH = {
    "power": "pow", "softplus": "nn.functional.softplus", "normcdf": "special.ndtr",
    "sigmoid": "sigmoid", "erf": "erf", "erfc": "erfc",
}  # fmt: skip


def ours(name: str, type_: Type) -> Callable[..., Any]:
    """The function with its loop, writing into an array of its own."""
    function, lanes = FUNCTIONS[name], engine().host.lanes(type_)
    module = Module(engine().host.written_for)
    b = module.function("f", [PTR] * (function.arity + 1) + [I64])
    *places, out, count = b.parameters
    reads = [Stream(place, type_) for place in places]
    body: Any = lambda entries: ([function.write(*entries)], [])  # noqa: E731
    vector_loop(b, count, reads, [Stream(out, type_)], body, lanes=lanes)
    b.give()
    library = engine().load_module(module, ["f"])
    kinds = [ctypes.c_void_p] * (function.arity + 1)
    call = ctypes.CFUNCTYPE(None, *kinds, ctypes.c_int64)(library["f"])

    def run(*arrays: Any) -> Any:
        assert library
        out = np.empty_like(arrays[0])
        call(*(a.ctypes.data for a in arrays), out.ctypes.data, len(out))
        return out

    return run


def _named(module: Any, path: str) -> Any:
    for part in path.split("."):
        module = getattr(module, part, None)
    return module


def peers(name: str) -> dict[str, tuple[Callable[[Any], Any], Callable[..., Any]]]:
    """For each peer: how an array is given to it, and its function, which waits for its result."""
    found: dict[str, Any] = {}
    numpy = SCIPY.get(name) or getattr(np, name, None)
    if numpy:
        found["numpy"] = (lambda x: x, numpy)
    try:
        jax = importlib.import_module("jax")
        importlib.import_module("jax.scipy.stats")
        jax.config.update("jax_enable_x64", True)
        function = _named(jax, JAX.get(name, f"numpy.{name}"))
        if function:
            compiled = jax.jit(function)
            found["jax"] = (jax.numpy.asarray, lambda *a: compiled(*a).block_until_ready())
    except ImportError:
        pass
    try:
        torch = importlib.import_module("torch")
        torch.set_num_threads(1)
        function = _named(torch, TORCH.get(name, name))
        if function:
            found["torch"] = (torch.from_numpy, function)
    except ImportError:
        pass
    return found


def error(name: str, function: Callable[..., Any], arrays: list[Any]) -> float:
    """The largest error in units in the last place."""
    got = np.asarray(function(*arrays))
    info = np.finfo(got.dtype)
    exactly, worst = EXACTLY.get(name) or getattr(mp, name), mp.mpf(0)
    with mp.workdps(40):
        for k, row in enumerate(zip(*map(np.asarray, arrays), strict=True)):
            exact = exactly(*(mp.mpf(float(x)) for x in row))
            exponent = max(mp.frexp(exact)[1] - 1, int(info.minexp))
            unit = mp.mpf(2) ** (exponent - info.nmant)
            worst = max(worst, abs(mp.mpf(float(got[k])) - exact) / unit)
    return float(worst)


def times(functions: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Nanoseconds a number, in turns."""
    found: dict[str, list[float]] = {who: [] for who in functions}
    for _ in range(ROUNDS + 1):
        for who, function in functions.items():
            start = time.perf_counter()
            function()
            found[who].append(time.perf_counter() - start)
    return {who: statistics.median(seen[1:]) / N * 1e9 for who, seen in found.items()}


def main(names: list[str]) -> None:
    rng = np.random.default_rng(0)
    ratios: dict[str, list[float]] = {}
    for type_, dtype in DTYPES.items():
        print(f"\n{np.dtype(dtype)}: ns a number (largest error in ulps)")
        for name in names:
            low, high = RANGES.get(name, (-3, 3))
            arrays, sample = (
                [rng.uniform(low, high, size).astype(dtype) for _ in range(FUNCTIONS[name].arity)]
                for size in (N, SAMPLE)
            )
            everyone = {"wengert": (lambda x: x, ours(name, type_)), **peers(name)}
            given = {who: list(map(give, arrays)) for who, (give, _) in everyone.items()}
            took = times({
                who: (lambda f=f, a=given[who]: f(*a)) for who, (_, f) in everyone.items()
            })  # fmt: skip
            cells: list[str] = []
            for who, (give, function) in everyone.items():
                ulps = error(name, function, list(map(give, sample)))
                cells.append(f"{who} {took[who]:6.2f} ({ulps:8.3g})")
                ratios.setdefault(who, []).append(took[who] / took["wengert"])
            print(f"{name:9s} " + "  ".join(cells), flush=True)
    means = {who: statistics.geometric_mean(seen) for who, seen in ratios.items()}
    print("\ntime over ours: " + ", ".join(f"{who} {mean:.2f}" for who, mean in means.items()))


if __name__ == "__main__":
    main(sys.argv[1:] or NAMES)
