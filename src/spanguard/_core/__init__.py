"""The emission wing: what the verbs are made of, on the OpenTelemetry API alone."""
