"""What is measured of a spec: its trainer without what only whole runs need, and rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from bpcompile.check import sample_data
from bpcompile.errors import UserError
from bpcompile.operators import SCHEDULES
from bpcompile.operators.parallels import MPI, NONE
from bpcompile.spec import NetworkSpec

#: So small that weights stay finite however long is measured: times of NaN say nothing.
LEARNING_RATE = 1e-6
#: Numbers that are drawn for rows; they are repeated, as times do not depend on them.
MOST_DRAWN, MOST_ROWS = 65_536, 64
#: Of one epoch: so many steps that a core has them behind it in a fifth of a second, but
#: enough for what all ranks do once an epoch not to count.
MOST_PRODUCTS, MOST_STEPS, LEAST_STEPS = 1 << 33, 16, 8
#: Beyond so many numbers for the least steps, two copies would take gigabytes.
TOO_MANY = 1 << 28


def trained_by_the_step(spec: NetworkSpec, parallel: bool = False) -> NetworkSpec:
    """The spec without what happens between epochs: nothing is held out or evaluated.

    A step of its trainer is that of the spec's own, among the ranks of an MPI job if
    `parallel`, else of one process.
    """
    fields = spec.normalised()
    fields["parallel"] = (MPI if parallel else NONE).kind
    hyper: dict[str, Any] = fields["hyperparameters"]
    hyper["learning_rate"] = LEARNING_RATE
    for key in ("early_stopping", "validation_fraction", "validation_fold"):
        hyper.pop(key, None)
    if SCHEDULES[spec.hyperparameters.schedule.kind].halves:
        hyper.pop("schedule")
    return NetworkSpec.model_validate_json(json.dumps(fields))


def data_of(spec: NetworkSpec) -> Mapping[str, Any]:
    """Some rows x and targets y that the network may be given, and how many `examples`
    and `steps` an epoch is to have, in which they are repeated.

    Raises UserError where that is more than can be held here.
    """
    inputs, m = spec.layers[0].size, spec.hyperparameters.examples_per_update
    if LEAST_STEPS * m * inputs > TOO_MANY:
        raise UserError(
            f"steps of {m:,} examples of {inputs:,} inputs are too large to be "
            "timed; --set hyperparameters.mini_batch_size=... times smaller ones"
        )
    rows = max(1, min(MOST_ROWS, MOST_DRAWN // inputs))
    x, y = sample_data(spec, rows)
    sizes = [layer.size for layer in spec.layers]
    products = 3 * m * sum(n_in * n for n_in, n in pairwise(sizes))
    steps = max(LEAST_STEPS, min(MOST_STEPS, MOST_PRODUCTS // products))
    return {"x": x, "y": y, "examples": steps * m, "steps": steps}
