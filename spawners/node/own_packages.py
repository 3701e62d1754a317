"""IPython extension: what to do instead of installing packages into the site's environment, which nobody can change.

Every kernel of that environment loads it (``spawners/ipython``). ``%pip install`` and ``!pip install`` print the lines
that make an environment of the person's own, which has the site's packages and those that the person adds.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import sys
import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from IPython.core.error import UsageError

ENVIRONMENT_VARIABLE = "ATRIUM_ENVIRONMENT"
"""Path of the environment that stays the same when the site upgrades it (``spawners/job/templates/job.sh.j2``)."""

_ELSEWHERE = {"-t", "--target", "--prefix", "--root", "--python", "--dry-run", "-h", "--help"}
"""Options of pip with which the environment is not changed."""
_SYSTEM = re.compile(r"^(?P<indent>\s*)get_ipython\(\)\.system\((?P<command>.*)\)$", re.MULTILINE)
"""What IPython makes of a line that begins with ``!``."""
_ADVICE = """\
The packages of this kernel belong to the site, so nothing was changed.

Make an environment of your own, with all packages of the site and those that you add. Run this in a cell:

%%bash
set -e
python3 -m venv --without-pip ~/envs/own
echo {site_packages} > ~/envs/own/lib/{python}/site-packages/site.pth
mkdir -p ~/envs/own/etc
ln -sfn {ipython} ~/envs/own/etc/ipython
~/envs/own/bin/python -m pip install {packages}
~/envs/own/bin/python -m ipykernel install --user --name own --display-name "My environment"

Then choose the kernel “My environment” at the top right of the notebook; if it is not listed, reload the page.
In that kernel %pip install works. Widgets that need an extension of JupyterLab are for an administrator to install.
"""


def load_ipython_extension(shell: Any) -> None:
    """Put the advice before IPython's ``%pip``, and lead ``!pip install`` there.

    IPython's method for ``!`` is left alone: it reads the variables of the function that calls it.
    """
    stock: Callable[[str], Any] = shell.find_line_magic("pip")

    def pip(line: str) -> Any:
        packages = refused(f"{shlex.quote(sys.executable)} -m pip {line}")
        if packages is None:
            return stock(line)
        raise UsageError(advice(packages))

    shell.register_magic_function(pip, "line", "pip")
    shell.input_transformers_post.append(lead_to_magic)


def lead_to_magic(lines: list[str]) -> list[str]:
    """The lines of a cell as Python, with calls of a shell that would change the environment as calls of ``%pip``."""
    return [_SYSTEM.sub(_magic, line) for line in lines]


def _magic(call: re.Match[str]) -> str:
    try:
        command = ast.literal_eval(call["command"])
    except (SyntaxError, ValueError):
        return call[0]
    packages = refused(command) if isinstance(command, str) else None
    if packages is None:
        return call[0]
    return f"{call['indent']}get_ipython().run_line_magic('pip', {'install ' + shlex.join(packages)!r})"


def refused(command: str) -> list[str] | None:
    """What ``command`` would install or remove in this kernel's environment; None if it would not, or may."""
    try:
        arguments = _arguments_of_pip(shlex.split(command))
    except ValueError:  # the shell says what is wrong with it
        return None
    if any(word.partition("=")[0] in _ELSEWHERE for word in arguments):
        return None
    words = [word for word in arguments if word != "--user"]
    subcommand = next((at for at, word in enumerate(words) if not word.startswith("-")), len(words))
    if words[subcommand : subcommand + 1] not in (["install"], ["uninstall"]):
        return None
    if os.access(sysconfig.get_path("purelib"), os.W_OK):
        return None
    return words[subcommand + 1 :]


def advice(packages: Sequence[str]) -> str:
    """How the person gets ``packages`` in an environment of their own."""
    inside = Path(sysconfig.get_path("purelib")).relative_to(sys.prefix)
    site = Path(os.environ.get(ENVIRONMENT_VARIABLE) or sys.prefix)
    return _ADVICE.format(
        site_packages=shlex.quote(str(site / inside)),
        ipython=shlex.quote(str(site / "etc/ipython")),
        python=f"python{sysconfig.get_python_version()}",
        packages=shlex.join(packages) or "PACKAGE",
    )


def _arguments_of_pip(words: Sequence[str]) -> Sequence[str]:
    """What follows pip in a command, if it is the pip of this kernel's environment; else nothing."""
    program = shutil.which(words[0]) if words else None
    if program is None or Path(program).parent != Path(sys.executable).parent:
        return ()
    if Path(program).name.startswith("python"):
        return words[3:] if words[1:3] == ["-m", "pip"] else ()
    return words[1:] if Path(program).name.startswith("pip") else ()
