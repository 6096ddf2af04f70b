"""The verbs: what users write. Each is a context manager and a decorator."""
