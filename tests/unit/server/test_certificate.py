"""When certificates expire, read from their bytes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from tests.certificates import DAY, Authority

from logmq.server.certificate import first_expiry_s


@pytest.mark.parametrize("left", [-3 * DAY, 90 * DAY, 365 * 40 * DAY])
def test_the_expiry_is_the_certificates(tmp_path: Path, left: timedelta) -> None:
    """Whether it is in the past, near, or beyond 2049, from when on it is written in another form."""
    pair = Authority(tmp_path).sign("broker", left=left)
    certificate = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
    assert first_expiry_s(pair.certificate.read_text()) == certificate.not_valid_after_utc.timestamp()


def test_the_first_of_a_chain_counts(tmp_path: Path) -> None:
    """A chain breaks with whichever certificate expires first, and words between certificates are none."""
    authority = Authority(tmp_path)
    late, early = authority.sign("late", left=80 * DAY), authority.sign("early", left=20 * DAY)
    texts = [late.certificate.read_text(), "subject=CN = early\n", early.certificate.read_text()]
    assert first_expiry_s("".join(texts)) == first_expiry_s(texts[2])


@pytest.mark.parametrize(
    "text", ["", "hello", "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"], ids=["", "words", "short"]
)
def test_what_is_no_certificate_is_said(text: str) -> None:
    """A file of something else, and a certificate that ends too early."""
    with pytest.raises(ValueError, match=r"certificate"):
        first_expiry_s(text)


def test_what_is_in_armour_but_not_a_certificate_is_said() -> None:
    """Base64 that is none, too."""
    with pytest.raises(ValueError, match=r"."):
        first_expiry_s("-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n")
