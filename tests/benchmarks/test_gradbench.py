"""GradBench's tool: the protocol, and every number against the definitions in 40 digits.

GradBench's own validation accepts gradients of zeros where entries are small (ode, lse).
"""

import importlib
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from mpmath import mp, mpf

FOLDER = Path(__file__).parents[2] / "benchmarks" / "gradbench"
RUNS = {"min_runs": 2, "min_seconds": 0}


@pytest.fixture(scope="module")
def tool():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        yield importlib.import_module("tool")


def answers(tool, *messages):
    lines = [json.dumps({"id": k} | m) for k, m in enumerate(messages)]
    return [json.loads(line) for line in tool.serve(lines)]


def output(tool, module, function, given):
    message = {"kind": "evaluate", "module": module, "function": function, "input": given | RUNS}
    (found,) = answers(tool, message)
    assert found["success"], found
    assert [t["name"] for t in found["timings"]] == ["evaluate"] * 2
    assert all(t["nanoseconds"] > 0 for t in found["timings"])
    return found["output"]


# ---------------------------------------------------------------- the protocol


def test_protocol(tool):
    square = {"kind": "evaluate", "module": "hello", "function": "square", "input": 3.0}
    found = answers(
        tool,
        {"kind": "start", "eval": "hello"},
        {"kind": "define", "module": "hello"},
        square,
        {"kind": "analysis", "of": 2, "valid": True},
        square | {"function": "double", "input": 4.0},
    )
    assert [response["id"] for response in found] == list(range(5))
    assert found[0] == {"id": 0, "tool": "wengert"}
    assert found[1] == {"id": 1, "success": True}
    assert (found[2]["output"], found[4]["output"]) == (9.0, 8.0)
    assert found[3] == {"id": 3}


def test_what_is_not_known(tool):
    undefined, failed = answers(
        tool,
        {"kind": "define", "module": "ba"},
        {"kind": "evaluate", "module": "lse", "function": "hessian", "input": {"x": [1.0]}},
    )
    assert undefined["success"] is False
    assert "no eval 'ba'" in undefined["error"]
    assert failed["success"] is False
    assert "hessian" in failed["error"]


# ---------------------------------------------------------------- the definitions


def llsq(given):
    x, n = given["x"], given["n"]
    t = [mpf(-1) + mpf(2 * i) / (n - 1) for i in range(n)]
    rest = [mp.sign(s) - sum(c * s**j for j, c in enumerate(x)) for s in t]
    return sum(r * r for r in rest) / 2


def lse(given):
    return mp.log(sum(mp.exp(x) for x in given["x"]))


def ode_solution(given):
    x, steps = given["x"], given["s"]
    h = mpf(2) / steps
    y = [mpf(0)] * len(x)

    def slope(y):
        return [x[0], *(a * b for a, b in zip(x[1:], y, strict=False))]

    def ahead(y, k, size):
        return [a + size * b for a, b in zip(y, k, strict=True)]

    for _ in range(steps):
        k1 = slope(y)
        k2 = slope(ahead(y, k1, h / 2))
        k3 = slope(ahead(y, k2, h / 2))
        k4 = slope(ahead(y, k3, h))
        mean = [(a + 2 * b + 2 * c + d) / 6 for a, b, c, d in zip(k1, k2, k3, k4, strict=True)]
        y = ahead(y, mean, h)
    return y


def gmm(given):
    d, k, m, gamma = (given[name] for name in ("d", "k", "m", "gamma"))
    weights = [mp.exp(a) for a in given["alpha"]]
    factors = []
    for q, triangle in zip(given["q"], given["l"], strict=True):
        factor, rest = mp.zeros(d), iter(triangle)
        for j in range(d):
            factor[j, j] = mp.exp(q[j])
            for i in range(j + 1, d):
                factor[i, j] = next(rest)
        factors.append(factor)
    precisions = [f.T * f for f in factors]
    total = mpf(0)
    for x in given["x"]:
        density = mpf(0)
        for c in range(k):
            off = mp.matrix([a - b for a, b in zip(x, given["mu"][c], strict=True)])
            root = mp.sqrt(mp.det(precisions[c]) / (2 * mp.pi) ** d)
            square = (off.T * precisions[c] * off)[0]
            density += weights[c] / sum(weights) * root * mp.exp(-square / 2)
        total += mp.log(density)
    n = mpf(d + m + 1)
    gammas = mp.pi ** (mpf(d * (d - 1)) / 4)
    for j in range(d):
        gammas *= mp.gamma((n - j) / 2)
    for precision in precisions:
        trace = sum(precision[i, i] for i in range(d))
        total += (n - d - 1) / 2 * mp.log(mp.det(precision)) - gamma**2 * trace / 2
        total -= d * n / 2 * mp.log(2) - d * n * mp.log(gamma) + mp.log(gammas)
    return total


def kmeans(given):
    def squared(p, c):
        return sum((a - b) ** 2 for a, b in zip(p, c, strict=True))

    return sum(min(squared(p, c) for c in given["centroids"]) for p in given["points"])


