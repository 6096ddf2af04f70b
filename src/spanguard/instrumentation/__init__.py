"""Instrumentors of other people's libraries: what they do shows up as if the program had used spanguard's verbs.

Each is an entry point of OpenTelemetry (``opentelemetry_instrumentor``), so ``opentelemetry-instrument`` and
``spanguard run`` find them by themselves; by hand it is ``TenacityInstrumentor().instrument()``. How to add one:
`spanguard.instrumentation._adapter`.
"""
