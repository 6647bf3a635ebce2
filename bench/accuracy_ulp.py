"""Prints how far every operator of the generated code is from mpmath, in ULP.

    python bench/accuracy_ulp.py [TARGET]

The measuring is the tests' own, `tests/operator_accuracy.py`, at more points; it takes
minutes.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from operator_accuracy import rows

NOTES = """
One ULP is 2^-23 in float32 and 2^-52 in float64, of max(1, |value|); for the values of
sigmoid, tanh, softplus and silu of the value itself. exp is compared with the largest
number of its type where the true value lies beyond, and so are costs and errors made
of it, neuron by neuron: a sum over neurons may be infinite there."""

print(f"{'operator':28} {'what':11} {'type':8} {'ULP':>8}  {'where':24} left out")
for row in rows(sys.argv[1] if len(sys.argv) > 1 else "numpy", drawn=500, every=1):
    print(row, flush=True)
print(NOTES)
