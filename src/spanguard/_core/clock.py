"""The two clocks: one says when, the other how long. Tests put their own in here."""

from __future__ import annotations

from time import perf_counter_ns, time_ns

now = time_ns
ticks = perf_counter_ns
