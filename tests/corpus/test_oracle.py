"""The oracle and the corpus, tested by themselves: nothing here needs the library."""

from __future__ import annotations

import re

import numpy as np
import pytest

from corpus import oracle
from corpus.case import DOMAINS, case, names_in, parse_shapes
from corpus.formulas import BY_ID, CASES, MODULES
from corpus.oracle import (
    complex_step_jacobian,
    diagonal_part,
    draw,
    numerical_derivative,
    projection_for,
    relative_error,
    richardson,
    richardson_jacobian,
    sample,
    symmetric_part,
)

ACCURACY = 1e-9

each_module = pytest.mark.parametrize("module", MODULES)

FUNCTIONS = frozenset(
    [
        "abs",
        "adj",
        "arccos",
        "arcsin",
        "arctan",
        "cos",
        "cosh",
        "det",
        "diag",
        "digamma",
        "einsum",
        "erf",
        "exp",
        "expm1",
        "eye",
        "gammaln",
        "gelu",
        "inv",
        "kron",
        "log",
        "log1p",
        "logdet",
        "logsumexp",
        "matpow",
        "matrix",
        "max",
        "maximum",
        "mean",
        "min",
        "minimum",
        "norm1",
        "norm2",
        "norminf",
        "pinv",
        "prod",
        "relu",
        "sigmoid",
        "sign",
        "sin",
        "sinh",
        "softmax",
        "softplus",
        "solve",
        "sqrt",
        "sum",
        "tan",
        "tanh",
        "tr",
        "vec",
        "vector",
    ]
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# ------------------------------------------------------------------ known Jacobians


def unit_tensor(shape: tuple[int, ...]) -> np.ndarray:
    """The derivative of an array by itself."""
    size = int(np.prod(shape))
    return np.eye(size).reshape(shape + shape)


X = rng(1).uniform(-1.0, 1.0, (3, 2))
S = draw("spd", (3, 3), rng(2))
A = rng(3).uniform(-1.0, 1.0, (3, 3))
x = rng(4).uniform(0.3, 1.5, 4)
S_INVERSE = np.linalg.inv(S)

KNOWN = {
    "scalar": (lambda t: np.sin(t) * t**3, 0.7, np.cos(0.7) * 0.7**3 + 3 * 0.7**2 * np.sin(0.7)),
    "identity": (lambda z: z, X, unit_tensor((3, 2))),
    "elementwise": (np.exp, x, np.diag(np.exp(x))),
    "power": (lambda z: z**-1.5, x, np.diag(-1.5 * x**-2.5)),
    "scalar by vector": (lambda z: z @ z, x, 2 * x),
    "scalar by matrix": (lambda z: np.trace(A @ z), S, A.T),
    "vector by matrix": (
        lambda z: A @ z @ np.ones(2),
        X,
        np.einsum("ij,k->ijk", A, np.ones(2)),
    ),
    "gram": (
        lambda z: z.T @ z,
        X,
        np.einsum("jp,iq->pqij", np.eye(2), X) + np.einsum("jq,ip->pqij", np.eye(2), X),
    ),
    "inverse": (np.linalg.inv, S, -np.einsum("ik,lj->ijkl", S_INVERSE, S_INVERSE)),
    "determinant": (np.linalg.det, S, np.linalg.det(S) * S_INVERSE.T),
    "transpose": (lambda z: z.T, X, unit_tensor((3, 2)).transpose(1, 0, 2, 3)),
    "constant": (lambda z: np.ones(3), x, np.zeros((3, 4))),
    "large values": (lambda z: 1e6 * np.exp(z), x, 1e6 * np.diag(np.exp(x))),
    "small values": (lambda z: 1e-3 * np.tanh(z), x, 1e-3 * np.diag(1 / np.cosh(x) ** 2)),
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_jacobians(name):
    f, at, expected = KNOWN[name]
    actual = richardson_jacobian(f, at)
    assert actual.shape == np.shape(f(np.asarray(at))) + np.shape(at)
    assert relative_error(actual, expected) < ACCURACY


@pytest.mark.parametrize("name", KNOWN)
def test_its_own_error_estimate_bounds_the_error(name):
    f, at, expected = KNOWN[name]
    jacobian, error = richardson(f, at)
    slack = 1e-13 * max(1.0, float(np.abs(f(np.asarray(at))).max())) / oracle.STEP
    assert (np.abs(jacobian - expected) <= 10 * error + 100 * slack).all()


@pytest.mark.parametrize("distance", [0.2, 0.02, 0.003])
def test_a_kink_nearby_does_no_harm(distance):
    at = np.array([distance, -distance, 1.0])
    assert (
        relative_error(richardson_jacobian(lambda z: np.abs(z) ** 1.0, at), np.diag(np.sign(at)))
        < 1e-8
    )
    squared = richardson_jacobian(lambda z: np.maximum(z, 0.0) ** 2, at)
    assert relative_error(squared, np.diag(2 * np.maximum(at, 0.0))) < 1e-8


def test_the_point_is_left_alone():
    at = x.copy()

    def spoil(z):
        value = z.sum()
        z[:] = 0.0
        return value

    richardson_jacobian(spoil, at)
    assert (at == x).all()


# ------------------------------------------------------------------ structured variables


def test_symmetric_variable_gets_the_projected_derivative():
    actual = richardson_jacobian(lambda z: np.trace(A @ z), S, symmetric_part)
    assert relative_error(actual, (A + A.T) / 2) < ACCURACY
    actual = richardson_jacobian(lambda z: np.linalg.slogdet(z)[1], S, symmetric_part)
    assert relative_error(actual, S_INVERSE) < ACCURACY


def test_symmetric_variable_stays_symmetric():
    def f(z):
        assert (z == z.T).all()
        return np.linalg.inv(z)

    actual = richardson_jacobian(f, S, symmetric_part)
    free = -np.einsum("ik,lj->ijkl", S_INVERSE, S_INVERSE)
    assert relative_error(actual, (free + free.transpose(0, 1, 3, 2)) / 2) < ACCURACY


def test_diagonal_variable_stays_diagonal():
    at = draw("diagonal", (3, 3), rng(5))

    def f(z):
        assert (z == np.diag(np.diag(z))).all()
        return np.trace(A @ z @ z)

    actual = richardson_jacobian(f, at, diagonal_part)
    assert relative_error(actual, np.diag(2 * np.diag(A) * np.diag(at))) < ACCURACY


def test_projections_by_assumption():
    assert projection_for("symmetric") is symmetric_part
    assert projection_for("positive definite") is symmetric_part
    assert projection_for("diagonal") is diagonal_part
    assert projection_for("positive") is None
    assert projection_for(None) is None


def test_numerical_derivative_of_a_case():
    structured = BY_ID["lecture-5.108"]
    values = sample(structured, rng(6))

    def f(v):
        r = v["x"] - v["A"] @ v["s"]
        assert (v["W"] == v["W"].T).all()
        return r @ v["W"] @ r

    r = values["x"] - values["A"] @ values["s"]
    expected = {
        "s": -2 * r @ values["W"] @ values["A"],
        "A": -2 * np.outer(values["W"] @ r, values["s"]),
        "W": np.outer(r, r),
    }
    for name, derivative in expected.items():
        assert (
            relative_error(numerical_derivative(structured, f, values, name), derivative) < ACCURACY
        )


# ------------------------------------------------------------------ wrong derivatives are caught


def wrong_derivatives():
    """For a known function: the mistakes people and programs make."""
    residual = A @ x[:3] - x[1:]
    right = 2 * residual @ A
    yield "a factor of 2 is missing", right / 2
    yield "the sign is wrong", -right
    yield "the matrix is not transposed", 2 * A @ residual
    yield "it is silently 0", np.zeros(3)
    yield "it is off by a part in 10^7", right * (1 + 1e-7)
    yield "one entry is wrong", right + np.array([0.0, 0.0, 1e-5])
    yield "it is NaN", right * np.nan


@pytest.mark.parametrize(("mistake", "wrong"), list(wrong_derivatives()))
def test_a_wrong_derivative_is_caught(mistake, wrong):
    def f(z):
        r = A @ z - x[1:]
        return r @ r

    right = 2 * (A @ x[:3] - x[1:]) @ A
    assert relative_error(right, richardson_jacobian(f, x[:3])) < ACCURACY
    assert relative_error(wrong, richardson_jacobian(f, x[:3])) > 50 * ACCURACY, mistake


def test_a_transposed_jacobian_is_caught():
    actual = richardson_jacobian(lambda z: np.sin(A @ z), x[:3])
    right = np.cos(A @ x[:3])[:, None] * A
    assert relative_error(right, actual) < ACCURACY
    assert relative_error(right.T, actual) > 0.1


def test_shapes_are_compared_before_values():
    with pytest.raises(ValueError, match="shapes differ"):
        relative_error(np.zeros((1, 3)), np.zeros(3))


def test_relative_error_is_relative():
    assert relative_error([1e8, 1.0], [1e8, 2.0]) == pytest.approx(1e-8)
    assert relative_error(0.0, 1e-15) < 1e-11
    assert relative_error(np.zeros((0, 2)), np.zeros((0, 2))) == 0.0
    assert relative_error(np.inf, 1.0) == np.inf


# ------------------------------------------------------------------ complex steps


def test_complex_step_agrees():
    def f(z):
        return np.exp(z) / (np.sin(z) @ z)

    assert relative_error(complex_step_jacobian(f, x), richardson_jacobian(f, x)) < ACCURACY
    assert relative_error(complex_step_jacobian(np.linalg.inv, S), KNOWN["inverse"][2]) < 1e-13


def test_complex_step_refuses_what_drops_the_imaginary_part():
    with pytest.raises(TypeError, match="imaginary"):
        complex_step_jacobian(np.abs, x)


# ------------------------------------------------------------------ values from the domains


@pytest.mark.parametrize("seed", range(5))
def test_domains(seed):
    assert (np.abs(draw("real", (50,), rng(seed))) >= 0.1).all()
    assert (np.abs(draw("real", (50,), rng(seed))) <= 1.5).all()
    assert (draw("positive", (3, 4), rng(seed)) >= 0.3).all()
    assert (draw("large", (9,), rng(seed)) >= 3).all()
    assert (np.abs(draw("unit", (9,), rng(seed))) <= 0.9).all()
    assert set(draw("labels", (50,), rng(seed))) == {-1.0, 1.0}
    assert set(draw("mask", (2, 3), rng(seed)).ravel()) == {0.0, 1.0}
    assert set(draw("counts", (90,), rng(seed))) == {0.0, 1.0, 2.0, 3.0, 4.0}
    np.testing.assert_allclose(draw("probability", (4, 3), rng(seed)).sum(axis=1), 1.0)
    assert 0 < draw("probability", (), rng(seed)) < 1
    one_hot = draw("onehot", (4, 3), rng(seed))
    assert (one_hot.sum(axis=1) == 1).all()
    assert set(one_hot.ravel()) == {0.0, 1.0}
    spd = draw("spd", (4, 4), rng(seed))
    assert (spd == spd.T).all()
    assert np.linalg.eigvalsh(spd).min() > 0.5
    assert np.linalg.det(draw("invertible", (4, 4), rng(seed))) > 0
    symmetric = draw("symmetric", (3, 3), rng(seed))
    assert (symmetric == symmetric.T).all()
    diagonal = draw("diagonal", (3, 3), rng(seed))
    assert (diagonal == np.diag(np.diag(diagonal))).all()
    q = draw("orthogonal", (3, 3), rng(seed))
    np.testing.assert_allclose(q.T @ q, np.eye(3), atol=1e-14)


def test_every_domain_can_be_drawn():
    for domain in DOMAINS:
        values = draw(domain, (3, 3), rng())
        assert values.shape == (3, 3)
        assert values.dtype == np.float64


def test_unknown_domains_and_shapes_are_refused():
    with pytest.raises(ValueError, match="unknown domain"):
        draw("imaginary", (2,), rng())
    with pytest.raises(ValueError, match="square"):
        draw("spd", (2, 3), rng())


@each_module
def test_samples_fit_their_case(module: str):
    for entry in MODULES[module]:
        values, again = sample(entry, rng(7)), sample(entry, rng(7))
        assert list(values) == list(entry.sizes), entry.id
        for name, shape in entry.sizes.items():
            assert values[name].shape == shape, entry.id
            assert np.isfinite(values[name]).all(), entry.id
            assert (values[name] == again[name]).all(), entry.id
        for name, assumption in entry.assume.items():
            projection = projection_for(assumption)
            if projection is not None:
                assert (projection(values[name]) == values[name]).all(), entry.id


# ------------------------------------------------------------------ the corpus


def defined_in(text: str) -> list[str]:
    return re.findall(r"(?:^|;)\s*([A-Za-z_]\w*)\s*=", text)


def test_the_corpus_is_large_and_its_ids_are_unique():
    assert len(CASES) >= 400
    assert len(BY_ID) == len(CASES)
    assert all(re.fullmatch(r"[a-zA-Z0-9.-]+", entry.id) for entry in CASES)
    assert set(MODULES) >= {"lecture", "cookbook", "mml", "matrixcalculus", "practice"}


def test_every_identity_of_the_lecture_is_there():
    sources = " ".join(entry.source for entry in MODULES["lecture"])
    for number in range(99, 109):
        assert f"5.{number}" in sources


@each_module
def test_a_case_is_consistent(module: str):
    for entry in MODULES[module]:
        defined = defined_in(entry.text)
        assert len(defined) == entry.text.count(";"), entry.id
        assert len(set(defined)) == len(defined), entry.id
        assert not set(defined) & set(entry.sizes), "a definition hides a variable"
        free = names_in(entry.text) - set(defined) - (FUNCTIONS - set(entry.sizes))
        assert free == set(entry.sizes), entry.id
        for name, text in entry.known.items():
            inside = set(defined_in(text))
            assert not inside & set(entry.sizes), entry.id
            assert names_in(text) - inside - FUNCTIONS <= set(entry.sizes), (entry.id, name)


@each_module
def test_shapes_follow_the_letters_unless_declared(module: str):
    for entry in MODULES[module]:
        symbols: dict[str, int] = {}
        for name, size in entry.sizes.items():
            if name in entry.shapes:
                declared = entry.shapes[name]
                assert len(declared) == len(size), (entry.id, name)
                for axis, length in zip(declared, size, strict=True):
                    if isinstance(axis, int):
                        assert axis == length, entry.id
                    else:
                        assert symbols.setdefault(axis, length) == length, (entry.id, axis)
            else:
                assert len(name) == 1, f"{name} has more than one letter and no declared shape"
                rank = 0 if "a" <= name <= "g" else 1 if "h" <= name <= "z" else 2
                assert len(size) == rank, (entry.id, name)


def test_declarations_for_a_text_leave_out_what_it_does_not_mention():
    entry = case(
        "t",
        "b'*X*x",
        "X",
        "b(3) X(3,3) x(3)",
        "s",
        shapes="b(n)",
        assume={"X": "symmetric"},
        known={"X": "(b*x' + x*b')/2"},
    )
    assert entry.declarations_for(entry.text) == (dict(entry.shapes), dict(entry.assume))
    assert entry.declarations_for(entry.known["X"]) == ({"b": ("n",)}, {})
    assert names_in('2.5e-3*b.T @ max(X, axis=1)² + einsum("ij->", Y)ᵀ') == {
        *("b", "max", "X", "einsum", "Y")
    }


def test_mistakes_in_a_case_are_refused():
    def make(**changes):
        return case(
            **({"id": "t", "text": "x", "wrt": "x", "sizes": "x(3)", "source": "s"} | changes)
        )

    assert make().wrt == ("x",)
    with pytest.raises(ValueError, match="no size"):
        make(wrt="y")
    with pytest.raises(ValueError, match="unknown domains"):
        make(domain={"x": "complex"})
    with pytest.raises(ValueError, match="unknown assumptions"):
        make(assume={"x": "hermitian"})
    with pytest.raises(ValueError, match="orthogonal"):
        make(sizes="x(3,3)", assume={"x": "orthogonal"})
    with pytest.raises(ValueError, match="known"):
        make(sizes="x(3) y(3)", known={"y": "x"})
    with pytest.raises(ValueError, match="cannot read"):
        parse_shapes("x(3) y")
