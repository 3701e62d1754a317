"""Terms of use of Czech and Slovak catalogues, which state them for each kind of right in place of a licence. Pure.

DCAT-AP-CZ (``pu:specifikace``) and DCAT-AP-SK (``leg:termsOfUse``) name a licence, or that none is needed, for works in
the data, for the database as a work and for the rights of its maker; and whether there are personal data.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote, unquote

from hub.dataspace.metadata.namespaces import Node, Term
from hub.dataspace.metadata.nodes import MOST_VALUES, NodeReader
from hub.dataspace.models import Licence, LicenceClass

_CZECH = "https://data.gov.cz/slovník/podmínky-užití/"
_SLOVAK = ("https://data.gov.sk/def/ontology/legislation/", "https://data.gov.sk/def/ontology/law/")
_VALUES = "https://data.gov.cz/podmínky-užití/"


def _names(czech: str, slovak: str) -> tuple[str, ...]:
    """A property in each vocabulary; the Czech one also as tools write it that know ASCII alone."""
    return _CZECH + czech, quote(_CZECH + czech, safe=":/%"), *(namespace + slovak for namespace in _SLOVAK)


_SPECIFICATION = _names("specifikace", "termsOfUse")
_RIGHTS = (
    _names("autorské-dílo", "authorsWorkType"),
    _names("databáze-jako-autorské-dílo", "originalDatabaseType"),
    _names("databáze-chráněná-zvláštními-právy", "databaseProtectedBySpecialRightsType"),
)
_PERSONAL_DATA = _names("osobní-údaje", "personalDataContainmentType")
_NOT_PROTECTED = {
    _VALUES + "neobsahuje-autorská-díla": "It contains no copyrighted works",
    _VALUES + "není-autorskoprávně-chráněnou-databází": "It is no copyrighted database",
    _VALUES + "není-chráněna-zvláštním-právem-pořizovatele-databáze": "It is not under database rights",
}
"""Values that stand in the place of a licence because nobody has a right to license."""
_INCOMPLETE: Term = ["l", "Terms of use that do not cover every kind of right", "en", ""]


def licences(reader: NodeReader, node: Node) -> Iterator[Term]:
    """What the terms of use of a node name as licences, one for each kind of right."""
    for term in _terms(node, _SPECIFICATION):
        specification = reader.linked_node(term)
        stated = [_terms(specification, names) for names in _RIGHTS]
        if not any(stated):
            yield term
            continue
        for values in stated:
            yield from values or [_INCOMPLETE]


def not_protected(uri: str) -> Licence | None:
    """The licence that a value stands for which says that a right does not apply; None for other values."""
    label = _NOT_PROTECTED.get(unquote(uri).rstrip("/").replace("http://", "https://", 1))
    return Licence(uri=uri, label={"en": label}, kind=LicenceClass.OPEN) if label else None


def personal_data(reader: NodeReader, node: Node) -> Iterator[str]:
    """What the terms of use of a node state about personal data, unless it is that there are none."""
    for term in _terms(node, _SPECIFICATION):
        for value in reader.values(reader.linked_node(term), *_PERSONAL_DATA):
            plain = unquote(value).rstrip("/").rpartition("/")[2]
            if plain == "obsahuje-osobní-údaje":
                yield f"contains personal data ({value})"
            elif plain != "neobsahuje-osobní-údaje":
                yield f"personal data: {value}"


def _terms(node: Node, names: tuple[str, ...]) -> list[Term]:
    return [term for name in names for term in node.get(name, ())[:MOST_VALUES]]
