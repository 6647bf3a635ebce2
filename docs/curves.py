"""The training curves of the gallery as charts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from plot import Chart, Curve

#: A cost beyond so many times the first one is off the chart.
MOST_RISE = 2.0


@dataclass(frozen=True)
class Run:
    """One training: its data in words, and each series epoch by epoch from 1."""

    data: str
    series: Mapping[str, Sequence[float]]

    def charts(self) -> Iterator[tuple[str, Chart]]:
        """By the measure: of the cost, and of the accuracy where there is one."""
        for measure in ("cost", "accuracy"):
            names = [n for n in self.series if n.removeprefix("test_") == measure]
            if names:
                yield measure, self._chart(measure, names)

    def _chart(self, measure: str, names: list[str]) -> Chart:
        epochs = len(self.series[names[0]])
        curves = tuple(
            Curve(
                f"{measure}, {'test' if name.startswith('test_') else 'training'}",
                points_of(self.series[name]),
                dashed=not name.startswith("test_") and len(names) > 1,
                joined=True,
            )
            for name in names
        )
        firsts = [curve.points[0][1] for curve in curves if curve.points]
        most = MOST_RISE * max(firsts, default=1.0) if measure == "cost" else 1.0
        title = f"{measure} over {epochs} epochs"
        return Chart(title, "epoch", curves, (0, epochs), (0, most))

    @property
    def last(self) -> dict[str, float]:
        """Each series after the last epoch."""
        return {name: values[-1] for name, values in self.series.items()}


def points_of(values: Sequence[float]) -> list[tuple[float, float]]:
    """A point for each epoch whose value is a finite number."""
    pairs = enumerate(values, start=1)
    return [(float(t), value) for t, value in pairs if math.isfinite(value)]
