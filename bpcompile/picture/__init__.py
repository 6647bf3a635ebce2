"""The network as a picture: columns of neurons, input left, output right."""

from bpcompile.picture.graphs import dot, mermaid
from bpcompile.picture.vector import svg

__all__ = ["dot", "mermaid", "svg"]
