"""Distributions of a record: its files, and the services that hand it out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

from hub.dataspace.metadata import file_types, rights, vocabularies
from hub.dataspace.metadata.literals import byte_size, clean, is_link
from hub.dataspace.metadata.namespaces import ADMS, DCAT, DCT, IT6, ODRL, RDF, RDFS, SCHEMA, SPDX, Node
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
_LINKS = (DCAT + "accessURL", DCAT + "downloadURL")
_DIGITS = {"md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128}
"""Checksum algorithms -> hexadecimal digits of their values."""


class DistributionReader:
    """Reads the distributions of one record."""

    def __init__(self, reader: NodeReader, trees: TreeBuilder) -> None:
        self._reader = reader
        self._trees = trees

    def distributions(self, node: Node, kind: Kind) -> Iterator[Distribution]:
        """Files, samples and services of a record of this kind."""
        addresses = set[str]()
        for predicate in (DCAT + "distribution", ADMS + "sample", IT6 + "hasFile"):
            for term in node.get(predicate, ())[:MOST_VALUES]:
                distribution = self._distribution(term[1], is_file=predicate == IT6 + "hasFile")
                addresses |= {distribution.access_url, distribution.endpoint_url}
                yield distribution
        # The terms of a record that is a service are the record's own.
        if kind == Kind.SERVICE and (endpoint := self._reader.link(node, DCAT + "endpointURL")):
            yield Distribution(access_url=endpoint, endpoint_url=endpoint)
        yield from self._services(node, addresses)

    def _services(self, node: Node, addresses: set[str]) -> Iterator[Distribution]:
        """Services that hand a record out, without those at the ``addresses`` that its distributions have."""
        by_contract = bool(node.get(ODRL + "hasPolicy"))
        for term in node.get(DCAT + "accessService", ())[:MOST_VALUES]:
            service = self._reader.about(term[1])
            endpoint = self._reader.link(service, DCAT + "endpointURL")
            if endpoint and endpoint not in addresses:
                title = self._reader.text(service, DCT + "title", longest=LONGEST_TITLE)
                access_url = "" if by_contract or service.get(ODRL + "hasPolicy") else endpoint
                yield Distribution(
                    title=title, access_url=access_url, endpoint_url=endpoint, service=self._terms(service)
                )

    def _terms(self, service: Node) -> Terms:
        access, words = rights.access(self._reader, service)
        return Terms(
            licence=rights.licence(self._reader, service),
            access=access,
            rights_in_words=words,
            policies=self._trees.policies(service),
        )

    def _distribution(self, identity: str, *, is_file: bool) -> Distribution:
        reader = self._reader
        node = reader.about(identity)
        # A file of a model may be an address alone; a distribution without properties is only a name.
        file_address = clean(identity) if is_file and is_link(identity) else ""
        unusable_links = {name for name in _LINKS if not reader.link(node, name)}
        access, words = rights.access(reader, node)
        return Distribution(
            uri="" if identity.startswith("_:") else clean(identity),
            title=reader.text(node, DCT + "title", RDFS + "label", longest=LONGEST_TITLE),
            description=reader.text(node, DCT + "description"),
            access_url=reader.link(node, DCAT + "accessURL", IT6 + "url", SCHEMA + "url") or file_address,
            download_url=reader.link(node, DCAT + "downloadURL"),
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
            extra=self._trees.remaining(node, _READ_PREDICATES - unusable_links),
        )

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
                if term[0] == "i" and not re.search("/file-type/|/media-types/", value):
                    about = self._reader.about(term[1])
                    label = vocabularies.in_language(self._reader.text(about, *LABELS, RDF + "value"), "en")
                    value = label or ("" if value.startswith("_:") else value)
                if value:
                    return file_types.code_of(value)
        return ""

    def _media_type(self, node: Node) -> str:
        values = self._reader.values(node, *_MEDIA_TYPES, DCT + "format")
        names = (value.rpartition("media-types/")[2] for value in values)
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
