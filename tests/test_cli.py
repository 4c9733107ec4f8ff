"""The command line, as a user meets it: what it prints, where it fails and how it says so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import wengert as wg
from wengert.cli import main
from wengert.cli.screen import to_ascii

ROOT = Path(__file__).parent.parent
DIABETES = ROOT / "examples" / "diabetes"
SQUARES = "norm2(X*w - y)^2"


class Outcome(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]):
    def call(*arguments: str) -> Outcome:
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        captured = capsys.readouterr()
        code = stop.value.code
        return Outcome(0 if code is None else int(code), captured.out, captured.err)

    return call


def process(arguments: Sequence[str], encoding: str = "utf-8") -> Outcome:
    """In a process of its own."""
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", "from wengert.cli import main; main()", *arguments],
        capture_output=True,
        env=environment,
        check=False,
        cwd=ROOT,
    )
    return Outcome(done.returncode, done.stdout.decode(encoding), done.stderr.decode())


def with_values(*pairs: str) -> list[str]:
    return [word for pair in pairs for word in ("--value", pair)]


# ---------------------------------------------------------------- derivatives


def test_the_example_of_the_readme(run) -> None:
    data = with_values(f"X={DIABETES / 'X.csv'}", f"y={DIABETES / 'y.csv'}", "w=zeros")
    outcome = run("derive", SQUARES, "--wrt", "w", *data)
    assert outcome.code == 0
    assert outcome.lines[:2] == [
        "f = ‖Xw − y‖²            X ∈ ℝᵐˣⁿ, w ∈ ℝⁿ, y ∈ ℝᵐ",
        "∂f/∂w = 2(Xw − y)ᵀX      ∈ ℝ¹ˣⁿ",
    ]
    assert outcome.lines[2] == ""
    assert "X.csv (442×10), w = zeros (10), y = " in outcome.lines[3]
    assert outcome.lines[4:6] == ["f = 12850921", "∂f/∂w ∈ ℝ¹ˣ¹⁰"]
    assert "-608.366149" in outcome.lines[6]
    assert re.fullmatch(
        r"PASS ∂f/∂w: largest relative error \de-\d+ against extrapolated differences",
        outcome.lines[-1],
    )
    assert "\x1b" not in outcome.out


def test_without_variables_every_one_has_its_turn(run) -> None:
    assert run("derive", SQUARES).lines == [
        "f = ‖Xw − y‖²            X ∈ ℝᵐˣⁿ, w ∈ ℝⁿ, y ∈ ℝᵐ",
        "∂f/∂X = 2(Xw − y)wᵀ      ∈ ℝᵐˣⁿ",
        "∂f/∂w = 2(Xw − y)ᵀX      ∈ ℝ¹ˣⁿ",
        f"∂f/∂y = {wg.formula(SQUARES).derivative('y')}".ljust(25) + "∈ ℝ¹ˣᵐ",
    ]


@pytest.mark.parametrize(
    ("options", "label"),
    [
        (["--wrt", "w", "--order", "2"], "∂²f/∂w² = 2XᵀX"),
        (["--wrt", "w", "--wrt", "w"], "∂²f/∂w² = 2XᵀX"),
        (["--wrt", "w,X"], "∂²f/∂w∂X"),
        (["--wrt", "X", "--wrt", "w", "--order", "3"], "∂³f/∂X∂w²"),
    ],
)
def test_higher_and_mixed_orders(run, options: list[str], label: str) -> None:
    outcome = run("derive", SQUARES, *options)
    assert outcome.code == 0
    assert label in outcome.lines[1]


@pytest.mark.parametrize("mode", ["auto", "forward", "reverse", "backward", "cross-country"])
def test_modes_agree(run, mode: str) -> None:
    outcome = run("derive", "tanh(A*x)", "--wrt", "x", "--mode", mode)
    assert outcome.lines[1].startswith(f"∂f/∂x = {wg.formula('tanh(A*x)').derivative('x')}")


def test_shapes_and_assumptions(run) -> None:
    options = ["--shape", "x=3", "--assume", "B=positive definite", "--wrt", "x"]
    assert run("derive", "x'*B*x", *options).lines == [
        "f = xᵀBx          x ∈ ℝ³, B ∈ ℝ³ˣ³ positive definite",
        "∂f/∂x = 2xᵀB      ∈ ℝ¹ˣ³",
    ]


def test_a_result_of_higher_rank_says_how_it_is_flattened(run) -> None:
    assert run("derive", "A*X*B", "--wrt", "X").lines[1].endswith("∈ ℝᵐˣᵏˣⁿˣᵖ as ℝᵏ·ᵐˣⁿ·ᵖ")


def test_a_formula_may_begin_with_a_minus_sign(run) -> None:
    assert "∂f/∂x = −2xᵀ" in run("derive", "-x'*x", "--wrt", "x").out


def test_an_orthogonal_matrix_is_skipped(run) -> None:
    lines = run("derive", "Q*x", "--assume", "Q=orthogonal").lines
    assert [line[:5] for line in lines] == ["f = Q", "∂f/∂x"]


# ---------------------------------------------------------------- notations and steps


def test_one_notation_alone_is_raw(run) -> None:
    g = wg.formula(SQUARES).derivative("w")
    for notation, text in [("latex", g.latex()), ("text", g.to_text()), ("index", g.index())]:
        assert run("derive", SQUARES, "--wrt", "w", "--notation", notation).out == text + "\n"


def test_the_code_alone_runs(run) -> None:
    code = run("derive", SQUARES, "--wrt", "w", "--notation", "code").out
    names: dict[str, object] = {}
    exec(code, names)
    (function,) = [v for k, v in names.items() if callable(v) and not k.startswith("_")]
    rng = np.random.default_rng(0)
    X, w, y = rng.normal(size=(4, 3)), rng.normal(size=3), rng.normal(size=4)
    assert np.allclose(function(X=X, w=w, y=y), 2 * (X @ w - y) @ X)


def test_all_notations(run) -> None:
    lines = run("derive", SQUARES, "--wrt", "w", "--notation", "all").lines
    assert lines[1] == "∂f/∂w = 2(Xw − y)ᵀX      ∈ ℝ¹ˣⁿ"
    assert lines[3].startswith("index   2 ")
    assert lines[4].startswith("latex   2")
    assert lines[5] == "code"
    assert "text    2*(X*w - y)'*X" in lines


def test_a_notation_without_words_does_not_stop_the_others(run) -> None:
    outcome = run("derive", "A*X*B", "--wrt", "X", "--notation", "text", "--notation", "latex")
    assert outcome.code == 0
    assert "latex" in outcome.out


def test_steps_and_explain_are_the_same(run) -> None:
    steps = run("derive", SQUARES, "--wrt", "w", "--steps").out
    assert steps == run("explain", SQUARES, "--wrt", "w").out
    assert "Wanted: ∂f/∂w, in reverse mode" in steps
    assert wg.formula(SQUARES).derivative("w").explain().partition("\n\n")[2] in steps


def test_steps_of_a_second_derivative_name_the_first(run) -> None:
    out = run("explain", SQUARES, "--wrt", "w", "--order", "2").out
    assert "\ng = ∂f/∂w = 2(Xw − y)ᵀX " in out


# ---------------------------------------------------------------- values


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with tables, right and wrong."""
    monkeypatch.chdir(tmp_path)
    texts = {
        "plain.csv": "1,2\n3,4\n5,6\n",
        "header.csv": "first,second\n1,2\n3,4\n5,6\n",
        "quoted.csv": '# a comment\n"u","v"\n"1","2"\n"3","4"\n\n"5","6"\n',
        "semicolons.csv": "1;2\n3;4\n5;6\n",
        "tabs.tsv": "1\t2\n3\t4\n5\t6\n",
        "spaces.txt": "1 2\n3  4\n 5 6\n",
        "mark.csv": "\ufeffu,v\n1,2\n3,4\n5,6\n",
        "a=b.csv": "y\n1\n2\n3\n",
        "ragged.csv": "a,b\n1,2\n3\n",
        "word.csv": "a,b\n1,2\n3,x\n",
        "hole.csv": "1,2\n3,\n",
        "nothing.csv": "",
        "header-only.csv": "a,b\n",
        "mixed.csv": "a,2\n3,4\n",
        "broken.npy": "hello",
        "broken.npz": "hello",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x01")
    (tmp_path / "folder").mkdir()
    X = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    np.save("X.npy", X)
    np.savez("two.npz", X=X, y=np.ones(3))
    np.savez("one.npz", X=X)
    np.save("object.npy", np.array([object()], dtype=object), allow_pickle=True)
    np.save("complex.npy", np.array([[1j, 0]]))
    return tmp_path


@pytest.mark.parametrize(
    "spec",
    [
        *("plain.csv", "header.csv", "quoted.csv", "semicolons.csv", "tabs.tsv", "spaces.txt"),
        *("mark.csv", "X.npy", "two.npz:X", "one.npz", "[[1,2],[3,4],[5,6]]"),
        "((1, 2), (3, 4), (5, 6.0))",
    ],
)
def test_a_matrix_can_be_given_in_many_ways(run, files: Path, spec: str) -> None:
    data = with_values(f"X={spec}", "w=ones", "y=a=b.csv")
    outcome = run("derive", SQUARES, "--wrt", "w", *data)
    assert outcome.code == 0, outcome.err
    assert f"at X = {spec} (3×2), w = ones (2), y = a=b.csv (3)" in outcome.lines
    assert "f = 4 + 25 + 64".replace("4 + 25 + 64", "93") in outcome.lines
    assert "∂f/∂w = [114. 144.]      ∈ ℝ¹ˣ²" in outcome.lines


def test_numbers(run) -> None:
    outcome = run("derive", "a^2*b", "--wrt", "a", *with_values("a=2", "b=-1e-1"))
    assert "f = -0.4" in outcome.lines
    assert "∂f/∂a = -0.4" in outcome.lines


def test_words_take_their_sizes_from_the_other_values(run) -> None:
    data = with_values("A=eye", "X=random", "y=[1, 2, 3]")
    outcome = run("derive", "y'*(A*X)*y", "--wrt", "X", *data)
    assert "A = eye (3×3), X = random (3×3)" in outcome.out
    assert outcome.code == 0
    assert outcome.out == run("derive", "y'*(A*X)*y", "--wrt", "X", *data).out


@pytest.mark.parametrize(
    "assumption", ["symmetric", "positive definite", "diagonal", "orthogonal", "positive"]
)
def test_random_values_keep_what_is_assumed(run, assumption: str) -> None:
    options = ["--assume", f"W={assumption}", "--shape", "W=4,4"]
    outcome = run("derive", "x'*W*x", "--wrt", "x", *options, *with_values("W=random", "x=random"))
    assert outcome.code == 0, outcome.err


def test_without_check(run) -> None:
    outcome = run("derive", "a^2", "--value", "a=3", "--no-check")
    assert outcome.lines[-1] == "∂f/∂a = 6"


def test_a_check_that_fails_is_an_exit_code(run) -> None:
    outcome = run("derive", "relu(x)", *with_values("x=[0.0, 1.0]"))
    assert outcome.code == 1
    assert outcome.lines[-1].startswith("FAIL ∂f/∂x: largest relative error ")


def test_a_check_without_a_value_fails(run) -> None:
    outcome = run("derive", "log(a)", *with_values("a=-1"))
    assert outcome.code == 1
    assert outcome.lines[-1].startswith("FAIL ∂f/∂a: the value or its differences are not finite")


def test_every_derivative_is_judged(run) -> None:
    outcome = run("derive", "a*b", *with_values("a=2", "b=3"))
    assert [line[:10] for line in outcome.lines[-2:]] == ["PASS ∂f/∂a", "PASS ∂f/∂b"]


# ---------------------------------------------------------------- errors


def check_error(outcome: Outcome, *parts: str) -> None:
    assert outcome.code == 2
    assert outcome.err.startswith("error: ")
    assert "Traceback" not in outcome.err
    for part in parts:
        assert part in outcome.err


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("ragged.csv", "ragged.csv, line 3: 1 values, but line 2 has 2"),
        ("word.csv", "word.csv, line 3, column 2: 'x' is not a number"),
        ("mixed.csv", "mixed.csv, line 1, column 1: 'a' is not a number"),
        ("hole.csv", "hole.csv, line 2, column 2: the cell is empty"),
        ("nothing.csv", "nothing.csv has no numbers in it"),
        ("header-only.csv", "header-only.csv has a header and no numbers"),
        ("binary.csv", "binary.csv is not a text file"),
        ("missing.csv", "there is no file missing.csv; a value is a number, a list"),
        ("folder", "folder is a folder"),
        ("", "is a folder"),
        ("5", "5 is one number, but X is a matrix of size m×n"),
        ("[1,2]", "[1,2] has size 2, but X is a matrix of size m×n; write rows in brackets"),
        ("[[1,2],[3]]", "the rows of [[1,2],[3]] have different lengths"),
        ("[[1,", "[[1, is not a list of numbers"),
        ("[" * 5000, "is not a list of numbers"),
        ("['a']", "has entries that are not real numbers"),
        ("__import__('os')", "there is no file"),
        ("object.npy", "object.npy is not an array that NumPy has saved"),
        ("complex.npy", "has entries that are not real numbers"),
        ("broken.npy", "broken.npy is not an array that NumPy has saved"),
        ("broken.npz", "broken.npz is not an archive that NumPy has saved"),
        ("two.npz", "two.npz has several arrays; write two.npz:KEY with a KEY of X, y"),
        ("two.npz:Z", "there is no Z in two.npz; write two.npz:KEY"),
        ("zeros", "the size m is not known from the other values"),
    ],
)
def test_values_that_cannot_be_read(run, files: Path, spec: str, message: str) -> None:
    data = with_values(f"X={spec}", "w=zeros", "y=zeros")
    outcome = run("derive", SQUARES, "--wrt", "w", *data)
    check_error(outcome, "--value X", message)
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (with_values("X=random", "w=[1, 2]", "y=[1]", "z=1"), ["--value z: there is no such"]),
        (with_values("X=random", "w=[1, 2]"), ["no value for y; add --value y=..."]),
        (with_values("X=random", "X=ones"), ["--value X is given twice"]),
        (["--value", "X"], ["--value X: write NAME=..., as in --value X=data.csv"]),
        (
            with_values("X=[[1, 2]]", "w=[1, 2, 3]", "y=[1]"),
            ["w is n with n = 2 (n from X (axis 1)); the value has shape (3,)"],
        ),
        (with_values("X=random", "w=eye", "y=[1]"), ["the size n is not known", "--shape X=1,10"]),
        (["--wrt", "v"], ["there is no variable 'v'", "X, w, y"]),
        (["--wrt", "w", "--order", "0"], ["--order 0: the order is at least 1 here"]),
        (["--wrt", "w,X", "--order", "1"], ["--order 1: the order is at least 2 here"]),
        (["--shape", "w"], ["--shape w: write NAME=..., as in --shape X=m,n"]),
        (["--shape", "q=3"], ["no variable q"]),
        (["--shape", "w=a b"], ["the shape of w has the size 'a b'"]),
        (["--assume", "X=symetric"], ["unknown assumption 'symetric'; the known ones are"]),
    ],
)
def test_options_that_are_wrong(run, arguments: list[str], parts: list[str]) -> None:
    check_error(run("derive", SQUARES, *arguments), *parts)


