"""Make xor.npz and sine.npz anew, byte for byte: `python specs/data/make.py`."""

import math
import pathlib

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent


def xor() -> None:
    """The truth table."""
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.uint8)
    np.savez(HERE / "xor.npz", x=x, y=x[:, 0] ^ x[:, 1])


def sine() -> None:
    """y = sin(2 pi x) and normal noise of 0.1: 200 to train on, 100 to test on."""
    random = np.random.Generator(np.random.Philox(key=2))
    x = random.random((300, 1))
    y = np.sin(2 * math.pi * x[:, 0]) + 0.1 * random.standard_normal(300)
    np.savez(
        HERE / "sine.npz",
        x_train=x[:200],
        y_train=y[:200],
        x_test=x[200:],
        y_test=y[200:],
    )


if __name__ == "__main__":
    xor()
    sine()
