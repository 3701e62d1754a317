"""Lines of Python that read a file, for a page, and in a notebook of its own. Pure."""

from __future__ import annotations

import json
from typing import Any

_ENDINGS = (".gz", ".zst", ".zip")

_READERS = {
    "PARQUET": "import pyarrow.parquet as pq\n\ntable = pq.read_table({path})\ntable.slice(0, 5).to_pandas()",
    "CSV": "import duckdb\n\nrows = duckdb.read_csv({path})\nrows.limit(5)",
    "TSV": "import duckdb\n\nrows = duckdb.read_csv({path}, sep='\\t')\nrows.limit(5)",
    "JSON": "import duckdb\n\nrows = duckdb.read_json({path})\nrows.limit(5)",
}
_ANY = "from pathlib import Path\n\nfile = Path({path})\nfile.stat().st_size"

_REMOTE = {
    "PARQUET": "import fsspec\nimport pyarrow.parquet as pq\n\n"
    "with fsspec.open({path}{anon}) as file:\n    table = pq.ParquetFile(file).read_row_group(0)\ntable.to_pandas()",
    "CSV": "import fsspec\nimport pyarrow.csv as csv\n\n"
    "with fsspec.open({path}{anon}) as file:\n    rows = csv.open_csv(file).read_next_batch()\nrows.to_pandas()",
}
_REMOTE_ANY = (
    "import fsspec\n\nwith fsspec.open({path}{anon}) as file:\n    beginning = file.read(10_000)\nbeginning[:200]"
)


def kind_of(told: str, name: str) -> str:
    """CSV, PARQUET and so on, from what a record says or else from a file's name."""
    plain = name.lower().partition("?")[0]
    for ending in _ENDINGS:
        plain = plain.removesuffix(ending)
    by_name = plain.rpartition(".")[2].upper()
    return told if told in _READERS else by_name


def local(path: str, told: str = "") -> str:
    """Lines that read a file in the project."""
    packed = path.lower().endswith((".zip", ".tar", ".tgz", ".tar.gz"))
    reader = _ANY if packed else _READERS.get(kind_of(told, path), _ANY)
    return reader.format(path=_quoted(path))


def remote(address: str, told: str = "") -> str:
    """Lines that read a file where it is, in parts."""
    anon = ", anon=True" if address.startswith("s3://") else ""
    return _REMOTE.get(kind_of(told, address), _REMOTE_ANY).format(path=_quoted(address), anon=anon)


def notebook(title: str, about: str, code: str) -> dict[str, Any]:
    """A notebook of two cells. Title and words about the data are somebody else's: a code block shows them as text."""
    words = "\n".join(line.replace("`", "'") for line in (title, "", about))
    cells: list[dict[str, Any]] = [
        {"cell_type": "markdown", "id": "about", "metadata": {}, "source": f"```text\n{words}\n```"},
        {"cell_type": "code", "id": "read", "metadata": {}, "execution_count": None, "outputs": [], "source": code},
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def _quoted(text: str) -> str:
    """As a literal of Python, whatever is in it."""
    return json.dumps(text)
