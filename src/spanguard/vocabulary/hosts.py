"""Hosts as they may be shown: those of known providers, this machine, and declared ones."""

from __future__ import annotations

from typing import Final

from spanguard.semconv import SERVER_ADDRESS
from spanguard.vocabulary.declared import is_declared
from spanguard.vocabulary.pseudonyms import pseudonym

_KNOWN: Final = frozenset(
    """
    localhost 127.0.0.1 ::1 api.openai.com eu.api.openai.com us.api.openai.com api.anthropic.com api.mistral.ai
    api.cohere.com api.cohere.ai api.deepseek.com api.groq.com api.perplexity.ai api.x.ai api.moonshot.ai
    api.moonshot.cn api.together.xyz api.fireworks.ai openrouter.ai generativelanguage.googleapis.com
    aiplatform.googleapis.com dashscope.aliyuncs.com api.replicate.com api.voyageai.com huggingface.co api-
    inference.huggingface.co pypi.org files.pythonhosted.org github.com api.github.com raw.githubusercontent.com
    registry.npmjs.org
    """.split()
)


def host_name(host: object) -> str | None:
    """Return a host in clear if it is known or declared, otherwise its pseudonym; None for what is no host."""
    if not isinstance(host, str) or not host:
        return None
    folded = host.lower()
    return folded if folded in _KNOWN or is_declared(host) else pseudonym(folded, SERVER_ADDRESS)
