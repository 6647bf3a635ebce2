"""Other Pythons of this machine, each with what the compiler needs: `make pythons`.

A script of the standard library alone. An interpreter that does not start, or for which
nothing can be installed, is left out with a word on stderr.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

OLDEST = 11
NEEDED = ("pydantic>=2.7", "jinja2>=3.1")
NAME = re.compile(r"python3\.(\d+)")
VERSION = "import sys; print('%d.%d' % sys.version_info[:2])"
OWN = f"{sys.version_info[0]}.{sys.version_info[1]}"


def interpreters() -> dict[str, str]:
    """By version, such as "3.12", the first that starts; without this process's own."""
    found: dict[str, str] = {}
    for path in _candidates():
        done = subprocess.run([path, "-c", VERSION], capture_output=True, text=True)
        version = done.stdout.strip()
        # A shim of a version manager may stand for none, or for another version.
        if done.returncode == 0 and path.name == f"python{version}" != f"python{OWN}":
            found.setdefault(version, str(path))
    return found


def _candidates() -> Iterator[Path]:
    managed = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    folders = [*map(Path, os.get_exec_path()), *sorted(managed.glob("*/bin"))]
    for folder in folders:
        for path in sorted(folder.glob("python3.*")) if folder.is_dir() else ():
            match = NAME.fullmatch(path.name)
            if match and int(match[1]) >= OLDEST and os.access(path, os.X_OK):
                yield path


def with_packages(folder: Path) -> dict[str, str]:
    """By version, the Pythons of a folder that `make pythons` has filled."""
    found = sorted(folder.glob("*/bin/python"))
    return {path.parts[-3]: str(path) for path in found if path.parts[-3] != OWN}


def main(folder: Path) -> None:
    """An environment for each in folder/VERSION, made once."""
    for version, python in interpreters().items():
        made = folder / version
        own = made / "bin/python"
        ready = [own, "-c", "import jinja2, pydantic"]
        if own.exists() and subprocess.run(ready, capture_output=True).returncode == 0:
            continue
        install = [own, "-m", "pip", "install", "--quiet", *NEEDED]
        try:
            subprocess.run([python, "-m", "venv", made], check=True)
            subprocess.run(install, check=True)
        except subprocess.CalledProcessError as failure:
            print(f"pythons: {version} is left out: {failure}", file=sys.stderr)
            # Half an environment would be taken for a whole one.
            own.unlink(missing_ok=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
