"""The reference's training over epochs: rates, validation, first values, an outsider."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from made_up_training import MadeUp, network, with_hyper
from oracle import apart
from support import difference, spec_of

from bpcompile import reference
from bpcompile.reference import training
from bpcompile.spec import NetworkSpec

X = np.random.default_rng(3).normal(size=(10, 2)).tolist()
Y = [0, 1, 1, 0, 1, 0, 0, 1, 1, 0]
TEST = (X[:3], Y[:3])


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> MadeUp:
    return MadeUp(monkeypatch)


class TestSchedule:
    def rates(self, spec: NetworkSpec, n: int, steps: int) -> list[float]:
        """The rates of three epochs of so many steps."""
        return [
            reference.learning_rate(spec, n, epoch, step)
            for epoch in range(3)
            for step in range(steps)
        ]

    def linear(self, made_up: MadeUp, **parameters: Any) -> NetworkSpec:
        def define(eta: float, t: float, total: float, end: float) -> float:
            return eta * (1 - t / total) + end

        hyper = {"learning_rate": 8.0, "epochs": 2, "mini_batch_size": 3}
        return made_up.schedule(network(**hyper), define, end=0.0, **parameters)

    def test_constant_is_the_specs(self) -> None:
        assert self.rates(network(learning_rate=0.3), 10, 2) == [0.3] * 6

    def test_by_epoch_all_steps_alike_and_the_last_rate_stays(
        self, made_up: MadeUp
    ) -> None:
        assert self.rates(self.linear(made_up, unit="epoch"), 10, 2) == [
            *(8.0, 8.0),
            *(4.0, 4.0),
            *(4.0, 4.0),
        ]

    def test_by_step_of_all_the_specs_steps(self, made_up: MadeUp) -> None:
        # 4 steps to an epoch, as the last of 10 examples is a mini-batch of its own.
        spec = self.linear(made_up, unit="step")
        assert self.rates(spec, 10, 4) == [8, 7, 6, 5, 4, 3, 2, 1, 1, 1, 1, 1]

    def test_warm_up_comes_first_and_the_schedule_begins_after_it(
        self, made_up: MadeUp
    ) -> None:
        spec = self.linear(made_up, unit="step", warmup=4)
        first = [8 / 5, 16 / 5, 24 / 5, 32 / 5]
        expected = [*first, 8, 6, 4, 2, 2, 2, 2, 2]
        assert self.rates(spec, 10, 4) == pytest.approx(expected, rel=1e-15)

    def test_warm_up_longer_than_training(self, made_up: MadeUp) -> None:
        spec = self.linear(made_up, unit="step", warmup=9)
        # The last rate is that of step 8 of 8, and stays.
        expected = [0.8 * (step + 1) for step in range(8)] + [6.4] * 4
        assert self.rates(spec, 10, 4) == pytest.approx(expected)

    def test_training_goes_at_these_rates(self, made_up: MadeUp) -> None:
        spec = self.linear(made_up, unit="step")
        run = reference.train(spec, X, Y, 2)
        assert run.rates == (8.0, 4.0)
        # The very last step, once more: at rate 1.
        states: list[Any] = []
        reference.train(spec, X, Y, 2, on_step=lambda _e, _s, p: states.append(p))
        last = reference.epoch_order(10, 0, 1)[9]
        gradient = reference.backprop(spec, states[-2], [X[last]], [Y[last]])
        assert (
            states[-1] == reference.update(spec, states[-2], gradient, 10, eta=1.0)[0]
        )

    def test_five_and_five_epochs_are_ten(self, made_up: MadeUp) -> None:
        def define(w: float, g: float, state: Any, eta: float, t: int) -> Any:
            v = 0.5 * state["v"] - eta * g / t
            return w + v, {"v": v}

        layers = [{"size": 2, "dropout": 0.3}, {"size": 3, "dropout": 0.5}, 2]
        spec = network(layers, mini_batch_size=3, epochs=10)
        spec = made_up.optimizer(spec, define, "v")
        spec = made_up.schedule(spec, lambda eta, t, total: eta / (1 + t), unit="step")
        ten = reference.train(spec, X, Y, 10)
        five = reference.train(spec, X, Y, 5)
        more = reference.train(spec, X, Y, 5, start=five.state)
        assert more.state == ten.state
        assert five.costs + more.costs == ten.costs


class TestValidation:
    """On made-up series: what decides is how one number follows the other."""

    def run(
        self,
        monkeypatch: pytest.MonkeyPatch,
        spec: NetworkSpec,
        values: list[float],
        measure: str = "accuracy",
    ) -> reference.Training:
        given = iter(values)
        monkeypatch.setattr(training, measure, lambda *_: next(given))
        return reference.train(spec, X, Y, len(values), test=TEST)

    @pytest.mark.parametrize(
        ("values", "ran", "best"),
        [
            ([0.1, 0.2, 0.3, 0.4], 4, 4),
            ([0.1, 0.5, 0.4, 0.3, 0.9], 4, 2),
            # equal is not better
            ([0.5, 0.5, 0.5, 0.9], 3, 1),
            # found just in time
            ([0.5, 0.4, 0.6, 0.5, 0.6, 0.7], 5, 3),
            # the end comes before patience does
            ([0.5, 0.6, 0.1], 3, 2),
            # NaN is never better, and anything is better than NaN
            ([math.nan, 0.2, math.nan, math.nan, 0.9], 4, 2),
            ([0.2, math.nan, 0.3, 0.2], 4, 3),
            ([-math.inf, 0.2, 0.1], 3, 2),
        ],
    )
    def test_early_stopping_ends_with_the_best(
        self,
        monkeypatch: pytest.MonkeyPatch,
        values: list[float],
        ran: int,
        best: int,
    ) -> None:
        early = {"patience": 2}
        run = self.run(monkeypatch, network(early_stopping=early), values)
        assert len(run.costs) == len(run.validation) == ran
        assert [v["accuracy"] for v in run.validation] == pytest.approx(
            values[:ran], nan_ok=True
        )
        assert run.stopped == ("early_stopping" if ran - best == 2 else "")
        plain = reference.train(network(), X, Y, best)
        assert run.epoch == best
        assert run.state.parameters == plain.state.parameters
        assert run.state.memory == plain.state.memory

    @pytest.mark.parametrize("value", [math.nan, -math.inf])
    def test_where_nothing_is_better_nothing_is_restored(
        self, monkeypatch: pytest.MonkeyPatch, value: float
    ) -> None:
        spec = network(early_stopping={"patience": 3})
        run = self.run(monkeypatch, spec, [value] * 5)
        assert (run.epoch, run.stopped) == (3, "early_stopping")
        assert run.parameters == reference.train(network(), X, Y, 3).parameters

    def test_of_the_cost_less_is_better(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # The cost is asked for twice an epoch: on the training data first.
        costs = [9.0, 0.5, 9.0, 0.4, 9.0, 0.6, 9.0, 0.4]
        early = {"patience": 2, "monitor": "cost"}
        run = self.run(monkeypatch, network(early_stopping=early), costs, "cost")
        assert [v["cost"] for v in run.validation] == [0.5, 0.4, 0.6, 0.4]
        assert (run.epoch, run.stopped) == (2, "early_stopping")

    def test_rate_is_halved_and_at_the_seventh_time_training_ends(
        self, monkeypatch: pytest.MonkeyPatch, made_up: MadeUp
    ) -> None:
        spec = network(learning_rate=1.0)
        spec = made_up.schedule(spec, None, True, patience=2, monitor="auto")
        values = [0.5, 0.6, 0.1, 0.1, 0.7, *[0.2] * 30]
        run = self.run(monkeypatch, spec, values)
        halved = [0.5**k for k in range(1, 7) for _ in range(2)]
        assert run.rates == (1.0, 1.0, 1.0, 1.0, 0.5, *halved)
        assert run.stopped == "schedule"
        assert run.state.halvings == 7
        # nothing is restored where nothing stops early
        assert run.epoch == len(run.rates)
        # and it has ended for good
        again = reference.train(spec, X, Y, 5, start=run.state, test=TEST)
        assert (again.state, again.costs) == (run.state, ())

    def test_halving_goes_on_where_it_was(
        self, monkeypatch: pytest.MonkeyPatch, made_up: MadeUp
    ) -> None:
        spec = made_up.schedule(network(), None, True, patience=3, monitor="accuracy")
        values = [0.5, 0.6, 0.6, 0.4, 0.4, 0.4, 0.7, 0.7]
        whole = self.run(monkeypatch, spec, values)
        first = self.run(monkeypatch, spec, values[:4])
        given = iter(values[4:])
        monkeypatch.setattr(training, "accuracy", lambda *_: next(given))
        then = reference.train(spec, X, Y, 4, start=first.state, test=TEST)
        assert first.rates + then.rates == whole.rates
        assert whole.rates == (0.5,) * 5 + (0.25,) * 3
        assert then.state == whole.state

    def test_something_must_be_there_to_validate_on(self, made_up: MadeUp) -> None:
        halving = made_up.schedule(network(), None, True, patience=2, monitor="auto")
        early = network(early_stopping={})
        for spec in (halving, early):
            with pytest.raises(ValueError, match="expected a validation set"):
                reference.train(spec, X, Y, 1)
            assert reference.train(spec, X, Y, 1, test=TEST).epoch == 1
            split = with_hyper(spec, validation_fraction=0.3)
            assert reference.train(split, X, Y, 1).epoch == 1
            with pytest.raises(ValueError, match="expected a validation set"):
                reference.train(split, X[:1], Y[:1], 1)

    def test_what_is_held_out_is_not_trained_on(self) -> None:
        layers = [{"size": 2, "scaling": "standardize"}, 3, 2]
        hyper = {"early_stopping": {"monitor": "cost"}, "mini_batch_size": 4}
        hyper |= {"regularization": {"l2": 1.0}}
        whole = network(layers, **hyper)
        split = network(layers, **hyper, validation_fraction=0.3)
        out = reference.held_out(10, 0.3, 5, reference.split_classes(split, Y))
        rest = [i for i in range(10) if i not in out]
        weights = [0.1 * i for i in range(10)]
        one = reference.train(split, X, Y, 4, seed=5, sample_weight=weights)
        other = reference.train(
            whole,
            [X[i] for i in rest],
            [Y[i] for i in rest],
            4,
            seed=5,
            sample_weight=[weights[i] for i in rest],
            test=([X[i] for i in out], [Y[i] for i in out]),
        )
        assert one == other

    @pytest.mark.parametrize(
        ("n", "fraction", "k"),
        [(10, 0.3, 3), (10, 0.31, 4), (10, 0.999, 9), (2, 0.01, 1), (1, 0.5, 0)],
    )
    def test_how_many_are_held_out(self, n: int, fraction: float, k: int) -> None:
        out = reference.held_out(n, fraction, seed=1)
        assert len(set(out)) == len(out) == k
        assert out == sorted(out)
        words = reference.philox_words(n, 1, 4)
        rest = [words[i] for i in range(n) if i not in out]
        assert all(words[i] <= min(rest) for i in out)


class TestAccuracy:
    def test_outputs_that_are_no_numbers_are_wrong(self) -> None:
        spec = network([1, 2])
        parameters = {"w2": [[1.0], [-1.0]], "b2": [0.0, 0.0]}
        x = [[3.0], [-3.0], [math.nan]]
        assert reference.accuracy(spec, parameters, x, [0, 1, 0]) == 2 / 3

    @pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
    def test_single_output_is_on_a_side(self, activation: str) -> None:
        layers = [1, {"size": 1, "activation": activation}]
        spec = spec_of(layers=layers, cost="quadratic")
        parameters = {"w2": [[1.0]], "b2": [0.0]}
        high, x = 1.0, [[2.0], [-2.0], [2.0], [0.0]]
        low = -1.0 if activation == "tanh" else 0.0
        y = [high, low, low, low]
        assert reference.accuracy(spec, parameters, x, y) == 3 / 4


class TestInitialValues:
    @pytest.mark.parametrize("shape", [(4, 4), (3, 5), (5, 3)])
    def test_orthogonal_is_the_q_of_a_positive_r(
        self, shape: tuple[int, int], made_up: MadeUp
    ) -> None:
        n_out, n_in = shape
        spec = made_up.initializer(
            network([n_in, n_out]), lambda draw, *_: 2.0 * draw, orthogonal=True
        )
        w = np.array(reference.initial_parameters(spec)["w2"])
        drawn = np.array(reference.normals(w.size, 0, 0, 2)).reshape(shape)
        tall = drawn if n_out >= n_in else drawn.T
        q, r = np.linalg.qr(tall)
        q *= np.sign(np.diag(r))
        # Rounding grows with the condition of what is drawn, here below 100.
        assert difference(w / 2.0, q if n_out >= n_in else q.T) <= 1e-13

    def test_uniform_numbers_are_those_of_the_stream(self, made_up: MadeUp) -> None:
        spec = made_up.initializer(
            network([2, 3]), lambda draw, n_in, n_out: draw + n_in, draws="uniform"
        )
        found = reference.initial_parameters(spec, 4)
        drawn = [2 + u for u in reference.uniforms(6, 4, 0, layer=2)]
        assert [v for row in found["w2"] for v in row] == drawn
        assert found["b2"] == [2 + u for u in reference.uniforms(3, 4, 1, layer=2)]

    def test_nothing_need_be_drawn(self, made_up: MadeUp) -> None:
        spec = made_up.initializer(
            network([2, 3]), lambda draw, n_in, n_out: n_out, draws=""
        )
        assert reference.initial_parameters(spec)["b2"] == [3, 3, 3]


def test_whole_run_is_that_of_pytorch(made_up: MadeUp) -> None:
    """Adam with L2 in the gradient, clipped by norm, class and sample weights."""
    torch: Any = pytest.importorskip("torch", reason="the extra `bench` has PyTorch")

    def adam(w: float, g: float, state: Any, eta: float, t: int) -> Any:
        m = 0.9 * state["m"] + 0.1 * g
        v = 0.999 * state["v"] + 0.001 * g * g
        root = math.sqrt(v / (1 - 0.999**t)) + 1e-8
        return w - eta * m / (1 - 0.9**t) / root, {"m": m, "v": v}

    layers = [2, {"size": 4, "activation": "tanh"}, {"size": 2}]
    hyper: dict[str, Any] = {"learning_rate": 0.02, "mini_batch_size": 4}
    hyper |= {"clipping": {"norm": 0.2}, "regularization": {"l2": 0.7}}
    spec = network(layers, **hyper, class_weights=[1.0, 2.5])
    spec = made_up.optimizer(spec, adam, "m", "v")
    weights = [1.0, 0.5, 2.0, 1.0, 0.0, 1.5, 1.0, 1.0, 3.0, 0.25]
    run = reference.train(spec, X, Y, 20, sample_weight=weights)

    first = reference.initial_parameters(spec)
    tensors = {
        name: torch.tensor(values, dtype=torch.float64, requires_grad=True)
        for name, values in first.items()
    }
    w = [tensors[name] for name in tensors if name.startswith("w")]
    b = [tensors[name] for name in tensors if name.startswith("b")]
    # torch adds weight_decay * w to the gradient after it has been clipped, as here.
    groups = [{"params": w, "weight_decay": 0.7 / len(X)}, {"params": b}]
    optimizer = torch.optim.Adam(groups, lr=0.02)
    x = torch.tensor(X, dtype=torch.float64)
    y = torch.nn.functional.one_hot(torch.tensor(Y), 2).to(torch.float64)
    factor = torch.tensor(weights, dtype=torch.float64)
    factor = factor * torch.tensor([1.0, 2.5], dtype=torch.float64)[torch.tensor(Y)]
    clipped = 0
    for epoch in range(20):
        order = reference.epoch_order(10, 0, epoch)
        for batch in (order[:4], order[4:8], order[8:]):
            a = torch.tanh(x[batch] @ tensors["w2"].T + tensors["b2"])
            z = a @ tensors["w3"].T + tensors["b3"]
            terms = torch.nn.functional.binary_cross_entropy_with_logits(
                z, y[batch], reduction="none"
            ).sum(dim=1)
            optimizer.zero_grad()
            (factor[batch] * terms).mean().backward()
            norm = torch.nn.utils.clip_grad_norm_([*w, *b], 0.2)
            clipped += float(norm) > 0.2
            optimizer.step()
    found = {name: tensor.detach().numpy() for name, tensor in tensors.items()}
    assert clipped > 0
    assert apart(found, run.parameters) <= 1e-12
    assert apart(found, first) > 0.1
