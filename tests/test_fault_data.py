"""Data that a program must refuse, or take: by its command line, before any training."""

from __future__ import annotations

import io
import os
import pathlib
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from modules import N, built, inputs, labels
from programs import Program
from support import LONG, TARGETS, module_of, spec_of

X, Y = inputs(), labels("classes")
NAN, INF = float("nan"), float("inf")


@pytest.fixture(params=TARGETS)
def target(request: Any, tmp_path: pathlib.Path, monkeypatch: Any) -> str:
    """In a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return str(request.param)


def put(array: Any, place: Any, value: Any) -> Any:
    """A copy of an array with another value in one place."""
    changed = np.array(array, np.result_type(array, type(value)))
    changed[place] = value
    return changed


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def unpickled() -> bytes:
    """An archive whose loading would run code, were it unpickled."""

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, ("unpickled",)

    return npz(x=np.array([Evil()], object), y=Y)


#: One-hot rows of the classes, as soft as 0.9.
ROWS = np.eye(4)[Y] * 0.9 + 0.025

#: By id: the kind of network, the file that is called d (d.csv), what is said of it.
REFUSED: dict[str, list[tuple[str, bytes | None, str]]] = {
    "DAT-01": [
        ("classes", None, "d: No such file or directory"),
        ("classes", b"", "d: the file is empty"),
        ("classes", npz(x=X[:0], y=Y[:0]), "d: x has shape (0, 3): no examples"),
        ("classes", b"a,b,c,y\n", "d.csv: has a header and no rows"),
        ("classes", b"\n", "d.csv: has no rows"),
    ],
    "DAT-02": [
        ("classes", npz(a=X, b=Y), "d: has arrays [a, b], needs x_train, y_train or x"),
        ("classes", npz(x=X), "d: has arrays [x], needs "),
        ("classes", npz(x=X, y_test=Y), "d: has arrays [x, y_test], needs "),
    ],
    "DAT-03": [
        ("classes", npz(x=X[:, :2], y=Y), "d: x has shape (6, 2), expected (n, 3)"),
        ("classes", npz(x=X[:, 0], y=Y), "d: x has shape (6,), expected (n, 3)"),
        ("classes", npz(x=X.reshape(3, 2, 3), y=Y[:3]), "d: x has shape (3, 6), exp"),
        ("classes", npz(x=X, y=Y[:5]), "d: y has shape (5,), expected labels (6,) or"),
        ("one_value", npz(x=X, y=np.ones((6, 6))), "d: y has shape (6, 6), expected ("),
        ("one_value", npz(x=X, y=np.ones((1, 6))), "d: y has shape (1, 6), expected ("),
        ("values", npz(x=X, y=np.ones(6)), "d: y has shape (6,), expected (6, 2)"),
    ],
    "DAT-05": [
        ("classes", npz(x=put(X, (4, 1), NAN), y=Y), "d: x is nan at row 4, column 1"),
        ("values", npz(x=put(X, (0, 2), -INF), y=ROWS[:, :2]), "d: x is -inf at row 0"),
        ("values", npz(x=X, y=put(ROWS[:, :2], (5, 1), NAN)), "d: y is nan at row 5"),
        ("one_value", npz(x=X, y=put(X[:, 0], 3, INF)), "d: y is inf at row 3"),
    ],
    "DAT-06": [
        ("classes", npz(x=X, y=put(Y, 2, 4)), "d: y is 4 at row 2, expected a whole "),
        (
            "classes",
            npz(x=X, y=put(Y, 0, -1)),
            "d: y is -1 at row 0, expected a whole ",
        ),
        ("classes", npz(x=X, y=put(Y, 5, 1.5)), "y is 1.5 at row 5, expected a whole "),
        ("classes", npz(x=X, y=put(Y, 2, 4)), "number from 0 to 3"),
    ],
    "DAT-07": [
        (
            "classes",
            npz(x=X, y=put(ROWS, (3, 0), 2.0)),
            "at row 3, expected within 0 to",
        ),
        (
            "classes",
            npz(x=X, y=ROWS * 2),
            "at row 0, expected within 0 to 1, each row a",
        ),
        ("classes", npz(x=X, y=put(ROWS, (1, 2), -0.5)), "at row 1, expected within 0"),
        ("sides", npz(x=X, y=put(ROWS[:, :2], (2, 1), -0.1)), "at row 2, expected wit"),
        ("one", npz(x=X, y=put(np.ones(6), 4, 1.1)), "y is [1.1] at row 4, expected w"),
    ],
    "DAT-11": [("classes", unpickled(), "d: object arrays are refused")],
}
CASES = [
    pytest.param(*case, id=f"{fault} {k}", marks=pytest.mark.fault(fault))
    for fault, cases in REFUSED.items()
    for k, case in enumerate(cases)
]


@pytest.mark.parametrize(("kind", "data", "message"), CASES)
def test_data_that_are_refused(
    kind: str, data: bytes | None, message: str, target: str, capsys: Any
) -> None:
    """In one line that begins with the name of the file; nothing is written."""
    run = Program(kind, capsys, built(kind, target))
    name = "d.csv" if data is not None and data.endswith(b"\n") else "d"
    if data is not None:
        pathlib.Path(name).write_bytes(data)
    before = sorted(os.listdir())
    words = ["--target", "4"] if name == "d.csv" else []
    assert run("train", "--data", name, *words, code=2) == []
    assert run.error.startswith(f"error: {name}: ")
    assert message in run.error
    assert "index out of" not in run.error
    assert sorted(os.listdir()) == before


@pytest.mark.fault("DAT-01")
def test_a_folder_is_no_data(target: str, capsys: Any) -> None:
    run = Program("classes", capsys, built("classes", target))
    os.mkdir("d")
    for words in (("--data", "d"), ("--x", "d", "--y", "y.npy")):
        run("train", *words, code=2)
        assert run.error == "error: d: is a folder, not a file\n"


@pytest.mark.fault("DAT-02")
def test_more_arrays_than_are_needed_change_nothing(target: str, capsys: Any) -> None:
    run = Program("classes", capsys, built("classes", target))
    run("train", "--data", "data.npz", "--quiet")
    before = run.weights.read_bytes()
    pathlib.Path("more").write_bytes(npz(a=Y, x=X, mean=X[0], y=Y))
    run("train", "--data", "more", "--quiet")
    assert run.weights.read_bytes() == before


@pytest.mark.fault("DAT-09")
@pytest.mark.parametrize("n", [1, 3, 4, 5, N])
def test_any_number_of_rows_is_trained_on(n: int, target: str, capsys: Any) -> None:
    """Mini-batches of 4: fewer, as many, and a rest; the mean is over each one's own."""
    run = Program("values", capsys, built("values", target))
    x, y = inputs(n), labels("values", n)
    np.savez("few.npz", x=x, y=y)
    run("train", "--data", "few.npz", "--epochs", "1", "--quiet")
    net = run.module.Network()
    order = np.argsort(run.module.words(n, 0, run.module.SHUFFLE, 0), kind="stable")
    for k in range(0, n, 4):
        net.update_mini_batch(x[order[k : k + 4]], y[order[k : k + 4]], n)
    for name, p in run.module.Network.load(run.weights).parameters.items():
        assert p.tobytes() == net.parameters[name].tobytes()


