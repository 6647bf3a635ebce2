"""Faults to plant on the way forward and back; see `faults.py`."""

from __future__ import annotations

from faults import Fault, both, each

_FUSED_IN_PLACE = "np.subtract(a4, y, out=delta4)"
_FUSED_PLAIN = "delta4 = a4 - y"
_STALE = """stale = self.__dict__.get("old", a3)
        stale = stale if stale.shape == a3.shape else a3
        self.old = a3.copy()
        """

OUTPUT_ERROR: tuple[Fault, ...] = (
    each(
        "BP1: y - a for a - y",
        ("np.subtract(a4, y, out=delta4)", "np.subtract(y, a4, out=delta4)"),
        ("(a4 - y) *", "(y - a4) *"),
    ),
    each(
        "BP1: a + y for a - y",
        ("np.subtract(a4, y, out=delta4)", "np.add(a4, y, out=delta4)"),
        ("(a4 - y) *", "(a4 + y) *"),
    ),
    each(
        "BP1: without the derivative",
        ("        delta4 *= a4\n", "        a4[...] = 0\n", 2),
        ("(a4 - y) * a4 * (1 - a4)", "(a4 - y)"),
    ),
    each(
        "BP1: derivative at the layer below",
        ("np.subtract(1, a4, out=a4)", "np.subtract(1, a3, out=a4)"),
        ("(1 - a4)", "(1 - a3)"),
    ),
    each(
        "BP1: fused error twice as large",
        (_FUSED_IN_PLACE, "np.subtract(2 * a4, 2 * y, out=delta4)"),
        (_FUSED_PLAIN, "delta4 = 2 * (a4 - y)"),
        spec="cross_entropy",
    ),
    each(
        "BP1: the derivative that had cancelled",
        (_FUSED_IN_PLACE, "delta4[...] = (a4 - y) * a4 * (1 - a4)"),
        (_FUSED_PLAIN, "delta4 = (a4 - y) * a4 * (1 - a4)"),
        spec="cross_entropy",
    ),
    each(
        "BP1: off by one part in a million",
        (_FUSED_IN_PLACE, "delta4[...] = 1.000001 * (a4 - y)"),
        (_FUSED_PLAIN, "delta4 = 1.000001 * (a4 - y)"),
        spec="log_likelihood",
    ),
    each(
        "BP1: softmax as if it were element-wise",
        ("softmax_vjp(delta4, a4)", "delta4 *= a4 * (1 - a4)"),
        ("softmax_vjp(a4 - y, a4)", "(a4 - y) * a4 * (1 - a4)"),
        spec="softmax",
    ),
)

# The output error is where the numpy target multiplies every gradient by the rate.
SHARE: tuple[Fault, ...] = (
    each(
        "share: none",
        ("        delta4 *= share", "        delta4 *= 1"),
        ("rate = ETA / m", "rate = ETA"),
    ),
    each(
        "share: twice",
        ("        delta4 *= share", "        delta4 *= share * share"),
        ("rate = ETA / m", "rate = (ETA / m) ** 2"),
    ),
)

HIDDEN_ERROR: tuple[Fault, ...] = (
    both("BP2: missing transpose", ("self.w4.T", "self.w4")),
    both("BP2: missing transpose in the layer below", ("self.w3.T", "self.w3")),
    both("BP2: weights of the wrong layer", ("self.w4.T", "self.w3.T")),
    each(
        "BP2: error of the wrong layer",
        ("np.dot(self.w3.T, delta3,", "np.dot(self.w3.T, delta4,"),
        ("self.w3.T @ delta3", "self.w3.T @ delta4"),
    ),
    each(
        "BP2: weights already moved in this step",
        (
            "np.dot(self.w4.T, delta4, out=delta3)",
            "np.dot((self.w4 - self.nabla_w4).T, delta4, out=delta3)",
        ),
        (
            "(self.w4.T @ delta4)",
            "((self.w4 - ETA / len(x) * nabla_w4).T @ delta4)",
        ),
    ),
    each(
        "BP2: 1 + a for 1 - a",
        ("np.subtract(1, a3, out=a3)", "np.add(1, a3, out=a3)"),
        ("(1 - a3)", "(1 + a3)"),
    ),
    each(
        "BP2: 1 - a for 1 - a² in tanh'",
        ("        a2 *= a2  # a2 is no longer needed\n", ""),
        ("(1 - a2 * a2)", "(1 - a2)"),
    ),
    each(
        "BP2: derivative of the wrong argument",
        ("        a2 *= a2", "        a2[...] = np.tanh(a2) ** 2"),
        ("(1 - a2 * a2)", "(1 - np.tanh(a2) ** 2)"),
    ),
    each(
        "BP2: derivative at the layer below",
        ("        a2 *= a2", "        a2[...] = a1 * a1"),
        ("(1 - a2 * a2)", "(1 - a1 * a1)"),
    ),
    each(
        "BP2: kink on the wrong side",
        ("np.greater(a3, 0, out=a3)", "np.less_equal(a3, 0, out=a3)"),
        ("(a3 > 0)", "(a3 <= 0)"),
        spec="log_likelihood",
    ),
    each(
        "BP2: without relu'",
        ("np.greater(a3, 0, out=a3)", "a3[...] = 1"),
        (" * (a3 > 0)", ""),
        spec="log_likelihood",
    ),
)

