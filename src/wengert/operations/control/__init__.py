"""Programs as operations: branches, scans and while loops, with derivatives of any order."""

from wengert.operations.control.branches import BRANCH, branch
from wengert.operations.control.building import cond, fori_loop, scan, switch, while_loop
from wengert.operations.control.loops import SCAN, WHILE
from wengert.operations.control.programs import Program, close_over, map_programs
from wengert.operations.control.runs import Run, run_of

__all__ = [
    "BRANCH",
    "SCAN",
    "WHILE",
    "Program",
    "Run",
    "branch",
    "close_over",
    "cond",
    "fori_loop",
    "map_programs",
    "run_of",
    "scan",
    "switch",
    "while_loop",
]
