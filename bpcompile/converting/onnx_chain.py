"""Weights out of an ONNX file that somebody else made.

Its matrices are taken in the order of the nodes that multiply by them; whether the file
is of this network at all is not read from its nodes but tried: both must compute the
same outputs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from bpcompile.converting.onnx_file import INPUT, onnx_file, parsed
from bpcompile.converting.weights import Weights, numbered
from bpcompile.errors import UserError, printable
from bpcompile.expr import evaluate
from bpcompile.plan import Plan
from bpcompile.trained import Trained

Array = NDArray[Any]

#: How many random inputs are tried, and by how much outputs may differ, in the measure
#: of the contract: sums in another order and approximations of exp, in float32.
TRIED, TOLERANCE = 16, 1e-4
#: Of nodes that are evaluated: a file may hold any number.
MOST_NODES = 10_000


def chain_weights(model: onnx.ModelProto, path: str) -> Weights:
    """The weights of a chain of layers: Gemm, or MatMul and perhaps Add.

    Raises UserError where there is no such chain.
    """
    shown = printable(path)
    graph = model.graph
    if len(graph.node) > MOST_NODES:
        reason = f"has {len(graph.node)} nodes, at most {MOST_NODES} are read"
        raise UserError(f"{shown}: {reason}")
    for node in graph.node:
        # A loop might never end.
        if any(a.HasField("g") or a.graphs for a in node.attribute):
            reason = f"node {node.op_type} has a graph of its own: no chain of layers"
            raise UserError(f"{shown}: {reason}")
    try:
        pairs = list(_layers(graph))
    except Exception as error:  # whatever a damaged array makes its readers raise
        raise UserError(f"{shown}: {printable(str(error))[:200]}") from None
    if not pairs:
        reason = "has no Gemm or MatMul by weights that it holds: no chain of layers"
        raise UserError(f"{shown}: {reason}")
    weights, biases = map(list, zip(*pairs, strict=True))
    return Weights(numbered(weights, biases), None, path)


def refuse_another_network(
    model: onnx.ModelProto, weights: Weights, trained: Trained, plan: Plan
) -> None:
    """UserError unless the model computes what the plan does with these weights."""
    ours = parsed(onnx_file(weights, trained, plan), weights.path)
    x = _inputs(plan)
    wanted = _outputs(ours, INPUT, x)
    held = {tensor.name for tensor in model.graph.initializer}
    given = [entry for entry in model.graph.input if entry.name not in held]
    if len(given) != 1:
        raise UserError(f"{weights.shown}: has {len(given)} inputs, expected one")
    try:
        elements = given[0].type.tensor_type.elem_type
        x = x.astype(helper.tensor_dtype_to_np_dtype(elements))
        found = _outputs(model, given[0].name, x)
    except Exception as error:  # whatever a node of anybody's may raise
        reason = f"cannot be evaluated: {printable(str(error))[:200]}"
        raise UserError(f"{weights.shown}: {reason}") from None
    if found.shape != wanted.shape:
        reason = f"its outputs are {found.shape[1:]}, expected ({plan.outputs},)"
        raise UserError(f"{weights.shown}: {reason}")
    apart = float(np.abs(found - wanted).max() / max(1.0, np.abs(wanted).max()))
    if not apart <= TOLERANCE:
        reason = (
            f"computes something else than the spec: outputs are {apart:.1e} apart; "
            "its activations, scaling or order of layers differ"
        )
        raise UserError(f"{weights.shown}: {reason}")


def _outputs(model: onnx.ModelProto, given: str, x: Array) -> Array:
    """The first of the model's outputs for the rows of x, one row for each."""
    evaluator = ReferenceEvaluator(model)
    rows: list[Array] = []
    for row in x:  # one at a time, as many files are for one example alone
        outputs: Any = evaluator.run(None, {given: row[np.newaxis]})
        rows.append(np.atleast_2d(outputs[0]))
    return np.concatenate(rows)


def _held(graph: onnx.GraphProto) -> dict[str, Array]:
    """What the graph holds by name: initialisers and constants."""
    held = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value":
                    held[node.output[0]] = numpy_helper.to_array(attribute.t)
    return held


def _layers(graph: onnx.GraphProto) -> Iterator[tuple[Array, Array]]:
    """The weights and biases of each layer, in the book's shape."""
    held = _held(graph)
    readers = {name: node for node in graph.node for name in node.input}
    for node in graph.node:
        if node.op_type not in ("Gemm", "MatMul") or node.input[1] not in held:
            continue
        settings = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        turned = settings.pop("transB", 0)
        if settings.pop("alpha", 1) != 1 or settings.pop("beta", 1) != 1:
            raise ValueError(f"node {node.name!r} has an alpha or beta other than 1")
        w = held[node.input[1]]
        w = w if turned else w.T
        zeros = np.zeros(w.shape[0], w.dtype)
        bias = held.get(node.input[2], None) if len(node.input) > 2 else zeros
        after = readers.get(node.output[0])
        if node.op_type == "MatMul" and after is not None and after.op_type == "Add":
            (other,) = (name for name in after.input if name != node.output[0])
            bias = held.get(other)
        if bias is None:
            raise ValueError(f"node {node.name!r} has a bias that is no constant")
        yield w, bias.reshape(-1, 1)


def _inputs(plan: Plan) -> Array:
    """Random raw inputs, in a range that the activations bend in once scaled."""
    x = np.random.default_rng(0).normal(0, 2, (TRIED, plan.sizes[0]))
    if plan.scaling and not plan.scaling.fitted:
        x *= evaluate(plan.scaling.divisor, {}).real
    return x.astype(plan.dtype)
