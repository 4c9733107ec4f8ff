"""``wengert converge``: data, formulas and losses from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import wengert as wg
from wengert.cli import main

RIDGE = "norm2(X*w - y)^2/n + 0.1*norm2(w)^2"


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]):
    def call(*arguments: str) -> Outcome:
        with pytest.raises(SystemExit) as stop:
            main(["converge", *arguments])
        captured = capsys.readouterr()
        return Outcome(int(stop.value.code or 0), captured.out, captured.err)

    return call


def rows(n: int = 60) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 3)) * [1.0, 2.0, 0.5]
    return X, X @ [1.0, -1.0, 2.0] + rng.normal(size=n)


@pytest.fixture
def table(tmp_path: Path) -> str:
    """Three features, a number and a word for each row."""
    X, y = rows()
    lines = ["a,b,c,price,kind"]
    for row, value in zip(X.round(6), y.round(6), strict=True):
        cells = [*map(str, [*row, value]), "high" if value + row[0] ** 2 > 0.5 else "low"]
        lines.append(",".join(cells))
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(lines))
    return str(path)


def numbers(table: str) -> tuple[Any, Any]:
    data = np.loadtxt(table, delimiter=",", skiprows=1, usecols=range(4))
    return data[:, :3], data[:, 3]


def test_a_formula_of_a_table(run: Any, table: str):
    done = run(RIDGE, "--data", table, "--target", "price", "--drop", "kind", "--eps", "1e-4")
    assert done.code == 0, done.err
    assert "60 rows, over w" in done.out.splitlines()[0]
    assert "Gradient descent reaches a gap of 0.0001" in done.out
    X, y = numbers(table)
    direct = wg.convergence(
        RIDGE, {"w": np.zeros(3)}, "gd", 1e-4, given={"X": X, "y": y, "n": np.float64(60)}
    )
    assert f"in {int(np.ceil(direct['gd'].steps))} steps" in done.out.replace("\n", " ")


def test_a_formula_is_split_into_rows_for_sgd(run: Any, table: str):
    given = ["--data", table, "--target", "price", "--drop", "kind", "--eps", "0.3", "--json"]
    done = run(RIDGE, *given, "--method", "sgd,gd", "--seeds", "2")
    report = json.loads(done.out)
    X, y = numbers(table)
    risk = wg.EmpiricalRisk(
        "squared", lambda w, x: np.sqrt(2) * (x @ w), (X, np.sqrt(2) * y), 0.2
    )  # the same function, written as a risk
    assert report["loss"] == pytest.approx(risk.value(np.zeros(3)))
    direct = wg.convergence(risk, np.zeros(3), "gd", 0.3)
    assert report["methods"][1]["steps"] == pytest.approx(direct["gd"].steps, rel=1e-3)
    found = {c["symbol"]: c["value"] for c in report["constants"]}
    assert found["sigma2"] == pytest.approx(risk.gradient_noise(np.zeros(3)))


def test_a_formula_that_is_no_sum_is_refused_to_sgd(run: Any, table: str):
    given = ["--data", table, "--target", "price", "--drop", "kind", "--method", "sgd"]
    done = run("norm2(X*w - y) + 0.1*norm2(w)^2", *given)
    assert done.code == 2
    assert "SGD needs a finite sum" in done.err
    assert "--loss" in done.err


@pytest.mark.parametrize(
    ("loss", "target", "said"),
    [("squared", "price", "squared loss"), ("logistic", "kind", "kind: high = 0, low = 1")],
)
def test_a_linear_model(run: Any, table: str, loss: str, target: str, said: str):
    other = "kind" if target == "price" else "price"
    given = ["--data", table, "--target", target, "--drop", other, "--standardize"]
    done = run("--loss", loss, *given, "--regularizer", "0.1", "--method", "newton", "--no-run")
    assert done.code == 0, done.err
    assert said in done.out
    assert "mean 0 and deviation 1" in done.out
    assert "4 parameters" in done.out


def test_a_model_by_formula(run: Any, table: str):
    given = ["--data", table, "--target", "price", "--drop", "kind", "--json"]
    done = run("X*w", "--loss", "squared", *given, "--eps", "1e-3")
    X, y = numbers(table)
    risk = wg.EmpiricalRisk("squared", lambda w, x: x @ w, (X, y))
    direct = wg.convergence(risk, np.zeros(3), "gd", 1e-3)
    assert json.loads(done.out)["methods"][0]["steps"] == pytest.approx(direct["gd"].steps)
    shapes = ["--shape", "w=scalar", "--shape", "v=scalar"]
    columns = run("a*w - b*v", "--loss", "squared", *given, *shapes)
    assert columns.code == 0, columns.err


def test_archives(run: Any, tmp_path: Path):
    X, y = rows()
    path = tmp_path / "rows.npz"
    np.savez(path, X=X, y=y)
    done = run(RIDGE, "--data", str(path))
    assert done.code == 0, done.err


def test_without_data(run: Any):
    done = run("norm2(x - 3*vector(1))^2", "--shape", "x=4", "--eps", "1e-6")
    assert done.code == 0, done.err
    assert "strongly convex" in done.out


def test_figures(run: Any, table: str, tmp_path: Path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "curve.png"
    given = ["--data", table, "--target", "price", "--drop", "kind", "--plot", str(path)]
    done = run(RIDGE, *given)
    assert f"figure written to {path}" in done.out
    assert path.stat().st_size > 10_000
    path.unlink()
    nothing = run(RIDGE, *given, "--eps", "1e9")
    assert nothing.code == 0
    assert "no figure" in nothing.out
    assert not path.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "what is minimised?"),
        (["--loss", "squared"], "--loss needs rows"),
        (["--loss", "logistik", "--data", "TABLE"], "did you mean logistic?"),
        (["--loss", "squared", "--data", "TABLE"], "--target NAME (columns: "),
        (["--loss", "squared", "--data", "TABLE", "--target", "prise"], "did you mean price?"),
        (["--loss", "squared", "--data", "TABLE", "--target", "price"], "--drop kind"),
        (["--loss", "squared", "--data", "nowhere.csv"], "there is no such file"),
        (
            ["--loss", "logistic", "--data", "TABLE", "--target", "price", "--drop", "kind"],
            "the logistic loss takes the labels 0 and 1",
        ),
        ([RIDGE, "--data", "TABLE", "--drop", "kind"], "y is the target: name its column"),
        ([RIDGE, "--regularizer", "1"], "--regularizer is for --loss"),
        (["norm2(w)^2", "--shape", "w=3", "--method", "sgd"], "draws rows of data"),
        (["norm2(w)^2", "--shape", "w=3", "--method", "sdg"], "did you mean 'sgd'?"),
        (["norm2(w)^2", "--shape", "w=3", "--eps", "-1"], "eps is a gap"),
        (["norm2(w)^2", "--shape", "w=3", "--start", "v=1"], "no such parameter (parameters: w)"),
        (["w^2", "--shape", "w=scalar", "--value", "w=1"], "no parameter left"),
        (["w*2", "--shape", "w=3"], "a minimum is of one number"),
    ],
)
def test_errors_name_the_option_and_the_remedy(
    run: Any, table: str, arguments: list[str], message: str
):
    done = run(*(table if a == "TABLE" else a for a in arguments))
    assert done.code == 2
    assert message in done.err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no rows"),
        ("a,y\n", "a heading and no rows"),
        ("a,y\n1,2\n3\n", "row 2 has 1 cells"),
        ("a,y\n1,2\n,3\n", "row 2 has nothing in the column 'a'"),
        ("a,y\n1,2\nnan,3\n", "row 2 has an entry that is not finite"),
        ("y\n1\n", "no columns besides y"),
    ],
)
def test_tables_are_checked(run: Any, tmp_path: Path, text: str, message: str):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    done = run("--loss", "squared", "--data", str(path))
    assert done.code == 2
    assert message in done.err
