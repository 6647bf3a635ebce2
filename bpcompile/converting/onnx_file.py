"""A network with its weights as an ONNX file, and such a file read back.

Source of the format: github.com/onnx/onnx, docs/IR.md.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from bpcompile import __version__
from bpcompile.converting.nodes import Nodes
from bpcompile.converting.weights import Weights
from bpcompile.errors import UserError, printable
from bpcompile.expr import Var
from bpcompile.operators.entry import Map
from bpcompile.plan import Plan
from bpcompile.steps import Activate, WeightedInput
from bpcompile.trained import Trained

Array = NDArray[Any]

#: ReduceMax and ReduceSum are alike from here on; of December 2022.
OPSET, IR_VERSION = 18, 8
INPUT, OUTPUT, CLASS, EXAMPLES = "x", "output", "class", "n"
PRODUCER, BODY = "bpcompile", "body"
#: A protobuf's own limit, with room for what is not weights.
MOST_BYTES = (2 << 30) - (64 << 20)
_PARAMETER = re.compile(r"[wb][0-9]+")


def onnx_file(weights: Weights, trained: Trained, plan: Plan) -> bytes:
    """The bytes of an ONNX file of feedforward, and of predict for a classification.

    From "x" (n, N1), raw inputs of the spec's dtype, to "output" (n, NL) and, for a
    classification, "class" (n,). Same input, same bytes. Raises UserError where the
    weights are more than such a file can hold.
    """
    size = sum(array.nbytes for array in weights.arrays.values())
    if size > MOST_BYTES:
        reason = f"{size >> 20} MiB of weights, an ONNX file holds {MOST_BYTES >> 20}"
        raise UserError(f"{weights.shown}: {reason}")
    model = helper.make_model(
        _graph(weights.arrays, trained, plan),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name=PRODUCER,
        producer_version=__version__,
    )
    assert weights.metadata is not None
    for key, value in weights.metadata.items():
        model.metadata_props.add(key=key, value=value)
    model.metadata_props.add(key=BODY, value=_digest(model))
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def parsed(data: bytes, path: str) -> onnx.ModelProto:
    """The model in the bytes; UserError where there is none in them alone."""
    shown = printable(path)
    try:
        model = onnx.load_model_from_string(data)
    except DecodeError as error:
        reason = f"corrupt file, or not ONNX: {printable(str(error))}"
        raise UserError(f"{shown}: {reason}") from None
    if not model.graph.node:
        raise UserError(f"{shown}: corrupt file, or not ONNX: it has no nodes")
    for tensor in model.graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL:
            reason = "keeps its weights in another file; save it as one"
            raise UserError(f"{shown}: {reason}")
    return model


def is_own(model: onnx.ModelProto) -> bool:
    """Whether the model is what `onnx_file` has written, unchanged."""
    stated = [entry.value for entry in model.metadata_props if entry.key == BODY]
    return stated == [_digest(model)]


def is_own_onnx(data: bytes) -> bool:
    """The same of a file's bytes."""
    try:
        return is_own(parsed(data, ""))
    except UserError:
        return False


def own_weights(model: onnx.ModelProto, path: str) -> Weights:
    """The weights and metadata of a model that is as `onnx_file` has written it."""
    metadata = {p.key: p.value for p in model.metadata_props if p.key != BODY}
    arrays = {}
    for tensor in model.graph.initializer:
        if _PARAMETER.fullmatch(tensor.name):
            values: Array = numpy_helper.to_array(tensor)
            arrays[tensor.name] = values if values.ndim == 2 else values[:, np.newaxis]
    return Weights(arrays, metadata, path)


def _graph(
    arrays: Mapping[str, Array], trained: Trained, plan: Plan
) -> onnx.GraphProto:
    nodes = Nodes(plan.dtype)
    inputs = [_described(INPUT, plan.dtype, plan.sizes[0])]
    outputs = [_described(OUTPUT, plan.dtype, plan.outputs)]
    below = _scaled(nodes, trained, plan)
    for block in plan.inference.blocks:
        for step in block.steps:
            if isinstance(step, WeightedInput):
                below = _weighted_input(nodes, step, below, arrays)
            else:
                assert isinstance(step, Activate)
                below = _activated(nodes, step, below, plan)
    nodes.add("Identity", [below], OUTPUT)
    if plan.task == "classification":
        outputs.append(_described(CLASS, "int64"))
        _classified(nodes, plan)
    constants = list(nodes.constants.values())
    return helper.make_graph(nodes.nodes, plan.name, inputs, outputs, constants)


def _described(name: str, dtype: str, *sizes: int) -> onnx.ValueInfoProto:
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return helper.make_tensor_value_info(name, kind, [EXAMPLES, *sizes])


def _scaled(nodes: Nodes, trained: Trained, plan: Plan) -> str:
    """The raw inputs as the network sees them: a1."""
    if plan.scaling is None:
        return INPUT
    if not plan.scaling.fitted:
        body = (Map("a", Var("x") / plan.scaling.divisor),)
        return nodes.body(body, {"x": INPUT}, "a1")
    # In float64, as the trainer does it: a mean that is large beside the deviation
    # would lose its digits.
    shift = nodes.constant("shift", np.array(trained.shift, np.float64))
    divisor = nodes.constant("divisor", np.array(trained.divisor, np.float64))
    raw = nodes.cast(INPUT, "float64", "x_raw")
    shifted = nodes.add("Sub", [raw, shift], "x_shifted")
    scaled = nodes.add("Div", [shifted, divisor], "x_scaled")
    return nodes.cast(scaled, plan.dtype, "a1")


def _weighted_input(
    nodes: Nodes, step: WeightedInput, below: str, arrays: Mapping[str, Array]
) -> str:
    """z, an example in each row: a wᵀ + b, w in the book's shape."""
    w, b = step.weight.name, step.bias.name
    nodes.constant(w, arrays[w])
    nodes.constant(b, arrays[b].ravel())
    return nodes.add("Gemm", [below, w, b], f"z{step.layer}", transB=1)


def _activated(nodes: Nodes, step: Activate, z: str, plan: Plan) -> str:
    functions = {f.name: f for f in plan.inference.functions}
    if not step.function:
        return z
    return nodes.body(functions[step.function].body, {"z": z}, f"a{step.layer}")


def _classified(nodes: Nodes, plan: Plan) -> None:
    """What predict gives, (n,): of one output the side of the boundary."""
    if plan.outputs > 1:
        nodes.add("ArgMax", [OUTPUT], CLASS, axis=1, keepdims=0)
        return
    sides = nodes.add("Greater", [OUTPUT, nodes.number(plan.labels.boundary)], "side")
    values = {"high": plan.labels.high, "low": plan.labels.low}
    classes = [nodes.constant(name, np.int64(value)) for name, value in values.items()]
    chosen = nodes.add("Where", [sides, *classes], "classes")
    everything = nodes.constant("everything", np.array([-1], np.int64))
    nodes.add("Reshape", [chosen, everything], CLASS)


def _digest(model: onnx.ModelProto) -> str:
    """SHA-256 of the model without what says so."""
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    kept = [entry for entry in model.metadata_props if entry.key != BODY]
    del bare.metadata_props[:]
    bare.metadata_props.extend(kept)
    return hashlib.sha256(bare.SerializeToString(deterministic=True)).hexdigest()
