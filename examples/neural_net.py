"""A two-layer network that tells handwritten-like patterns apart, trained by Adam.

Shows the gradient by a list of dicts of parameters: it has the structure of the parameters.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

import wengert as wg


def init_params(rng: np.random.Generator, sizes: list[int], scale: float = 0.3) -> list[Any]:
    """Weights and biases, one dict a layer."""
    pairs = pairwise(sizes)
    return [{"W": scale * rng.normal(size=p), "b": scale * rng.normal(size=p[1])} for p in pairs]


def log_probabilities(params: list[Any], inputs: Any) -> Any:
    """Logarithms of the classes' probabilities, one row an input."""
    h = inputs
    for layer in params[:-1]:
        h = np.tanh(h @ layer["W"] + layer["b"])
    scores = h @ params[-1]["W"] + params[-1]["b"]
    shifted = scores - np.max(scores, axis=1, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))


def loss(params: list[Any], inputs: Any, targets: Any, penalty: float = 1e-3) -> Any:
    """Cross-entropy with a penalty on the squares of the parameters."""
    squares = sum(np.sum(layer["W"] ** 2) + np.sum(layer["b"] ** 2) for layer in params)
    return penalty * squares - np.mean(np.sum(targets * log_probabilities(params, inputs), axis=1))


def patterns(rng: np.random.Generator, count: int, pixels: int, classes: int) -> tuple[Any, Any]:
    """Noisy copies of one random pattern a class, and their classes as rows of zeros and a one."""
    labels = rng.integers(classes, size=count)
    templates = rng.normal(size=(classes, pixels))
    return templates[labels] + rng.normal(size=(count, pixels)), np.eye(classes)[labels]


def main(count: int = 500, pixels: int = 36, hidden: int = 20, steps: int = 150) -> float:
    """Train and give the accuracy on the training patterns."""
    rng = np.random.default_rng(0)
    inputs, targets = patterns(rng, count, pixels, classes=5)
    params = init_params(rng, [pixels, hidden, 5])
    step = wg.compile(wg.value_and_grad(loss))
    first = [{k: np.zeros_like(a) for k, a in layer.items()} for layer in params]
    second = [{k: np.zeros_like(a) for k, a in layer.items()} for layer in params]
    for t in range(1, steps + 1):
        value, gradient = step(params, inputs, targets)
        for layer, m, v, g in zip(params, first, second, gradient, strict=True):
            for k in layer:
                m[k] = 0.9 * m[k] + 0.1 * g[k]
                v[k] = 0.999 * v[k] + 0.001 * g[k] ** 2
                rate = 0.02 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
                layer[k] = layer[k] - rate * m[k] / (np.sqrt(v[k]) + 1e-8)
        if t in (1, steps):
            print(f"step {t:4}: loss {value:.4f}")
    right = np.argmax(log_probabilities(params, inputs), 1) == np.argmax(targets, 1)
    accuracy = float(np.mean(right))
    print(f"accuracy {accuracy:.3f}")
    return accuracy


if __name__ == "__main__":
    main()
