"""The files adapter by the conformance kit, over a practice that exports into a folder."""

from __future__ import annotations

from collections.abc import Mapping

from handrail.adapters.files.layout import Layouts
from handrail.adapters.files.spec import SPEC
from handrail.plugin_core.contracts import Adapter
from handrail.plugin_core.testing import AdapterConformance

from .doubles.files import LAYOUT, FilesDouble


class TestFiles(AdapterConformance):
    """All of the kit that can be asked of a folder."""

    spec = SPEC

    def platform(self) -> FilesDouble:
        """A folder."""
        return FilesDouble()

    def open(self, secrets: Mapping[str, str] | None = None, **changed: object) -> Adapter:
        """The adapter, once somebody has confirmed how the exports are read."""
        Layouts(self.folder / "own").save(LAYOUT)
        return super().open(secrets, **changed)

    def test_clients_have_names_and_unknown_ones_are_left_out(self) -> None:
        """As the kit has it, once the clients have filled in something: a table of answers names nobody else."""
        self.fill(2)
        super().test_clients_have_names_and_unknown_ones_are_left_out()
