"""How long a step of a spec's trainer takes here, for each target that can be timed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass

from bpcompile.benching.launch import measured
from bpcompile.benching.tables import aligned, markdown, seconds_text
from bpcompile.benching.workload import data_of, trained_by_the_step
from bpcompile.errors import UserError
from bpcompile.lower import lower
from bpcompile.render import render
from bpcompile.spec import NetworkSpec
from bpcompile.summary import summarize
from bpcompile.target import Target, load_target, target_names

ROUNDS = 9
HEAD = ("target", "a step", "spread", "examples/s", "GFLOP/s")


@dataclass(frozen=True)
class Timed:
    """Of one target: the median of the turns, in seconds, and the middle half of them
    as a share of that."""

    target: str
    step: float
    spread: float


@dataclass(frozen=True)
class Steps:
    """The times of a network's targets.

    examples       of a step
    multiply_adds  of a step's products
    """

    network: str
    shape: str
    dtype: str
    examples: int
    multiply_adds: int
    timed: tuple[Timed, ...]

    def text(self) -> str:
        """A table, its columns as wide as their cells; it ends with a line feed."""
        return f"{self._title}\n\n{aligned(HEAD, self._rows())}"

    def markdown(self) -> str:
        return f"{self._title}\n\n{markdown(HEAD, self._rows())}"

    def to_json(self) -> str:
        """Times in seconds; "version" is that of this form."""
        return json.dumps({"version": 1, **asdict(self)}, indent=2) + "\n"

    @property
    def _title(self) -> str:
        return (
            f"{self.network}: {self.shape}, {self.examples:,} examples a step, "
            f"{self.dtype}; medians of {ROUNDS} turns"
        )

    def _rows(self) -> Iterator[tuple[str, ...]]:
        for found in self.timed:
            yield (
                found.target,
                seconds_text(found.step),
                f"{found.spread:.0%}",
                f"{self.examples / found.step:,.0f}",
                f"{2e-9 * self.multiply_adds / found.step:.3g}",
            )


def time_steps(spec: NetworkSpec, name: str | None = None) -> Steps:
    """Time a step for the target of that name, else for all that can be timed here.

    Raises UserError where that one cannot be, or its trainer fails.
    """
    targets = _timeable(name)
    plan = lower(trained_by_the_step(spec))
    texts = {target.name: render(plan, target)[0].text for target in targets}
    found = measured(texts, {**data_of(spec), "rounds": ROUNDS})
    summary = summarize(plan)
    examples = spec.hyperparameters.examples_per_update
    return Steps(
        network=spec.name,
        shape="-".join(map(str, plan.sizes)),
        dtype=plan.dtype,
        examples=examples,
        multiply_adds=examples * (summary.forward + summary.backward),
        timed=tuple(
            Timed(
                target.name, found[target.name]["median"], found[target.name]["spread"]
            )
            for target in targets
        ),
    )


def _timeable(name: str | None) -> list[Target]:
    """The targets whose modules a process of Python can import."""
    targets = [load_target(name)] if name else list(map(load_target, target_names()))
    found = [target for target in targets if target.runs == "import"]
    if not found:
        raise UserError(f'target "{name}" cannot be timed by bench')
    return found


FORMS: Mapping[str, Callable[[Steps], str]] = {
    "text": Steps.text,
    "json": Steps.to_json,
    "md": Steps.markdown,
}
