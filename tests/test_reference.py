"""The oracle itself: nets worked out by hand, three gradients, whole training runs."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bpcompile import reference
from bpcompile.fields import Operator
from bpcompile.operators import ACTIVATIONS, COSTS
from bpcompile.spec import NetworkSpec

INPUTS = reference.uniforms(15, seed=3, stream=9)
X = [INPUTS[i : i + 3] for i in range(0, 15, 3)]


def spec_of(layers: list[Any], cost: Any = "quadratic", **rest: Any) -> NetworkSpec:
    text = json.dumps({"layers": layers, "cost": cost, **rest})
    return NetworkSpec.model_validate_json(text)


def pair_spec(activation: str, cost: str) -> NetworkSpec:
    """The activation in every layer where it may stand: it meets BP1 and BP2."""
    hidden = "sigmoid" if ACTIVATIONS[activation].output_only else activation
    return spec_of(
        [3, {"size": 4, "activation": hidden}, {"size": 2, "activation": activation}],
        cost,
    )


def is_allowed(activation: str, cost: str) -> bool:
    try:
        pair_spec(activation, cost)
    except ValueError:
        return False
    return True


PAIRS = [(a, c) for a in ACTIVATIONS for c in COSTS if is_allowed(a, c)]


def labels_or_values(spec: NetworkSpec) -> list[Any]:
    """Targets every cost takes: labels, or values in [0, 1)."""
    width = spec.layers[-1].size
    if spec.resolved_task == "classification":
        return [i % max(2, width) for i in range(len(X))]
    numbers = reference.uniforms(len(X) * width, seed=4, stream=9)
    return [numbers[i : i + width] for i in range(0, len(numbers), width)]


def small_parameters(spec: NetworkSpec, seed: int = 0) -> dict[str, Any]:
    """Initial values so near to 0 that nothing is flat or overflows."""
    drawn = reference.initial_parameters(spec, seed)
    return {name: (0.3 * np.array(values)).tolist() for name, values in drawn.items()}


def entries(parameters: dict[str, Any]) -> list[tuple[str, tuple[int, ...], float]]:
    """Every single number: its name, its index, its value."""
    found: list[tuple[str, tuple[int, ...], float]] = []
    for name, values in parameters.items():
        array = np.array(values)
        found += [(name, place, float(v)) for place, v in np.ndenumerate(array)]
    return found


def difference(a: float, b: float) -> float:
    return abs(a - b) / max(1.0, abs(b))


class TestByHand:
    """Numbers worked out without the reference: 2-1 sigmoid, quadratic."""

    PARAMETERS: dict[str, Any] = {"w2": [[0.5, -1.0]], "b2": [0.25]}  # noqa: RUF012
    A = 1 / (1 + math.exp(-(0.5 * 2 - 1.0 * 3 + 0.25)))
    DELTA = (A - 1) * A * (1 - A)

    def test_feedforward(self) -> None:
        zs, activations = reference.feedforward(
            spec_of([2, 1]), self.PARAMETERS, [2, 3]
        )
        assert zs == [[-1.75]]
        assert activations[0] == [2.0, 3.0]
        assert activations[1] == pytest.approx([self.A], rel=1e-15)

    def test_cost_is_the_mean_and_total_cost_adds_the_weights(self) -> None:
        spec = spec_of([2, 1], hyperparameters={"regularization": {"l2": 0.4}})
        x, y = [[2, 3], [2, 3]], [1, self.A]
        mean = (1 - self.A) ** 2 / 4
        assert reference.cost(spec, self.PARAMETERS, x, y) == pytest.approx(mean)
        assert reference.total_cost(spec, self.PARAMETERS, x, y) == pytest.approx(
            mean + 0.4 / (2 * 2) * (0.25 + 1.0)
        )

    def test_gradient(self) -> None:
        gradient = reference.backprop(spec_of([2, 1]), self.PARAMETERS, [[2, 3]], [1])
        assert gradient["b2"] == pytest.approx([self.DELTA], rel=1e-14)
        assert gradient["w2"][0] == pytest.approx(
            [2 * self.DELTA, 3 * self.DELTA], rel=1e-14
        )

    def test_sample_weights_scale_each_example_and_not_the_divisor(self) -> None:
        gradient = reference.backprop(
            spec_of([2, 1]),
            self.PARAMETERS,
            [[2, 3], [7, 7]],
            [1, 0],
            sample_weight=[3, 0],
        )
        assert gradient["b2"] == pytest.approx([3 * self.DELTA / 2], rel=1e-14)

    def test_update_shrinks_weights_and_not_biases(self) -> None:
        spec = spec_of(
            [2, 1],
            hyperparameters={"learning_rate": 0.1, "regularization": {"l2": 5.0}},
        )
        gradient = {"w2": [[1.0, 2.0]], "b2": [4.0]}
        moved, _ = reference.update(spec, self.PARAMETERS, gradient, n=20)
        shrink = 1 - 0.1 * 5.0 / 20
        assert moved["w2"][0] == pytest.approx([shrink * 0.5 - 0.1, -shrink - 0.2])
        assert moved["b2"] == pytest.approx([0.25 - 0.4])

    def test_no_examples_and_unequal_numbers_are_refused(self) -> None:
        spec = spec_of([2, 1])
        with pytest.raises(ValueError, match="one or more examples"):
            reference.cost(spec, self.PARAMETERS, [], [])
        with pytest.raises(ValueError, match="1 x and 2 y"):
            reference.backprop(spec, self.PARAMETERS, [[2, 3]], [0, 1])


class TestGradients:
    def check(self, spec: NetworkSpec) -> None:
        y = labels_or_values(spec)
        parameters = small_parameters(spec, seed=1)
        gradient = reference.backprop(spec, parameters, X, y)
        for name, place, value in entries(gradient):
            exact = reference.complex_step(spec, parameters, X, y, name, place)
            near = reference.finite_difference(spec, parameters, X, y, name, place)
            assert difference(value, exact) <= 1e-12, (name, place)
            assert difference(value, near) <= 1e-7, (name, place)
        assert any(value != 0 for _, _, value in entries(gradient))

    def test_the_pairs_are_those_that_fit(self) -> None:
        assert {c for _, c in PAIRS} == set(COSTS)
        assert {a for a, c in PAIRS if c == "quadratic"} == set(ACTIVATIONS)
        assert {a for a, c in PAIRS if c == "log_likelihood"} == {"softmax"}

    @pytest.mark.parametrize(("activation", "cost"), PAIRS)
    def test_every_activation_with_every_cost(self, activation: str, cost: str) -> None:
        self.check(pair_spec(activation, cost))

    @pytest.mark.parametrize(
        "layers",
        [
            [3, 2],
            [3, 1],
            [3, 1, 1, 2],
            [3, 5, 4, 2],
            [
                3,
                {"size": 4, "activation": "tanh"},
                {"size": 3, "activation": "relu"},
                2,
            ],
        ],
    )
    def test_other_shapes(self, layers: list[Any]) -> None:
        self.check(spec_of(layers))
        self.check(spec_of(layers, "cross_entropy"))

    def test_parameters_of_operators_and_a_hidden_jacobian(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def slanted(z: list[Any], slope: float) -> list[Any]:
            return [slope * z_j for z_j in z]

        def scaled(a: list[Any], y: list[float], scale: float) -> Any:
            return scale * COSTS["quadratic"].define(a, y)

        line = replace(ACTIVATIONS["identity"], kind="slanted", define=slanted)
        multiple = replace(COSTS["quadratic"], kind="multiple", define=scaled)
        monkeypatch.setitem(ACTIVATIONS, "slanted", line)
        monkeypatch.setitem(COSTS, "multiple", multiple)
        spec = spec_of([3, 4, 4, 2])
        kinds = [Operator("softmax"), Operator("slanted", (("slope", 0.3),))]
        hidden = [
            layer.model_copy(update={"activation": kind})
            for layer, kind in zip(spec.layers[1:], kinds, strict=False)
        ]
        layers = (spec.layers[0], *hidden, spec.layers[-1])
        cost = Operator("multiple", (("scale", 7.0),))
        self.check(spec.model_copy(update={"layers": layers, "cost": cost}))

    def test_gradient_does_not_vanish_where_the_output_rounds_to_one(self) -> None:
        # sigmoid(40) is 1 in float64: C_x(a, y) would be the logarithm of 0.
        spec = spec_of([1, 1], "cross_entropy")
        parameters = {"w2": [[40.0]], "b2": [0.0]}
        assert reference.cost(spec, parameters, [[1.0]], [0]) == pytest.approx(40.0)
        gradient = reference.backprop(spec, parameters, [[1.0]], [0])
        assert gradient["b2"] == pytest.approx([1.0])

    def test_gradient_is_that_of_the_scaled_inputs(self) -> None:
        plain, scaled = spec_of([3, 2]), spec_of([{"size": 3, "scaling": "min_max"}, 2])
        parameters = reference.initial_parameters(plain)
        fitted = reference.fit_scaling(scaled, X)
        rows = [reference.feedforward(scaled, parameters, r, fitted)[1][0] for r in X]
        by_hand: Any = rows
        assert reference.backprop(
            scaled, parameters, X, [0, 1, 0, 1, 1], fitted
        ) == reference.backprop(plain, parameters, by_hand, [0, 1, 0, 1, 1])

    def test_thousand_layers(self) -> None:
        spec = spec_of([1] * 1000)
        parameters = reference.initial_parameters(spec)
        gradient = reference.backprop(spec, parameters, [[0.5]], [1])
        exact = reference.complex_step(spec, parameters, [[0.5]], [1], "b1000", 0)
        assert difference(gradient["b1000"][0], exact) <= 1e-12


class TestTraining:
    X = ((0, 10), (0, 20), (1, 10), (1, 20), (0, 15))
    Y = (0, 1, 1, 0, 1)

    def spec(self, **hyperparameters: Any) -> NetworkSpec:
        return spec_of(
            [{"size": 2, "scaling": "standardize"}, 4, 2],
            "cross_entropy",
            hyperparameters={"mini_batch_size": 2, **hyperparameters},
        )

    def test_cost_falls(self) -> None:
        # With L2, so that a cost with its term in it would not pass for the mean.
        spec = self.spec(learning_rate=2.0, regularization={"l2": 0.001})
        run = reference.train(spec, self.X, self.Y, 200)
        assert run.epoch == len(run.costs) == 200
        assert run.costs[-1] < 0.05 < run.costs[0]
        assert run.costs[-1] == reference.cost(
            self.spec(), run.parameters, self.X, self.Y, run.scaling
        )

    def test_five_and_five_epochs_are_ten(self) -> None:
        spec = self.spec(regularization={"l2": 0.1})
        ten = reference.train(spec, self.X, self.Y, 10)
        five = reference.train(spec, self.X, self.Y, 5)
        more = reference.train(
            spec,
            self.X,
            self.Y,
            5,
            start=five.state,
            scaling=five.scaling,
        )
        assert more.parameters == ten.parameters
        assert five.costs + more.costs == ten.costs
        assert more.epoch == ten.epoch

    def test_steps_are_the_mini_batches_of_the_order(self) -> None:
        # One epoch by hand: the last of 5 examples is a mini-batch of its own.
        spec = self.spec(regularization={"l2": 0.1})
        seen: list[tuple[int, int, dict[str, Any]]] = []
        reference.train(
            spec, self.X, self.Y, 2, seed=3, on_step=lambda *a: seen.append(a)
        )
        assert [(e, s) for e, s, _ in seen] == [
            (e, s) for e in (0, 1) for s in (0, 1, 2)
        ]
        scaling = reference.fit_scaling(spec, self.X)
        parameters = reference.initial_parameters(spec, 3)
        order = reference.epoch_order(5, 3, 0)
        for step, batch in enumerate([order[:2], order[2:4], order[4:]]):
            x, y = [self.X[i] for i in batch], [self.Y[i] for i in batch]
            gradient = reference.backprop(spec, parameters, x, y, scaling)
            parameters, _ = reference.update(spec, parameters, gradient, 5)
            assert seen[step][2] == parameters

    def test_mini_batch_larger_than_the_data_is_all_of_it(self) -> None:
        large = reference.train(self.spec(mini_batch_size=100), self.X, self.Y, 3)
        whole = reference.train(self.spec(mini_batch_size=5), self.X, self.Y, 3)
        assert large == whole

    def test_sample_weight_follows_its_example(self) -> None:
        # Weight 0 everywhere but on one example: only its mini-batch moves anything.
        weights = [0, 0, 1, 0, 0]
        order = reference.epoch_order(5, 0, 0)
        seen = [reference.initial_parameters(self.spec())]
        reference.train(
            self.spec(),
            self.X,
            self.Y,
            1,
            sample_weight=weights,
            on_step=lambda _e, _s, parameters: seen.append(parameters),
        )
        moved = [seen[i] != seen[i + 1] for i in range(3)]
        assert moved == [2 in order[i : i + 2] for i in (0, 2, 4)]

    def test_wrong_number_of_weights_is_refused(self) -> None:
        with pytest.raises(ValueError, match="expected 5 weights, got 2"):
            reference.train(self.spec(), self.X, self.Y, 1, sample_weight=[1, 1])

    def test_given_parameters_are_not_changed(self) -> None:
        spec = self.spec()
        given = reference.initial_parameters(spec)
        reference.train(spec, self.X, self.Y, 1, start=reference.State(given))
        assert given == reference.initial_parameters(spec)
