"""Faults to plant in initial values, update, training, costs; see `faults.py`."""

from __future__ import annotations

from faults import Fault, both, each

UPDATE: tuple[Fault, ...] = (
    both("L2: without lmbda", ("ETA * LMBDA / n", "ETA / n")),
    each(
        "L2: lmbda/m for lmbda/n",
        ("ETA * LMBDA / n", "ETA * LMBDA / mini_batch.m"),
        ("ETA * LMBDA / n", "ETA * LMBDA / m"),
    ),
    both("L2: lmbda/2n for lmbda/n", ("ETA * LMBDA / n", "ETA * LMBDA / (2 * n)")),
    both("L2: weights grow", ("1 - ETA * LMBDA", "1 + ETA * LMBDA")),
    both("L2: without eta", ("1 - ETA * LMBDA", "1 - LMBDA")),
    each(
        "L2: one layer left out",
        ("        self.w3 *= decay\n", ""),
        ("        self.w3 *= decay\n", ""),
    ),
    each(
        "L2: biases decay too",
        ("self.b3 -= ", "self.b3 *= decay\n        self.b3 -= "),
        ("self.b3 -= ", "self.b3 *= decay\n        self.b3 -= "),
    ),
    each(
        "L2: decay after the step",
        (
            "self.w2 *= decay\n        self.w2 -= self.nabla_w2",
            "self.w2 -= self.nabla_w2\n        self.w2 *= decay",
        ),
        (
            'self.w2 *= decay\n        self.w2 -= rate * nabla["w2"]',
            'self.w2 -= rate * nabla["w2"]\n        self.w2 *= decay',
        ),
    ),
    each(
        "rate: eta/n for eta/m",
        ("rate = ETA / mini_batch.m", "rate = ETA / n"),
        ("rate = ETA / m", "rate = ETA / n"),
    ),
    each(
        "rate: not the short mini-batch's own length",
        ("rate = ETA / mini_batch.m", "rate = ETA / MINI_BATCH_SIZE"),
        ("rate = ETA / m", "rate = ETA / MINI_BATCH_SIZE"),
    ),
    both(
        "rate: off by one part in a million",
        ("rate = ETA /", "rate = 1.000001 * ETA /"),
    ),
    both(
        "rate: off by one part in a billion",
        ("rate = ETA /", "rate = 1.000000001 * ETA /"),
    ),
    each(
        "step: uphill",
        ("self.w4 -= self.nabla_w4", "self.w4 += self.nabla_w4"),
        ('self.w4 -= rate * nabla["w4"]', 'self.w4 += rate * nabla["w4"]'),
    ),
    each(
        "step: one bias never moves",
        ("self.b2 -= self.nabla_b2", "self.b2 -= 0"),
        ('self.b2 -= rate * nabla["b2"]', "self.b2 -= 0"),
    ),
    each(
        "step: gradient of the wrong layer",
        ("self.w3 -= self.nabla_w3", "self.w3 -= self.nabla_w4"),
        ('rate * nabla["w3"]', 'rate * nabla["w4"]'),
    ),
)