def test_an_error_in_the_formula_has_a_caret(run) -> None:
    outcome = run("derive", "norm2(X*w - y)^2 +)")
    check_error(outcome)
    assert outcome.err.splitlines()[1:] == ["  norm2(X*w - y)^2 +)", " " * 20 + "^"]


def test_a_singular_matrix(run) -> None:
    outcome = run("derive", "inv(X)", "--shape", "X=3,3", *with_values("X=zeros"))
    check_error(outcome, "3×3 matrix", "singular")


def test_values_that_are_too_large(run) -> None:
    shapes = [word for name in "XYZ" for word in ("--shape", f"{name}=200,200")]
    data = with_values("X=random", "Y=random", "Z=random")
    outcome = run("derive", "X*Y*Z", "--wrt", "Y", *shapes, *data)
    check_error(outcome, "∂f/∂Y has 1600000000 entries")


@pytest.mark.parametrize("text", ["", "2 + 3", "(" * 100_000, "x" * 10_000_000])
def test_formulas_of_hostile_size_or_kind(run, text: str) -> None:
    outcome = run("derive", text)
    check_error(outcome)
    assert len(outcome.err) < 1000


@pytest.mark.parametrize("arguments", [["--mode", "sideways"], ["--notation", "x"], ["--what"]])
def test_unknown_options(run, arguments: list[str]) -> None:
    outcome = run("derive", SQUARES, *arguments)
    assert outcome.code == 2
    assert "Traceback" not in outcome.err


