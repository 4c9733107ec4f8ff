"""Functions of NumPy and SciPy and the operations that they are: values everywhere, special cases,
and the derivatives at the points that make such functions hard."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from scipy import special

from operations.references import reference, scalar_derivative
from operations.support import (
    ELEMENTWISE,
    MODES,
    Call,
    calls,
    draw_operands,
    evaluate,
)
from wengert.derive import derivative
from wengert.errors import DomainError, MissingRuleError, WengertError
from wengert.expr import Expr
from wengert.operations import (
    clip,
    constant,
    elementwise,
    expn,
    lambertw,
    multigammaln,
    nan_to_num,
    operation_of,
    variable,
    zeta,
)
from wengert.primitive import Notation, Partials, Primitive, Undefined
from wengert.printing import latex, numpy_code

DECLARED = [(p, f) for p in ELEMENTWISE for f in p.ufuncs]
BY_NAME = [f"{p.name}-{f.__name__}" for p, f in DECLARED]
X, Z = variable("x", ()), variable("z", ())


def _slopes(node: Expr, leaf: Expr, values: dict[str, Any], times: int = 1) -> list[float]:
    """The derivative in every mode."""
    return [float(evaluate(derivative(node, [leaf] * times, m), values)) for m in MODES]


# ------------------------------------------------------------------ the table


@pytest.mark.parametrize(("primitive", "ufunc"), DECLARED, ids=BY_NAME)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_operations_equal_their_ufuncs(
    primitive: Primitive, ufunc: Callable[..., Any], dtype: Any
) -> None:
    """On the domain and on its boundary; on infinities and NaN of functions of one operand."""
    rng = np.random.default_rng(3)
    for call in calls(primitive, [(40,)]):
        if call.shapes[0] != (40,):
            call = Call(primitive, ((40,),) * len(call.shapes), call.params)  # noqa: PLW2901
        drawn = draw_operands(primitive.domains, call.shapes, rng)
        corners = [(*d.boundary, 0.0, np.inf, -np.inf, np.nan) for d in primitive.domains]
        if len(drawn) == 1 and primitive.domains[0].dtype == "real":
            drawn = [np.concatenate([drawn[0], corners[0]])]
        arrays = [a if a.dtype.kind in "ib" else a.astype(dtype) for a in drawn]
        with np.errstate(all="ignore"):
            expected = ufunc(*dict(call.params).values(), *arrays)
            # as the node's evaluation: constant operands have their own simplifications
            node = Call(primitive, tuple(a.shape for a in arrays), call.params).node()
            got = primitive.evaluate(node, *arrays)
        tolerance = 1e-14 if dtype is np.float64 else 1e-6
        np.testing.assert_allclose(got, expected, rtol=tolerance, atol=0)


@pytest.mark.parametrize(("primitive", "ufunc"), DECLARED, ids=BY_NAME)
def test_the_table_has_the_declared_functions(primitive: Primitive, ufunc: Any) -> None:
    build = operation_of(ufunc)
    assert build is not None
    if not primitive.parameters:
        operands = [
            variable(f"x{k}", (), frozenset(), d.dtype) for k, d in enumerate(primitive.domains)
        ]
        assert build(*operands) is elementwise(primitive.name, *operands)


def test_no_function_is_two_operations() -> None:
    functions = [f for _, f in DECLARED]
    assert len(functions) == len(set(functions))


@pytest.mark.parametrize(
    "function",
    [np.deg2rad, np.radians, np.rad2deg, np.degrees, np.nan_to_num, np.i0, special.zeta],
    ids=lambda f: f.__name__,
)
def test_composed_functions_of_one_operand(function: Any) -> None:
    build = operation_of(function)
    assert build is not None
    value = evaluate(build(X), {"x": 1.7})
    assert float(value) == pytest.approx(float(function(1.7)), rel=1e-14)


def test_bessel_functions_of_whole_order() -> None:
    for function in (special.kn, special.yn):
        build = operation_of(function)
        assert build is not None
        for order in (0, 1, 3):
            node = build(constant(order), X)
            assert float(evaluate(node, {"x": 1.7})) == pytest.approx(function(order, 1.7))
        with pytest.raises(DomainError, match="whole orders"):
            build(constant(Fraction(1, 2)), X)


@pytest.mark.parametrize("function", [special.sici, special.fresnel])
def test_functions_of_two_results(function: Any) -> None:
    build = operation_of(function)
    assert build is not None
    found = [float(evaluate(part, {"x": 1.3})) for part in build(X)]
    assert found == pytest.approx([float(v) for v in function(1.3)], rel=1e-14)


def test_divmod_is_a_pair() -> None:
    build = operation_of(np.divmod)
    assert build is not None
    found = [float(evaluate(p, {"x": -7.5, "z": 2.0})) for p in build(X, Z)]
    assert found == [-4.0, 0.5]


@pytest.mark.parametrize("dimension", [1, 2, 5])
def test_multigammaln(dimension: int) -> None:
    node = multigammaln(X, dimension)
    assert float(evaluate(node, {"x": 3.7})) == pytest.approx(
        float(special.multigammaln(3.7, dimension)), rel=1e-13
    )
    slope = sum(special.digamma(3.7 - j / 2) for j in range(dimension))
    assert _slopes(node, X, {"x": 3.7}) == pytest.approx([slope] * 3, rel=1e-13)


# ------------------------------------------------------------------ operands without a derivative

PARTLY = [
    p
    for p in ELEMENTWISE
    if isinstance(p.derivative, Partials)
    and any(isinstance(q, Undefined) and p.domains[k].dtype == "real"
            for k, q in enumerate(p.derivative.partials))
]  # fmt: skip


@pytest.mark.parametrize("primitive", PARTLY, ids=repr)
@pytest.mark.parametrize("mode", MODES)
def test_undefined_partials_are_errors(primitive: Primitive, mode: str) -> None:
    """Named with the operand and the reason; the other operands have their derivatives."""
    call = next(calls(primitive, [()]))
    assert call.undefined
    assert call.leaves()
    for k in call.undefined:
        with pytest.raises(MissingRuleError, match=rf"{primitive.name} .* operand {k + 1}: "):
            derivative(call.node(), [variable(f"x{k}", ())], mode)
    for leaf in call.leaves():
        derivative(call.node(), [leaf], mode)


# ------------------------------------------------------------------ kinks, ties, NaN


@pytest.mark.parametrize("name", ["fmax", "fmin"])
def test_fmax_and_fmin_pass_over_nan(name: str) -> None:
    node = elementwise(name, X, Z)
    for x, z, expected in [
        (np.nan, 2.0, (0.0, 1.0)), (2.0, np.nan, (1.0, 0.0)), (2.0, 2.0, (0.5, 0.5)),
        (np.inf, np.inf, (0.5, 0.5)),
    ]:  # fmt: skip
        values = {"x": x, "z": z}
        for leaf, slope in zip((X, Z), expected, strict=True):
            assert _slopes(node, leaf, values) == [slope] * 3
    both = {"x": np.nan, "z": np.nan}
    assert np.isnan(_slopes(node, X, both)).all()


LOW, HIGH = variable("l", ()), variable("h", ())


@pytest.mark.parametrize(
    ("x", "low", "high", "expected"),
    [
        (0.5, 0.0, 1.0, (1, 0, 0)), (0.0, 0.0, 1.0, (1, 0, 0)), (1.0, 0.0, 1.0, (1, 0, 0)),
        (-1.0, 0.0, 1.0, (0, 1, 0)), (2.0, 0.0, 1.0, (0, 0, 1)), (0.5, 2.0, 1.0, (0, 0, 1)),
        (1.0, 1.0, 1.0, (1, 0, 0)), (0.5, -np.inf, np.inf, (1, 0, 0)),
    ],
)  # fmt: skip
def test_clip(x: float, low: float, high: float, expected: tuple[int, int, int]) -> None:
    """On a bound the derivative is x's; the three always sum to 1."""
    node = clip(X, LOW, HIGH)
    values = {"x": x, "l": low, "h": high}
    assert float(evaluate(node, values)) == np.clip(x, low, high)
    for leaf, slope in zip((X, LOW, HIGH), expected, strict=True):
        assert _slopes(node, leaf, values) == [slope] * 3


