"""Random NumPy functions, and what both engines make of them and of their derivatives.

A program is text: the lines of a function, each tried out by NumPy when it is drawn, so that what
is printed of a failure runs by itself.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import optree
import scipy.special

import wengert as wg

SIZES = (0, 1, 2, 3, 7, 8, 9, 16, 63, 100)
LARGE = (1, 5, 130, 1000, 3001)  # of some programs: rows in blocks, pieces for threads
SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, 2.0, np.inf, -np.inf, np.nan, 1e20, -1e-20, 5e-324, 1e-45)
LARGEST = 20_000  # entries of a value; of large programs 30 times as many
NAMES: dict[str, Any] = {"np": np, "wg": wg, "special": scipy.special}


@dataclass(frozen=True)
class Program:
    """A function as lines of text, its arguments and results by name."""

    lines: tuple[str, ...]
    arguments: dict[str, Any]
    results: tuple[str, ...]

    @property
    def text(self) -> str:
        """A function that runs by itself."""
        body = "\n".join(f"    {line}" for line in self.lines)
        end = f"    return {', '.join(self.results)},"
        return f"def f({', '.join(self.arguments)}):\n{body}\n{end}\n"

    @property
    def function(self) -> Callable[..., Any]:
        space = dict(NAMES)
        exec(self.text, space)
        return space["f"]

    def __str__(self) -> str:
        given = "\n".join(f"{k} = {_shown(v)}" for k, v in self.arguments.items())
        return f"{given}\n{self.text}"


def _shown(value: Any) -> str:
    if np.size(value) > 12 or not np.size(value):
        return f"np.{value.dtype} {value.shape}"
    if isinstance(value, np.ndarray):
        return f"np.array({value.tolist()}, np.{value.dtype.name}).reshape{value.shape}"
    return repr(value)


# ---------------------------------------------------------------- lines

UNARY = [
    "-{x}", "np.exp({x})", "np.log(np.abs({x}) + 0.1)", "np.tanh({x})", "np.sin({x})",
    "np.cos({x})", "np.sqrt(np.abs({x}))", "np.abs({x})", "np.sign({x})", "{x} ** 2", "{x} ** 3",
    "1 / ({x} + 0.3)", "{x} ** -2", "np.log1p({x} * {x})", "np.expm1({x})", "np.arctan({x})",
    "special.erf({x})", "special.expit({x})", "np.maximum({x}, 0)", "np.clip({x}, -0.5, 0.7)",
    "np.cbrt({x})", "np.arcsinh({x})", "{x} / 3", "{x} * {x} - {x}", "0.1 * {x} + 2",
    "np.floor({x})", "special.log_expit({x})", "special.entr({x})", "np.cosh({x})",
    "np.tan({x})", "special.gammaln({x})", "special.ndtr({x})", "np.arcsin(0.9 * np.tanh({x}))",
    "{x} * {n}", "{x} + {n}", "{n} / ({x} * {x} + 1)", "np.where({n} > 0, {x}, {n})",
    "np.sinc({x})", "np.exp2({x})", "np.log2(np.abs({x}))", "np.nan_to_num({x})",
]  # fmt: skip
BINARY = [
    "{x} + {y}", "{x} - {y}", "{x} * {y}", "{x} / {y}", "np.maximum({x}, {y})",
    "np.minimum({x}, {y})", "np.arctan2({x}, {y})", "np.hypot({x}, {y})",
    "np.logaddexp({x}, {y})", "np.abs({x}) ** {y}", "2 * {x} - 3 * {y}", "{x} - 0.5 * {y}",
    "special.xlogy({x}, {y})", "np.fmax({x}, {y})", "np.copysign({x}, {y})", "np.mod({x}, {y})",
]  # fmt: skip
COMPARISONS = [  # equality of what is rounded by itself tells the engines apart, rightly
    "{x} < {y}", "{x} <= {y}", "{x} > {y}", "{x} >= {y}", "np.floor({x}) == np.floor({y})",
    "np.floor({x}) != np.sign({y})",
]  # fmt: skip
TESTS = ["{x} > 0", "np.isnan({x})", "np.isfinite({x})", "{x} <= 0.5"]
LOGICAL = ["{b} & {c}", "{b} | {c}", "{b} ^ {c}", "~{b}", "np.any({b}, axis={a})", "np.all({b})"]
CHOICES = [
    "np.where({b}, {x}, {y})", "np.where({b}, {x}, 0.0)", "{x} * {b}", "np.sum({b}, axis={a})",
]  # fmt: skip
REDUCTIONS = [
    "np.sum({x}, axis={a})", "np.mean({x}, axis={a})", "np.max({x}, axis={a})",
    "np.min({x}, axis={a})", "np.prod({x}, axis={a})", "np.var({x}, axis={a})",
    "np.std({x}, axis={a})", "special.logsumexp({x}, axis={a})",
    "special.softmax({x}, axis={a})", "special.log_softmax({x}, axis={a})",
    "np.linalg.norm({x}, axis={a})", "np.sum({x})", "np.mean({x})", "np.max({x})",
    "np.sum({x} * {x})",
    "np.sum({x}, axis={a}, keepdims=True)", "{x} - np.mean({x}, axis={a}, keepdims=True)",
    "{x} / np.linalg.norm({x})", "np.cumsum({x}, axis={a})", "np.sum(np.abs({x}), axis={a})",
    "np.cumprod({x}, axis={a})", "np.diff({x}, axis={a})", "np.sort({x}, axis={a})",
    "np.median({x}, axis={a})", "np.argmax({x}, axis={a})", "np.argsort({x}, axis={a})",
]  # fmt: skip
PRODUCTS = [
    "{x} @ {y}", "{x}.T @ {y}", "{x} @ {y}.T", "np.outer({x}, {y})", "np.dot({x}, {y})",
    "np.vdot({x}, {y})", "np.kron({x}, {y})", "np.einsum('ij,kj->ik', {x}, {y})",
    "np.einsum('...i,...i', {x}, {y})", "np.tensordot({x}, {y}, 1)",
    "np.einsum('ij,ij->j', {x}, {y})",
    "np.einsum('i,j->ji', {x}, {y})", "np.convolve({x}, {y})", "{x} @ {x}.T", "{x}.T @ {x}",
]  # fmt: skip
SHAPES = [
    "{x}.T", "{x}.reshape(-1)", "{x}[::-1]", "{x}[..., ::2]", "{x}[1:]", "{x}[:, 0]", "{x}[-1]",
    "{x}[..., None]", "{x}[None]", "{x}[1:-1]", "{x}[..., -1:0:-2]", "{x}[{i}]", "{x}[0]",
    "np.concatenate([{x}, {x}])", "np.concatenate([{x}, {y}], axis=-1)", "np.stack([{x}, {y}])",
    "np.flip({x}, axis={a})", "np.roll({x}, 2, axis={a})", "np.tril({x})", "np.triu({x}, 1)",
    "np.diag({x})", "np.trace({x})", "np.tile({x}, 2)", "np.repeat({x}, 2, axis={a})",
    "np.pad({x}, 1)", "np.take({x}, {i}, axis={a})", "np.broadcast_to({x}, (3, *np.shape({x})))",
    "np.squeeze({x})", "np.swapaxes({x}, 0, -1)", "wg.at({x})[1:].set(0.5)",
    "wg.at({x})[{i}].add(1.0)", "wg.at({x})[0].multiply(2.0)", "wg.at({x})[..., 0].set({s})",
    "np.zeros_like({x}) + {s}", "np.ones((3, 2))", "np.eye(3)", "np.linspace(0.0, 1.0, 7)",
    "np.pad({x}, 1, mode='edge')", "{x}.reshape(({x}.shape[0], -1))", "np.moveaxis({x}, 0, -1)",
    "np.take_along_axis({x}, np.argsort({x}, axis={a}), axis={a})",
]  # fmt: skip
DECOMPOSITIONS = [
    "np.linalg.inv({q})", "np.linalg.det({q})", "np.linalg.slogdet({q})[1]",
    "np.linalg.solve({q}, {x})", "np.linalg.cholesky({q})", "np.linalg.eigvalsh({q})",
    "np.linalg.svdvals({x})", "np.linalg.matrix_power({q} / 9, 3)", "np.linalg.qr({q})[1]",
]  # fmt: skip
LOOPS = [
    "wg.scan(lambda c, r: ({step}, {out}), {s}, {x})[0]",
    "wg.scan(lambda c, r: ({step}, {out}), {s}, {x})[1]",
    "wg.scan(lambda c, r: ({step}, {out}), {x}[0], {x}, reverse=True)[1]",
    "wg.scan(lambda c, r: ({step}, {out}), {x}[0], {x}, checkpoint=True)[0]",
    "wg.fori_loop(0, 4, lambda i, c: {again}, {x})",
    "wg.while_loop(lambda c: np.abs(np.sum(c * c) - 50) < 49.5, lambda c: 0.6 * c, {x})",
    "wg.while_loop(lambda c: np.sum(c) < 5.0, lambda c: {again} + 1, {x}, max_steps=5)",
    "wg.cond(np.sum({x}) > 0, lambda c: {again}, lambda c: 2 * c, {x})",
    "wg.vmap(lambda c: {again})({x})",
    "wg.vmap(lambda c: {again} * np.sum(c), in_axes=-1, out_axes=-1)({x})",
    "wg.vmap(lambda c, d: c @ d, in_axes=(0, None))({x}, {y})",
    "wg.vmap(wg.grad(lambda c: np.sum({again})))({x})",
    "wg.scan(lambda c, r: ((c[0] + r, c[1] * 0.5 + np.sum(r)), {out2}), ({x}[0], {s}), {x})[1]",
    "wg.scan(lambda c, r: (c + r[0], r[1] * c), {s}, ({x}, {x} * 2))[1]",
    "wg.scan(lambda c, k: (c * 0.7 + {x}[k], np.argmax(c)), {x}[0],"
    " np.arange(np.shape({x})[0]))[0]",
    "wg.fori_loop(0, 3, lambda i, c: wg.at(c)[i].add(np.sum(c[i])), {x})",
    "wg.fori_loop(0, 3, lambda i, c: wg.fori_loop(0, 2, lambda j, d: {again2}, c), {x})",
    "wg.fori_loop(0, 3, lambda i, c: wg.cond(i > 0, lambda d: d / 2, lambda d: {again2}, c), {x})",
    "wg.cond(np.max({x}) > 1, lambda c: wg.scan(lambda a, r: (a + r, a * r), c[0], c)[1],"
    " lambda c: c * c, {x})",
]
STEPS = [
    "np.tanh(c + r)", "0.5 * c + r", "c * 0.9 - np.sin(r)", "np.maximum(c, r)", "c + np.sum(r)",
]  # fmt: skip
OUTPUTS = ["c * r", "c", "r", "np.sum(c)", "(c > 0) * r", "c + 1"]
OUTPUTS2 = ["c[0] * c[1]", "np.sum(c[0])", "c[1]", "(c[0] > 0)"]
AGAIN2 = ["np.tanh(d) * 0.9 + 0.1", "d - 0.1 * d * d", "d * np.cos(d)"]
AGAIN = ["np.tanh(c) * 0.7", "c * 0.5 + 0.1", "np.where(c > 0, c / 2, -c)", "np.sin(c)"]

KINDS: list[tuple[Sequence[str], float]] = [
    (UNARY, 6), (BINARY, 5), (COMPARISONS, 1), (TESTS, 1), (LOGICAL, 0.7), (CHOICES, 1.5),
    (REDUCTIONS, 4), (PRODUCTS, 3), (SHAPES, 5), (DECOMPOSITIONS, 0.3), (LOOPS, 0.7),
]  # fmt: skip


class _Drawing:
    """Lines are drawn one after the other; values are those that NumPy gives."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.values: dict[str, Any] = {}
        self.lines: list[str] = []
        self.largest = LARGEST

    def pick(self, kind: str) -> str | None:
        """A name of a value of real numbers, integers or truth values; later ones are likelier."""
        found = [n for n, v in self.values.items() if np.asarray(v).dtype.kind == kind]
        if not found:
            return None
        weights = np.arange(1.0, len(found) + 1) ** 2
        return str(self.rng.choice(found, p=weights / weights.sum()))

    def filled(self, template: str) -> str | None:
        """A line with names in it; None if there is nothing of its kind."""
        rng = self.rng
        given: dict[str, str] = {}
        x = self.pick("f")
        if x is None:
            return None
        like = [n for n, v in self.values.items() if np.shape(v) == np.shape(self.values[x])]
        same = [n for n in like if np.asarray(self.values[n]).dtype.kind == "f"]
        given["x"] = x
        given["y"] = str(rng.choice(same)) if rng.random() < 0.6 else (self.pick("f") or x)
        axes = np.ndim(self.values[x])
        given["a"] = str(rng.integers(-axes, axes)) if axes and rng.random() < 0.8 else "None"
        for key, choices in (("step", STEPS), ("out", OUTPUTS), ("again", AGAIN),
                             ("out2", OUTPUTS2), ("again2", AGAIN2)):  # fmt: skip
            given[key] = str(rng.choice(choices))
        numbers = [n for n, v in self.values.items()
                   if np.shape(v) == () and np.asarray(v).dtype.kind == "f"]  # fmt: skip
        given["s"] = str(rng.choice(numbers)) if numbers else "0.5"
        square = [n for n, v in self.values.items()
                  if np.ndim(v) == 2 and np.asarray(v).dtype.kind == "f"
                  and 0 < max(np.shape(v)) <= 16]  # fmt: skip
        q = str(rng.choice(square)) if square else "np.ones((2, 2))"
        n = np.shape(self.values[q])[0] if square else 2
        given["q"] = f"(0.1 * {q} @ {q}.T + np.eye({n}))"
        for key, kind in (("b", "b"), ("c", "b"), ("i", "i"), ("n", "i")):
            if "{" + key + "}" in template:
                found = self.pick(kind)
                if found is None:
                    return None
                given[key] = found
        return template.format(**given)

    def add(self, line: str) -> bool:
        """Try a line out."""
        name = f"v{len(self.values)}"
        try:
            value = eval(line, {**NAMES, **self.values})
        except Exception:
            return False
        if isinstance(value, bool | float | int) or not isinstance(value, np.ndarray | np.generic):
            return False
        kind = value.dtype.kind
        if kind not in "fib" or np.size(value) > self.largest or np.ndim(value) > 4:
            return False
        if "convolve" in line and np.size(value) > 500:
            return False  # tables of all pairs of entries take long to make
        if value.dtype not in (np.float64, np.float32, np.int64, np.bool_):
            return False
        self.values[name] = value
        self.lines.append(f"{name} = {line}")
        return True


