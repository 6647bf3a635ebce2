"""Spec files: which can be read, and what is said of the others."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from source_helpers import SPEC, TOML

from bpcompile.errors import SpecErrors, UserError, printable
from bpcompile.source import read_file
from bpcompile.source.scanner import read_json
from bpcompile.source.toml import read_toml


def test_read_file_chooses_by_suffix(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(SPEC)
    (tmp_path / "a.toml").write_bytes(TOML)
    document = read_file(str(tmp_path / "a.json"))
    assert document.value["layers"] == (784, {"size": 30, "activation": "relu"}, 10)
    assert document.file == str(tmp_path / "a.json")
    assert read_file(str(tmp_path / "a.toml")).value["cost"] == "quadratic"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    large = tmp_path / "large.json"
    with large.open("wb") as file:
        file.truncate(2**40)
    cases = {
        str(tmp_path / "no\x1bne"): "no such file",
        str(tmp_path): "it is a directory",
        str(tmp_path / "fifo"): "not a regular file",
        str(large): "larger than 8 MiB",
        os.devnull: "not a regular file",
        "a\0b": "null",
        "": "give the name of a file",
        str(tmp_path / ("n" * 5000)): "too long",
    }
    for path, words in cases.items():
        with pytest.raises(UserError, match=words) as caught:
            read_file(path)
        assert str(caught.value).isprintable()
        assert printable(path) in str(caught.value)


def test_a_socket_is_not_a_spec(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By a relative name, because the length of a socket's name is limited.
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s.json")
        with pytest.raises(UserError, match=r"s\.json: not a regular file"):
            read_file("s.json")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("{}")
    path.chmod(0)
    with pytest.raises(UserError, match="permission denied"):
        read_file(str(path))


def test_standard_input_and_what_is_imported() -> None:
    code = (
        "import sys; from bpcompile.source import read_file; from bpcompile.errors "
        "import SpecErrors\n"
        "try: read_file('-')\n"
        "except SpecErrors as error: print(error)\n"
        "print({'numpy', 'pydantic', 'jinja2', 'tomllib',\n"
        "    'bpcompile.source.toml', 'bpcompile.source.override'} & set(sys.modules))"
    )
    root = Path(__file__).parents[1]
    ran = subprocess.run(
        [sys.executable, "-c", code],
        input="[1",
        capture_output=True,
        text=True,
        cwd=root,
    )
    assert ran.stderr == ""
    assert ran.stdout.startswith("<stdin>:1:3: error[syntax]: unexpected end of file")
    assert ran.stdout.endswith("\nset()\n")


@settings(max_examples=60)
@given(st.binary() | st.text().map(str.encode))
def test_random_bytes_raise_nothing_else(data: bytes) -> None:
    for reader in (read_json, read_toml):
        try:
            reader(data, "s")
        except SpecErrors as error:
            assert str(error)


MIB = 2**20
# Texts on which a careless pattern or search takes time quadratic in the size.
HOSTILE = {
    "escapes": b'"' + b"\\n" * 100_000 + b'"',
    "lines": b"\n" * (MIB // 4) + b"x",
    "one long line": b'{"a": "' + b"x" * MIB + b'" x}',
    "digits": b"0." + b"1" * MIB,
    "duplicates on one line": b"{" + b'"a":0,' * 5_000 + b"x}",
    "duplicates on many lines": b"{" + b'"a":0,\n' * 5_000 + b"x}",
    "a long key": b'{"' + b"k" * MIB + b'":' + b"[" * 60 + b'"\\u0000"',
    "slashes": b"/" * MIB,
    "unicode escapes": b'"' + b"\\u00e9" * 100_000 + b'"',
}
HOSTILE_TOML = {
    "a word": b"a" * MIB,
    "a dotted key": b"a." * 10**5 + b"a = 1",
    "a quoted dotted key": b'"a ".' * 10**5 + b"a = 1",
    "an inline dotted key": b"x = {" + b"'a' . " * 10**5 + b"a = 1}",
    "quotes": b'a = "' + b'\\"' * (MIB // 8),
    "many quotes": b"a = " + b'"' * MIB,
    "brackets": b"[" * MIB,
    "spaces": b"a" + b" " * MIB + b"b",
    "tables": b"".join(b"[[layers]]\nsize = %d\n" % n for n in range(2_000)),
}


@pytest.mark.parametrize(
    ("reader", "data"),
    [(read_json, data) for data in HOSTILE.values()]
    + [(read_toml, data) for data in HOSTILE_TOML.values()],
    ids=[*HOSTILE, *HOSTILE_TOML],
)
def test_hostile_input_is_answered_at_once(reader: Any, data: bytes) -> None:
    start = time.process_time()
    try:
        reader(data, "s")
    except SpecErrors as error:
        assert len(str(error)) < 20_000
    assert time.process_time() - start < 4
