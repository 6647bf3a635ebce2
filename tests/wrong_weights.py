"""Weights files that are refused, each with what is said of it."""

from __future__ import annotations

from typing import Any

import numpy as np

#: Headers that four bytes of data follow.
ONE = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
BAD_HEADERS: list[tuple[Any, str]] = [
    (b"[]", "not a JSON object"),
    (b"{", ""),
    (b" {}", "not a JSON object"),
    (b'{"a": "\xff"}', ""),
    (b'{"a":' * 100_000, ""),
    (b'{"a":1,"a":2}', "names something twice"),
    ({"a": 3}, "must have dtype, shape and data_offsets"),
    ({"a": {**ONE, "more": 1}}, "must have dtype, shape and data_offsets"),
    ({"a": {"dtype": "F32"}}, "must have dtype, shape and data_offsets"),
    ({"a": {**ONE, "dtype": "I32"}}, "only F32 and F64"),
    ({"a": {**ONE, "dtype": "BF16"}}, "only F32 and F64"),
    ({"a": {**ONE, "dtype": ["F32"]}}, "only F32 and F64"),
    ({"a": {**ONE, "shape": 1}}, "whole numbers"),
    ({"a": {**ONE, "shape": [True]}}, "whole numbers"),
    ({"a": {**ONE, "shape": [1.0]}}, "whole numbers"),
    ({"a": {**ONE, "shape": [-1]}}, "whole numbers"),
    ({"a": {**ONE, "shape": [10**400]}}, "whole numbers"),
    ({"a": {**ONE, "shape": [2**60]}}, "whole numbers"),
    ({"a": {**ONE, "shape": [2]}}, "has 8 bytes"),
    ({"a": {**ONE, "shape": [2**50]}}, "data_offsets say otherwise"),
    ({"a": {**ONE, "data_offsets": [0]}}, "data_offsets say otherwise"),
    ({"a": {**ONE, "data_offsets": [0, 8]}}, "data_offsets say otherwise"),
    ({"a": {**ONE, "data_offsets": [8, 4]}}, "data_offsets say otherwise"),
    ({"a": {**ONE, "data_offsets": [4, 8]}}, "starts at byte 4, expected 0"),
    ({"a": ONE, "b": ONE}, "starts at byte 0, expected 4"),
    ({"a": ONE, "b": {**ONE, "data_offsets": [4, 8]}}, "ends at byte 8 of 4: cut off"),
    ({}, "4 bytes follow the last array"),
    ({"a": ONE, "__metadata__": {"a": 1}}, "__metadata__ must hold strings"),
    ({"a": ONE, "__metadata__": 3}, "__metadata__ must hold strings"),
]

#: What is wrong with arrays and metadata that are right otherwise.
CHANGES: dict[str, tuple[Any, str]] = {
    "newer format": (
        lambda a, m: m.update(format="2"),
        "format 2, this trainer reads 1",
    ),
    "no metadata": (lambda a, m: m.clear(), "its metadata lacks"),
    "no epoch": (lambda a, m: m.pop("epoch"), "its metadata lacks ['epoch']"),
    **{
        f"{key} {text[:9]!r}": (
            lambda a, m, key=key, text=text: m.update({key: text}),
            f"{key} is {text[:20]!r}, expected a whole number >= 0 and < 2^53",
        )
        for key in ("epoch", "seed")
        for text in ("two", "-5", " 7 ", "1_0", "", "\u0667", str(2**53), str(2**64))
    },
    **{
        f"spec {text[:9]!r}": (
            lambda a, m, text=text: m.update(spec=text),
            "its spec has no list of layers",
        )
        for text in ("[]", "3", "null", "{}", '{"layers":[1,2,3]}', '{"layers":{}}')
    },
    "spec no JSON": (lambda a, m: m.update(spec="{"), "corrupt metadata: "),
    "spec too deep": (lambda a, m: m.update(spec="[" * 100_000), "corrupt metadata: "),
    "number too long": (lambda a, m: m.update(spec="1" * 9999), "corrupt metadata: "),
    "NaN": (lambda a, m: a["b2"].fill(np.nan), "array b2 holds numbers that are not"),
    "missing": (lambda a, m: a.pop("w3"), "has arrays ['w2', 'b2', 'b3'], expected"),
    "extra": (lambda a, m: a.update(w4=a["w3"]), "'w4'], expected"),
    "dtype": (
        lambda a, m: a.update(w2=a["w2"].astype(np.float32)),
        "array w2 is float32 (5, 3), expected float64 (5, 3)",
    ),
    "shape": (
        lambda a, m: a.update(w2=a["w2"].T.copy()),
        "array w2 is float64 (3, 5), expected float64 (5, 3)",
    ),
    "checkpoint": (
        lambda a, m: m.update(kind="checkpoint"),
        "is a checkpoint, no weights file: go on by train --resume",
    ),
}

#: Networks that the weights are not for.
SOFTMAX = {"size": 4, "activation": "softmax"}
OTHERS: dict[str, tuple[list[Any], str]] = {
    "size": ([3, 6, SOFTMAX], "layer 2 has size 6, here it is 5"),
    "depth": ([3, 5, 5, SOFTMAX], "made for 4 layers, this network has 3"),
    "activation": (
        [3, {"size": 5, "activation": "relu"}, SOFTMAX],
        "layer 2 has activation relu, here it is sigmoid",
    ),
    "scaling": (
        [{"size": 3, "scaling": "min_max"}, 5, SOFTMAX],
        "layer 1 has scaling min_max, here it is none",
    ),
}

#: No scaling of three columns.
SCALINGS = [
    "null",
    "3",
    "[]",
    "{}",
    "[" * 100_000,
    '{"shift": 1, "divisor": 2, "fitted": true}',
    '{"shift": [1, 2], "divisor": [1, 2], "fitted": true}',
    '{"shift": ["1", "2", "3"], "divisor": [1, 2, 3], "fitted": true}',
    '{"shift": [1, [2], 3], "divisor": [1, 2, 3], "fitted": true}',
    '{"shift": [1, null, 3], "divisor": [1, 2, 3], "fitted": true}',
    '{"shift": [1, NaN, 3], "divisor": [1, 2, 3], "fitted": true}',
    '{"shift": [1, 1e999, 3], "divisor": [1, 2, 3], "fitted": true}',
    f'{{"shift": [1, {10**400}, 3], "divisor": [1, 2, 3], "fitted": true}}',
    '{"shift": [1, 2, 3], "divisor": [1, 0, 3], "fitted": true}',
    '{"shift": [1, 2, 3], "divisor": [1, 2, 3], "fitted": "false"}',
    '{"shift": [1, 2, 3], "divisor": [1, 2, 3]}',
]

#: What is wrong with the names of classes and columns, which a language may ignore.
NAMES: dict[str, tuple[Any, str]] = {
    **{
        f"{key} {text[:20]}": (
            lambda a, m, key=key, text=text: m.update({key: text}),
            f"its {key} are not different texts",
        )
        for key in ("classes", "columns")
        for text in ("3", '"abcd"', "[1, 2, 3, 4]", '["a", "b", "b", "c"]', "{}")
    },
    "classes, no JSON": (lambda a, m: m.update(classes="[a"), "corrupt metadata: "),
    "too few classes": (
        lambda a, m: m.update(classes='["a", "b"]'),
        "its classes are 2, expected 4",
    ),
    "too few columns": (
        lambda a, m: m.update(columns='["a"]'),
        "its columns are 1, expected 3 or more",
    ),
}