@pytest.mark.parametrize("x", [-1.0, 0.0, 2.0])
def test_clip_on_one_side(x: float) -> None:
    values = {"x": x, "l": 0.0}
    below, above = clip(X, LOW), clip(X, None, LOW)
    assert float(evaluate(below, values)) == max(x, 0.0)
    assert float(evaluate(above, values)) == min(x, 0.0)
    assert _slopes(below, X, values) == [float(x >= 0)] * 3
    assert _slopes(below, LOW, values) == [float(x < 0)] * 3
    assert _slopes(above, X, values) == [float(x <= 0)] * 3
    assert _slopes(above, LOW, values) == [float(x > 0)] * 3
    assert clip(X) is X


def test_nan_to_num_of_nothing_finite() -> None:
    node = nan_to_num(X, 3.0, 5.0, -5.0)
    for x, value, slope in [(np.nan, 3, 0), (np.inf, 5, 0), (-np.inf, -5, 0), (1.5, 1.5, 1)]:
        assert float(evaluate(node, {"x": x})) == value
        assert _slopes(node, X, {"x": x}) == [slope] * 3


def test_hypot_and_arctan2_at_the_origin() -> None:
    origin = {"x": 0.0, "z": 0.0}
    assert _slopes(elementwise("hypot", X, Z), X, origin) == [0.0] * 3
    assert np.isnan(_slopes(elementwise("arctan2", X, Z), X, origin)).all()
    for x, z in [(1e200, 1e200), (1e-100, 1e-100)]:
        slopes = _slopes(elementwise("hypot", X, Z), X, {"x": x, "z": z})
        assert slopes == pytest.approx([0.5**0.5] * 3, rel=1e-14)


