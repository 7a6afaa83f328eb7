"""The certificate that TLS clients are shown: read at the start, read again on SIGHUP and when its files change.

A connection keeps what it began with; new ones get what was read last. Files that cannot be used change nothing, and
the log says so: whoever renews a certificate writes two files, and between the two they do not fit.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from logmq.config import Config
from logmq.errors import InvalidConfig, StartupError
from logmq.limits import TLS_EXPIRY_WARNING_S, TLS_LOOK_INTERVAL_S
from logmq.metrics import TlsMetrics
from logmq.server.certificate import first_expiry_s

_log = logging.getLogger("logmq.server")


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where the certificate, its key and the authorities of clients lie."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    def load(self) -> tuple[ssl.SSLContext, float]:
        """What they hold, and when the certificate expires, in seconds since 1970.

        Raises: StartupError, with the file that is at fault.
        """
        expiry_s = self._expiry_s()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        context.set_alpn_protocols(["http/1.1"])  # browsers ask; who asks for nothing may still speak anything
        try:
            context.load_cert_chain(self.certificate, self.key, password=self._refuse_password)
        except ssl.SSLError as error:
            raise StartupError(self._reason(error)) from error
        except OSError as error:
            raise StartupError(f"tls_key {self.key}: {error.strerror or error}") from error
        self._ask_clients(context)
        return context, expiry_s

    def _ask_clients(self, context: ssl.SSLContext) -> None:
        """Ask clients for their certificates, if there are authorities to check them by."""
        if self.client_ca is None:
            return
        try:
            context.load_verify_locations(self.client_ca)
        except OSError as error:
            words = "is not a PEM file of certificates" if isinstance(error, ssl.SSLError) else error.strerror
            raise StartupError(f"tls_client_ca {self.client_ca}: {words}") from error
        context.verify_mode = ssl.CERT_REQUIRED

    def _expiry_s(self) -> float:
        try:
            return first_expiry_s(self.certificate.read_text(encoding="ascii", errors="replace"))
        except OSError as error:
            raise StartupError(f"tls_cert {self.certificate}: {error.strerror or error}") from error
        except ValueError as error:
            raise StartupError(f"tls_cert {self.certificate}: {error}") from error

    def _refuse_password(self) -> str:
        # Without this OpenSSL would ask for it at the terminal, and the broker would wait there.
        raise StartupError(f"tls_key {self.key}: the key has a password; store it without one, readable to the broker")

    def _reason(self, error: ssl.SSLError) -> str:
        if error.reason == "KEY_VALUES_MISMATCH":
            return f"tls_key {self.key}: this is not the key of the certificate in {self.certificate}"
        words = f" ({error.reason})" if error.reason else ""
        return f"tls_cert {self.certificate}, tls_key {self.key}: no certificate with its key in PEM form{words}"

    def marks(self) -> tuple[object, ...]:
        """Something that differs once a file was written or replaced."""
        return tuple(map(_mark, (self.certificate, self.key, self.client_ca)))


def _mark(file: Path | None) -> object:
    try:
        found = None if file is None else file.stat()
    except OSError as error:
        return error.errno
    return found and (found.st_mtime_ns, found.st_size, found.st_ino)


class Tls:
    """What new connections get, and the files that it comes from."""

    def __init__(self, files: TlsFiles, *, required: bool = False, now_s: Callable[[], float] = time.time) -> None:
        """Read the files. Raises: StartupError."""
        self._files = files
        self._now_s = now_s
        self.required = required
        self.metrics = TlsMetrics()
        self.metrics.mode = "require" if required else "on"
        self._marks = files.marks()  # before they are read: what is written meanwhile is seen later
        self.context, self.expiry_s = files.load()
        self._note_expiry()
        if files.client_ca is not None and not required:
            _log.warning("clients without TLS need no certificate: tls_client_ca binds them only with tls=require")

    @property
    def expires(self) -> datetime:
        """When the certificate does."""
        return datetime.fromtimestamp(self.expiry_s, UTC)

    def reload(self) -> None:
        """Read the files again, for connections to come."""
        self._marks = self._files.marks()
        try:
            self.context, self.expiry_s = self._files.load()
        except StartupError as error:
            _log.error("the files of TLS cannot be used, so what was read before stays", extra={"reason": str(error)})
            return
        _log.info("read the files of TLS again", extra={"expires": self.expires.isoformat()})
        self._note_expiry()

    def look(self) -> None:
        """Read the files again if they have changed since they were last read, for better or worse."""
        if self._files.marks() != self._marks:
            self.reload()

    async def watch(self, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        """`look` every few seconds until cancelled."""
        while True:
            await sleep(TLS_LOOK_INTERVAL_S)
            self.look()

    def _note_expiry(self) -> None:
        self.metrics.certificate_expiry_s = self.expiry_s
        left_s = self.expiry_s - self._now_s()
        if left_s < TLS_EXPIRY_WARNING_S:
            words = "expires soon" if left_s > 0 else "HAS EXPIRED: clients that check will not connect"
            _log.warning(f"the certificate of TLS {words}", extra={"expires": self.expires.isoformat()})


def open_tls(config: Config) -> Tls | None:
    """What the settings say about TLS; None if clients cannot have it.

    Raises:
        InvalidConfig: the settings do not fit together.
        StartupError: a file cannot be used.
    """
    if config.tls == "off":
        return None
    if config.tls_cert is None:
        for name, is_set in (
            (f"tls={config.tls}", config.tls != "auto"),
            ("tls_key", config.tls_key is not None),
            ("tls_client_ca", config.tls_client_ca is not None),
        ):
            if is_set:
                raise InvalidConfig(f"{name} needs a certificate: give its file as tls_cert, or set tls=off")
        return None
    files = TlsFiles(config.tls_cert, config.tls_key or config.tls_cert, config.tls_client_ca)
    return Tls(files, required=config.tls == "require")
