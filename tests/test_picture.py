"""Pictures of networks: what is drawn of every layer, whatever the spec holds."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
import xml.etree.ElementTree as ET
from itertools import pairwise
from typing import Any

import pytest
from support import SPECS, run, spec_of

from bpcompile import load_spec, lower
from bpcompile.picture import dot, mermaid, svg
from bpcompile.spec import NetworkSpec
from bpcompile.summary import size_text, summarize

SVG = "{http://www.w3.org/2000/svg}"
GALLERY = sorted(SPECS.rglob("*.json"))
PICTURES = (svg, mermaid, dot)


def network(*sizes: int, **fields: Any) -> NetworkSpec:
    return spec_of(**{"layers": list(sizes), "cost": "cross_entropy", **fields})


def deep(layers: int) -> NetworkSpec:
    return network(64, *[32] * (layers - 2), 10)


def texts(picture: str) -> list[str]:
    return [found.text or "" for found in ET.fromstring(picture).iter(f"{SVG}text")]


def neurons(picture: str) -> list[int]:
    """How many neurons each column has."""
    groups = ET.fromstring(picture).iter(f"{SVG}g")
    return [len(list(g)) for g in groups if g.get("class") != "dots"]


# ---- What is drawn -----------------------------------------------------------------


def test_small_network_is_drawn_whole() -> None:
    picture = svg(load_spec(SPECS / "xor.json"))
    assert neurons(picture) == [2, 4, 1]
    said = texts(picture)
    assert said[0] == "xor"
    for text in (
        *("layer 1", "layer 2", "layer 3", "2 inputs", "4 neurons", "1 output"),
        *("w2 (4, 2)", "b2 (4, 1)", "w3 (1, 4)", "b3 (1, 1)", "cost", "cross_entropy"),
    ):
        assert text in said
    paths = [path.get("d", "") for path in ET.fromstring(picture).iter(f"{SVG}path")]
    assert [path.count("M") for path in paths] == [2 * 4, 4 * 1, 1]


def test_large_layer_is_drawn_in_part_and_says_how_many_it_has() -> None:
    picture = svg(network(784, 30, 10))
    assert neurons(picture) == [9, 9, 10]
    assert {"784 inputs", "30 neurons", "10 outputs"} <= set(texts(picture))
    groups = ET.fromstring(picture).findall(f"{SVG}g[@class='dots']")
    assert [len(list(group)) for group in groups] == [3, 3]


@pytest.mark.parametrize("size", [1, 2, 3, 9, 10, 11, 12, 100, 10_000, 1_000_000])
def test_layer_of_any_size(size: int) -> None:
    picture = svg(network(size, 1, size))
    drawn = size if size <= 10 else 9
    assert neurons(picture) == [drawn, 1, drawn]
    assert f"w2 (1, {size})" in texts(picture)


def test_dropout_is_said_and_seen() -> None:
    layers = [{"size": 5, "dropout": 0.2}, {"size": 4, "dropout": 0.5}, 2]
    spec = spec_of(layers=layers, cost="cross_entropy")
    kinds = [g.get("class") for g in ET.fromstring(svg(spec)).iter(f"{SVG}g")]
    assert kinds == ["input drops", "hidden drops", "output"]
    for picture in PICTURES:
        assert "dropout 0.2" in picture(spec)
        assert "dropout 0.5" in picture(spec)


@pytest.mark.parametrize("layers", range(2, 11))
def test_every_layer_of_ten_is_drawn(layers: int) -> None:
    spec = deep(layers) if layers > 2 else network(64, 10)
    assert [t for t in texts(svg(spec)) if t.startswith("layer")] == [
        f"layer {i}" for i in range(1, layers + 1)
    ]


@pytest.mark.parametrize("layers", [11, 12, 100, 1000])
def test_middle_of_a_deep_network_is_folded(layers: int) -> None:
    spec = deep(layers)
    shown = [t for t in texts(svg(spec)) if t.startswith("layer")]
    fold = f"layers 5 to {layers - 3}"
    last = [f"layer {i}" for i in range(layers - 2, layers + 1)]
    assert shown == [*(f"layer {i}" for i in range(1, 5)), fold, *last]
    assert {f"{layers - 7} layers", "32 neurons each"} <= set(texts(svg(spec)))
    for picture in PICTURES:
        assert fold in picture(spec)


def test_marked_layers_stand_out_and_are_not_folded() -> None:
    spec = deep(1000)
    picture = svg(spec, marked=(3, 500))
    titles = [t for t in texts(picture) if t.startswith("layer")]
    assert titles[4:7] == ["layers 5 to 499", "layer 500", "layers 501 to 997"]
    kinds = [g.get("class", "") for g in ET.fromstring(picture).iter(f"{SVG}g")]
    assert sum("marked" in kind for kind in kinds) == 2
    assert "class L3,L500 marked" in mermaid(spec, marked=(3, 500))
    # A picture has room for some of them.
    many = svg(spec, marked=range(1, 1001))
    assert len([t for t in texts(many) if t.startswith("layer")]) < 20


def test_description_says_every_layer_in_words() -> None:
    root = ET.fromstring(svg(deep(8)))
    assert root.get("role") == "img"
    assert root[0].tag == f"{SVG}title"
    assert root[0].text == "network, a network of 8 layers"
    assert root[1].tag == f"{SVG}desc"
    assert root[1].text == (
        "Layer 1: 64 inputs. Layers 2 to 7: 32 neurons each, sigmoid. "
        "Layer 8: 10 outputs, sigmoid. The cost is cross_entropy."
    )
    # Layers of which none is like its neighbour do not make a book of it.
    root = ET.fromstring(svg(network(*range(1, 1001))))
    assert len(root[1].text or "") < 1000


# ---- Where it is drawn -------------------------------------------------------------

#: Letters are at least so wide on average in common sans-serif fonts of 13 pixels.
LETTER = 6.5


@pytest.mark.parametrize(
    "spec",
    [
        *map(load_spec, GALLERY),
        deep(1000),
        network(1, 1, name="n" * 64),
        network(1_000_000, 1, 1_000_000, 100),
        network(*range(1, 1001)),
    ],
    ids=lambda spec: f"{spec.name[:9]}-{len(spec.layers)}",
)
def test_no_text_meets_another_or_leaves_the_picture(spec: NetworkSpec) -> None:
    root = ET.fromstring(svg(spec))
    width, height = (float(root.get(name, "0")) for name in ("width", "height"))
    rows: dict[float, list[tuple[float, float]]] = {}
    for found in root.iter(f"{SVG}text"):
        x, y = float(found.get("x", "0")), float(found.get("y", "0"))
        reach = LETTER * len(found.text or "")
        left = x if found.get("class") == "name" else x - reach / 2
        assert left >= 0
        assert left + reach <= width
        assert 0 < y < height
        rows.setdefault(y, []).append((left, left + reach))
    for row in rows.values():
        for (_, end), (start, _) in pairwise(sorted(row)):
            assert end < start


# ---- What a spec may hold ----------------------------------------------------------

HOSTILE = (
    "</desc><script>alert(1)</script>&amp;\"'\x00\x0b\x1b]8;;\ud800\u202e ]]> {{ 1 }}"
)


def test_free_text_is_text() -> None:
    spec = network(2, 3, 1).model_copy(update={"description": HOSTILE})
    picture = svg(spec)
    assert "<script" not in picture
    root = ET.fromstring(picture)
    assert (root[1].text or "").endswith("]]> {{ 1 }}")
    assert "</desc><script>alert(1)</script>&amp;" in (root[1].text or "")
    picture.encode()
    for other in (mermaid, dot):
        assert "script" not in other(spec)


def test_operators_of_ones_own_are_drawn_by_their_names() -> None:
    spec = load_spec(SPECS / "own.json")
    for picture in PICTURES:
        assert "bent" in picture(spec)
        assert "robust" in picture(spec)


# ---- As files ----------------------------------------------------------------------


@pytest.mark.parametrize("path", GALLERY, ids=lambda path: path.stem)
def test_picture_of_a_plan_is_that_of_its_spec(path: Any) -> None:
    spec = load_spec(path)
    for picture in PICTURES:
        assert picture(spec) == picture(lower(spec))
        assert picture(spec).endswith("\n")


def test_picture_loads_nothing_and_names_nothing() -> None:
    """It may stand twice in a page, and in one without a network."""
    picture = svg(load_spec(SPECS / "digits.json"))
    assert picture.count("http") == 1  # the name of the language, no address
    for word in (" id=", "url(", "href", "@import", "<script", " on"):
        assert word not in re.sub(r"<desc>.*</desc>", "", picture)
    assert "prefers-color-scheme: dark" in picture


PROCESS = """
import sys
from bpcompile import load_spec
from bpcompile.picture import dot, mermaid, svg
spec = load_spec(sys.argv[1])
print(svg(spec), mermaid(spec), dot(spec), spec._repr_html_())
"""


def test_same_bytes_in_another_process() -> None:
    outputs = set()
    for seed in ("1", "2"):
        env = {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        env |= {"PYTHONIOENCODING": "utf-8"}
        done = run(sys.executable, "-c", PROCESS, SPECS / "deep.json", env=env)
        assert done.returncode == 0, done.stderr
        outputs.add(done.stdout)
    assert len(outputs) == 1


def test_thousand_layers_take_less_than_a_second() -> None:
    spec = deep(1000)
    for picture in PICTURES:
        start = time.perf_counter()
        picture(spec)
        assert time.perf_counter() - start < 1


@pytest.mark.parametrize("layers", [2, 3, 8, 1000])
def test_graphviz_draws_the_graph(layers: int) -> None:
    if not shutil.which("dot"):
        pytest.skip("Graphviz is not installed")
    spec = deep(layers) if layers > 2 else network(64, 10)
    drawn = run("dot", "-Tplain", input=dot(spec, marked=(2,)))
    assert (drawn.returncode, drawn.stderr) == (0, "")
    nodes = [line.split() for line in drawn.stdout.splitlines() if line[:5] == "node "]
    first = [node for node in nodes if node[1].startswith("L1_")]
    # Neurons stand below each other in their order, the ellipsis between.
    order = [node[1] for node in sorted(first, key=lambda n: -float(n[3]))]
    names = [*range(1, 6), "more", *range(61, 65)]
    assert order == [f"L1_{name}" for name in names]


def test_graph_of_a_network_called_like_a_keyword() -> None:
    if not shutil.which("dot"):
        pytest.skip("Graphviz is not installed")
    drawn = run("dot", "-Tplain", input=dot(network(2, 1, name="strict")))
    assert (drawn.returncode, drawn.stderr) == (0, "")


# ---- In notebooks ------------------------------------------------------------------


def test_notebooks_show_picture_and_summary() -> None:
    spec = load_spec(SPECS / "xor.json")
    for shown in (spec, lower(spec)):
        assert shown._repr_svg_() == svg(spec)
        html = shown._repr_html_()
        assert svg(spec) in html
        assert '<td class="word">sigmoid</td>' in html
    assert "<script" not in html


def test_summary_in_words() -> None:
    summary = summarize(lower(load_spec(SPECS / "xor.json")))
    assert (
        summary.text()
        == """\
layer  activation  neurons    w    b  parameters  forward  backward
1      input             2                     0        0         0
2      sigmoid           4  4×2  4×1          12        8         8
3      sigmoid           1  1×4  1×1           5        4         8
all                                           17       12        16

68 bytes for parameters
68 bytes for gradients
0 bytes for the optimizer's state
208 bytes for a mini-batch of 4
"""
    )
    for made in (summary.markdown(), summary.html()):
        for cell in (cell for row in summary.rows for cell in row):
            assert cell in made
    assert summary.markdown().splitlines()[1].count("--:") == 6


def test_sizes_in_words() -> None:
    sizes = {1023: "1,023 bytes", 9_999: "9,999 bytes", -12_345: "-12.3 kB"}
    sizes |= {95_440: "95.4 kB", 999_960: "1.0 MB", 5 * 10**15: "5,000.0 TB"}
    assert {size: size_text(size) for size in sizes} == sizes
