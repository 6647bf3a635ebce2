"""The command line as a user meets it: options, exit codes and streams."""

from __future__ import annotations

import functools
import io
import json
import os
import pathlib
import signal
import subprocess
import sys
from typing import Any

import pytest
from support import ROOT, SPECS, bpcompile, run, spec_of, text_of

from bpcompile import __version__, cli
from bpcompile.arguments import COMMANDS
from bpcompile.cli import main
from bpcompile.target import default_target_name, load_target, target_names

XOR = str(SPECS / "xor.json")
XOR_TEXT = pathlib.Path(XOR).read_text("utf-8")
SPEC = '{"layers": [3, 4, 2], "cost": "quadratic"}'
TEXTBOOK = "numpy-textbook"

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """Every test runs in an empty folder with one spec."""
    monkeypatch.chdir(tmp_path)
    pathlib.Path("net.json").write_text(SPEC)
    return tmp_path


@functools.cache
def expected(spec: str = SPEC, library: bool = False) -> str:
    """The module for the text of a spec, by way of the functions alone."""
    return text_of(spec_of(**json.loads(spec)), library=library)


def output_of(*arguments: str, capsys: Captured) -> str:
    """What a successful run prints to stdout; it must print nothing else."""
    assert main(list(arguments)) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def refusal_of(*arguments: str, capsys: Captured) -> str:
    """What a run with exit code 2 prints to stderr; it must print nothing else."""
    assert main(list(arguments)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    return captured.err


def shell(script: str) -> subprocess.CompletedProcess[str]:
    """A script for bash in which $B is the command; its code is the last one's."""
    command = f"{sys.executable} -m bpcompile"
    return run("bash", "-c", script, env={**os.environ, "B": command, "XOR": XOR})


# ---- Results go to stdout or to the file, nothing else is said ---------------------


def test_spec_to_stdout(capsys: Captured) -> None:
    assert output_of(XOR, capsys=capsys) == expected(XOR_TEXT)


def test_spec_to_file_is_silent(capsys: Captured) -> None:
    assert output_of(XOR, "-o", "xor.py", capsys=capsys) == ""
    assert pathlib.Path("xor.py").read_text("utf-8") == expected(XOR_TEXT)
    assert sorted(os.listdir()) == ["net.json", "xor.py"]


def test_minus_is_stdin_and_stdout(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(SPEC.encode()))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert output_of("-", "-o", "-", capsys=capsys) == expected()


def test_folder_as_output_takes_the_specs_name(capsys: Captured) -> None:
    os.mkdir("out")
    output_of(XOR, "-o", "out/", capsys=capsys)
    assert os.listdir("out") == ["xor.py"]


def test_spec_from_stdin_into_a_folder_takes_the_networks_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    os.mkdir("out")
    spec = '{"name": "tiny", "layers": [1, 1], "cost": "quadratic"}'
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(spec.encode())))
    assert main(["-", "-o", "out/"]) == 0
    assert os.listdir("out") == ["tiny.py"]


def test_library_leaves_the_program_out(capsys: Captured) -> None:
    text = output_of("net.json", "--library", capsys=capsys)
    assert "class Network" in text
    assert "argparse" not in text
    assert "argparse" in output_of("net.json", capsys=capsys)


# ---- build -------------------------------------------------------------------------


def test_build_is_the_same_by_name(capsys: Captured) -> None:
    assert output_of("build", XOR, capsys=capsys) == expected(XOR_TEXT)


def test_build_of_several_specs_with_options_between(capsys: Captured) -> None:
    os.mkdir("out")
    output_of("build", XOR, "-o", "out/", "net.json", capsys=capsys)
    assert sorted(os.listdir("out")) == ["net.py", "xor.py"]
    assert pathlib.Path("out/net.py").read_text() == expected()


def test_several_specs_need_a_folder(capsys: Captured) -> None:
    os.mkdir("out")
    for output in ([], ["-o", "one.py"], ["-o", "-"], ["-o", "out"]):
        assert "-o DIR/" in refusal_of("build", XOR, "net.json", *output, capsys=capsys)
    assert os.listdir("out") == []


def test_one_wrong_spec_and_none_is_written(capsys: Captured) -> None:
    os.mkdir("out")
    pathlib.Path("bad.json").write_text('{"layers": [3], "cost": "quadratic"}')
    text = refusal_of("build", "net.json", "bad.json", "-o", "out/", capsys=capsys)
    assert text.startswith("bad.json:1:12: ")
    assert os.listdir("out") == []