# ---------------------------------------------------------------- the rest


def test_version(run) -> None:
    assert run("--version") == Outcome(0, f"wengert {wg.__version__}\n", "")


def test_functions(run) -> None:
    outcome = run("functions")
    assert outcome.code == 0
    assert re.search(r"^  softmax\(x, axis=None\) +exp\(x\)/sum", outcome.out, re.MULTILINE)
    assert "Also ln." in outcome.out
    assert re.search(r"^  x \* y +Matrix product", outcome.out, re.MULTILINE)


def test_help_without_a_command(run) -> None:
    assert "derive" in run("--help").out


def test_a_stream_in_ascii_gets_ascii() -> None:
    outcome = process(["derive", SQUARES, "--wrt", "w", "--order", "2"], "ascii")
    assert outcome == Outcome(
        0,
        "f = ||Xw - y||^2      X in R^mxn, w in R^n, y in R^m\nd^2f/dw^2 = 2X'X      in R^nxn\n",
        "",
    )


@pytest.mark.parametrize("arguments", [["functions"], ["--help"], ["derive", "--mode", "é", "x"]])
def test_nothing_fails_in_ascii(arguments: list[str]) -> None:
    outcome = process(arguments, "ascii")
    assert "Traceback" not in outcome.err


def test_an_error_in_ascii_keeps_the_caret_in_place() -> None:
    outcome = process(["derive", "α*w + )"], "ascii")
    assert outcome.err.splitlines()[1:] == ["  ?*w + )", "        ^"]


