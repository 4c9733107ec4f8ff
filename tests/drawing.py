"""How many random examples a test draws."""

from __future__ import annotations

from typing import Any

from hypothesis import settings

FEWEST = 25


def examples(count: int, **options: Any) -> settings:
    """Hypothesis's settings for so many examples, or a quarter of them in CI.

    CI draws the same ones in every run (see ``conftest.py``), where more only repeat what is known;
    a developer's run draws new ones each time.
    """
    few = settings.default.derandomize
    return settings(max_examples=max(count // 4, FEWEST) if few else count, **options)
