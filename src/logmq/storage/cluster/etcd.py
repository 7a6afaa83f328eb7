"""`Keys` on etcd 3.

Every call has a timeout and is sent once: whoever calls decides what a missing answer means. Keys lie under a prefix of
the cluster's own, so that several may share an etcd.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import grpc
from etcd3aio import Etcd3Client, EtcdError, EtcdUnauthenticatedError
from etcd3aio._protobuf import Compare  # a comparison of a key's revision has no builder
from etcd3aio.kv import KVService, prefix_range_end

from logmq.errors import StartupError
from logmq.storage.cluster.services import OutcomeUnknown, Stored

_TIMEOUT_S = 5.0
_PAGE = 1_000
_DEFAULT_PORT = 2379


class EtcdKeys:
    """Made by `connect`."""

    def __init__(self, client: Etcd3Client, prefix: str, login: tuple[str, str] | None = None) -> None:
        assert client.kv is not None
        assert client.lease is not None
        self._client = client
        self._kv = client.kv
        self._lease = client.lease
        self._prefix = prefix
        self._login = login
        self._renewing: asyncio.Task[None] | None = None

    @classmethod
    async def connect(cls, url: str) -> EtcdKeys:
        """The keys at `etcd://[user:password@]host[:port][,host...]/name[?ca=file&cert=file&key=file]`.

        Raises: StartupError: the address makes no sense, or etcd does not answer.
        """
        parts = urlsplit(url)
        hosts = parts.netloc.rpartition("@")[2]
        if parts.scheme != "etcd" or not hosts:
            raise StartupError(f"{url!r} is not the address of an etcd: write etcd://host:2379/name")
        endpoints = [host if ":" in host else f"{host}:{_DEFAULT_PORT}" for host in hosts.split(",")]
        certificates: Any = _certificates(parse_qs(parts.query))
        if certificates:
            certificates["tls_server_name"] = endpoints[0].rpartition(":")[0]
        client = Etcd3Client(await _look_up(endpoints), rpc_max_attempts=1, **certificates)
        await client.connect()
        login = None if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))
        keys = cls(client, f"/logmq/{parts.path.strip('/') or 'logmq'}/", login)
        try:
            await keys._log_in()
            await keys.get("probe")
        except OutcomeUnknown as error:
            await keys.close()
            raise StartupError(f"etcd at {', '.join(endpoints)} does not answer: {error}") from error
        return keys

    async def _log_in(self) -> None:
        """Get a token, if there is a user; etcd forgets it after some minutes. Raises: OutcomeUnknown."""
        if self._login is not None:
            assert self._client.auth is not None
            async with self._answered():
                answer = await self._client.auth.authenticate(*self._login, timeout=_TIMEOUT_S)
            self._client.set_token(answer.token)

    @asynccontextmanager
    async def _answered(self) -> AsyncIterator[None]:
        """What etcd's client raises, as the one thing that it means here. A token that was refused is replaced."""
        try:
            yield
        except (EtcdError, grpc.RpcError, TimeoutError) as error:
            if self._login is not None and _is_refused_token(error):
                self._renewing = self._renewing or asyncio.create_task(self._replace_token())
            raise OutcomeUnknown(f"etcd: {_told(error)}") from error

    async def _replace_token(self) -> None:
        self._client.set_token(None)
        with suppress(OutcomeUnknown):
            await self._log_in()
        self._renewing = None

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def get(self, key: str) -> Stored | None:
        """See `Keys.get`."""
        async with self._answered():
            answer = await self._kv.get(self._prefix + key, timeout=_TIMEOUT_S)
        return Stored(answer.kvs[0].value, answer.kvs[0].mod_revision) if answer.kvs else None

    async def under(self, prefix: str) -> dict[str, Stored]:
        """See `Keys.under`."""
        found: dict[str, Stored] = {}
        start, end = (self._prefix + prefix).encode(), prefix_range_end(self._prefix + prefix)
        revision = 0
        while True:
            async with self._answered():
                answer = await self._kv.get(start, end, revision=revision, limit=_PAGE, timeout=_TIMEOUT_S)
            revision = revision or answer.header.revision
            for one in answer.kvs:
                found[one.key.decode().removeprefix(self._prefix)] = Stored(one.value, one.mod_revision)
            if not answer.more:
                return found
            start = answer.kvs[-1].key + b"\0"

    async def commit(
        self, expected: Mapping[str, int], puts: Mapping[str, bytes], deletes: Iterable[str] = ()
    ) -> int | None:
        """See `Keys.commit`."""
        compares = [
            Compare(
                result=Compare.EQUAL, target=Compare.MOD, key=(self._prefix + key).encode(), mod_revision=revision
            )
            for key, revision in expected.items()
        ]  # fmt: skip
        operations = [KVService.txn_op_put(self._prefix + key, value) for key, value in puts.items()]
        operations += [KVService.txn_op_delete(self._prefix + key) for key in deletes]
        async with self._answered():
            answer = await self._kv.txn(compares, operations, timeout=_TIMEOUT_S)
        return int(answer.header.revision) if answer.succeeded else None

    async def announce(self, key: str, value: bytes, ttl_s: float) -> EtcdPresence:
        """See `Keys.announce`."""
        async with self._answered():
            lease = await self._lease.grant(max(1, round(ttl_s)), timeout=_TIMEOUT_S)
            answer = await self._kv.put(self._prefix + key, value, lease=lease.ID, timeout=_TIMEOUT_S)
        return EtcdPresence(self._lease, lease.ID, answer.header.revision, self._answered)