def test_all_of_the_steps_in_ascii() -> None:
    outcome = process(["explain", "sum(sigmoid(A*x) ⊙ y)", "--wrt", "A"], "ascii")
    assert outcome.code == 0
    assert "?" not in outcome.out


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("A⁻ᵀ", "A^-T"),
        ("δ_ij Σⱼ σ(x₁₂)", "delta_ij sum_j sigma(x12)"),
        ("vec⁻¹(Γ ⊗ I)", "vec^-1(Gamma (x) I)"),
        ("é…", "e..."),
        ("x⁺", "x^+"),
    ],
)
def test_mathematics_in_ascii(text: str, plain: str) -> None:
    assert to_ascii(text) == plain


# ---------------------------------------------------------------- Taylor polynomials


def test_a_taylor_polynomial_with_its_terms_and_error(run) -> None:
    outcome = run(
        "taylor", "exp(x)*cos(y)", "--at", "x=0", "--at", "y=0", "--order", "3",
        "--x", "x=0.1", "--x", "y=0.2",
    )  # fmt: skip
    assert outcome.code == 0
    assert outcome.lines == [
        "f = cos(y) exp(x)      x ∈ ℝ, y ∈ ℝ",
        "T₃ = 1 + x + (x² − y²)/2 + (x³ − 3xy²)/6",
        "",
        "D⁰f δ⁰ = 1",
        "D¹f δ¹ = x",
        "D²f δ²/2! = (x² − y²)/2",
        "D³f δ³/3! = (x³ − 3xy²)/6",
        "",
        "at x = 0.1, y = 0.2",
        "T₃ = 1.083166667",
        "f = 1.08314108",
        "error = 2.56e-05",
    ]


