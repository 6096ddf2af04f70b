"""Clouds, clusters, containers and functions: who runs the program, and what operators called the parts of it."""

from __future__ import annotations

from typing import Final

from spanguard.privacy.conventions.kinds import (
    FLAG,
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
from spanguard.privacy.conventions.known import SIZE, VERSION
from spanguard.privacy.rules import Each, known, name, one_of
from spanguard.vocabulary.clouds import REGIONS, is_cloud_region

_ZONES: Final = frozenset(f"{region}{zone}" for region in REGIONS for zone in (*"abcdef", "-a", "-b", "-c", "-d", "-f"))
REGION: Final = known(is_cloud_region)
ZONE: Final = known(lambda zone: zone in _ZONES or zone in ("1", "2", "3"))

CLOUD: Final[Table] = {
    **enums("cloud.provider"),
    "cloud.platform": listed(  # and as they were written until 2025
        "cloud.platform",
        *("azure_vm", "azure_functions", "azure_aks", "azure_app_service", "azure_openshift"),
        *("azure_container_instances", "azure_container_apps"),
    ),
    "cloud.region": REGION,
    "aws.region": REGION,
    "cloud.availability_zone": ZONE,
    "gcp.gce.instance_group_manager.region": REGION,
    "gcp.gce.instance_group_manager.zone": ZONE,
    "gcp.apphub.application.location": REGION,
    "gcp.apphub_destination.application.location": REGION,
    "gcp.client.service": one_of(
        "storage", "bigquery", "pubsub", "firestore", "datastore", "spanner", "vertexai", "bigtable"
    ),
    **identities("cloud.account.id"),
    **dropped("cloud.resource_id"),
}
_AWS: Final[Table] = {
    **enums("aws.ecs.launchtype"),
    "aws.dynamodb.table_names": Each(name("aws.dynamodb.table_names")),
    "aws.dynamodb.provisioned_read_capacity": SECONDS,
    "aws.dynamodb.provisioned_write_capacity": SECONDS,
    "aws.dynamodb.select": one_of("ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES", "SPECIFIC_ATTRIBUTES", "COUNT"),
    **counts(
        "aws.dynamodb.count aws.dynamodb.limit aws.dynamodb.scanned_count aws.dynamodb.segment aws.dynamodb.table_count"
    ),
    **counts("aws.dynamodb.total_segments aws.s3.part_number aws.ecs.task.revision retry_attempts"),
    **flags("aws.dynamodb.consistent_read aws.dynamodb.scan_forward"),
    **names("aws.dynamodb.index_name aws.s3.bucket aws.kinesis.stream_name aws.ecs.task.family aws.bedrock.guardrail.id"),
    **identities("aws.request_id aws.extended_request_id aws.ecs.task.id aws.lambda.resource_mapping.id aws.s3.upload_id"),
    **identities("aws.bedrock.knowledge_base.id"),
    **contents("aws.s3.key aws.s3.copy_source aws.s3.delete aws.dynamodb.projection aws.dynamodb.exclusive_start_table"),
    **dropped(
        """
        aws.dynamodb.attribute_definitions aws.dynamodb.attributes_to_get aws.dynamodb.consumed_capacity
        aws.dynamodb.global_secondary_index_updates aws.dynamodb.global_secondary_indexes
        aws.dynamodb.item_collection_metrics aws.dynamodb.local_secondary_indexes aws.ecs.cluster.arn
        aws.ecs.container.arn aws.ecs.task.arn aws.eks.cluster.arn aws.lambda.invoked_arn aws.log.group.arns
        aws.log.group.names aws.log.stream.arns aws.log.stream.names aws.secretsmanager.secret.arn aws.sns.topic.arn
        aws.sqs.queue.url aws.step_functions.activity.arn aws.step_functions.state_machine.arn
        """
    ),
}
_OTHERS: Final[Table] = {
    "az.namespace": one_of("Microsoft.Storage", "Microsoft.KeyVault", "Microsoft.EventHub", "Microsoft.ServiceBus"),
    "azure.resource_provider.namespace": one_of(
        *("Microsoft.Storage", "Microsoft.KeyVault", "Microsoft.EventHub", "Microsoft.ServiceBus", "Microsoft.DocumentDB"),
        *("Microsoft.CognitiveServices", "Microsoft.MachineLearningServices", "Microsoft.AppConfiguration"),
    ),
    **identities("az.service_request_id azure.service.request.id heroku.app.id oci.manifest.digest"),
    **enums("gcp.apphub.service.criticality_type gcp.apphub.service.environment_type gcp.apphub.workload.criticality_type"),
    **enums("gcp.apphub.workload.environment_type gcp.apphub_destination.service.criticality_type"),
    **enums("gcp.apphub_destination.service.environment_type gcp.apphub_destination.workload.criticality_type"),
    **enums("gcp.apphub_destination.workload.environment_type"),
    **counts("gcp.cloud_run.job.task_index"),
    **names(
        "gcp.cloud_run.job.execution gcp.gce.instance.name gcp.gce.instance_group_manager.name azure.resource_group.name"
    ),
    **names("gcp.apphub.application.id gcp.apphub.service.id gcp.apphub.workload.id gcp.apphub_destination.application.id"),
    **names("gcp.apphub_destination.service.id gcp.apphub_destination.workload.id openshift.clusterquota.name"),
    **dropped("gcp.apphub.application.container gcp.apphub_destination.application.container gcp.gce.instance.hostname"),
    **dropped("gcp.gce.instance.labels heroku.release.commit heroku.release.creation_timestamp openshift.clusterquota.uid"),
    **names("cloudfoundry.app.name cloudfoundry.process.type mainframe.lpar.name"),
    **identities("cloudfoundry.app.id cloudfoundry.app.instance.id cloudfoundry.org.id cloudfoundry.process.id"),
    **identities("cloudfoundry.space.id cloudfoundry.system.id cloudfoundry.system.instance.id"),
    **dropped("cloudfoundry.org.name cloudfoundry.space.name zos.smf.id zos.sysplex.name"),
    **dropped("cloudevents.event_id cloudevents.event_source cloudevents.event_spec_version cloudevents.event_subject"),
    **dropped("cloudevents.event_type"),
}
FAAS: Final[Table] = {
    **enums("faas.trigger faas.document.operation faas.invoked_provider"),
    "faas.coldstart": FLAG,
    "faas.invoked_region": REGION,
    "faas.max_memory": SIZE,
    **names("faas.name faas.invoked_name"),
    **identities("faas.instance faas.invocation_id faas.execution faas.id"),
    **contents("faas.document.name"),
    **dropped("faas.version faas.cron faas.time faas.document.time faas.document.collection"),
}
CONTAINER: Final[Table] = {
    **enums("container.cpu.state"),
    "container.runtime": one_of("docker", "containerd", "rkt", "podman", "cri-o"),
    "container.runtime.name": one_of("docker", "containerd", "rkt", "podman", "cri-o"),
    "container.runtime.version": VERSION,
    **names("container.name container.image.name"),
    **identities("container.id container.image.id container.csi.volume.id"),
    **dropped("container.command container.command_args container.command_line container.csi.plugin.name container.label"),
    **dropped("container.image.repo_digests container.image.tags container.labels container.runtime.description"),
}
_KUBERNETES: Final = (
    "cluster container cronjob daemonset deployment hpa job namespace node persistentvolume persistentvolumeclaim pod "
    "replicaset replicationcontroller resourcequota service statefulset storageclass volume node.system_container"
).split()
_LABELLED: Final = tuple(
    f"k8s.{kind}.{what}" for kind in _KUBERNETES for what in ("annotation", "label", "labels", "selector", "annotations")
)
KUBERNETES: Final[Table] = {
    **enums("k8s.container.ephemeral_storage.fs_type k8s.container.status.reason k8s.container.status.state"),
    **enums("k8s.namespace.phase k8s.node.condition.status k8s.node.condition.type k8s.persistentvolume.reclaim_policy"),
    **enums("k8s.persistentvolume.status.phase k8s.persistentvolumeclaim.status.phase k8s.pod.status.phase"),
    **enums("k8s.pod.status.reason k8s.service.endpoint.address_type k8s.service.endpoint.condition k8s.service.type"),
    **enums("k8s.volume.type"),
    "k8s.container.status.last_terminated_reason": one_of("OOMKilled", "Error", "Completed", "Evicted"),
    "k8s.hpa.metric.type": one_of("Resource", "Pods", "Object", "External", "ContainerResource"),
    "k8s.hpa.scaletargetref.kind": one_of("Deployment", "StatefulSet", "ReplicaSet"),
    "k8s.hpa.scaletargetref.api_version": one_of("apps/v1", "v1", "autoscaling/v2"),
    "k8s.service.traffic_distribution": one_of("PreferClose", "PreferSameZone", "PreferSameNode"),
    "k8s.service.endpoint.zone": ZONE,
    "k8s.service.publish_not_ready_addresses": FLAG,
    "k8s.resourcequota.resource_name": one_of("pods", "services", "configmaps", "secrets", "requests.cpu", "limits.memory"),
    "k8s.hugepage.size": one_of("2Mi", "1Gi"),
    "k8s.hpa.scaletargetref.name": name("k8s.deployment.name"),
    **counts("k8s.container.restart_count"),
    **names(" ".join(f"k8s.{kind}.name" for kind in _KUBERNETES)),
    **identities(" ".join(f"k8s.{kind}.uid" for kind in _KUBERNETES)),
    **dropped(" ".join(_LABELLED)),
    **dropped("k8s.pod.hostname k8s.pod.ip k8s.pod.start_time"),
}

TABLE: Final[Table] = {**CLOUD, **_AWS, **_OTHERS, **FAAS, **CONTAINER, **KUBERNETES}
BELOW: Final[Table] = {
    **dropped(" ".join(f"{key}." for key in _LABELLED)),
    **dropped("container.label. container.labels. gcp.gce.instance.labels. aws.dynamodb. openshift."),
}