EPOCH: tuple[Fault, ...] = (
    both("shuffling: wrong stream", ("SHUFFLE = 0, 1, 2", "SHUFFLE = 0, 1, 3")),
    both(
        "shuffling: none", ('np.argsort(words_of_epoch, kind="stable")', "np.arange(n)")
    ),
    both("shuffling: order reversed", ('kind="stable")', 'kind="stable")[::-1]')),
    both(
        "shuffling: the same order in every epoch",
        ("SHUFFLE, self.epoch)", "SHUFFLE, 0)"),
    ),
    both(
        "shuffling: epochs counted from 1",
        ("SHUFFLE, self.epoch)", "SHUFFLE, self.epoch + 1)"),
    ),
    both(
        "shuffling: the spec's seed, not the network's",
        ("self.seed, SHUFFLE", "SEED, SHUFFLE"),
    ),
    both("epoch: not advanced", ("self.epoch += 1", "self.epoch += 0")),
    both(
        "epoch: short mini-batch left out",
        (
            "range(0, n, MINI_BATCH_SIZE)",
            "range(0, n - n % MINI_BATCH_SIZE, MINI_BATCH_SIZE)",
        ),
    ),
    both(
        "epoch: mini-batches overlap",
        (
            "order[k : k + MINI_BATCH_SIZE]",
            "order[k // 2 : k // 2 + MINI_BATCH_SIZE][: n - k]",
        ),
    ),
    each(
        "epoch: targets of other examples",
        ("y.take(batch,", "y.take(batch[::-1],"),
        ("y[batch]", "y[batch[::-1]]"),
    ),
    each(
        "epoch: n of the mini-batch",
        (
            "                self._update(mini_batch, n,",
            "                self._update(mini_batch, len(batch),",
        ),
        (
            "self._update(nabla, len(batch), n)",
            "self._update(nabla, len(batch), len(batch))",
        ),
    ),
    each(
        "sample weights: ignored",
        ("delta4 *= sample_weight", "delta4 *= 1"),
        ("delta4 = delta4 * sample_weight", "delta4 = delta4 * 1"),
    ),
    both(
        "sample weights: of other examples", ("weight[batch]", "weight[: len(batch)]")
    ),
    each(
        "sample weights: squared",
        ("delta4 *= sample_weight", "delta4 *= sample_weight**2"),
        ("delta4 * sample_weight", "delta4 * sample_weight**2"),
    ),
)

BEGINNING: tuple[Fault, ...] = (
    both("initial: streams exchanged", ("SHUFFLE = 0, 1, 2", "SHUFFLE = 1, 0, 2")),
    both("initial: draws of another layer", ("seed, BIASES, 3)", "seed, BIASES, 2)")),
    both("initial: weights scaled wrongly", ("np.sqrt(N2)", "np.sqrt(N2 + 1)")),
    both("initial: upper 52 bits of a word", ("np.uint64(11)", "np.uint64(12)")),
    both(
        "initial: sine and cosine exchanged",
        ("r * np.cos(t), r * np.sin(t)", "r * np.sin(t), r * np.cos(t)"),
    ),
    both("initial: u for 1 - u", ("np.log(1 - u[0::2])", "np.log(u[0::2])")),
    both("scaling: shift added", ("(x - self.shift)", "(x + self.shift)")),
    both("scaling: fitted again on other data", ("if not self.fitted:", "if True:")),
    both(
        "scaling: largest for the range",
        ("highest - lowest", "highest"),
        spec="log_likelihood",
    ),
    both(
        "scaling: wrong divisor",
        ("(name, x / 2.0", "(name, x / 2.5"),
        spec="cross_entropy",
    ),
    both("labels: classes in reverse", ("np.eye(N4)[", "np.eye(N4)[::-1][")),
)

MEASURES: tuple[Fault, ...] = (
    both("cost: sum for mean", ("return total / len(x)", "return total")),
    both("cost: without ½", ("0.5 * (d * d)", "(d * d)")),
    both("cost: sign of y z", ("- y * z", "+ y * z"), spec="cross_entropy"),
    both(
        "cost: largest z not taken off",
        ("np.log(total) - d", "np.log(total) - z"),
        spec="log_likelihood",
    ),
    both("total cost: lmbda/n for lmbda/2n", ("LMBDA / (2 * n)", "LMBDA / n")),
    both("total cost: biases count", ('name.startswith("w")', "name")),
    both(
        "predict: least likely class",
        ("_output(x).argmax(axis=1)", "_output(x).argmin(axis=1)"),
    ),
    both("accuracy: share of misses", ("argmax(axis=0) == y", "argmax(axis=0) != y")),
)

FAULTS = UPDATE + EPOCH + BEGINNING + MEASURES