def lstm(given):
    main, extra, sequence = (given[n] for n in ("main_params", "extra_params", "sequence"))
    state = [list(row) for row in given["state"]]
    bits = len(extra[0])

    def sigmoid(x):
        return 1 / (1 + mp.exp(-x))

    total = mpf(0)
    for given_bits, gold in pairwise(sequence):
        x = [a * w for a, w in zip(given_bits, extra[0], strict=True)]
        for layer in range(len(main) // 2):
            w, b = main[2 * layer], main[2 * layer + 1]
            hidden, cell = state[2 * layer], state[2 * layer + 1]
            for i in range(bits):
                forget = sigmoid(x[i] * w[i] + b[i])
                enter = sigmoid(hidden[i] * w[bits + i] + b[bits + i])
                out = sigmoid(x[i] * w[2 * bits + i] + b[2 * bits + i])
                change = mp.tanh(hidden[i] * w[3 * bits + i] + b[3 * bits + i])
                cell[i] = cell[i] * forget + enter * change
                hidden[i] = out * mp.tanh(cell[i])
            x = hidden
        predicted = [a * w + b for a, w, b in zip(x, extra[1], extra[2], strict=True)]
        normaliser = mp.log(2 + sum(mp.exp(p) for p in predicted))
        total += sum(g * (p - normaliser) for g, p in zip(gold, predicted, strict=True))
    return -total / (bits * (len(sequence) - 1))


# ---------------------------------------------------------------- numbers


def flat(value):
    if isinstance(value, dict):
        value = [value[name] for name in ("alpha", "mu", "q", "l")]
    if isinstance(value, list):
        return [x for part in value for x in flat(part)]
    return [value]


def places(value):
    """The paths to the numbers in nested lists."""
    if not isinstance(value, list):
        return [()]
    return [(k, *rest) for k, part in enumerate(value) for rest in places(part)]


def exact(value):
    """Floats as numbers of many digits."""
    if isinstance(value, dict):
        return {name: exact(part) for name, part in value.items()}
    if isinstance(value, list):
        return [exact(part) for part in value]
    return mpf(value) if isinstance(value, float) else value


def moved(value, path, step):
    if not path:
        return value + step
    return [moved(v, path[1:], step) if k == path[0] else v for k, v in enumerate(value)]


def derivatives(function, given, names):
    """First and second derivatives by each number, from differences in 40 digits."""
    given, h = exact(given), mpf(10) ** -12
    first, second = [], []
    middle = function(given)
    for name in names:
        for path in places(given[name]):
            up, down = (
                function(given | {name: moved(given[name], path, s)}) for s in (h, -h)
            )  # fmt: skip
            first.append((up - down) / (2 * h))
            second.append((up - 2 * middle + down) / h**2)
    return first, second


def check(found, expected):
    found, expected = np.array(flat(found)), np.array([float(x) for x in flat(expected)])
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=0)


def inputs():
    rng = np.random.default_rng(7)
    points = rng.random((9, 3)).tolist()
    mixture = {
        "d": 3, "k": 2, "n": 4, "m": 1, "gamma": 0.7, "x": rng.normal(size=(4, 3)).tolist(),
        "alpha": rng.normal(size=2).tolist(), "mu": rng.random((2, 3)).tolist(),
        "q": rng.normal(size=(2, 3)).tolist(), "l": rng.normal(size=(2, 3)).tolist(),
    }  # fmt: skip
    network = {
        "main_params": rng.random((4, 12)).tolist(), "extra_params": rng.random((3, 3)).tolist(),
        "state": rng.random((4, 3)).tolist(),
        "sequence": rng.integers(0, 2, (5, 3)).astype(float).tolist(),
    }  # fmt: skip
    return {
        "llsq": ({"x": rng.random(4).tolist(), "n": 6}, llsq, ["x"], "primal", "gradient"),
        "lse": ({"x": (9 * rng.random(7)).tolist()}, lse, ["x"], "primal", "gradient"),
        "gmm": (mixture, gmm, ["alpha", "mu", "q", "l"], "objective", "jacobian"),
        "lstm": (network, lstm, ["main_params", "extra_params"], "objective", "jacobian"),
        "kmeans": ({"points": points, "centroids": points[-2:]}, kmeans, ["centroids"], "cost", ""),
    }


@pytest.mark.parametrize("name", sorted(inputs()))
def test_numbers(tool, name):
    given, function, names, primal, gradient = inputs()[name]
    with mp.workdps(40):
        check(output(tool, name, primal, given), function(exact(given)))
        if gradient:
            first, _ = derivatives(function, given, names)
            check(output(tool, name, gradient, given), first)


def test_clusters(tool):
    given, function, names, *_ = inputs()["kmeans"]
    with mp.workdps(40):
        first, second = derivatives(function, given, names)
        expected = [a / b for a, b in zip(first, second, strict=True)]
    check(output(tool, "kmeans", "dir", given), expected)


def test_ode(tool):
    given = {"x": np.random.default_rng(3).random(5).tolist(), "s": 4}
    with mp.workdps(40):
        check(output(tool, "ode", "primal", given), ode_solution(exact(given)))
        first, _ = derivatives(lambda g: ode_solution(g)[-1], given, ["x"])
        check(output(tool, "ode", "gradient", given), first)


def test_large_sums_have_gradients(tool):
    """Entries of 1/n, which GradBench would take zeros for, add up to one."""
    x = np.random.default_rng(5).random(20_000)
    found = np.array(output(tool, "lse", "gradient", {"x": x.tolist()}))
    expected = np.exp(x - x.max())
    np.testing.assert_allclose(found, expected / expected.sum(), rtol=1e-12)
