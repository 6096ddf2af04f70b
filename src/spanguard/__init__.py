"""OpenTelemetry for programs that call language models."""
