"""Settings shared by all tests."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("MPLBACKEND", "Agg")  # figures need no display
# Arrays are small here: a second thread of the BLAS only takes the other worker's core.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Deterministic in CI: the same examples in every run, so that a failure belongs to its change.
# A developer's run explores new examples each time. Neither fails for being slow.
settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


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
