"""The guard: what leaves the process, and what does not. This first version keeps content and messages out."""
