"""Cliniko: the conformance kit, the vendor's contract, and the platform's own traps."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from handrail.adapters.cliniko.settings import ClinikoSettings, shard_of
from handrail.adapters.cliniko.spec import SPEC
from handrail.adapters.rounds import mark_of
from handrail.plugin_core.contracts import Ask, RemoteLine
from handrail.plugin_core.errors import Denied, SettingsError
from handrail.plugin_core.instruments import builtin_one
from handrail.plugin_core.mapping import FormReader, own_mapping
from handrail.plugin_core.mapping.propose import propose
from handrail.plugin_core.testing import AdapterConformance, Filled
from handrail.schemas.records import Client, Quarantined
from handrail.schemas.vocab import RemoteState

from .contract import Contract, Exempt
from .doubles.cliniko import ClinikoDouble, text

ADA, BEN = "1250000000000000901", "1250000000000000902"
ONE = "1f" * 16


class TestCliniko(AdapterConformance):
    """What every adapter promises."""

    spec = SPEC
    double: ClinikoDouble

    def platform(self) -> ClinikoDouble:
        return ClinikoDouble()
