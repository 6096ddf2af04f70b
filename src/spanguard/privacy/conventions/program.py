"""The program itself: service, telemetry, deployment, code, exceptions, logs, feature flags, users, tests and builds."""

from __future__ import annotations

from typing import Final

from spanguard.privacy.conventions.installed import is_public_function
from spanguard.privacy.conventions.kinds import (
    COUNT,
    FLAG,
    Table,
    contents,
    counts,
    dropped,
    enums,
    identities,
    listed,
    names,
)
from spanguard.privacy.conventions.known import DEPLOYMENT, ERROR, EVENT, MODULE, SCHEMA_URL, SCOPE, VERSION
from spanguard.privacy.conventions.stack import Stack
from spanguard.privacy.rules import Each, known, name, one_of
from spanguard.vocabulary.declared import NAMES

STACK: Final = Stack()
_COMPONENTS: Final = frozenset(
    """
    batching_span_processor simple_span_processor batching_log_processor simple_log_processor otlp_grpc_span_exporter
    otlp_http_span_exporter otlp_http_json_span_exporter otlp_grpc_log_exporter otlp_http_log_exporter
    otlp_http_json_log_exporter periodic_metric_reader otlp_grpc_metric_exporter otlp_http_metric_exporter
    otlp_http_json_metric_exporter zipkin_http_span_exporter prometheus_http_text_metric_exporter
    """.split()
)


def _is_component(text: str) -> bool:
    """Whether the text is the name that an SDK gives to a part of it: its type and a number, of which there are few."""
    kind, _, number = text.partition("/")
    return kind in _COMPONENTS and number.isascii() and number.isdecimal() and len(number) <= 2


SERVICE: Final[Table] = {
    "service.name": name(NAMES),
    "service.version": VERSION,
    "service.criticality": listed("service.criticality"),
    **names("service.namespace"),
    **identities("service.instance.id"),
    "deployment.environment": DEPLOYMENT,
    "deployment.environment.name": DEPLOYMENT,
    "deployment.status": listed("deployment.status"),
    **names("deployment.name"),
    **identities("deployment.id"),
    "telemetry.sdk.name": one_of("opentelemetry", "logfire", "openinference"),
    "telemetry.sdk.language": listed("telemetry.sdk.language"),
    "telemetry.sdk.version": VERSION,
    "telemetry.auto.version": VERSION,
    "telemetry.distro.name": SCOPE,
    "telemetry.distro.version": VERSION,
    "otel.scope.name": SCOPE,
    "otel.library.name": SCOPE,
    "otel.scope.version": VERSION,
    "otel.library.version": VERSION,
    "otel.scope.schema_url": SCHEMA_URL,
    **enums("otel.component.type otel.span.parent.origin otel.span.sampling_result otel.status_code"),
    "otel.component.name": known(_is_component, "otel.component.name"),
    "otel.event.name": EVENT,
    "event.name": EVENT,
    **contents("otel.status_description"),
    "webengine.name": SCOPE,
    "webengine.version": VERSION,
    **dropped("webengine.description"),
}
CODE: Final[Table] = {
    "code.function": known(is_public_function, "code.function"),
    "code.function.name": known(is_public_function, "code.function.name"),
    "code.namespace": MODULE,
    **counts("code.lineno code.line.number code.column code.column.number"),
    **dropped("code.filepath code.file.path"),
    "code.stacktrace": STACK,
    "exception.stacktrace": STACK,
    "exception.type": ERROR,
    "exception.escaped": one_of("True", "False", "true", "false"),
    **contents("exception.message error.message"),
    "logger.name": MODULE,
    **enums("log.iostream opentracing.ref_type profile.frame.type"),
    **identities("log.record.uid"),
    **contents("log.record.original"),
    **dropped("log.file.name log.file.name_resolved log.file.path log.file.path_resolved"),
    "pprof.location.is_folded": FLAG,
    **dict.fromkeys(
        """
        pprof.mapping.has_filenames pprof.mapping.has_functions pprof.mapping.has_inline_frames
        pprof.mapping.has_line_numbers
        """.split(),
        FLAG,
    ),
    **dropped("pprof.profile.comment pprof.profile.doc_url pprof.profile.drop_frames pprof.profile.keep_frames"),
    **dropped("pprof.scope.default_sample_type pprof.scope.sample_type_order"),
}
_FLAGS: Final[Table] = {
    **enums("feature_flag.evaluation.reason feature_flag.result.reason"),
    **names("feature_flag.key feature_flag.provider.name feature_flag.result.variant feature_flag.variant"),
    **names("feature_flag.set.id"),
    **identities("feature_flag.context.id"),
    **contents("feature_flag.error.message feature_flag.evaluation.error.message feature_flag.result.value"),
    **dropped("feature_flag.version"),
}
USERS: Final[Table] = {
    **identities("session.previous_id enduser.id enduser.pseudo.id user.hash"),
    "user.roles": Each(name("user.roles")),
    **names("enduser.role"),
    **dropped("enduser.scope user.email user.full_name user.name"),
}
BUILDS: Final[Table] = {
    **enums("cicd.pipeline.action.name cicd.pipeline.result cicd.pipeline.run.state cicd.pipeline.task.run.result"),
    **enums("cicd.pipeline.task.type cicd.worker.state test.case.result.status test.suite.run.status vcs.change.state"),
    **enums("vcs.line_change.type vcs.provider.name vcs.ref.base.type vcs.ref.head.type vcs.ref.type"),
    **enums("vcs.repository.ref.type vcs.revision_delta.direction"),
    **names("cicd.pipeline.name cicd.pipeline.task.name cicd.worker.name test.case.name test.suite.name security_rule.name"),
    **names("cicd.system.component security_rule.ruleset.name security_rule.category"),
    **identities("cicd.pipeline.run.id cicd.pipeline.task.run.id cicd.worker.id vcs.change.id vcs.repository.change.id"),
    **identities("security_rule.uuid artifact.attestation.id artifact.hash artifact.attestation.hash"),
    **contents("vcs.change.title vcs.repository.change.title vcs.repository.url.full cicd.pipeline.run.url.full"),
    **contents("cicd.pipeline.task.run.url.full cicd.worker.url.full"),
    **dropped(
        """
        artifact.attestation.filename artifact.filename artifact.purl artifact.version security_rule.description
        security_rule.license security_rule.reference security_rule.version vcs.owner.name vcs.ref.base.name
        vcs.ref.base.revision vcs.ref.head.name vcs.ref.head.revision vcs.repository.name vcs.repository.ref.name
        vcs.repository.ref.revision
        """
    ),
}
TABLE: Final[Table] = {**SERVICE, **CODE, **_FLAGS, **USERS, **BUILDS, "retry.count": COUNT}
BELOW: Final[Table] = {
    **contents("exception. log.record. feature_flag.result."),
    **dropped("vcs. user. enduser. security_rule. artifact. log.file. pprof."),
}
