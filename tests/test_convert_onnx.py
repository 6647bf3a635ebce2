"""ONNX files: what onnxruntime computes from them is what the trainer computes."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inference import OTHERS, data_of, spec_named
from modules import LAYERS
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from random_specs import inputs_for, minimal, repeatable, specs
from support import LONG, SPECS, difference, module_of, spec_of

from bpcompile import expr
from bpcompile.api import load_spec
from bpcompile.cli import main
from bpcompile.converting.nodes import COMPARISONS, MADE, OPERATORS, Nodes
from bpcompile.converting.onnx_file import IR_VERSION, OPSET, onnx_file, parsed
from bpcompile.converting.weights import checked_weights, own_plan, read_safetensors
from bpcompile.expr import PRIMITIVES, Apply, Const, Var, evaluate, where
from bpcompile.lower import lower
from bpcompile.operators import ACTIVATIONS
from bpcompile.operators.entry import Map
from bpcompile.spec import NetworkSpec

Array = NDArray[Any]
Captured = pytest.CaptureFixture[str]

#: What the issue asks for; both round in the network's dtype.
TOLERANCE = {"float32": 1e-6, "float64": 1e-12}
XOR = str(SPECS / "xor.json")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def exported(net: Any) -> bytes:
    """The ONNX file of a network."""
    net.save("net.safetensors")
    data = Path("net.safetensors").read_bytes()
    weights = read_safetensors(data, "net.safetensors")
    plan = own_plan(weights)
    return onnx_file(*checked_weights(weights, plan), plan)


def ran(data: bytes, x: Array) -> dict[str, Array]:
    """What onnxruntime makes of raw inputs, by the outputs' names."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        data, options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"x": x}), strict=True))


def refuse_difference(spec: NetworkSpec, net: Any, x: Array) -> None:
    """Every output for every x is what the trainer gives."""
    data = exported(net)
    onnx.checker.check_model(onnx.load_model_from_string(data), full_check=True)
    x = x.astype(spec.dtype)
    found = ran(data, x)
    wanted = net.feedforward(x)
    assert found["output"].dtype == spec.dtype
    assert difference(found["output"], wanted) <= TOLERANCE[spec.dtype]
    if spec.resolved_task == "regression":
        assert list(found) == ["output"]
        return
    # An output on the very boundary falls to one side or the other by rounding.
    clear = _margin(spec, wanted) > 10 * TOLERANCE[spec.dtype]
    assert found["class"].dtype == np.int64
    assert (found["class"] == net.predict(x))[clear].all()


def _margin(spec: NetworkSpec, outputs: Array) -> Array:
    """How far each example's outputs are from where another class begins."""
    if outputs.shape[1] == 1:
        return np.asarray(np.abs(outputs[:, 0] - lower(spec).labels.boundary))
    second, first = np.sort(outputs, axis=1)[:, -2:].T
    return np.asarray(first - second)


# ---- Whole networks ----------------------------------------------------------------

GALLERY = sorted(SPECS.glob("*.json"))
BOOK = sorted((SPECS / "book").glob("*.json"))


@pytest.mark.parametrize(
    "path", GALLERY + (BOOK if LONG else BOOK[::8]), ids=lambda path: path.stem
)
def test_gallery(path: Path) -> None:
    spec = load_spec(path)
    net = module_of(spec).Network()
    x = np.random.default_rng(0).random((200, spec.layers[0].size))
    refuse_difference(spec, net, x)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", [*LAYERS, *OTHERS])
def test_every_kind_of_task_and_scaling_once_trained(name: str, dtype: str) -> None:
    spec = spec_named(name, dtype=dtype)
    net = module_of(spec).Network()
    x, y = data_of(name)
    net.train(x, y, epochs=2)
    refuse_difference(spec, net, x)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_every_activation(kind: str, dtype: str) -> None:
    entry = ACTIVATIONS[kind]
    hidden = {"size": 4, "activation": "tanh" if entry.output_only else minimal(entry)}
    last = {"size": 3, "activation": minimal(entry)}
    cost = "log_likelihood" if entry.output_only else "quadratic"
    spec = spec_of(layers=[3, hidden, last], cost=cost, dtype=dtype)
    net = module_of(spec).Network()
    for scale in (0.1, 3.0, 20.0):
        x = np.random.default_rng(1).normal(0, scale, (50, 3))
        refuse_difference(spec, net, x)