def test_taylor_polynomials_about_names_and_in_latex(run) -> None:
    outcome = run("taylor", SQUARES, "--at", "w=w0", "--order", "2")
    assert outcome.lines[1] == "T₂ = ‖Xw₀ − y‖² + 2(Xw₀ − y)ᵀXδ + ‖Xδ‖²"
    outcome = run("taylor", "sin(x)", "--at", "x=0", "--order", "3", "--latex")
    assert outcome.lines == [r"x-\frac{x^{3}}{6}"]
    outcome = run("taylor", "exp(a*x)", "--at", "x=0", "--order", "2")
    assert outcome.lines[1] == "T₂ = 1 + ax + a²x²/2"


def test_taylor_polynomials_of_data(run) -> None:
    data = with_values(f"X={DIABETES / 'X.csv'}", f"y={DIABETES / 'y.csv'}")
    outcome = run("taylor", SQUARES, "--at", "w=zeros", *data, "--order", "2", "--steps")
    assert outcome.code == 0
    assert outcome.lines[1] == "T₂ = ‖Xw₀ − y‖² + 2(Xw₀ − y)ᵀXδ + ‖Xδ‖²"
    assert "        H = ∇²f(w₀) = 2XᵀX ∈ ℝⁿˣⁿ" in outcome.lines


