"""A wheel without the web console is not built: it would install, start, and serve an empty page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

CONSOLE = Path("src/logmq/protocols/http/console")


class ConsoleIsBuilt(BuildHookInterface[Any]):
    """Looks before hatchling packs anything."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Raises: FileNotFoundError: the page is missing, or a file that it names."""
        if version == "editable":  # whoever works on the sources may build it later
            return
        directory = Path(self.root) / CONSOLE
        page = directory / "index.html"
        if not page.exists() or not list(directory.glob("assets/*.js")) or not list(directory.glob("assets/*.css")):
            raise FileNotFoundError(
                f"{CONSOLE} has no built console: run `make console` (it needs Node 20.19 or newer with npm),"
                " or take the files from the repository, where they are committed."
            )
