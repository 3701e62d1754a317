"""Namespaces of the vocabularies, and the shape in which readers hand on what a catalogue says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hub.dataspace.models import Kind

Term = list[Any]
Node = Mapping[str, Sequence[Term]]

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
RDFS = "http://www.w3.org/2000/01/rdf-schema#"
DCT = "http://purl.org/dc/terms/"
DC = "http://purl.org/dc/elements/1.1/"
DCAT = "http://www.w3.org/ns/dcat#"
FOAF = "http://xmlns.com/foaf/0.1/"
VCARD = "http://www.w3.org/2006/vcard/ns#"
ADMS = "http://www.w3.org/ns/adms#"
SPDX = "http://spdx.org/rdf/terms#"
ODRL = "http://www.w3.org/ns/odrl/2/"
IT6 = "http://data.europa.eu/it6/"
SCHEMA = "http://schema.org/"
DCATAP = "http://data.europa.eu/r5r/"
EDC = "https://w3id.org/edc/v0.0.1/ns/"
PROV = "http://www.w3.org/ns/prov#"
SKOS = "http://www.w3.org/2004/02/skos/core#"
OWL = "http://www.w3.org/2002/07/owl#"
LOCN = "http://www.w3.org/ns/locn#"
TIME = "http://www.w3.org/2006/time#"
WKT = "http://www.opengis.net/ont/geosparql#asWKT"
DCATAPIT = "http://dati.gov.it/onto/dcatapit#"
UNEXPLAINED = "urn:unexplained:"
"""Namespace of JSON-LD terms that no context explains. Parsers drop terms without a namespace, and a
rule could lose its condition."""

KINDS = {
    DCAT + "Dataset": Kind.DATASET,
    DCAT + "DatasetSeries": Kind.SERIES,
    DCAT + "DataService": Kind.SERVICE,
    IT6 + "MachineLearningModel": Kind.MODEL,
}
