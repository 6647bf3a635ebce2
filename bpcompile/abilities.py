"""What a plan may ask for that a target need not have: its `target.toml` says so.

parallel      the kinds by which processes may share the examples of a step
accumulates   whether the gradients of several mini-batches can be added up
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bpcompile.errors import UserError
from bpcompile.plan import Plan
from bpcompile.target import Target, load_target, target_names

_Settings = Mapping[str, Any]


def refuse_beyond(plan: Plan, target: Target) -> None:
    """UserError where the target cannot train so; it names those that can."""
    if not _shares(plan, target.settings):
        what = f'train by "parallel": "{plan.parallel}"'
        raise UserError(_message(what, plan, target, _shares))
    if not _adds_up(plan, target.settings):
        what = 'add up the gradients of several mini-batches, "accumulate"'
        raise UserError(_message(what, plan, target, _adds_up))


def _shares(plan: Plan, settings: _Settings) -> bool:
    return not plan.parallel or plan.parallel in settings.get("parallel", ())


def _adds_up(plan: Plan, settings: _Settings) -> bool:
    return not plan.accumulates or bool(settings.get("accumulates", False))


def _message(
    what: str, plan: Plan, target: Target, can: Callable[[Plan, _Settings], bool]
) -> str:
    able = [name for name in target_names() if can(plan, load_target(name).settings)]
    hint = f"; take one of: {', '.join(able)}, or leave it out" if able else ""
    return f'target "{target.name}" cannot {what}{hint}'
