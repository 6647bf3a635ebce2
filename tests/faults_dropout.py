"""Faults to plant in dropout; see `faults.py`. The spec is in `test_dropout.py`."""

from __future__ import annotations

from faults import Fault, both, each

FAULTS: tuple[Fault, ...] = (
    each(
        "not applied on the way back",
        ("        delta2 *= r2\n", ""),
        (" * r2 * ", " * "),
    ),
    each(
        "applied twice on the way back",
        ("        delta2 *= r2\n", "        delta2 *= r2 * r2\n"),
        (" * r2 * ", " * r2 * r2 * "),
    ),
    each(
        "not applied on the way forward",
        ("np.multiply(r2, a2, out=kept2)", "np.copyto(kept2, a2)"),
        ("kept2 = r2 * a2", "kept2 = a2"),
    ),
    each(
        "σ' of the dropped a",
        ("np.multiply(r2, a2, out=kept2)", "kept2[...] = a2 = r2 * a2"),
        ("kept2 = r2 * a2", "kept2 = a2 = r2 * a2"),
    ),
    each(
        "BP4 with undropped a",
        ("np.dot(delta3, kept2.T,", "np.dot(delta3, a2.T,"),
        ("delta3 @ kept2.T", "delta3 @ a2.T"),
    ),
    each(
        "BP4 with undropped inputs",
        ("np.dot(delta2, kept1.T,", "np.dot(delta2, a1.T,"),
        ("delta2 @ kept1.T", "delta2 @ a1.T"),
    ),
    each(
        "next layer reads undropped a",
        ("np.dot(self.w3, kept2,", "np.dot(self.w3, a2,"),
        ("self.w3 @ kept2 +", "self.w3 @ a2 +"),
    ),
    each(
        "mask of another layer on the way back",
        ("delta2 *= r2", "delta2 *= r3"),
        (" * r2 * ", " * r3 * "),
    ),
    each(
        "mask of another layer",
        (
            "dropout(mini_batch.r2, DROPOUT2, *place, 2)",
            "mini_batch.r2[...] = mini_batch.r1",
        ),
        ('dropout(r["r2"], DROPOUT2, *place, 2)', 'r["r2"] = r["r1"]'),
    ),
    both("words of another layer", ("DROPOUT2, *place, 2)", "DROPOUT2, *place, 1)")),
    both("probability of another layer", ("DROPOUT2, *place", "DROPOUT1, *place")),
    both("without 1/(1 - p)", ("1 / (1 - p), out", "1.0, out")),
    both("1/p for 1/(1 - p)", ("1 / (1 - p), out", "1 / p, out")),
    both("kept with probability p", (">= p * 2**32", "< p * 2**32")),
    both("high half first", ('astype("<u8", copy=False)', 'astype(">u8")')),
    both(
        "halves neuron by neuron",
        ("halves.reshape(piece.shape)", "halves.reshape(piece.T.shape).T"),
    ),
    both("wrong stream", ("MASKS = 3", "MASKS = 4")),
    both("the same in every step", ("self.step += 1", "self.step += 0")),
    both(
        "the same in every epoch",
        ("self.seed, self.epoch, self.step", "self.seed, 0, self.step"),
    ),
    both(
        "the spec's seed, not the network's",
        ("self.seed, self.epoch, self.step", "SEED, self.epoch, self.step"),
    ),
    both(
        "steps not counted from the epoch's start",
        ("        self.step = 0\n        for _ in", "        for _ in"),
    ),
    both(
        "steps of a whole run",
        ("self.epoch += 1\n            self.step = 0\n", "self.epoch += 1\n"),
    ),
    each(
        "none in update_mini_batch",
        (
            "        self._drop(mini_batch)\n        self._update",
            "        self._keep(mini_batch)\n        self._update",
        ),
        ("x, y, self._dropped(len(x))", "x, y, self._kept(len(x))"),
    ),
    each(
        "in the public gradient too",
        ("self._keep(mini_batch)\n", "self._drop(mini_batch)\n"),
        ("x, y, self._kept(len(x))", "x, y, self._dropped(len(x))"),
    ),
)
