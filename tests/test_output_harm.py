"""Files under harm: odd places to write to, full disks, kills, other writers, names."""

from __future__ import annotations

import os
import pathlib
import resource
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator

import pytest
from support import LONG, SPECS, bpcompile, run, spec_of, text_of

from bpcompile.cli import main
from bpcompile.errors import UserError
from bpcompile.output import write_outputs

fault = pytest.mark.fault
Captured = pytest.CaptureFixture[str]

A = '{"layers": [2, 3, 1], "cost": "quadratic"}'
B = '{"layers": [2, 4, 1], "cost": "quadratic"}'
OLD, NEW = (
    text_of(spec_of(layers=[3, hidden, 2], cost="quadratic"), library=True)
    for hidden in (4, 5)
)

#: Every command that writes to a file, up to that file's name, and its exit code.
COMMANDS = {
    "build": (["a.json", "-o"], 0),
    "header": (["a.json", "-t", "c", "--header", "-o"], 0),
    "inference": (["a.json", "--inference", "--weights", "w.safetensors", "-o"], 0),
    "diff": (["diff", "a.json", "b.json", "-f", "text", "-o"], 1),
    "explain": (["explain", "a.json", "-f", "text", "-o"], 0),
    "report": (["report", "log", "-o"], 0),
    "convert": (["convert", "w.safetensors"], 0),
    "new": (["new", "net", "-o"], 0),
}


