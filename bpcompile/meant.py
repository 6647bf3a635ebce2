"""What the spec knows at a place, and which of its keys a wrong one was meant for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias, get_args, get_origin

from pydantic import BaseModel

from bpcompile.errors import MAX_NEAREST, nearest
from bpcompile.fields import OneOf
from bpcompile.operators import REGULARIZERS
from bpcompile.operators.entry import Entry
from bpcompile.records import dataclass
from bpcompile.sections import InputLayer, Layer, Stack
from bpcompile.spec import NetworkSpec, Path


@dataclass(frozen=True)
class Named:
    """Sections of one class under names that the user chooses."""

    section: type[BaseModel]


#: A section's class, the layers, sections by name, a choice of operators, one operator;
#: None: a scalar.
Held: TypeAlias = type[BaseModel] | Stack | Named | OneOf | Entry | None

#: What other tools call the same thing.
_ABBREVIATIONS: Mapping[str, str] = {
    "lr": "learning_rate",
    "eta": "learning_rate",
    "batch": "mini_batch_size",
    "minibatch": "mini_batch_size",
    "batch_size": "mini_batch_size",
    "batchsize": "mini_batch_size",
    "gradient_accumulation": "accumulate",
    "gradient_accumulation_steps": "accumulate",
    "accumulate_grad_batches": "accumulate",
    "accumulation_steps": "accumulate",
    "distributed": "parallel",
    "strategy": "parallel",
    "loss": "cost",
    "loss_function": "cost",
    "objective": "cost",
    "criterion": "cost",
    "random_state": "seed",
    "max_iter": "epochs",
    "iterations": "epochs",
    "sizes": "layers",
    "layer_sizes": "layers",
    "units": "size",
    "neurons": "size",
    "nodes": "size",
    "width": "size",
    "nonlinearity": "activation",
    "activation_function": "activation",
    "kernel_initializer": "initializer",
    "weight_initializer": "initializer",
    "drop": "dropout",
    "dropout_rate": "dropout",
    "precision": "dtype",
    "normalization": "scaling",
    "gamma": "factor",
    "drop_factor": "factor",
    "step_size": "every",
    "decay_steps": "every",
    "decay_rate": "decay",
    "eta_min": "end",
    "end_factor": "end",
    "eps": "epsilon",
    "betas": "beta1",
    "beta_1": "beta1",
    "beta_2": "beta2",
    "momentum": "mu",
    "pct_start": "rise",
    "div_factor": "start_divisor",
    "final_div_factor": "end_divisor",
    "max_lr": "learning_rate",
    "t_max": "epochs",
    "total_steps": "epochs",
    "warmup_steps": "warmup",
    "warmup_epochs": "warmup",
    "n_iter_no_change": "patience",
    "validation_split": "validation_fraction",
    "cross_validation": "validation_fold",
    "class_weight": "class_weights",
    "lr_schedule": "schedule",
    "scheduler": "schedule",
    "clipnorm": "norm",
    "clip_norm": "norm",
    "max_grad_norm": "norm",
    "clipvalue": "value",
    "clip_value": "value",
    "gradient_clipping": "clipping",
}

#: Some keys are kinds of operators, which have their aliases.
_KEYS: Mapping[str, str] = {
    **_ABBREVIATIONS,
    **{other: kind for kind, e in REGULARIZERS.items() for other in e.aliases},
}

#: What other tools call words of which the spec has no registry.
_WORDS: Mapping[str, str] = {
    "double": "float64",
    "single": "float32",
    "fp32": "float32",
    "fp64": "float64",
    "loss": "cost",
    "valloss": "cost",
    "batch": "step",
    "iteration": "step",
}

#: What other tools say of a layer, and why it is not said here.
_OF_LAYERS: Mapping[str, str] = {
    **dict.fromkeys(
        ("type", "kind", "class_name"), "every layer is fully connected: leave it out"
    ),
    **dict.fromkeys(("bias", "use_bias"), "every neuron has a bias: leave it out"),
}
#: Shorter words are near to too many that stand elsewhere.
_LEAST_ELSEWHERE = 4


def walk(loc: tuple[str | int, ...]) -> tuple[Path, Held, Held]:
    """Pydantic's location as the user's path, without the tags of unions, with what
    the spec knows one level above that path and at it."""
    path: list[str | int] = []
    holder: Held = None
    held: Held = NetworkSpec
    for part in loc:
        if isinstance(held, OneOf) and part in held.registry:
            held = held.registry[str(part)]
            continue
        path.append(part)
        holder, held = held, _inside(held, part)
    return tuple(path), holder, held


def keys_of(held: Held) -> tuple[str, ...]:
    """The keys that the spec knows in a section or of an operator."""
    if isinstance(held, Entry):
        return tuple(parameter.name for parameter in held.parameters)
    if not isinstance(held, type):
        return ()
    fields = held.model_fields
    return tuple(fields[name].alias or name for name in fields)


def meant_key(word: str, keys: tuple[str, ...]) -> str | None:
    """The key of the same object that `word` was probably meant to be."""
    short = _KEYS.get(word.casefold())
    return short if short in keys else nearest(word, keys)


def meant_kind(word: str, kinds: Iterable[str]) -> str | None:
    """The one of `kinds`, a registry or mere words, that `word` was meant to be."""
    known = {other: kind for other, kind in _WORDS.items() if kind in tuple(kinds)}
    if isinstance(kinds, Mapping):
        known |= {other: k for k, entry in kinds.items() for other in entry.aliases}
    # "Z-score", "log loss" and "NLLLoss" are aliases too.
    plain = re.sub(r"[\W_]", "", word.casefold()) if len(word) <= MAX_NEAREST else ""
    alike = {other.replace("_", ""): kind for other, kind in known.items()}
    return alike.get(plain) or nearest(word, tuple(kinds))


def never_said(word: str, holder: Held) -> str:
    """Why a layer has no such key, where other tools have one; else ""."""
    layers = holder in (InputLayer, Layer)
    return _OF_LAYERS.get(word.casefold(), "") if layers else ""


def key_elsewhere(word: str) -> str | None:
    """The nearest key of any object, with where it stands, in words.

    Dotted, as `--set` has it, where it has one place alone.
    """
    places: dict[str, str] = {}
    for place, section in _sections(NetworkSpec, ""):
        for key in section.model_fields:
            places.setdefault(key, place)
    for name, place in _parameters():
        places.setdefault(name, place)
    known = places if len(word) >= _LEAST_ELSEWHERE else {}
    plain = word.casefold()
    meant = _KEYS.get(plain) or (plain if plain in places else None)
    meant = meant or nearest(word, known)
    return places[meant].format(meant) if meant else None


def _parameters() -> Iterator[tuple[str, str]]:
    """The parameters of all operators, each with where it stands in words."""
    for _, section in _sections(NetworkSpec, ""):
        for key in section.model_fields:
            held = _inside(section, key)
            for kind, entry in held.registry.items() if isinstance(held, OneOf) else ():
                for parameter in entry.parameters:
                    yield parameter.name, f'"{{}}" of the {key} "{kind}"'


def _inside(held: Held, part: str | int) -> Held:
    if isinstance(held, Stack):
        return InputLayer if part == 0 else Layer
    if isinstance(held, Named):
        return held.section
    if not isinstance(held, type) or part not in held.model_fields:
        return None
    field = held.model_fields[str(part)]
    for known in field.metadata:
        if isinstance(known, Stack | OneOf):
            return known
    section: Any = field.annotation
    if get_origin(section) is dict:
        return Named(get_args(section)[1])
    # A section that may be left out is a union with None.
    for known in get_args(section) or (section,):
        if isinstance(known, type) and issubclass(known, BaseModel):
            return known
    return None


def _sections(
    model: type[BaseModel], prefix: str
) -> Iterator[tuple[str, type[BaseModel]]]:
    yield f"{prefix}.{{}}" if prefix else '"{}" at the top level', model
    for name in model.model_fields:
        held: Any = _inside(model, name)
        if isinstance(held, Stack):
            yield '"{}" in a layer after the first', Layer
            yield '"{}" in the first layer', InputLayer
        elif isinstance(held, Named):
            yield f'"{{}}" in one of {prefix}.{name}', held.section
        elif isinstance(held, type):
            yield from _sections(held, f"{prefix}.{name}" if prefix else name)
