"""What the oracle starts from: random numbers, initial values, scaling, targets."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bpcompile import reference
from bpcompile.operators import INITIALIZERS
from bpcompile.reference.randomness import philox_block
from bpcompile.spec import NetworkSpec

ANSWERS = Path(__file__).resolve().parents[2] / "shared" / "cases" / "randomness.json"


def spec_of(layers: list[Any], cost: Any = "quadratic", **rest: Any) -> NetworkSpec:
    text = json.dumps({"layers": layers, "cost": cost, **rest})
    return NetworkSpec.model_validate_json(text)


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    if not ANSWERS.exists():
        pytest.skip("the known answers, ../shared/cases/randomness.json, are absent")
    loaded: dict[str, Any] = json.loads(ANSWERS.read_text(encoding="utf-8"))
    return loaded


class TestRandomness:
    def test_first_philox_block(self) -> None:
        # Random123's kat_vectors: philox4x64 10, all zero and all ones.
        assert [f"{word:016x}" for word in philox_block((0, 0, 0, 0), (0, 0))] == [
            "16554d9eca36314c",
            "db20fe9d672d0fdc",
            "d7e772cee186176b",
            "7e68b68aec7ba23b",
        ]
        ones = 2**64 - 1
        assert [f"{w:016x}" for w in philox_block((ones,) * 4, (ones, ones))] == [
            "87b092c3013fe90b",
            "438c3c67be8d0224",
            "9cc7d7c69cd777b6",
            "a09caebf594f0ba0",
        ]

    @pytest.mark.parametrize(
        ("seed", "stream", "epoch", "step", "layer"),
        [(0, 0, 0, 0, 2), (2**53 - 1, 3, 7, 11, 4), (2**64 - 1, 1, 2**40, 1, 0)],
    )
    def test_words_are_those_of_numpy(
        self, seed: int, stream: int, epoch: int, step: int, layer: int
    ) -> None:
        generator = np.random.Philox(
            key=np.array([seed, stream], np.uint64),
            counter=np.array([0, epoch, step, layer], np.uint64),
        )
        words = reference.philox_words(103, seed, stream, epoch, step, layer)
        assert words == generator.random_raw(103).tolist()

    @pytest.mark.parametrize("seed", [-1, 2**64])
    def test_seed_outside_64_bits_is_refused(self, seed: int) -> None:
        with pytest.raises(ValueError, match="64-bit"):
            reference.philox_words(1, seed, 0)

    def test_known_words(self, answers: dict[str, Any]) -> None:
        for case in answers["words"]:
            place = [int(case[k]) for k in ("seed", "stream", "epoch", "step", "layer")]
            expected = [int(word) for word in case["words"]]
            assert reference.philox_words(len(expected), *place) == expected

    def test_known_normals(self, answers: dict[str, Any]) -> None:
        for case in answers["normals"]:
            values = reference.normals(
                len(case["values"]), case["seed"], case["stream"], case["layer"]
            )
            for value, expected in zip(values, case["values"], strict=True):
                assert abs(value - expected) <= 4 * math.ulp(expected)

    def test_known_orders(self, answers: dict[str, Any]) -> None:
        for case in answers["orders"]:
            order = reference.epoch_order(case["n"], case["seed"], case["epoch"])
            assert order == case["order"]

    def test_order_visits_every_example_once(self) -> None:
        assert sorted(reference.epoch_order(301, 5, 2)) == list(range(301))

    def test_odd_count_is_the_beginning_of_the_even_one(self) -> None:
        assert reference.normals(7, 1, 0, 2) == reference.normals(8, 1, 0, 2)[:7]


class TestInitialParameters:
    def test_shapes_and_streams(self) -> None:
        spec = spec_of([3, 4, 2])
        parameters = reference.initial_parameters(spec, seed=7)
        assert {name: np.shape(v) for name, v in parameters.items()} == {
            "w2": (4, 3),
            "b2": (4,),
            "w3": (2, 4),
            "b3": (2,),
        }
        drawn = [w * math.sqrt(4) for row in parameters["w3"] for w in row]
        assert drawn == pytest.approx(reference.normals(8, 7, 0, 3), rel=1e-15)
        assert parameters["b3"] == reference.normals(2, 7, 1, 3)

    def test_seed_is_the_specs_unless_given(self) -> None:
        spec = spec_of([2, 2], hyperparameters={"seed": 5})
        assert reference.initial_parameters(spec) == reference.initial_parameters(
            spec, 5
        )
        assert reference.initial_parameters(spec) != reference.initial_parameters(
            spec, 6
        )

    @pytest.mark.parametrize("kind", list(INITIALIZERS))
    def test_every_initializer_gives_finite_weights(self, kind: str) -> None:
        needs = {p.name: 1 for p in INITIALIZERS[kind].parameters if p.default is None}
        spec = spec_of([3, {"size": 2, "initializer": {"kind": kind, **needs}}])
        weights = np.array(reference.initial_parameters(spec)["w2"])
        assert weights.shape == (2, 3)
        assert np.isfinite(weights).all()


class TestScaling:
    X = ((0.0, 5.0), (2.0, 5.0), (4.0, 5.0))

    @pytest.mark.parametrize(
        ("scaling", "shift", "divisor"),
        [
            ("none", [0.0, 0.0], [1.0, 1.0]),
            ({"kind": "divide", "by": 255}, [0.0, 0.0], [255.0, 255.0]),
            ("standardize", [2.0, 5.0], [math.sqrt(8 / 3), 1.0]),
            ("min_max", [0.0, 5.0], [4.0, 1.0]),
        ],
    )
    def test_fitted_values(
        self, scaling: Any, shift: list[float], divisor: list[float]
    ) -> None:
        spec = spec_of([{"size": 2, "scaling": scaling}, 2])
        fitted = reference.fit_scaling(spec, self.X)
        assert fitted[0] == shift
        assert fitted[1] == pytest.approx(divisor, rel=1e-15)

    def test_constant_column_whose_mean_rounds_is_still_constant(self) -> None:
        spec = spec_of([{"size": 1, "scaling": "standardize"}, 1])
        assert reference.fit_scaling(spec, [[0.1]] * 10) == ([0.1], [1.0])

    def test_bytes_are_scaled_as_numbers(self) -> None:
        # An unsigned byte less its mean wraps round in NumPy.
        spec = spec_of([{"size": 1, "scaling": "standardize"}, 1])
        x: Any = np.array([[0], [200], [250]], np.uint8)
        scaling = reference.fit_scaling(spec, x)
        parameters = {"w2": [[1.0]], "b2": [0.0]}
        _, activations = reference.feedforward(spec, parameters, x[0], scaling)
        assert activations[0] == pytest.approx([-150 / np.std(x)])


class TestTargets:
    def test_labels_become_one_hot(self) -> None:
        spec = spec_of([1, 3])
        assert reference.targets(spec, [2, 0]) == [[0, 0, 1], [1, 0, 0]]

    def test_labels_are_coded_minus_one_for_tanh(self) -> None:
        spec = spec_of([1, {"size": 3, "activation": "tanh"}])
        assert reference.targets(spec, [1]) == [[-1, 1, -1]]

    def test_one_output_takes_values(self) -> None:
        assert reference.targets(spec_of([1, 1]), [0, 0.25]) == [[0.0], [0.25]]

    def test_rows_stay(self) -> None:
        assert reference.targets(spec_of([1, 2]), [[0.5, 2]]) == [[0.5, 2.0]]

    @pytest.mark.parametrize("y", [[3], [-1], [0.5], [math.nan], [[0.0, 1.0]]])
    def test_what_is_no_class_is_refused(self, y: list[Any]) -> None:
        with pytest.raises(ValueError, match="expected"):
            reference.targets(spec_of([1, 3]), y)

    def test_plain_values_for_several_outputs_are_refused(self) -> None:
        spec = spec_of([1, {"size": 2, "activation": "identity"}])
        with pytest.raises(ValueError, match="rows of 2"):
            reference.targets(spec, [1.0])