def test_one_protected_file_and_none_is_written(capsys: Captured) -> None:
    os.mkdir("out")
    pathlib.Path("out/xor.py").write_text("mine\n")
    text = refusal_of("build", "net.json", XOR, "-o", "out/", capsys=capsys)
    assert "out/xor.py: is not generated by bpcompile" in text
    assert os.listdir("out") == ["xor.py"]
    assert pathlib.Path("out/xor.py").read_text() == "mine\n"


def test_two_specs_of_one_name_are_refused(capsys: Captured) -> None:
    os.mkdir("out")
    os.mkdir("a")
    pathlib.Path("a/net.json").write_text(SPEC)
    text = refusal_of("build", "net.json", "a/net.json", "-o", "out/", capsys=capsys)
    assert "out/net.py" in text
    assert os.listdir("out") == []


# ---- --set -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("assignment", "changed"),
    [
        (
            "hyperparameters.learning_rate=0.25",
            {"hyperparameters": {"learning_rate": 0.25}},
        ),
        ("layers[1].size=7", {"layers": [3, 7, 2]}),
        ("layers[1]=7", {"layers": [3, 7, 2]}),
        (
            "layers[1].activation=tanh",
            {"layers": [3, {"size": 4, "activation": "tanh"}, 2]},
        ),
        ('name="other"', {"name": "other"}),
        ("name=other", {"name": "other"}),
        ("layers=[2, 1]", {"layers": [2, 1]}),
        ("task=regression", {"task": "regression"}),
    ],
)
def test_set_is_the_same_as_an_edit(
    assignment: str, changed: dict[str, Any], capsys: Captured
) -> None:
    edited = json.dumps({**json.loads(SPEC), **changed})
    text = output_of("net.json", "--library", "--set", assignment, capsys=capsys)
    assert text == expected(edited, library=True)
    assert text != expected(library=True)


def test_later_set_wins(capsys: Captured) -> None:
    both = ["--library", "--set", "layers[1]=5", "--set", "layers[1]=6"]
    text = output_of("net.json", *both, capsys=capsys)
    edited = SPEC.replace("4", "6")
    assert text == expected(edited, library=True)


@pytest.mark.parametrize(
    ("assignment", "place", "part"),
    [
        ("hyperparameters.learning_rte=0.5", "--set:1:17", '"learning_rate"'),
        ("hyperparameters.learning_rate=-1", "--set:1:31", "more than 0"),
        ("layers[9]=3", "--set:1:7", "it has 3, counted from 0"),
        ("layers[1].activation=sigmod", "--set:1:22", '"sigmoid"'),
        ("cost", "--set:1:5", "PATH=VALUE"),
        ("cost=", "--set:1:6", "the value is missing"),
        ("cost = quadratic", "--set:1:5", "write it without spaces"),
        ("layers.1.size=4", "--set:1:8", "in brackets: layers[1].size\n"),
        ("seed=1", "--set:1:1", "hyperparameters.seed"),
    ],
)
def test_wrong_set_is_placed_in_the_assignment(
    assignment: str, place: str, part: str, capsys: Captured
) -> None:
    text = refusal_of("net.json", "--set", assignment, capsys=capsys)
    assert text.startswith(f"{place}: error[")
    assert part in text
    assert f"    {assignment}\n" in text


# ---- The target --------------------------------------------------------------------


def test_target_by_name(capsys: Captured) -> None:
    text = output_of("net.json", "-t", TEXTBOOK, capsys=capsys)
    assert text.split("\n")[0].endswith(f" for {TEXTBOOK}. DO NOT EDIT.")


def test_target_by_suffix_and_by_default(capsys: Captured) -> None:
    default = default_target_name()
    for name in ("net.py", "net", "dir.x/net"):
        pathlib.Path(name).parent.mkdir(exist_ok=True)
        output_of("net.json", "-o", name, capsys=capsys)
        first = pathlib.Path(name).read_text().split("\n")[0]
        assert f" for {default}. " in first


def test_target_by_folder(capsys: Captured) -> None:
    folder = ROOT / "templates" / TEXTBOOK
    text = output_of("net.json", "-t", f"{folder}/", capsys=capsys)
    assert f" for {TEXTBOOK}. " in text.split("\n")[0]


@pytest.mark.parametrize("command", [[], ["check"], ["check", "--run"]])
def test_unknown_target(command: list[str], capsys: Captured) -> None:
    text = refusal_of(*command, "net.json", "-t", "nunpy", capsys=capsys)
    assert text == (
        'bpcompile: no target "nunpy"; did you mean "numpy"? '
        f"(one of: {', '.join(target_names())})\n"
    )
    assert 'no target ""' in refusal_of(*command, "net.json", "-t", "", capsys=capsys)


