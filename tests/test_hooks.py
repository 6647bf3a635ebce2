"""The pre-commit hooks, the GitHub Action and the recipes of docs/in-step.md."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import yaml
from in_step import PAGE, SPEC, excerpt
from support import EVERY_TARGET, ROOT, run

from bpcompile.api import compile_spec
from bpcompile.target import load_target

HOOKS = {
    hook["id"]: hook
    for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
}
ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
SCRIPTS = Path(sys.executable).parent
CONFIGURATION = '[tool.bpcompile]\noutputs = [{spec = "net.json", output = "net.py"}]\n'


def environment(**more: str) -> dict[str, str]:
    """One in which this checkout is the command, and git asks nobody."""
    path = f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"
    names = ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME")
    emails = ("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL")
    given = dict.fromkeys(names, "a") | dict.fromkeys(emails, "a@example.org")
    given |= {"GIT_CONFIG_GLOBAL": os.devnull, "PYTHONPATH": str(ROOT)}
    # Where a hook of git itself runs the tests, it names another repository.
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    return kept | given | {"PATH": path} | more


def git(*arguments: str) -> CompletedProcess[str]:
    return run("git", *arguments, env=environment(PRE_COMMIT_HOME=os.path.abspath("h")))


def commit() -> CompletedProcess[str]:
    """Try to commit all that has changed."""
    assert git("add", "--all").returncode == 0
    return git("commit", "--quiet", "--message", "a change")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a spec, its module, and a configuration that lists it."""
    monkeypatch.chdir(tmp_path)
    Path("net.json").write_text(SPEC)
    Path("pyproject.toml").write_text(CONFIGURATION)
    Path("net.py").write_text(compile_spec("net.json"))
    return tmp_path


def repository(hooks: list[dict[str, Any]]) -> None:
    """The folder as a repository in which pre-commit runs the hooks at each commit.

    They are the same but for their language: what pre-commit would install is here.
    """
    here = [{**hook, "language": "system"} for hook in hooks]
    repos = {"repos": [{"repo": "local", "hooks": here}]}
    Path(".pre-commit-config.yaml").write_text(yaml.safe_dump(repos))
    Path(".gitignore").write_text("h/\n")
    assert git("init", "--quiet").returncode == 0
    assert commit().returncode == 0
    command = (sys.executable, "-m", "pre_commit", "install")
    assert run(*command, env=environment()).returncode == 0


# ---- Hooks in a real repository ----------------------------------------------------


def test_check_hook_stops_a_stale_and_an_edited_file(project: Path) -> None:
    repository([HOOKS["bpcompile-check"]])
    Path("net.json").write_text(SPEC.replace("4", "5"))
    done = commit()
    assert done.returncode == 1
    assert "bpcompile: net.py: is stale\n" in done.stderr
    Path("net.py").write_text(compile_spec("net.json"))
    assert commit().returncode == 0
    # An output alone, and by hand.
    with open("net.py", "a") as file:
        file.write("# mine\n")
    done = commit()
    assert done.returncode == 1
    assert "bpcompile: net.py: was edited by hand since it" in done.stderr


def test_hooks_leave_other_commits_alone(project: Path) -> None:
    repository([HOOKS["bpcompile-check"]])
    Path("net.json").write_text(SPEC.replace("4", "5"))
    Path("notes.md").write_text("notes\n")
    assert git("add", "notes.md").returncode == 0
    done = git("commit", "--quiet", "--message", "notes")
    assert (done.returncode, "Skipped" in done.stderr) == (0, True)


def test_build_hook_builds_and_stops_once(project: Path) -> None:
    repository([HOOKS["bpcompile-build"]])
    Path("net.json").write_text(SPEC.replace("4", "5"))
    done = commit()
    assert done.returncode == 1
    assert "files were modified by this hook" in done.stderr
    assert Path("net.py").read_text() == compile_spec("net.json")
    assert commit().returncode == 0


def test_hooks_run_when_any_spec_or_output_changes() -> None:
    targets = [load_target(name) for name in EVERY_TARGET]
    suffixes = {suffix for target in targets for suffix in target.files}
    suffixes |= {t.header["suffix"] for t in targets if "header" in t.settings}
    for hook in HOOKS.values():
        for suffix in {".json", ".toml", ".safetensors", *suffixes}:
            assert re.search(hook["files"], f"a/b{suffix}"), suffix
        assert not re.search(hook["files"], "a/b.md")


