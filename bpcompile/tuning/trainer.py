"""One generated trainer in a process of its own: started, followed, ended."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bpcompile.errors import UserError, printable
from bpcompile.target import Target
from bpcompile.threads import THREADS
from bpcompile.tuning.locks import lock

#: Of a trial's folder.
CHECKPOINT, LOG, RESULT = "checkpoint.safetensors", "log.jsonl", "result.json"
WEIGHTS, SAID, LOCK, STEM = "weights.safetensors", "said.txt", "lock", "model"
MOST_SAID = 500


class Trainer:
    """The trainer of a folder, which holds its module and all that it writes.

    `start` and `poll` may be called again and again; nothing here waits.
    """

    def __init__(self, folder: Path, command: Sequence[str]) -> None:
        self.folder, self.command = folder, command
        self.process: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None
        self._log = _Follower(folder / LOG)

    def start(self) -> bool:
        """Start it, from its checkpoint if there is one.

        False where another trainer is still at work in this folder: that of a worker
        which was killed ends when it prints its next epoch, for nobody reads it.
        """
        self._lock = lock(self.folder / LOCK)
        if self._lock is None:
            return False
        checkpoint = self.folder / CHECKPOINT
        resume = ["--resume", str(checkpoint)] if checkpoint.exists() else []
        with open(self.folder / SAID, "wb") as said:
            self.process = subprocess.Popen(
                [*self.command, *resume],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
                # One thread each: trials run beside each other.
                env={**os.environ, **dict.fromkeys(THREADS, "1")},
                # Ctrl-C is for the worker, which ends its trainers itself.
                start_new_session=True,
                pass_fds=() if os.name == "nt" else (self._lock,),
            )
        assert self.process.stdout
        os.set_blocking(self.process.stdout.fileno(), False)
        return True

    def curve(self, series: str) -> Iterator[tuple[int, float]]:
        """Epoch and value of what the log has told since the last call."""
        for event in self._log.events():
            epoch, value = event.get("epoch"), event.get(series)
            if event.get("event") == "epoch" and isinstance(value, int | float):
                yield int(epoch or 0), float(value)

    def poll(self) -> int | None:
        """The exit code, None as long as it runs; less than 0 is a signal."""
        if self.process is None:
            return None
        assert self.process.stdout
        # What it prints is in the log too; unread, it would fill the pipe.
        with contextlib.suppress(BlockingIOError):
            while self.process.stdout.read(1 << 16):
                pass
        code = self.process.poll()
        if code is not None:
            self._release()
        return code

    def stop(self) -> None:
        """Ask it to end after its mini-batch, with its checkpoint written."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def end(self, seconds: float) -> None:
        """The same; what does not end in time is killed."""
        self.stop()
        if self.process is not None:
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._release()

    def result(self) -> dict[str, Any]:
        """What it says in its --result; {} where there is nothing to read."""
        try:
            found = json.loads((self.folder / RESULT).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def said(self) -> str:
        """The last line that it has written to standard error."""
        text = (self.folder / SAID).read_text(encoding="utf-8", errors="replace")
        lines = text.strip().splitlines() or [""]
        return printable(lines[-1].removeprefix("error: "))[:MOST_SAID]

    def tidy(self) -> None:
        """Remove what only going on would need."""
        for path in self.folder.glob(f"{CHECKPOINT}*"):
            path.unlink(missing_ok=True)

    def _release(self) -> None:
        if self.process is not None and self.process.stdout:
            self.process.stdout.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


class _Follower:
    """Reads the events of a log while it is written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inode, self._offset = 0, 0

    def events(self) -> Iterator[dict[str, Any]]:
        """Those since the last call; of a log that was replaced, all of them."""
        try:
            with open(self._path, "rb") as file:
                about = os.fstat(file.fileno())
                if about.st_ino != self._inode or about.st_size < self._offset:
                    self._inode, self._offset = about.st_ino, 0
                file.seek(self._offset)
                # The last line may not be whole yet.
                whole, _, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            return
        self._offset += len(whole) + bool(whole)
        for line in whole.splitlines():
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict):
                    yield event


def build(text: str, target: Target, folder: Path) -> tuple[str, ...]:
    """Write a module into a folder; the command that runs it.

    Raises UserError where the target's modules cannot be run, or do not build.
    """
    folder.mkdir(parents=True, exist_ok=True)
    source, program = folder / f"{STEM}{target.suffix}", folder / STEM
    source.write_text(text, encoding="utf-8")
    if target.runs == "import":
        return sys.executable, str(source)
    words = {"source": str(source), "program": str(program)}
    command = [word.format(**words) for word in target.build]
    try:
        made = subprocess.run(command, capture_output=True, check=False, text=True)
    except OSError as failure:
        reason = f"{command[0]}: {failure.strerror}"
        raise UserError(f"cannot build the trainer: {reason}") from None
    if made.returncode:
        raise UserError(f"cannot build the trainer: {made.stderr.strip()[:MOST_SAID]}")
    return (str(program),)


def options_of(folder: Path, data: Sequence[str]) -> tuple[str, ...]:
    """What the command `train` of a trial's trainer is given."""
    named = {
        "--weights-out": WEIGHTS,
        "--checkpoint": CHECKPOINT,
        "--log": LOG,
        "--result": RESULT,
    }
    files = ((option, str(folder / name)) for option, name in named.items())
    return ("train", *data, *(word for pair in files for word in pair))
