"""How many threads the libraries behind NumPy take, in processes that work side by side."""

from __future__ import annotations

#: What they look at, before NumPy is loaded.
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