def draw_program(seed: int, longest: int = 14) -> Program:
    """A program by its number."""
    rng = np.random.default_rng(seed)
    drawing = _Drawing(rng)
    large = rng.random() < 0.06
    drawing.largest = 30 * LARGEST if large else LARGEST
    sizes = rng.choice(LARGE if large else SIZES, 3)
    precision = [np.float64, np.float32][int(rng.random() < 0.25)]
    unusual = rng.random() < 0.15
    for k in range(int(rng.integers(1, 4))):
        drawing.values[f"x{k}"] = _array(rng, _shape(rng, sizes), precision, unusual=unusual)
    if rng.random() < 0.3:
        high = max(int(min(sizes)), 1)
        drawing.values["i0"] = rng.integers(0, high, _shape(rng, sizes)[:1])
    if rng.random() < 0.1:
        drawing.values["n0"] = rng.integers(-3, 4, _shape(rng, sizes))
    if rng.random() < 0.2:
        drawing.values["b0"] = rng.random(_shape(rng, sizes)) < 0.5
    if rng.random() < 0.1:
        drawing.values["t0"] = float(rng.normal())
    arguments = {k: v if type(v) is float else np.asarray(v) for k, v in drawing.values.items()}
    kinds = np.array([w for _, w in KINDS])
    wanted = int(rng.integers(1, longest + 1))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for _ in range(8 * wanted):
            templates = KINDS[rng.choice(len(KINDS), p=kinds / kinds.sum())][0]
            line = drawing.filled(str(rng.choice(list(templates))))
            if line is not None:
                drawing.add(line)
            if len(drawing.lines) >= wanted:
                break
    if not drawing.lines and not drawing.add("x0 + 1.0"):
        return draw_program(seed + 10**9, longest)
    made = [line.split(" = ")[0] for line in drawing.lines]
    last = [*made[-1:], *rng.choice(made, int(rng.integers(0, 4))).tolist()]
    return needed(Program(tuple(drawing.lines), arguments, tuple(dict.fromkeys(last))))


