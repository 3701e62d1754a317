"""Files of the store in a publication: their addresses, and what these stand for. Pure.

The address of a stored file is below its record's and has its SHA-256 in it, so what it leads to never changes. It
stands for the file only in a record that refers to it (:mod:`hub.store.service`).
"""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from urllib.parse import quote

from hub.dataspace.metadata import file_types
from hub.dataspace.publications.models import PublicationForm, PublishedFile
from hub.store.models import StoredFile

OTHER = "application/octet-stream"
_TYPES = mimetypes.MimeTypes()
for _ending, _type in (
    (".geojson", "application/geo+json"),
    (".jsonl", "application/jsonl"),
    (".parquet", "application/vnd.apache.parquet"),
    (".zst", "application/zstd"),
):
    _TYPES.add_type(_type, _ending)


def owner_of(uri: str) -> str:
    """The name by which a publication refers to objects of the store. ``uri`` is its record's."""
    return f"publication/{uri.rpartition('/')[2]}"


def with_addresses(form: PublicationForm, uri: str, stored: Mapping[str, StoredFile]) -> PublicationForm:
    """``form`` with everything that is known of its stored files. ``stored``: by their SHA-256."""
    files = tuple(_with_address(file, uri, stored[file.stored]) if file.stored else file for file in form.files)
    return form.model_copy(update={"files": files})


def _with_address(file: PublishedFile, uri: str, stored: StoredFile) -> PublishedFile:
    name = file.name or stored.name
    address = address_of(uri, stored.sha256, name)
    return file.model_copy(
        update={
            "access_url": address,
            "download_url": address,
            "name": name,
            "bytes": stored.bytes,
            "sha256": stored.sha256,
            "media_type": file.media_type or media_type(name),
            "format": file.format or file_types.known_code(file_types.extension(name).lower()),
        }
    )


def media_type(name: str) -> str:
    """Media type by a file's name; that of the compressed file if it is compressed."""
    guessed, encoding = _TYPES.guess_type(name)
    if encoding is not None:
        return {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}.get(
            encoding, OTHER
        )
    return guessed or OTHER


def address_of(uri: str, sha256: str, name: str) -> str:
    """Address of a stored file of the record ``uri``."""
    return f"{uri}/files/{sha256}/{quote(name, safe='')}"


def digest_in(address: str, uri: str) -> str:
    """The SHA-256 in the address of a stored file of the record ``uri``; empty for any other address."""
    prefix = f"{uri}/files/"
    return address.removeprefix(prefix).partition("/")[0] if address.startswith(prefix) else ""
