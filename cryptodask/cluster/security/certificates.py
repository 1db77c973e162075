"""A certificate authority of one's own, and what it issues: a folder for each part of a cluster.

::

    DIR/ca.key, ca.crt                 the authority; its key stays at home
    DIR/scheduler, worker, client      one folder a part, with all that the part needs:
        ca.crt, tls.crt, tls.key       whom it believes, and who it is
        dask.yaml                      the configuration of Dask that says so

Dask asks whether a certificate is of the authority, not whose it is: whoever has any of them is
let in everywhere. Each part has its own key, so that none has to be shared.
"""

import datetime
import ipaddress
import re
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import yaml  # of dask
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cryptodask.errors import OptionError
from cryptodask.io.files import write_files
from cryptodask.io.paths import AnyPath, make_folder

PARTS = ("scheduler", "worker", "client")
"""The folders that `init` makes."""

CA_DAYS = 3650
"""Days that an authority is good for."""

MAX_DAYS = 825
"""Days that a certificate may last: nothing can revoke one, and browsers refuse longer ones."""

_SECRET, _OPEN = 0o600, 0o644  # who may use a file, from its first byte on

_LABEL = r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


@dataclass(frozen=True)
class Authority:
    """A certificate authority: its certificate, and the key that signs.

    Attributes
    ----------
    certificate : x509.Certificate
    key : EllipticCurvePrivateKey
    """

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def create(cls) -> "Authority":
        """Make a new one, which signs certificates of parts but no other authority."""
        key = ec.generate_private_key(ec.SECP256R1())
        # Each has its own name, so that those who mix up two of them get an error that says so.
        name = _name(f"CryptoDask CA {x509.random_serial_number():x}"[:32])
        builder = _builder(name, name, key.public_key(), CA_DAYS)
        builder = builder.add_extension(x509.BasicConstraints(True, 0), critical=True)
        builder = builder.add_extension(_usage(key_cert_sign=True), critical=True)
        return cls(builder.sign(key, hashes.SHA256()), key)

    @classmethod
    def read(cls, folder: Path) -> "Authority":
        """Read the one that `init` left in a folder.

        Parameters
        ----------
        folder : Path

        Raises
        ------
        OptionError
            There is none, or its files are damaged.
        """
        try:
            certificate = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
            key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
        except (OSError, ValueError, TypeError) as error:
            raise OptionError(
                f"{folder}: no certificate authority can be read there ({error}); make one with "
                f"`cryptodask security init {folder}`, or name the folder that has it"
            ) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise OptionError(f"{folder / 'ca.key'}: is not a key of `cryptodask security init`")
        return cls(certificate, key)

    def issue(self, name: str, hosts: Iterable[str], days: int) -> tuple[bytes, bytes]:
        """Issue a certificate that is good both to listen and to connect.

        Parameters
        ----------
        name : str
            Its common name.
        hosts : iterable of str
            Names and addresses of the machines that it is for.
        days : int
            How long it lasts, if the authority does.

        Returns
        -------
        tuple of bytes
            The certificate and its key, as PEM.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        ends = self.certificate.not_valid_after_utc
        builder = _builder(_name(name), self.certificate.subject, key.public_key(), days, ends)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
        builder = builder.add_extension(x509.BasicConstraints(False, None), critical=True)
        builder = builder.add_extension(_usage(digital_signature=True), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage(both), critical=False)
        builder = builder.add_extension(names, critical=False)
        builder = builder.add_extension(identifier, critical=False)
        return _pem(builder.sign(self.key, hashes.SHA256())), _key_pem(key)


def init(
    folder: Path,
    hosts: Iterable[str] = (),
    days: int = 365,
    at: Path | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Make a certificate authority, and a folder for scheduler, workers and client.

    Parameters
    ----------
    folder : Path
        Where to; made if need be.
    hosts : iterable of str
        Names and addresses of machines that browsers and health checks will ask for; loopback and
        this machine are among them anyway.
    days : int
        How long the certificates last; the authority lasts `CA_DAYS`.
    at : Path, optional
        Where each machine will see the folder of its part; by default where it is made.
    overwrite : bool
        Replace an authority that is there, with all that it issued to these parts.

    Returns
    -------
    list of Path
        The folders of the parts.

    Raises
    ------
    WriteError
        A file can't be written; then none is.
    OptionError
        There is an authority already, a host is neither name nor address, days are out of range, or
        ``at`` is not absolute.
    """
    _check(hosts := list(hosts), days, at)
    planned = [folder / name for name in ("ca.key", "ca.crt", *PARTS)]
    there = [path for path in planned if path.exists()]
    if there and not overwrite:
        raise OptionError(
            f"{there[0]} is there already: with a new authority, none of the certificates of the "
            "old one works any more. Issue further ones with `cryptodask security issue`, or "
            "replace all with --overwrite"
        )
    authority = Authority.create()
    files: dict[AnyPath, tuple[bytes, int]] = {
        folder / "ca.key": (_key_pem(authority.key), _SECRET),
        folder / "ca.crt": (_pem(authority.certificate), _OPEN),
    }
    parts = [folder / part for part in PARTS]
    for part in parts:
        files |= _files_of_part(authority, part, hosts, days, at)
    _write_all(files)
    return parts


