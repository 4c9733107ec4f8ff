"""Random compositions of all operations: value, first and second derivatives in every mode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from corpus.oracle import richardson
from drawing import examples
from operations.expressions import UNARY, Sample, samples
from operations.support import MODES, STRUCTURAL, assert_close, evaluate, function_of
from wengert.derive import derivative
from wengert.operations import variable
from wengert.primitive import Constant, Undefined, registry
from wengert.rewrite import display, recognise


def compare(found: Mapping[str, Any], function: Any, point: Any, what: str) -> bool:
    """What each mode finds against differences, if they converge."""
    with np.errstate(all="ignore"):
        expected, error = richardson(function, point)
    largest = np.abs(expected).max(initial=0.0)
    if not np.isfinite(expected).all() or largest > 1e6:
        return False
    doubt = float(error.max(initial=0.0)) / max(largest, 1e-3)
    if not doubt < 1e-5:
        return False
    for mode, value in found.items():
        assert_close(value, expected, 1e-6 + 10 * doubt, f"{what}, {mode}")
    return True


@given(samples(kinks=True))
@examples(400)
def test_values(sample: Sample) -> None:
    if sample.tame:
        assert_close(
            evaluate(sample.pair.expr, sample.values, lowered=False), sample.expected, 1e-7
        )
        assert_close(evaluate(sample.pair.expr, sample.values), sample.expected, 1e-7)
        assert_close(evaluate(recognise(sample.pair.expr), sample.values), sample.expected, 1e-7)


@given(samples(), st.data())
@examples(200)
def test_first_and_second_derivatives_in_all_modes(sample: Sample, data: st.DataObject) -> None:
    """The first against differences of the NumPy function, the second of the first."""
    if not sample.tame or not sample.depends_on:
        return
    root, values = sample.pair.expr, sample.values
    name, other = (data.draw(st.sampled_from(sample.depends_on)) for _ in range(2))
    leaf, second = (variable(k, values[k].shape) for k in (name, other))

    def function(x: Any) -> Any:
        return sample.pair.function({**values, name: x})

    firsts = {mode: derivative(root, [leaf], mode) for mode in MODES}
    found = {mode: evaluate(first, values) for mode, first in firsts.items()}
    if not compare(found, function, values[name], "first"):
        return
    slope = function_of(firsts["reverse"], values, other)
    found = {
        mode: evaluate(derivative(first, [second], mode), values) for mode, first in firsts.items()
    }
    compare(found, slope, values[other], "second")


@given(samples(depth=4), st.data())
@examples(100)
def test_derivatives_commute(sample: Sample, data: st.DataObject) -> None:
    """∂²f/∂u∂w = ∂²f/∂w∂u with the axes exchanged, in any pair of modes."""
    if not sample.tame or not sample.depends_on:
        return
    root, values = sample.pair.expr, sample.values
    names = [data.draw(st.sampled_from(sample.depends_on)) for _ in range(2)]
    u, w = (variable(k, values[k].shape) for k in names)
    modes = [data.draw(st.sampled_from(MODES)) for _ in range(2)]
    one = evaluate(derivative(derivative(root, [u], modes[0]), [w], modes[1]), values)
    two = evaluate(derivative(derivative(root, [w], modes[1]), [u], modes[0]), values)
    r, p, q = root.ndim, u.ndim, w.ndim
    exchanged = np.transpose(two, [*range(r), *range(r + q, r + q + p), *range(r, r + q)])
    if np.isfinite(one).all() and np.abs(one).max(initial=0.0) < 1e8:
        assert_close(one, exchanged, 1e-7)


@given(samples(depth=4, ranks=(0, 1)), st.data())
@examples(100)
def test_display_of_derivatives_is_sound_and_the_same_in_all_modes(
    sample: Sample, data: st.DataObject
) -> None:
    if not sample.tame or not sample.depends_on:
        return
    root, values = sample.pair.expr, sample.values
    name = data.draw(st.sampled_from(sample.depends_on))
    leaf = variable(name, values[name].shape)
    found = [derivative(root, [leaf], mode) for mode in MODES]
    expected = evaluate(found[0], values)
    if not np.isfinite(expected).all() or np.abs(expected).max(initial=0.0) > 1e8:
        return
    for mode, expr in zip(MODES, found, strict=True):
        assert_close(evaluate(display(expr, [root]), values), expected, 1e-6, f"shown, {mode}")


def test_random_expressions_cover_the_registry() -> None:
    """Every elementwise operation is drawn, directly or by another's derivative.

    Operations on axes have generated tests of their own (operations.test_registry).
    """
    implied = {"maxmask", "minmask", "safepower", "finite", "invmillsexcess", "gammasgn"}
    functions = [p for p in registry.values() if p.elementwise]
    several = {p.name for p in functions if p.arity != 1 or p.parameters}
    discrete = {
        p.name for p in functions if p.dtype != "real" or isinstance(p.derivative, Constant)
    }
    undefined = {p.name for p in functions if isinstance(p.derivative, Undefined)}
    covered = {*UNARY, *implied, *several, *discrete, *undefined, *STRUCTURAL}
    assert {p.name for p in functions} <= covered
