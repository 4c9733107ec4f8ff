"""Each NumPy function with a traced version: values, derivatives, and the errors of the others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from corpus.oracle import relative_error, richardson
from tracing.support import Row, check_derivatives, check_value
from tracing.table import TABLE
from wengert.errors import (
    DomainError,
    InPlaceWriteError,
    ShapeError,
    SingularMatrixError,
    TracingError,
    UnsupportedFunctionError,
)
from wengert.tracing.dispatch import implementations, name_of
from wengert.transforms.differentiate import derivative, grad

each = pytest.mark.parametrize("row", TABLE, ids=[r.id for r in TABLE])


def test_every_implementation_is_in_the_table() -> None:
    tested = {r.key for r in TABLE}
    assert [name_of(f) for f in implementations if f not in tested] == []


@each
def test_value(row: Row) -> None:
    check_value(row)


@each
def test_derivatives(row: Row) -> None:
    check_derivatives(row)


def _error_of(call: Any, x: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        derivative(call)(x)


def _written(x: Any) -> Any:
    x[0] = 1.0
    return x


V3, M23 = np.array([0.3, 1.2, 2.1]), np.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (np.fft.fft, r"np\.fft\.fft"),
        (np.histogram, "stop_gradient"),
        (np.unique, "stop_gradient"),
        (lambda x: np.apply_along_axis(np.sum, 0, x), "vmap"),
        (lambda x: x + 1j, "real"),
        (lambda x: np.quantile(x, 0.5, method="inverted_cdf"), "inverted_cdf"),
        (lambda x: np.ravel(np.outer(x, x), order="K"), "memory"),
        (lambda x: np.reshape(np.outer(x, x), (9,), order="A"), "memory"),
        (lambda x: np.sum(x, dtype=int), "whole numbers"),
        (lambda x: np.cov(x, aweights=x), "aweights"),
        (lambda x: np.polyfit(x, x, 1, full=True), "full="),
        (lambda x: np.piecewise(x, [x > 0], [np.sin]), "np.select"),
        (np.subtract.reduce, "its method reduce"),
        (lambda x: np.pad(x, 1, mode="reflect", reflect_type="odd"), "odd"),
        (lambda x: np.pad(x, 1, mode="maximum"), "maximum"),
        (lambda x: np.gradient(x, edge_order=3), "edge_order"),
        (lambda x: np.linalg.qr(x[:, None], mode="complete"), "reduced"),
        (lambda x: np.linalg.svd(x[:, None]), "full_matrices=False"),
        (lambda x: np.interp(x, V3, V3, period=1.0), "period"),
        (lambda x: np.add.reduceat(x, [0, 1]), "its method reduceat"),
        (lambda x: np.add.at(x, [0], 1.0), r"wg\.at"),
        (np.divide.accumulate, "accumulate"),
    ],
)
def test_what_is_not_supported_says_so(call: Any, words: str) -> None:
    _error_of(call, V3, UnsupportedFunctionError, words)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x + np.ones(2),
        lambda x: x @ np.ones((2, 2)),
        lambda x: np.reshape(x, (4,)),
        lambda x: np.sum(x, axis=2),
        lambda x: np.sum(x, axis=(0, 0)),
        lambda x: np.transpose(x, (0, 0)),
        lambda x: np.squeeze(x, 0),
        np.linalg.inv,
        lambda x: np.cross(x[:, :2], x[:, :2]),
        lambda x: np.tensordot(x, x, 1),
        lambda x: np.concatenate([x[0, 0], x[0]]),
    ],
)
def test_shapes_that_do_not_fit_are_named(call: Any) -> None:
    _error_of(call, M23, ShapeError, r"test_numpy_functions\.py, line \d+")


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda x: np.exp(x, out=np.zeros(3)), InPlaceWriteError, "out="),
        (lambda x: np.sum(x, out=np.zeros(())), InPlaceWriteError, "out="),
        (_written, InPlaceWriteError, r"wg\.at"),
        (lambda x: float(x[0]), TracingError, r"float\(\)"),
        (lambda x: np.float64(x[0]), TracingError, r"np\.stack"),
        (lambda x: x[5], IndexError, "5"),
        (lambda x: x[0.5], IndexError, "integer"),
        (lambda x: x[0, 0], IndexError, "2 indices"),
        (lambda x: x[True, 0], IndexError, "True and False"),
        (lambda x: np.max(x, where=x > 0), ShapeError, "initial"),
    ],
)
def test_what_would_lose_the_derivative(call: Any, kind: type[Exception], words: str) -> None:
    _error_of(call, V3, kind, words)


def test_an_entry_kept_in_a_plain_array_has_the_remedy() -> None:
    def keeping(x: Any) -> Any:
        kept = np.zeros(2)
        kept[0] = x[0]
        return kept.sum()

    with pytest.raises(TracingError, match=r"wg\.at"):
        grad(keeping)(np.ones(2))


# ---------------------------------------------------------------- cases of their own


def test_the_deviation_of_equal_entries_has_the_derivative_0() -> None:
    assert np.array_equal(grad(np.std)(np.ones(3)), np.zeros(3))


def test_the_deviation_of_one_entry_is_constant() -> None:
    for order in (1, 2):
        assert not derivative(lambda x: np.std(x, axis=0), order=order)(np.ones((1, 3))).any()


def test_complex_eigenvalues_are_an_error() -> None:
    turn = np.array([[0.0, -1.0], [1.0, 0.0]])
    for call in (np.linalg.eigvals, lambda a: np.linalg.eig(a)[1]):
        with pytest.raises(DomainError, match="complex eigenvalues"):
            derivative(call)(turn)


def test_matrices_without_a_basis_of_eigenvectors_are_an_error() -> None:
    with pytest.raises(SingularMatrixError):
        derivative(np.linalg.eigvals)(np.array([[1.0, 1.0], [0.0, 1.0]]))


def test_einsum_stretches_size_1_to_an_empty_axis() -> None:
    empty = np.zeros((0, 2))
    found = derivative(lambda x: np.einsum("ij,ij->ij", x, empty), order=0)(np.ones((1, 2)))
    assert found.shape == (0, 2)


def test_a_function_of_entries_may_choose_plain_numbers() -> None:
    found = derivative(lambda x: np.min(np.array([[x, 0.5], [x, x]]), axis=0))(1.0)
    assert np.array_equal(found, [1.0, 0.0])


def test_numbers_cut_to_integers_are_indices() -> None:
    assert np.array_equal(grad(lambda x: x[np.int64(x[2])])(V3), [0.0, 0.0, 1.0])


def test_float32_stays() -> None:
    x = V3.astype(np.float32)
    for call in (np.sum, np.std, np.mean, np.var, np.prod, np.max, np.median, np.linalg.norm):
        assert grad(call)(x).dtype == np.float32, call.__name__
    for call in (
        lambda x: np.where(x > 1, x, 0),
        lambda x: np.clip(x, 0.5, 1),
        lambda x: np.quantile(x, 0.3),
        lambda x: np.quantile(x, [0.3]),
        np.angle,
        np.nanmean,
        np.nanstd,
        lambda x: np.sum(x, dtype=float),
        lambda x: np.cumprod(x, dtype=float),
        lambda x: np.einsum("i->", x, dtype=float),
    ):
        assert derivative(call, order=0)(x).dtype == np.asarray(call(x)).dtype


def test_fortran_order_changes_no_values() -> None:
    x = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    for call in (np.ravel, lambda x: np.reshape(x, (3, 2), order="F"), lambda x: x.flatten("F")):
        assert np.array_equal(derivative(call, order=0)(x), call(x))


def test_array_api_code() -> None:
    def function(x: Any) -> Any:
        xp = x.__array_namespace__()
        y = xp.linalg.matmul(x, xp.matrix_transpose(x))
        z = xp.permute_dims(xp.concat([y, y], axis=0), (1, 0))
        norms = xp.linalg.vector_norm(z, axis=(-1,))
        some = xp.astype(xp.argmax(z, axis=1), xp.float64)
        bent = xp.where(norms > 1, xp.pow(norms, 2.0), xp.asin(norms * 0.1)) + some
        return xp.cumulative_sum(bent) + xp.mean(xp.acosh(1.5 + xp.abs(x))) + xp.vecdot(norms, bent)

    check_value(Row("array api", function, ((2, 3),)))
    check_derivatives(Row("array api", function, ((2, 3),)))


def test_the_same_array_twice() -> None:
    for call in (np.matmul, np.dot, np.outer, np.multiply, np.hypot, np.kron, np.convolve):
        row = Row(f"{call.__name__} twice", lambda x, call=call: call(x, x), ((3,),))
        check_value(row)
        check_derivatives(row)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_equal_eigenvalues_are_right_where_their_vectors_do_not_matter(mode: str) -> None:
    turn = np.linalg.qr(np.arange(9.0).reshape(3, 3) ** 2 + np.eye(3))[0]
    a = turn @ np.diag([1.0, 1.0, 3.0]) @ turn.T

    def projection(b: Any) -> Any:
        vectors = np.linalg.eigh(b + b.T)[1][:, :2]
        return vectors @ vectors.T

    def squares(b: Any) -> Any:
        return np.sum(np.linalg.eigvalsh(b + b.T) ** 2)

    for call in (projection, squares):
        expected, _ = richardson(call, a)
        found = derivative(call, mode=mode)(a)
        assert relative_error(found, expected) <= 1e-6, call.__name__


def test_masks_count_as_integers_beside_integers() -> None:
    x = np.array([1.5, -1.0, 2.0])
    table = np.array([1.0, 2.0, 3.0])

    def masked(x: Any) -> Any:
        return np.sum(((x > 0) * 2 + (x > 1)) * x)

    np.testing.assert_array_equal(wg.grad(masked)(x), [3, 0, 3])
    np.testing.assert_array_equal(wg.compile(wg.grad(masked))(x), [3, 0, 3])
    chosen = wg.grad(lambda x: np.sum(table[(x > 0) * 1] * x))(x)
    np.testing.assert_array_equal(chosen, [2, 1, 2])
