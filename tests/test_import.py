"""Importing the library loads no more than it needs."""

import subprocess
import sys

LATER = (
    "llvmlite",
    "matplotlib",
    "rich",
    "typer",
    "scipy.integrate",
    "scipy.optimize",
    "scipy.stats",
    "wengert.backends.native",
)


def test_packages_for_some_are_loaded_by_those_who_use_them():
    code = f"import sys, wengert; print([m for m in {LATER} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
