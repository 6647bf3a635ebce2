"""Prints how far every operator of the generated code is from mpmath, in ULP.

    python bench/accuracy_ulp.py [TARGET]

The measuring itself is the tests' own, `tests/operator_accuracy.py`; it takes minutes.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from operator_accuracy import rows  # type: ignore[import-not-found]

for row in rows(sys.argv[1] if len(sys.argv) > 1 else "numpy"):
    print(row, flush=True)
