"""How a client checks the broker's certificate, and which one it shows itself."""

from __future__ import annotations

import ssl
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClientTls:
    """TLS to a broker. Names are of PEM files, which are read for each connection."""

    ca: str | None = None
    """The authorities to trust; None: those of the system."""
    certificate: str | None = None
    """For a broker that asks for one."""
    key: str | None = None
    """None: it is in the file of the certificate."""
    verify: bool = True
    """Whether to look who the broker is: without it anybody in between can read and change everything."""

    def context(self) -> ssl.SSLContext:
        """What `ssl` needs. Raises: TlsFileUnusable."""
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except OSError as error:
            raise TlsFileUnusable(f"{self.ca}: {_words(error, 'certificates')}") from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.certificate is not None:
            try:
                context.load_cert_chain(self.certificate, self.key)
            except OSError as error:
                files = f"{self.certificate} and {self.key}" if self.key else self.certificate
                raise TlsFileUnusable(f"{files}: {_words(error, 'a certificate and its key')}") from error
        return context


class TlsFileUnusable(OSError):
    """A file is missing, or holds something else."""


def _words(error: OSError, wanted: str) -> str:
    return f"no PEM file of {wanted}" if isinstance(error, ssl.SSLError) else error.strerror or str(error)


def explain(error: ssl.SSLError) -> str:
    """Why a connection did not come about, with what to do."""
    if isinstance(error, ssl.SSLCertVerificationError):
        advice = "" if "mismatch" in error.verify_message else "; name who vouches for it by ?ca=FILE"
        return f"its certificate is not accepted: {error.verify_message}{advice}"
    reason = (error.reason or str(error)).lower().replace("_", " ")
    return f"no TLS connection came about ({reason}); does the broker have a certificate, and accept yours?"
