"""The user's arrays: names, shapes, sizes, dtypes and assumptions, and what the errors say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.errors import AssumptionError, NameClashError, ShapeError


def f(text: str = "norm2(X*w - y)^2", **kwargs: Any) -> wg.Formula:
    return wg.formula(text, **kwargs)


DATA = {"X": np.arange(6.0).reshape(3, 2), "w": np.ones(2), "y": np.zeros(3)}


def test_sizes_are_read_from_all_values() -> None:
    """The Hessian mentions X alone; the second derivative in X has no X at all, but its size."""
    g = f().derivative("w", order=2)
    assert g(**DATA).shape == (2, 2)
    assert g(X=DATA["X"]).shape == (2, 2)
    h = f().derivative("X", order=2)
    assert h(**DATA).shape == (3, 2, 3, 2)
    with pytest.raises(ShapeError, match=r"size .* is not known.*pass"):
        h(w=DATA["w"])


def test_unknown_and_missing_names() -> None:
    with pytest.raises(NameClashError, match=r"no variable 'W'.*X.*w.*y"):
        f()(**DATA, W=1.0)
    with pytest.raises(NameClashError, match=r"no value is given for y"):
        f()(X=DATA["X"], w=DATA["w"])
    with pytest.raises(NameClashError, match="did you mean 'weights'"):
        f("sum(weights)", shapes={"weights": ("n",)})(weigths=[1.0])


def test_shapes_that_do_not_fit_name_both() -> None:
    with pytest.raises(
        ShapeError, match=r"y is m with m = 3 \(m from X \(axis 0\)\); the value has shape \(4,\)"
    ):
        f()(X=DATA["X"], w=DATA["w"], y=np.zeros(4))
    with pytest.raises(ShapeError, match=r"rank 1.*\(2, 1\).*ravel"):
        f()(X=DATA["X"], w=np.ones((2, 1)), y=DATA["y"])
    with pytest.raises(ShapeError, match=r"rank 2.*X\[:, None\]"):
        f()(X=np.ones(3), w=DATA["w"], y=DATA["y"])
    with pytest.raises(ShapeError, match="one number"):
        f("a*x")(a=[1.0, 2.0], x=[1.0])
    with pytest.raises(ShapeError, match="3 declared"):
        f("sum(x)", shapes={"x": (3,)})(x=np.zeros(4))
    with pytest.raises(ShapeError, match="n×n"):
        f("tr(A)")(A=np.zeros((2, 3)))


def test_values_that_are_no_real_numbers() -> None:
    with pytest.raises(ShapeError, match=r"complex.*real"):
        f("sum(x)")(x=np.array([1j]))
    with pytest.raises(ShapeError, match="not an array of real numbers"):
        f("sum(x)")(x=["a", "b"])
    with pytest.raises(ShapeError, match="not an array of real numbers"):
        f("sum(x)")(x=[None])


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (("float64", "float64", "float64"), "float64"),
        (("float32", "float32", "float32"), "float32"),
        (("float16", "float32", "float32"), "float32"),
        (("float32", "float64", "float32"), "float64"),
        (("float32", "int64", "float32"), "float64"),
        (("int64", "int32", "uint8"), "float64"),
        (("bool", "float64", "float64"), "float64"),
        (("longdouble", "float64", "float64"), "float64"),
    ],
)
def test_dtypes(kinds: tuple[str, ...], expected: str) -> None:
    values = {k: v.astype(d) for (k, v), d in zip(DATA.items(), kinds, strict=True)}
    for g in (f(), f().derivative("w"), f().derivative("w", order=2), f().derivative("X", order=2)):
        got = g(**values)
        assert got.dtype == expected
        assert isinstance(got, np.generic | np.ndarray)


def test_lists_and_numbers_are_taken() -> None:
    assert float(f("a*sum(x)")(a=2, x=[1, 2, 3])) == 12.0
    assert f("x")(x=[1, 2]).dtype == np.float64


def test_results_are_never_the_users_arrays() -> None:
    x, A = np.ones(3), np.arange(9.0).reshape(3, 3)
    for g, values in [
        (f("x"), {"x": x}),
        (f("A'"), {"A": A}),
        (f("diag(A)"), {"A": A}),
        (f("vec(A)"), {"A": A}),
        (f("A*x").derivative("x"), {"A": A, "x": x}),
    ]:
        before = {k: v.copy() for k, v in values.items()}
        result = g(**values)
        result[...] = -7.0
        for name, array in values.items():
            assert np.array_equal(array, before[name])


@pytest.mark.parametrize(
    ("assumption", "good", "bad", "says"),
    [
        (
            "symmetric",
            [[1.0, 2.0], [2.0, 3.0]],
            [[1.0, 2.0], [2.5, 3.0]],
            r"transpose by 0.5 at \(0, 1\)",
        ),
        (
            "positive definite",
            [[2.0, 1.0], [1.0, 2.0]],
            [[1.0, 2.0], [2.0, 1.0]],
            "eigenvalue is -1",
        ),
        ("positive definite", [[2.0, 1.0], [1.0, 2.0]], [[2.0, 1.0], [1.5, 2.0]], "transpose"),
        ("diagonal", [[2.0, 0.0], [0.0, -1.0]], [[2.0, 0.1], [0.0, 1.0]], "off the diagonal"),
        ("orthogonal", [[0.0, 1.0], [-1.0, 0.0]], [[1.0, 1.0], [0.0, 1.0]], "QᵀQ"),
        ("positive", [[2.0, 0.1], [0.2, 1.0]], [[2.0, 0.0], [0.2, 1.0]], "smallest entry is 0"),
    ],
)
def test_assumptions_are_checked(assumption: str, good: Any, bad: Any, says: str) -> None:
    g = f("x'*A*x", assume={"A": assumption})
    g(A=good, x=[1.0, 2.0])
    g(A=np.float32(good), x=np.float32([1.0, 2.0]))
    with pytest.raises(AssumptionError, match=f"A is assumed.*{assumption}|symmetric") as caught:
        g(A=bad, x=[1.0, 2.0])
    assert caught.match(says)


def test_rounding_is_no_breach_of_an_assumption() -> None:
    rng = np.random.default_rng(0)
    q = np.linalg.qr(rng.standard_normal((50, 50)))[0]
    f("x'*Q*x", assume={"Q": "orthogonal"})(Q=q, x=np.ones(50))
    f("x'*Q*x", assume={"Q": "orthogonal"})(Q=q.astype(np.float32), x=np.ones(50, np.float32))
    s = 1e8 * rng.standard_normal((50, 50))
    s = s @ s.T
    f("x'*S*x", assume={"S": "symmetric"})(S=s, x=np.ones(50))


def test_nan_passes_the_checks() -> None:
    g = f("x'*A*x", assume={"A": "symmetric"})
    assert np.isnan(g(A=[[np.nan, 1.0], [2.0, 1.0]], x=[1.0, 1.0]))


def test_empty_arrays_pass_the_checks() -> None:
    for assumption in ("symmetric", "positive definite", "diagonal", "orthogonal", "positive"):
        g = f("x'*A*x", assume={"A": assumption})
        assert float(g(A=np.zeros((0, 0)), x=np.zeros(0))) == 0.0


@pytest.mark.parametrize(
    ("size", "good", "bad"),
    [("2*n", 6, 7), ("n + 1", 4, 0), ("3*n + 2", 11, 12), ("n*n", 9, 8), ("2*n + m", 8, 9)],
)
def test_sizes_are_learnt_from_multiples_and_sums(size: str, good: int, bad: int) -> None:
    """n is 3 and m is 2: each said by another value, or by this one alone."""
    g = f("sum(x) + 0*sum(y) + 0*sum(z)", shapes={"x": (size,), "y": ("n",), "z": ("m",)})
    assert float(g(x=np.ones(good), y=np.ones(3), z=np.ones(2))) == good
    with pytest.raises(ShapeError):
        g(x=np.ones(bad), y=np.ones(3), z=np.ones(2))
    if "m" not in size and size != "n*n":
        alone = f("eye(n)*vector(1) + 0*sum(x)", shapes={"x": (size,)})
        assert alone(x=np.ones(good)).shape == (3,)


def test_sizes_that_are_products_are_checked() -> None:
    g = f("x'*kron(y, z)", shapes={"x": ("n*m",), "y": ("n",), "z": ("m",)})
    assert float(g(x=np.ones(6), y=np.ones(2), z=np.ones(3))) == 6.0
    with pytest.raises(ShapeError):
        g(x=np.ones(7), y=np.ones(2), z=np.ones(3))
