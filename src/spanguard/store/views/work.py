"""Views of the work itself: calls of models, repairs, verdicts, and the candidates of failovers."""

from __future__ import annotations

from typing import Final

from spanguard import semconv
from spanguard.store.columns import attribute
from spanguard.store.views.view import SECONDS, SPANS, Column, View, common, events, told, total

_REPAIR: Final = f"s.policy_type = 'repair' AND s.outcome IS NOT NULL AND {attribute(semconv.ATTEMPT_COUNT)} IS NOT NULL"

LLM_CALLS: Final = View(
    "llm_calls",
    "One call of a model, or another operation of the GenAI conventions (`retrieval`, `execute_tool` ...).",
    (
        *common("start_ns"),
        Column("operation", "text", "What was asked of the model.", "s.operation"),
        Column("provider", "text", "Who served the model.", "s.provider"),
        Column("model", "text", "The model that was asked for.", "s.model"),
        Column("response_model", "text", "The model that answered.", attribute(semconv.GEN_AI_RESPONSE_MODEL)),
        Column(
            "success",
            "boolean",
            "Whether it succeeded; NULL if it was cancelled.",
            "CASE WHEN s.outcome = 'cancelled' THEN NULL ELSE s.status <> 'ERROR' END",
        ),
        Column("error_type", "text", "The class of the exception, or the provider's code.", "s.error_type"),
        Column("error_category", "text", "What kind of error it was.", attribute(semconv.ERROR_CATEGORY)),
        Column("recoverable", "boolean", "Whether another attempt can help.", attribute(semconv.ERROR_RECOVERABLE)),
        Column("duration", "real", "Seconds until the last byte.", SECONDS),
        Column("time_to_first_chunk", "real", "Seconds until the first chunk.", attribute(semconv.GEN_AI_FIRST_CHUNK)),
        Column("input_tokens", "integer", "Tokens sent.", attribute(semconv.GEN_AI_INPUT)),
        Column("output_tokens", "integer", "Tokens received.", attribute(semconv.GEN_AI_OUTPUT)),
        Column("cache_read_tokens", "integer", "Input tokens of the provider's cache.", attribute(semconv.GEN_AI_CACHE_READ)),
        Column(
            "cache_write_tokens",
            "integer",
            "Input tokens written to the provider's cache.",
            f"coalesce({attribute(semconv.GEN_AI_CACHE_CREATION)}, {attribute(semconv.GEN_AI_CACHE_WRITE)})",
        ),
        Column("reasoning_tokens", "integer", "Output tokens spent on reasoning.", attribute(semconv.GEN_AI_REASONING)),
        Column("cost", "real", "Cost in USD.", attribute(semconv.CALL_COST)),
        Column("cache_result", "text", "What the lookup in the program's cache found.", attribute(semconv.CACHE_RESULT)),
        Column("policy_type", "text", "The kind of policy that the call serves.", "s.policy_type"),
        Column("policy_name", "text", "The policy that the call serves.", "s.policy_name"),
        Column("attempt", "integer", "The attempt that the call serves, from 1.", attribute(semconv.ATTEMPT_NUMBER)),
        Column("finish_reasons", "json", "Why each choice ended, a list.", attribute(semconv.GEN_AI_FINISH)),
    ),
    f"{SPANS} WHERE s.operation IS NOT NULL OR s.scope = '{semconv.SCOPE_GENAI}'",
)

GENERATIONS: Final = View(
    "generations",
    "One repair operation: what was asked for, however many attempts it took.",
    (
        *common("start_ns"),
        Column("name", "text", "The name of the repair.", "s.policy_name"),
        Column("outcome", "text", "How it ended.", "s.outcome"),
        Column("attempts", "integer", "How many attempts were made.", attribute(semconv.ATTEMPT_COUNT)),
        Column("duration", "real", "Seconds, all attempts and waits included.", SECONDS),
        Column("error_type", "text", "The error that it ended with.", "s.error_type"),
        Column(
            "useful_tokens",
            "integer",
            "Tokens of the attempt whose answer was used.",
            total(semconv.USEFUL_INPUT, semconv.USEFUL_OUTPUT),
        ),
        Column("wasted_tokens", "integer", "Tokens of all others.", total(semconv.WASTED_INPUT, semconv.WASTED_OUTPUT)),
        Column("useful_cost", "real", "Cost in USD of that attempt.", attribute(semconv.USEFUL_COST)),
        Column("wasted_cost", "real", "Cost in USD of all others.", attribute(semconv.WASTED_COST)),
        Column("input_length", "integer", "Length of the input in characters.", attribute(semconv.INPUT_LENGTH)),
        Column("output_length", "integer", "Length of the output in characters.", attribute(semconv.OUTPUT_LENGTH)),
        Column("dependencies", "json", "Packages that generated code tried to use, a list.", attribute(semconv.DEPENDENCIES)),
    ),
    f"{SPANS} WHERE {_REPAIR}",
)

