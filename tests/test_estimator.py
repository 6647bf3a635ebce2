"""A generated network in scikit-learn's hands, and its habits without scikit-learn."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from modules import CLASSIFIERS, LAYERS, built, inputs, labels, spec_for
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted
from support import SPECS, TARGETS, difference, module_of, run, spec_of, text_of

from bpcompile.api import load_spec

Array = NDArray[Any]

SOFTMAX = {"size": 3, "activation": "softmax"}
HYPER = {"learning_rate": 0.3, "mini_batch_size": 10, "epochs": 4}
COLOURS = np.array(["blue", "green", "red"])


def digits() -> tuple[Array, Array]:
    x, y = load_digits(return_X_y=True)
    return x[:400] / 16, y[:400]


def three(**changes: Any) -> Any:
    """A module of three classes of four inputs."""
    fields = {"layers": [4, 8, SOFTMAX], "cost": "log_likelihood", **changes}
    return module_of(spec_of(hyperparameters=HYPER, **fields))


def clouds(n: int = 60) -> tuple[Array, Array]:
    """Three clouds of points, a label from 0 to 2 for each."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, n)
    return rng.normal(size=(n, 4)) + 4 * np.eye(3, 4)[y], y


# ---- With scikit-learn -------------------------------------------------------------


def test_cross_validation_of_the_gallerys_digits() -> None:
    module = module_of(load_spec(SPECS / "digits.json"))
    x, y = digits()
    scores = cross_val_score(module.Network(epochs=8), 16 * x, y, cv=3)
    assert scores.min() > 0.85


@pytest.mark.parametrize("target", TARGETS)
def test_in_a_pipeline_and_a_grid(target: str) -> None:
    spec = spec_of(layers=[4, 8, SOFTMAX], cost="log_likelihood", hyperparameters=HYPER)
    module = module_of(spec, target)
    x, y = clouds()
    pipeline = make_pipeline(StandardScaler(), module.Network())
    grid = GridSearchCV(
        pipeline,
        {"network__seed": np.array([1, 2]), "network__epochs": [0, 5]},
        cv=3,
        error_score="raise",
    )
    grid.fit(100 + x, COLOURS[y])
    assert grid.best_params_["network__epochs"] == 5
    assert grid.best_score_ > 0.9
    assert grid.classes_.tolist() == sorted(COLOURS)
    assert set(grid.predict(100 + x)) <= set(COLOURS)
    assert grid.predict_proba(100 + x).shape == (60, 3)


@pytest.mark.parametrize("scorer", ["accuracy", "neg_log_loss", "roc_auc_ovr"])
def test_scorers_of_classes_and_of_probabilities(scorer: str) -> None:
    x, y = clouds()
    found = cross_val_score(
        three().Network(), x, COLOURS[y], cv=3, scoring=scorer, error_score="raise"
    )
    assert np.isfinite(found).all()


def test_regression_is_scored_by_r2() -> None:
    module = built("values", "numpy")
    x, y = inputs(40), labels("values", 40)
    net = module.Network().fit(x, y)
    assert is_regressor(net) and not is_classifier(net)
    assert difference(net.score(x, y), r2_score(y, net.predict(x))) < 1e-12
    assert not hasattr(net, "classes_") and not hasattr(net, "predict_proba")
    assert np.isfinite(cross_val_score(net, x, y, cv=3, error_score="raise")).all()


def test_clone_is_a_network_of_the_same_settings_and_not_trained() -> None:
    module = three()
    net = module.Network(seed=2**53 - 1, dtype="float64", epochs=2)
    x, y = clouds()
    net.fit(x, y)
    twin = clone(net)
    assert twin.get_params() == net.get_params() == net.settings
    assert twin.epoch == 0 and twin.dtype == np.float64
    fresh = module.Network(seed=2**53 - 1, dtype=np.float64)
    assert (twin.parameters["w2"] == fresh.parameters["w2"]).all()
    clone(module.Network(dtype=np.dtype("float32")))


