"""Frozen dataclasses that are made in a tenth of the time.

The standard decorator writes six methods as text and compiles them, for every class:
half a millisecond each, a quarter of what compiling a spec took. These classes have
the same fields, methods and messages, made of functions that all of them share.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # A type checker is to see no difference, and there is none.
    from dataclasses import dataclass as dataclass
    from inspect import Signature
else:

    def dataclass(*, frozen: bool) -> Callable[[type], type]:
        """`dataclasses.dataclass(frozen=True)`, which takes nothing else here.

        `fields`, `replace`, `match` and the rest of `dataclasses` know such a class;
        what inherits from one is made by this decorator too.
        """
        assert frozen
        return _made


def _made(cls: type) -> type:
    documented, cls.__doc__ = cls.__doc__, cls.__doc__ or cls.__name__
    bare: type = dataclasses.dataclass(init=False, repr=False, eq=False)(cls)
    # Left empty, it would have been made of a signature, which takes longest of all.
    bare.__doc__ = documented
    fields = dataclasses.fields(bare)
    hashed = (f for f in fields if (f.compare if f.hash is None else f.hash))
    methods = {
        "__init__": _init(fields),
        "__repr__": _repr(tuple(f.name for f in fields if f.repr)),
        "__eq__": _eq(tuple(f.name for f in fields if f.compare)),
        "__hash__": _hash(tuple(f.name for f in hashed)),
        "__setattr__": _refuse_setting,
        "__delattr__": _refuse_deleting,
        "__signature__": _Signature(),
    }
    for name, method in methods.items():
        # A class with an __eq__ of its own has None for its hash.
        if bare.__dict__.get(name) is None:
            setattr(bare, name, method)
    return bare


def _init(fields: tuple[dataclasses.Field[Any], ...]) -> Callable[..., None]:
    missing = dataclasses.MISSING
    names = {f.name for f in fields}
    positional = tuple(f.name for f in fields if not f.kw_only)
    defaults = {f.name: f.default for f in fields if f.default is not missing}
    made = {f.name: f.default_factory for f in fields}
    factories = {k: make for k, make in made.items() if make is not missing}
    alone = len(positional) == len(names)

    def __init__(self: Any, /, *args: Any, **given: Any) -> None:
        if alone and not given and len(args) == len(positional):
            self.__dict__.update(zip(positional, args, strict=True))
            return
        twice = not given.keys().isdisjoint(positional[: len(args)])
        held = {**defaults, **dict(zip(positional, args, strict=False)), **given}
        for name, make in factories.items():
            if name not in held:
                held[name] = make()
        if twice or len(args) > len(positional) or held.keys() != names:
            _refuse(type(self), args, given)
        self.__dict__.update(held)

    return __init__


def _refuse(cls: type, args: tuple[Any, ...], given: dict[str, Any]) -> None:
    signature: Signature = cls.__signature__  # type: ignore[attr-defined]
    try:
        signature.bind(*args, **given)
    except TypeError as failure:
        raise TypeError(f"{cls.__qualname__}: {failure}") from None


def _repr(shown: tuple[str, ...]) -> Callable[[Any], str]:
    @recursive_repr()
    def __repr__(self: Any) -> str:
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
        return f"{type(self).__qualname__}({values})"

    return __repr__


def _eq(compared: tuple[str, ...]) -> Callable[[Any, Any], bool]:
    def __eq__(self: Any, other: Any) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        mine, others = self.__dict__, other.__dict__
        # Of tuples, for which a NaN is equal to itself.
        return tuple([mine[n] for n in compared]) == tuple(
            [others[n] for n in compared]
        )

    return __eq__


def _hash(hashed: tuple[str, ...]) -> Callable[[Any], int]:
    def __hash__(self: Any) -> int:
        held = self.__dict__
        return hash(tuple([held[name] for name in hashed]))

    return __hash__


def _refuse_setting(self: Any, name: str, value: Any) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_deleting(self: Any, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


class _Signature:
    """Of the constructor, for `help` and the reference: made when it is asked for."""

    def __get__(self, held: Any, cls: type) -> Signature:
        from inspect import Parameter, Signature

        kinds = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
        fields = dataclasses.fields(cls)
        ordered = sorted(fields, key=lambda field: bool(field.kw_only))
        return Signature(
            [
                Parameter(
                    field.name,
                    kinds[bool(field.kw_only)],
                    default=_default(field),
                    annotation=field.type,
                )
                for field in ordered
            ],
            return_annotation=None,
        )


def _default(field: dataclasses.Field[Any]) -> Any:
    from inspect import Parameter

    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        # As the standard signature prints it.
        return dataclasses._HAS_DEFAULT_FACTORY  # type: ignore[attr-defined]
    return Parameter.empty
