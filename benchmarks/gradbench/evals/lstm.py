"""The loss of an LSTM with diagonal weights that predicts the next character's bits."""

from typing import Any

import numpy as np
from measured import Measured
from scipy.special import expit

import wengert as wg


def loss(main: Any, extra: Any, state: Any, sequence: Any) -> Any:
    """The mean over all steps and bits.

    A layer has two rows of ``main``, weights and biases of its four gates, and two of ``state``,
    hidden and cell; ``extra`` has the weights into the first layer, those of the output, and its
    biases.
    """
    layers, bits = len(state) // 2, sequence.shape[1]
    gates = main.reshape(2 * layers, 4, bits)

    def step(state: Any, given: Any) -> Any:
        x, expected = given
        x = x * extra[0]
        rows = []
        for k in range(layers):
            (w, b), (hidden, cell) = gates[2 * k : 2 * k + 2], state[2 * k : 2 * k + 2]
            forget, enter = expit(x * w[0] + b[0]), expit(hidden * w[1] + b[1])
            out, change = expit(x * w[2] + b[2]), np.tanh(hidden * w[3] + b[3])
            cell = cell * forget + enter * change
            x = out * np.tanh(cell)
            rows += [x, cell]
        predicted = x * extra[1] + extra[2]
        normalised = predicted - np.log(2 + np.sum(np.exp(predicted)))
        return np.stack(rows), np.sum(expected * normalised)

    _, losses = wg.scan(step, state, (sequence[:-1], sequence[1:]))
    return -np.sum(losses) / (bits * (len(sequence) - 1))


def prepare(given: Any) -> tuple[Any, ...]:
    names = ("main_params", "extra_params", "state", "sequence")
    return tuple(np.array(given[name]) for name in names)


def joined(gradient: Any) -> Any:
    return np.concatenate([part.ravel() for part in gradient]).tolist()


FUNCTIONS = {
    "objective": Measured(wg.compile(loss), prepare, float),
    "jacobian": Measured(wg.compile(wg.grad(loss, argnums=(0, 1))), prepare, joined),
}
