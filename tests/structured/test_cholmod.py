"""Sparse Cholesky factors, where scikit-sparse is installed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.structured.factors.condition import is_symmetric_sparse

RNG = np.random.default_rng(0)


def _chain(x: Any) -> Any:
    return np.sum(np.diff(x) ** 2) + np.sum(np.cosh(x))


def test_symmetry_of_sparse_matrices() -> None:
    H = wg.hessian(_chain, structured=True)(RNG.normal(size=300)).to_scipy_sparse().tocsc()
    assert is_symmetric_sparse(H)
    H[0, 1] *= 1 + 1e-10
    assert not is_symmetric_sparse(H)


def test_without_scikit_sparse_there_is_lu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wengert.structured.factors.cholmod.find_spec", lambda name: None)
    H = wg.hessian(_chain, structured=True)(RNG.normal(size=300))
    assert H.factors.method == "sparse LU"


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_positive_definite_arrays_have_a_sparse_cholesky_factor(dtype: Any) -> None:
    pytest.importorskip("sksparse")
    x = RNG.normal(size=300).astype(dtype)
    H = wg.hessian(_chain, structured=True)(x)
    assert H.factors.method == "sparse Cholesky"
    b = RNG.normal(size=(300, 2)).astype(dtype)
    tolerance = 1e-10 if dtype is np.float64 else 1e-4
    found = H.solve(b)
    assert found.dtype == dtype
    np.testing.assert_allclose(
        found, np.linalg.solve(H.to_dense(), b), rtol=tolerance, atol=tolerance
    )
    np.testing.assert_allclose(H.slogdet(), np.linalg.slogdet(H.to_dense()), rtol=tolerance)


def test_indefinite_and_singular_arrays_go_to_lu() -> None:
    pytest.importorskip("sksparse")
    indefinite = wg.hessian(lambda x: _chain(x) - 3 * np.sum(x**2), structured=True)
    assert indefinite(RNG.normal(size=300)).factors.method == "sparse LU"
    with pytest.raises(wg.SingularMatrixError, match="null direction"):
        wg.hessian(lambda x: np.sum(np.diff(x) ** 2), structured=True)(np.ones(300)).solve(
            np.ones(300)
        )