@pytest.mark.parametrize("x", [0.0, -0.0])
def test_copysign_and_heaviside_where_the_sign_jumps(x: float) -> None:
    values = {"x": x, "z": -2.0}
    assert _slopes(elementwise("copysign", X, Z), X, values) == [0.0] * 3
    assert _slopes(elementwise("copysign", X, Z), Z, values) == [0.0] * 3
    assert _slopes(elementwise("heaviside", X, Z), Z, values) == [1.0] * 3
    values["x"] = -3.0
    assert _slopes(elementwise("copysign", X, Z), X, values) == [1.0] * 3


@pytest.mark.parametrize("name", ["remainder", "fmod"])
@pytest.mark.parametrize("x", [-5.3, 5.3, 0.4, -0.4])
@pytest.mark.parametrize("z", [2.0, -2.0])
def test_remainders_by_sign(name: str, x: float, z: float) -> None:
    quotient = np.floor(x / z) if name == "remainder" else np.trunc(x / z)
    node, values = elementwise(name, X, Z), {"x": x, "z": z}
    assert float(evaluate(node, values)) == pytest.approx(x - quotient * z, rel=1e-13)
    assert _slopes(node, X, values) == [1.0] * 3
    assert _slopes(node, Z, values) == [-quotient] * 3


@pytest.mark.parametrize("name", ["logaddexp", "logaddexp2"])
def test_logaddexp_far_out(name: str) -> None:
    node = elementwise(name, X, Z)
    for x, z, slope in [(1e4, 0.0, 1.0), (0.0, 1e4, 0.0), (-1e4, -1e4, 0.5), (-np.inf, 0.0, 0.0)]:
        values = {"x": x, "z": z}
        assert _slopes(node, X, values) == [slope] * 3
        assert np.isfinite(_slopes(node, X, values, 2)).all()


@pytest.mark.parametrize(
    ("name", "slope"), [("cbrt", np.inf), ("entr", np.inf), ("spence", -np.inf)]
)
def test_vertical_tangents_at_zero(name: str, slope: float) -> None:
    assert _slopes(elementwise(name, X), X, {"x": 0.0}) == [slope] * 3


def test_pseudo_huber_of_small_residuals() -> None:
    """The partial in the scale is r⁴/(4d³) to leading order, not rounding."""
    values = {"x": 2.0, "z": 1e-4}
    found = _slopes(elementwise("pseudo_huber", X, Z), X, values)
    assert found == pytest.approx([1e-16 / 32] * 3, rel=1e-7)


# ------------------------------------------------------------------ hard points


@pytest.mark.parametrize("x", [-0.3678, -0.3, -0.1, -1e-5])
@pytest.mark.parametrize("branch", [0, -1])
def test_branches_of_lambertw(branch: int, x: float) -> None:
    node = lambertw(X, branch)
    expected = reference("lambertw", {"branch": branch})
    assert expected is not None
    assert float(evaluate(node, {"x": x})) == pytest.approx(float(expected(x)), rel=1e-9)
    slope = scalar_derivative("lambertw", x, branch=branch)
    assert _slopes(node, X, {"x": x}) == pytest.approx([slope] * 3, rel=1e-7)


