"""Weights files of the C target: NumPy's byte for byte, and refused where NumPy does."""

from __future__ import annotations

import json
import pathlib
import struct
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from c_files import PLAIN, Files
from modules import spec_for
from numpy.typing import NDArray
from support import SPECS, shared, spec_of, text_of
from wrong_weights import BAD_HEADERS, CHANGES, NAMES, OTHERS, SCALINGS, SOFTMAX

from bpcompile import load_spec
from bpcompile.spec import NetworkSpec

CLASSES = "classes"
SCALED = [{"size": 3, "scaling": "standardize"}, 5, SOFTMAX]
OWN = {
    "layers": [3, {"size": 5, "activation": "bent"}, SOFTMAX],
    "operators": {"activations": {"bent": {"formula": "(sqrt(z*z + 1) - 1) / 2 + z"}}},
}
LEAKY = [
    {"size": 3, "scaling": {"kind": "divide", "by": 255}},
    {"size": 5, "activation": {"kind": "leaky_relu", "slope": 0.3}},
    SOFTMAX,
]
Make = Callable[..., Files]


@pytest.fixture
def files(tmp_path: pathlib.Path) -> Iterator[Make]:
    """Makes processes that end with the test, each leaving nothing behind."""
    made: list[Files] = []

    def make(spec: NetworkSpec, **options: Any) -> Files:
        made.append(Files(spec, tmp_path, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def saved(one: Files, **members: Any) -> bytes:
    """The file of a NumPy network whose parameters are all different."""
    net = one.module.Network(seed=7)
    net.epoch = 3
    for k, p in enumerate(net.parameters.values()):
        p[...] = np.linspace(-2 - k, 2, p.size).reshape(p.shape)
    for name, value in members.items():
        setattr(net, name, value)
    net.save(one.folder / "good")
    return (one.folder / "good").read_bytes()


def again(one: Files) -> bytes:
    """The file that the C network writes."""
    (one.folder / "again").unlink(missing_ok=True)
    assert one("save", "again") == ""
    return (one.folder / "again").read_bytes()


# ---- The same bytes ----------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(SPECS.glob("*.json")), ids=lambda p: p.stem)
def test_the_gallery_s_files_are_numpy_s(path: pathlib.Path, files: Make) -> None:
    one = files(load_spec(path), flags=PLAIN)
    good = saved(one)
    assert one("load", "good") == ""
    assert again(one) == good


TEXT = (
    "quotes \" ' \\ and $ ??/ %s é ü \U0001f600 \u2028 \ufffd \x85 a\nb\tc\x7f "
    + 90 * "long "
)


@pytest.mark.parametrize("text", [TEXT, ""], ids=["odd", "empty"])
def test_any_description_stands_in_the_file_as_numpy_has_it(
    text: str, files: Make
) -> None:
    one = files(spec_for(CLASSES, description=text))
    good = saved(one)
    assert one("load", "good") == ""
    assert again(one) == good


@pytest.mark.parametrize("flag", ["-DBPC_REAL=double", "-DBPC_PORTABLE", "-U__unix__"])
def test_the_bytes_do_not_depend_on_how_the_program_is_built(
    flag: str, files: Make
) -> None:
    one = files(spec_for(CLASSES, dtype="float32"), flags=(*PLAIN, flag))
    good = saved(one)
    assert one("load", "good") == ""
    assert again(one) == good


def test_a_number_that_float_cannot_hold_is_refused(files: Make) -> None:
    one = files(spec_for(CLASSES), flags=(*PLAIN, "-DBPC_REAL=float"))
    before = saved(one, w2=np.full((5, 3), 0.1))
    assert one("load", "good") == ""
    rounded = again(one)
    assert rounded != before
    saved(one, w2=np.full((5, 3), 1e300))
    assert "array w2 holds a number that is too large here" in one("load", "good")
    assert again(one) == rounded


def numbers() -> list[NDArray[Any]]:
    """Numbers whose shortest decimal is not easily found, 2,000 a list."""
    rng = np.random.default_rng(4)
    any_bits = rng.integers(1, 0x7FF0000000000000, 2000).astype(np.uint64)
    powers = np.ldexp(1.0, np.arange(-1000, 1000))
    tens = np.round(rng.normal(size=2000), 3) * 10.0 ** rng.integers(-8, 20, 2000)
    edges = [0.0, -0.0, 1e16, 9999999999999998.0, 1e15, 5e-324, 1e-4, 9.999e-5, 1e22]
    tens[: len(edges)] = edges
    return [any_bits.view(np.float64), powers, tens]


def test_scalings_are_written_as_python_writes_numbers(files: Make) -> None:
    layers = [{"size": 2000, "scaling": "standardize"}, 1]
    one = files(spec_of(name="wide", layers=layers, cost="quadratic"))
    for values in numbers():
        divisor = np.where(values == 0, 1, np.abs(values))
        good = saved(one, shift=values, divisor=divisor, fitted=True)
        assert one("load", "good") == ""
        assert again(one) == good


# ---- What is refused ---------------------------------------------------------------


class Judges:
    """Both trainers' opinions of files for one network; they must be the same."""

    def __init__(self, one: Files, good: bytes) -> None:
        self.one, self.good = one, good
        assert one("load", "good") == ""
        (length,) = struct.unpack("<Q", good[:8])
        self.header = json.loads(good[8 : 8 + length])
        self.numbers = good[8 + length :]

    def file(self, header: Any) -> bytes:
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        return struct.pack("<Q", len(text)) + text + self.numbers

    def about(self, **metadata: str) -> bytes:
        """The good file with other metadata."""
        changed = {**self.header["__metadata__"], **metadata}
        return self.file({**self.header, "__metadata__": changed})

    def refused(self, data: bytes) -> str:
        """What C says of the file, "" if both take it.

        A network that refuses one is what it was.
        """
        self.one.data.write_bytes(data)
        said = self.one("load", "data")
        try:
            taken = self.one.module.Network.load(self.one.data)
        except self.one.module.InputError:
            assert said.startswith("data: ")
            assert again(self.one) == self.good
        else:
            assert said == ""
            taken.save(self.one.folder / "taken")
            assert again(self.one) == (self.one.folder / "taken").read_bytes()
            assert self.one("load", "good") == ""
        return said


@pytest.fixture
def judges(files: Make) -> Judges:
    one = files(spec_for(CLASSES))
    return Judges(one, saved(one))


def test_cut_off_at_every_byte_or_longer(judges: Judges) -> None:
    for length in range(len(judges.good)):
        assert judges.refused(judges.good[:length])
    assert "1 bytes follow the last array" in judges.refused(judges.good + b"\0")


def test_every_byte_of_the_header_changed(judges: Judges) -> None:
    """The text of what is not compared, such as a description, may be any."""
    refused = 0
    end = len(judges.good) - len(judges.numbers)
    for place in range(end):
        changed = bytearray(judges.good)
        changed[place] ^= 1 << place % 8
        refused += judges.refused(bytes(changed)) != ""
    assert refused > end / 2


@pytest.mark.parametrize(("header", "reason"), BAD_HEADERS, ids=range(len(BAD_HEADERS)))
def test_bad_headers(header: Any, reason: str, judges: Judges) -> None:
    judges.numbers = b"1234"
    said = judges.refused(judges.file(header))
    assert said.startswith("data: corrupt file, or not safetensors: ")
    assert reason in said


#: What C takes: it keeps no names, so that equal ones do no harm.
EQUAL = {name for name in NAMES if '"b", "b"' in name}


@pytest.mark.parametrize(
    "name", sorted({*CHANGES, *NAMES} - EQUAL - {"number too long"})
)
def test_wrong_weights(name: str, judges: Judges) -> None:
    change, message = {**CHANGES, **NAMES}[name]
    module = judges.one.module
    arrays, metadata = module.read_safetensors(judges.one.folder / "good")
    change(arrays, metadata)
    module.write_safetensors(judges.one.folder / "wrong", arrays, metadata)
    assert message in judges.refused((judges.one.folder / "wrong").read_bytes())


def test_other_networks(judges: Judges) -> None:
    spec = json.loads(judges.header["__metadata__"]["spec"])
    for layers, message in OTHERS.values():
        other = spec_for(CLASSES, layers=layers).normalised()
        said = judges.refused(judges.about(spec=json.dumps(other)))
        assert f"made for {'' if '4 layers' in message else 'another'}" in said
        assert message in said
    assert judges.refused(judges.about(spec=json.dumps(spec, indent=1))) == ""


SHAPES = [
    *([], [0], [15], [5, 3, 1], [3, 5], [2**63], [2**52, 2**52], [2**52, 2**52, 0]),
    *([-1], [1.0], [True], [None], ["5"], [[5], 3], {}, "5", None, [10**400]),
]
PLACES = [[], [0], [0, 120, 1], [120, 0], [8, 128], [0, 2**53], [0, 2**64], [0, 1e2]]


def test_shapes_and_places(judges: Judges) -> None:
    for key, values in (("shape", SHAPES), ("data_offsets", PLACES)):
        for value in values:
            entry = {**judges.header["w2"], key: value}
            assert judges.refused(judges.file({**judges.header, "w2": entry})), value


def test_numbers_that_are_not_finite_at_every_place(judges: Judges) -> None:
    for place in range(0, len(judges.numbers), 8):
        for number in (np.nan, -np.inf):
            data = bytearray(judges.good)
            start = len(data) - len(judges.numbers) + place
            data[start : start + 8] = struct.pack("<d", number)
            assert "holds numbers that are not finite" in judges.refused(bytes(data))


def test_what_may_be_written_in_another_way(judges: Judges) -> None:
    header = judges.header
    text = json.dumps(header).encode()
    same = [
        json.dumps(dict(reversed(header.items())), indent=2).encode(),
        text.replace(b'"w2"', rb'"\u00772"').replace(b'"epoch"', rb'"\u0065poch"'),
        text + b" \n",
    ]
    for other in same:
        assert judges.refused(judges.file(other)) == ""
    # the arrays one after another, the last of them first
    end, places, data = 0, {"__metadata__": header.pop("__metadata__")}, b""
    for name, entry in reversed(header.items()):
        start, stop = entry["data_offsets"]
        data += judges.numbers[start:stop]
        places[name] = {**entry, "data_offsets": [end, len(data)]}
        end = len(data)
    judges.numbers = data
    assert judges.refused(judges.file(places)) == ""


def test_names_that_come_twice(judges: Judges) -> None:
    text = json.dumps(judges.header).encode()
    for name in (b'"w2"', b'"epoch"'):
        twice = text.replace(name, name + b': "", ' + name, 1)
        assert "names something twice" in judges.refused(judges.file(twice))
    shape = text.replace(b'"shape"', b'"shape": [5], "shape"', 1)
    assert judges.refused(judges.file(shape))


def test_scalings(files: Make) -> None:
    one = files(spec_for(CLASSES, layers=SCALED))
    shift, divisor = np.array([0.1, -2.0, 3e-7]), np.array([1.5, 2.0, 1e300])
    judges = Judges(one, saved(one, shift=shift, divisor=divisor, fitted=True))
    for text in SCALINGS:
        assert judges.refused(judges.about(scaling=text)), text[:60]
    right = '{"divisor":[1,25e-1,3.5E+2], "fitted":false,\t"shift":[-1,0,1e-400]}'
    assert judges.refused(judges.about(scaling=right)) == ""


KINDS: list[Any] = [
    *("sigmoid", None, 5, True, [1], {"kind": "leaky_relu", "slope": 0.3}),
    *({"slope": 3e-1, "kind": "leaky_relu"}, {"kind": "leaky_relu", "slope": 0.4}),
    *({"kind": "divide", "by": 255}, {"by": 255.0}, {"kind": {"deep": ["a,b"]}}),
]


def test_kinds_with_numbers_are_the_same_whatever_their_order(files: Make) -> None:
    one = files(spec_for(CLASSES, layers=LEAKY, dtype="float32"))
    judges = Judges(one, saved(one))
    spec = json.loads(judges.header["__metadata__"]["spec"])
    taken = 0
    for layer, key in ((0, "scaling"), (1, "activation"), (1, "size")):
        held = spec["layers"][layer][key]
        for kind in KINDS:
            spec["layers"][layer][key] = kind
            taken += judges.refused(judges.about(spec=json.dumps(spec))) == ""
        spec["layers"][layer][key] = held
    assert taken == 4


FORMULAS: list[Any] = [
    *(None, 3, [], {"activations": None}, {"activations": 3}),
    *({"activations": {"bent": of}} for of in (3, {}, [], {"formula": 3})),
    {"activations": {"bent": {"formula": "z"}}},
]


def test_formulas_of_the_same_name(files: Make) -> None:
    one = files(spec_for(CLASSES, **OWN))
    judges = Judges(one, saved(one))
    spec = json.loads(judges.header["__metadata__"]["spec"])
    for own in FORMULAS:
        spec["operators"] = own
        said = judges.refused(judges.about(spec=json.dumps(spec)))
        assert said, own
    assert "its bent is 'z', here it is '(sqrt(" in said
    del spec["operators"]
    assert judges.refused(judges.about(spec=json.dumps(spec))) == ""


def test_the_json_suite_as_header_and_metadata(files: Make) -> None:
    """What Python's reader takes beyond JSON, such as NaN, stands where it is refused."""
    one = files(spec_for(CLASSES, layers=SCALED))
    judges = Judges(one, saved(one))
    paths = sorted(shared("cases/JSONTestSuite").rglob("*.json"))
    assert len(paths) > 300
    for path in paths:
        data = path.read_bytes()
        whole = json.dumps(judges.header).encode()
        assert judges.refused(judges.file(data)), path.name
        assert judges.refused(judges.file(b'{"a": ' + data + b", " + whole[1:]))
        try:
            text = data.decode()
        except UnicodeDecodeError:
            continue
        assert judges.refused(judges.about(spec=text)), path.name
        assert judges.refused(judges.about(scaling=text)), path.name


# ---- What is not saved -------------------------------------------------------------

SPOILT = {
    "nan": "array w2 is nan at row 0, column 0, not finite",
    "inf": "array b3 is -inf at row 1, column 0, not finite",
    "seed": "seed is 9007199254740992, expected a whole number of 0 or more",
    "shift": "shift is nan at row 2, not finite",
    "divisor": "its scaling holds something that cannot be used",
}


@pytest.mark.parametrize("kind", SPOILT)
def test_save_keeps_the_old_file_where_load_would_refuse(
    kind: str, files: Make
) -> None:
    one = files(spec_for(CLASSES, layers=SCALED), flags=(*PLAIN, "-DSCALED"))
    good = saved(one)
    assert one("load", "good") == ""
    assert one("spoil", kind) == ""
    assert SPOILT[kind] in one("save", "good")
    assert (one.folder / "good").read_bytes() == good
    assert not (one.folder / "good.prev").exists()


def test_numbers_beyond_the_spec_s_dtype_are_not_saved(files: Make) -> None:
    double = (*PLAIN, "-DBPC_REAL=double")
    one = files(spec_for(CLASSES, dtype="float32"), flags=double)
    assert one("spoil", "huge") == ""
    assert "array w2 holds a number that is too large for float32" in one("save", "w")
    assert list(one.folder.iterdir()) == []


# ---- The text of the spec ----------------------------------------------------------


def test_the_spec_s_text_is_broken_into_lines(files: Make) -> None:
    """Of any length, in no line beyond the 88 columns of all the code."""
    names = [f"own_kind_{k}" for k in range(8)]
    formula = {"formula": "tanh(z) / 2 + (sqrt(z*z + 1) - 1) / 2 + z / (1 + z*z)"}
    layers = [3, *({"size": 2, "activation": name} for name in names), 2]
    operators = {"activations": dict.fromkeys(names, formula)}
    spec = spec_of(layers=layers, cost="quadratic", operators=operators)
    one = files(spec)
    good = saved(one)
    assert one("load", "good") == ""
    assert again(one) == good
    text = text_of(spec, "c")
    lines = text[text.index("SPEC[]") :].splitlines()
    assert max(len(line) for line in lines[:80]) <= 88