def names(folder: str | pathlib.Path = ".") -> list[str]:
    return sorted(os.listdir(folder))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder with two specs, and weights and log of the first."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "a.json").write_text(A)
    (folder / "b.json").write_text(B)
    (folder / "m.py").write_text(text_of(spec_of(layers=[2, 3, 1], cost="quadratic")))
    data = SPECS / "data/xor.npz"
    options = ["--epochs", "1", "--weights-out", "w.safetensors", "--log", "log"]
    done = run(sys.executable, "m.py", "train", "--data", data, *options, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def folder(
    trained: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> pathlib.Path:
    """A copy to work in, with places to write to: links, a pipe, others' work."""
    for name in ("a.json", "b.json", "w.safetensors", "log"):
        shutil.copy(trained / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    os.mkdir("elsewhere")
    os.mkdir("folder.npz")
    os.mkfifo("fifo.npz")
    os.symlink("elsewhere/real.npz", "link.npz")
    os.symlink("nowhere/real.npz", "dangling.npz")
    os.symlink("loop.npz", "loop.npz")
    pathlib.Path("mine.npz").write_text("mine\n")
    return tmp_path


# ---- Every command, every odd place ------------------------------------------------


@fault("OUT-07", "OUT-08", "OUT-03")
@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_writes_where_it_must_not(
    name: str, folder: pathlib.Path, capsys: Captured
) -> None:
    command, _ = COMMANDS[name]
    before = names()
    for output, reason in {
        "folder.npz": "is a directory",
        "fifo.npz": "is not a regular file",
        "/dev/full": "is not a regular file",
        "nowhere/f.npz": "directory does not exist, make it first: nowhere\n",
        "dangling.npz": f"directory does not exist, make it first: {folder}/nowhere\n",
        "loop.npz": "is a symbolic link to itself\n",
        "mine.npz": "; --force replaces it",
        "mine.npz/f.npz": "not a directory: mine.npz\n",
    }.items():
        if name == "convert" and output.startswith("/dev"):
            reason = "has no suffix that is written"
        assert main([*command, output]) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert err.startswith(f"bpcompile: {output}: ") and reason in err
    assert names() == before
    assert names("elsewhere") == []
    assert pathlib.Path("mine.npz").read_text() == "mine\n"
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_keeps_modes_links_and_others_work(
    name: str, folder: pathlib.Path, capsys: Captured
) -> None:
    command, code = COMMANDS[name]
    before = os.umask(0o077)
    try:
        assert main([*command, "link.npz"]) == code
    finally:
        os.umask(before)
    real = pathlib.Path("elsewhere/real.npz")
    assert os.readlink("link.npz") == str(real)
    assert stat.S_IMODE(real.stat().st_mode) == 0o600
    made = real.read_bytes()
    pathlib.Path("mine.npz").chmod(0o640)
    assert main([*command, "mine.npz", "--force"]) == code
    mine, copy = pathlib.Path("mine.npz"), pathlib.Path("mine.npz.bak")
    assert (mine.read_bytes(), copy.read_text()) == (made, "mine\n")
    assert {stat.S_IMODE(p.stat().st_mode) for p in (mine, copy)} == {0o640}
    assert capsys.readouterr() == ("", "")
    assert not [n for n in names() + names("elsewhere") if n.endswith(".tmp")]


@fault("OUT-14")
@pytest.mark.parametrize(
    "arguments",
    [
        ["a.json", "-o", "a.json"],
        ["a.json", "--inference", "--weights", "w.safetensors", "-o", "w.safetensors"],
        ["diff", "a.json", "b.json", "-f", "json", "-o", "b.json"],
        ["explain", "a.json", "-f", "text", "-o", "a.json"],
        ["report", "log", "-o", "log"],
        ["report", "log", "--weights", "w.safetensors", "-o", "w.safetensors"],
        ["convert", "w.safetensors", "./w.safetensors"],
    ],
    ids=" ".join,
)
def test_no_command_writes_over_what_it_reads(
    arguments: list[str], folder: pathlib.Path, capsys: Captured
) -> None:
    paths = [folder / name for name in ("a.json", "b.json", "w.safetensors", "log")]
    before = {path: path.read_bytes() for path in paths}
    assert main([*arguments, "--force"]) == 2
    assert capsys.readouterr().err == (
        f"bpcompile: {arguments[-1]}: input and output are the same file\n"
    )
    assert {path: path.read_bytes() for path in before} == before


@fault("OUT-06")
@pytest.mark.parametrize("stem", [".", "..", "...", "-", "a\nb", "a'b\"", "\x1b[31m"])
def test_folder_takes_nothing_that_leaves_it(
    stem: str, folder: pathlib.Path, capsys: Captured
) -> None:
    """The name of a spec is the only part of an output's path that -o does not give."""
    spec = pathlib.Path("elsewhere", f"{stem}.json")
    spec.write_text(A)
    os.mkdir("out")
    os.symlink("out", "way")
    before = names()
    assert main([str(spec), "-o", "way/"]) == 0
    assert names("out") == [f"{spec.stem}.py"]
    assert names() == before
    assert capsys.readouterr() == ("", "")


@fault("OUT-23")
def test_output_without_a_stem_is_a_folder(
    folder: pathlib.Path, capsys: Captured
) -> None:
    assert main(["a.json", "-o", "."]) == 2
    expected = "bpcompile: .: is a directory; ./ writes into it\n"
    assert capsys.readouterr().err == expected
    for name in ("model", "a b.py", "./-x.py", "new\nline.py", "it's.py"):
        assert main(["a.json", "-o", name]) == 0
        assert pathlib.Path(name).is_file()
    for name in ("numpy.py", "json.py"):
        assert main(["a.json", "-o", name]) == 2
        assert f"{name}: would be taken for the module" in capsys.readouterr().err
        assert not os.path.exists(name)


# ---- Full disks and full streams ---------------------------------------------------


@fault("OUT-10")
def test_disk_full_after_any_number_of_bytes(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "net.py"
    path.write_text(OLD)
    size = len(NEW.encode())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in [*range(0, size, size // 40), size - 1]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            with pytest.raises(UserError, match="too large; nothing was changed"):
                write_outputs({path: NEW})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert path.read_text() == OLD
        assert names(tmp_path) == ["net.py"]


@pytest.fixture
def small_disk(tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    done = run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk)
    if done.returncode:
        pytest.skip("no file system can be mounted here")
    yield disk
    subprocess.run(["umount", disk], check=True)


@fault("OUT-10")
def test_full_file_system(small_disk: pathlib.Path) -> None:
    path = small_disk / "net.py"
    path.write_text(OLD)
    (small_disk / "ballast").write_bytes(b"x" * (64 * 1024 - 4096 - len(OLD)))
    for arguments in ([SPECS / "xor.json"], [SPECS / "xor.json", "--force"]):
        done = bpcompile(*arguments, "-o", path)
        assert (done.returncode, done.stdout) == (2, "")
        reason = "No space left on device; nothing was changed"
        assert done.stderr == f"bpcompile: {path}: {reason}\n"
        assert path.read_text() == OLD
        assert names(small_disk) == ["ballast", "net.py"]


@fault("OUT-18")
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_full_stderr_changes_no_exit_code(folder: pathlib.Path) -> None:
    with open("/dev/full", "w") as full:
        for arguments, code in (["nix.json"], 2), (["diff", "a.json", "b.json"], 1):
            command = [sys.executable, "-m", "bpcompile", *arguments]
            done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=full)
            assert done.returncode == code
        command = [sys.executable, "-m", "bpcompile", "a.json"]
        assert subprocess.run(command, stdout=full, stderr=full).returncode == 2


# ---- Kills and other writers -------------------------------------------------------

# Forked, so that hundreds of deaths cost no start of Python. Dies where the n-th line
# of the module that writes is reached, and says so with the signal; else ends with 0.
DIES = """
import os, pathlib, signal, sys
from bpcompile.output import write_outputs
path, source = map(pathlib.Path, sys.argv[1:])
old, new = path.read_text("utf-8"), source.read_text("utf-8")
edited = old + "# mine\\n"

def dying(left):
    def trace(frame, event, given):
        nonlocal left
        if frame.f_globals.get("__name__") != "bpcompile.output":
            return None
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace
    return trace

deaths = 0
while True:
    for name in os.listdir(path.parent):
        (path.parent / name).unlink()
    path.write_text(edited, "utf-8")
    child = os.fork()
    if not child:
        sys.settrace(dying(deaths + 1))
        write_outputs({path: new}, force=True)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    found = path.read_text("utf-8")
    copy = path.with_name(path.name + ".bak")
    assert found in (edited, new), found
    # Only what has its copy may be replaced.
    assert found == edited or copy.read_text("utf-8") == edited
    if not status:
        break
    assert status == signal.SIGKILL
    deaths += 1
print(deaths)
"""


@fault("OUT-12", "OUT-04")
def test_killed_at_any_line_the_old_file_or_the_new_one_stands(
    tmp_path: pathlib.Path,
) -> None:
    (tmp_path / "out").mkdir()
    path, source = tmp_path / "out/net.py", tmp_path / "new"
    path.write_text(OLD)
    source.write_text(NEW)
    done = run(sys.executable, "-c", DIES, path, source)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 50


def test_interrupted_copy_is_not_left_as_half_a_copy(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, calls = tmp_path / "net.py", []

    def interrupt(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 2:  # the first is of the new text
            raise KeyboardInterrupt

    path.write_text("mine\n")
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_outputs({path: NEW}, force=True)
    assert names(tmp_path) == ["net.py"]
    assert path.read_text() == "mine\n"


# Rounds of two whole runs of the command that start at once, with two specs.
ROUNDS = """
import os, sys
from bpcompile.cli import main
*specs, output, rounds = sys.argv[1:]
main([specs[0], "-o", output, "--library"])  # imports once what the forks need
for _ in range(int(rounds)):
    reader, writer = os.pipe()
    children = []
    for spec in specs:
        child = os.fork()
        if not child:
            os.close(writer)
            os.read(reader, 1)
            os._exit(main([spec, "-o", output, "--library"]))
        children.append(child)
    os.close(writer)  # go
    os.close(reader)
    codes = [os.waitstatus_to_exitcode(os.waitpid(c, 0)[1]) for c in children]
    assert codes == [0, 0], codes
"""


@fault("OUT-15")
def test_two_runs_at_once_leave_one_of_the_two(tmp_path: pathlib.Path) -> None:
    """200 rounds in the long form, 8 else."""
    specs = [tmp_path / "a.json", tmp_path / "b.json"]
    texts = set()
    for path, spec in zip(specs, (A, B), strict=True):
        path.write_text(spec)
        texts.add(bpcompile(path, "--library").stdout)
    (tmp_path / "out").mkdir()
    output = tmp_path / "out/net.py"
    process = subprocess.Popen(
        [sys.executable, "-c", ROUNDS, *specs, output, "200" if LONG else "8"],
        stderr=subprocess.PIPE,
    )
    seen = set()
    while process.poll() is None:
        if output.exists():
            seen.add(output.read_text("utf-8"))
    assert process.communicate() == (None, b"")
    assert process.returncode == 0
    assert seen <= texts and len(texts) == 2
    assert output.read_text("utf-8") in texts
    assert names(tmp_path / "out") == ["net.py"]


@fault("OUT-11")
def test_writes_are_taken_up_again_where_a_signal_broke_them_off(
    tmp_path: pathlib.Path,
) -> None:
    """A timer's signal arrives every tenth of a millisecond."""
    ticks = []
    before = signal.signal(signal.SIGALRM, lambda *given: ticks.append(None))
    text = NEW * 50
    path = tmp_path / "net.py"
    try:
        signal.setitimer(signal.ITIMER_REAL, 1e-4, 1e-4)
        for turn in range(5):
            write_outputs({path: text + "#" * turn}, force=True)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert path.read_text() == text + "####"
    assert ticks
