"""Reading pages: their elements, and what makes them load or run anything."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

HOSTILE = (
    "</style></desc><script>alert(1)</script><!-- ]]> & \"quoted\" 'x' "
    "<img src=http://example.org/x onerror=alert(2)> \u202e\u2028 {{ 7 * 7 }}"
)
VOID = {"meta", "rect", "path", "circle", "img"}
#: What would load something, run something or lead away.
LOADING = {"src", "srcset", "action", "formaction", "data", "style", "xlink:href"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str | None]
    text: list[str] = field(default_factory=list)


class Page(HTMLParser):
    """The elements of a page in order; fails where a tag is not closed in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[Element] = []
        self.elements: list[Element] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        assert len(element.attributes) == len(attrs), self.get_starttag_text()
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag, self.getpos()

    def handle_data(self, data: str) -> None:
        # The sign before a line is no part of it.
        if self.open and not (self.open[-1].tag == "b" and self._in_code()):
            for element in self.open:
                element.text.append(data)

    def _in_code(self) -> bool:
        return any(element.tag == "pre" for element in self.open)

    def values(self, attribute: str) -> list[str]:
        found = (element.attributes.get(attribute) for element in self.elements)
        return [value for value in found if value is not None]

    def all(self, tag: str) -> Iterator[str]:
        return ("".join(e.text) for e in self.elements if e.tag == tag)


def digest(text: str) -> str:
    found = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{found}'"


def assert_self_contained(text: str) -> None:
    """Nothing is loaded but pictures in the page; only its style and script count."""
    page = Page(text)
    for element in page.elements:
        source = element.attributes.get("src") or ""
        if not re.fullmatch(
            r"data:image/(png|svg\+xml);base64,[A-Za-z0-9+/]+=*", source
        ):
            assert not LOADING & element.attributes.keys(), element
            assert element.tag not in ("link", "img", "iframe", "object", "base")
        assert not [name for name in element.attributes if name.startswith("on")]
    assert "url(" not in text
    assert "@import" not in text
    policies = [e for e in page.elements if "http-equiv" in e.attributes]
    (policy,) = (str(element.attributes["content"]) for element in policies)
    assert policy.startswith("default-src 'none'; ")
    for tag in ("style", "script"):
        allowed = re.search(f"{tag}-src ([^;]*)", policy)
        assert allowed
        assert set(allowed[1].split()) == {digest(body) for body in page.all(tag)}


def assert_links_lead_somewhere(page: Page) -> None:
    """Every link to a place of the page itself; no place has another's name."""
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert all(link[:1] == "#" and link[1:] in ids for link in page.values("href"))
    for labels in page.values("aria-labelledby"):
        assert set(labels.split()) <= set(ids)