def test_targets_lists_all_and_marks_the_default(capsys: Captured) -> None:
    lines = output_of("targets", capsys=capsys).splitlines()
    assert [line.split()[0] for line in lines] == target_names()
    assert [line.split()[1] for line in lines] == [
        load_target(name).suffix for name in target_names()
    ]
    marked = [line.split()[0] for line in lines if line.endswith("(default)")]
    assert marked == [default_target_name()]


# ---- --check and --diff ------------------------------------------------------------


def test_check_and_diff_of_what_is_up_to_date(capsys: Captured) -> None:
    output_of("net.json", "-o", "net.py", capsys=capsys)
    for option in ("--check", "--diff"):
        assert output_of("net.json", "-o", "net.py", option, capsys=capsys) == ""


def test_check_says_what_is_stale_and_writes_nothing(capsys: Captured) -> None:
    output_of("net.json", "-o", "net.py", capsys=capsys)
    before = pathlib.Path("net.py").read_text()
    change = ["--set", "layers[1]=7"]
    assert main(["net.json", "-o", "net.py", "--check", *change]) == 1
    assert capsys.readouterr() == ("", "bpcompile: net.py: is stale\n")
    assert main(["net.json", "-o", "new.py", "--check"]) == 1
    assert capsys.readouterr() == ("", "bpcompile: new.py: does not exist\n")
    assert pathlib.Path("net.py").read_text() == before
    assert not os.path.exists("new.py")


@pytest.mark.parametrize("change", [[], ["--set", "layers[1]=7"]])
def test_check_says_whose_work_the_file_is(change: list[str], capsys: Captured) -> None:
    output_of("net.json", "-o", "net.py", capsys=capsys)
    with open("net.py", "a") as file:
        file.write("# mine\n")
    pathlib.Path("mine.py").write_text("print('mine')\n")
    for name, reason in {
        "net.py": "was edited by hand since it was generated",
        "mine.py": "is not generated by bpcompile",
    }.items():
        assert main(["net.json", "-o", name, "--check", *change]) == 1
        assert capsys.readouterr() == ("", f"bpcompile: {name}: {reason}\n")


def test_diff_is_a_patch(capsys: Captured) -> None:
    output_of("net.json", "-o", "net.py", capsys=capsys)
    assert main(["net.json", "-o", "net.py", "--diff", "--set", "layers[1]=7"]) == 1
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "\n-N2 = 4\n+N2 = 7\n" in captured.out
    pathlib.Path("p").write_text(captured.out)
    assert run("patch", "net.py", "p").returncode == 0
    expected = output_of("net.json", "--set", "layers[1]=7", capsys=capsys)
    assert pathlib.Path("net.py").read_text() == expected


def test_diff_of_a_file_without_a_last_line_end(capsys: Captured) -> None:
    pathlib.Path("net.py").write_text("mine\x0cform feed")
    assert main(["net.json", "-o", "net.py", "--diff"]) == 1
    out = capsys.readouterr().out
    assert "\n-mine\x0cform feed\n\\ No newline at end of file\n+#" in out


def test_check_of_several(capsys: Captured) -> None:
    os.mkdir("out")
    several = ["build", "net.json", XOR, "-o", "out/"]
    output_of(*several, capsys=capsys)
    assert output_of(*several, "--check", capsys=capsys) == ""
    os.unlink("out/xor.py")
    assert main([*several, "--check"]) == 1
    assert capsys.readouterr().err == "bpcompile: out/xor.py: does not exist\n"


def test_check_and_diff_need_a_file_and_exclude_each_other(capsys: Captured) -> None:
    for option in ("--check", "--diff"):
        assert "-o FILE" in refusal_of("net.json", option, capsys=capsys)
    both = ["net.json", "-o", "net.py", "--check", "--diff"]
    assert "not allowed" in refusal_of(*both, capsys=capsys)


# ---- check -------------------------------------------------------------------------


def test_check_of_a_right_and_a_wrong_spec(capsys: Captured) -> None:
    assert output_of("check", "net.json", capsys=capsys) == ""
    wrong = ["check", "net.json", "--set", "cost=quadratc"]
    assert "error[unknown-value]" in refusal_of(*wrong, capsys=capsys)


def test_check_resolved_is_the_spec_with_every_default(capsys: Captured) -> None:
    text = output_of("check", "net.json", "--resolved", capsys=capsys)
    assert json.loads(text)["hyperparameters"]["mini_batch_size"] == 10
    assert expected(text, library=True) == expected(library=True)


