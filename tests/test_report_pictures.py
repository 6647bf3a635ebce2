"""Pictures of reports: the first layer's weights and the worst mistakes."""

from __future__ import annotations

import base64
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from html_pages import Page, assert_self_contained
from run_logs import end, start, written
from support import module_of, spec_of

from bpcompile.cli import main
from bpcompile.reporting.log import read_log
from bpcompile.reporting.pictures import SHADES, Pictures, pictures
from bpcompile.reporting.png import png, url
from bpcompile.spec import NetworkSpec

SQUARE = spec_of(name="square", layers=[25, 4, 3], cost="cross_entropy")
BOOK = spec_of(name="book", layers=[784, 100, 10], cost="cross_entropy")
VALUES = spec_of(
    name="values", layers=[25, {"size": 2, "activation": "identity"}], cost="quadratic"
)


def pixels(source: str) -> list[list[tuple[int, ...]]]:
    """The colours of a PNG of one byte for each pixel, row by row."""
    file = base64.b64decode(source.removeprefix("data:image/png;base64,"))
    assert file[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(file):
        (size,) = struct.unpack(">I", file[at : at + 4])
        kind, data = file[at + 4 : at + 8], file[at + 8 : at + 8 + size]
        (check,) = struct.unpack(">I", file[at + 8 + size : at + 12 + size])
        assert check == zlib.crc32(kind + data)
        chunks[kind] = data
        at += 12 + size
    assert [*chunks] == [b"IHDR", b"PLTE", b"IDAT", b"IEND"]
    width, height, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert rest == [8, 3, 0, 0, 0]
    palette = [*struct.iter_unpack("BBB", chunks[b"PLTE"])]
    data = zlib.decompress(chunks[b"IDAT"])
    rows = [data[i * (width + 1) :][: width + 1] for i in range(height)]
    assert all(row[0] == 0 for row in rows)
    return [[palette[place] for place in row[1:]] for row in rows]


def test_png_holds_its_pixels() -> None:
    palette = [(0, 0, 0), (255, 0, 0), (1, 2, 3)]
    found = pixels(url(png(bytes([0, 1, 2, 2, 1, 0]), 3, palette)))
    assert found == [palette, palette[::-1]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Logs, weights and data of the three networks."""
    path = tmp_path_factory.mktemp("runs")
    random = np.random.default_rng(0)
    for spec in (SQUARE, BOOK, VALUES):
        names = [f"class {i}" for i in range(spec.layers[-1].size)]
        written(path / f"{spec.name}.jsonl", [start(spec, classes=names), end(0)])
        module_of(spec).Network(seed=3).save(str(path / f"{spec.name}.safetensors"))
        x = random.random((60, spec.layers[0].size), np.float32)
        y: Any = random.integers(0, spec.layers[-1].size, 60)
        if spec is VALUES:
            y = random.random((60, 2))
        np.savez(path / f"{spec.name}.npz", x_test=x, y_test=y, x_train=x, y_train=y)
    return path


def made(
    folder: Path, spec: NetworkSpec, data: bool = True, **options: Any
) -> Pictures:
    run = read_log(str(folder / f"{spec.name}.jsonl"))
    weights, examples = (
        str(folder / f"{spec.name}.{end}") for end in ("safetensors", "npz")
    )
    return pictures(run, weights, examples if data else None, options.get("size"))


def test_weights_are_blue_below_zero_and_red_above(folder: Path) -> None:
    found = made(folder, SQUARE, data=False)
    assert len(found.weights) == 4
    net = module_of(SQUARE).Network.load(str(folder / "square.safetensors"))
    for picture, row in zip(found.weights, net.parameters["w2"], strict=True):
        colours = pixels(picture.url)
        assert [len(line) for line in colours] == [5] * 5
        flat = [colour for line in colours for colour in line]
        most = np.abs(net.parameters["w2"]).max()
        for weight, (red, _, blue) in zip(row, flat, strict=True):
            if abs(weight) < most / SHADES / 4:
                assert red == blue == 255
            elif abs(weight) > most / SHADES * 2:
                assert (red > blue) == (weight > 0)


def test_the_worst_mistakes_are_those_of_largest_cost(folder: Path) -> None:
    found = made(folder, SQUARE)
    net = module_of(SQUARE).Network.load(str(folder / "square.safetensors"))
    with np.load(folder / "square.npz") as held:
        x, y = held["x_test"], held["y_test"]
    wrong = np.flatnonzero(net.predict(x) != y)
    costs = sorted((-net.cost(x[i : i + 1], y[i : i + 1]), int(i)) for i in wrong)
    rows = [
        int(p.details.split(",")[0].removeprefix("test row ")) for p in found.mistakes
    ]
    assert rows == [i for _, i in costs][:24]
    first = costs[0][1]
    predicted = int(net.predict(x[first : first + 1])[0])
    assert found.mistakes[0].caption == f"class {y[first]} taken for class {predicted}"
    assert f"{len(wrong)} of 60 examples were taken for another" in found.mistakes_note
    # The darkest pixel is the largest input.
    ink = np.array(pixels(found.mistakes[0].url)).sum(axis=2).ravel()
    assert ink.argmin() in np.flatnonzero(x[first] > np.sort(x[first])[-3])


def test_worst_of_a_regression_have_their_values(folder: Path) -> None:
    found = made(folder, VALUES)
    assert len(found.mistakes) == 24
    assert re.fullmatch(r"\S+, \S+ wanted, \S+, \S+ found", found.mistakes[0].caption)


def test_page_with_pictures_is_small_and_loads_nothing(folder: Path) -> None:
    """Weights that are pure noise are the largest pictures."""
    from bpcompile.reporting.page import page

    found = made(folder, BOOK)
    assert "Shown are the first 64 of 100 neurons." in found.weights_note
    text = page(read_log(str(folder / "book.jsonl")), found)
    assert len([*Page(text).values("src")]) == len(found.weights) + len(found.mistakes)
    assert_self_contained(text)
    assert len(text.encode()) < 190_000
    assert page(read_log(str(folder / "book.jsonl")), made(folder, BOOK)) == text


def test_large_pictures_are_reduced_to_means(tmp_path: Path) -> None:
    spec = spec_of(name="large", layers=[70 * 50, 2], cost="quadratic")
    net = module_of(spec).Network()
    log = written(tmp_path / "run.jsonl", [start(spec), end(0)])
    picture = np.zeros((70, 50))
    picture[:3, 48:] = 1.0  # of 50 columns in threes, the last is two wide
    net.parameters["w2"][0], net.parameters["w2"][1] = picture.ravel(), -1.0
    net.save(str(tmp_path / "w.safetensors"))
    found = pictures(
        read_log(str(log)), str(tmp_path / "w.safetensors"), None, (70, 50)
    )
    first, second = (pixels(one.url) for one in found.weights)
    assert (len(first), len(first[0])) == (24, 17)
    assert first[0][-1] == (176, 42, 28)
    assert {colour for line in first for colour in line} == {(176, 42, 28), (255,) * 3}
    assert {colour for line in second for colour in line} == {(28, 80, 160)}


def test_four_inputs_are_no_picture_unless_they_are_said_to_be(tmp_path: Path) -> None:
    spec = spec_of(layers=[4, 3], cost="cross_entropy", name="four")
    log = written(tmp_path / "run.jsonl", [start(spec), end(0)])
    module_of(spec).Network().save(str(tmp_path / "w.safetensors"))
    np.savez(tmp_path / "d.npz", x=np.eye(4), y=[0, 1, 2, 0])
    output = tmp_path / "r.html"
    command = ["report", str(log), "-o", str(output)]
    command += ["--weights", f"{tmp_path}/w.safetensors", "--data", f"{tmp_path}/d.npz"]
    assert main(command) == 0
    text = output.read_text("utf-8")
    assert "4 inputs are not taken for a picture; --image HxW makes them one." in text
    assert "<img" not in text
    assert "taken for" in text
    assert main([*command, "--image", "2x2"]) == 0
    assert "<img" in output.read_text("utf-8")


def test_class_names_stand_for_labels(tmp_path: Path) -> None:
    names = ["ant", "bee", "cat"]
    spec = spec_of(layers=[4, 3], cost="cross_entropy", name="named")
    log = written(tmp_path / "run.jsonl", [start(spec, classes=names), end(0)])
    weights, data = tmp_path / "w.safetensors", tmp_path / "d.npz"
    module_of(spec).Network().save(str(weights))
    np.savez(data, x=np.eye(4), y=np.array(["bee", "cat", "ant", "bee"]))
    found = pictures(read_log(str(log)), str(weights), str(data), None)
    assert found.mistakes
    told = re.compile("(ant|bee|cat) taken for (ant|bee|cat)")
    assert all(told.fullmatch(one.caption) for one in found.mistakes)


# ---- What is refused ---------------------------------------------------------------


def npz(path: Path, **arrays: Any) -> None:
    np.savez(path, **arrays)


DATA: dict[str, Any] = {
    "corrupt file, or no .npz": lambda path: path.write_bytes(b""),
    "is one array, needs an .npz with x, y": lambda path: np.save(
        path.open("wb"), np.eye(25)
    ),
    "is no .npz file with x, y, which": lambda path: path.write_text("a,b\n1,2\n"),
    "has arrays [a], needs x, y": lambda path: npz(path, a=np.eye(25)),
    "x has shape (25, 25), y (3,): they need rows": lambda path: npz(
        path, x=np.eye(25), y=np.arange(3)
    ),
    "x has shape (24, 24), expected (n, 25)": lambda path: npz(
        path, x=np.eye(24), y=np.zeros(24)
    ),
    "holds object arrays, which are never read": lambda path: npz(
        path, x=np.array([[{}] * 25], object), y=np.zeros(1)
    ),
    "x is nan at row 0, column 0": lambda path: npz(
        path, x=np.full((2, 25), np.nan), y=np.zeros(2)
    ),
    "the log knows no class": lambda path: npz(
        path, x=np.eye(25), y=np.array(["ant"] * 25)
    ),
}


@pytest.mark.parametrize("said", DATA)
def test_wrong_data_are_said(
    said: str, folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "d.npz"
    DATA[said](path)
    assert report(folder, "--data", str(path)) == 2
    err = capfd.readouterr().err
    assert err.count("\n") == 1
    assert "d.npz: " in err
    assert said.lower() in err.lower()


def report(folder: Path, *more: str, weights: str = "square.safetensors") -> int:
    log, output = folder / "square.jsonl", folder / "never.html"
    given = ["--weights", str(folder / weights), *more]
    code = main(["report", str(log), "-o", str(output), *given])
    assert not output.exists()
    return code


def test_missing_data_are_said(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert report(folder, "--data", "none.npz") == 2
    assert "none.npz: no such file" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ("none.safetensors", "none.safetensors: "),
        ("book.safetensors", "book.safetensors: made for "),
        ("square.npz", "square.npz: "),
    ],
)
def test_other_weights_are_said(
    weights: str, said: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert report(folder, weights=weights) == 2
    err = capfd.readouterr().err
    assert err.count("\n") == 1
    assert said in err
    assert err.count(weights) == 1


def test_other_size_is_said(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert report(folder, "--image", "5x6") == 2
    said = "--image 5x6 is 30 pixels, the network has 25 inputs"
    assert said in capfd.readouterr().err
