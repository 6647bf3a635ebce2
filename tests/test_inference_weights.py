"""The weights of an inference module: which file is taken, and by which words not."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from inference import inference_text, saved
from modules import built, spec_for
from support import SPECS, TARGETS, bpcompile, module_of, spec_of
from wrong_weights import BAD_HEADERS, CHANGES, NAMES, OTHERS, SCALINGS, SOFTMAX

from bpcompile import compile_spec
from bpcompile.cli import main
from bpcompile.errors import UserError
from bpcompile.lower import lower
from bpcompile.spec import NetworkSpec
from bpcompile.trained import MOST_PARAMETERS, read_trained

CLASSES = "classes"
SCALED = [{"size": 3, "scaling": "standardize"}, 5, SOFTMAX]
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Those of a network of the kind "classes", not trained."""
    return saved(spec_for(CLASSES), tmp_path)


def refused(weights: Path, spec: NetworkSpec | None = None) -> str:
    """The one line in which the file is refused, without its name."""
    plan = lower(spec or spec_for(CLASSES))
    with pytest.raises(UserError) as caught:
        read_trained(str(weights), plan)
    found = str(caught.value)
    assert found.startswith(f"{weights}: ")
    assert found.isprintable()
    return found.removeprefix(f"{weights}: ")


def refused_by_trainer(weights: Path, module: Any = None) -> str:
    """What the trainer says of the same file, but for what it calls itself."""
    module = module or built(CLASSES, "numpy")
    with pytest.raises(module.InputError) as caught:
        module.Network.load(weights)
    found = str(caught.value).removeprefix(f"{weights}: ")
    return found.replace("this trainer reads", "this version reads")


def rewritten(weights: Path, change: Callable[[Any, Any], Any]) -> None:
    module = built(CLASSES, "numpy")
    arrays, metadata = module.read_safetensors(weights)
    change(arrays, metadata)
    module.write_safetensors(weights, arrays, metadata)


# ---- The trainer's words -----------------------------------------------------------


WRONG = {**CHANGES, **NAMES}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_weights_are_refused_as_the_trainer_does(
    name: str, weights: Path
) -> None:
    change, message = WRONG[name]
    rewritten(weights, change)
    found = refused(weights)
    assert message.replace("this trainer", "this version") in found
    assert found == refused_by_trainer(weights)


def test_names_are_no_hindrance(weights: Path) -> None:
    """They are the data's, of which an inference module knows nothing."""
    classes, columns = '["a", "b", "c", "d"]', '["u", "v", "w", "y"]'
    rewritten(weights, lambda a, m: m.update(classes=classes, columns=columns))
    read_trained(str(weights), lower(spec_for(CLASSES)))
    net = built(CLASSES, "numpy").Network.load(weights)
    assert (net.classes, net.columns) == (["a", "b", "c", "d"], ["u", "v", "w", "y"])
    rewritten(weights, lambda a, m: (m.pop("columns"), m.pop("classes")))
    read_trained(str(weights), lower(spec_for(CLASSES)))
    net = built(CLASSES, "numpy").Network.load(weights)
    assert (net.classes, net.columns) == (None, None)


def test_a_regression_has_no_classes(weights: Path) -> None:
    module = built("values", "numpy")
    module.Network().save(weights)
    rewritten(weights, lambda a, m: m.update(classes='["a", "b"]'))
    message = "it has classes, but this network is a regression"
    assert refused(weights, spec_for("values")) == message
    assert refused_by_trainer(weights, module) == message


@pytest.mark.parametrize("name", OTHERS)
def test_weights_of_another_network_are_refused(name: str, weights: Path) -> None:
    layers, message = OTHERS[name]
    module_of(spec_for(CLASSES, layers=layers)).Network().save(weights)
    assert refused(weights) == refused_by_trainer(weights)
    assert message in refused(weights)


def test_weights_of_another_formula_are_refused(tmp_path: Path) -> None:
    def of(formula: str) -> NetworkSpec:
        own = {"activations": {"bent": {"formula": formula}}}
        layers = [3, {"size": 4, "activation": "bent"}, 2]
        return spec_of(layers=layers, cost="quadratic", operators=own)

    weights = saved(of("z * sigmoid(2 * z)"), tmp_path)
    here = of("z * sigmoid(3 * z)")
    found = refused(weights, here)
    assert found == refused_by_trainer(weights, module_of(here))
    assert "its bent is 'z * sigmoid(2 * z)', here it is" in found


