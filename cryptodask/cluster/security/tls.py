"""The client's side of TLS: its certificate, and what to do where that is refused."""

import ssl
from collections.abc import Iterator
from pathlib import Path

from distributed.security import Security

from cryptodask.errors import OptionError

HINT = (
    "--tls FOLDER, or DASK_CONFIG=FOLDER, of a folder that `cryptodask security init` made for it"
)

ENDED = "or else it has just ended: start it, and ask again"
"""What a connection that is reset means where nothing is wrong with TLS."""


def client_security(folder: Path) -> Security:
    """Read a client's certificate, of a folder as `cryptodask security init` makes them.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    OptionError
        The folder has no ``ca.crt``, ``tls.crt`` or ``tls.key``, or they don't belong together.
    """
    ca, certificate, key = (folder / name for name in ("ca.crt", "tls.crt", "tls.key"))
    for path in (ca, certificate, key):
        if not path.is_file():
            raise OptionError(
                f"--tls {folder}: {path.name} is missing; name the folder of one part, as "
                "DIR/client of `cryptodask security init DIR`"
            )
    security = Security(
        tls_ca_file=str(ca),
        tls_client_cert=str(certificate),
        tls_client_key=str(key),
        require_encryption=True,
    )
    try:
        security.get_connection_args("client")
    except OSError as error:  # those of ssl are some, too
        raise OptionError(f"--tls {folder}: can't be used ({error})") from error
    return security


def explain(scheduler: str, error: BaseException) -> str | None:
    """Say why a scheduler can't be connected to and what to do, where it is for TLS.

    Parameters
    ----------
    scheduler : str
        The address that was given.
    error : BaseException
        What Dask raised.
    """
    encrypted = scheduler.startswith("tls://")
    reasons = list(_reasons(error))
    text = "; ".join(reasons)
    if isinstance(error, TypeError) and encrypted:
        return f"{scheduler}: TLS needs a certificate of this client: give {HINT}"
    if isinstance(error, RuntimeError) and "encryption required" in text:
        return (
            f"{scheduler}: this client is set up for TLS and sends nothing without; "
            "give the address as tls://host:8786"
        )
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return (
            f"{scheduler}: the certificate of the scheduler is not to be trusted here ({text}): it "
            f"is of another authority than this client's, or its time is over; give {HINT}"
        )
    # Without TLS, Dask speaks first, before or after this side begins to.
    if "WRONG_VERSION_NUMBER" in text or "cannot convert to SSL" in text:
        return (
            f"{scheduler}: what answers there does not speak TLS; start the scheduler with "
            "DASK_CONFIG=FOLDER, of a folder that `cryptodask security init` made for it"
        )
    # With TLS 1.3 a server refuses a certificate after the client takes itself for connected, so
    # that its reason may be lost and what is left is that it hung up.
    hung_up = any(words in text for words in ("reset by peer", "EOF occurred", "Stream is closed"))
    if encrypted and ("ALERT" in text or hung_up):
        return (
            f"{scheduler}: the scheduler refused the certificate of this client ({text}): it is of "
            f"another authority than the scheduler's, or its time is over; give {HINT}"
            + ("" if "ALERT" in text else f"; {ENDED}")
        )
    if hung_up:
        return (
            f"{scheduler}: the scheduler hung up ({text}); one that demands TLS does that: give "
            f"its address as tls://host:8786, and {HINT}; {ENDED}"
        )
    return None


def _reasons(error: BaseException | None) -> Iterator[str]:
    """Yield what went wrong, the first cause alone where there is one of ssl."""
    texts = []
    while error is not None:
        if isinstance(error, ssl.SSLError):
            yield str(error)
            return
        texts.append(str(error))
        error = error.__cause__
    yield from texts[:1]