def _shape(rng: np.random.Generator, sizes: Any) -> tuple[int, ...]:
    rank = int(rng.choice([0, 1, 2, 3], p=[0.1, 0.35, 0.45, 0.1]))
    shape = [int(n) for n in rng.permutation(sizes)[:rank]]
    if rank and rng.random() < 0.2:
        shape[int(rng.integers(rank))] = 1
    return tuple(shape) if np.prod(shape, initial=1) <= LARGEST else tuple(shape[:2])


def _array(rng: np.random.Generator, shape: Any, dtype: Any, *, unusual: bool) -> Any:
    array = rng.normal(size=shape)
    if rng.random() < 0.15:
        array = np.round(array)  # ties
    if unusual:
        array = np.where(rng.random(shape) < 0.3, rng.choice(SPECIAL, shape), array)
    return np.asarray(array).astype(dtype)


def needed(program: Program) -> Program:
    """Without the lines on which no result depends."""
    wanted, kept = set(program.results), []
    for line in reversed(program.lines):
        name, _, value = line.partition(" = ")
        if name in wanted:
            kept.append(line)
            wanted |= set(re.findall(r"\b[a-z]\d+\b", value))
    arguments = {k: v for k, v in program.arguments.items() if k in wanted}
    if not arguments:
        arguments = dict(list(program.arguments.items())[:1])
    return replace(program, lines=tuple(reversed(kept)), arguments=arguments)