def test_a_figure_of_a_taylor_polynomial(run, tmp_path: Path) -> None:
    path = tmp_path / "figure.png"
    outcome = run("taylor", "sin(x)", "--at", "x=0", "--plot", str(path))
    assert outcome.lines[-1] == f"figure written to {path}"
    assert path.read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["log(x)", "--at", "x=-1"], "log(x) is nan where x = -1"),
        (["sin(x)", "--at", "x=0", "--order", "-1"], "order must be"),
        (["sin(x)", "--at", "z=0"], "z"),
        (["sin(x)", "--at", "x"], "write NAME=..., as in --at x=0"),
        (["sin(x)", "--at", "x=a", "--x", "x=1"], "--at numbers"),
        (["sin(x)", "--at", "x=a", "--plot", "a.png"], "--at numbers"),
        (["sin(x)", "--at", "x=0", "--plot", "a.unknown"], "--plot a.unknown"),
        (["x*y", "--at", "x=0", "--at", "y=0", "--x", "x=1"], "no value for y; add --x y=..."),
        (["x'*x", "--at", "x=missing.csv"], "missing.csv"),
    ],
)
def test_mistakes_with_taylor_polynomials(run, arguments: list[str], words: str) -> None:
    outcome = run("taylor", *arguments)
    assert outcome.code == 2
    assert outcome.err.startswith("error: ")
    assert words in outcome.err
    assert "Traceback" not in outcome.err


def test_taylor_polynomials_in_ascii() -> None:
    outcome = process(["taylor", "cos(x)", "--at", "x=pi/2", "--order", "3", "--steps"], "ascii")
    assert outcome.code == 0
    assert outcome.out.isascii()
    assert "?" not in outcome.out


