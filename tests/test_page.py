"""The HTML page of a comparison: whole, safe, and true to the modules of both sides."""

from __future__ import annotations

import functools
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from html_pages import (
    HOSTILE,
    Page,
    assert_links_lead_somewhere,
    assert_self_contained,
)
from support import EVERY_TARGET, SPECS, bpcompile, spec_of, text_of

from bpcompile import diff
from bpcompile.compare.difference import Difference
from bpcompile.compare.page_code import CHANGED, RENUMBERED, Passage, Source, chunks
from bpcompile.spec import NetworkSpec

EIGHT = [20, 16, 14, 12, 10, 8, 6, 3]
NINE = [20, 16, 14, 12, 11, 10, 8, 6, 3]


def code_of(page: Page, side: str) -> str:
    """All lines of one side, put in order by their numbers."""
    lines: dict[int, str] = {}
    for element in page.elements:
        if first := element.attributes.get(f"data-{side}"):
            texts = re.findall(r"[^\n]*\n", "".join(element.text))
            numbered = dict(enumerate(texts, int(first)))
            assert not numbered.keys() & lines.keys()
            lines |= numbered
    assert sorted(lines) == list(range(1, len(lines) + 1))
    return "".join(lines[number] for number in sorted(lines))


def spec(layers: list[Any], cost: str = "cross_entropy", **fields: Any) -> NetworkSpec:
    return spec_of(layers=layers, cost=cost, **fields)


SOFTMAX = [20, 16, {"size": 3, "activation": "softmax"}]
PAIRS = {
    "inserted": (spec(EIGHT), spec(NINE)),
    "removed": (spec(NINE), spec(EIGHT)),
    "softmax": (spec([20, 16, 3], "quadratic"), spec(SOFTMAX, "log_likelihood")),
    "optimizer": (
        spec([20, 16, 3]),
        spec([20, 16, 3], hyperparameters={"optimizer": "adam"}),
    ),
    "equal": (spec([20, 16, 3]), spec([20, 16, 3])),
    "hostile": (
        spec([20, 16, 3], description=HOSTILE),
        spec([20, 3], description=HOSTILE[::-1]),
    ),
}


@functools.cache
def compared_pair(name: str) -> Difference:
    return diff(*PAIRS[name])


@functools.cache
def html_of(name: str) -> str:
    """Its page: made once, as that takes longer than all that is said of it."""
    return compared_pair(name).html()


@functools.cache
def page_of(name: str) -> Page:
    return Page(html_of(name))