GRADIENTS: tuple[Fault, ...] = (
    each(
        "BP3: error of the wrong layer",
        ("np.dot(delta2, mini_batch.ones,", "np.dot(delta3, mini_batch.ones,"),
        ("delta2.sum(", "delta3.sum("),
    ),
    each(
        "BP3: mean for sum",
        (
            "np.dot(delta3, mini_batch.ones,",
            "np.dot(delta3, mini_batch.ones / mini_batch.m,",
        ),
        ("delta3.sum(", "delta3.mean("),
    ),
    each(
        "BP3: summed over the neurons too",
        (
            "np.dot(delta4, mini_batch.ones, out=self.nabla_b4)",
            "self.nabla_b4.fill(delta4.sum())",
        ),
        (
            "nabla_b4 = delta4.sum(axis=1, keepdims=True)",
            "nabla_b4 = np.full((N4, 1), delta4.sum())",
        ),
    ),
    each(
        "BP4: activation of the layer itself",
        ("np.dot(delta3, a2.T,", "np.dot(delta3, a3.T,"),
        ("delta3 @ a2.T", "delta3 @ a3.T"),
    ),
    each(
        "BP4: activation one layer too low",
        ("np.dot(delta3, a2.T,", "np.dot(delta3, a1.T,"),
        ("delta3 @ a2.T", "delta3 @ a1.T"),
    ),
    each(
        "BP4: error of the layer above",
        ("np.dot(delta3, a2.T,", "np.dot(delta4, a2.T,"),
        ("delta3 @ a2.T", "delta4 @ a2.T"),
    ),
    each(
        "BP4: transposed",
        ("np.dot(delta2, a1.T,", "np.dot(a1, delta2.T,"),
        ("delta2 @ a1.T", "a1 @ delta2.T"),
    ),
    each(
        "BP4: derivative in the activation's place",
        ("np.dot(delta3, a2.T,", "np.dot(delta3, 1 - a2.T**2,"),
        ("delta3 @ a2.T", "delta3 @ (1 - a2.T**2)"),
    ),
    each(
        "BP4: stale activation of the mini-batch before",
        ("np.dot(delta4, a3.T,", f"{_STALE}np.dot(delta4, stale.T,"),
        ("nabla_w4 = delta4 @ a3.T", f"{_STALE}nabla_w4 = delta4 @ stale.T"),
    ),
    each(
        "gradient divided by one example too many",
        (
            "_backprop(mini_batch, 1 / len(x))",
            "_backprop(mini_batch, 1 / (len(x) + 1))",
        ),
        ('"w3": nabla["w3"] / len(x)', '"w3": nabla["w3"] / (len(x) + 1)'),
    ),
    each(
        "gradient not divided by the examples",
        ("_backprop(mini_batch, 1 / len(x))", "_backprop(mini_batch, 1)"),
        ('"b2": nabla["b2"] / len(x)', '"b2": nabla["b2"]'),
    ),
    each(
        "gradient of the wrong layer returned",
        ('"w3": self.nabla_w3.copy()', '"w3": self.nabla_w4.copy()'),
        ('"w3": nabla["w3"] /', '"w3": nabla["w4"] /'),
    ),
)

FORWARD: tuple[Fault, ...] = (
    each(
        "bias left out",
        ("a3 += self.b3", "a3 += 0", 2),
        ("self.w3 @ a2 + self.b3", "self.w3 @ a2", 2),
    ),
    each(
        "bias left out in training alone",
        ("out=a3)\n        a3 += self.b3\n", "out=a3)\n"),
        ("z3 = self.w3 @ a2 + self.b3\n        a3", "z3 = self.w3 @ a2\n        a3", 2),
    ),
    each(
        "input of the wrong layer",
        ("np.dot(self.w3, a2,", "np.dot(self.w3, a1,"),
        ("self.w3 @ a2", "self.w3 @ a1", 2),
    ),
    each(
        "transposed weights",
        ("np.dot(self.w3, a2,", "np.dot(self.w3.T, a2,"),
        ("self.w3 @ a2", "self.w3.T @ a2", 2),
    ),
    each(
        "weights from before the first step",
        (
            "np.dot(self.w3, a2,",
            'np.dot(self.__dict__.setdefault("old", self.w3.copy()), a2,',
        ),
        ("self.w3 @ a2", 'self.__dict__.setdefault("old", self.w3.copy()) @ a2', 2),
    ),
    each(
        "σ of minus z",
        ("np.negative(z, out=z)", "np.positive(z, out=z)"),
        ("np.exp(-z)", "np.exp(z)"),
    ),
    each(
        "softmax not divided by its sum",
        ("z /= total", "z /= 1"),
        ("e / total", "e / 1"),
        spec="softmax",
    ),
)

FAULTS = OUTPUT_ERROR + SHARE + HIDDEN_ERROR + GRADIENTS + FORWARD
