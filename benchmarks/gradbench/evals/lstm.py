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
    layers, bits = len(main) // 2, sequence.shape[1]

    def step(state: Any, given: Any) -> Any:
        x, expected = given
        x = x * extra[0]
        rows = []
        for k in range(layers):
            hidden, cell = state[2 * k], state[2 * k + 1]
            gates = np.concatenate([x, hidden, x, hidden]) * main[2 * k] + main[2 * k + 1]
            forget, enter, out, change = np.split(gates, 4)
            cell = cell * expit(forget) + expit(enter) * np.tanh(change)
            x = expit(out) * np.tanh(cell)
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
