"""The gate between free text and templates: no template can do with free text anything
but declare it, and one that tries is refused before a file is written."""

from __future__ import annotations

import gc
import shutil
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import EVERY_TARGET, SPECS, renderer, spec_of

from bpcompile import cli, target, words
from bpcompile.gate import SIGNS, UnsafeTemplate, sealed
from bpcompile.lower import lower
from bpcompile.operators import (
    ACTIVATIONS,
    COSTS,
    INITIALIZERS,
    OPTIMIZERS,
    SCALINGS,
    SCHEDULES,
)
from bpcompile.operators.entry import Entry
from bpcompile.plan import Plan
from bpcompile.render import Renderer, context, environment
from bpcompile.target import (
    Target,
    default_target_name,
    load_target,
    templates_root,
)

CANARY = "xyzzy\"'\\\n*/ ??/ {0} %s"


def plan_of(description: str = CANARY, **fields: Any) -> Plan:
    stack = {"layers": [2, 3, 2], "cost": "quadratic"}
    return lower(spec_of(**{**stack, "description": description, **fields}))


# ---- Templates that are not safe ---------------------------------------------------

#: What somebody might write into a template, and a word of what is said of it.
NOT_DECLARED = "description is free text"
UNSAFE: dict[str, tuple[str, str]] = {
    "printed": ("{{ plan.description }}", NOT_DECLARED),
    "in a comment": ("SIGN {{ plan.description }}", NOT_DECLARED),
    "in a text, not escaped": ('x = "{{ plan.description }}"', NOT_DECLARED),
    "in an identifier": ("about_{{ plan.description }} = 1", NOT_DECLARED),
    "joined": ('{{ "SIGN " ~ plan.description }}', NOT_DECLARED),
    "added": ('{{ "SIGN " + plan.description }}', NOT_DECLARED),
    "added to": ('{{ plan.description + "" }}', NOT_DECLARED),
    "formatted": ('{{ "%s" % plan.description }}', NOT_DECLARED),
    "formatted by a filter": ('{{ "%s" | format(plan.description) }}', NOT_DECLARED),
    "of the normalised spec": ("{{ plan.normalised.description }}", NOT_DECLARED),
    "within the normalised spec": ("{{ plan.normalised }}", NOT_DECLARED),
    "within its values": ("{{ plan.normalised.values() | list }}", NOT_DECLARED),
    "within the plan": ("{{ plan }}", NOT_DECLARED),
    "by another name": ("{% set it = plan.description %}{{ it }}", NOT_DECLARED),
    "through a macro": (
        "{% macro m(t) %}SIGN {{ t }}{% endmacro %}{{ m(plan.description) }}",
        NOT_DECLARED,
    ),
    "branched on": ("{% if plan.description %}SIGN{% endif %}", NOT_DECLARED),
    "branched on not": ("{% if not plan.description %}SIGN{% endif %}", NOT_DECLARED),
    "compared": ('{% if plan.description == "a" %}SIGN{% endif %}', NOT_DECLARED),
    "searched": ('{% if "a" in plan.description %}SIGN{% endif %}', NOT_DECLARED),
    "found": ('{% if plan.description in ["a"] %}SIGN{% endif %}', NOT_DECLARED),
    "measured": ("SIGN {{ plan.description | length }}", NOT_DECLARED),
    "chosen": ('SIGN {{ plan.description or "" }}', NOT_DECLARED),
    "replaced if empty": (
        'SIGN {{ plan.description | default("", true) }}',
        NOT_DECLARED,
    ),
    "looped over": ("{% for c in plan.description %}{{ c }}{% endfor %}", NOT_DECLARED),
    "its first sign": ("SIGN {{ plan.description[0] }}", NOT_DECLARED),
    "a slice": ("SIGN {{ plan.description[:9] }}", NOT_DECLARED),
    "a method": ("SIGN {{ plan.description.upper() }}", NOT_DECLARED),
    "a key": ("SIGN {{ {plan.description: 1} }}", NOT_DECLARED),
    "summed": ('SIGN {{ ["", plan.description] | join }}', NOT_DECLARED),
    **{
        f"through {name}": (f"SIGN {{{{ plan.description | {name} }}}}", "")
        for name in (
            *("upper", "string", "e", "safe", "tojson", "trim", "list", "title"),
            *("pprint", "urlencode", 'replace("a", "b")', "indent(4)", "wordwrap(9)"),
            *("truncate(9)", "striptags", "xmlattr", "first", "reverse", "urlize"),
        )
    },
    "its literal": ("x = {{ literal(plan.description, 80) }}", ""),
    "its name": ("x = {{ spell(plan.description) }}", NOT_DECLARED),
    "a comment of it": ("{{ comment(plan.description) }}", ""),
    "declared in a comment": (
        "SIGN {{ declared(plan.description) }}",
        "not a line of its own",
    ),
    "declared in a text": (
        'x = "{{ declared(plan.description) }}"',
        "not a line of its own",
    ),
    "declared before more": (
        "{{ declared(plan.description) }} more",
        "not a line of its own",
    ),
    "declared further in": (
        "    {{ declared(plan.description) }}",
        "not a line of its own",
    ),
    "declared after a splice": (
        "SIGN more \\\n{{ declared(plan.description) }}",
        "goes on with the line before",
    ),
    "declared twice": (
        "{{ declared(plan.description) }}\n{{ declared(plan.description) }}",
        "repeated",
    ),
    "declared and cut": ("SIGN {{ declared(plan.description)[1:] }}", "no longer"),
    "declared and changed": (
        "{{ declared(plan.description) | upper }}",
        "no longer",
    ),
    "declared as something else": ('{{ declared("a text") }}', "takes free text"),
    "another sign": ("SIGN \u200b\u202e", "U+200B, U+202E"),
    "a bell": ("SIGN \x07", "U+0007"),
    "a carriage return": ('SIGN {{ "\\r" }}', "U+000D"),
}
#: Between signs of its own language, a declaration would be no code.
INSIDE = {
    "numpy": '"""A docstring.\n{{ declared(plan.description) }}\n"""',
    "c": "/* A comment.\n{{ declared(plan.description) }}\n*/",
}
DECLARED = "{{ declared(plan.description) }}"