@settings(repeatable, max_examples=1000 if LONG else 20)
@given(specs("float32") | specs("float64"), st.integers(0, 99))
def test_random_networks(spec: NetworkSpec, seed: int) -> None:
    net = module_of(spec).Network()
    x = inputs_for(spec, 20, np.random.default_rng(seed)).astype(spec.dtype)
    if hasattr(net, "fitted"):
        net._fit_scaling(x)
    refuse_difference(spec, net, x)


def test_formulas_with_every_word_of_theirs() -> None:
    formulas = {
        "one": "where(z > 0, sqrt(1 + abs(z)), expm1(z) + 1) + (z >= 0) * z * z",
        "two": "log1p(exp(-abs(z))) + max(min(z, 2), sin(z)) * cos(z) + log(1 + z*z)",
        "three": "erf(z) + z**3 / 9 - sign(z) * tanh(z) + where(z <= 0, z, -z / 2)",
        "four": "(z < 0) * z + 0.2 * z",
    }
    own = {name: {"formula": formula} for name, formula in formulas.items()}
    for dtype in TOLERANCE:
        layers = [3, *({"size": 4, "activation": kind} for kind in own)]
        spec = spec_of(
            layers=layers,
            cost="quadratic",
            dtype=dtype,
            operators={"activations": own},
        )
        x = np.random.default_rng(2).normal(0, 0.5, (30, 3))
        refuse_difference(spec, module_of(spec).Network(), x)


def test_scaling_by_a_mean_that_is_large_beside_the_deviation() -> None:
    """In float32 the differences would be lost."""
    spec = spec_named("standardized", dtype="float32")
    net = module_of(spec).Network()
    x = np.random.default_rng(0).normal(10_000, 1, (50, 3)).astype(np.float32)
    net.train(x, np.arange(50) % 4, epochs=1)
    refuse_difference(spec, net, x)


def test_thousand_layers() -> None:
    fields = {"layers": [2] * 1000, "cost": "quadratic", "dtype": "float64"}
    Path("deep.json").write_text(json.dumps(fields))
    rng = np.random.default_rng(0)
    arrays = {}
    x = a = rng.normal(size=(3, 2))
    for layer in range(2, 1001):
        w, b = rng.normal(size=(2, 2)), rng.normal(size=(2, 1))
        arrays |= {f"w{layer}": w, f"b{layer}": b}
        a = 1 / (1 + np.exp(-(a @ w.T + b.T)))
    np.savez("deep.npz", **arrays)
    assert main(["convert", "deep.npz", "deep.onnx", "--spec", "deep.json"]) == 0
    found = ran(Path("deep.onnx").read_bytes(), x)
    assert difference(found["output"], a) <= TOLERANCE["float64"]


def test_file_says_what_it_is() -> None:
    spec = load_spec(XOR)
    net = module_of(spec).Network()
    model = parsed(exported(net), "net.onnx")
    assert model.producer_name == "bpcompile"
    assert model.ir_version == IR_VERSION == 8
    assert [(o.domain, o.version) for o in model.opset_import] == [("", OPSET)]
    assert model.graph.name == spec.name
    held = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    assert held["w2"].tobytes() == net.parameters["w2"].tobytes()
    assert held["b2"].shape == (4,)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(metadata["spec"]) == spec.normalised()
    described = [*model.graph.input, *model.graph.output]
    assert [value.name for value in described] == ["x", "output", "class"]
    shapes = [value.type.tensor_type.shape.dim for value in described]
    assert all(dims[0].dim_param == "n" for dims in shapes)


def test_every_name_is_an_identifier_and_every_constant_is_read() -> None:
    for name in ("own", "many", "standardized", "one"):
        spec = spec_named(name, dtype="float32")
        graph = parsed(exported(module_of(spec).Network()), "net.onnx").graph
        names = [name for node in graph.node for name in node.output]
        held = [tensor.name for tensor in graph.initializer]
        assert all(name.isidentifier() and name.isascii() for name in names + held)
        assert len({*names, *held}) == len(names) + len(held)
        assert set(held) <= {name for node in graph.node for name in node.input}


# ---- Primitives --------------------------------------------------------------------


def test_every_primitive_has_a_word_or_a_body() -> None:
    assert {*OPERATORS} | {*MADE} == {*PRIMITIVES}
    assert not {*OPERATORS} & {*MADE}