@pytest.mark.fault("DAT-10")
@pytest.mark.parametrize("kind", ["standardize", "min_max"])
def test_a_constant_column_is_told_nothing_of(
    kind: str, target: str, capsys: Any
) -> None:
    """It is divided by 1: what it holds makes no difference, and is never NaN."""
    layers = [{"size": 3, "scaling": kind}, 4, 2]
    module = module_of(spec_of(layers=layers, cost="cross_entropy"), target)
    run, weights = Program("sides", capsys, module), {}
    run.weights = pathlib.Path("network.safetensors")
    for value in (0.0, 5.0, 0.1):
        x = inputs()
        x[:, 1] = value
        np.savez("c.npz", x=x, y=labels("sides"))
        run("train", "--data", "c.npz", "--quiet")
        net = module.Network.load(run.weights)
        weights[value] = [p.tobytes() for p in net.parameters.values()]
        assert net.divisor[1] == 1
        assert np.isfinite(net.feedforward(x)).all()
    assert len({tuple(w) for w in weights.values()}) == 1


# ---- Damage ------------------------------------------------------------------------


@pytest.mark.fault("DAT-13")
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_damaged_archive_is_never_other_data(
    save: Callable[..., None], target: str, capsys: Any
) -> None:
    """Cut off anywhere, any bit flipped: refused in one line, or the very same data."""
    run = Program("classes", capsys, built("classes", target))
    save("d", x=X, y=Y)
    raw = pathlib.Path("d.npz").read_bytes()
    cut = [raw[:k] for k in range(0, len(raw), 1 if LONG else 61)]
    flipped = []
    rng = np.random.default_rng(2)
    places = range(8 * len(raw)) if LONG else rng.integers(0, 8 * len(raw), 60)
    for place in places:
        copy = bytearray(raw)
        copy[place // 8] ^= 1 << place % 8
        flipped.append(bytes(copy))
    refused = 0
    for data in [*cut, *flipped]:
        pathlib.Path("d").write_bytes(data)
        try:
            read = run.module.read_npz("d", run.module.TRAINING)
        except run.module.InputError as error:
            assert str(error).startswith("d: ")
            assert len(str(error).splitlines()) == 1
            refused += 1
        else:
            # dates and permissions of an archive's entries carry no data
            assert data not in cut
            assert read["x"].tobytes() == X.tobytes()
            assert read["y"].tobytes() == Y.tobytes()
    assert refused > 0.5 * len([*cut, *flipped])
    pathlib.Path("d").write_bytes(raw[:-30])
    run("train", "--data", "d", code=2)
    assert run.error.startswith("error: d: corrupt file")


# ---- The same numbers in other files -----------------------------------------------


def old_header(array: Any) -> bytes:
    """As NumPy 1.x wrote an .npy before 1.14: padded to 16 bytes and not to 64."""
    shape = f"({', '.join(map(str, array.shape))},)"
    text = (
        f"{{'descr': '{array.dtype.str}', 'fortran_order': False, 'shape': {shape}, }}"
    )
    text += " " * (-(len(text) + 11) % 16) + "\n"
    start = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()
    return start + array.tobytes()


def version(array: Any, number: int) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version=(number, 0))
    return file.getvalue()


