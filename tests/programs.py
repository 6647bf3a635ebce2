"""The command line of a generated module, run in this process."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
from modules import built, inputs, labels


class Program:
    """A module's command line, run in a folder of its own that holds the data."""

    def __init__(self, kind: str, capsys: Any, module: Any = None) -> None:
        self.module, self.capsys = module or built(kind, "numpy"), capsys
        self.weights = pathlib.Path(f"{kind}.safetensors")
        x, y = inputs(), labels(kind)
        np.savez("data.npz", x=x, y=y)
        np.savez("tested.npz", x=x, y=y, x_test=inputs(9, 5), y_test=labels(kind, 9, 6))
        np.save("x.npy", x)
        np.save("y.npy", y)

    def __call__(self, *words: str, code: int = 0) -> list[str]:
        """The lines printed; on stderr there is one exactly where it failed."""
        assert self.module.main(list(words)) == code
        out, err = self.capsys.readouterr()
        self.error = err
        assert len(err.splitlines()) == (1 if code else 0)
        assert not code or err.endswith("\n")
        return list(out.splitlines())


def trained(run: Program, *words: str) -> bytes:
    """The bytes of the weights file that a training run leaves."""
    run("train", "--data", "data.npz", "--quiet", *words)
    return run.weights.read_bytes()