@pytest.mark.parametrize(("header", "reason"), BAD_HEADERS, ids=range(len(BAD_HEADERS)))
def test_bad_headers(header: Any, reason: str, weights: Path) -> None:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    weights.write_bytes(struct.pack("<Q", len(text)) + text + b"1234")
    assert reason in refused(weights)
    assert refused(weights) == refused_by_trainer(weights)


def test_a_file_cut_off_at_any_byte_is_refused(weights: Path) -> None:
    raw = weights.read_bytes()
    for length in range(len(raw)):
        weights.write_bytes(raw[:length])
        assert refused(weights).startswith("corrupt file, or not safetensors: ")
    weights.write_bytes(raw + b"\0")
    assert "1 bytes follow the last array" in refused(weights)


@pytest.mark.parametrize("index", range(len(SCALINGS)))
def test_a_scaling_that_is_none_is_refused(index: int, tmp_path: Path) -> None:
    spec = spec_for(CLASSES, layers=SCALED)
    weights = saved(spec, tmp_path)
    rewritten(weights, lambda a, m: m.update(scaling=SCALINGS[index]))
    refused(weights, spec)
    with pytest.raises(ValueError):
        module_of(spec).Network.load(weights)


def test_other_hyperparameters_make_no_other_network(weights: Path) -> None:
    spec = spec_for(CLASSES, name="elsewhere", hyperparameters={"learning_rate": 0.1})
    assert inference_text(spec, weights)


def test_what_no_source_text_can_hold_is_refused_before_it_is_read() -> None:
    spec = spec_of(layers=[5000, 5000], cost="quadratic")
    with pytest.raises(UserError) as caught:
        read_trained("nowhere", lower(spec))
    message = f"25,005,000 parameters are too many for a source text (at most {MOST_PARAMETERS:,})"
    assert str(caught.value).startswith(message)


# ---- The command line --------------------------------------------------------------


