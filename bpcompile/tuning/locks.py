"""Locks on files, which die with those who hold them."""

from __future__ import annotations

import os
from pathlib import Path

try:
    import fcntl
except ImportError:  # on Windows, where the storage's heartbeats tell alone
    fcntl = None  # type: ignore[assignment]


def lock(path: Path) -> int | None:
    """Take the lock of a file; a descriptor that holds it until it is closed here and
    in every process that was given it. None where somebody else has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    if fcntl is None:
        return descriptor
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def is_free(path: Path) -> bool:
    """Whether who held the lock of a file is known to be gone."""
    if fcntl is None or not path.exists():
        return False
    descriptor = lock(path)
    if descriptor is None:
        return False
    os.close(descriptor)
    return True