# ---------------------------------------------------------------- what is done with them


def ways_of(program: Program, rng: np.random.Generator) -> Iterator[tuple[str, Any]]:
    """The function itself, and some of its derivatives."""
    function, given = program.function, list(program.arguments.values())
    yield "value", function
    real = [k for k, v in enumerate(given) if np.asarray(v).dtype.kind == "f"]
    if not real:
        return
    at = int(rng.choice(real))
    weights = int(rng.integers(1, 5))

    def number(*arguments: Any) -> Any:
        total: Any = 0.0
        for k, one in enumerate(function(*arguments)):
            if np.dtype(one.dtype).kind == "f":
                total = total + np.sum(one * (1.0 + 0.1 * (weights + k)))
        return total

    def of_one(x: Any, *others: Any) -> Any:
        return number(*others[:at], x, *others[at:])

    def first(*arguments: Any) -> Any:
        return wg.value_and_grad(of_one)(arguments[at], *arguments[:at], *arguments[at + 1 :])

    yield "gradient", first
    size = np.size(given[at])
    mode = str(rng.choice(["auto", "forward", "reverse"]))
    tangent = rng.normal(size=np.shape(given[at])).astype(np.asarray(given[at]).dtype)

    def along(*arguments: Any) -> Any:
        rest = [*arguments[:at], *arguments[at + 1 :]]
        return wg.jvp(lambda x: of_one(x, *rest), (arguments[at],), (tangent,))

    def product(*arguments: Any) -> Any:
        rest = [*arguments[:at], *arguments[at + 1 :]]
        return wg.hvp(lambda x: of_one(x, *rest), (arguments[at],), (tangent,))

    def second(*arguments: Any) -> Any:
        rest = [*arguments[:at], *arguments[at + 1 :]]
        return wg.hessian(lambda x: of_one(x, *rest))(arguments[at])

    def rows(*arguments: Any) -> Any:
        rest = [*arguments[:at], *arguments[at + 1 :]]

        def reals(x: Any) -> Any:
            found = function(*rest[:at], x, *rest[at:])
            return tuple(one for one in found if np.dtype(one.dtype).kind == "f")

        return wg.jacobian(reals, mode=mode)(arguments[at])

    yield "direction", along
    choice = rng.random()
    if choice < 0.3 and size <= 10_000:
        yield "hessian times a vector", product
    elif choice < 0.5 and size <= 12:
        yield "hessian", second
    elif choice < 0.8 and size <= 100:
        yield f"jacobian, {mode}", rows