def planted(folder: Path, base: str, text: str) -> Target:
    """A target like another, of which that text is the whole module."""
    text = text.replace("SIGN", load_target(base).settings["comment"])
    folder.joinpath("module.txt").write_text(f"{text}\n", "utf-8")
    settings = f'base = "{base}"\nmodule = "module.txt"\n'
    folder.joinpath("target.toml").write_text(settings, "utf-8")
    return load_target(f"{folder}/")


@pytest.mark.parametrize("name", EVERY_TARGET)
@pytest.mark.parametrize("fault", UNSAFE)
def test_an_unsafe_template_is_refused(fault: str, name: str, tmp_path: Path) -> None:
    text, said = UNSAFE[fault]
    made = Renderer(planted(tmp_path, name, text))
    with pytest.raises((UnsafeTemplate, TypeError)) as refused:
        made.render(plan_of())
    message = str(refused.value)
    assert said in message
    assert "FreeText" in message or refused.type is UnsafeTemplate
    assert "xyzzy" not in message


@pytest.mark.parametrize("name", INSIDE)
def test_a_declaration_that_is_no_code_is_refused(name: str, tmp_path: Path) -> None:
    made = Renderer(planted(tmp_path, name, INSIDE[name]))
    with pytest.raises(UnsafeTemplate, match="stands after an open"):
        made.render(plan_of())


@pytest.mark.parametrize("name", EVERY_TARGET)
def test_what_faults_are_planted_in_is_accepted_without_them(
    name: str, tmp_path: Path
) -> None:
    (file,) = Renderer(planted(tmp_path, name, DECLARED)).render(plan_of("a"))
    (statement,) = file.text.splitlines()[2:]
    assert statement in renderer(name).render(plan_of("a"))[0].text.splitlines()