#: What a primitive is tried at; what has no value there is left out.
VALUES = [-30.0, -2.5, -1.0, -1e-3, -1e-9, 0.0, 1e-9, 1e-3, 0.3, 1.0, 2.0, 7.5, 30.0]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", PRIMITIVES)
def test_primitive(name: str, dtype: str) -> None:
    """Within 4 units in the last place of the value, or of 1 for sums and sines."""
    count = {"where": 3, "pow": 2, **dict.fromkeys(COMPARISONS, 2)}.get(name, 0)
    count = count or _arity(name)
    names = "xyz"[:count]
    value = Apply(name, tuple(map(Var, names)))
    wanted, rows = [], []
    for i, x in enumerate(VALUES):
        row = [x, *(VALUES[(i * 5 + k) % len(VALUES)] for k in range(1, count))]
        row = [float(np.dtype(dtype).type(v)) for v in row]
        try:
            found = evaluate(value, dict(zip(names, row, strict=True)))
        except (OverflowError, ValueError, ZeroDivisionError):
            continue
        if isinstance(found, float) and math.isfinite(found):
            wanted.append(found)
            rows.append(row)
    found = _evaluated(value, np.array(rows, dtype), names)
    unit = np.finfo(dtype).eps * np.maximum(np.abs(wanted), _least(name))
    assert (np.abs(found - wanted) <= 4 * unit).all(), (rows, found, wanted)


def _arity(name: str) -> int:
    for count in (1, 2):
        try:
            PRIMITIVES[name].evaluate(*[0.5] * count)
        except TypeError:
            continue
        return count
    raise AssertionError(name)


def _least(name: str) -> float:
    """Below this size an error is measured in units of it."""
    return 1.0 if name in ("sin", "cos", "log") else 0.0


def _evaluated(value: expr.Expr, rows: Array, names: str) -> Array:
    """The tree's values by onnxruntime, from columns of those names."""
    nodes = Nodes(rows.dtype.name)
    kind = helper.np_dtype_to_tensor_dtype(rows.dtype)
    inputs = [helper.make_tensor_value_info(n, kind, ["n", 1]) for n in names]
    result = nodes.body((Map("a", value),), {n: n for n in names}, "a")
    output = helper.make_tensor_value_info(result, kind, ["n", 1])
    constants = list(nodes.constants.values())
    graph = helper.make_graph(nodes.nodes, "g", inputs, [output], constants)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    columns = {n: rows[:, [i]] for i, n in enumerate(names)}
    found: Array = session.run(None, columns)[0]
    return found[:, 0].astype(np.float64)


def test_infinity_becomes_the_largest_number_and_a_choice_takes_any_number() -> None:
    x = np.array([[np.inf], [1.0]], np.float32)
    found = _evaluated(expr.finite(Var("x")), x, "x")
    assert found.tolist() == [np.finfo(np.float32).max, 1.0]
    chosen = where(Var("x"), Const(2), Const(3))
    rows = np.array([[0.0], [-0.0], [-5.0]])
    assert _evaluated(chosen, rows, "x").tolist() == [3.0, 3.0, 2.0]


# ---- Files of others ---------------------------------------------------------------


def chain(
    p: dict[str, Array], last: str = "Sigmoid", matmul: bool = False, **gemm: Any
) -> onnx.ModelProto:
    """A network 2-4-1 as other tools write it, for one example alone."""
    held, nodes, below = [], [], "in"
    for layer, activation in ((2, "Sigmoid"), (3, last)):
        w, b = p[f"w{layer}"], p[f"b{layer}"].ravel()
        held += [numpy_helper.from_array(a, n) for a, n in ((w.T, "w"), (b, "b"))]
        for tensor in held[-2:]:
            tensor.name += str(layer)
        names = [below, f"w{layer}", f"b{layer}"]
        if matmul:
            nodes.append(helper.make_node("MatMul", names[:2], [f"m{layer}"]))
            nodes.append(
                helper.make_node("Add", [names[2], f"m{layer}"], [f"z{layer}"])
            )
        else:
            nodes.append(helper.make_node("Gemm", names, [f"z{layer}"], **gemm))
        below = f"a{layer}"
        nodes.append(helper.make_node(activation, [f"z{layer}"], [below]))
    kind = onnx.TensorProto.FLOAT
    given = helper.make_tensor_value_info("in", kind, [1, 2])
    output = helper.make_tensor_value_info(below, kind, [1, 1])
    graph = helper.make_graph(nodes, "theirs", [given], [output], held)
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )


def parameters() -> dict[str, Array]:
    return dict(module_of(load_spec(XOR)).Network(seed=5).parameters)


