"""The calls of Confluent's REST Proxy that produce, and those by which its clients find the cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from logmq.errors import LogMQError
from logmq.protocols.http.bodies import body_of, check_object_count, check_utf8, decoded, media_type_of
from logmq.protocols.http.context import context_of
from logmq.protocols.http.new_records import nth_record
from logmq.protocols.http.operations import Endpoint
from logmq.protocols.http.problems import InvalidInput, NotFound, UnsupportedMediaType
from logmq.protocols.http.producing import produce_contents
from logmq.protocols.http.rest_proxy import v2, v3
from logmq.protocols.http.rest_proxy.errors import RestProxyError
from logmq.protocols.http.rest_proxy.reports import Reports


def _speaking(media_type: str) -> Callable[[Endpoint], Endpoint]:
    """Let an endpoint say its errors as the REST Proxy does."""

    def wrap(endpoint: Endpoint) -> Endpoint:
        async def speaking(request: Request) -> Response:
            try:
                return await endpoint(request)
            except LogMQError as error:
                raise RestProxyError(error, media_type) from error

        return speaking

    return wrap


@_speaking(v2.MEDIA_TYPE)
async def produce_v2(request: Request) -> Response:
    """Store records in a topic, or in one of its partitions. All of them are stored, or none.

    Durability: they survive as the sync mode promises when it is answered.
    """
    kind = media_type_of(request)
    if kind not in v2.EMBEDDINGS:
        raise UnsupportedMediaType(_unsupported(kind))
    body = await body_of(request)
    check_utf8(body)
    check_object_count(body)
    records = decoded(body, _RECORDS).records
    contents = [v2.content_of(record, v2.EMBEDDINGS[kind], nth_record(n)) for n, record in enumerate(records)]
    placed = await produce_contents(
        context_of(request), request.path_params["topic"], contents, partition=_partition_in(request)
    )
    answer = v2.Answer([v2.Placed(place.partition, place.offset) for place in placed])
    return Response(msgspec.json.encode(answer), media_type=v2.MEDIA_TYPE)


def _partition_in(request: Request) -> int | None:
    text = request.path_params.get("partition")
    if text is None:
        return None
    if text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    raise InvalidInput(f"{text[:40]!r} is no partition: use a number", "partition")


def _unsupported(kind: str) -> str:
    if kind.startswith("application/vnd.kafka."):
        return f"{kind[:80]} needs a schema registry, which is not there; use one of {', '.join(v2.EMBEDDINGS)}"
    return f"this takes {' or '.join(v2.EMBEDDINGS)}, not {kind[:80]!r}; other JSON goes to /topics/{{topic}}/records"


_RECORDS = msgspec.json.Decoder(v2.Records)


@_speaking(v3.MEDIA_TYPE)
async def produce_v3(request: Request) -> Response:
    """Store records one behind the other, and report on each; the status is 200 whatever the reports say.

    The cluster's id is not checked, as in the original. Durability: a record survives as the sync mode promises when
    it is reported.
    """
    return Reports(request, request.path_params["topic"])


@_speaking(v3.MEDIA_TYPE)
async def list_clusters(request: Request) -> Response:
    """The cluster that this broker is."""
    link = str(request.url.replace(query=""))
    return _answer(v3.ClusterList("KafkaClusterList", v3.ListMetadata(link), [_cluster(request)]))


@_speaking(v3.MEDIA_TYPE)
async def describe_cluster(request: Request) -> Response:
    """The cluster, by its id."""
    cluster = _cluster(request)
    if request.path_params["cluster"] != cluster.cluster_id:
        raise NotFound(f"there is no other cluster than {cluster.cluster_id}", "cluster")
    return _answer(cluster)


def _cluster(request: Request) -> v3.Cluster:
    cluster_id = context_of(request).broker.cluster_id
    link = f"{request.url.scheme}://{request.url.netloc}/v3/clusters/{cluster_id}"
    metadata = v3.ClusterMetadata(link, f"crn:///kafka={cluster_id}")
    return v3.Cluster("KafkaCluster", metadata, cluster_id, v3.Related(f"{link}/topics"))


def _answer(content: Any) -> Response:
    return Response(msgspec.json.encode(content), media_type=v3.MEDIA_TYPE)