def test_check_run_compares_with_the_reference(capsys: Captured) -> None:
    text = output_of("check", "net.json", "--run", "-t", TEXTBOOK, capsys=capsys)
    assert TEXTBOOK in text.split("\n")[0]
    assert text.endswith("all within 1e-12\n")


# ---- Wrong command lines -----------------------------------------------------------


@pytest.mark.fault("OUT-22")
@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["build", "-t", "numpy"],
        ["build", "--config", "pyproject.toml", "net.json"],
        ["check"],
        ["new"],
        ["new", "net", "--template"],
        ["--colour", "net.json"],
        ["net.json", "--forc"],
        ["net.json", "-o"],
        ["net.json", "-o", ""],
        ["net.json", "--set"],
        ["check", "net.json", "-o", "net.py"],
    ],
)
def test_wrong_arguments_exit_2_with_the_usage(
    arguments: list[str], capsys: Captured
) -> None:
    first, usage = refusal_of(*arguments, capsys=capsys).splitlines()
    assert first.startswith("bpcompile: ")
    named = arguments[:1] in (["build"], ["check"], ["new"])
    command = arguments[0] if named else "SPEC"
    assert usage.startswith(f"usage: bpcompile {command} ")
    assert usage.endswith(" (see bpcompile --help)")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["chek", "net.json"], 'no command "chek"; did you mean "check"?'),
        (["chek", "net.json", "--run"], 'no command "chek"; did you mean "check"?'),
        (["target"], 'no command "target"; did you mean "targets"?'),
        (
            ["compile", "net.json"],
            f'no command "compile" (one of: {", ".join(COMMANDS)})',
        ),
        (
            ["net.json", "-o", "a.py", "my ring.json"],
            "several specs need a folder: "
            "bpcompile build net.json 'my ring.json' -o DIR/",
        ),
        (["check", "a.json", "b.json"], "check takes one SPEC; run it once for each"),
        (["targets", "net.json"], 'targets takes no arguments, got "net.json"'),
        (["schema", "net.json"], 'schema takes no arguments, got "net.json"'),
        (["new", "a", "b"], 'new takes one NAME, got "b" too'),
        (
            ["net.json", "--forc"],
            'unknown option "--forc"; did you mean "--force"?',
        ),
        (
            ["net.json", "--set", "cost", "=", "quadratic"],
            "--set PATH=VALUE takes no spaces around the =",
        ),
        (
            ["net.json", "--set", "cost=", "quadratic"],
            "--set PATH=VALUE takes no spaces around the =",
        ),
    ],
)
def test_what_was_probably_meant(
    arguments: list[str], message: str, capsys: Captured
) -> None:
    first, usage = refusal_of(*arguments, capsys=capsys).splitlines()
    assert first == f"bpcompile: {message}"
    assert usage.startswith("usage: bpcompile ")


def test_spec_named_like_a_misspelt_command(capsys: Captured) -> None:
    pathlib.Path("chek").write_text(SPEC)
    assert output_of("chek", capsys=capsys) == expected()


def test_toml_on_standard_input_is_told_from_json(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(b'cost = "quadratic"\n'))
    monkeypatch.setattr(sys, "stdin", stdin)
    text = refusal_of("-", capsys=capsys)
    assert text.startswith("<stdin>:1:1: error[syntax]: this is TOML, not JSON; ")


def test_data_file_in_place_of_the_spec(capsys: Captured) -> None:
    pathlib.Path("net.npz").write_bytes(b"PK\x03\x04-\x00\x00\x00!\x00\xf9\x94\xef")
    assert refusal_of("net.npz", capsys=capsys) == (
        "net.npz:1:1: error[encoding]: not a text file; a spec is JSON or TOML\n"
    )


def test_unprintable_argument_is_escaped(capsys: Captured) -> None:
    text = refusal_of("net.json", "--x\x1b[2J\n", capsys=capsys)
    assert "\x1b" not in text
    assert "--x\\x1b[2J\\x0a" in text


@pytest.mark.fault("OUT-23")
def test_output_that_would_hide_a_module_it_imports(capsys: Captured) -> None:
    os.mkdir("out")
    pathlib.Path("json.json").write_text(SPEC)
    for arguments in (["net.json", "-o", "out/numpy.py"], ["json.json", "-o", "out/"]):
        text = refusal_of(*arguments, capsys=capsys)
        assert "; choose another name\n" in text
    assert os.listdir("out") == []


def test_missing_spec(capsys: Captured) -> None:
    expected = "bpcompile: cannot read nix.json: no such file\n"
    assert refusal_of("nix.json", capsys=capsys) == expected
    assert "it is a directory" in refusal_of(".", capsys=capsys)
    # A variable that a script forgot to set, in quotes.
    nameless = 'bpcompile: cannot read "": give the name of a file\n'
    assert refusal_of("", capsys=capsys) == nameless