def refused(capsys: Captured, *arguments: str) -> str:
    assert main(["convert", *arguments]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1, err
    return err.removeprefix("bpcompile: ").rstrip("\n")


@pytest.mark.parametrize("matmul", [False, True])
def test_chain_of_layers_becomes_a_weights_file(matmul: bool) -> None:
    p = parameters()
    onnx.save(chain(p, matmul=matmul), "theirs.onnx")
    assert main(["convert", "theirs.onnx", "net.safetensors", "--spec", XOR]) == 0
    net = module_of(load_spec(XOR)).Network.load("net.safetensors")
    for name, values in p.items():
        assert net.parameters[name].tobytes() == values.tobytes()


def test_chain_that_computes_something_else_is_refused(capsys: Captured) -> None:
    """Shapes fit, and only the outputs tell."""
    onnx.save(chain(parameters(), last="Tanh"), "theirs.onnx")
    found = refused(capsys, "theirs.onnx", "net.safetensors", "--spec", XOR)
    assert found.startswith("theirs.onnx: computes something else than the spec: outp")
    assert os.listdir() == ["theirs.onnx"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"last": "Made"}, "theirs.onnx: cannot be evaluated: "),
        ({"alpha": 0.5}, "theirs.onnx: node '' has an alpha or beta other than 1"),
        ({"transB": 1}, "theirs.onnx: array w2 is (2, 4), expected (4, 2): it is the"),
    ],
)
def test_chain_that_is_none_is_refused(
    change: dict[str, Any], message: str, capsys: Captured
) -> None:
    onnx.save(chain(parameters(), **change), "theirs.onnx")
    found = refused(capsys, "theirs.onnx", "net.safetensors", "--spec", XOR)
    assert found.startswith(message)


def test_weights_in_another_file_are_not_looked_for(capsys: Captured) -> None:
    onnx.save(
        chain(parameters()),
        "theirs.onnx",
        save_as_external_data=True,
        size_threshold=0,
        location="weights.bin",
    )
    found = refused(capsys, "theirs.onnx", "net.safetensors", "--spec", XOR)
    assert found == "theirs.onnx: keeps its weights in another file; save it as one"


def test_two_inputs_are_refused(capsys: Captured) -> None:
    model = chain(parameters())
    kind = onnx.TensorProto.FLOAT
    model.graph.input.append(helper.make_tensor_value_info("too", kind, [1, 2]))
    onnx.save(model, "theirs.onnx")
    found = refused(capsys, "theirs.onnx", "net.safetensors", "--spec", XOR)
    assert found == "theirs.onnx: has 2 inputs, expected one"


def test_loop_is_not_run(capsys: Captured) -> None:
    model = chain(parameters())
    body = helper.make_graph([], "body", [], [])
    model.graph.node.append(helper.make_node("Loop", ["", "", "in"], ["o"], body=body))
    onnx.save(model, "theirs.onnx")
    found = refused(capsys, "theirs.onnx", "net.safetensors", "--spec", XOR)
    assert found.startswith("theirs.onnx: node Loop has a graph of its own")


def test_edited_file_of_ours_is_read_as_any_other(capsys: Captured) -> None:
    """Its metadata may no longer tell what it computes."""
    net = module_of(load_spec(XOR)).Network()
    model = parsed(exported(net), "net.onnx")
    w = numpy_helper.to_array(model.graph.initializer[0]) + 1
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(w, "w2"))
    onnx.save(model, "net.onnx")
    found = refused(capsys, "net.onnx", "net.npz")
    assert found.startswith("net.onnx: is damaged, or was edited since it was written")
    assert main(["convert", "net.onnx", "net.npz", "--spec", XOR]) == 0
    with np.load("net.npz") as archive:
        assert (archive["w2"] == w).all()


def test_damaged_file_is_never_another_network(capsys: Captured) -> None:
    raw = exported(module_of(load_spec(XOR)).Network())
    every = 1 if LONG else 61
    for length in range(0, len(raw), every):
        Path("net.onnx").write_bytes(raw[:length])
        assert refused(capsys, "net.onnx", "net.npz").startswith("net.onnx: ")
    for bit in range(0, 8 * len(raw), every):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        Path("net.onnx").write_bytes(flipped)
        assert refused(capsys, "net.onnx", "net.npz").startswith("net.onnx: ")
        if bit % (4 * every) == 0:  # as somebody else's it may well be a network
            code = main(["convert", "net.onnx", "net.npz", "--spec", XOR, "--force"])
            message = capsys.readouterr().err
            assert (code, message.count("\n")) in ((0, 0), (2, 1)), (bit, message)