@pytest.fixture(params=PAIRS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_tags_are_balanced_and_anchors_lead_somewhere(name: str) -> None:
    page = page_of(name)
    assert page.values("href")
    assert_links_lead_somewhere(page)


def test_every_layer_of_either_side_has_its_anchor(name: str) -> None:
    compared, ids = compared_pair(name), set(page_of(name).values("id"))
    after = {f"layer-{i}" for i in range(1, len(compared.b.sizes) + 1)}
    alone = {f"layer-a-{p.left}" for p in compared.layers if p.right is None}
    assert {i for i in ids if re.fullmatch(r"layer-(a-)?\d+", i)} == after | alone


def test_nothing_is_loaded_and_only_its_own_style_and_script_count(
    name: str,
) -> None:
    assert_self_contained(html_of(name))


def test_the_sides_joined_are_the_two_modules(name: str) -> None:
    compared, page = compared_pair(name), page_of(name)
    assert compared.networks
    for side, network in zip("ab", compared.networks, strict=True):
        assert code_of(page, side) == text_of(network.spec)


@pytest.mark.parametrize("target", EVERY_TARGET)
@pytest.mark.parametrize("other", EVERY_TARGET)
def test_modules_of_two_targets_are_whole_too(target: str, other: str) -> None:
    given = SPECS / "xor.json"
    found = diff(given, given, target=target, target_of_b=other)
    assert found.networks
    page = Page(found.html())
    for side, network in zip("ab", found.networks, strict=True):
        assert code_of(page, side) == network.text


def test_free_text_is_escaped(name: str) -> None:
    text = html_of(name)
    assert text.count("<script") == 1
    assert "<img" not in text
    assert "\u202e" not in text
    assert "\u2028" not in text


def test_the_description_is_told_as_it_is() -> None:
    page = page_of("hostile")
    assert any("</script><!-- ]]>" in text for text in page.all("td"))


def test_only_what_differs_is_unfolded() -> None:
    """Of eight layers with one inserted: what a reader sees first."""
    text = html_of("inserted")
    seen = re.sub(r"(?s)<details>.*?</details>", "", text.replace("\n", " "))
    heads = re.findall(r'<h3[^>]*>.*?</b> (.*?) <span class="kind">(\w+)', seen)
    assert heads == [("layer 5", "inserted"), ("layer 6 (was 5)", "changed")]
    assert text.count("only renumbered") == 2  # in the verdict and over the fold


def test_equal_specs_have_one_picture_and_say_so() -> None:
    text = html_of("equal")
    assert text.count("<svg") == 1
    assert "No difference." in text
    assert "<del>" not in text
    assert "<ins>" not in text


def test_same_bytes_twice(name: str) -> None:
    assert diff(*PAIRS[name]).html() == html_of(name)


def test_every_change_has_a_sign_beside_its_colour(name: str) -> None:
    """Lines with marked words begin with - or +."""
    for side, marked in (("a", "del"), ("b", "ins")):
        lines = re.findall(
            rf'<span [^>]*data-{side}="\d+"><b>(.)</b>(.*)', html_of(name)
        )
        sign = "-" if side == "a" else "+"
        assert {found for found, rest in lines if f"<{marked}>" in rest} <= {sign}


@pytest.mark.parametrize("level", ["spec", "code"])
def test_other_levels_are_pages_too(level: str) -> None:
    found = diff(*PAIRS["softmax"], level=level)
    page = Page(found.html())
    if level == "code":
        texts = ["".join(e.text) for e in page.elements if "data-b" in e.attributes]
        assert "        softmax(a3)\n" in texts
    else:
        assert "/layers/2/activation" in set(page.all("code"))


def test_generated_files_have_a_page_without_pictures(tmp_path: Path) -> None:
    a, b = tmp_path / "a.py", tmp_path / "b.py"
    for file, given in zip((a, b), PAIRS["softmax"], strict=True):
        file.write_text(text_of(given), "utf-8")
    text = diff(a, b, level="code").html()
    Page(text)
    assert "<svg" not in text
    assert "<ins>softmax</ins>(a3)" in text


def test_command_writes_the_page_and_writes_it_again(tmp_path: Path) -> None:
    output = tmp_path / "diff.html"
    command = "diff", SPECS / "xor.json", "--set", "layers[1].size=5"
    for _ in range(2):
        done = bpcompile(*command, "-f", "html", "-o", output)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    Page(output.read_text("utf-8"))


def test_hundreds_of_layers_are_told_once() -> None:
    """Lines that are equal on both sides are in the page once."""
    layers = [4] * 300
    changed = [*layers[:150], 5, *layers[151:]]
    text = diff(spec(layers), spec(changed)).html()
    Page(text)
    assert text.count('<section class="layer ') == 4
    assert len(text) < 2 * len(text_of(spec(layers)))


def test_in_a_notebook_the_page_has_a_frame_of_its_own() -> None:
    found = diff(*PAIRS["hostile"])
    frame = Page(found._repr_html_())
    (element,) = frame.elements
    assert element.tag == "iframe"
    assert element.attributes["srcdoc"] == found.html()


# ---- Lines -------------------------------------------------------------------------


def passage(left: str, right: str, layers: tuple[int, int] = (0, 0)) -> Passage:
    a, b = (
        tuple(Source(i, line) for i, line in enumerate(text.split("\n"), 1))
        for text in (left, right)
    )
    return Passage(a, b, layers, ("#", "#"))


def test_words_that_differ_are_marked_and_no_others() -> None:
    (chunk,) = chunks(passage("a3 = sigmoid(z3)", "a3 = softmax(z3)"))
    assert chunk.kind == CHANGED
    for line, word in ((chunk.left[0], "sigmoid"), (chunk.right[0], "softmax")):
        assert [p.text for p in line.pieces if p.mark == CHANGED] == [word]


def test_a_layers_own_number_is_no_change() -> None:
    left = "# BP4  layer 5\nw5 = normal(N5, N4, seed, 5) / 4\ndelta5 *= a5.T"
    right = "# BP4  layer 6\nw6 = normal(N6, N5, seed, 6) / 4\ndelta6 *= a6.T"
    (chunk,) = chunks(passage(left, right, (5, 6)))
    assert chunk.kind == RENUMBERED
    marked = [
        p.text for line in chunk.right for p in line.pieces if p.mark == RENUMBERED
    ]
    assert marked == ["6", "w6", "N6", "N5", "6", "delta6", "a6"]


def test_another_layers_number_is_a_change() -> None:
    (chunk,) = chunks(passage("delta5 *= a5", "delta6 *= a5", (5, 6)))
    assert chunk.kind == CHANGED
    assert [p.text for p in chunk.right[0].pieces if p.mark == CHANGED] == ["a5"]


def test_lines_are_paired_with_what_they_became_and_never_cross() -> None:
    left = "x = one(a, b)\ny = two(c, d)"
    right = "begin()\nx = one(a, c)\ny = two(c, e)\nend()"
    (chunk,) = chunks(passage(left, right))
    marks = [[p.text for p in x.pieces if p.mark == CHANGED] for x in chunk.right]
    assert marks == [[], ["c"], ["e"], []]


def test_chunks_hold_every_line_once_in_order() -> None:
    first, second = (text_of(given).split("\n") for given in PAIRS["softmax"])
    found = chunks(passage("\n".join(first), "\n".join(second)))
    assert [line.text for chunk in found for line in chunk.left] == first
    assert [line.text for chunk in found for line in chunk.right] == second
    assert all(one.kind != other.kind for one, other in pairwise(found))
