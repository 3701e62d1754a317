"""DCAT, ODRL and the controlled vocabularies as plain values: what harvesting, search and publishing share."""
