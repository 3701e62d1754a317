"""Kernels and terminals with the person's environment (:mod:`spawners.node.person`) in place of the server's."""

from __future__ import annotations

import os
from typing import Any

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_server_terminals.terminalmanager import TerminalManager

from hub.kernels.manager import PatientKernelManager
from spawners.node import person

LOCAL_FILES = {"BOKEH_RESOURCES": "inline", "PLOTLY_RENDERER": "plotly_mimetype"}
"""Scripts of Bokeh and Plotly come from their packages and not from another site, unless the person has set it
otherwise."""


class PersonKernelManager(PatientKernelManager):
    """A kernel that starts with the person's variables, whichever provisioner its specification names."""

    async def _async_pre_start_kernel(self, **options: Any) -> tuple[list[str], dict[str, Any]]:
        variables = await person.environment().variables()
        options["env"] = {**LOCAL_FILES, **person.added(options.get("env") or {}), **variables}
        return await super()._async_pre_start_kernel(**options)

    pre_start_kernel = _async_pre_start_kernel  # as in AsyncKernelManager


class PersonKernelSpecs(KernelSpecManager):
    """The environment's kernels and those of the home; the latter are started, not loaded into the server."""

    def _kernel_dirs_default(self) -> list[str]:
        return [self.user_kernel_dir, *super()._kernel_dirs_default()]


class PersonTerminals(TerminalManager):
    """Terminals with a login shell of the person."""

    def make_term_env(self, *args: Any, **options: Any) -> dict[str, str]:
        variables = super().make_term_env(*args, **options)
        return {**person.environment().login(), **person.added(variables, os.environ)}

    def new_terminal(self, **options: Any) -> Any:
        return super().new_terminal(**{"shell_command": person.environment().shell, **options})
