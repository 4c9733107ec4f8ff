"""The examples run, improve what they optimise, and have the derivatives that differences show."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import wengert as wg

FOLDER = Path(__file__).parents[2] / "examples"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # as an import does
    spec.loader.exec_module(module)
    return module


def rng() -> Any:
    return np.random.default_rng(7)


def test_neural_net(capsys: Any) -> None:
    example = load("neural_net")
    assert example.main(count=60, pixels=8, hidden=6, steps=80) > 0.8
    assert "accuracy" in capsys.readouterr().out
    inputs, targets = example.patterns(rng(), 7, 4, 3)
    params = example.init_params(rng(), [4, 3, 3])
    assert wg.check_derivatives(lambda p: example.loss(p, inputs, targets), (params,))


def test_gaussian_process(capsys: Any) -> None:
    example = load("gaussian_process")
    x, y = example.load(12, 2)
    start = np.array([0.0, -0.5, 0.1, 0.3])
    assert example.main(rows=12, features=2, steps=10) > -example.negative_log_likelihood(
        np.array([0.0, -0.5, 0.0, 0.0]), x, y
    )
    assert "noise" in capsys.readouterr().out
    assert wg.check_derivatives(lambda p: example.negative_log_likelihood(p, x, y), (start,))


def test_mixture_model(capsys: Any) -> None:
    example = load("mixture_model")
    assert example.main(count=60, groups=3, steps=20) > -3.5
    assert "centres" in capsys.readouterr().out
    data = example.clusters(rng(), 9, 2)
    params = example.init_params(rng(), 2)
    assert wg.check_derivatives(lambda p: example.log_likelihood(p, data) / 9, (params,))


def test_fluid_simulation(capsys: Any) -> None:
    example = load("fluid_simulation")
    assert example.main(size=6, steps=20, iterations=10) < 0.1
    assert "distance" in capsys.readouterr().out
    smoke, target = example.pictures(4)
    velocities = 0.1 * rng().normal(size=(2, 4, 4))
    assert wg.check_derivatives(
        lambda v: example.distance(v, smoke, target, 3), (velocities,), order=1
    )


def test_ode_net(capsys: Any) -> None:
    example = load("ode_net")
    assert example.main(steps=10, iterations=30) < 0.3
    assert "loss" in capsys.readouterr().out
    start = np.array([1.0, 0.5])
    observed = example.spiral(start, 0.1, 4)
    params = example.init_params(rng())
    assert wg.check_derivatives(lambda p: example.loss(p, start, observed, 0.1), (params,), order=1)