def test_an_unsafe_template_of_ours_is_our_bug_and_writes_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = tmp_path / "root"
    shutil.copytree(templates_root(), root)
    (path,) = root.glob(f"{default_target_name()}/spec.jinja")
    text = path.read_text("utf-8")
    assert text.count(DECLARED) == 1
    path.write_text(text.replace(DECLARED, "# {{ plan.description }}"), "utf-8")
    monkeypatch.setattr(target, "templates_root", lambda: root)
    assert cli.main([str(SPECS / "xor.json"), "-o", f"{tmp_path}/output"]) == cli.OURS
    assert list(tmp_path.iterdir()) == [root]
    said = capsys.readouterr().err.splitlines()
    assert said[-2].startswith(f"bpcompile.gate.UnsafeTemplate: {NOT_DECLARED}: ")
    assert said[-1] == "bpcompile: this is our bug, please report it"
    assert any("spec.jinja" in line for line in said)


def test_an_unsafe_template_of_ones_own_is_shown_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder := tmp_path / "mine").mkdir()
    planted(folder, default_target_name(), UNSAFE["in a comment"][0])
    arguments = ["-t", f"{folder}", "-o", f"{tmp_path}/output"]
    assert cli.main([str(SPECS / "xor.json"), *arguments]) == cli.MEND
    assert list(tmp_path.iterdir()) == [folder]
    said = capsys.readouterr().err
    assert "module.txt:1: " in said
    assert said.endswith(f"{NOT_DECLARED}: declared() alone may put it into a file\n")
    assert len(said.splitlines()) == 1


# ---- Literals that are not safe ----------------------------------------------------