def outcome(function: Any, given: Sequence[Any]) -> Any:
    """What a call gives: leaves, or an error."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            found = function(*given)
        except Exception as error:
            return error
    return [np.asarray(a) for a in optree.tree_leaves(found)]


def check(program: Program, rng: np.random.Generator) -> list[str]:
    """The differences of the engines."""
    wrong: list[str] = []
    given = list(program.arguments.values())
    for name, function in ways_of(program, rng):
        native, numpy = (wg.compile(function, engine=e) for e in ("native", "numpy"))
        expected = outcome(numpy, given)
        found = [outcome(native, given) for _ in range(3)]
        problem = difference(expected, found[0], numpy, given)
        if problem is None and not all(_identical(found[0], one) for one in found[1:]):
            problem = "another result when it is called again"
        for way in rng.permutation(list(LAYOUTS))[:2] if problem is None else ():
            turned = [LAYOUTS[way](a) if isinstance(a, np.ndarray) else a for a in given]
            if not _identical(found[0], outcome(native, turned)):
                problem = f"another result for arrays that are {way}"
                break
        if problem is None and np.sum([np.size(a) for a in given]) > 5000:
            for threads in (1, 2):
                other = wg.compile(function, engine="native", threads=threads)
                if not _identical(found[0], outcome(other, given)):
                    problem = f"another result for {threads} threads"
        if problem is not None:
            wrong.append(f"{name}: {problem}")
    return wrong


def _unaligned(a: Any) -> Any:
    raw = np.zeros(a.nbytes + 1, np.uint8)
    found = raw[1:].view(a.dtype).reshape(a.shape)
    found[...] = a
    return found


def _read_only(a: Any) -> Any:
    found = a.copy()
    found.flags.writeable = False
    return found


def _shifted(a: Any) -> Any:
    """In a row, but not where a vector may begin."""
    found = np.empty(a.size + 1, a.dtype)[1:].reshape(a.shape)
    found[...] = a
    return found


LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "apart": lambda a: np.repeat(a, 2, axis=-1)[..., ::2] if a.ndim else a,
    "apart by rows": lambda a: np.repeat(a, 3, axis=0)[::3] if a.ndim else a,
    "backward": lambda a: a[..., ::-1].copy()[..., ::-1] if a.ndim else a,
    "columns first": lambda a: np.array(a, order="F"),
    "read-only": _read_only,
    "unaligned": _unaligned,
    "shifted": _shifted,
}


def _identical(one: Any, other: Any) -> bool:
    if isinstance(one, Exception) or isinstance(other, Exception):
        return type(one) is type(other) and str(one) == str(other)
    return all(
        a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        for a, b in zip(one, other, strict=True)
    )


def difference(expected: Any, found: Any, reference: Any, given: Sequence[Any]) -> str | None:
    """How native results differ from NumPy's by more than rounding explains; None if they do not.

    How much rounding explains is what the reference's own results do when its arguments change by
    a few units in the last place.
    """
    if isinstance(expected, Exception) or isinstance(found, Exception):
        if type(expected) is type(found) and str(expected) == str(found):
            return None
        return f"{_said(expected)}, natively {_said(found)}"
    if len(expected) != len(found):
        return f"{len(expected)} results, natively {len(found)}"
    moved: list[Any] | None = None
    single = any(np.asarray(a).dtype == np.float32 for a in given)
    eps = EPS["float32" if single else "float64"]
    for k, (one, other) in enumerate(zip(expected, found, strict=True)):
        if one.shape != other.shape or one.dtype != other.dtype:
            return f"result {k}: {one.dtype} {one.shape}, natively {other.dtype} {other.shape}"
        if _close(one, other, 0.0, eps):
            continue
        if moved is None:
            moved = _perturbed(reference, given)
        spread = _spread(one, [m[k] for m in moved if not isinstance(m, Exception)])
        if spread is None or _close(one, other, spread, eps):
            continue
        with np.errstate(all="ignore"):
            bad = ~np.isclose(one, other, rtol=1e-9, atol=0, equal_nan=True)
        at = tuple(int(i) for i in np.argwhere(bad)[0]) if bad.any() else ()
        return (
            f"result {k} {one.dtype} {one.shape}, {int(bad.sum())} entries, at {at}: "
            f"{one[at] if bad.any() else one!r}, natively {other[at] if bad.any() else other!r}"
            f" (spread {np.max(spread):.2g})"
        )
    return None


def _said(outcome_: Any) -> str:
    if isinstance(outcome_, Exception):
        return f"{type(outcome_).__name__}: {outcome_}"[:600]
    return "a result"


EPS = {"float64": 1e-13, "float32": 2e-5}


def _close(one: Any, other: Any, spread: Any, eps: float) -> bool:
    if one.dtype.kind != "f":
        return bool(np.array_equal(one, other)) or np.any(spread) > 0
    finite = np.isfinite(one)
    if not np.array_equal(one[~finite], other[~finite], equal_nan=True):
        return False
    if not np.isfinite(other[finite]).all():
        return False
    scale = np.abs(one[finite]).max(initial=0.0)
    # 1 - tanh(x)² may be small of numbers that are not
    bound = eps * (scale + 0.1) + 300 * (spread if np.ndim(spread) == 0 else np.max(spread))
    return bool(np.all(np.abs(other[finite].astype(float) - one[finite]) <= bound))


def _perturbed(reference: Any, given: Sequence[Any]) -> list[Any]:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(4):
        moved = []
        for a in given:
            array = np.asarray(a)
            if array.dtype.kind == "f":
                unit = np.finfo(array.dtype).eps
                with np.errstate(all="ignore"):
                    changed = array * (1 + unit * rng.integers(-2, 3, array.shape))
                array = changed.astype(array.dtype)
                moved.append(float(array) if type(a) is float else array)
            else:
                moved.append(a)
        found.append(outcome(reference, moved))
    return found


def _spread(one: Any, moved: list[Any]) -> Any:
    """The largest change; None if results jump, or are infinite here and there."""
    if one.dtype.kind != "f":
        return None if any(not np.array_equal(one, m) for m in moved) else 0.0
    finite = np.isfinite(one)
    if any(not np.array_equal(finite, np.isfinite(m)) for m in moved):
        return None
    changes = [np.abs(m[finite].astype(float) - one[finite]).max(initial=0.0) for m in moved]
    return max(changes, default=0.0)


# ---------------------------------------------------------------- smaller failures


def smaller(program: Program, fails: Callable[[Program], bool]) -> Program:
    """A part of a failing program that still fails."""
    while True:
        parts = map(needed, _parts(program))
        shorter = (p for p in parts if len(p.lines) < len(program.lines) and fails(p))
        found = next(shorter, None)
        if found is None:
            return program
        program = found


def _parts(program: Program) -> Iterator[Program]:
    """Programs with one result, with earlier results, and with a value for a line."""
    names = [line.split(" = ")[0] for line in program.lines]
    if len(program.results) > 1:
        yield from (replace(program, results=(r,)) for r in program.results)
    yield from (replace(program, results=(n,)) for n in reversed(names[:-1]))
    for k, name in enumerate(names[:-1]):
        value = _value_of(program, k)
        if value is not None:
            lines = (*program.lines[:k], *program.lines[k + 1 :])
            arguments = {**program.arguments, name: np.array(value)}
            yield replace(program, lines=lines, arguments=arguments)


def _value_of(program: Program, k: int) -> Any:
    space = {**NAMES, **program.arguments}
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            for line in program.lines[: k + 1]:
                exec(line, space)
    except Exception:
        return None
    return space[program.lines[k].split(" = ")[0]]


def run(first: int, count: int, seconds: float, *, shrink: bool) -> None:
    """Check programs one after the other; each one's number is printed before it runs."""
    begun = time.monotonic()
    for seed in range(first, first + count):
        if time.monotonic() - begun > seconds:
            break
        print(json.dumps({"seed": seed}), flush=True)
        try:
            program = draw_program(seed)
            wrong = check(program, np.random.default_rng(seed))
            if wrong and shrink:
                kinds = {w.partition(":")[0] for w in wrong}

                def fails(candidate: Program, seed: int = seed, kinds: set[str] = kinds) -> bool:
                    again = check(candidate, np.random.default_rng(seed))
                    return any(w.partition(":")[0] in kinds for w in again)

                program = smaller(program, fails)
                wrong = check(program, np.random.default_rng(seed)) or wrong
        except Exception:
            wrong, program = [traceback.format_exc()], None
        if wrong:
            print(json.dumps({"seed": seed, "wrong": wrong, "program": str(program)}), flush=True)
    print(json.dumps({"done": True}), flush=True)


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    run(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), shrink="shrink" in sys.argv)
