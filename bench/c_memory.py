"""Peak memory of generated C programs beside what they have to hold.

    python bench/c_memory.py

One epoch of `train` by the whole program, for networks of more than 10 MB. What it has
to hold is the parameters, the optimizer's state and the data as stored in their files;
the ratio is to these. The peak is that of the resident set, the C library and the
arrays of a mini-batch included.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from c_programs import FLAGS, compiled
from rounds import Absent

from bpcompile import compile_spec
from bpcompile.api import load_spec
from bpcompile.lower import lower
from bpcompile.plan import Plan

MB = 1e6


@dataclass(frozen=True)
class Case:
    layers: tuple[int, ...]
    mini_batch_size: int
    hyperparameters: dict[str, Any]
    examples: int
    dtype: str


CASES = (
    Case((784, 2000, 1500, 10), 10, {}, 10_000, "float32"),
    Case((784, 2000, 1500, 10), 10, {"optimizer": "momentum"}, 10_000, "uint8"),
    Case((784, 2000, 1500, 10), 100, {"optimizer": "adam"}, 10_000, "uint8"),
    Case((3000, 1003, 10), 10, {"optimizer": "rmsprop"}, 2_000, "uint8"),
    Case((1024, 1024, 1024, 1024, 10), 256, {}, 5_000, "float32"),
    Case((784, 2000, 1500, 10), 10, {"clipping": {"norm": 1.0}}, 10_000, "uint8"),
)


def written(case: Case, folder: pathlib.Path) -> tuple[pathlib.Path, int]:
    """The spec's path and the bytes of the data files, x.npy and y.npy."""
    first, *hidden, last = case.layers
    layers: list[Any] = [{"size": first, "scaling": {"kind": "divide", "by": 255}}]
    layers += [{"size": size, "activation": "relu"} for size in hidden]
    layers.append({"size": last, "activation": "softmax"})
    hyperparameters = case.hyperparameters | {
        "mini_batch_size": case.mini_batch_size,
        "learning_rate": 0.001,
    }
    spec = {
        "layers": layers,
        "cost": "log_likelihood",
        "hyperparameters": hyperparameters,
    }
    path = folder / "spec.json"
    path.write_text(json.dumps(spec), "utf-8")
    random = np.random.default_rng(0)
    x = random.integers(0, 256, (case.examples, first)).astype(case.dtype)
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", random.integers(0, last, case.examples).astype(np.uint8))
    return path, sum((folder / name).stat().st_size for name in ("x.npy", "y.npy"))


def mini_batch(plan: Plan, rows: int) -> int:
    """Bytes of the inputs and targets of a mini-batch, and of every a and δ."""
    first, *others = plan.sizes
    return 4 * rows * (first + 2 * sum(others) + others[-1])


def amounts(plan: Plan) -> tuple[int, int]:
    """Bytes of the parameters and of what the optimizer keeps, in float32."""
    parameters = state = 0
    for inputs, layer in zip(plan.sizes[:-1], plan.layers, strict=True):
        size = {layer.weight: 4 * layer.size * inputs, layer.bias: 4 * layer.size}
        parameters += sum(size.values())
        state += sum(size[parameter] for _, parameter in layer.state)
    return parameters, state


#: A process's peak begins with its parent's, which has NumPy here: a small one starts it.
LAUNCHER = """
import os, sys
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(child, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss)
"""


def peak(*command: str) -> int:
    """The largest resident set, in bytes. Raises Absent where the program fails."""
    launched = [sys.executable, "-I", "-S", "-c", LAUNCHER, *command]
    run = subprocess.run(launched, stdout=subprocess.PIPE, text=True, check=True)
    status, size = map(int, run.stdout.split()[-2:])
    if status:
        raise Absent(f"exit {status}")
    # Kilobytes, but bytes on macOS.
    return size * (1 if sys.platform == "darwin" else 1024)


def row(case: Case, folder: pathlib.Path) -> str:
    path, data = written(case, folder)
    (folder / "model.c").write_text(compile_spec(path, "c"), "utf-8")
    program = compiled("gcc", folder / "model.c", folder / "model", FLAGS)
    plan = lower(load_spec(path))
    parameters, state = amounts(plan)
    files = ("--x", str(folder / "x.npy"), "--y", str(folder / "y.npy"))
    out = ("--weights-out", str(folder / "out.safetensors"))
    used = peak(program, "train", *files, *out, "--epochs", "1", "--quiet")
    needed = parameters + state + data
    batch = mini_batch(plan, case.mini_batch_size)
    cells = (
        f"{'-'.join(map(str, case.layers))} at {case.mini_batch_size}",
        json.dumps(case.hyperparameters) if case.hyperparameters else "plain SGD",
        case.dtype,
        *(f"{n / MB:.1f}" for n in (parameters, state, data, batch, used)),
        f"{used / needed:.3f}",
    )
    return f"| {' | '.join(cells)} |"


def table() -> Iterator[str]:
    yield (
        "| network, mini-batch | optimizer | inputs | parameters, MB | state, MB "
        "| data, MB | mini-batch, MB | peak, MB | ratio |"
    )
    yield "|---|---|---|---:|---:|---:|---:|---:|---:|"
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            try:
                yield row(case, pathlib.Path(folder))
            except Absent as reason:
                print(f"{case}: left out: {reason}", file=sys.stderr)


def main() -> None:
    argparse.ArgumentParser(description=__doc__.split("\n")[0]).parse_args()
    print("python bench/c_memory.py", end="\n\n")
    print(*table(), sep="\n")


if __name__ == "__main__":
    main()
