"""Templates of pages and pictures, in an environment that escapes whatever they print.

The texts of a spec are untrusted: nothing but what another template has made is marked
as safe, and nothing is escaped by hand.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)


def page_template(name: str) -> Template:
    """A template of this folder by its file name."""
    return _environment().get_template(name)


def trusted(*names: str) -> Markup:
    """Files of this folder, joined and not escaped: nothing is put into them."""
    return Markup("".join(page_template(name).render() for name in names))


def styles(elements: Iterable[str]) -> Iterator[str]:
    """The text of every <style> in elements that templates of this folder have made."""
    return (text for element in elements for text in _STYLE.findall(element))


def digests(texts: Iterable[str]) -> str:
    """As a Content-Security-Policy wants them, each once."""
    found = (hashlib.sha256(text.encode("utf-8")).digest() for text in texts)
    encoded = (base64.b64encode(digest).decode("ascii") for digest in found)
    return " ".join(dict.fromkeys(f"'sha256-{text}'" for text in encoded))


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader(__name__, "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