def test_the_page_names_hooks_that_there_are() -> None:
    (theirs,) = yaml.safe_load(excerpt("pre-commit"))["repos"]
    assert {hook["id"] for hook in theirs["hooks"]} <= set(HOOKS)
    (local,) = yaml.safe_load(excerpt("local"))["repos"]
    for hook in local["hooks"]:
        assert hook["entry"] == HOOKS[hook["id"]]["entry"]


# ---- The action --------------------------------------------------------------------


def filled(text: str, inputs: dict[str, str]) -> str:
    """A text of the action with its inputs put in, as the runner does it."""
    given = {name: about["default"] for name, about in ACTION["inputs"].items()}
    return re.sub(
        r"\$\{\{ inputs\.([a-z-]+) \}\}", lambda m: (given | inputs)[m[1]], text
    )


def act(folder: Path, **inputs: str) -> CompletedProcess[str]:
    """Run the action's steps by bash in a folder; what the first to fail has said.

    pip takes its wheel from this checkout and everything else from this Python: the
    tests ask no registry.
    """
    given = {name.replace("_", "-"): value for name, value in inputs.items()}
    runner = {
        "RUNNER_TEMP": str(folder.parent / "runner"),
        "GITHUB_ACTION_PATH": str(ROOT),
        "GITHUB_WORKSPACE": str(folder),
        **{"PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0"},
    }
    path = f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"
    for step in ACTION["runs"]["steps"]:
        assert step["shell"] == "bash"
        # A value of the runner is no part of a script, where it could be any command.
        assert "${{" not in step["run"]
        more = {k: filled(v, given) for k, v in step.get("env", {}).items()}
        done = run(
            *("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]),
            cwd=folder / filled(step.get("working-directory", "."), given),
            env=os.environ | runner | more | {"PATH": path},
        )
        if done.returncode:
            break
    return done


def test_action_passes_what_is_in_step_and_stops_what_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    folder = tmp_path / "repository"
    (folder / "sub" / "bpcompile").mkdir(parents=True)
    # A folder of this name, as in this repository itself, is not what runs.
    (folder / "sub" / "bpcompile" / "__init__.py").write_text("1 / 0\n")
    monkeypatch.chdir(folder / "sub")
    Path("net.json").write_text(SPEC)
    Path("pyproject.toml").write_text(CONFIGURATION)
    Path("net.py").write_text(compile_spec("net.json"))
    done = act(folder, working_directory="sub")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    installed = tmp_path / "runner" / "bpcompile" / "bpcompile"
    assert (installed / "templates").is_dir()
    done = act(folder, args="build sub/*.json -o sub/ --check")
    assert (done.returncode, done.stderr) == (0, "")
    Path("net.json").write_text(SPEC.replace("4", "5"))
    done = act(folder, working_directory="sub")
    said = "::error file=sub/net.py::net.py: is stale\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", said)
    done = act(
        folder, args='build "; touch hacked; echo $(touch hacked) `touch hacked`'
    )
    assert done.returncode == 2
    assert not Path("hacked").exists()
    assert not (folder / "hacked").exists()


def test_the_page_names_inputs_that_there_are() -> None:
    workflow = yaml.safe_load(excerpt("workflow"))
    uses = [step["uses"] for step in workflow["jobs"]["generated-code"]["steps"]]
    assert any("/bpcompile@" in name for name in uses)
    for name in ACTION["inputs"]:
        assert f"`{name}" in PAGE
    assert f"`bpcompile {ACTION['inputs']['args']['default']}`" in PAGE


# ---- Make --------------------------------------------------------------------------


@pytest.mark.skipif(not shutil.which("make"), reason="no make here")
def test_the_makefile_of_the_page(project: Path) -> None:
    Path("Makefile").write_text(excerpt("make"))

    def make(*goals: str) -> CompletedProcess[str]:
        return run("make", *goals, env=environment())

    assert make("check").returncode == 0
    Path("net.json").write_text(SPEC.replace("4", "5"))
    os.utime("net.py", (1, 1))
    assert make("check").returncode == 2
    assert make().returncode == 0
    assert Path("net.py").read_text() == compile_spec("net.json")
    assert "up to date" in make().stdout
