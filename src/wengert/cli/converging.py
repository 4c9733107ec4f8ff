"""``wengert converge``: what is minimised, from a formula, a loss and a file of data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import Any

import numpy as np

from wengert.cli.datasets import Dataset, as_variables
from wengert.cli.screen import Screen
from wengert.cli.tables import is_number
from wengert.cli.values import read_values
from wengert.convergence import Report
from wengert.errors import NameClashError, ShapeError, WengertError
from wengert.formula import variable_names
from wengert.formulas import Formula, formula
from wengert.optimize import EmpiricalRisk
from wengert.optimize.losses import LOSSES

DRAWING = ("sgd", "adam")  # methods that see some rows at a time
_CLOSE = 1e-9


@dataclass(frozen=True, eq=False)
class Subject:
    """What is minimised.

    Attributes
    ----------
    objective : object
        For ``convergence``.
    start : pytree
        Of its parameters.
    given : dict or None
        Values of a formula's other variables.
    heading : str
        What it is, for the first line.
    """

    objective: Any
    start: Any
    given: dict[str, Any] | None
    heading: str


def loss_by_name(name: str) -> str:
    """The name, if there is such a loss.

    Raises
    ------
    WengertError
        With the names that there are.
    """
    if name not in LOSSES:
        near = get_close_matches(name, LOSSES, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise WengertError(f"--loss {name}: there is no such loss{hint} ({', '.join(LOSSES)})")
    return name


# ---------------------------------------------------------------- a loss over rows


def linear_subject(data: Dataset, loss: str, regularizer: float | None, intercept: bool) -> Subject:
    """A linear model under a loss, which begins at zero.

    Parameters
    ----------
    data : Dataset
        With a target.
    loss : str
        By name.
    regularizer : float, optional
        λ.
    intercept : bool
        Whether the model has a constant.
    """
    y = _target(data)
    width = data.X.shape[1]
    classes = int(y.max()) + 1 if loss == "softmax" and y.size and y.min() >= 0 else 0
    outputs = (classes,) if classes else ()
    start: dict[str, Any] = {"w": np.zeros((width, *outputs))}
    if intercept:
        start["b"] = np.zeros(outputs)

    def predict(theta: Any, x: Any) -> Any:
        return x @ theta["w"] + theta["b"] if intercept else x @ theta["w"]

    risk = EmpiricalRisk(loss, predict, (data.X, y), regularizer)
    what = f"{loss} loss of a linear model, {data.target} by {width} features"
    return Subject(risk, start, None, f"{what}, {_rows(data)}")


def _target(data: Dataset) -> Any:
    if data.y is None:
        names = ", ".join(data.names)
        raise NameClashError(f"name the column to be predicted: --target NAME (columns: {names})")
    return data.y


def model_subject(
    text: str, data: Dataset, loss: str, regularizer: float | None, values: _Values
) -> Subject:
    """A formula of predictions under a loss.

    Parameters
    ----------
    text : str
        The predictions for all rows.
    data : Dataset
        With a target.
    loss, regularizer
        As in :func:`linear_subject`.
    values : _Values
        Of the other variables.
    """
    y = _target(data)
    features = Dataset(data.names, data.X, None, data.target)
    read, known, start, held = _parts(text, features, values)
    if not known:
        raise NameClashError(
            "with --loss the formula is the model's prediction from the data: X*w, for one "
            f"(X, or columns by name: {', '.join(data.names)})"
        )
    if "n" in known:
        raise NameClashError(
            "with --loss the mean over the rows is taken by itself: no n is needed"
        )

    def predict(theta: Any, x: Any) -> Any:
        return read(**theta, **x, **held)

    shape = np.shape(read(**start, **known, **held))
    if shape[:1] != (data.rows,):
        raise ShapeError(
            f"the formula gives an array of shape {shape} for {data.rows} rows; with --loss it "
            "gives a prediction for each row"
        )
    risk = EmpiricalRisk(loss, predict, (known, y), regularizer)
    return Subject(risk, start, None, f"{loss} loss of {read}, {_rows(data)}")


# ---------------------------------------------------------------- a formula


@dataclass(frozen=True)
class _Values:
    """What was given on the command line for a formula's variables.

    Attributes
    ----------
    given, start : mapping of str to str
        Values that stay, and those where parameters begin.
    shapes, assumptions : mapping of str to str
        Declared.
    """

    given: Mapping[str, str]
    start: Mapping[str, str]
    shapes: Mapping[str, str]
    assumptions: Mapping[str, str]


Values = _Values


def formula_subject(
    text: str, data: Dataset | None, methods: Sequence[str], values: _Values
) -> Subject:
    """A formula that gives one number.

    Parameters
    ----------
    text : str
        The formula.
    data : Dataset, optional
        For X, y, n, and columns by their names.
    methods : sequence of str
        If one of them draws batches, the formula is split into rows.
    values : _Values
        Of the other variables.
    """
    read, known, start, held = _parts(text, data, values)
    if read.shape:
        raise ShapeError(
            f"the formula gives an array of {len(read.shape)} axes; a minimum is of one number "
            "(with --loss it is the model's prediction)"
        )
    rows = "" if data is None else f", {_rows(data)}"
    heading = f"f = {read}{rows}, over {', '.join(start)}"
    drawing = [name for name in methods if name in DRAWING]
    if drawing and data is None:
        raise WengertError(
            f"--method {drawing[0]} draws rows of data: give them with --data FILE, so that the "
            "formula is a mean over rows, or use gd, nesterov, newton or lbfgs"
        )
    if drawing and data is not None:
        return Subject(_by_rows(read, known, start, held, data.rows), start, None, heading)
    return Subject(read, start, {**known, **held}, heading)


def _parts(
    text: str, data: Dataset | None, values: _Values
) -> tuple[Formula, dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The formula, the data by name, where parameters begin, and values that stay."""
    names = variable_names(text)
    known = {} if data is None else dict(as_variables(data, names))
    for name in values.given:
        known.pop(name, None)
    if data is not None and data.y is None and "y" in names:
        _check_y(data, values)
    free = [name for name in names if name not in known and name not in values.given]
    stray = [name for name in values.start if name not in free]
    if stray:
        raise NameClashError(
            f"--start {stray[0]}: there is no such parameter (parameters: {', '.join(free)})"
        )
    kinds = ("scalar", "vector")
    shapes: dict[str, Any] = {n: kinds[np.ndim(v)] for n, v in known.items() if np.ndim(v) < 2}
    shapes |= {n: "scalar" for n, t in {**values.given, **values.start}.items() if is_number(t)}
    read = formula(text, {**shapes, **values.shapes}, dict(values.assumptions))
    free = [v.name for v in read.variables if v.name in free]
    if not free:
        raise NameClashError("all variables of the formula have values: there is no parameter left")
    specs = {**dict.fromkeys(free, "zeros"), **values.start, **values.given}
    found = read_values(specs, read.variables, known).arrays
    return (
        read,
        {name: found[name] for name in known if name in found},
        {name: found[name] for name in free},
        {name: found[name] for name in values.given},
    )


