"""HTTP, URLs, networks, RPC, TLS, DNS, browsers: old names and new."""

from __future__ import annotations

from typing import Final

from spanguard import semconv
from spanguard.privacy.conventions.kinds import (
    COUNT,
    MILLISECONDS,
    PORT,
    STATUS,
    Table,
    contents,
    counts,
    dropped,
    enums,
    flags,
    identities,
    listed,
    names,
)
from spanguard.privacy.conventions.known import ADDRESS, HOST, ROUTE, SIZE
from spanguard.privacy.rules import Number, count, known, one_of

METHOD: Final = one_of(*semconv.HTTP_METHODS, otherwise=semconv.OTHER)
SCHEME: Final = one_of(*"http https ws wss grpc grpcs ftp ftps file tcp udp unix amqp amqps mqtt redis rediss".split())
PROTOCOL: Final = one_of(*"http HTTP https ws websocket spdy quic amqp amqp-1.0 mqtt kafka grpc tcp udp nats".split())
PROTOCOL_VERSION: Final = one_of(*"0.9 0.9.1 0-9-1 1.0 1.1 2 2.0 3 3.0 3.1 3.1.1 5 5.0".split())
_GRPC: Final = (
    "OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED RESOURCE_EXHAUSTED "
    "FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED"
).split()
RPC_STATUS: Final = one_of(*_GRPC, *map(str.lower, _GRPC), *map(str, range(17)))
# Services and methods that everybody's programs have: health, reflection, OTLP, and what botocore calls AWS's services.
_SERVICES: Final = frozenset(
    """
    grpc.health.v1.Health grpc.reflection.v1.ServerReflection grpc.reflection.v1alpha.ServerReflection
    opentelemetry.proto.collector.trace.v1.TraceService opentelemetry.proto.collector.metrics.v1.MetricsService
    opentelemetry.proto.collector.logs.v1.LogsService Bedrock BedrockRuntime Bedrock.Runtime BedrockAgentRuntime
    CloudWatch CloudWatchLogs DynamoDB DynamoDBStreams EC2 ECR ECS EKS EventBridge Firehose Glue IAM KMS Kinesis
    Lambda OpenSearch RDS Redshift Route53 S3 SES SNS SQS SSM STS SageMaker SageMakerRuntime SecretsManager SFN
    StepFunctions Textract Comprehend
    """.split()
)
_METHODS: Final = frozenset(
    """
    Check Watch Export ServerReflectionInfo GetItem PutItem UpdateItem DeleteItem Query Scan BatchGetItem
    BatchWriteItem CreateTable DescribeTable ListTables DeleteTable UpdateTable TransactGetItems TransactWriteItems
    GetObject PutObject DeleteObject DeleteObjects ListObjects ListObjectsV2 HeadObject HeadBucket CopyObject
    CreateBucket DeleteBucket ListBuckets CreateMultipartUpload UploadPart CompleteMultipartUpload
    AbortMultipartUpload Publish PublishBatch SendMessage SendMessageBatch ReceiveMessage DeleteMessage
    DeleteMessageBatch GetQueueUrl CreateQueue Invoke InvokeAsync InvokeModel InvokeModelWithResponseStream Converse
    ConverseStream InvokeAgent Retrieve RetrieveAndGenerate InvokeEndpoint AssumeRole GetCallerIdentity GetSecretValue
    GetParameter GetParameters PutRecord PutRecords StartExecution
    """.split()
)