@pytest.mark.fault("OUT-22")
def test_version_and_help(capsys: Captured) -> None:
    assert output_of("--version", capsys=capsys) == f"bpcompile {__version__}\n"
    for command in ([], ["check"], ["new"], ["schema"], ["targets"]):
        arguments = [*command, "-h" if command else "--help"]
        text = output_of(*arguments, capsys=capsys)
        assert text.startswith("usage: \nbpcompile SPEC ")


@pytest.mark.parametrize(
    "name",
    ["a\nb.json", 'it\'s "q".json', "-x.json", "a b;c.json", "\u202e.json"],
)
def test_odd_spec_names(name: str, capsys: Captured) -> None:
    os.mkdir("out")
    path = f"./{name}" if name.startswith("-") else name
    pathlib.Path(name).write_text(SPEC)
    assert output_of(path, capsys=capsys) == expected()
    output_of(path, "-o", "out/", capsys=capsys)
    assert os.listdir("out") == [name.replace(".json", ".py")]
    pathlib.Path(name).write_text("{}")
    text = refusal_of(path, capsys=capsys)
    assert len(text.split("\n")) == 7
    assert all(line.isprintable() for line in text.split("\n"))


@pytest.mark.fault("OUT-20")
def test_spec_name_that_is_not_utf8(capsys: Captured) -> None:
    name = os.fsdecode(b"n\xff.json")
    pathlib.Path(name).write_text(SPEC)
    assert output_of(name, capsys=capsys) == expected()
    pathlib.Path(name).write_text("{}")
    assert refusal_of(name, capsys=capsys).startswith("n\\udcff.json:1:1: ")


def test_two_minuses_end_the_options(capsys: Captured) -> None:
    pathlib.Path("-x.json").write_text(SPEC)
    assert output_of("--", "-x.json", capsys=capsys) == expected()


# ---- Our own faults ----------------------------------------------------------------


def test_internal_fault_exits_3_and_asks_for_a_report(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    def broken(arguments: list[str]) -> int:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(cli, "_run", broken)
    assert main(["net.json"]) == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "ZeroDivisionError: planted\n" in captured.err
    assert captured.err.endswith("\nbpcompile: this is our bug, please report it\n")


# ---- Streams and signals, in processes of their own --------------------------------


def test_python_m_is_the_command() -> None:
    done = bpcompile(XOR)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == expected(XOR_TEXT)


def test_closed_stdin() -> None:
    done = shell("$B - <&-")
    assert done.returncode == 2
    assert done.stderr == "bpcompile: cannot read standard input: it is closed\n"


def test_closed_stdout() -> None:
    done = shell("$B $XOR >&-; echo $? >&2; $B $XOR -o xor.py >&-; echo $? >&2")
    assert done.stderr == "bpcompile: standard output is closed\n2\n0\n"
    assert pathlib.Path("xor.py").read_text("utf-8") == expected(XOR_TEXT)


def test_closed_stderr_leaves_stdout_alone() -> None:
    done = shell("$B nix.json 2>&-; echo $?")
    assert done.stdout == "2\n"


@pytest.mark.fault("OUT-16")
def test_reader_that_goes_away() -> None:
    for arguments in ([XOR], ["--help"], ["targets"]):
        reader, writer = os.pipe()
        os.close(reader)
        command = [sys.executable, "-m", "bpcompile", *arguments]
        done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE)
        os.close(writer)
        assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.fault("OUT-18")
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize("arguments", ["$XOR", "--help", "--version", "targets"])
def test_full_disk_behind_stdout(arguments: str) -> None:
    done = shell(f"$B {arguments} >/dev/full")
    assert done.returncode == 2
    assert done.stderr == "bpcompile: standard output: No space left on device\n"


# A spec that arrives through a pipe holds the process where a signal finds it.
@pytest.mark.fault("SIG-06")
@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (signal.SIGINT, 130, b"bpcompile: interrupted\n"),
        (signal.SIGTERM, 143, b""),
        (signal.SIGHUP, 129, b""),
    ],
)
def test_signals(number: signal.Signals, code: int, said: bytes) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "bpcompile", "-", "-o", "net.py"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin
    # More than a pipe holds: once it is written, the process is reading.
    process.stdin.write(b" " * 2**20)
    process.stdin.flush()
    process.send_signal(number)
    _, stderr = process.communicate(timeout=30)
    assert (process.returncode, stderr) == (code, said)
    assert os.listdir() == ["net.json"]