def test_tags_and_being_fitted() -> None:
    net = three().Network()
    assert is_classifier(net)
    with pytest.raises(NotFittedError):
        check_is_fitted(net)
    net.fit(*clouds())
    check_is_fitted(net)
    assert net.n_features_in_ == 4


def test_module_imports_no_scikit_learn(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(text_of(spec_for("classes")), "utf-8")
    code = (
        "import sys, net, numpy as np\n"
        "found = net.Network().fit(np.eye(3), np.array([2, 0, 1]))\n"
        "found.score(np.eye(3), np.array([2, 0, 1])), found.predict_proba(np.eye(3))\n"
        "print('sklearn' in sys.modules)"
    )
    done = run(sys.executable, "-c", code, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("False\n", "")


# ---- fit ---------------------------------------------------------------------------


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", LAYERS)
def test_fit_starts_anew_and_does_what_train_does(kind: str, target: str) -> None:
    module = built(kind, target)
    x, y = inputs(12), labels(kind, 12)
    net = module.Network(seed=7, epochs=2)
    assert net.fit(x, y) is net
    net.fit(x, y)
    trained = module.Network(seed=7)
    trained.train(x, y, epochs=2)
    assert net.epoch == 2
    assert net.predict(x).tolist() == trained.predict(x).tolist()
    for name, values in trained.parameters.items():
        assert net.parameters[name].tobytes() == values.tobytes()


def test_train_goes_on_after_fit() -> None:
    module = three()
    x, y = clouds()
    net = module.Network(epochs=2).fit(x, y)
    net.train(x, y, epochs=2)
    whole = module.Network(epochs=4).fit(x, y)
    assert (net.parameters["w2"] == whole.parameters["w2"]).all()


def test_sample_weights_reach_the_training() -> None:
    module = three()
    x, y = clouds()
    weight = np.where(y == 1, 0.0, 1.0)
    net = module.Network(epochs=20).fit(x, y, sample_weight=weight)
    assert 1 not in net.predict(x[y != 1])


@pytest.mark.parametrize(
    "names",
    [COLOURS, COLOURS.astype(object), [-5, 10, 700], [1, 2, 3], ["0", "1", "2"]],
    ids=str,
)
def test_labels_are_what_the_user_calls_them(names: Any) -> None:
    x, y = clouds()
    module = three()
    named = np.asarray(names)[y]
    net = module.Network(epochs=10).fit(x, named)
    assert net.classes_.tolist() == list(names)
    plain = module.Network(epochs=10).fit(x, y)
    assert net.predict(x).tolist() == np.asarray(names)[plain.predict(x)].tolist()
    score = net.score(x, named)
    assert score == accuracy_score(named, net.predict(x)) > 0.9


def test_labels_of_outputs_stay_those_of_their_outputs() -> None:
    """Even where a class does not occur: a saved network would give others' labels."""
    x, y = clouds()
    net = three().Network(epochs=10).fit(x[y != 1], y[y != 1])
    assert net.classes_.tolist() == [0, 1, 2]
    assert set(net.predict(x[y != 1])) == {0, 2}
    assert net.predict(x).tolist() == net.feedforward(x).argmax(axis=1).tolist()


def test_fewer_texts_than_outputs() -> None:
    x, y = clouds()
    few = y != 1
    net = three().Network().fit(x[few], COLOURS[y[few]])
    assert net.classes_.tolist() == ["blue", "red"]
    assert set(net.predict(x)) <= {"blue", "red"}
    assert net.predict_proba(x).shape == (60, 2)
    assert difference(net.predict_proba(x).sum(axis=1), np.ones(60)) < 1e-6


@pytest.mark.parametrize("kind", ["one", "one_tanh"])
def test_two_classes_of_one_output(kind: str) -> None:
    module = built(kind, "numpy")
    x = inputs(20)
    sides = np.where(x[:, 0] > 0, "right", "left")
    net = module.Network(epochs=100).fit(x, sides)
    assert net.classes_.tolist() == ["left", "right"]
    assert net.score(x, sides) > 0.8
    assert net.fit(x, labels(kind, 20)).classes_.tolist() == sorted({*labels(kind, 20)})
    if kind == "one":
        shares = net.predict_proba(x)
        assert (shares[:, 1] == net.feedforward(x)[:, 0]).all()
        assert difference(shares.sum(axis=1), np.ones(20)) < 1e-15
    else:
        assert not hasattr(net, "predict_proba")


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_probabilities_are_there_where_outputs_are_shares(kind: str) -> None:
    net = built(kind, "numpy").Network()
    assert hasattr(net, "predict_proba") == ("tanh" not in kind)


def test_probabilities_of_sigmoids_add_up_to_one_even_where_all_are_zero() -> None:
    net = built("sides", "numpy").Network()
    net.parameters["w3"][...] = 0
    net.parameters["b3"][...] = -1e9
    found = net.predict_proba(inputs())
    assert (found == 0.5).all()


WRONG: dict[str, tuple[Any, str]] = {
    "too many": (np.arange(6) + 10, "classes in y: 6, expected 2 to 3"),
    "one": (["a"] * 6, "classes in y: 1, expected 2 to 3"),
    "rows": (np.eye(6), "y has shape (6, 6), expected labels (n,)"),
    "halves": (np.arange(6) / 2, "y is 0.5 at row 1, expected a label"),
    "NaN": ([0, 1, 2, 0, np.nan, 1], "y is nan at row 4, not finite"),
    "mixed": (np.array([0, "a"] * 3, object), "y has labels that cannot be sorted"),
    "too short": ([0, 1, 2], "y has shape (3,), expected labels (6,)"),
    "bytes": ([b"a", b"b"] * 3, "y has labels of type bytes_, expected whole numbers"),
    "complex": ([1j, 2] * 3, "y has labels of type complex128, expected whole"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_labels_are_refused_and_leave_the_network(case: str) -> None:
    y, message = WRONG[case]
    module = three()
    net = module.Network().fit(*clouds())
    before = {name: p.copy() for name, p in net.parameters.items()}
    with pytest.raises(module.InputError) as refused:
        net.fit(np.ones((6, 4)), y)
    assert str(refused.value).startswith(message)
    assert net.classes_.tolist() == [0, 1, 2]
    for name, values in before.items():
        assert (net.parameters[name] == values).all()


@pytest.mark.parametrize("kind", ["classes", "one_value", "values"])
def test_score_refuses_a_shape_that_would_only_be_stretched(kind: str) -> None:
    module = built(kind, "numpy")
    x = inputs(5)
    net = module.Network()
    for y in (np.zeros((5, 3)), np.zeros(4), np.zeros((1, 5))):
        with pytest.raises(module.InputError, match="y has shape"):
            net.score(x, y)
    if kind == "classes":
        with pytest.raises(module.InputError, match=r"shape \(5, 1\), expected labels"):
            net.score(x, np.zeros((5, 1)))
    else:
        net.score(x, labels(kind, 5))


# ---- What is saved -----------------------------------------------------------------

KEPT = [COLOURS, COLOURS.astype(object), [-5, 10, 700], [1.0, 2.0, 3.0], COLOURS[:2]]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("names", KEPT, ids=str)
def test_a_saved_network_gives_the_labels_back(
    names: Any, target: str, tmp_path: Path
) -> None:
    """In weights files and checkpoints; train goes on by numbers, and keeps them."""
    spec = spec_of(layers=[4, 8, SOFTMAX], cost="log_likelihood", hyperparameters=HYPER)
    module = module_of(spec, target)
    x, y = clouds()
    named = np.asarray(names)[y % len(names)]
    net = module.Network(epochs=10).fit(x, named)
    net.save(tmp_path / "w")
    net.save_checkpoint(tmp_path / "c")
    again = module.Network.load(tmp_path / "w")
    for found in (again, module.Network.load_checkpoint(tmp_path / "c")):
        assert found.predict(x).tolist() == net.predict(x).tolist()
        assert found.score(x, named) == net.score(x, named)
        assert found.predict_proba(x).tobytes() == net.predict_proba(x).tobytes()
        assert found.accuracy(x, y % len(names)) == net.accuracy(x, y % len(names))
        check_is_fitted(found)
    again.train(x, y % len(names), epochs=1)
    again.save(tmp_path / "w")
    assert set(module.Network.load(tmp_path / "w").predict(x)) <= set(named)


@pytest.mark.parametrize("kind", ["one", "one_tanh"])
def test_a_saved_network_of_one_output_too(kind: str, tmp_path: Path) -> None:
    module = built(kind, "numpy")
    x = inputs(20)
    sides = np.where(x[:, 0] > 0, "right", "left")
    net = module.Network(epochs=50).fit(x, sides)
    net.save(tmp_path / "w")
    assert set(net.predict(x)) == {"left", "right"}
    assert (module.Network.load(tmp_path / "w").predict(x) == net.predict(x)).all()


def test_the_program_knows_the_labels_as_names_of_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As if they had come from a CSV; what it counts and saves are numbers."""
    monkeypatch.chdir(tmp_path)
    module = three()
    x, y = clouds()
    net = module.Network(epochs=10).fit(x, COLOURS[y])
    net.save("w")
    rows = [[*map(str, row), name] for row, name in zip(x, COLOURS[y], strict=True)]
    Path("d.csv").write_text("\n".join(map(",".join, rows)))
    data = ["--data", "d.csv", "--target", "5", "--weights-in", "w"]
    assert module.main(["evaluate", *data]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"accuracy {net.score(x, COLOURS[y]):.4f} ")
    assert "\nclass  precision" in said and "\n blue " in said
    for name in ("p.csv", "p.npy"):
        assert module.main(["predict", *data, "-o", name]) == 0
    assert Path("p.csv").read_text().split()[1:] == net.predict(x).tolist()
    assert np.load("p.npy").tolist() == net.feedforward(x).argmax(axis=1).tolist()


def test_labels_of_outputs_leave_the_file_as_train_writes_it(tmp_path: Path) -> None:
    module = three()
    x, y = clouds()
    module.Network(epochs=2).fit(x, y).save(tmp_path / "fitted")
    trained = module.Network()
    trained.train(x, y, epochs=2)
    trained.save(tmp_path / "trained")
    same = [(tmp_path / name).read_bytes() for name in ("fitted", "trained")]
    assert same[0] == same[1]


NO_LABELS = {
    "a number": ("3", "corrupt metadata"),
    "no JSON": ("[", "corrupt metadata"),
    "null": ("null", "corrupt metadata"),
    "mixed": ('[1, "a"]', "corrupt metadata"),
    "lists": ("[[1], [2]]", "corrupt metadata"),
    "NaN": ("[1, NaN]", "neither texts nor numbers"),
    "one": ("[1]", "not 2 to 3 different ones, sorted"),
    "four": ("[1, 2, 3, 4]", "not 2 to 3 different ones, sorted"),
    "twice": ('["a", "a"]', "not 2 to 3 different ones, sorted"),
    "unsorted": ('["b", "a"]', "not 2 to 3 different ones, sorted"),
}


@pytest.mark.parametrize("case", NO_LABELS)
def test_labels_that_nobody_saved_are_refused(case: str, tmp_path: Path) -> None:
    text, message = NO_LABELS[case]
    module, path = three(), tmp_path / "w"
    module.Network().fit(*clouds()).save(path)
    arrays, metadata = module.read_safetensors(path)
    module.write_safetensors(path, arrays, {**metadata, "labels": text})
    with pytest.raises(module.InputError, match=message):
        module.Network.load(path)


def test_settings_are_those_of_the_next_fit() -> None:
    module = three()
    x, y = clouds()
    net = module.Network(seed=3).fit(x, y)
    before = net.parameters["w2"].copy()
    assert net.set_params(seed=4, epochs=1, dtype="float64") is net
    assert (net.parameters["w2"] == before).all()
    net.fit(x, y)
    assert (net.seed, net.epoch, net.dtype) == (4, 1, np.float64)
    with pytest.raises(module.InputError, match="'eta' is none of"):
        net.set_params(eta=1.0)
    with pytest.raises(module.InputError, match="epochs is -1"):
        net.set_params(epochs=-1).fit(x, y)
