"""The certificate that clients are shown: read, watched, and kept when its files turn bad."""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path
from typing import Any

import pytest
from tests.certificates import DAY, Authority, Pair

from logmq.config import Config
from logmq.errors import InvalidConfig, StartupError
from logmq.server.banner import tls_facts
from logmq.server.tls import Tls, TlsFiles, open_tls


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def shown(tls: Tls, authority: Authority) -> str:
    """The common name in the certificate that a client is shown, by a handshake in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = tls.context.wrap_bio(to_server, to_client, server_side=True)
    context = ssl.create_default_context(cafile=str(authority.file))
    client = context.wrap_bio(to_client, to_server, server_hostname="localhost")
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    certificate: Any = client.getpeercert()
    (((_, name),),) = certificate["subject"]
    return str(name)


def replace(pair: Pair, by: Pair) -> None:
    """Put other files in their place, as those who renew certificates do: one, then the other."""
    by.certificate.replace(pair.certificate)
    by.key.replace(pair.key)


def test_a_new_certificate_is_seen(authority: Authority, caplog: pytest.LogCaptureFixture) -> None:
    """A look at unchanged files does nothing; one at other files reads them, and new handshakes show what they hold."""
    caplog.set_level(logging.INFO)
    pair = authority.sign("first")
    tls = Tls(TlsFiles(pair.certificate, pair.key))
    context = tls.context
    tls.look()
    assert tls.context is context and shown(tls, authority) == "first" and not caplog.records
    replace(pair, authority.sign("second", left=60 * DAY))
    tls.look()
    assert shown(tls, authority) == "second"
    assert tls.metrics.certificate_expiry_s == tls.expires.timestamp()
    assert [record.message for record in caplog.records] == ["read the files of TLS again"]


def test_a_bad_file_changes_nothing(authority: Authority, caplog: pytest.LogCaptureFixture) -> None:
    """The old certificate stays, the log says so once and why, and good files are read as soon as they are there."""
    pair, other = authority.sign("first"), authority.sign("second")
    good = pair.texts
    tls = Tls(TlsFiles(pair.certificate, pair.key))
    other.certificate.replace(pair.certificate)  # half of a renewal
    tls.look()
    tls.look()
    (record,) = caplog.records
    assert record.levelno == logging.ERROR and "what was read before stays" in record.message
    assert "this is not the key of the certificate" in record.__dict__["reason"]
    assert shown(tls, authority) == "first"
    for broken in ("", "not a certificate", good[0][:200], None):
        if broken is None:
            pair.certificate.unlink()
        else:
            pair.certificate.write_text(broken)
        tls.look()
        assert shown(tls, authority) == "first"
    assert len(caplog.records) == 5
    replace(pair, authority.sign("third"))
    tls.look()
    assert shown(tls, authority) == "third" and len(caplog.records) == 5


def test_a_signal_reads_in_any_case(authority: Authority) -> None:
    """Even where the files look as they did."""
    pair = authority.sign("first")
    tls = Tls(TlsFiles(pair.certificate, pair.key))
    context = tls.context
    tls.reload()
    assert tls.context is not context


async def test_the_files_are_watched(authority: Authority) -> None:
    """Every few seconds."""
    pair = authority.sign("first")
    tls = Tls(TlsFiles(pair.certificate, pair.key))
    pauses: list[float] = []

    async def sleep(pause_s: float) -> None:
        pauses.append(pause_s)
        if len(pauses) == 2:
            replace(pair, authority.sign("second"))
        if len(pauses) == 3:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await tls.watch(sleep)
    assert pauses == [5, 5, 5] and shown(tls, authority) == "second"


@pytest.mark.parametrize(("days", "words"), [(15, None), (13, "expires soon"), (91, "HAS EXPIRED")])
def test_an_expiry_is_told_in_time(
    authority: Authority, caplog: pytest.LogCaptureFixture, days: int, words: str | None
) -> None:
    """From 14 days before it a start warns. `days` is what is left of 90, beyond it what is over."""
    pair = authority.sign("first")
    expiry_s = Tls(TlsFiles(pair.certificate, pair.key)).expiry_s
    left_s = (days if days < 90 else -1) * 86_400
    caplog.clear()
    Tls(TlsFiles(pair.certificate, pair.key), now_s=lambda: expiry_s - left_s)
    assert [words in record.message for record in caplog.records if words] == [True] * bool(words)
    assert all(record.levelno == logging.WARNING for record in caplog.records)
    assert len(caplog.records) == bool(words)


def test_modern_defaults(authority: Authority) -> None:
    """TLS 1.2 at least, no compression, no renegotiation, and a certificate of clients only where one is wanted."""
    pair = authority.sign("first")
    context = Tls(TlsFiles(pair.certificate, pair.key)).context
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2 and context.verify_mode == ssl.CERT_NONE
    assert context.options & ssl.OP_NO_COMPRESSION and context.options & ssl.OP_NO_RENEGOTIATION
    mutual = Tls(TlsFiles(pair.certificate, pair.key, authority.file), required=True)
    assert mutual.context.verify_mode == ssl.CERT_REQUIRED


def test_both_may_be_in_one_file(authority: Authority) -> None:
    """Without tls_key the key is looked for in tls_cert."""
    pair = authority.sign("first")
    pair.certificate.write_text("".join(pair.texts))
    tls = open_tls(Config(tls_cert=pair.certificate))
    assert tls is not None and shown(tls, authority) == "first"


def test_modes(authority: Authority) -> None:
    """With a certificate TLS is on, unless it is to be off or required; without one it is off. The banner says it."""
    pair = authority.sign("first")
    for mode, expected in (("auto", "on"), ("on", "on"), ("require", "require")):
        tls = open_tls(Config(tls=mode, tls_cert=pair.certificate, tls_key=pair.key))
        assert tls is not None and tls.metrics.mode == expected and tls.required == (mode == "require")
        ((name, words),) = tls_facts(tls)
        assert name == "tls" and ("must" in words) == tls.required and f"{tls.expires:%Y-%m-%d}" in words
    assert open_tls(Config(tls="off", tls_cert=pair.certificate, tls_key=pair.key)) is None
    assert open_tls(Config()) is None and not list(tls_facts(None))


@pytest.mark.parametrize(
    "config",
    [Config(tls="on"), Config(tls="require"), Config(tls_key=Path("k")), Config(tls_client_ca=Path("c"))],
    ids=["on", "require", "key", "ca"],
)
def test_settings_that_do_not_fit(config: Config) -> None:
    """Whoever asks for TLS without a certificate thinks that there is TLS: the start stops, with what is missing."""
    with pytest.raises(InvalidConfig, match=r"needs a certificate: give its file as tls_cert"):
        open_tls(config)


def test_files_that_cannot_be_used(authority: Authority, tmp_path: Path) -> None:
    """Each is named, with what is wrong with it."""
    pair, other = authority.sign("first"), authority.sign("second")
    locked = authority.sign("locked", password=b"secret")
    missing, words = tmp_path / "missing.pem", tmp_path / "words.pem"
    words.write_text("hello")
    for files, reason in (
        (TlsFiles(missing, pair.key), r"^tls_cert .*missing\.pem: No such file"),
        (TlsFiles(words, pair.key), r"^tls_cert .*words\.pem: there is no certificate in it"),
        (TlsFiles(pair.certificate, missing), r"^tls_key .*missing\.pem: No such file"),
        (TlsFiles(pair.certificate, words), r"words\.pem: no certificate with its key in PEM form"),
        (TlsFiles(pair.certificate, other.key), r"second-key\.pem: this is not the key of the certificate in "),
        (TlsFiles(locked.certificate, locked.key), r"locked-key\.pem: the key has a password"),
        (TlsFiles(pair.certificate, pair.key, missing), r"^tls_client_ca .*missing\.pem: No such file"),
        (TlsFiles(pair.certificate, pair.key, words), r"^tls_client_ca .*words\.pem: is not a PEM file"),
    ):
        with pytest.raises(StartupError, match=reason):
            files.load()


def test_authorities_that_bind_nobody(authority: Authority, caplog: pytest.LogCaptureFixture) -> None:
    """Clients without TLS show no certificate, which whoever names tls_client_ca should know."""
    pair = authority.sign("first")
    Tls(TlsFiles(pair.certificate, pair.key, authority.file), required=True)
    assert not caplog.records
    Tls(TlsFiles(pair.certificate, pair.key, authority.file))
    assert "only with tls=require" in caplog.text
