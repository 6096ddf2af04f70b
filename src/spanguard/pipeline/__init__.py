"""`configure`: providers, guard and exporters from the standard environment variables."""

from __future__ import annotations

from spanguard.pipeline.configure import configure
from spanguard.pipeline.running import Pipeline
from spanguard.settings import SettingsError

__all__ = ["Pipeline", "SettingsError", "configure"]
