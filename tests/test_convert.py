"""`bpcompile convert`: weights as .npz and back, other people's, what is refused."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from inference import OTHERS, data_of, spec_named
from modules import LAYERS
from support import LONG, SPECS, bpcompile, module_of

from bpcompile.api import load_spec
from bpcompile.cli import main
from bpcompile.converting.npz import MOST_BYTES, is_own_npz
from bpcompile.spec import NetworkSpec

Captured = pytest.CaptureFixture[str]
NAMES = ["w2", "b2", "w3", "b3"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def trained(spec: NetworkSpec, x: Any = None, y: Any = None) -> bytes:
    """The bytes of net.safetensors, after an epoch where there are data."""
    net = module_of(spec).Network()
    if x is not None:
        net.train(x, y, epochs=1)
    net.save("net.safetensors")
    return Path("net.safetensors").read_bytes()


def parameters() -> dict[str, Any]:
    return dict(module_of(load_spec(SPECS / "xor.json")).Network(seed=3).parameters)


def converted(source: str, output: str, *options: str) -> bytes:
    assert main(["convert", source, output, *options]) == 0
    return Path(output).read_bytes()


def refused(capsys: Captured, *arguments: str) -> str:
    """The one line in which a conversion is refused, without the program's name."""
    assert main(["convert", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1, err
    return err.removeprefix("bpcompile: ").rstrip("\n")


# ---- There and back ----------------------------------------------------------------


@pytest.mark.parametrize("name", [*LAYERS, *OTHERS])
@pytest.mark.parametrize("suffix", ["npz", "onnx"])
def test_way_back_gives_the_same_bytes(name: str, suffix: str) -> None:
    saved = trained(spec_named(name), *data_of(name))
    other = converted("net.safetensors", f"net.{suffix}")
    assert converted(f"net.{suffix}", "back.safetensors") == saved
    assert converted("net.safetensors", f"again.{suffix}") == other


@pytest.mark.parametrize("path", sorted(SPECS.glob("*.json")), ids=lambda p: p.stem)
def test_gallery_goes_through_all_formats(path: Path) -> None:
    saved = trained(load_spec(path))
    converted("net.safetensors", "net.npz")
    converted("net.npz", "net.onnx")
    assert converted("net.onnx", "back.safetensors") == saved


def test_npz_holds_the_arrays_as_they_are_and_the_metadata_as_text() -> None:
    spec = spec_named("standardized")
    trained(spec, *data_of("standardized"))
    converted("net.safetensors", "net.npz")
    module = module_of(spec)
    arrays, metadata = module.read_safetensors("net.safetensors")
    with np.load("net.npz") as archive:
        assert archive.files == [*arrays, "metadata", "body"]
        for name, values in arrays.items():
            assert archive[name].dtype == values.dtype
            assert archive[name].tobytes() == values.tobytes()
        assert json.loads(str(archive["metadata"])) == metadata


def test_arrays_changed_in_numpy_go_back_with_their_metadata() -> None:
    """The file is no longer as it was written, but every array is checked."""
    spec = spec_named("classes")
    trained(spec)
    converted("net.safetensors", "net.npz")
    with np.load("net.npz") as archive:
        arrays = dict(archive)
    arrays["w2"][0, 0] = 0.0
    np.savez("net.npz", **arrays)
    converted("net.npz", "pruned.safetensors")
    net = module_of(spec).Network.load("pruned.safetensors")
    assert net.parameters["w2"][0, 0] == 0
    assert net.parameters["w3"].tobytes() == arrays["w3"].tobytes()


# ---- Other people's ----------------------------------------------------------------


def saved_by_others(form: str, p: dict[str, Any]) -> str:
    """The parameters as somebody else keeps them; the file's name."""
    weights, biases = [p["w2"], p["w3"]], [p["b2"], p["b3"]]
    if form == "book":
        lists = {"weights": weights, "biases": biases}
        saved = {k: [a.tolist() for a in arrays] for k, arrays in lists.items()}
        text = json.dumps({"sizes": [2, 4, 1], "cost": "X", **saved})
        Path("theirs.json").write_text(text)
        return "theirs.json"
    path = f"{form}.npz"
    if form == "named":
        np.savez(path, **p)
    elif form == "compressed, columns first, most significant byte first":
        turned = {k: np.asfortranarray(a).astype(">f4") for k, a in p.items()}
        np.savez_compressed(path, **turned)
    elif form == "flat":
        flat = {k: a.ravel() if k[0] == "b" else a for k, a in p.items()}
        np.savez(path, **flat)
    else:
        np.savez(path, *weights, *biases)
    return path


@pytest.mark.parametrize(
    "form",
    [
        "named",
        "flat",
        "nameless",
        "book",
        "compressed, columns first, most significant byte first",
    ],
)
def test_others_arrays_become_a_weights_file(form: str) -> None:
    p = parameters()
    spec = SPECS / "xor.json"
    converted(saved_by_others(form, p), "net.safetensors", "--spec", str(spec))
    net = module_of(load_spec(spec)).Network.load("net.safetensors")
    assert net.epoch == 0
    for name, values in p.items():
        assert net.parameters[name].tobytes() == values.tobytes(), name


def test_others_arrays_leave_a_scaling_to_be_fitted() -> None:
    spec = {"layers": [{"size": 3, "scaling": "standardize"}, 2], "cost": "quadratic"}
    Path("net.json").write_text(json.dumps(spec))
    rng = np.random.default_rng(0)
    arrays = {"w2": rng.normal(size=(2, 3)), "b2": rng.normal(size=(2, 1))}
    np.savez("w.npz", **{k: a.astype(np.float32) for k, a in arrays.items()})
    converted("w.npz", "w.safetensors", "--spec", "net.json")
    net = module_of(load_spec("net.json")).Network.load("w.safetensors")
    assert not net.fitted
    x = 10 + rng.normal(size=(20, 3))
    net.train(x, rng.random((20, 2)), epochs=1)
    assert np.allclose(net.shift, x.mean(axis=0))


WRONG: dict[str, tuple[Any, str]] = {
    "transposed": (
        lambda p: p | {"w2": p["w2"].T},
        "array w2 is (2, 4), expected (4, 2): it is the transpose",
    ),
    "shape": (
        lambda p: p | {"w2": np.zeros((4, 3), np.float32)},
        "array w2 is float32 (4, 3), expected float32 (4, 2)",
    ),
    "wider": (
        lambda p: p | {"b3": p["b3"].astype(float)},
        "array b3 is float64, the spec's dtype is float32; convert the array, or "
        "give the spec the dtype float64",
    ),
    "whole numbers": (
        lambda p: p | {"w2": p["w2"].astype(int)},
        "array w2 is int64, expected float32 or float64",
    ),
    "text": (
        lambda p: p | {"w2": np.array(["a"])},
        "array w2 is <U1, expected float32 or float64",
    ),
    "not finite": (
        lambda p: p | {"w2": p["w2"] * np.inf},
        "array w2 holds numbers that are not finite",
    ),
    "one too few": (
        lambda p: {k: a for k, a in p.items() if k != "b3"},
        "has arrays ['w2', 'b2', 'w3'], expected ['w2', 'b2', 'w3', 'b3']",
    ),
    "one too many": (
        lambda p: p | {"w4": p["w2"]},
        "has arrays ['w2', 'b2', 'w3', 'b3', 'w4'], expected",
    ),
    "objects": (
        lambda p: p | {"w2": np.array([1, None], object)},
        "corrupt file, or not .npz: Object arrays cannot be loaded when allow_pickle",
    ),
    "metadata no text": (
        lambda p: p | {"metadata": np.array(3)},
        "corrupt file, or not .npz: metadata must be a JSON object that holds strings",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arrays_are_refused(case: str, capsys: Captured) -> None:
    change, message = WRONG[case]
    np.savez("w.npz", **change(parameters()))
    spec = str(SPECS / "xor.json")
    found = refused(capsys, "w.npz", "net.safetensors", "--spec", spec)
    assert found.startswith(f"w.npz: {message}")
    assert os.listdir() == ["w.npz"]


NO_NETWORKS = [
    "[1, 2",
    "[]",
    "{}",
    "9" * 9999,
    "[" * 100_000,
    '{"weights": [[["a"]]], "biases": [[1]]}',
    '{"weights": [[[1], [2, 3]]], "biases": [[1]]}',
    '{"weights": [[[1]]], "biases": []}',
]


@pytest.mark.parametrize("text", NO_NETWORKS, ids=range(len(NO_NETWORKS)))
def test_json_that_is_no_network_of_the_book(text: str, capsys: Captured) -> None:
    Path("w.json").write_text(text)
    found = refused(capsys, "w.json", "net.safetensors")
    assert found.startswith('w.json: expected an object with lists under "weights"')


# ---- What is refused ---------------------------------------------------------------


def test_file_that_does_not_say_its_network_needs_a_spec(capsys: Captured) -> None:
    np.savez("w.npz", **parameters())
    found = refused(capsys, "w.npz", "net.safetensors")
    assert found == "w.npz: says not of which network it is; name its spec by --spec"


def test_spec_must_be_that_of_the_weights(capsys: Captured) -> None:
    trained(spec_named("classes"))
    spec = str(SPECS / "xor.json")
    found = refused(capsys, "net.safetensors", "net.npz", "--spec", spec)
    assert found.startswith("net.safetensors: made for another network: layer 1 has")


def test_spec_in_the_file_must_be_that_of_its_digest(capsys: Captured) -> None:
    module = module_of(spec_named("classes"))
    trained(spec_named("classes"))
    arrays, metadata = module.read_safetensors("net.safetensors")
    metadata["spec"] = metadata["spec"].replace('"size":5', '"size":6')
    module.write_safetensors("net.safetensors", arrays, metadata)
    found = refused(capsys, "net.safetensors", "net.npz")
    assert "its spec is not that of its spec_sha256" in found


def test_checkpoint_is_no_weights_file(capsys: Captured) -> None:
    module = module_of(spec_named("classes"))
    trained(spec_named("classes"))
    arrays, metadata = module.read_safetensors("net.safetensors")
    metadata["kind"] = "checkpoint"
    module.write_safetensors("net.safetensors", arrays, metadata)
    found = refused(capsys, "net.safetensors", "net.npz")
    assert found.startswith("net.safetensors: is a checkpoint")


def test_npz_cut_off_or_with_a_bit_flipped_is_never_another_network(
    capsys: Captured,
) -> None:
    """Every byte is cut off; of every bit, what is taken is what was there."""
    trained(load_spec(SPECS / "xor.json"))
    raw = converted("net.safetensors", "net.npz")
    saved = Path("net.safetensors").read_bytes()
    every = 1 if LONG else 97
    for length in range(0, len(raw), every):
        Path("cut.npz").write_bytes(raw[:length])
        found = refused(capsys, "cut.npz", "cut.safetensors")
        assert found.startswith("cut.npz: ")
    silent = []
    for bit in range(0, 8 * len(raw), every):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        Path("cut.npz").write_bytes(flipped)
        Path("cut.safetensors").unlink(missing_ok=True)
        code = main(["convert", "cut.npz", "cut.safetensors"])
        message = capsys.readouterr().err
        assert (code, message.count("\n")) in ((0, 0), (2, 1)), message
        if code == 0 and Path("cut.safetensors").read_bytes() != saved:
            silent.append(bit)
    assert silent == []


def test_archive_that_unpacks_to_more_than_memory_is_refused(capsys: Captured) -> None:
    import zipfile

    with zipfile.ZipFile("bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("w2.npy", "w") as member:
            np.lib.format.write_array_header_1_0(
                member,
                {"descr": "|u1", "fortran_order": False, "shape": (MOST_BYTES,)},
            )
        # What the archive says of itself is believed first.
        archive.filelist[0].file_size = MOST_BYTES + 1
    found = refused(capsys, "bomb.npz", "net.npz")
    assert found.endswith("it unpacks to more than 2 GiB")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["w.np", "o.npz"], 'w.np: no ".np" is read; did you mean ".npz"?'),
        (["net.npz", "o.onx"], 'o.onx: no ".onx" is written; did you mean ".onnx"?'),
        (["net.npz", "-"], "-: has no suffix that is written (one of: .safetensors"),
        (["net.npz", "o.json"], 'o.json: no ".json" is written'),
        (["none.npz", "o.npz"], "cannot read none.npz: no such file"),
        (["net.npz", "no/o.npz"], "no/o.npz: directory does not exist, make it first"),
        (["net.npz", "folder.npz"], "folder.npz: is a directory"),
        (["folder.npz", "o.npz"], "cannot read folder.npz: it is a directory"),
        (["empty.npz", "o.npz"], "empty.npz: corrupt file, or not .npz"),
        (["empty.safetensors", "o.npz"], "empty.safetensors: corrupt file, or not saf"),
        (["empty.onnx", "o.npz"], "empty.onnx: corrupt file, or not ONNX"),
        (["net.npz", "net.npz"], "net.npz: input and output are the same file"),
    ],
)
def test_wrong_files_are_refused(
    arguments: list[str], message: str, capsys: Captured
) -> None:
    trained(load_spec(SPECS / "xor.json"))
    converted("net.safetensors", "net.npz")
    for suffix in ("npz", "safetensors", "onnx"):
        Path(f"empty.{suffix}").touch()
    Path("folder.npz").mkdir()
    before = sorted(os.listdir())
    assert refused(capsys, *arguments).startswith(message)
    assert sorted(os.listdir()) == before


def test_without_the_extra_onnx_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    trained(load_spec(SPECS / "xor.json"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    found = refused(capsys, "net.safetensors", "net.onnx")
    assert found == "ONNX needs the package onnx: pip install 'bpcompile[onnx]'"


# ---- What it writes over -----------------------------------------------------------


@pytest.mark.parametrize("suffix", ["npz", "onnx"])
def test_what_convert_made_is_replaced_and_what_others_made_is_not(
    suffix: str, capsys: Captured
) -> None:
    output = f"o.{suffix}"
    trained(spec_named("classes"))
    converted("net.safetensors", output)
    trained(spec_named("sides"))
    ours = converted("net.safetensors", output)
    Path(output).write_bytes(ours[:-1])
    found = refused(capsys, "net.safetensors", output)
    assert found.startswith(f"{output}: is not as bpcompile convert writes it; --force")
    assert Path(output).read_bytes() == ours[:-1]
    assert converted("net.safetensors", output, "--force") == ours
    assert Path(f"{output}.bak").read_bytes() == ours[:-1]


def test_npz_that_numpy_has_written_again_is_not_ours() -> None:
    trained(spec_named("classes"))
    raw = converted("net.safetensors", "net.npz")
    assert is_own_npz(raw)
    with np.load("net.npz") as archive:
        arrays = dict(archive)
    arrays["b2"] = arrays["b2"] + 1
    np.savez("net.npz", **arrays)
    assert not is_own_npz(Path("net.npz").read_bytes())


def test_weights_file_is_never_lost_without_force(capsys: Captured) -> None:
    other = trained(spec_named("sides"))
    Path("net.safetensors").rename("kept.safetensors")
    trained(spec_named("classes"))
    converted("net.safetensors", "net.npz")
    found = refused(capsys, "net.npz", "kept.safetensors")
    assert found.startswith("kept.safetensors: may be the only copy of trained weights")
    assert Path("kept.safetensors").read_bytes() == other
    converted("net.npz", "kept.safetensors", "--force")
    assert Path("kept.safetensors.bak").read_bytes() == other


def test_equal_bytes_leave_the_file_untouched() -> None:
    trained(spec_named("classes"))
    converted("net.safetensors", "net.npz")
    os.utime("net.npz", (1, 1))
    converted("net.safetensors", "net.npz")
    converted("net.npz", "net.safetensors")  # the same weights: nothing to refuse
    assert os.stat("net.npz").st_mtime == 1


def test_write_protected_file_needs_force(capsys: Captured) -> None:
    trained(spec_named("classes"))
    converted("net.safetensors", "net.npz")
    os.chmod("net.npz", 0o444)
    trained(spec_named("sides"))
    found = refused(capsys, "net.safetensors", "net.npz")
    assert found == "net.npz: is write-protected; --force replaces it"
    converted("net.safetensors", "net.npz", "--force")


def test_full_disk_leaves_the_old_file(monkeypatch: pytest.MonkeyPatch) -> None:
    trained(spec_named("classes"))
    before = converted("net.safetensors", "net.npz")
    trained(spec_named("sides"))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert main(["convert", "net.safetensors", "net.npz"]) == 2
    assert Path("net.npz").read_bytes() == before
    assert sorted(os.listdir()) == [
        "net.npz",
        "net.safetensors",
        "net.safetensors.prev",
    ]


def test_in_a_process_of_its_own() -> None:
    trained(load_spec(SPECS / "xor.json"))
    done: subprocess.CompletedProcess[str]
    done = bpcompile("convert", "net.safetensors", "net.npz")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
