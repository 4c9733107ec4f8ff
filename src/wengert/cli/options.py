"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

FormulaText = Annotated[
    str, typer.Argument(metavar="FORMULA", help='As in "norm2(X*w - y)^2".', show_default=False)
]
Shapes = Annotated[
    list[str] | None,
    typer.Option(
        "--shape",
        metavar="X=m,n",
        help="The shape of a variable, instead of its letter's: sizes, or scalar, vector, matrix.",
        show_default=False,
    ),
]
Assume = Annotated[
    list[str] | None,
    typer.Option(
        metavar="W=PROPERTY",
        help="symmetric, positive definite, diagonal, orthogonal or positive.",
        show_default=False,
    ),
]
Values = Annotated[
    list[str] | None,
    typer.Option(
        "--value",
        metavar="NAME=VALUE",
        help="A number, a list such as [1, 2], a .csv, .npy or .npz:key file, or zeros, ones, "
        "random, eye, whose sizes follow from the other values.",
        show_default=False,
    ),
]
Steps = Annotated[bool, typer.Option("--steps", help="Show the steps, with their rules.")]
PlotFile = Annotated[
    str | None,
    typer.Option("--plot", metavar="FILE", help="Write a figure to it.", show_default=False),
]