def test_a_closed_pipe_is_no_error() -> None:
    command = "from wengert.cli import main; main(['functions'])"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    writer = subprocess.Popen(
        [sys.executable, "-c", command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    assert writer.stdout is not None
    assert writer.stderr is not None
    writer.stdout.read(10)
    writer.stdout.close()
    writer.wait()
    assert b"Traceback" not in writer.stderr.read()
    writer.stderr.close()


# ---------------------------------------------------------------- expect

ASSEMBLY = "x1*x2^2/(15*(1.5+x3))"


def with_dists(*pairs: str) -> list[str]:
    return [word for pair in pairs for word in ("--dist", pair)]


PARTS = with_dists("x1=normal(24,1)", "x2=normal(37,4)", "x3=expon(scale=0.5)")


def test_the_moments_of_an_assembly(run) -> None:
    outcome = run("expect", ASSEMBLY, *PARTS)
    assert outcome.code == 0, outcome.err
    assert outcome.lines[0].startswith("f = ")
    assert outcome.lines[1] == "with x1 = normal(24,1), x2 = normal(37,4), x3 = expon(scale=0.5)"
    assert outcome.lines[-1].split() == ["f", "1176.45", "315.75256", "0.7100769", "6.1611612"]
    first = run("expect", ASSEMBLY, *PARTS, "--order", "1")
    assert first.lines[-1].split()[:3] == ["f", "1095.2", "364.86036"]


def test_a_budget_and_a_coverage(run) -> None:
    outcome = run("expect", "a*b", *with_dists("a=(2, 0.1)", "b=(3.0, 0.2)"), "--order", "1",
                  "--budget", "--coverage", "0.95", "--dof", "a=5", "--dof", "b=9")  # fmt: skip
    assert outcome.code == 0, outcome.err
    p = wg.propagate("a*b", {"a": (2, 0.1), "b": (3.0, 0.2)}, dof={"a": 5, "b": 9})
    U = p.expanded(0.95)
    assert f"f: U = {U.uncertainty:.6g} (k = {U.factor:.4g}, 95 %)" in outcome.out
    assert str(p.budget()) in outcome.out


def test_correlations_constants_and_the_formula_of_the_gum(run) -> None:
    dists = with_dists("a=normal(2, 0.1)", "b=normal(mean=3, std=0.2)")
    outcome = run("expect", "c*exp(a)*b", *dists, "--value", "c=0.5", "--corr", "a,b=-0.5",
                  "--convention", "gum")  # fmt: skip
    assert outcome.code == 0, outcome.err
    p = wg.propagate("c*exp(a)*b", {"a": (2, 0.1), "b": (3, 0.2), "c": 0.5}, 2, convention="gum",
                     correlations={("a", "b"): -0.5})  # fmt: skip
    assert str(p) in outcome.out


def test_the_mean_to_a_higher_order(run) -> None:
    dists = with_dists("a=normal(0.1, 0.2)", "b=normal(0.3, 0.1)")
    outcome = run("expect", "exp(a*b)", *dists, "--corr", "a,b=0.5", "--order", "6")
    assert outcome.code == 0, outcome.err
    joint = wg.Normal({"a": 0.1, "b": 0.3}, [[0.04, 0.01], [0.01, 0.01]])
    value = float(wg.expectation("exp(a*b)", joint, order=6).value)
    assert f"E f = {value:.10g}" in outcome.out


def test_a_comparison_says_whether_to_trust(run) -> None:
    options = ["--compare", "--samples", "20000", "--seed", "3"]
    outcome = run("expect", ASSEMBLY, *PARTS, *options)
    assert outcome.code == 0, outcome.err
    assert "the Taylor approximation should not be trusted here:" in outcome.lines
    assert (
        "- the Taylor series along x3 diverges: from order 4 on its terms grow faster and faster"
        in outcome.out
    )
    assert [line for line in outcome.lines if line.startswith("Gauss rule, 9 nodes each")]

    def draws(out: str) -> str:
        return next(line for line in out.splitlines() if line.startswith("Monte Carlo"))[:50]

    assert draws(outcome.out) == draws(run("expect", ASSEMBLY, *PARTS, *options).out)


def test_vectors_and_draws_from_a_file(run, files: Path) -> None:
    outcome = run("expect", "x'*x", *with_dists("x=normal([1,2],[0.1,0.2])"))
    assert str(wg.propagate("x'*x", wg.Normal([1.0, 2.0], [0.01, 0.04]), 2)) in outcome.out
    outcome = run("expect", "x'*x", *with_dists("x=draws(plain.csv)"))
    table = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    assert str(wg.propagate("x'*x", wg.Draws(table), 2)) in outcome.out


def test_a_figure_of_a_comparison(run, tmp_path: Path) -> None:
    path = tmp_path / "out.png"
    outcome = run("expect", ASSEMBLY, *PARTS, "--plot", str(path), "--samples", "1000")
    assert outcome.code == 0, outcome.err
    assert outcome.lines[-1] == f"figure written to {path}"
    assert path.stat().st_size > 10_000
    check_error(run("expect", ASSEMBLY, *PARTS, "--plot", str(tmp_path / "no" / "a.png"),
                    "--samples", "100"), "--plot")  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "messages"),
    [
        (["a"], ["no distribution: add --dist", "expon(scale=0.5)"]),
        (["a", "--dist", "a"], ["write NAME=..."]),
        (["a", "--dist", "a=3"], ["--dist a=3: write normal(mean, std)"]),
        (["a", "--dist", "a=normal(0,x)"], ["--dist a=normal(0,x): write"]),
        (["a", "--dist", "a=normal(0,-1)"], ["the standard deviation is negative"]),
        (["a", "--dist", "a=normall(0,1)"], ["'normall'", "did you mean normal?"]),
        (["a", "--dist", "a=gamma()"], ["--dist a=gamma()", "missing"]),
        (["a", "--dist", "a=gamma(-1)"], ["its mean is not finite"]),
        (["a", "--dist", "a=cauchy()"], ["its mean is not finite"]),
        (["a", "--dist", "a=(1,2,3)"], ["(value, uncertainty)"]),
        (["a", "--dist", "a=__import__('os').getcwd()"], ["write normal(mean, std)"]),
        (["a", "--dist", "ab=(1,2)"], ["no variable ab"]),
        (["a*b", "--dist", "a=(1,2)"], ["no value for b"]),
        (["a", "--dist", "a=(1,2)", "--order", "0"], ["order 1 or 2"]),
        (["a", "--dist", "a=(1,2)", "--order", "3", "--budget"], ["the mean alone"]),
        (["a*b", "--dist", "a=(1,2)", "--dist", "b=(1,2)", "--corr", "a=1"], ["--corr V,I=-0.36"]),
        (["a*b", "--dist", "a=(1,2)", "--dist", "b=(1,2)", "--corr", "a,b=2"], ["-1 and 1"]),
        (["a", "--dist", "a=(1,2)", "--dof", "a=x"], ["--dof a=x: write a number"]),
        (["a", "--dist", "a=(1,2)", "--coverage", "95"], ["between 0 and 1"]),
        (["a", "--dist", "a=(1,2)", "--compare", "--samples", "1"], ["from 2 on"]),
        (["log(a)", "--dist", "a=(0,2)"], ["log(a) is -inf where a = 0"]),
        (["a", "--dist", "a=draws(missing.csv)"], ["--dist a=draws(missing.csv)", "No such file"]),
    ],
)
def test_errors_of_expect(run, arguments: list[str], messages: list[str]) -> None:
    check_error(run("expect", *arguments), *messages)
