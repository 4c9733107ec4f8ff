"""Settings shared by all tests."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from drawing import FEWEST

os.environ.setdefault("MPLBACKEND", "Agg")  # figures need no display
# Arrays are small here: a second thread of the BLAS only takes the other worker's core.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Deterministic in CI: the same examples in every run, so that a failure belongs to its change.
# A developer's run explores new examples each time. Neither fails for being slow.
settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,
    max_examples=FEWEST,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))

# Where programs are only the means to look at the mathematics, they are run a few times each, and
# NumPy is quicker to start; what the tests of operations evaluate goes through both engines anyway.
# The engine that is named in the environment runs everything.
_BY_NUMPY = frozenset(
    {"convergence", "corpus", "derive", "expectation", "formula", "operations", "optimize", "plan"}
    | {"printing", "rewrite", "structured", "taylor", "tracing"}
)
_NAMED = os.environ.get("WENGERT_ENGINE")


def pytest_sessionstart() -> None:
    """Trace every function: tests declare operations wrongly on purpose, and count traces.

    ``tests/transforms/test_kept.py`` has its own folder of functions.
    """
    compiling = importlib.import_module("wengert.transforms.compiling")  # after the variables
    compiling.known = lambda *_: None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Choose the engine of a test that names none."""
    if _NAMED is not None:
        return
    if _BY_NUMPY.isdisjoint(item.path.parent.parts) or "tests" not in item.path.parts:
        os.environ.pop("WENGERT_ENGINE", None)
    else:
        os.environ["WENGERT_ENGINE"] = "numpy"


def pytest_runtest_teardown() -> None:
    """Leave nothing to tests elsewhere: those of the documentation are not set up here."""
    if _NAMED is None:
        os.environ.pop("WENGERT_ENGINE", None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Pages and examples first: last, one worker would run a long one while the other waits."""
    items.sort(key=lambda item: item.path.suffix != ".md" and "examples" not in item.path.parts)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """What was collected stays: no garbage collection looks through 30,000 tests again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def _engines_agree() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]
    """What the tests of a file evaluated by NumPy is evaluated natively before the next file."""
    yield
    engines = sys.modules.get("operations.engines")
    if engines is not None:
        engines.run_what_waits()
