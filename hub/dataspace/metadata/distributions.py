"""Distributions of a record: its files, and the services that hand it out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

from hub.dataspace.metadata import file_types, rights, vocabularies
from hub.dataspace.metadata.literals import byte_size, clean, is_link
from hub.dataspace.metadata.namespaces import ADMS, DCAT, DCT, IT6, ODRL, RDF, RDFS, SCHEMA, SPDX, UNEXPLAINED, Node
from hub.dataspace.metadata.nodes import LABELS, LONGEST_TITLE, MOST_VALUES, NodeReader
from hub.dataspace.metadata.trees import TreeBuilder
from hub.dataspace.models import Checksum, Distribution, Kind, Licence, Terms

_MEDIA_TYPES = (DCAT + "mediaType", DCT + "mediaType")
_READ_PREDICATES = frozenset((
    RDF + "type",
    ODRL + "hasPolicy",
    SPDX + "checksum",
    *(DCT + name for name in ("title", "description", "format", "license", "rights", "accessRights")),
    *(DCT + name for name in ("issued", "modified", "identifier")),
    *(DCAT + name for name in ("accessURL", "downloadURL", "accessService", "mediaType", "byteSize")),
    *(DCAT + name for name in ("compressFormat", "packageFormat")),
    *(IT6 + name for name in ("url", "format", "checksum")),
))  # fmt: skip
_ACCESS = (DCAT + "accessURL", IT6 + "url", SCHEMA + "url")
MOST_FILES = MOST_VALUES
"""Distributions of one record that are read; the rest is counted."""
_DIGITS = {"md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128}
"""Checksum algorithms -> hexadecimal digits of their values."""


class DistributionReader:
    """Reads the distributions of one record."""

    def __init__(self, reader: NodeReader, trees: TreeBuilder) -> None:
        self._reader = reader
        self._trees = trees

    def distributions(self, node: Node, kind: Kind) -> tuple[list[Distribution], int]:
        """Files, samples and services of a record of this kind, at most :data:`MOST_FILES`, and how many it has."""
        files, files_stated = self._files(node)
        addresses = {address for file in files for address in (file.access_url, file.endpoint_url)}
        services = list(self._services(node, addresses))
        # The terms of a record that is a service are the record's own.
        if kind == Kind.SERVICE and (endpoint := self._reader.link(node, DCAT + "endpointURL")):
            services.insert(0, Distribution(access_url=endpoint, endpoint_url=endpoint))
        return [*files, *services][:MOST_FILES], files_stated + len(services)

    def _files(self, node: Node) -> tuple[list[Distribution], int]:
        """The first files and samples, and how many there are. Files beyond these are counted and not read."""
        files: list[Distribution] = []
        count = 0
        for predicate in (DCAT + "distribution", ADMS + "sample", IT6 + "hasFile"):
            for term in node.get(predicate, ()):
                if len(files) < MOST_FILES:
                    files_of_term = self._files_of(term[1], is_file=predicate == IT6 + "hasFile")
                    files += files_of_term
                    count += len(files_of_term)
                else:
                    count += 1
        return files[:MOST_FILES], count

    def _services(self, node: Node, addresses: set[str]) -> Iterator[Distribution]:
        """Services that hand a record out, without those at the ``addresses`` that its distributions have."""
        by_contract = bool(node.get(ODRL + "hasPolicy"))
        for term in node.get(DCAT + "accessService", ())[:MOST_VALUES]:
            service = self._reader.about(term[1])
            endpoint = self._reader.link(service, DCAT + "endpointURL")
            unusable = () if endpoint else tuple(self._reader.unusable_addresses(service, DCAT + "endpointURL"))
            if unusable or (endpoint and endpoint not in addresses):
                yield Distribution(
                    title=self._reader.text(service, DCT + "title", longest=LONGEST_TITLE),
                    access_url="" if by_contract or service.get(ODRL + "hasPolicy") else endpoint,
                    unusable_addresses=unusable,
                    endpoint_url=endpoint,
                    service=self._terms(service),
                )

    def _terms(self, service: Node) -> Terms:
        access, words = rights.access(self._reader, service)
        return Terms(
            licence=rights.licence(self._reader, service),
            access=access,
            rights_in_words=words,
            policies=self._trees.policies(service),
        )

    def _files_of(self, identity: str, *, is_file: bool) -> list[Distribution]:
        """A distribution, once for each of its addresses to download: DCAT leaves open how many it has."""
        reader = self._reader
        node = reader.about(identity)
        distribution = self._distribution(identity, node, is_file=is_file)
        downloads = reader.links(node, DCAT + "downloadURL")
        address, statements = distribution.access_url, (distribution.format, distribution.media_type)
        if not downloads and address != distribution.endpoint_url and file_types.is_file_address(address, *statements):
            downloads = [address]
        if len(downloads) < 2:
            return [distribution.model_copy(update={"download_url": "".join(downloads)})]
        # Size and checksum are those of one file, and it is not stated of which.
        extra = self._trees.remaining(node, node.keys() - {DCAT + "byteSize", SPDX + "checksum"}) | distribution.extra
        several = distribution.model_copy(update={"bytes": None, "checksum": None, "extra": extra})
        return [several.model_copy(update={"download_url": address}) for address in downloads]

    def _distribution(self, identity: str, node: Node, *, is_file: bool) -> Distribution:
        """A distribution without its addresses to download."""
        reader = self._reader
        # A file of a model may be an address alone; a distribution without properties is only a name.
        file_address = clean(identity) if is_file and is_link(identity) else ""
        access, words = rights.access(reader, node)
        return Distribution(
            uri="" if identity.startswith("_:") else clean(identity),
            title=reader.text(node, DCT + "title", RDFS + "label", longest=LONGEST_TITLE),
            description=reader.text(node, DCT + "description"),
            access_url=reader.link(node, *_ACCESS) or file_address,
            unusable_addresses=tuple(reader.unusable_addresses(node, DCAT + "downloadURL", *_ACCESS)),
            endpoint_url=self._endpoint(node),
            format=self._format(node),
            media_type=self._media_type(node),
            packaging=file_types.code_of(reader.first(node, DCAT + "compressFormat", DCAT + "packageFormat")),
            bytes=byte_size(reader.first(node, DCAT + "byteSize")),
            checksum=self._checksum(node),
            licence=rights.licence(reader, node),
            access=access,
            rights=reader.labels(node, DCT + "rights"),
            rights_in_words=words,
            modified=reader.date(node, DCT + "modified", DCT + "issued"),
            policies=self._trees.policies(node),
            service=self._service(node),
            extra=self._trees.remaining(node, _READ_PREDICATES - set(self._partly_read(node))),
        )

    def _partly_read(self, node: Node) -> Iterator[str]:
        """Properties with a value that no field has as it is: other addresses, dates or sizes."""
        if len(self._reader.links(node, DCAT + "accessURL")) != 1:
            yield DCAT + "accessURL"
        if not self._reader.links(node, DCAT + "downloadURL"):
            yield DCAT + "downloadURL"
        yield from self._reader.without_date(node, DCT + "modified", DCT + "issued")
        if byte_size(self._reader.first(node, DCAT + "byteSize")) is None:
            yield DCAT + "byteSize"

    def _service(self, node: Node) -> Terms:
        """Terms of the services that hand a file out, of all together."""
        services = [
            self._terms(self._reader.about(term[1])) for term in node.get(DCAT + "accessService", ())[:MOST_VALUES]
        ]
        if len(services) < 2:
            return services[0] if services else Terms()
        return Terms(
            licence=rights.strictest_licence([service.licence for service in services]) or Licence(),
            access=rights.strictest_access(service.access for service in services),
            rights_in_words=tuple(words for service in services for words in service.rights_in_words),
            policies=tuple(policy for service in services for policy in service.policies),
        )

    def _endpoint(self, node: Node) -> str:
        for term in node.get(DCAT + "accessService", ()):
            if endpoint := self._reader.link(self._reader.about(term[1]), DCAT + "endpointURL"):
                return endpoint
        return ""

    def _format(self, node: Node) -> str:
        """Code of the file type, from the first property that states one."""
        for predicate in (DCT + "format", *_MEDIA_TYPES, IT6 + "format"):
            for term in node.get(predicate, ()):
                value = clean(term[1])
                if value.startswith(UNEXPLAINED):  # a connector's own name for it
                    name = value.removeprefix(UNEXPLAINED)
                    return file_types.known_code(name.lower()) or name[:40]
                if term[0] == "i" and not re.search("/file-type/|/media-types/", value):
                    about = self._reader.about(term[1])
                    label = vocabularies.in_language(self._reader.text(about, *LABELS, RDF + "value"), "en")
                    value = label or ("" if value.startswith("_:") else value)
                if value:
                    return file_types.code_of(value)
        return ""

    def _media_type(self, node: Node) -> str:
        values = self._reader.values(node, *_MEDIA_TYPES, DCT + "format")
        names = (value.removeprefix(UNEXPLAINED).rpartition("media-types/")[2] for value in values)
        return next((name.lower() for name in names if re.fullmatch(r"[\w.+-]{1,40}/[\w.+-]{1,80}", name)), "")

    def _checksum(self, node: Node) -> Checksum | None:
        """The first checksum; its algorithm as stated, else by the length of its value."""
        for term in [*node.get(SPDX + "checksum", ()), *node.get(IT6 + "checksum", ())][:1]:
            about = self._reader.about(term[1])
            value = self._reader.first(about, SPDX + "checksumValue").lower()
            stated = self._reader.first(about, SPDX + "algorithm").lower()
            algorithm = re.sub("[^a-z0-9]", "", stated).rpartition("algorithm")[2]
            if re.fullmatch(r"[0-9a-f]{32,128}", value):
                by_name = (name for name in _DIGITS if algorithm.endswith(name))
                by_length = (name for name, digits in _DIGITS.items() if not algorithm and digits == len(value))
                return Checksum(algorithm=next(chain(by_name, by_length), algorithm[:40]), value=value)
        return None
