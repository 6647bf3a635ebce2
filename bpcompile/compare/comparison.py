"""Two specs, or two targets of one spec, or two generated files -> a Difference."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from bpcompile.compare.align import Match, align
from bpcompile.compare.difference import (
    CHANGED,
    INPUTS,
    INSERTED,
    LEVELS,
    MOVED,
    PARTS,
    REMOVED,
    RENUMBERED,
    RESIZED,
    SAME,
    WORDS,
    Difference,
    Fact,
    LayerPair,
    PartChange,
    Passage,
    Setting,
)
from bpcompile.compare.hunks import hunks
from bpcompile.compare.parts import formulas, layer_changes, update_changes
from bpcompile.compare.passages import Passages, paired, passages, says_the_same
from bpcompile.compare.settings import layer_settings, outside_layers, whole_spec
from bpcompile.compare.sides import (
    Generated,
    Given,
    Network,
    generated,
    network,
    refuse_generated,
)
from bpcompile.errors import UserError, quote
from bpcompile.render import Renderer
from bpcompile.summary import LayerSummary, Summary
from bpcompile.target import default_target_name, load_target

SPEC, PLAN, CODE = LEVELS


def diff(
    a: Given,
    b: Given,
    level: str = PLAN,
    target: str | None = None,
    target_of_b: str | None = None,
    overrides: Sequence[str] = (),
) -> Difference:
    """What differs between A and B, each a spec file or a NetworkSpec.

    level          "spec": the normalised specs, by JSON pointer; "plan": layers and
                   formulas, with the numbers of layers folded away; "code": the
                   modules, as a unified diff, where A and B may be generated files
    target         that of the modules, the default one if None
    target_of_b    that of B's, the same if None
    overrides      `PATH=VALUE` changes of B alone, where that is a file

    Raises what `load_spec` and `load_target` raise, and UserError where a generated
    file is to be compared by anything but its code.
    """
    if level not in LEVELS:
        raise UserError(f"no level {quote(level)} (one of: {', '.join(LEVELS)})")
    files = generated(a), generated(b)
    if level != CODE:
        refuse_generated(files, level)
    if all(files) and (target or overrides):
        raise UserError("generated files are compared as they are: no -t, no --set")
    # Of a spec and a file, the spec is compiled for the target of the file.
    made_for = next((file.made_for for file in files if file), default_target_name())
    first = Renderer(load_target(target or made_for))
    second = Renderer(load_target(target_of_b)) if target_of_b else first
    left = files[0] or network(a, first)
    right = files[1] or network(b, second, overrides)
    if level == CODE:
        found = tuple(hunks(left.text, right.text))
        return Difference(
            left.side, right.side, level, hunks=found, networks=_both(left, right)
        )
    assert not isinstance(left, Generated) and not isinstance(right, Generated)
    return of_specs(left, right) if level == SPEC else of_plans(left, right)


def _both(
    a: Network | Generated, b: Network | Generated
) -> tuple[Network, Network] | None:
    if isinstance(a, Generated) or isinstance(b, Generated):
        return None
    return a, b


def of_specs(a: Network, b: Network) -> Difference:
    """At level "spec"."""
    matches = _matches(a, b)
    found = whole_spec(a.normalised, b.normalised, matches)
    return Difference(a.side, b.side, SPEC, settings=tuple(found), networks=(a, b))


def of_plans(a: Network, b: Network) -> Difference:
    """At level "plan": one plan serves every target, so that of two targets the parts
    are told whose statements differ, with their code."""
    code = passages(a), passages(b)
    update = tuple(update_changes(a, b))
    return Difference(
        a.side,
        b.side,
        PLAN,
        layers=tuple(_pair(a, b, match, code, update) for match in _matches(a, b)),
        settings=tuple(outside_layers(a.normalised, b.normalised)),
        parts=update,
        facts=tuple(_facts(a.summary, b.summary)),
        networks=(a, b),
    )


def _matches(a: Network, b: Network) -> list[Match]:
    return align(a.normalised["layers"], b.normalised["layers"])


# ---- Facts -------------------------------------------------------------------------


def _facts(a: Summary, b: Summary) -> Iterator[Fact]:
    yield Fact("parameters", a.parameters, b.parameters)
    yield Fact("multiply-adds forward", a.forward, b.forward)
    yield Fact("multiply-adds backward", a.backward, b.backward)
    for name, before, after in (
        ("memory of parameters", a.parameter_bytes, b.parameter_bytes),
        ("memory of the optimizer", a.state_bytes, b.state_bytes),
        ("memory of a mini-batch", a.mini_batch_bytes, b.mini_batch_bytes),
    ):
        yield Fact(name, before, after, "bytes")


def _facts_of_layer(a: LayerSummary | None, b: LayerSummary | None) -> Iterator[Fact]:
    """Of a layer, 0 where a side has none; of the input layer, its size alone."""

    def both(name: str, of: str) -> Fact:
        return Fact(name, getattr(a, of, 0), getattr(b, of, 0))

    yield both("neurons", "size")
    if any(layer and layer.weights for layer in (a, b)):
        before, after = (x.weights[1] if x and x.weights else 0 for x in (a, b))
        yield Fact(INPUTS, before, after)
        yield both("parameters", "parameters")
        yield both("multiply-adds forward", "forward")


# ---- Layers ------------------------------------------------------------------------


def _pair(
    a: Network,
    b: Network,
    match: Match,
    code: tuple[Passages, Passages],
    update: tuple[PartChange, ...],
) -> LayerPair:
    """One layer; `update` is what is told of all of them."""
    left, right = match.left, match.right
    settings = tuple(layer_settings(a.normalised, b.normalised, match))
    facts = tuple(
        _facts_of_layer(
            a.summary.layers[left - 1] if left else None,
            b.summary.layers[right - 1] if right else None,
        )
    )
    lines = paired(*code, left, right)
    parts = tuple(layer_changes(a, b, left, right))
    what: tuple[str, ...] = ()
    if left and right:
        what = _what(settings if not match.moved else (), facts)
        if reworded := tuple(_reworded(a, b, left, right, lines, (*parts, *update))):
            parts = tuple(sorted((*parts, *reworded), key=_order))
            what = (*what, WORDS)
    kind = _kind(match, bool(what or parts))
    return LayerPair(left, right, kind, what, settings, parts, facts, lines)


def _kind(match: Match, changed: bool) -> str:
    if match.left is None:
        return INSERTED
    if match.right is None:
        return REMOVED
    if match.moved:
        return MOVED
    if changed:
        return CHANGED
    return SAME if match.left == match.right else RENUMBERED


def _what(settings: Iterable[Setting], facts: Iterable[Fact]) -> tuple[str, ...]:
    """What changed of a layer, by the keys of its spec, and the size of what it reads."""
    keys = (setting.place.split("/")[3] for setting in settings)
    names = (RESIZED if key == "size" else key for key in keys)
    inputs = [INPUTS for fact in facts if fact.name == INPUTS and fact.changed]
    return tuple(dict.fromkeys((*names, *inputs)))


def _reworded(
    a: Network,
    b: Network,
    left: int,
    right: int,
    lines: Iterable[Passage],
    parts: Iterable[PartChange],
) -> Iterator[PartChange]:
    """The parts that two targets write in other words, of those that are the same."""
    if a.target.name == b.target.name:
        return
    told = {change.part for change in parts}
    signs = a.side.comment, b.side.comment
    before, after = formulas(a, left), formulas(b, right)
    for passage in lines:
        part = passage.part
        if part in PARTS and part not in told:
            if says_the_same(passage, left, right, signs):
                continue
            why = "the two targets write it in other words"
            yield PartChange(part, before.get(part), after.get(part), why)


def _order(change: PartChange) -> int:
    return PARTS.index(change.part)