def archived(method: int, **members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return file.getvalue()


FORMS: dict[str, Callable[[Any], bytes]] = {
    "old header": old_header,
    "format 2": lambda a: version(a, 2),
    "format 3": lambda a: version(a, 3),
    "Fortran order": lambda a: version(np.asfortranarray(a), 1),
    "every second row": lambda a: version(np.repeat(a, 2, axis=0)[::2], 1),
    "big-endian": lambda a: version(a.astype(a.dtype.newbyteorder(">")), 1),
}


@pytest.mark.fault("DAT-15")
@pytest.mark.parametrize("form", FORMS)
def test_form_of_the_file_changes_no_bit(form: str, target: str, capsys: Any) -> None:
    """In an archive, packed or not, and mapped; its dtype is all of NumPy's."""
    run = Program("values", capsys, built("values", target))
    x, y = inputs(12), labels("values", 12)
    np.savez("plain.npz", x=x, y=y)
    run("train", "--data", "plain.npz", "--quiet")
    expected = run.weights.read_bytes()
    parts = {"x": FORMS[form](x), "y": FORMS[form](y)}
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        pathlib.Path("d").write_bytes(archived(method, **parts))
        run("train", "--data", "d", "--quiet")
        assert run.weights.read_bytes() == expected
    for name, data in parts.items():
        pathlib.Path(name).write_bytes(data)
    run("train", "--x", "x", "--y", "y", "--quiet")
    assert run.weights.read_bytes() == expected