@pytest.fixture
def xor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the weights of specs/xor.json, in which the command runs."""
    monkeypatch.chdir(tmp_path)
    weights = saved(spec_of(**json.loads((SPECS / "xor.json").read_text())), tmp_path)
    return weights.rename(tmp_path / "w.safetensors")


XOR = str(SPECS / "xor.json")
GIVEN = ["--inference", "--weights", "w.safetensors"]


def refusal(*arguments: str, capsys: Captured) -> str:
    assert main(list(arguments)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    return captured.err


@pytest.mark.parametrize("target", TARGETS)
def test_the_command_writes_what_the_function_gives(
    target: str, xor: Path, capsys: Captured
) -> None:
    assert main([XOR, *GIVEN, "-t", target, "-o", "net.py"]) == 0
    assert main([XOR, *GIVEN, "-t", target]) == 0
    captured = capsys.readouterr()
    expected = compile_spec(XOR, target, weights="w.safetensors")
    assert captured == (expected, "")
    assert Path("net.py").read_text("utf-8") == expected
    done = subprocess.run(
        [sys.executable, "-c", "import net; print(net.predict([[0, 1]]).shape)"],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("(1,")


def test_check_and_diff_see_other_weights(xor: Path, capsys: Captured) -> None:
    arguments = [XOR, *GIVEN, "-o", "net.py"]
    assert main(arguments) == 0
    assert main([*arguments, "--check"]) == 0
    assert main([*arguments, "--diff"]) == 0
    assert capsys.readouterr() == ("", "")
    network = module_of(spec_of(**json.loads(Path(XOR).read_text()))).Network(seed=1)
    network.save("w.safetensors")
    assert main([*arguments, "--check"]) == 1
    assert capsys.readouterr().err == "bpcompile: net.py: is stale\n"
    assert main([*arguments, "--diff"]) == 1
    assert "w.safetensors" not in capsys.readouterr().out
    assert main([XOR, "-o", "net.py", "--check"]) == 1


HALVES: list[tuple[list[str], str]] = [
    (["--inference"], "--inference needs --weights FILE, which train has saved"),
    (["--weights", "w.safetensors"], "--weights FILE goes with --inference"),
    ([*GIVEN, "--library"], "not allowed with argument"),
]


@pytest.mark.parametrize(("options", "message"), HALVES)
def test_half_a_request_is_refused(
    options: list[str], message: str, xor: Path, capsys: Captured
) -> None:
    for command in ([XOR], ["build", XOR]):
        assert message in refusal(*command, *options, capsys=capsys)


def test_weights_are_those_of_one_spec(xor: Path, capsys: Captured) -> None:
    other = str(SPECS / "sine.json")
    found = refusal("build", XOR, other, *GIVEN, "-o", "out/", capsys=capsys)
    assert "--inference takes one SPEC, that of its weights" in found


def test_weights_that_cannot_be_read(xor: Path, capsys: Captured) -> None:
    os.mkdir("folder")
    os.mkfifo("pipe")
    for name, reason in {
        "missing": "no such file",
        "folder": "it is a directory",
        "pipe": "not a regular file",
        "": "give the name of a file",
    }.items():
        found = refusal(XOR, "--inference", "--weights", name, capsys=capsys)
        shown = name or '""'
        assert found == f"bpcompile: cannot read {shown}: {reason}\n"
    Path("empty").touch()
    found = refusal(XOR, "--inference", "--weights", "empty", capsys=capsys)
    assert found.startswith("bpcompile: empty: corrupt file, or not safetensors: ")


def test_the_weights_are_never_the_output(xor: Path, capsys: Captured) -> None:
    before = xor.read_bytes()
    for force in ([], ["--force"]):
        found = refusal(XOR, *GIVEN, "-o", "w.safetensors", *force, capsys=capsys)
        assert "w.safetensors: input and output are the same file" in found
    assert xor.read_bytes() == before


def test_a_target_without_it_says_so(xor: Path, capsys: Captured) -> None:
    folder = Path("targets/made_up")
    folder.mkdir(parents=True)
    source = SPECS.parent / "templates" / TARGETS[0]
    # beside the templates there may be what they were compiled to
    for path in filter(Path.is_file, source.iterdir()):
        text = path.read_text("utf-8").replace('inference = "inference.jinja"\n', "")
        (folder / path.name).write_text(text, "utf-8")
    found = refusal(XOR, *GIVEN, "-t", "targets/made_up", capsys=capsys)
    assert found == 'bpcompile: target "made_up" has no output for inference\n'


IMPORTED = """
import sys
from bpcompile.cli import main
assert main(sys.argv[1:]) == 0
assert "numpy" not in sys.modules
"""


def test_the_same_bytes_in_every_process_and_without_numpy(xor: Path) -> None:
    texts = set()
    for seed in ("0", "31"):
        done = subprocess.run(
            [sys.executable, "-c", IMPORTED, XOR, *GIVEN],
            env={**os.environ, "PYTHONHASHSEED": seed, "LC_ALL": "C"},
            capture_output=True,
        )
        assert (done.returncode, done.stderr) == (0, b"")
        texts.add(done.stdout)
    assert texts == {compile_spec(XOR, weights=xor).encode()}


def test_the_way_that_the_page_shows(xor: Path) -> None:
    """Train, compile with what was saved, use: each in a process of its own."""
    os.remove(xor)
    data = SPECS / "data" / "digits.npz"
    digits = SPECS / "digits.json"
    assert bpcompile(digits, "-o", "digits.py").returncode == 0
    train = [sys.executable, "digits.py", "train", "--data", data, "--epochs", "1"]
    assert subprocess.run([*train, "--quiet"]).returncode == 0
    arguments = [
        "--inference",
        "--weights",
        "digits.safetensors",
        "-o",
        "digits_net.py",
    ]
    done = bpcompile(digits, *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    code = (
        "import digits, digits_net, numpy; "
        f"x = numpy.load({str(data)!r})['x_test']; "
        "network = digits.Network.load('digits.safetensors'); "
        "print((network.predict(x) == digits_net.predict(x)).all())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("True\n", "")
