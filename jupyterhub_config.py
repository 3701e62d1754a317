"""JupyterHub's configuration: a table of contents. Everything is in hub/config.py and /etc/atrium/atrium.toml."""

from hub import config, settings

config.apply(get_config(), settings.load())  # type: ignore[name-defined]  # noqa: F821  JupyterHub provides it