HTTP: Final[Table] = {
    "http.method": METHOD,
    "http.status_code": STATUS,
    "http.route": ROUTE,
    "url.template": ROUTE,
    "http.scheme": SCHEME,
    "url.scheme": SCHEME,
    "http.host": HOST,
    "http.server_name": HOST,
    "http.flavor": listed("http.flavor", "1.0", "1.1", "2.0", "3.0", "2", "3", "HTTP/1.0", "HTTP/1.1", "HTTP/2", "HTTP/3"),
    "http.connection.state": listed("http.connection.state"),
    "http.retry_count": count(1000),
    "http.resend_count": count(1000),
    "asgi.event.type": one_of(
        *("http.request", "http.response.start", "http.response.body", "http.response.trailers", "http.disconnect"),
        *("websocket.connect", "websocket.accept", "websocket.receive", "websocket.send", "websocket.disconnect"),
        *("websocket.close", "lifespan.startup", "lifespan.shutdown", "http.response.debug", "http.response.pathsend"),
    ),
    **dict.fromkeys(
        """
        http.request.size http.response.size http.request.body.size http.response.body.size
        http.request_content_length http.request_content_length_uncompressed http.response_content_length
        http.response_content_length_uncompressed
        """.split(),
        SIZE,
    ),
    **dropped("http.client_ip http.request.method_original http.status_text http.user_agent user_agent.original"),
    **contents("http.url http.target url.full url.original url.path url.query url.fragment"),
    **contents("http.request.body.content http.response.body.content http.request.header http.response.header"),
    "url.domain": HOST,
    "url.port": PORT,
    **dropped("url.extension url.registered_domain url.subdomain url.top_level_domain"),
}
USER_AGENT: Final[Table] = {
    **enums("user_agent.synthetic.type"),
    "user_agent.name": one_of(*"Chrome Firefox Safari Edge Opera curl Wget python-requests python-httpx aiohttp".split()),
    "user_agent.os.name": one_of(*"Windows macOS Linux Android iOS ChromeOS".split()),
    **dropped("user_agent.version user_agent.os.version"),
    **enums("browser.web_vital.name browser.web_vital.navigation_type browser.web_vital.rating"),
    "browser.web_vital.value": MILLISECONDS,
    "browser.web_vital.delta": MILLISECONDS,
    **flags("browser.mobile"),
    **identities("browser.web_vital.id"),
    **contents("browser.document.url.full"),
    **dropped("browser.brands browser.language browser.platform"),
}
NETWORK: Final[Table] = {
    **dict.fromkeys(
        ("net.peer.name", "net.host.name", "net.sock.peer.name", "destination.address", "dns.question.name"), HOST
    ),
    **dict.fromkeys(("network.peer.address", "network.local.address", "net.sock.peer.addr", "net.sock.host.addr"), ADDRESS),
    **dict.fromkeys(
        """
        server.port client.port net.peer.port net.host.port net.sock.peer.port net.sock.host.port network.peer.port
        network.local.port destination.port source.port
        """.split(),
        PORT,
    ),
    **dropped("client.address source.address net.peer.ip net.host.ip dns.answers network.interface.name"),
    **dropped("network.carrier.icc network.carrier.mcc network.carrier.mnc network.carrier.name"),
    "net.protocol.name": PROTOCOL,
    "net.protocol.version": PROTOCOL_VERSION,
    "network.protocol.name": PROTOCOL,
    "network.protocol.version": PROTOCOL_VERSION,
    "net.transport": listed("net.transport", "IP.TCP", "IP.UDP", "ip_tcp", "ip_udp", "inproc", "pipe", "unix", "other"),
    "network.transport": listed("network.transport", "tcp", "udp", "pipe", "unix", "quic", "inproc"),
    **enums("net.sock.family network.connection.state network.connection.subtype network.connection.type"),
    **enums("network.io.direction network.type"),
    **names("peer.service service.peer.name service.peer.namespace"),
}
RPC: Final[Table] = {
    "rpc.system": listed("rpc.system", "grpc", "aws-api", "connect_rpc", "jsonrpc", "xmlrpc", "thrift"),
    "rpc.system.name": listed("rpc.system.name", "grpc", "aws-api", "connectrpc", "jsonrpc", "dubbo", "thrift"),
    "rpc.service": known(_SERVICES.__contains__, "rpc.service"),
    "rpc.method": known(_METHODS.__contains__, "rpc.method"),
    "rpc.grpc.status_code": count(16),
    "rpc.response.status_code": RPC_STATUS,
    "rpc.jsonrpc.version": one_of("1.0", "2.0"),
    "rpc.jsonrpc.error_code": Number(-32_768, 99_999, whole=True),
    **enums("rpc.connect_rpc.error_code rpc.message.type message.type"),
    **dict.fromkeys(("rpc.message.compressed_size", "rpc.message.uncompressed_size"), SIZE),
    **dict.fromkeys(("message.compressed_size", "message.uncompressed_size"), SIZE),
    **counts("rpc.message.id message.id"),
    **contents("rpc.jsonrpc.error_message rpc.request.metadata rpc.response.metadata rpc.grpc.request.metadata"),
    **contents("rpc.grpc.response.metadata rpc.connect_rpc.request.metadata rpc.connect_rpc.response.metadata"),
    **dropped("rpc.jsonrpc.request_id rpc.method_original"),
    "onc_rpc.procedure.number": COUNT,
    "onc_rpc.version": COUNT,
    "nfs.operation.name": one_of(*"READ WRITE OPEN CLOSE GETATTR SETATTR LOOKUP ACCESS CREATE REMOVE RENAME READDIR".split()),
    "nfs.server.repcache.status": one_of("hit", "miss", "nocache"),
    **dropped("onc_rpc.procedure.name onc_rpc.program.name"),
}
TLS: Final[Table] = {
    **enums("tls.protocol.name"),
    "tls.protocol.version": one_of("1", "1.0", "1.1", "1.2", "1.3", "2", "3"),
    "tls.next_protocol": one_of("http/1.1", "h2", "h3", "spdy/3"),
    "tls.curve": one_of("x25519", "X25519", "secp256r1", "secp384r1", "secp521r1", "prime256v1", "X25519MLKEM768"),
    **flags("tls.established tls.resumed"),
    **dropped(
        """
        tls.cipher tls.client.certificate tls.client.certificate_chain tls.client.hash.md5 tls.client.hash.sha1
        tls.client.hash.sha256 tls.client.issuer tls.client.ja3 tls.client.not_after tls.client.not_before
        tls.client.server_name tls.client.subject tls.client.supported_ciphers tls.server.certificate
        tls.server.certificate_chain tls.server.hash.md5 tls.server.hash.sha1 tls.server.hash.sha256 tls.server.issuer
        tls.server.ja3s tls.server.not_after tls.server.not_before tls.server.subject
        """
    ),
}
GRAPHQL: Final[Table] = {
    **enums("graphql.operation.type"),
    **names("graphql.operation.name"),
    **contents("graphql.document"),
}

TABLE: Final[Table] = {**HTTP, **USER_AGENT, **NETWORK, **RPC, **TLS, **GRAPHQL}
BELOW: Final[Table] = contents(
    """
    http.request.header. http.response.header. rpc.request.metadata. rpc.response.metadata. rpc.grpc.request.metadata.
    rpc.grpc.response.metadata. rpc.connect_rpc.request.metadata. rpc.connect_rpc.response.metadata. url.query.
    url.path. http.request.body. http.response.body. tls.client. tls.server.
    """
)