def test_lambertw_where_it_is_not_real() -> None:
    assert np.isnan(evaluate(lambertw(X), {"x": -0.4}))
    assert np.isnan(evaluate(lambertw(X, -1), {"x": 0.1}))
    assert _slopes(lambertw(X), X, {"x": 0.0}) == [1.0] * 3
    with pytest.raises(DomainError, match="branch 1"):
        lambertw(X, 1)


def test_riemann_zeta_and_exponential_integrals_of_low_order() -> None:
    assert float(evaluate(zeta(X), {"x": 2.0})) == pytest.approx(np.pi**2 / 6)
    for order in (0, 1, 2):
        got = float(evaluate(expn(order, X), {"x": 0.7}))
        assert got == pytest.approx(float(special.expn(order, 0.7)), rel=1e-14)


FAR = {
    "ierfcx": [-8.0, 0.99, 1.01, 6.0, 100.0, 1e6],
    "ddawsn": [0.1, 5.0, 6.4, 6.6, 30.0, 1e3],
    "dsinc": [1e-9, 0.3, 2.5, 4.7, 30.0],
    "dexprel": [-300.0, -11.0, -9.0, 1e-9, 9.0, 11.0, 300.0],
    "dlogratio": [1e-3, 0.249, 0.251, 0.9999999, 1.5, 3.99, 4.01, 1e4],
    "drgamma": [-20.3, -5.0, -1.0, 0.0, 5.0, 30.0],
}


@pytest.mark.parametrize("name", FAR)
@pytest.mark.parametrize("order", [1, 2, 3])
def test_families_of_derivatives_where_their_evaluation_changes(name: str, order: int) -> None:
    expected = reference(name, {"order": order})
    assert expected is not None
    primitive = next(p for p in ELEMENTWISE if p.name == name)
    for x in FAR[name]:
        got = float(evaluate(Call(primitive, ((),), (("order", order),)).node(), {"x0": x}))
        assert got == pytest.approx(float(expected(x)), rel=1e-10, abs=1e-300), x


@pytest.mark.parametrize("x", [-1e6, -40.0, -1.0, 3.0, 40.0])
def test_curvature_of_log_ndtr(x: float) -> None:
    """−φ/Φ (x + φ/Φ) tends to −1, though its terms cancel to the last digit."""
    (found, *_) = _slopes(elementwise("log_ndtr", X), X, {"x": x}, 2)
    if x <= -40:
        assert found == pytest.approx(-1 + 1 / x**2, rel=1e-5)
    elif x >= 40:
        assert abs(found) < 1e-300
    else:
        assert found == pytest.approx(scalar_derivative("log_ndtr", x, 2), rel=1e-12)


@pytest.mark.parametrize("name", ["j0", "j1", "i0", "i1"])
def test_bessel_functions_at_zero(name: str) -> None:
    node = elementwise(name, X)
    for times in (1, 2, 3):
        slope = scalar_derivative(name, 0.0, times)
        assert _slopes(node, X, {"x": 0.0}, times) == pytest.approx([slope] * 3, abs=1e-14)


PLAIN = [p for p in ELEMENTWISE if p.dtype == "real" and all(d.dtype == "real" for d in p.domains)]
WITHOUT_CODE = [p for p in PLAIN if isinstance(p.notation, Notation) and not p.notation.numpy]


@pytest.mark.parametrize("primitive", WITHOUT_CODE, ids=repr)
def test_what_numpy_and_scipy_do_not_have_is_refused_as_code(primitive: Primitive) -> None:
    call = next(iter(calls(primitive, [(7,)])))
    with pytest.raises(WengertError, match="no code"):
        numpy_code(call.node(), call.node().operands)


@pytest.mark.parametrize("primitive", [p for p in PLAIN if p not in WITHOUT_CODE], ids=repr)
def test_the_code_that_is_printed_is_the_function(primitive: Primitive) -> None:
    rng = np.random.default_rng(8)
    for call in calls(primitive, [(7,)]):
        drawn = call.draw(rng)
        values = {k: np.asarray(v) for k, v in drawn.items()}
        code = numpy_code(call.node(), call.node().operands)
        assert latex(call.node())
        module: dict[str, Any] = {}
        exec(code, module)
        got = module["f"](*values.values())
        np.testing.assert_allclose(got, evaluate(call.node(), values), rtol=1e-9, err_msg=code)
