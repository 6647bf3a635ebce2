"""A spec's text -> its value and where each key and value of it stands."""

from bpcompile.source.document import Document, pointer
from bpcompile.source.files import read_file

__all__ = ["Document", "pointer", "read_file"]
