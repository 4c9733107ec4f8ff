"""How all figures look. Without matplotlib, which only those load who draw."""

from __future__ import annotations

from typing import Any

INK = "#1a1a1a"
# Okabe and Ito's colours, which differ in lightness too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#7A5C00")
STYLE: Any = {
    "font.family": "serif",
    "font.size": 10,
    "mathtext.fontset": "cm",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.unicode_minus": True,
    "xtick.direction": "out",
    "ytick.direction": "out",
    "legend.frameon": False,
}
