"""Inference in C: the NumPy outputs, under every compiler, with nothing but libm."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from inference import OTHERS, both, data_of, inference_text, saved, spec_named
from modules import LAYERS, inputs
from numpy.typing import NDArray
from support import ROOT, difference, module_of, spec_of

TARGET = "c"
STRICT = [
    "-std=c11",
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-Wshadow",
    "-Werror",
    "-pedantic",
]
COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]
#: Of float32: 24 bits, and a sum of a few products in another order.
BOUNDS = {"float32": 2e-6, "float64": 1e-13}

pytestmark = pytest.mark.skipif(not COMPILERS, reason="needs a C compiler")


class Library:
    """The two functions of an inference file, called by example."""

    def __init__(self, text: str, folder: Path, outputs: int, *options: str) -> None:
        source, library = folder / "net.c", folder / f"net{len(options)}.so"
        source.write_text(text, "utf-8")
        shared = [*STRICT, "-O2", "-DBPC_NO_MAIN", "-shared", "-fPIC", *options]
        compiled(source, library, COMPILERS[0], *shared)
        self.functions = ctypes.CDLL(str(library))
        self.functions.network_predict.restype = ctypes.c_bool
        wide = "-DBPC_REAL=double" in options or "#define BPC_REAL double" in text
        self.real, self.outputs = np.float64 if wide else np.float32, outputs

    def feedforward(self, x: Any) -> NDArray[Any]:
        rows = np.ascontiguousarray(x, self.real)
        found = np.empty((len(rows), self.outputs), self.real)
        n = ctypes.c_size_t(len(rows))
        self.functions.network_feedforward(n, at(rows), at(found))
        return found

    def predict(self, x: Any, like: NDArray[Any]) -> list[Any] | None:
        """A list of what each row gives, None where one gives nothing."""
        rows = np.ascontiguousarray(x, self.real)
        found = np.empty(like.shape, np.int64 if like.dtype.kind == "i" else self.real)
        n = ctypes.c_size_t(len(rows))
        done = self.functions.network_predict(n, at(rows), at(found))
        return found.tolist() if done else None


def at(array: NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def compiled(source: Path, output: Path, compiler: str, *options: str) -> None:
    libraries = [] if "-c" in options else ["-lm"]
    command = [compiler, *options, str(source), "-o", str(output), *libraries]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr[:2000]


def outputs_of(network: Any) -> int:
    return int(list(network.parameters.values())[-1].shape[0])


@pytest.mark.parametrize("dtype", BOUNDS)
@pytest.mark.parametrize("name", [*LAYERS, *OTHERS])
def test_outputs_are_those_of_numpy(name: str, dtype: str, tmp_path: Path) -> None:
    spec = spec_named(name, dtype=dtype)
    weights = saved(spec, tmp_path, data_of(name))
    network, _, alone = both(spec, "numpy", weights)
    text = inference_text(spec, weights, TARGET)
    library = Library(text, tmp_path, outputs_of(network))
    x = (5 * inputs(64) + 1).astype(dtype)
    assert difference(library.feedforward(x), alone.feedforward(x)) <= BOUNDS[dtype]
    expected = alone.predict(x)
    found = library.predict(x, expected)
    if expected.dtype.kind == "i":
        assert found == expected.tolist()
    else:
        assert difference(found, expected) <= BOUNDS[dtype]
    x[1, 2] = np.nan
    assert library.predict(x, expected) is None


def test_float32_weights_are_the_same_numbers_in_a_wider_build(tmp_path: Path) -> None:
    spec = spec_named("classes", dtype="float32")
    weights = saved(spec, tmp_path, data_of("classes"))
    text = inference_text(spec, weights, TARGET)
    wide = module_of(spec_named("classes")).Network(dtype="float64")
    narrow = module_of(spec).Network.load(weights)
    for name, array in narrow.parameters.items():
        wide.parameters[name][...] = array
    library = Library(text, tmp_path, 4, "-DBPC_REAL=double")
    x = inputs(16)
    assert difference(library.feedforward(x), wide.feedforward(x)) <= BOUNDS["float64"]


def test_numbers_at_the_edge_of_their_type(tmp_path: Path) -> None:
    """One weight alone is not 0, so that the output is that weight to the bit."""
    about = np.finfo(np.float32)
    edges = [-0.0, about.smallest_subnormal, about.tiny, about.max, about.min, 0.1]
    layers = [6, {"size": 6, "activation": "identity"}]
    spec = spec_of(layers=layers, cost="quadratic")
    network, weights = module_of(spec).Network(), tmp_path / "w"
    network.w2[...] = np.diag(np.array(edges, np.float32))
    network.b2[...] = 0
    network.save(weights)
    library = Library(inference_text(spec, weights, TARGET), tmp_path, 6)
    found = library.feedforward(np.ones((1, 6)))
    assert found.tolist() == [np.array(edges, np.float32).tolist()]


# ---- The file ----------------------------------------------------------------------

KINDS = ["classes", "one_tanh", "one_value", "standardized", "own", "many"]


def file_of(name: str, folder: Path, dtype: str = "float32") -> Path:
    spec = spec_named(name, dtype=dtype)
    text = inference_text(spec, saved(spec, folder, data_of(name)), TARGET)
    path = folder / f"{name}_{dtype}.c"
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("name", KINDS)
def test_no_compiler_has_anything_to_say(
    name: str, compiler: str, tmp_path: Path
) -> None:
    for dtype in BOUNDS:
        path = file_of(name, tmp_path, dtype)
        for level in ("-O0", "-O3"):
            for real in ("float", "double"):
                given = [*STRICT, level, f"-DBPC_REAL={real}", "-c"]
                for part in ([], ["-DBPC_NO_MAIN"], ["-DBPC_FREESTANDING"]):
                    compiled(path, tmp_path / "net.o", compiler, *given, *part)


@pytest.mark.skipif(not shutil.which("clang-format"), reason="needs clang-format")
def test_clean_under_its_formatter(tmp_path: Path) -> None:
    style = (ROOT / "templates" / TARGET / ".clang-format").read_text("utf-8")
    (tmp_path / ".clang-format").write_text(style, "utf-8")
    paths = [str(file_of(name, tmp_path)) for name in KINDS]
    command = ["clang-format", "--dry-run", "--Werror", *paths]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:2000]
    for path in map(Path, paths):
        for line in path.read_text("utf-8").splitlines():
            assert len(line) <= 88, f"{path.name}: {line}"


@pytest.mark.skipif(not shutil.which("nm"), reason="needs nm")
def test_freestanding_needs_no_system(tmp_path: Path) -> None:
    path, made = file_of("standardized", tmp_path), tmp_path / "net.o"
    compiled(path, made, COMPILERS[0], "-O2", "-DBPC_FREESTANDING", "-c")
    listed = subprocess.run(["nm", made], capture_output=True, text=True).stdout
    needed = {line.split()[-1] for line in listed.splitlines() if " U " in line}
    assert needed <= {"expf", "tanhf", "memcpy", "memset", "_GLOBAL_OFFSET_TABLE_"}
    # Weights are read only, so that they stay in flash; nothing else is kept.
    kept = {line.split()[1] for line in listed.splitlines() if len(line.split()) == 3}
    assert kept <= {"T", "t", "r"}


def test_a_program_may_have_several_networks(tmp_path: Path) -> None:
    objects = []
    for prefix in ("one_", "two_"):
        path, made = file_of("classes", tmp_path), tmp_path / f"{prefix}.o"
        options = ["-DBPC_FREESTANDING", f"-DBPC_PREFIX={prefix}", "-c"]
        compiled(path, made, COMPILERS[0], *STRICT, *options)
        objects.append(str(made))
    use = tmp_path / "use.c"
    use.write_text("""
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
bool one_network_predict(size_t n, const float *x, int64_t *result);
bool two_network_predict(size_t n, const float *x, int64_t *result);
int main(void) {
    const float x[3] = {0};
    int64_t one = -1, two = -2;
    const bool done = one_network_predict(1, x, &one) && two_network_predict(1, x, &two);
    return done && one == two ? 0 : 1;
}
""")
    compiled(use, tmp_path / "use", COMPILERS[0], *STRICT, *objects)
    assert subprocess.run([tmp_path / "use"]).returncode == 0


# ---- The program -------------------------------------------------------------------


@pytest.fixture(scope="module")
def programs(tmp_path_factory: Any) -> dict[str, tuple[Path, ModuleType]]:
    """The program of a classification and of a regression, under sanitizers."""
    made = {}
    for name in ("classes", "values"):
        folder = tmp_path_factory.mktemp(name)
        spec, path = spec_named(name), file_of(name, folder, "float64")
        options = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
        compiled(path, folder / "net", COMPILERS[-1], *STRICT, *options)
        *_, alone = both(spec, "numpy", folder / "trained.safetensors")
        made[name] = folder / "net", alone
    return made


def given(program: Path, text: str, *words: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [program, *words], input=text, capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout, done.stderr


def test_the_program_predicts_line_by_line(programs: Any) -> None:
    x = inputs(5)
    lines = [" ".join(map(repr, row)) for row in x.tolist()]
    forms = [
        "\n".join(lines) + "\n",
        "\n".join(lines),
        "\r\n".join(line.replace(" ", ", ") for line in lines) + "\r\n\r\n",
        "\n\n".join(f"\t{line}  " for line in lines),
    ]
    for name, (program, alone) in programs.items():
        expected = alone.predict(x)
        for text in forms:
            code, out, err = given(program, text)
            assert (code, err) == (0, "")
            found = [list(map(float, line.split())) for line in out.splitlines()]
            bound = 0 if name == "classes" else BOUNDS["float64"]
            assert difference(found, expected) <= bound
        assert given(program, "") == (0, "", "")


WRONG_LINES = {
    "1 2": "line 2: expected 3 numbers, got 2",
    "1 2 3 4": "line 2: expected 3 numbers, got 4",
    "1 2 x": "line 2: holds what is no finite number",
    "1 2 3x": "line 2: holds what is no finite number",
    "1 2 nan": "line 2: holds what is no finite number",
    "1 inf 3": "line 2: holds what is no finite number",
    "1 1e999 3": "line 2: holds what is no finite number",
    "1 2 3\0": "line 2: holds what is no finite number",
    "1 2 " + "3" * 1000: "line 2: holds what is no finite number",
}


@pytest.mark.parametrize("line", WRONG_LINES, ids=range(len(WRONG_LINES)))
def test_wrong_lines_end_in_a_message(line: str, programs: Any) -> None:
    program, _ = programs["classes"]
    code, out, err = given(program, f"1 2 3\n{line}\n1 2 3\n")
    assert (code, err) == (2, f"error: {WRONG_LINES[line]}\n")
    assert len(out.splitlines()) == 1


def test_arguments_are_refused(programs: Any) -> None:
    program, _ = programs["classes"]
    code, out, err = given(program, "", "--x", "x.npy")
    assert (code, out) == (2, "")
    assert err.startswith("error: takes no argument")