def issue(
    folder: Path,
    part: str,
    hosts: Iterable[str] = (),
    days: int = 365,
    at: Path | None = None,
    overwrite: bool = False,
) -> Path:
    """Make the folder of one more part, or of one whose certificate ends, by the authority there.

    Parameters
    ----------
    folder : Path
        Of the authority.
    part : str
        Name of the folder to make in it.
    hosts, days, at, overwrite
        As for `init`, of this part.

    Raises
    ------
    OptionError
        The authority is missing, or there is such a part already; or what `init` raises it for.
    """
    _check(hosts := list(hosts), days, at)
    if not _PART.fullmatch(part):
        raise OptionError(
            f"name {part!r}: must be letters, digits, - and _, as it becomes a folder in {folder}"
        )
    authority = Authority.read(folder)
    if (folder / part).exists() and not overwrite:
        raise OptionError(
            f"{folder / part} is there already; take another name, or replace its certificate with "
            "--overwrite"
        )
    _write_all(_files_of_part(authority, folder / part, hosts, days, at))
    return folder / part


def _check(hosts: list[str], days: int, at: Path | None) -> None:
    if at is not None and not at.is_absolute():
        raise OptionError(f"at {at}: must be an absolute path, as Dask runs anywhere")
    if not 1 <= days <= MAX_DAYS:
        raise OptionError(f"days: must be from 1 to {MAX_DAYS}, got {days}")
    for host in hosts:
        _general_name(host)


def _files_of_part(
    authority: Authority, folder: Path, hosts: list[str], days: int, at: Path | None
) -> dict[AnyPath, tuple[bytes, int]]:
    """Return what is in the folder of a part, and who may use it."""
    local = ["localhost", "127.0.0.1", "::1"]
    here = [socket.gethostname()] if _HOST.fullmatch(socket.gethostname()) else []
    names = dict.fromkeys([*hosts, *local, *here])
    certificate, key = authority.issue(folder.name, names, days)
    return {
        folder / "tls.key": (key, _SECRET),
        folder / "tls.crt": (certificate, _OPEN),
        folder / "ca.crt": (_pem(authority.certificate), _OPEN),
        folder / "dask.yaml": (yaml.safe_dump(dask_config(at or folder.resolve())).encode(), _OPEN),
    }


def dask_config(folder: Path) -> dict[str, object]:
    """Return the configuration of Dask for a machine that sees the folder of its part there.

    The preload is our guard, which sees that nothing listens without TLS, and that the HTTP
    servers demand a certificate too, which no configuration of Dask can say.

    Parameters
    ----------
    folder : Path
        Absolute, as that machine sees it.
    """
    ca, cert, key = (str(folder / name) for name in ("ca.crt", "tls.crt", "tls.key"))
    roles = {role: {"cert": cert, "key": key} for role in ("scheduler", "worker", "client")}
    comm = {
        "require-encryption": True,
        "default-scheme": "tls",
        "tls": {"ca-file": ca, **roles},
    }
    config: dict[str, dict[str, object]] = {"comm": comm}
    for server in ("scheduler", "worker", "nanny"):
        config[server] = {"preload": ["cryptodask.dashboard"]}
    # The HTTP servers of workers, too, read the keys of the dashboard.
    config["scheduler"]["dashboard"] = {"tls": {"ca-file": ca, "cert": cert, "key": key}}
    return {"distributed": config}


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    days: int,
    ends: datetime.datetime | None = None,
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    until = now + datetime.timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))  # for clocks that are slow
        .not_valid_after(min(until, ends or until))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _usage(key_cert_sign: bool = False, digital_signature: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=key_cert_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        if _HOST.fullmatch(host) and len(host) <= 253:
            return x509.DNSName(host)
    raise OptionError(f"host {host!r}: must be a name or an address, without scheme and port")


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write_all(files: Mapping[AnyPath, tuple[bytes, int]]) -> None:
    """Write files, all or none, into folders for nobody else; those that were there stay so."""
    folders = list(dict.fromkeys(path.parent for path in files))
    absent = [folder for folder in folders if not folder.exists()]
    try:
        for folder in absent:
            make_folder(folder, mode=0o700)
        write_files(files)
    except BaseException:
        for folder in reversed(absent):
            with suppress(OSError):  # not made, or not empty
                folder.rmdir()
        raise
