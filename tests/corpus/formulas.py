"""The corpus: formulas with their variables, and what the literature says of their derivatives.

``CASES`` has them all, ``BY_ID`` finds one, ``MODULES`` keeps them apart by source.
"""

from __future__ import annotations

from corpus import (
    cookbook,
    cookbook_traces,
    lecture,
    matrixcalculus,
    mml,
    practice_models,
    practice_networks,
    practice_probability,
    practice_regression,
    practice_science,
    tensors,
    univariate,
    vectors,
)
from corpus.case import DOMAINS, Case

__all__ = ["BY_ID", "CASES", "DOMAINS", "MODULES", "Case"]

MODULES: dict[str, tuple[Case, ...]] = {
    "lecture": lecture.CASES,
    "univariate": univariate.CASES,
    "cookbook": cookbook.CASES + cookbook_traces.CASES,
    "mml": mml.CASES,
    "matrixcalculus": matrixcalculus.CASES,
    "vectors": vectors.CASES,
    "tensors": tensors.CASES,
    "practice": practice_regression.CASES
    + practice_models.CASES
    + practice_networks.CASES
    + practice_probability.CASES
    + practice_science.CASES,
}

CASES: tuple[Case, ...] = tuple(case for cases in MODULES.values() for case in cases)

BY_ID: dict[str, Case] = {case.id: case for case in CASES}
