"""Data of all kinds give the same risk, a chunk at a time or at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

import wengert as wg
from wengert.errors import DomainError, NameClashError, ShapeError, WengertError
from wengert.optimize.batches import Batches
from wengert.optimize.sources import Arrays

from .support import labelled, linear, rng, start

X, Y = labelled(n=203)
THETA = {"w": rng(9).normal(size=4), "b": 0.3}


def write_csv(path: Path, X: Any = X, y: Any = Y) -> Path:
    rows = ["a,b,label,c,d"]
    rows += [
        f"{r[0]!r},{r[1]!r},{int(t)},{r[2]!r},{r[3]!r}" for r, t in zip(X.tolist(), y, strict=True)
    ]
    path.write_text("\n".join(rows) + "\n")
    return path


def write_parquet(path: Path) -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    columns = {name: X[:, k] for k, name in enumerate("abcd")} | {"label": Y}
    parquet.write_table(pyarrow.table(columns), path, row_group_size=50)
    return path


def write_npz(path: Path) -> Path:
    np.savez_compressed(path, x=X, y=Y)
    return path


def batches() -> list[Any]:
    return [(X[k : k + 40], Y[k : k + 40]) for k in range(0, len(X), 40)]


def sources(folder: Path) -> dict[str, dict[str, Any]]:
    csv = write_csv(folder / "d.csv")
    table = write_parquet(folder / "d.parquet")
    archive = write_npz(folder / "d.npz")
    np.save(folder / "x.npy", X)
    mapped = np.load(folder / "x.npy", mmap_mode="r")
    return {
        "arrays": {"data": (X, Y)},
        "chunks": {"data": (X, Y), "chunk": 64},
        "mapped": {"data": (mapped, Y), "chunk": 64},
        "dict": {"data": {"x": X, "y": Y}},
        "named": {"data": {"x": X, "label": Y}, "target": "label"},
        "csv": {"data": csv, "target": "label"},
        "csv in chunks": {"data": str(csv), "target": "label", "chunk": 64},
        "parquet": {"data": table, "target": "label"},
        "parquet in chunks": {"data": table, "target": "label", "chunk": 64},
        "npz": {"data": archive},
        "npz in chunks": {"data": archive, "chunk": 64},
        "batches": {"data": batches()},
        "a function of batches": {"data": lambda: iter(batches())},
    }


NAMES = (
    "arrays", "chunks", "mapped", "dict", "named", "csv", "csv in chunks", "parquet",
    "parquet in chunks", "npz", "npz in chunks", "batches", "a function of batches",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_source_gives_the_same_risk(name: str, tmp_path: Path) -> None:
    reference = wg.EmpiricalRisk("logistic", linear, (X, Y), 0.1)
    risk = wg.EmpiricalRisk("logistic", linear, regularizer=0.1, **sources(tmp_path)[name])
    assert risk.samples == 203
    same: dict[str, Any] = {"rtol": 1e-12, "atol": 1e-14}
    np.testing.assert_allclose(risk.value(THETA), reference.value(THETA), **same)
    for one, other in (
        (risk.gradient(THETA), reference.gradient(THETA)),
        (risk.hvp(THETA, THETA), reference.hvp(THETA, THETA)),
    ):
        np.testing.assert_allclose(one["w"], other["w"], **same)
        np.testing.assert_allclose(one["b"], other["b"], **same)
    np.testing.assert_allclose(risk.hessian(THETA), reference.hessian(THETA), **same)
    np.testing.assert_allclose(risk.predictions(THETA), linear(THETA, X), **same)
    noise = reference.gradient_noise(THETA)
    np.testing.assert_allclose(risk.gradient_noise(THETA), noise, rtol=1e-10)
    gradients = risk.per_sample_gradients(THETA)
    np.testing.assert_allclose(
        gradients["w"], reference.per_sample_gradients(THETA)["w"], rtol=1e-12, atol=1e-14
    )


def test_values_are_those_of_the_formula() -> None:
    risk = wg.EmpiricalRisk("logistic", linear, (X, Y), 0.1)
    z, s = linear(THETA, X), 2 * Y - 1
    expected = np.mean(np.log1p(np.exp(-s * z))) + 0.05 * (THETA["w"] @ THETA["w"] + 0.09)
    np.testing.assert_allclose(risk.value(THETA), expected, rtol=1e-14)
    slopes = -s / (1 + np.exp(s * z))
    gradients = risk.per_sample_gradients(THETA, rows=np.array([5, 7]))
    np.testing.assert_allclose(gradients["w"], slopes[[5, 7], None] * X[[5, 7]], rtol=1e-12)
    G = np.column_stack([slopes[:, None] * X, slopes])
    np.testing.assert_allclose(
        risk.gradient_noise(THETA), np.trace(np.cov(G.T, bias=True)), rtol=1e-12
    )


@pytest.mark.parametrize("name", ["arrays", "csv in chunks", "batches"])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_an_epoch_goes_through_every_row_once(name: str, size: int, tmp_path: Path) -> None:
    risk = wg.EmpiricalRisk("logistic", linear, **sources(tmp_path)[name])
    found = Batches(risk.source, size, False, seed=1)
    orders = []
    for epoch in range(2):
        rows = [found.rows(epoch * found.per_epoch + k) for k in range(found.per_epoch)]
        orders.append(np.concatenate([x for x, _ in rows]))
        assert max(len(x) for x, _ in rows) <= size
        expected = np.sort(X[:, 0])
        np.testing.assert_array_equal(np.sort(orders[-1][:, 0]), expected)
    assert not np.array_equal(*orders)


@pytest.mark.parametrize("replacement", [False, True])
def test_batches_depend_on_the_step_alone(replacement: bool) -> None:
    one, other = (Batches(Arrays((X, Y)), 10, replacement, seed=4) for _ in range(2))
    for step in (3, 50, 0, 7000, 3):
        np.testing.assert_array_equal(one.rows(step)[0], other.rows(step)[0])
    fresh = Batches(Arrays((X, Y)), 10, replacement, seed=4)
    np.testing.assert_array_equal(fresh.rows(7000)[0], one.rows(7000)[0])
    assert not np.array_equal(
        fresh.rows(0)[0], Batches(Arrays((X, Y)), 10, replacement, 5).rows(0)[0]
    )


def test_streamed_batches_from_the_middle() -> None:
    risk = wg.EmpiricalRisk("logistic", linear, batches)
    one, other = (Batches(risk.source, 9, False, seed=4) for _ in range(2))
    run = [one.rows(k)[0] for k in range(40)]
    for k in (33, 34, 2, 39):
        np.testing.assert_array_equal(other.rows(k)[0], run[k])


def test_one_row_and_no_rows() -> None:
    risk = wg.EmpiricalRisk("squared", linear, (X[:1], np.array([2.0])), regularizer=0.5)
    found = wg.minimize(risk, start(), stop=wg.Stop(gradient=1e-10))
    assert found.success
    for data in ((X[:0], Y[:0]), [], lambda: iter(())):
        with pytest.raises(DomainError, match="no rows"):
            wg.EmpiricalRisk("squared", linear, data)


def test_data_that_cannot_be_used(tmp_path: Path) -> None:
    def risk(data: Any, loss: Any = "logistic", **more: Any) -> Any:
        return wg.EmpiricalRisk(loss, linear, data, **more)

    with pytest.raises(ShapeError, match=r"same number of rows.*\(203, 4\), \(202,\)"):
        risk((X, Y[:-1]))
    with pytest.raises(WengertError, match="run through once only"):
        risk(batch for batch in batches())
    hole = X.copy()
    hole[17, 2] = np.nan
    with pytest.raises(DomainError, match="row 17 of the data"):
        risk((hole, Y))
    with pytest.raises(DomainError, match="row 57 of the data"):
        risk([(X[:40], Y[:40]), (hole[:40], Y[:40])])
    with pytest.raises(NameClashError, match="no 'z'"):
        risk({"x": X, "y": Y}, target="z")
    with pytest.raises(WengertError, match="there is no file"):
        risk(tmp_path / "none.csv", target="y")
    csv = write_csv(tmp_path / "d.csv")
    with pytest.raises(NameClashError, match="the columns are a, b, label, c, d"):
        risk(csv)
    with pytest.raises(NameClashError, match="no column 'y'"):
        risk(csv, target="y")
    words = tmp_path / "words.csv"
    words.write_text("a,y\n1,0\n2,yes\n")
    with pytest.raises(DomainError, match="row 1 has 'yes' in the column 'y'"):
        risk(words, target="y")
    words.write_text("a,y\n1,0\n2\n")
    with pytest.raises(WengertError, match="row 1 has 1 of 2 columns"):
        risk(words, target="y")
    words.write_text("1,0\n2,1\n")
    with pytest.raises(WengertError, match="names the columns"):
        risk(words, target="y")
    words.write_text("")
    with pytest.raises(WengertError, match="is empty"):
        risk(words, target="y")
    (tmp_path / "d.xls").write_text("")
    with pytest.raises(WengertError, match=r"\.npz, \.csv and \.parquet"):
        risk(tmp_path / "d.xls")
    with pytest.raises(ShapeError, match="sparse matrices"):
        risk((sparse.csr_array(X), Y))
    with pytest.raises(ShapeError, match="needs targets"):
        risk((X,))


def test_batches_that_change_between_passes_are_an_error() -> None:
    calls = iter([batches(), batches()[:-1]])
    risk = wg.EmpiricalRisk("logistic", linear, lambda: next(calls))
    with pytest.raises(WengertError, match="the data changed"):
        risk.value(THETA)


LABELS = {
    "logistic": ([0, 1, 2], 2, r"row 2 has the target 2; the logistic loss takes the labels 0"),
    "hinge": ([-1, 0, 1], 0, "row 0 has the target -1"),
    "softmax": ([0, 1.5, 1], 1, r"row 1 has the target 1\.5"),
    "poisson": ([3, 0, -1], 2, "row 2 has the target -1"),
    "squared": ([3, np.inf, -1], 1, "row 1 has the target inf"),
    "huber": ([np.nan, 0, -1], 0, "row 0 has the target nan"),
}


@pytest.mark.parametrize("loss", sorted(LABELS))
def test_labels_outside_of_the_domain(loss: str) -> None:
    y, _, message = LABELS[loss]
    with pytest.raises(DomainError, match=message):
        wg.EmpiricalRisk(loss, linear, (X[:3], np.array(y)))
    chunk = X[:3], np.array(y)
    good = X[:2], np.array([0, 0])
    with pytest.raises(DomainError, match=rf"row {2 + LABELS[loss][1]} "):
        wg.EmpiricalRisk(loss, linear, [good, chunk])


def test_labels_of_both_kinds_and_of_words() -> None:
    with pytest.raises(DomainError, match="labels -1 and 0"):
        wg.EmpiricalRisk("logistic", linear, [(X[:2], np.zeros(2)), (X[:2], -np.ones(2))])
    with pytest.raises(DomainError, match="dtype <U"):
        wg.EmpiricalRisk("logistic", linear, (X[:2], np.array(["no", "yes"])))
    signs = wg.EmpiricalRisk("logistic", linear, (X, 2 * Y - 1))
    assert signs.value(THETA) == wg.EmpiricalRisk("logistic", linear, (X, Y)).value(THETA)


def test_classes_beyond_the_predictions() -> None:
    def predict(W: Any, x: Any) -> Any:
        return x @ W

    y = np.arange(203) % 3
    risk = wg.EmpiricalRisk("softmax", predict, (X, y))
    assert risk.value(np.zeros((4, 3))) == pytest.approx(np.log(3))
    with pytest.raises(DomainError, match="row 2 has the target 2; predict gives 2 logits"):
        risk.value(np.zeros((4, 2)))
    shares = np.eye(3)[y]
    assert wg.EmpiricalRisk("softmax", predict, (X, shares)).value(np.zeros((4, 3))) == (
        pytest.approx(np.log(3))
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_class_numbers_in_rows_are_the_same_loss(
    dtype: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wengert.optimize import risk as module

    def predict(W: Any, x: Any) -> Any:
        return x @ W

    W = rng(2).normal(size=(4, 3)).astype(dtype)
    data = X.astype(dtype), np.arange(203) % 3
    rows = wg.EmpiricalRisk("softmax", predict, data)
    assert next(rows.problem(W).source.chunks())[1].dtype == dtype
    value, gradient = rows.value(W), rows.gradient(W)
    assert gradient.dtype == dtype
    monkeypatch.setattr(module, "_MOST_CLASSES", 0)
    numbers = wg.EmpiricalRisk("softmax", predict, data)
    assert next(numbers.problem(W).source.chunks())[1].ndim == 1
    rtol = 1e-12 if dtype == np.float64 else 1e-5
    np.testing.assert_allclose(numbers.value(W), value, rtol=rtol)
    np.testing.assert_allclose(numbers.gradient(W), gradient, rtol=rtol, atol=rtol / 10)


def test_predictions_that_would_broadcast() -> None:
    with pytest.raises(ShapeError, match=r"\(203, 1\) for targets of shape \(203,\)"):
        wg.EmpiricalRisk("squared", lambda W, x: x @ W, (X, Y)).value(np.zeros((4, 1)))
    with pytest.raises(ShapeError, match="one number for each row"):
        wg.EmpiricalRisk(lambda p, t: np.mean((p - t) ** 2), linear, (X, Y)).value(THETA)


def test_one_row_at_a_time() -> None:
    many = wg.EmpiricalRisk(lambda p, t: np.abs(p - t) ** 3, linear, (X, Y), 0.1)
    one = wg.EmpiricalRisk(lambda p, t: np.abs(p - t) ** 3, linear, (X, Y), 0.1, per_sample=True)
    assert one.value(THETA) == pytest.approx(many.value(THETA), rel=1e-14)
    np.testing.assert_allclose(one.gradient(THETA)["w"], many.gradient(THETA)["w"], rtol=1e-12)


def test_losses_by_name_are_their_formulas() -> None:
    p, t = rng(1).normal(size=5) * 3, rng(2).normal(size=5)
    r = np.abs(p - t)
    labels = np.array([0.0, 1, 1, 0, 1])
    from wengert.optimize.losses import LOSSES

    expected = {
        "squared": (t, r**2 / 2),
        "huber": (t, np.where(r < 1, r**2 / 2, r - 0.5)),
        "logistic": (labels, np.log1p(np.exp(-(2 * labels - 1) * p))),
        "hinge": (labels, np.maximum(0, 1 - (2 * labels - 1) * p)),
        "poisson": (labels, np.exp(p) - labels * p),
    }
    for name, (target, values) in expected.items():
        np.testing.assert_allclose(LOSSES[name].function(p, target), values, rtol=1e-12)
    z = rng(1).normal(size=(4, 3))
    y = np.array([0, 2, 1, 1])
    found = LOSSES["softmax"].function(1000 * z, y)
    top = 1000 * np.max(z, axis=1)
    np.testing.assert_allclose(found, top - 1000 * z[np.arange(4), y], rtol=1e-6)
    assert set(expected) | {"softmax"} == set(LOSSES)


def test_pytrees_of_rows_without_targets() -> None:
    data = ({"a": X, "b": Y.astype(float)},)
    risk = wg.EmpiricalRisk(
        lambda p: p**2, lambda theta, x: x["a"] @ theta - x["b"], data, chunk=50
    )
    expected = np.linalg.lstsq(X, Y, rcond=None)[0]
    found = wg.minimize(risk, np.zeros(4), method=wg.Newton())
    np.testing.assert_allclose(found.theta, expected, atol=1e-10)