def _check_y(data: Dataset, values: _Values) -> None:
    """An error if y would become a parameter because the target was not named."""
    if "y" not in values.given and "y" not in values.start and data.target is None:
        raise NameClashError(
            f"y is the target: name its column, --target NAME (columns: {', '.join(data.names)}), "
            "or say where it begins if it is a parameter: --start y=zeros"
        )


def _rows(data: Dataset) -> str:
    return "1 row" if data.rows == 1 else f"{data.rows} rows"


def _itself(value: Any) -> Any:
    return value


def _by_rows(
    read: Formula, known: dict[str, Any], start: Any, held: dict[str, Any], count: int
) -> EmpiricalRisk:
    """The formula as the mean of its values for single rows.

    Raises
    ------
    WengertError
        If it is neither their mean nor their sum.
    """
    rows = {name: value for name, value in known.items() if name != "n"}
    one = {"n": np.float64(1.0)} if "n" in known else {}

    def single(theta: Any, x: Any, scale: float = 1.0) -> Any:
        alone = {name: np.reshape(value, (1, *np.shape(value))) for name, value in x.items()}
        return scale * read(**theta, **alone, **one, **held)

    rng = np.random.default_rng(0)
    theta = {name: value + rng.normal(size=np.shape(value)) for name, value in start.items()}
    whole = float(read(**theta, **known, **held))
    parts = [single(theta, {name: v[k] for name, v in rows.items()}) for k in range(count)]
    for total, scale in ((np.mean(parts), 1.0), (np.sum(parts), float(count))):
        if abs(total - whole) <= _CLOSE * (abs(whole) + float(np.mean(np.abs(parts)))):
            predict = partial(single, scale=scale)
            return EmpiricalRisk(_itself, predict, (rows,), per_sample=True)
    raise WengertError(
        "SGD needs a finite sum, and this formula is neither the mean nor the sum of its values "
        "for single rows: write the mean with n, the number of rows, and the regulariser beside "
        'it, as in "norm2(X*w - y)^2/n + 0.1*norm2(w)^2", or use --loss'
    )


# ---------------------------------------------------------------- what is printed


def show(screen: Screen, report: Report, subject: Subject, notes: Sequence[str]) -> None:
    """The report, after a line about the problem."""
    screen.line(subject.heading)
    for note in notes:
        screen.line(f"({note})")
    screen.line()
    screen.line(str(report))


def show_json(screen: Screen, report: Report) -> None:
    """The report as data."""
    screen.line(json.dumps(report.to_dict(), indent=2, ensure_ascii=not screen.unicode))


def write_plot(screen: Screen, report: Report, path: str, *, quiet: bool) -> None:
    """A figure to a file."""
    try:
        report.plot(path)
    except WengertError as error:
        if not quiet:
            screen.line()
            screen.line(f"no figure: {error}")
        return
    except ImportError:
        raise WengertError('figures need matplotlib: pip install "wengert[plot]"') from None
    except (OSError, ValueError) as error:
        raise WengertError(f"--plot {path}: {error}") from None
    if not quiet:
        screen.line()
        screen.line(f"figure written to {path}")
