"""What a generated C program does with files, called from here one by one."""

from __future__ import annotations

import pathlib
import subprocess
from typing import Any

from c_modules import QUICK, TARGET, compiled
from support import module_of, text_of

from bpcompile.spec import NetworkSpec

#: Compiling is what takes the time of these tests.
PLAIN = ("-std=c11", *QUICK)
SANITIZED = (*PLAIN, "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
DRIVER = pathlib.Path(__file__).with_suffix(".c")


class Files:
    """A process that reads and writes files as the program of a spec does.

    Every file is called `data` in its folder. An error of a sanitizer ends the process,
    and with it the test.
    """

    def __init__(
        self,
        spec: NetworkSpec,
        folder: pathlib.Path,
        flags: tuple[str, ...] = SANITIZED,
        compiler: str = "",
        wrapped: bool = False,
    ) -> None:
        text = text_of(spec, TARGET) + "#undef main\n" + DRIVER.read_text("utf-8")
        calls = ("fsync", "rename", "link", "fchmod")
        if wrapped:
            wraps = ",".join(f"--wrap={call}" for call in calls)
            flags = (*flags, "-DWRAPPED", f"-Wl,{wraps}")
        binary = compiled(text, (*flags, "-Dmain=program_main"), compiler)
        self.module, self.folder, self.data = module_of(spec), folder, folder / "data"
        self.process = subprocess.Popen(
            [binary],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )

    def __call__(self, *words: Any) -> str:
        """What is said of a call: "" if all is well."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line.endswith("\n"), f"died: {words}"
        code, _, text = line[:-1].partition(" ")
        assert code == ("2" if text else "0")
        return text

    def close(self) -> None:
        self.process.communicate(timeout=30)
        assert self.process.returncode == 0
