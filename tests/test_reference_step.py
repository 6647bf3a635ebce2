"""One step of the reference's training: what is made of the gradient, and dropout."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from made_up_training import MadeUp, network, with_hyper
from oracle import apart, sampled
from support import shared, spec_of

from bpcompile import reference
from bpcompile.operators import ACTIVATIONS

EXACT = 1e-12
W: dict[str, Any] = {"w2": [[3.0, -4.0], [0.0, 0.5]], "b2": [6.0, -8.0]}
G: dict[str, Any] = {"w2": [[2.0, -0.5], [0.25, 4.0]], "b2": [1.0, -2.0]}


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> MadeUp:
    return MadeUp(monkeypatch)


def stepped(spec: Any, *rest: Any) -> dict[str, Any]:
    """The parameters W after a step along G, of a training set of 20."""
    return reference.update(spec, W, G, 20, *rest)[0]


def plain(w: float, g: float, state: Any, eta: float, t: int) -> Any:
    return w - eta * g, {}


class TestUpdate:
    def test_eta_is_the_specs_unless_given(self) -> None:
        spec = network([2, 2], learning_rate=0.5)
        assert stepped(spec)["b2"] == [5.5, -7.0]
        assert stepped(spec, None, 1.0)["b2"] == [5.0, -6.0]

    def test_clipping_by_value_holds_every_entry(self) -> None:
        spec = network([2, 2], learning_rate=1.0, clipping={"value": 1.0})
        moved = stepped(spec)
        assert moved["w2"] == [[2.0, -3.5], [-0.25, -0.5]]
        assert moved["b2"] == [5.0, -7.0]

    def test_clipping_by_norm_keeps_the_direction(self) -> None:
        norm = math.sqrt(4 + 0.25 + 0.0625 + 16 + 1 + 4)
        spec = network([2, 2], learning_rate=1.0, clipping={"norm": 1.0})
        factor = 1 / (norm + 1e-6)
        assert stepped(spec)["b2"] == pytest.approx([6 - factor, -8 + 2 * factor])
        loose = network([2, 2], learning_rate=1.0, clipping={"norm": 6.0})
        assert stepped(loose) == stepped(network([2, 2], learning_rate=1.0))

    def test_max_norm_shortens_each_neurons_weights_after_the_step(self) -> None:
        # The step leads to (1, -3.5), of norm 3.64, and (-0.25, -3.5), of norm 3.51.
        spec = network([2, 2], learning_rate=1.0, regularization={"max_norm": 3.6})
        moved = stepped(spec)
        factor = 3.6 / math.sqrt(1 + 3.5**2)
        assert moved["w2"][0] == pytest.approx([factor, -3.5 * factor], rel=1e-15)
        assert moved["w2"][1] == [-0.25, -3.5]
        assert moved["b2"] == [5.0, -6.0]

    def test_neuron_without_weights_is_not_divided_by_its_norm(self) -> None:
        spec = network([2, 2], regularization={"max_norm": 1.0})
        zeros = {"w2": [[0.0, 0.0], [0.0, 0.0]], "b2": [0.0, 0.0]}
        assert reference.update(spec, zeros, zeros, 20)[0] == zeros

    def test_penalty_without_decay_goes_into_the_gradient(
        self, made_up: MadeUp
    ) -> None:
        # |w|, whose derivative is the sign, and 0 at 0; never that of a bias.
        made_up.penalty(lambda w, lmbda, n: lmbda / n * (w if w.real > 0 else -w))
        spec = network([2, 2], learning_rate=1.0, regularization={"l2": 2.0})
        moved = stepped(spec)
        assert moved["w2"][0] == pytest.approx([1.0 - 0.1, -3.5 + 0.1], rel=1e-15)
        assert moved["w2"][1] == pytest.approx([-0.25, -3.5 - 0.1], rel=1e-15)
        assert moved["b2"] == [5.0, -6.0]

    def test_decay_is_folded_only_where_the_optimizer_does_so(
        self, made_up: MadeUp
    ) -> None:
        def twice(w: float, g: float, state: Any, eta: float, t: int) -> Any:
            return w - 2 * eta * g, {}

        hyper = {"learning_rate": 0.5, "regularization": {"l2": 2.0}}
        spec = network([2, 2], **hyper)
        # w2[0][0] is 3, its gradient 2 and lmbda/n is 0.1.
        beforehand = stepped(made_up.optimizer(spec, twice, folds=True))
        assert beforehand["w2"][0][0] == pytest.approx(3 * (1 - 0.05) - 2)
        within = stepped(made_up.optimizer(spec, twice, folds=False))
        assert within["w2"][0][0] == pytest.approx(3 - (2 + 0.3))
        assert within["b2"] == beforehand["b2"] == [5.0, -6.0]

    def test_penalty_is_not_clipped(self, made_up: MadeUp) -> None:
        hyper = {"learning_rate": 1.0, "regularization": {"l2": 200.0}}
        spec = network([2, 2], **hyper, clipping={"value": 1.0})
        within = stepped(made_up.optimizer(spec, plain))
        assert within["w2"][0][0] == pytest.approx(3 - (1 + 10 * 3))

    def test_state_is_kept_for_every_number_and_steps_are_counted(
        self, made_up: MadeUp
    ) -> None:
        def define(w: float, g: float, state: Any, eta: float, t: int) -> Any:
            v = state["v"] + g
            return w - v - 100 * t, {"v": v}

        spec = made_up.optimizer(network([2, 2]), define, "v")
        first, memory = reference.update(spec, W, G, 20)
        assert first["b2"] == [6 - 1 - 100, -8 + 2 - 100]
        second, memory = reference.update(spec, first, G, 20, memory)
        assert second["b2"] == [first["b2"][0] - 2 - 200, first["b2"][1] + 4 - 200]
        assert memory.steps == 2
        assert memory.state == {
            "w2": [[{"v": 4.0}, {"v": -1.0}], [{"v": 0.5}, {"v": 8.0}]],
            "b2": [{"v": 2.0}, {"v": -4.0}],
        }


class TestDropout:
    """Numbers worked out by hand: 1-2-1, all of it linear."""

    SPEC = spec_of(
        layers=[
            1,
            {"size": 2, "activation": "identity", "dropout": 0.5},
            {"size": 1, "activation": "identity"},
        ],
        cost="quadratic",
    )
    PARAMETERS: dict[str, Any] = {  # noqa: RUF012
        "w2": [[1.0], [3.0]],
        "b2": [0.0, 0.0],
        "w3": [[0.5, 0.25]],
        "b3": [0.0],
    }

    def test_gradient_of_what_is_left(self) -> None:
        # x = 2: a2 is (2, 6), of which (4, 0) goes on; a3 is 2, and y is 1.
        point = self.SPEC, self.PARAMETERS, [[2.0]], [1.0]
        gradient = reference.backprop(*point, factors=[{2: [2.0, 0.0]}])
        assert gradient == {
            "w2": [[2.0], [0.0]],
            "b2": [1.0, 0.0],
            "w3": [[4.0, 0.0]],
            "b3": [1.0],
        }
        assert reference.cost(*point) == (0.5 * 2 + 0.25 * 6 - 1) ** 2 / 2

    def test_step_of_training_drops_what_the_stream_says(self) -> None:
        state = reference.State(self.PARAMETERS, epoch=3, step=1)
        drop = reference.dropped(0.5, 4, 2, seed=9, epoch=3, step=1, layer=2)
        factors = [{2: [0.0 if out else 2.0 for out in row]} for row in drop]
        assert {len(set(row)) for row in drop} == {1, 2}
        x, y = [[1.0], [2.0], [3.0], [4.0]], [0.0, 1.0, 2.0, 3.0]
        gradient = reference.backprop(self.SPEC, self.PARAMETERS, x, y, factors=factors)
        expected, _ = reference.update(self.SPEC, self.PARAMETERS, gradient, 4)
        after = reference.update_mini_batch(self.SPEC, state, x, y, 4, seed=9)
        assert after.parameters == expected
        assert (after.epoch, after.step) == (3, 2)

    @pytest.mark.parametrize("kind", list(ACTIVATIONS))
    def test_complex_step_of_the_dropped_cost(self, kind: str) -> None:
        outputs_only = ACTIVATIONS[kind].output_only
        hidden = {"activation": "sigmoid" if outputs_only else kind, "dropout": 0.4}
        layers = [
            {"size": 3, "dropout": 0.3},
            {"size": 4, **hidden},
            {"size": 3, **hidden},
            {"size": 2, "activation": kind},
        ]
        spec = spec_of(layers=layers, cost="quadratic")
        x = np.random.default_rng(1).normal(size=(5, 3)).tolist()
        y = np.random.default_rng(2).random((5, 2)).tolist()
        factors = reference.dropout_factors(spec, 5, seed=7, epoch=0, step=2)
        weights = [1.0, 0.0, 2.0, 0.5, 1.0]
        # So near to 0 that nothing overflows.
        drawn = reference.initial_parameters(spec)
        parameters = {k: (0.3 * np.array(v)).tolist() for k, v in drawn.items()}
        also = {"sample_weight": weights, "factors": factors}
        point = spec, parameters, x, y
        gradient = reference.backprop(*point, **also)
        for name, index in sampled(gradient):
            exact = reference.complex_step(*point, name, index, **also)
            value = np.asarray(gradient[name])[index]
            assert abs(value - exact) <= EXACT * max(1.0, abs(exact))
        assert apart(gradient, reference.backprop(*point)) > 1e-3

    def test_factors_are_those_of_the_layers_that_drop(self) -> None:
        layers = [{"size": 50, "dropout": 0.2}, 3, {"size": 40, "dropout": 0.75}, 2]
        spec = spec_of(layers=layers, cost="quadratic")
        found = reference.dropout_factors(spec, 30, seed=1, epoch=2, step=0)
        assert [sorted(factors) for factors in found] == [[1, 3]] * 30
        for number, p in ((1, 0.2), (3, 0.75)):
            values = [r for factors in found for r in factors[number]]
            assert set(values) == {0.0, 1 / (1 - p)}
            # The mean of so many draws lies within 5 deviations of 1.
            deviation = math.sqrt(p / (1 - p) / len(values))
            assert abs(np.mean(values) - 1) < 5 * deviation
        later = reference.dropout_factors(spec, 30, seed=1, epoch=2, step=1)
        assert later != found

    def test_known_answers(self) -> None:
        text = shared("cases/randomness.json").read_text(encoding="utf-8")
        for case in json.loads(text)["dropped"]:
            place = [case[k] for k in ("seed", "epoch", "step", "layer")]
            sizes = case["p"], case["examples"], case["units"]
            drop = reference.dropped(*sizes, *place)
            assert [[int(out) for out in row] for row in drop] == case["dropped"]


class TestClassWeights:
    X = ((0.0, 1.0), (1.0, 0.0), (1.0, 1.0), (0.5, 2.0))

    def test_they_multiply_the_sample_weights(self) -> None:
        spec = network(learning_rate=1.0)
        y, given = [0, 1, 1, 0], [1.0, 0.5, 2.0, 3.0]
        weighted = with_hyper(spec, class_weights=(2.0, 0.25))
        state = reference.State(reference.initial_parameters(spec))
        one = reference.update_mini_batch(
            weighted, state, self.X, y, 4, sample_weight=given
        )
        products = [2.0, 0.125, 0.5, 6.0]
        other = reference.update_mini_batch(
            spec, state, self.X, y, 4, sample_weight=products
        )
        assert one == other
        plain = reference.update_mini_batch(spec, state, self.X, y, 4)
        assert apart(one.parameters, plain.parameters) > 1e-3

    @pytest.mark.parametrize(
        ("layer", "y", "classes"),
        [
            ({"size": 3}, [2, 0, 1, [0.2, 0.9, 0.1]], [2, 0, 1, 1]),
            ({"size": 1}, [0, 1, 0.25, 0.75], [0, 1, 0, 1]),
            ({"size": 1, "activation": "tanh"}, [-1, 1, -0.25, 0.25], [0, 1, 0, 1]),
        ],
    )
    def test_class_of_every_form_of_y(
        self, layer: Any, y: list[Any], classes: list[int]
    ) -> None:
        weights = [3.0, 5.0, 7.0][: max(2, layer["size"])]
        hyper = {"class_weights": weights}
        spec = spec_of(layers=[2, layer], cost="quadratic", hyperparameters=hyper)
        assert reference.class_weights(spec, y) == [weights[k] for k in classes]
