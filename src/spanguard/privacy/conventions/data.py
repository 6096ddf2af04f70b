"""Databases, messaging, and what GenAI libraries record of vector stores."""

from __future__ import annotations

from typing import Final

from spanguard.privacy.conventions.kinds import (
    COUNT,
    SECONDS,
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
from spanguard.privacy.conventions.known import SIZE
from spanguard.privacy.rules import Each, amount, count, either, known, name, one_of

_STORES: Final = (
    "sqlite postgresql mysql mariadb mssql microsoft.sql_server oracle oracle.db redis valkey memcached mongodb cassandra "
    "elasticsearch opensearch dynamodb aws.dynamodb cosmosdb azure.cosmosdb clickhouse snowflake duckdb neo4j couchbase "
    "couchdb cockroachdb bigquery gcp.bigquery gcp.spanner spanner influxdb trino hive db2 ibm.db2 redshift aws.redshift "
    "pinecone chroma chromadb qdrant milvus weaviate lancedb marqo pgvector faiss other_sql sqlalchemy tidb yugabytedb "
    "hbase geode h2 hsqldb derby firebird teradata vertica supabase turso libsql surrealdb"
).split()
_STATEMENTS: Final = frozenset(
    """
    SELECT INSERT UPDATE DELETE MERGE REPLACE UPSERT CREATE ALTER DROP TRUNCATE RENAME COMMENT GRANT REVOKE BEGIN
    START COMMIT ROLLBACK SAVEPOINT RELEASE ABORT END WITH VALUES TABLE PRAGMA EXPLAIN ANALYZE ANALYSE VACUUM REINDEX
    CLUSTER SET RESET SHOW DESCRIBE DESC USE CALL EXEC EXECUTE PREPARE DEALLOCATE DECLARE FETCH CLOSE MOVE COPY LOCK
    UNLOCK LISTEN NOTIFY UNLISTEN DISCARD CHECKPOINT DO LOAD ATTACH DETACH REFRESH OPTIMIZE KILL FLUSH BATCH PING
    CONNECT
    """.split()
)
# Commands of Redis, Memcached, MongoDB, and methods of search engines, vector stores and key-value stores.
_COMMANDS: Final = frozenset(
    """
    ACL APPEND AUTH BGSAVE BITCOUNT BITFIELD BITOP BLMOVE BLMPOP BLPOP BRPOP BZMPOP BZPOPMAX BZPOPMIN CLIENT COMMAND
    CONFIG DBSIZE DECR DECRBY DEL DISCARD DUMP ECHO EVAL EVALSHA EVALSHA_RO EVAL_RO EXISTS EXPIRE EXPIREAT EXPIRETIME
    FCALL FLUSHALL FLUSHDB FT.AGGREGATE FT.CREATE FT.INFO FT.SEARCH FUNCTION GEOADD GEODIST GEOHASH GEOPOS GEORADIUS
    GEOSEARCH GET GETBIT GETDEL GETEX GETRANGE GETSET HDEL HELLO HEXISTS HEXPIRE HGET HGETALL HINCRBY HINCRBYFLOAT
    HKEYS HLEN HMGET HMSET HRANDFIELD HSCAN HSET HSETNX HSTRLEN HVALS INCR INCRBY INCRBYFLOAT INFO JSON.ARRAPPEND
    JSON.DEL JSON.GET JSON.MGET JSON.SET KEYS LASTSAVE LCS LINDEX LINSERT LLEN LMOVE LMPOP LPOP LPOS LPUSH LPUSHX
    LRANGE LREM LSET LTRIM MEMORY MGET MIGRATE MONITOR MSET MSETNX MULTI OBJECT PERSIST PEXPIRE PEXPIREAT PFADD
    PFCOUNT PFMERGE PIPELINE PSETEX PSUBSCRIBE PTTL PUBLISH PUBSUB PUNSUBSCRIBE QUIT RANDOMKEY RENAMENX RESTORE RPOP
    RPOPLPUSH RPUSH RPUSHX SADD SAVE SCAN SCARD SCRIPT SDIFF SDIFFSTORE SETBIT SETEX SETNX SETRANGE SINTER SINTERCARD
    SINTERSTORE SISMEMBER SLOWLOG SMEMBERS SMISMEMBER SMOVE SORT SPOP SPUBLISH SRANDMEMBER SREM SSCAN SSUBSCRIBE
    STRLEN SUBSCRIBE SUBSTR SUNION SUNIONSTORE TIME TOUCH TTL TYPE UNLINK UNSUBSCRIBE UNWATCH VADD VSIM WAIT WATCH
    XACK XADD XAUTOCLAIM XCLAIM XDEL XGROUP XINFO XLEN XPENDING XRANGE XREAD XREADGROUP XREVRANGE XTRIM ZADD ZCARD
    ZCOUNT ZDIFF ZINCRBY ZINTER ZINTERSTORE ZLEXCOUNT ZMPOP ZMSCORE ZPOPMAX ZPOPMIN ZRANDMEMBER ZRANGE ZRANGEBYLEX
    ZRANGEBYSCORE ZRANGESTORE ZRANK ZREM ZREMRANGEBYRANK ZREMRANGEBYSCORE ZREVRANGE ZREVRANGEBYSCORE ZREVRANK ZSCAN
    ZSCORE ZUNION ZUNIONSTORE abortTransaction aggregate bulkWrite collStats collMod commitTransaction compact count
    create createIndexes createSearchIndexes dbStats delete distinct drop dropDatabase dropIndexes endSessions explain
    find findAndModify findandmodify getLastError getMore getmore hello insert isMaster ismaster killCursors
    listCollections listDatabases listIndexes mapReduce ping renameCollection saslContinue saslStart serverStatus
    update buildInfo add add_documents aadd append bulk cas clear create_collection create_index decr
    delete_collection delete_index delete_many delete_multi flush_all gets get_many get_multi get_or_create_collection
    hybrid_search incr index list list_collections list_indexes mget msearch peek prepend query query_points read
    recommend reindex replace retrieve scroll search search_batch select set set_many set_multi touch updateByQuery
    update_by_query deleteByQuery delete_by_query upload_collection upload_points upsert vector_search write
    batch_write_item batch_get_item get_item put_item update_item delete_item scan create_table delete_table
    GetItem PutItem UpdateItem DeleteItem Query Scan BatchGetItem BatchWriteItem TransactGetItems TransactWriteItems
    CreateTable DeleteTable DescribeTable ListTables UpdateTable
    describe_table list_tables connect begin commit rollback cursor execute executemany callproc fetchone fetchmany
    fetchall close pipeline multi get getex exists mset mget hset hget create_item read_item upsert_item replace_item
    patch_item query_items read_all_items get_source update_one update_many insert_one insert_many find_one
    replace_one delete_one similarity_search search.document indices.create indices.delete indices.exists indices.get
    indices.refresh indices.put_mapping indices.get_mapping indices.put_settings indices.analyze cluster.health
    cluster.stats cat.indices ingest.put_pipeline open_point_in_time close_point_in_time knn_search
    """.split()
)
# Numbers of errors: of MySQL, of SQL Server, of Oracle.
_ERRORS: Final = frozenset(
    """
    1040 1044 1045 1046 1048 1049 1050 1051 1052 1054 1055 1060 1061 1062 1064 1065 1091 1105 1109 1114 1129 1130 1136
    1142 1146 1149 1153 1158 1159 1160 1161 1169 1205 1213 1215 1216 1217 1264 1265 1292 1317 1364 1365 1366 1406 1451
    1452 1690 2002 2003 2005 2006 2013 3024 3819 4031 207 208 547 2601 2627 2628 4060 8152 18456 40613 40501
    ORA-00001 ORA-00054 ORA-00060 ORA-00904 ORA-00911 ORA-00933 ORA-00936 ORA-00942 ORA-01017 ORA-01400 ORA-01403
    ORA-01407 ORA-01422 ORA-01438 ORA-01555 ORA-01722 ORA-02290 ORA-02291 ORA-02292 ORA-03113 ORA-03135 ORA-12154
    ORA-12170 ORA-12514 ORA-12541 ORA-12899 ORA-17002 ORA-28000
    """.split()
)
_SQLSTATES: Final = frozenset(
    """
    00000 01000 02000 08000 08001 08003 08004 08006 08P01 0A000 21000 22000 22001 22003 22004 22007 22008 22012 22023
    22P02 22P03 22P05 23000 23001 23502 23503 23505 23514 23P01 24000 25000 25001 25006 25P01 25P02 25P03 26000 28000
    28P01 2BP01 34000 3D000 3F000 40000 40001 40002 40003 40P01 42000 42501 42601 42602 42622 42701 42702 42703 42704
    42710 42723 42725 42803 42804 42809 42830 42883 42939 42P01 42P02 42P03 42P04 42P05 42P06 42P07 42P18 53000 53100
    53200 53300 54000 54001 55000 55006 55P03 57000 57014 57P01 57P02 57P03 57P04 58000 58030 58P01 P0001 P0002 P0003
    XX000 XX001 XX002 HY000 HYT00 HYT01 42S01 42S02 42S22 S0001 S0002
    """.split()
)
DATABASE_OPERATIONS: Final = _STATEMENTS | _COMMANDS | {f"BATCH {statement}" for statement in _STATEMENTS}
"""What databases do, as they and the conventions write it; statements of SQL are in capitals here."""


def is_operation(text: str) -> bool:
    """Whether the text names an operation of a database."""
    return text in DATABASE_OPERATIONS or (text.isascii() and text.upper() in _STATEMENTS)


OPERATION: Final = known(is_operation, "db.operation.name")
SYSTEM: Final = listed("db.system", *_STORES)
_SCORE: Final = amount(1000, -1000)

DB: Final[Table] = {
    "db.system": SYSTEM,
    "db.system.name": listed("db.system.name", *_STORES),
    "db.operation": OPERATION,
    "db.operation.name": OPERATION,
    "db.query.summary": OPERATION,
    "db.operation.batch.size": COUNT,
    "db.namespace": known(frozenset(map(str, range(16))).__contains__, "db.namespace"),  # numbers of databases, in Redis
    "db.redis.database_index": count(99_999),
    "db.response.status_code": known(either(map(str, (*range(20), *range(100, 600))), (_SQLSTATES | _ERRORS).__contains__)),
    "db.cosmosdb.status_code": count(599),
    "db.cosmosdb.sub_status_code": count(99_999),
    "azure.cosmosdb.response.sub_status_code": count(99_999),
    "db.cosmosdb.request_charge": amount(999_999),
    "azure.cosmosdb.operation.request_charge": amount(999_999),
    "db.cosmosdb.request_content_length": SIZE,
    "azure.cosmosdb.request.body.size": SIZE,
    "db.statement.length": SIZE,
    **enums("azure.cosmosdb.connection.mode azure.cosmosdb.consistency.level cassandra.consistency.level"),
    **enums("db.cassandra.consistency_level db.client.connection.state db.client.connections.state state"),
    **enums("db.cosmosdb.connection_mode db.cosmosdb.consistency_level db.cosmosdb.operation_type"),
    **counts(
        "db.response.returned_rows db.row_count db.rowcount db.rows_affected cassandra.page.size db.cassandra.page_size"
    ),
    **counts("cassandra.speculative_execution.count db.cassandra.speculative_execution_count db.redis.args_length"),
    **counts("db.redis.pipeline_length"),
    **flags("cassandra.query.idempotent db.cassandra.idempotence"),
    **names("db.name db.collection.name db.sql.table db.mongodb.collection db.cassandra.table db.cosmosdb.container"),
    **names("db.stored_procedure.name db.client.connection.pool.name db.client.connections.pool.name pool.name"),
    **names("db.elasticsearch.cluster.name db.elasticsearch.node.name elasticsearch.node.name db.mssql.instance_name"),
    **identities("cassandra.coordinator.id db.cassandra.coordinator.id db.cosmosdb.client_id azure.client.id db.instance.id"),
    **contents("db.statement db.query.text db.statement.parameters db.query.parameter db.operation.parameter"),
    **dropped("db.user db.connection_string db.jdbc.driver_classname cassandra.coordinator.dc db.cassandra.coordinator.dc"),
    **dropped("db.cosmosdb.regions_contacted azure.cosmosdb.operation.contacted_regions db.elasticsearch.path_parts"),
    **dropped("oracle.db.domain oracle.db.instance.name oracle.db.name oracle.db.pdb oracle.db.service oracle_cloud.realm"),
}
VECTORS: Final[Table] = {
    **counts(
        """
        db.chroma.add.ids_count db.chroma.add.embeddings_count db.chroma.add.metadatas_count
        db.chroma.add.documents_count db.chroma.delete.ids_count db.chroma.get.ids_count db.chroma.get.limit
        db.chroma.get.offset db.chroma.peek.limit db.chroma.query.embeddings_count db.chroma.query.texts_count
        db.chroma.query.n_results db.chroma.update.documents_count db.chroma.update.embeddings_count
        db.chroma.update.ids_count db.chroma.update.metadatas_count db.chroma.upsert.documents_count
        db.chroma.upsert.embeddings_count db.chroma.upsert.metadatas_count db.milvus.delete.ids_count
        db.milvus.get.partition_names_count db.milvus.get.ids_count db.milvus.get.output_fields_count
        db.milvus.create_collection.dimension db.milvus.insert.data_count db.milvus.query.ids_count
        db.milvus.query.limit db.milvus.query.output_fields_count db.milvus.query.partition_names_count
        db.milvus.search.data_count db.milvus.search.limit db.milvus.search.output_fields_count
        db.milvus.search.partition_names_count db.milvus.search.result_count db.milvus.search.query_vector_dimension
        db.milvus.upsert.data_count qdrant.search_batch.requests_count qdrant.upload_collection.points_count
        qdrant.upsert.points_count
        """
    ),
    **dict.fromkeys(
        """
        db.milvus.delete.timeout db.milvus.get.timeout db.milvus.create_collection.timeout db.milvus.insert.timeout
        db.milvus.query.timeout db.milvus.search.timeout db.milvus.upsert.timeout db.marqo.search.processing_time
        """.split(),
        SECONDS,
    ),
    "db.milvus.create_collection.metric_type": one_of("L2", "IP", "COSINE", "HAMMING", "JACCARD", "BM25"),
    "db.milvus.search.ranker_type": one_of("RRFRanker", "WeightedRanker"),
    **dict.fromkeys("db.search.result.score db.search.result.distance db.query.result.score".split(), _SCORE),
    "db.query.result.distance": _SCORE,
    **names(
        """
        db.chroma.modify.name db.milvus.delete.collection_name db.milvus.get.collection_name
        db.milvus.create_collection.collection_name db.milvus.insert.collection_name db.milvus.query.collection_name
        db.milvus.search.collection_name db.milvus.upsert.collection_name qdrant.search.collection_name
        qdrant.search_batch.collection_name qdrant.upload_collection.collection_name qdrant.upsert.collection_name
        """
    ),
    **contents(
        """
        db.chroma.delete.where db.chroma.delete.where_document db.chroma.get.where db.chroma.get.where_document
        db.chroma.query.where db.chroma.query.where_document db.milvus.delete.filter db.milvus.query.filter
        db.milvus.search.filter db.marqo.search.query db.query.embeddings.vector db.query.result.document
        db.query.result.metadata db.search.result.entity
        """
    ),
}
MESSAGING_OPERATIONS: Final = (
    *("publish", "send", "receive", "process", "settle", "create", "deliver", "ack", "nack", "reject", "requeue", "poll"),
    *("commit", "consume", "subscribe", "unsubscribe", "seek", "flush", "complete", "abandon", "defer", "dead_letter"),
    *("schedule", "cancel", "peek", "renew", "delete", "enqueue", "dequeue"),
)
MESSAGING: Final[Table] = {
    "messaging.system": listed(
        "messaging.system",
        *(
            "kafka",
            "rabbitmq",
            "aws_sqs",
            "aws.sqs",
            "aws.sns",
            "aws.kinesis",
            "gcp_pubsub",
            "servicebus",
            "eventhubs",
            "nats",
        ),
        *("pulsar", "redis", "celery", "activemq", "rocketmq", "mqtt", "zeromq", "remoulade", "dramatiq", "rq", "jms"),
    ),
    "messaging.operation": listed("messaging.operation.type", *MESSAGING_OPERATIONS),
    "messaging.operation.type": listed("messaging.operation.type", *MESSAGING_OPERATIONS),
    "messaging.operation.name": known(frozenset(MESSAGING_OPERATIONS).__contains__, "messaging.operation.name"),
    "messaging.destination_kind": one_of("queue", "topic"),
    "messaging.rocketmq.message.delay_time_level": count(100),
    "messaging.rocketmq.message.keys": Each(name("messaging.rocketmq.message.keys")),
    "messaging.gcp_pubsub.message.ack_deadline": COUNT,
    **dict.fromkeys(("messaging.message.body.size", "messaging.message.envelope.size"), SIZE),
    "messaging.message.payload_size_bytes": SIZE,
    **enums("messaging.rocketmq.consumption_model messaging.rocketmq.message.type messaging.servicebus.disposition_status"),
    **counts(
        """
        messaging.batch.message_count messaging.gcp_pubsub.message.delivery_attempt
        messaging.kafka.destination.partition messaging.kafka.message.offset messaging.kafka.offset
        messaging.kafka.partition messaging.rabbitmq.message.delivery_tag messaging.servicebus.message.delivery_count
        """
    ),
    **flags("messaging.destination.anonymous messaging.destination.temporary messaging.destination_publish.anonymous"),
    **flags("messaging.kafka.message.tombstone messaging.temp_destination"),
    **names(
        """
        messaging.consumer.group.name messaging.destination messaging.destination.name messaging.destination.template
        messaging.destination.subscription.name messaging.destination_publish.name messaging.eventhubs.consumer.group
        messaging.kafka.consumer.group messaging.rabbitmq.destination.routing_key messaging.rocketmq.client_group
        messaging.rocketmq.namespace messaging.servicebus.destination.subscription_name messaging.rocketmq.message.tag
        """
    ),
    **identities(
        """
        messaging.client.id messaging.client_id messaging.consumer_id messaging.message.id messaging.message_id
        messaging.message.conversation_id messaging.conversation_id messaging.destination.partition.id
        messaging.gcp_pubsub.message.ack_id messaging.gcp_pubsub.message.ordering_key messaging.kafka.cluster.id
        messaging.rocketmq.message.group
        """
    ),
    **contents("messaging.kafka.message.key messaging.kafka.message_key messaging.url"),
    **dropped("messaging.eventhubs.message.enqueued_time messaging.servicebus.message.enqueued_time"),
    **dropped("messaging.rocketmq.message.delivery_timestamp messaging.message.stream.offset"),
    **names("celery.task_name"),
    **contents("celery.retry.reason celery.revoked.reason"),
    "celery.terminated.signal": one_of("SIGTERM", "SIGKILL", "SIGINT", "SIGQUIT", "SIGHUP"),
    "celery.action": one_of("run", "apply_async"),
    "celery.state": one_of("SUCCESS", "FAILURE", "RETRY", "PENDING", "STARTED", "REVOKED", "REJECTED", "IGNORED"),
}

TABLE: Final[Table] = {**DB, **VECTORS, **MESSAGING}
BELOW: Final[Table] = contents(
    """
    db.query.parameter. db.operation.parameter. db.statement. db.query.text. db.elasticsearch.path_parts. db.chroma.
    db.milvus. db.query.result. db.search. messaging.kafka. messaging.header. messaging.message.header.
    messaging.rabbitmq.
    """
)