_PASSED: Final = f"coalesce({told(semconv.VALIDATION_RESULT)}, {told(semconv.EVALUATION_LABEL)})"
VALIDATIONS: Final = View(
    "validations",
    "One verdict of a validator that was told as an event.",
    (
        *common("time_ns", "e"),
        Column("policy_type", "text", "The kind of policy it was made in.", told(semconv.POLICY_TYPE)),
        Column("policy_name", "text", "The policy it was made in.", told(semconv.POLICY_NAME)),
        Column("validator", "text", "The validator.", told(semconv.EVALUATION_NAME)),
        Column("rule", "text", "The rule that was checked.", told(semconv.VALIDATION_RULE)),
        Column("stage", "text", "What was checked: input, output, tool.", told(semconv.VALIDATION_STAGE)),
        Column("passed", "boolean", "The verdict.", f"{_PASSED} = 'pass'"),
        Column("action", "text", "What was done about it.", told(semconv.VALIDATION_ACTION)),
        Column("risk_level", "text", "How dangerous it was: low to critical.", told(semconv.RISK_LEVEL)),
        Column("pattern_category", "text", "What kind of danger it was.", told(semconv.PATTERN_CATEGORY)),
        Column("attempt", "integer", "The attempt that was judged, from 1.", told(semconv.ATTEMPT_NUMBER)),
    ),
    events(semconv.EVALUATION.name, semconv.VALIDATION_FAILED.name),
)

_TRY: Final = f"s.policy_type = 'failover' AND {attribute(semconv.ATTEMPT_OUTCOME)} IS NOT NULL"


def _beside(step: str) -> str:
    """Return the candidate that was tried one attempt before (``-``) or after (``+``) this one."""
    its, this = (attribute(semconv.ATTEMPT_NUMBER, of) for of in ("b", "s"))
    return f"""(SELECT {attribute(semconv.FAILOVER_CANDIDATE, "b")} FROM spans AS b
        WHERE b.trace_id = s.trace_id AND b.parent_id = s.parent_id AND b.policy_type = 'failover'
        AND {attribute(semconv.ATTEMPT_OUTCOME, "b")} IS NOT NULL AND {its} = {this} {step} 1)"""  # noqa: S608 - names of the vocabulary


_STATUS_INSIDE: Final = f"""(SELECT {attribute(semconv.HTTP_STATUS, "c")} FROM spans AS c
        WHERE c.trace_id = s.trace_id AND c.parent_id = s.span_id AND {attribute(semconv.HTTP_STATUS, "c")} IS NOT NULL
        ORDER BY c.start_ns DESC LIMIT 1)"""  # noqa: S608 - names of the vocabulary

FAILOVERS: Final = View(
    "failovers",
    "One candidate that a failover tried.",
    (
        *common("start_ns"),
        Column("chain", "text", "The name of the failover.", "s.policy_name"),
        Column("work_id", "text", "The piece of work, a pseudonym.", attribute(semconv.WORK_ID, "o")),
        Column("artifact_id", "text", "The artifact, a pseudonym.", attribute(semconv.ARTIFACT_ID, "o")),
        Column("candidate", "text", "The candidate.", attribute(semconv.FAILOVER_CANDIDATE)),
        Column("tier", "integer", "Its rank, from 1.", attribute(semconv.FAILOVER_TIER)),
        Column("source", "text", "Where it comes from, such as a mirror.", attribute(semconv.FAILOVER_SOURCE)),
        Column("host", "text", "Its host.", attribute(semconv.SERVER_ADDRESS)),
        Column("provider", "text", "Who serves it.", "s.provider"),
        Column("model", "text", "Its model.", "s.model"),
        Column("attempt", "integer", "Which try of the operation it was, from 1.", attribute(semconv.ATTEMPT_NUMBER)),
        Column("outcome", "text", "How the try ended.", attribute(semconv.ATTEMPT_OUTCOME)),
        Column("reason", "text", "The error that it ended with.", "s.error_type"),
        Column(
            "status",
            "integer",
            "Status of its last HTTP response.",
            f"coalesce({attribute(semconv.HTTP_STATUS)}, {_STATUS_INSIDE})",
        ),
        Column("duration", "real", "Seconds.", SECONDS),
        Column("from_candidate", "text", "The candidate that failed before it.", _beside("-")),
        Column("to_candidate", "text", "The candidate that was tried next.", _beside("+")),
    ),
    f"""{SPANS} LEFT JOIN spans AS o ON o.trace_id = s.trace_id AND o.span_id = s.parent_id
        WHERE {_TRY}""",
)
