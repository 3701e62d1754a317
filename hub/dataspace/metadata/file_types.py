"""Types of data files: by media type, name or extension, and which files are tables or archives.

The one place for it: used for records, previews, transfers and lines of code that read a file. It needs the standard
library alone, but for types that only the EU authority table has: a job on a node and the sandbox import it, too.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import urlsplit

TEXT_TABLES = frozenset({"CSV", "TSV", "JSON", "GEOJSON", "JSONL", "NDJSON"})
"""Types of text whose first rows can be shown."""
PARQUET = "PARQUET"
_COMPRESSIONS = (".gz", ".zst", ".zip")
"""Extensions after that of the type: ``air.csv.gz``."""
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".7z", ".rar")
_PACKAGE_CODES = {"ZIP", "GZIP", "TAR", "TAR_GZ", "7Z"}
_CODES = {
    "text/csv": "CSV",
    "application/json": "JSON",
    "application/geo+json": "GEOJSON",
    "application/vnd.geo+json": "GEOJSON",
    "application/ld+json": "JSON_LD",
    "text/turtle": "RDF_TURTLE",
    "application/rdf+xml": "RDF_XML",
    "application/xml": "XML",
    "text/xml": "XML",
    "text/html": "HTML",
    "text/plain": "TXT",
    "application/pdf": "PDF",
    "application/zip": "ZIP",
    "application/gzip": "GZIP",
    "application/vnd.ms-excel": "XLS",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "XLSX",
    "application/vnd.apache.parquet": PARQUET,
    "application/x-parquet": PARQUET,
    "parquet": PARQUET,
    "application/n-triples": "RDF_N_TRIPLES",
    "application/n-quads": "RDF_N_QUADS",
    "application/trig": "RDF_TRIG",
    "application/geopackage+sqlite3": "GPKG",
    "application/vnd.google-earth.kml+xml": "KML",
    "application/gml+xml": "GML",
    "image/jpeg": "JPEG",
    "image/tiff": "TIFF",
    "text/tab-separated-values": "TSV",
    "application/x-zip-compressed": "ZIP",
    "comma-separated values": "CSV",
    "geopackage": "GPKG",
    "geotiff": "TIFF",
    "excel": "XLS",
    "jpg": "JPEG",
    "json-ld": "JSON_LD",
    "jsonld": "JSON_LD",
    "ttl": "RDF_TURTLE",
    "xls": "XLS",
    "shapefile": "SHP",
    "esri shapefile": "SHP",
}
"""Media types and extensions that the authority table (2018) lists under another code or not at all."""

_PAGES = frozenset({
    "ACTION", "ASHX", "ASP", "ASPX", "ATOM", "CFM", "CGI", "DO", "HTM", "HTML", "HTML_SIMPL", "JSF", "JSP", "LINK",
    "MHTML", "MSG_HTTP", "PHP", "RDFA", "RSS", "SERVICE", "URL", "WEB", "WWW", "XHTML", "XHTML_SIMPL",
})  # fmt: skip
"""Codes of pages, and of programs that answer with one."""
_SERVICE = re.compile(
    r"MAP_|(?:API|ARCGIS|CSW|ESRI|ODATA|OGC|REST|SOAP|SOS|SPARQLQ?|TMS|WCS|WFS|WMS|WMTS|WPS)(?![A-Z])"
)
"""Beginnings of the codes of services."""
_FURTHER_FILES = frozenset({
    "7Z", "ARROW", "ASC", "AVRO", "BZ2", "DAT", "DTA", "DWG", "DXF", "FEATHER", "FGB", "GEOTIFF", "GPKG", "GPX",
    "GRB", "GRIB", "GRIB2", "GZ", "H5", "HDF5", "JSONL", "MP3", "MP4", "NC", "NDJSON", "NPY", "NPZ", "ORC", "OSM",
    "PBF", "PARQUET", "RDA", "RDATA", "RDS", "SAS7BDAT", "SAV", "TGZ", "TSV", "WAV", "WEBP", "XLSB", "XLSM", "XZ",
    "ZST",
})  # fmt: skip
"""Codes of files that the authority table does not have."""
_TRANSFER_FORMAT = re.compile(r"[\w.:]+[-+_](?:push|pull)", re.I)
"""Formats of the Dataspace Protocol: how a connector hands data out. They are written as the connector does."""
_PATH_OF_PAGE_OR_SERVICE = re.compile(
    r"/(?:about|api|catalog(?:ue)?|(?:data-?)?sets?|explore|home|index|metadata|node|pages?|portal|records?|search|views?"
    r"|csw|featureserver|mapserver|ows|services?|sparql|wcs|wfs|wms|wmts)(?:/|\Z)|/\Z|\A\Z",
    re.I,
)
_DOWNLOAD = re.compile(
    r"attachment|bitstream|download|/exports?(?:[/?]|\Z)|getfile|/files?/|/raw/|[?&](?:output)?format=", re.I
)
"""What addresses have in them that hand out a file below the path of a page or a service."""


def code_of(value: str) -> str:
    """Code of the type that a source states as an IRI, a media type, an extension or a name.

    A type that is not known gives its name in upper case, at most 40 characters.
    """
    name = value.strip()
    if name.startswith(("http://", "https://")):
        path = name.rstrip("/")
        name = "/".join(path.rsplit("/", 2)[1:]) if "media-types" in path else path.rsplit("/", 1)[1].rsplit("#", 1)[-1]
    if _TRANSFER_FORMAT.fullmatch(name):
        return name[:40]
    name = name.partition(";")[0].strip().lower()
    if code := known_code(name):
        return code
    # "Zipped CSV", "Spreadsheet (csv)": the first part that is a type; one that is a package only if there is no other.
    codes = [code for part in re.findall(r"[a-z0-9_+-]{2,}", name) if (code := known_code(part))]
    if codes and "/" not in name:
        return next((code for code in codes if code not in _PACKAGE_CODES), codes[0])
    return name.rsplit("/", 1)[-1].removeprefix("x-").upper()[:40]


def known_code(name: str) -> str:
    """Code of the type with this media type, extension or label (lower case), or an empty text."""
    from hub.dataspace.metadata import vocabularies  # reads the authority table, which nothing else here needs

    name = name.lstrip(".")
    return _CODES.get(name) or vocabularies.file_type_code(name)


def is_file_address(address: str, *statements: str) -> bool:
    """Whether an address leads to a file, and not to a page about it or to a service. Nothing is fetched for it.

    The name in the address decides if it has an extension of a file or of a page. Else the ``statements`` of its source
    do (type, media type, packaging), unless the path is one of a page or a service.
    """
    codes = [code_of(statement) for statement in statements if statement]
    if any(map(_is_page_or_service, codes)):
        return False
    parts = urlsplit(address)
    name = parts.path.rpartition("/")[2]
    ending = extension(name) if "." in name else ""
    if _is_file(code_of(ending)) or _is_page_or_service(ending):
        return _is_file(code_of(ending))
    below_page = _PATH_OF_PAGE_OR_SERVICE.search(parts.path) and not _DOWNLOAD.search(f"{parts.path}?{parts.query}")
    return any(map(_is_file, codes)) and not below_page


def _is_page_or_service(code: str) -> bool:
    return code in _PAGES or _SERVICE.match(code) is not None


def _is_file(code: str) -> bool:
    known = code in _FURTHER_FILES or bool(known_code(code.lower()))
    return known and not _is_page_or_service(code) and code != "OCTET"


def extension(name: str) -> str:
    """The extension of a name or address in upper case: ``GZ`` of ``air.csv.gz``."""
    return _without_query(name).rpartition(".")[2].upper()


def readable_type(stated: str, name: str, readable: Collection[str]) -> str:
    """The first that is in ``readable`` of the type that a record states and the type that the file's name shows.

    :returns: an empty text if neither is.
    """
    plain = _without_query(name)
    for compression in _COMPRESSIONS:
        plain = plain.removesuffix(compression)
    return next((code for code in (stated, extension(plain)) if code in readable), "")


def is_archive(name: str) -> bool:
    """Whether a file of this name or address may hold several files."""
    return _without_query(name).endswith(_ARCHIVES)


def is_zip(name: str) -> bool:
    """Whether a file of this name or address has to be there whole before its members can be listed."""
    return _without_query(name).endswith(".zip")


def _without_query(name: str) -> str:
    return name.lower().partition("?")[0]