class EtcdPresence:
    """`Presence` by a lease."""

    def __init__(
        self, leases: Any, lease_id: int, revision: int, answered: Callable[[], AbstractAsyncContextManager[None]]
    ) -> None:
        self.revision = revision
        self._answered = answered
        self._leases = leases
        self._lease_id = lease_id

    async def renew(self) -> bool:
        """See `Presence.renew`."""
        async with self._answered(), asyncio.timeout(_TIMEOUT_S):
            stream = self._leases.keep_alive(self._lease_id)
            try:
                async for answer in stream:
                    return bool(answer.TTL > 0)
            finally:
                stream.cancel()
        raise OutcomeUnknown("etcd did not answer")

    async def withdraw(self) -> None:
        """See `Presence.withdraw`."""
        async with self._answered():
            await self._leases.revoke(self._lease_id, timeout=_TIMEOUT_S)


def _is_refused_token(error: BaseException) -> bool:
    return isinstance(error, EtcdUnauthenticatedError) or "auth token" in str(error)


def _told(error: BaseException) -> str:
    return str(error.details()) if isinstance(error, grpc.aio.AioRpcError) else str(error) or "no answer in time"


async def _look_up(endpoints: Iterable[str]) -> list[str]:
    """The endpoints by number: this client takes no names. Whoever starts again looks again. Raises: StartupError."""
    found: list[str] = []
    loop = asyncio.get_running_loop()
    for endpoint in endpoints:
        host, _, port = endpoint.rpartition(":")
        try:
            answers = await loop.getaddrinfo(host, int(port), family=socket.AF_INET, type=socket.SOCK_STREAM)
        except (OSError, ValueError) as error:
            raise StartupError(f"etcd's host {endpoint!r} is not known: {error}") from error
        found.append(f"{answers[0][4][0]}:{port}")
    return found


def _certificates(query: Mapping[str, list[str]]) -> dict[str, bytes | None]:
    names = {"ca": "ca_cert", "cert": "cert_chain", "key": "cert_key"}
    if unknown := query.keys() - names.keys():
        raise StartupError(f"etcd's address takes ca, cert and key, not {', '.join(sorted(unknown))}")
    try:
        return {names[name]: Path(values[0]).read_bytes() for name, values in query.items()}
    except OSError as error:
        raise StartupError(f"a certificate for etcd cannot be read: {error}") from error
