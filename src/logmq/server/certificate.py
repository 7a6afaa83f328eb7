"""When certificates expire: the one thing that the broker must read in them itself, since `ssl` does not tell.

    Certificate     SEQUENCE
      tbs           SEQUENCE
        version     [0], left out in version 1
        serial      INTEGER
        signature   SEQUENCE
        issuer      SEQUENCE
        validity    SEQUENCE
          notBefore UTCTime (YYMMDDHHMMSSZ, years 1950 to 2049) or GeneralizedTime (YYYYMMDDHHMMSSZ)
          notAfter

Source: RFC 5280, section 4.1.
"""

from __future__ import annotations

import re
import ssl
from datetime import UTC, datetime

_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_VERSION = 0xA0
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18


def first_expiry_s(pem: str) -> float:
    """When the first of the certificates in a PEM text expires, in seconds since 1970.

    Raises: ValueError, without a certificate in it.
    """
    blocks = _BLOCK.findall(pem)
    if not blocks:
        raise ValueError("there is no certificate in it")
    try:
        return min(_expiry_s(ssl.PEM_cert_to_DER_cert(block)) for block in blocks)
    except IndexError as error:
        raise ValueError("a certificate in it ends too early") from error


def _expiry_s(certificate: bytes) -> float:
    _, tbs, _ = _element(certificate)
    kind, _, rest = _element(_element(tbs)[1])
    for _ in range(3 if kind == _VERSION else 2):
        _, _, rest = _element(rest)
    _, validity, _ = _element(rest)
    _, _, rest = _element(validity)
    kind, time, _ = _element(rest)
    if kind not in (_UTC_TIME, _GENERALIZED_TIME):
        raise ValueError("a certificate in it has no time of expiry")
    text = time.decode("ascii")
    if kind == _UTC_TIME:
        text = ("19" if text >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def _element(data: bytes) -> tuple[int, bytes, bytes]:
    """The first element of a DER encoding: its kind, its content, and what comes behind it."""
    size, start = data[1], 2
    if size & 0x80:
        start += size & 0x7F
        size = int.from_bytes(data[2:start])
    return data[0], data[start : start + size], data[start + size :]