@pytest.mark.parametrize("name", EVERY_TARGET)
@pytest.mark.parametrize("sign", ['"', "\\", "\n", "\r", "?", "é", "\u2028", "\0"])
def test_a_literal_function_that_forgets_a_sign_is_refused(
    name: str, sign: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = renderer(name)
    made.render(plan_of(f"a{sign}"))
    monkeypatch.setattr(words.Words, "_escaped", lambda self, character: character)
    with pytest.raises(UnsafeTemplate, match="literal of description"):
        made.render(plan_of(f"a{sign}"))


@pytest.mark.parametrize("name", EVERY_TARGET)
def test_settings_that_escape_nothing_are_refused(name: str) -> None:
    own = load_target(name)
    literal = {**own.settings["literal"], "escaped": {}, "byte": "{0:c}"}
    made = Renderer(replace(own, settings={**own.settings, "literal": literal}))
    with pytest.raises(UnsafeTemplate, match="literal of description"):
        made.render(plan_of())


# ---- What templates see ------------------------------------------------------------


def reachable(value: object) -> set[str]:
    """Every text that a value leads to, whatever way there is."""
    seen, rest, texts = set(), [value], set()
    while rest:
        value = rest.pop()
        if id(value) in seen or isinstance(value, type | types.ModuleType):
            continue
        seen.add(id(value))
        if isinstance(value, str):
            texts.add(value)
        # Of a function what it closes over, not the module around it.
        function = isinstance(value, types.FunctionType)
        rest += value.__closure__ or () if function else gc.get_referents(value)
    return texts


@pytest.mark.parametrize("name", EVERY_TARGET)
def test_no_way_leads_from_a_template_to_free_text(name: str) -> None:
    plan, own = plan_of(), load_target(name)
    assert CANARY in reachable(plan)
    shown, texts = sealed(plan)
    assert texts == {"description": CANARY}
    seen = reachable([context(shown, own), environment(own).globals])
    assert plan.digest in seen and "description" in seen
    assert not [text for text in seen if "xyzzy" in text]


@pytest.mark.parametrize("text", ['a"', "a\\", "a\n", "a'", "é", "$", "{0}", "`", "?"])
@pytest.mark.parametrize("key", ["name", "dtype", "normalised"])
def test_only_the_description_may_be_anything(key: str, text: str) -> None:
    plan = plan_of()
    changed = {**plan.normalised, "layers": [{"size": 2}, {"activation": text}]}
    made: dict[str, Any] = {key: changed if key == "normalised" else text}
    with pytest.raises(UnsafeTemplate, match="no word and no formula"):
        sealed(replace(plan, **made))


# ---- What files hold ---------------------------------------------------------------


def chosen(entry: Entry) -> dict[str, Any]:
    """A choice of an entry, with a value for every parameter that has no default."""
    return {
        "kind": entry.kind,
        **{
            p.name: p.words[0] if p.words else 2 if p.whole else 0.5
            for p in entry.parameters
            if p.default is None
        },
    }


def everything() -> list[dict[str, Any]]:
    """Specs with every entry of every registry."""
    one = {"layers": [2, 3, 2], "cost": "quadratic"}
    last = [k for k in ACTIVATIONS if k != "softmax"]
    outputs = ("softmax", "sigmoid", "exp", "identity")
    hyper = [
        *({"optimizer": chosen(e)} for e in OPTIMIZERS.values()),
        *({"schedule": chosen(e)} for e in SCHEDULES.values()),
        {
            "regularization": {"l1": 1.0, "l2": 1.0, "max_norm": 1.0},
            "clipping": {"norm": 1.0},
            "early_stopping": {"patience": 2},
            "validation_fraction": 0.1,
        },
    ]
    formula = "where(z >= 0, z, where(z <= -1, z * 3 + 2, z)) + min(z, 3) + erf(z)"
    own = {"activations": {"mine": {"formula": formula}}}
    return [
        *({**one, "layers": [2, {"size": 3, "activation": k}, 2]} for k in last),
        *({**one, "layers": [2, {"size": 3, "activation": k}]} for k in ACTIVATIONS),
        *(
            {"layers": [2, {"size": 2, "activation": k}], "cost": chosen(cost)}
            for cost in COSTS.values()
            for k in outputs
            if cost.kind != "log_likelihood" or k == "softmax"
            if cost.kind not in ("cross_entropy", "hinge", "poisson")
            or k
            == {"cross_entropy": "sigmoid", "poisson": "exp"}.get(cost.kind, "identity")
        ),
        *(
            {**one, "layers": [2, {"size": 2, key: chosen(e)}]}
            for e in INITIALIZERS.values()
            for key in ("initializer", "bias_initializer")
        ),
        *(
            {**one, "layers": [{"size": 2, "scaling": chosen(e)}, 2]}
            for e in SCALINGS.values()
        ),
        *({**one, "hyperparameters": h} for h in hyper),
        {**one, "layers": [2, {"size": 3, "activation": "mine"}, 2], "operators": own},
    ]


def test_no_entry_prints_a_sign_that_no_file_may_hold() -> None:
    """Else a spec that is right would end as a bug of ours."""
    seen = set()
    for fields in everything():
        plan = lower(spec_of(**fields))
        for name in EVERY_TARGET:
            files = renderer(name).render(plan)
            seen |= {sign for file in files for sign in set(file.text)}
    assert {sign for sign in seen if not sign.isascii()} <= SIGNS


@pytest.mark.parametrize("name", ["a\nimport os", "it's", "é", "a b", "\x1b[2J"])
def test_a_target_whose_name_is_no_word_is_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first line of every file names it."""
    folder = tmp_path / "deep" / name
    shutil.copytree(templates_root() / "numpy", folder, dirs_exist_ok=True)
    assert cli.main([str(SPECS / "xor.json"), "-t", f"{folder}/"]) == cli.MEND
    said = capsys.readouterr()
    assert (said.out, len(said.err.splitlines())) == ("", 1)
    assert "rename its folder" in said.err
    assert said.err[:-1].isprintable()
