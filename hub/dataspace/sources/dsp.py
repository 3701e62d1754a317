"""Dataspace Protocol 2025-1, as far as a catalogue is asked for: ``POST /catalog/request``, paged by ``Link``."""

from __future__ import annotations

from typing import Any

CONTEXT = "https://w3id.org/dspace/2025/1/context.jsonld"


def catalogue_address(address: str) -> str:
    """Where a connector's catalogue is asked for, whether its base or the endpoint itself is named."""
    address = address.rstrip("/")
    return address if address.endswith("/catalog/request") else f"{address}/catalog/request"


def catalogue_request() -> dict[str, Any]:
    """A request for everything that this participant may see."""
    return {"@context": [CONTEXT], "@type": "CatalogRequestMessage", "filter": []}
