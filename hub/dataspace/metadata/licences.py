"""Classes of licences, from open to own terms. Pure; used by :mod:`.rights`.

An address counts if it is a known one, a name if the whole of it is known. Everything else is ``bespoke``: of a text
that only contains a known name, the rest may be what forbids the use.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import urlsplit

from hub.dataspace.metadata.vocabularies import licence_aliases, licence_code
from hub.dataspace.models import LicenceClass

_BY = (
    r"by|attribution|namensnennung|attribuzione|reconocimiento|atribuci[oó]n|atribui[cç][aã]o|naamsvermelding|"
    r"paternit[eé]|erk[aä]nnande|navngivelse|nime[aä]|uznanie-autorstwa"
)
_NC = (
    r"nc|non-?commercial(?:e)?|nicht-?kommerziell|keine-kommerzielle-nutzung|niet-?commercieel|no-?comercial|"
    r"n[aã]o-?comercial|pas-d-utilisation-commerciale|ikke-?kommersiell|u[zż]ycie-niekomercyjne"
)
_SA = (
    r"sa|share-?alike|weitergabe-unter-gleichen-bedingungen|condividi-allo-stesso-modo|compartir-?igual|"
    r"partage-dans-les-m[eê]mes-conditions|gelijk-?delen"
)
_ND = r"nd|no-?deriv(?:ative)?s?|keine-bearbeitung(?:en)?|non-opere-derivate|sin-obra-?derivada|geen-afgeleide-werken"
_PLACES = (
    r"international|unported|generic|universal|deutschland|germany|austria|[oö]sterreich|nederland|netherlands|"
    r"france|italia|italy|espa[nñ]a|spain|norway|norge|igo|de|at|nl|fr|it|es|ch|lu|uk|dk|fi|pl|pt"
)
_VERSION = rf"(?:-?v)?(?:-?(?:version-)?\d(?:-?\d)?)?(?:-(?:{_PLACES}))*"
_CREATIVE_COMMONS = re.compile(
    rf"(?:licen[cs]e-)?(?:cc|creative-?commons)-?(?:cc-?)?(?:{_BY})"
    rf"(?:-?(?P<nc>{_NC}))?(?:-?(?P<sa>{_SA}))?(?:-?(?P<nd>{_ND}))?(?:-?(?P<nc_last>{_NC}))?"
    rf"{_VERSION}(?:-public)?(?:-licen[cs]e)?{_VERSION}(?:-cc-by[a-z-]{{0,6}}(?:-\d-\d)?(?P<short>))?"
)
"""A name of a Creative Commons licence with attribution, its parts in the order in which they are written."""
_NAMES: tuple[tuple[LicenceClass, str], ...] = (
    (
        LicenceClass.NON_COMMERCIAL,
        r"(?:non|not)-?(?:for-)?commercial(?:-use)?(?:-only)?|research-only|terms-(?:by-)?ask|ogl-nc|"
        r"non-commercial-government-licen[cs]e|dl-?de-?by-?nc-1-0|dl-by-nc-de-1-0|"
        r"(?:noncommercialallowed|noncommercialnotallowed)-commercial(?:withpermission|notallowed)-reference(?:not)?required",
    ),
    (
        LicenceClass.SHARE_ALIKE,
        r"(?:odc-)?odbl(?:-1-0)?|odc-bl|(?:open-data-commons-)?open-database-licen[cs]e(?:-odbl)?(?:-?v?1-0)?|"
        r"(?:gnu-)?(?:[al]?gpl|g?fdl|free-documentation-licen[cs]e|general-public-licen[cs]e)"
        r"(?:-?v?\d(?:-\d)?)?(?:-only|-or-later)?|eupl(?:-?v?1-\d)?|european-union-public-licen[cs]e(?:-v)?-1-\d|"
        r"isa-oml|isa-open-metadata-licen[cs]e(?:-1-1)?|mpl(?:-2-0)?|mozilla(?:-public-licen[cs]e)?(?:-2-0)?|"
        r"iodl-?v?1-0|italian-open-data-licen[cs]e-v?1(?:-0)?|cc-?sa",
    ),
    (
        LicenceClass.OPEN,
        r"(?:creative-?commons-)?(?:cc-?0|cc-?zero|zero)(?:-1-0)?(?:-universal)?(?:-public-domain-dedication)?(?:-cc0-1-0)?|"
        r"public-?domain(?:-dedication|-mark(?:-1-0)?)?|cc-pdm?(?:-1-0)?|(?:odc-?)?pddl(?:-1-0)?|"
        r"open-data-commons-public-domain-dedication-and-licen[cs]e(?:-pddl)?(?:-1-0)?|"
        r"dl-?(?:de-)?zero(?:-de)?(?:-2-0)?|(?:datenlizenz-deutschland|data-licence-germany)-zero(?:-version)?-2-0|"
        r"unlicense|wtfpl|0bsd|officialwork|terms-open|noconditionsapply|creative-commons-zero-verklaring|"
        r"noncommercialallowed-commercialallowed-referencenotrequired",
    ),
    (
        LicenceClass.ATTRIBUTION,
        r"dl-?(?:de-)?by(?:-de)?(?:-[12]-0)?|"
        r"(?:datenlizenz-deutschland-namensnennung|data-licence-germany-attribution)(?:-version)?-[12]-0|"
        r"(?:uk-)?ogl(?:-uk)?(?:-?v?[123](?:-0)?)?|(?:uk-)?open-government-licen[cs]e(?:-v?(?:ersion-)?[123](?:-0)?)?|"
        r"etalab(?:-2-0)?|licence-ouverte(?:-open-licen[cs]e)?(?:-(?:version-)?v?[12](?:-0)?)?(?:-etalab)?|lo-?v?2(?:-0)?|"
        r"lov2|fr-lo|nlod(?:-[12]-0)?|norwegian-licen[cs]e-for-open-government-data(?:-nlod)?(?:-[12]-0)?|"
        r"iodl-?v?2-0|italian-open-data-licen[cs]e-v?2(?:-0)?|com-reuse|european-commission-reuse-notice|"
        r"apache(?:-software)?(?:-licen[cs]e)?(?:-v?(?:ersion-)?2(?:-0)?)?|bsd(?:-[23]-clause)?(?:-licen[cs]e)?|"
        r"mit(?:-licen[cs]e)?|psi-?licen[cs]e|kogl-1|geonutz(?:-\d{8}|v-de-2013)?|terms-by|"
        r"odc-?by(?:-1-0)?|(?:open-data-commons|odc)-attribution(?:-licen[cs]e)?(?:-odc-by)?(?:-?v?1-0)?|"
        r"modellicentie-gratis-hergebruik|noncommercialallowed-commercialallowed-referencerequired",
    ),
    (
        LicenceClass.NOT_STATED,
        r"(?:licen[cs]e-)?(?:not-?specified|unspecified|not-?stated|unknown)|keine-angabe|nicht-angegeben|"
        r"licentieonbekend|op-datpro|none|n-?a",
    ),
)
"""Whole names of licences, as :func:`_plain` writes them."""
_CC_ADDRESS = re.compile(
    r"creativecommons\.org/licenses/(?P<code>by(?:-(?:nc|nd|sa)){0,2})(?:/\d\.\d(?:/(?:[a-z]{2}|igo|scotland))?)?"
    r"(?:/(?:deed|legalcode)(?:\.[a-z_-]{2,10})?)?"
)
_REGISTERS = re.compile(
    r"(?:publications\.europa\.eu/resource/authority/licence|dcat-ap\.de/def/licenses|dcat-ap\.ch/vocabulary/licenses|"
    r"spdx\.org/licenses|opensource\.org/licen[cs]es?|opendefinition\.org/licenses|govdata\.de/dl-de|"
    r"inspire\.ec\.europa\.eu/metadata-codelist/conditionsapplyingtoaccessanduse|data\.vlaanderen\.be/id/licentie|"
    r"w3id\.org/italia/controlled-vocabulary/licences)/(?P<name>[^/]+(?:/v?[\d.]+)?)"
)
"""Registers of licences: the end of an address is a name."""
_ADDRESSES: tuple[tuple[LicenceClass, str], ...] = (
    (
        LicenceClass.OPEN,
        r"creativecommons\.org/publicdomain/(?:zero|mark)(?:/1\.0)?(?:/(?:deed|legalcode)[a-z._-]{0,8})?",
    ),
    (LicenceClass.OPEN, r"opendatacommons\.org/licenses/pddl(?:/1[.-]0)?|purl\.org/adms/licencetype/publicdomain"),
    (LicenceClass.ATTRIBUTION, r"opendatacommons\.org/licenses/by(?:/1[.-]0)?|purl\.org/adms/licencetype/attribution"),
    (LicenceClass.SHARE_ALIKE, r"opendatacommons\.org/licenses/odbl(?:/1[.-]0)?|openstreetmap\.org/copyright"),
    (LicenceClass.SHARE_ALIKE, r"gnu\.org/licenses/(?:[al]?gpl|fdl|gpl)(?:-\d\.\d)?(?:\.[a-z]{2})?(?:\.html|\.txt)?"),
    (LicenceClass.NON_COMMERCIAL, r"purl\.org/adms/licencetype/noncommercialuseonly"),
    (
        LicenceClass.ATTRIBUTION,
        r"nationalarchives\.gov\.uk/doc/open-government-licence(?:/version/[123])?|data\.norge\.no/nlod(?:/[a-z]{2})?(?:/[12]\.0)?|"
        r"etalab\.gouv\.fr/licence-ouverte-open-licen[cs]e|etalab\.gouv\.fr/wp-content/uploads/[\w./-]*licence-ouverte[\w.-]*|"
        r"apache\.org/licenses/license-2\.0(?:\.txt|\.html)?|dati\.gov\.it/iodl/2\.0",
    ),
)
"""Further addresses: host without ``www.``, and path, in lower case."""
_NARROWS = re.compile(
    r"(?<![^\W_])(?:no[nt]?|nicht|kein\w*|niet|geen|pas|sans|aucun\w*|senza|sin|sem|n[aã]o|ei|ikke|inte|nie|ne|nu|ni|bez|"
    r"без|не|δεν|χωρίς|without|only|nur|seulement|solo|alleen|uniquement|prohibit\w*|verboten|interdit\w*|vietat\w*|"
    r"prohibid\w*|permission|genehmigung|by-?n[cd])(?![^\W_])",
    re.IGNORECASE,
)
"""Words beside a known licence that may take back what it permits."""


def classify(uri: str, label: str = "") -> LicenceClass:
    """Class of a licence, from its address (or a name in its place) and its name."""
    of_address, of_label = _known(uri), _known(label)
    stated = [kind for kind in (of_address, of_label) if kind is not None and kind is not LicenceClass.NOT_STATED]
    if stated:
        taken_back = label and of_label is None and _NARROWS.search(label)
        return strictest([*stated, LicenceClass.BESPOKE] if taken_back and _is_hopeful(stated) else stated)
    known = (not uri.strip() or of_address, not label.strip() or of_label)
    return LicenceClass.NOT_STATED if all(known) else LicenceClass.BESPOKE


def _is_hopeful(kinds: Iterable[LicenceClass]) -> bool:
    return LicenceClass.NON_COMMERCIAL not in kinds


def is_narrower(uri: str, names: Iterable[str]) -> bool:
    """Whether one of the names, itself unknown, may take back what a licence permits."""
    return any(_known(name) is None and _NARROWS.search(name) for name in names if name.strip() and name != uri)


def strictest(kinds: Iterable[LicenceClass]) -> LicenceClass:
    """The class with the most conditions; an unknown licence counts as stricter than any known one."""
    order = list(LicenceClass)
    return max(kinds, key=order.index, default=LicenceClass.NOT_STATED)


@lru_cache(maxsize=10_000)
def _known(text: str) -> LicenceClass | None:
    """Class of a known address or name; None if it is not known."""
    text = text.strip()
    if not text:
        return None
    if re.match(r"[a-z][a-z+.-]*://", text, re.IGNORECASE):
        return _of_address(text)
    code = licence_code(text)
    return _of_name(code or text)


def _of_address(address: str) -> LicenceClass | None:
    if code := licence_aliases().get(re.sub("^https?:", "", address).rstrip("/")):
        return _of_name(code)
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").removeprefix("www.")
    except ValueError:
        return None
    if parts.scheme.lower() not in ("http", "https") or parts.username or parts.port:
        return None
    place = host + parts.path.rstrip("/").lower()
    if match := _CC_ADDRESS.fullmatch(place):
        return _of_parts(set(match["code"].split("-")))
    if match := _REGISTERS.fullmatch(place):
        return _of_register(host, match["name"])
    return next((kind for kind, pattern in _ADDRESSES if re.fullmatch(pattern, place)), None)


def _of_register(host: str, name: str) -> LicenceClass | None:
    """Class of a name at the end of a register's address."""
    if host == "w3id.org":  # ``A21_CCBY40``, ``A21:CCBY40``
        name = re.sub(r"(?i)^[a-z]\d+[:_]", "", name)
        name = re.sub(r"(?i)^cc(by(?:nc)?(?:sa|nd)?)(\d)(\d)$", r"cc-\1-\2-\3", name)
    if host == "govdata.de":
        name = f"dl-de-{name}"
    if host == "data.vlaanderen.be":
        name = re.sub(r"/v[\d.]+$", "", name)
    return _of_name(re.sub(r"\.(html|json|txt|php)$", "", name))


def _of_name(name: str) -> LicenceClass | None:
    plain = _plain(name)
    if match := _CREATIVE_COMMONS.fullmatch(plain):
        parts = {part for part in ("nc", "sa", "nd") if match[part]} | ({"nc"} if match["nc_last"] else set())
        short = re.search(r"-cc-by([a-z-]*?)(-\d-\d)?$", plain) if match["short"] is not None else None
        return _of_parts(parts | set(re.findall("nc|sa|nd", short[1])) if short else parts)
    return next((kind for kind, pattern in _NAMES if re.fullmatch(pattern, plain)), None)


def _of_parts(parts: set[str]) -> LicenceClass:
    """Class of a Creative Commons licence with attribution, by its further parts."""
    if "nc" in parts:
        return LicenceClass.NON_COMMERCIAL
    if "nd" in parts:
        return LicenceClass.BESPOKE
    return LicenceClass.SHARE_ALIKE if "sa" in parts else LicenceClass.ATTRIBUTION


def _plain(name: str) -> str:
    """A name in lower case, with one hyphen for each run of spaces and punctuation."""
    return re.sub(r"[\W_]+", "-", unicodedata.normalize("NFKC", name).casefold()).strip("-")
