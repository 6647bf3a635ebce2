"""The public names, as a program that uses bpcompile as a library meets them."""

from __future__ import annotations

import inspect

from support import SPECS

import bpcompile


def test_pipeline_by_its_public_names_alone():
    from bpcompile import load_spec, load_target, lower, render

    plan = lower(load_spec(SPECS / "xor.json"))
    module, *_ = render(plan, load_target("numpy"))
    assert module.text == bpcompile.compile_spec(SPECS / "xor.json")


def test_no_public_name_is_hidden_by_a_module_once_all_are_loaded():
    for name in bpcompile.__all__:
        getattr(bpcompile, name)
    modules = [n for n in bpcompile.__all__ if inspect.ismodule(getattr(bpcompile, n))]
    assert modules == []


def test_public_names_say_what_they_do():
    public = [getattr(bpcompile, name) for name in bpcompile.__all__]
    assert all(inspect.getdoc(found) for found in public)
