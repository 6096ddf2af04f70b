"""`configure`: providers, guard and exporters from the standard environment variables."""

from __future__ import annotations

from spanguard.privacy.own_logs import quiet
from spanguard.settings import SettingsError

with quiet():  # the SDK reads the environment as it is imported
    from spanguard.pipeline.configure import configure
    from spanguard.pipeline.running import Pipeline

__all__ = ["Pipeline", "SettingsError", "configure"]
