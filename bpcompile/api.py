"""The pipeline as functions: a spec in, the text of a module out."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bpcompile.errors import SpecError, UserError
from bpcompile.lower import lower
from bpcompile.render import Renderer
from bpcompile.source import Document, read_file
from bpcompile.spec import NetworkSpec
from bpcompile.target import default_target_name, load_target
from bpcompile.validate import validate, warnings


def load_document(spec: str | Path, overrides: Iterable[str] = ()) -> Document:
    """A spec file ("-": standard input) with `PATH=VALUE` overrides, not yet checked.

    Raises UserError where the file cannot be read, SpecErrors where it is not JSON
    (or TOML, by its suffix).
    """
    document, assignments = read_file(str(spec)), list(overrides)
    if not assignments:
        return document
    # Loaded here, because most runs set nothing.
    from bpcompile.source.override import overridden

    return overridden(document, assignments)


def load_spec(spec: str | Path, overrides: Iterable[str] = ()) -> NetworkSpec:
    """A spec file, read and checked.

    Raises UserError where the file cannot be read, SpecErrors with every mistake and
    its place where it is wrong.
    """
    return validate(load_document(spec, overrides))


def spec_given(given: object, overrides: Iterable[str] = ()) -> NetworkSpec:
    """A NetworkSpec as it is, or a spec file's.

    Raises what `load_spec` raises, and UserError where it is neither.
    """
    if isinstance(given, NetworkSpec):
        return given
    if not isinstance(given, str | Path):
        raise UserError(
            f"a spec is a path or a NetworkSpec, got {type(given).__name__}"
        )
    return load_spec(given, overrides)


def load_spec_with_warnings(
    spec: str | Path, overrides: Iterable[str] = ()
) -> tuple[NetworkSpec, list[SpecError]]:
    """The same with what the user should know of it.

    Raises what `load_spec` raises.
    """
    document = load_document(spec, overrides)
    found = validate(document)
    return found, warnings(found, document)


def compile_spec(
    spec: str | Path,
    target: str | None = None,
    overrides: Iterable[str] = (),
    library: bool = False,
    weights: str | Path | None = None,
) -> str:
    """The text of the module for a spec file; `target` is the default one if None.

    With `weights`, a weights file that the module has saved: the text of one for
    inference alone, with these weights in it.

    Raises what `load_spec` and `load_target` raise, and UserError where the weights
    are not this network's or the target has no output for inference.
    """
    plan = lower(load_spec(spec, overrides))
    renderer = Renderer(load_target(target or default_target_name()))
    if weights is not None:
        # Loaded here, because most modules have no weights in them.
        from bpcompile.trained import read_trained

        return renderer.inference(plan, read_trained(str(weights), plan)).text
    module, *_ = renderer.render(plan, library)
    return module.text
