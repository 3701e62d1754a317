"""Internal entities of an XML document, written out under a cap. Used by the RDF reader in the sandbox.

Abbreviations for namespaces are what RDF/XML has them for. What else a DOCTYPE may have is refused: names of files and
addresses, parameters, and markup.
"""

from __future__ import annotations

import re

from hub.dataspace.readers.pages import Unreadable

LONGEST = 16 * 1024
"""Characters of one entity once it is written out."""
MOST = 1000
_DOCTYPE = re.compile(
    rb"""<!DOCTYPE\s+[\w:.-]+\s*(?:\[(?P<declarations>(?>[^\]"'<]+|<!--.*?-->|<!ENTITY(?>[^"'<>]+|"[^"]*"|'[^']*')*+>)*+)"""
    rb"""\]\s*)?>""",
    re.S,
)
_ENTITY = re.compile(rb"""<!ENTITY\s+([\w:.-]+)\s+(?:"([^"<%]*)"|'([^'<%]*)')\s*>""")
_REFERENCE = re.compile(rb"&([\w:.-]+);")
_OF_XML = {b"amp", b"lt", b"gt", b"quot", b"apos"}


def without_doctype(data: bytes, most: int) -> bytes:
    """An XML document without its DOCTYPE, its internal entities written out; lines keep their numbers.

    :param most: bytes that the document may have then.
    :raises Unreadable: its DOCTYPE has more than plain internal entities, or they grow beyond their limits.
    """
    doctype = _DOCTYPE.search(data)
    if doctype is None:
        raise Unreadable("a DOCTYPE is refused that has more than plain internal entities: it can name files")
    entities = _entities(doctype["declarations"] or b"")
    rest = data[doctype.end() :]
    if re.search(rb"<!(?:DOCTYPE|ENTITY)", rest[:100_000], re.I):
        raise Unreadable("a second DOCTYPE is refused")
    growth = sum(len(entities.get(match[1], b"")) for match in _REFERENCE.finditer(rest))
    if len(rest) + growth > most:
        raise Unreadable(f"a DOCTYPE is refused: with its entities the page has more than {most:,} bytes")
    written_out = _REFERENCE.sub(lambda match: entities.get(match[1], match[0]), rest)
    return data[: doctype.start()] + b"\n" * doctype[0].count(b"\n") + written_out


def _entities(declarations: bytes) -> dict[bytes, bytes]:
    """Texts of entities by their names, with those written out that are declared before."""
    plain = re.sub(rb"<!--.*?-->", b"", declarations, flags=re.S)
    if _ENTITY.sub(b"", plain).strip():
        raise Unreadable("a DOCTYPE is refused that has more than plain internal entities: it can name files")
    entities: dict[bytes, bytes] = {}
    for match in _ENTITY.finditer(plain):
        text = _REFERENCE.sub(lambda reference: entities.get(reference[1], reference[0]), match[2] or match[3] or b"")
        unknown = {reference[1] for reference in _REFERENCE.finditer(text)} - _OF_XML
        if unknown or re.search(rb"&#(?:0*(?:38|60)|x0*(?:26|3c));", text, re.I):
            raise Unreadable(
                "a DOCTYPE is refused that has more than plain internal entities: markup or an unknown name"
            )
        if len(text) > LONGEST or len(entities) >= MOST:
            raise Unreadable("a DOCTYPE is refused: its entities grow beyond their limits")
        entities.setdefault(match[1], text)
    return entities
