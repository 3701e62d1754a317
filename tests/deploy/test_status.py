"""The last error of a log, and durations."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.dev.status import last_error


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], ""),
        (["all is well", "done, 0 errors", "INFO uvicorn.error: started"], ""),
        (["error: first", "ERROR: second", "fine"], "ERROR: second"),
        (["[I 2026-01-01 JupyterHub app] error page ready"], ""),
        (["slurmd: error: MPI: Cannot create context for mpi/pmix"], ""),
        (["error: \x1b[31mred\x1b[0m"], "error:  [31mred [0m"),
    ],
)
def test_the_last_error_of_a_log_is_shown(tmp_path: Path, lines: list[str], expected: str) -> None:
    log = tmp_path / "hub.log"
    log.write_text("\n".join(lines))
    assert last_error(log) == expected


def test_a_missing_log_shows_no_error(tmp_path: Path) -> None:
    assert last_error(tmp_path / "none.log") == ""
