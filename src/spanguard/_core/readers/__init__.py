"""Read model, id, finish reasons and usage from whatever a provider's library returned, by the shape of the object.

No provider's library is imported. A shape that is not known gives nothing, which is recorded as nothing. Known are the
responses of openai, anthropic, google-genai, litellm and LangChain, whole and in chunks, as objects and as mappings; and a
flat mapping for everything else: ``{"model": ..., "input_tokens": ..., "output_tokens": ..., "cost": ...}``.
"""
