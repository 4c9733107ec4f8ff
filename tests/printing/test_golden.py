"""Exact strings of every notation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.mathtext import MathTextParser

from printing.samples import SAMPLES, VARIABLES, Sample
from wengert.errors import WengertError
from wengert.expr import Expr
from wengert.operations import elementwise, matmul, mul, plus, reshape, variable
from wengert.printing import (
    index_latex,
    index_notation,
    latex,
    matrix_notation,
    numpy_code,
    text,
)
from wengert.shapes import concrete

EACH = pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES.keys())


@EACH
def test_matrix_notation(sample: Sample) -> None:
    assert matrix_notation(sample.expr, sample.orientation, rows=sample.rows) == sample.matrix


@EACH
def test_latex(sample: Sample) -> None:
    assert latex(sample.expr, sample.orientation, rows=sample.rows) == sample.latex


@EACH
def test_index_notation(sample: Sample) -> None:
    assert index_notation(sample.expr) == sample.index


@EACH
def test_text(sample: Sample) -> None:
    assert text(sample.expr, sample.orientation) == sample.text


@EACH
def test_latex_compiles(sample: Sample) -> None:
    parser = MathTextParser("path")
    for formula in (sample.latex, index_latex(sample.expr)):
        parser.parse(f"${formula}$")


@EACH
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_code_runs_and_keeps_the_dtype(sample: Sample, dtype: Any) -> None:
    rng = np.random.default_rng(0)
    sizes = {"m": 4, "n": 3, "k": 2}
    values = [_value(v, sizes, rng, dtype) for v in VARIABLES]
    module: dict[str, Any] = {}
    exec(numpy_code(sample.expr, VARIABLES, "g"), module)
    result: Any = module["g"](*values)
    assert np.shape(result) == tuple(
        s if isinstance(s, int) else concrete((s.substitute(sizes),))[0] for s in sample.expr.shape
    )
    if sample.expr.shape:
        assert result.dtype == dtype


def _value(leaf: Expr, sizes: dict[str, int], rng: np.random.Generator, dtype: Any) -> Any:
    shape = tuple(sizes[str(s)] for s in leaf.shape)
    if not shape:
        return 0.7
    value: Any = rng.normal(size=shape).astype(dtype)
    return value + 4 * np.eye(3, dtype=dtype) if shape == (3, 3) else value


def test_a_module_is_readable() -> None:
    sample = SAMPLES["its gradient"]
    x, w, y = (v for v in VARIABLES if v.param("name") in ("X", "w", "y"))
    assert numpy_code(sample.expr, [x, w, y], "gradient") == (
        "import numpy as np\n\n\n"
        "def gradient(X, w, y):\n"
        '    """2Xᵀ(Xw − y)\n\n'
        "    Parameters\n    ----------\n"
        "    X : array of shape (m, n)\n    w : array of shape (n,)\n"
        "    y : array of shape (m,)\n\n"
        "    Returns\n    -------\n    array of shape (n,)\n"
        '    """\n'
        "    dtype = np.result_type(X, w, y, np.float32)\n"
        "    X, w, y = (np.asarray(a, dtype) for a in (X, w, y))\n"
        "    return 2 * (X.T @ (X @ w - y))\n"
    )


def test_what_the_language_lacks_is_an_error() -> None:
    x = variable("x", (6,))
    with pytest.raises(WengertError, match="inverse of vec"):
        text(reshape(x, (2, 3)))


def test_deep_and_shared_expressions() -> None:
    a, x = variable("A", (3, 3)), variable("x", (3,))
    deep, shared = x, x
    for _ in range(2000):
        deep = elementwise("tanh", plus(matmul(a, deep), x))
    for _ in range(40):
        shared = elementwise("tanh", mul(shared, elementwise("exp", shared)))
    assert len(text(deep)) > 2000
    written = matrix_notation(shared) or ""
    assert written.startswith("tanh(h₃₉ ⊙ exp(h₃₉)) where h₁ = tanh(x ⊙ exp(x)), h₂ = ")
    assert text(shared).startswith("h1 = tanh(x .* exp(x)); h2 = ")
    assert " where h₁_i = " in index_notation(shared)
