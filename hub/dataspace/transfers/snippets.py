"""Python code that reads a file, for the page of a record and for the notebook beside a transferred file. Pure."""

from __future__ import annotations

import json
from typing import Any

from hub.dataspace.metadata import file_types
from hub.dataspace.models import Distribution, RemoteUse
from hub.errors import InvalidInput

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


def local(path: str, stated_type: str = "") -> str:
    """Code that reads a file in the project. ``stated_type``: code of the file type in the record."""
    file_type = file_types.readable_type(stated_type, path, _READERS)
    reader = _ANY if file_types.is_archive(path) else _READERS.get(file_type, _ANY)
    return reader.format(path=_quoted(path))


def remote(address: str, stated_type: str = "") -> str:
    """Code that reads a file in parts, without a copy."""
    anon = ", anon=True" if address.startswith("s3://") else ""
    file_type = file_types.readable_type(stated_type, address, _READERS)
    return _REMOTE.get(file_type, _REMOTE_ANY).format(path=_quoted(address), anon=anon)


def stored(record_id: int, file: int) -> str:
    """Code that gets a file of this factory's own store, which answers only to those who may see its record."""
    number = f", file={file}" if file else ""
    return f"from widgets import DataSpace\n\npath = DataSpace().fetch({record_id}{number})\npath"


def remote_use(file: Distribution, path: str = "") -> RemoteUse:
    """How to read a file without a copy.

    :param path: of a file on this machine, else empty.
    :raises InvalidInput: it has no address to read it from.
    """
    if path:
        return RemoteUse(address=path, code=local(path, file.format))
    if not file.download_url.startswith(("http://", "https://", "s3://")):
        raise InvalidInput("Its source states no address to read the file from.", field="file")
    return RemoteUse(address=file.download_url, code=remote(file.download_url, file.format))


def notebook(title: str, about: str, code: str) -> dict[str, Any]:
    """A notebook of two cells. Title and description come from the source: a code block shows them as plain text."""
    description = "\n".join(line.replace("`", "'") for line in (title, "", about))
    cells: list[dict[str, Any]] = [
        {"cell_type": "markdown", "id": "about", "metadata": {}, "source": f"```text\n{description}\n```"},
        {"cell_type": "code", "id": "read", "metadata": {}, "execution_count": None, "outputs": [], "source": code},
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def _quoted(text: str) -> str:
    """A text as a literal of Python."""
    return json.dumps(text)
