"""Certificates: whom they are good for, for how long, and that nobody else can read their keys."""

import datetime
import ipaddress
import os
import ssl
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store

from cryptodask.cluster.security.certificates import CA_DAYS, PARTS, init, issue
from cryptodask.errors import OptionError


def certificate_of(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def extension(certificate: x509.Certificate, kind: type) -> x509.ExtensionType:
    return certificate.extensions.get_extension_for_class(kind).value


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates") / "tls"
    mask = os.umask(0)  # Keys must not depend on it.
    try:
        init(folder, ["scheduler", "10.1.2.3", "fd00::7"], days=30)
    finally:
        os.umask(mask)
    return folder


def test_each_part_has_what_it_needs_and_nobody_has_the_key_of_the_authority(made: Path):
    assert {p.name for p in made.iterdir()} == {"ca.key", "ca.crt", *PARTS}
    for part in PARTS:
        assert {p.name for p in (made / part).iterdir()} == {
            "ca.crt", "tls.crt", "tls.key", "dask.yaml"
        }  # fmt: skip
        assert (made / part / "ca.crt").read_bytes() == (made / "ca.crt").read_bytes()
    keys = [path.read_bytes() for path in made.rglob("*.key")]
    assert len(set(keys)) == len(PARTS) + 1


def test_keys_and_folders_are_nobody_elses(made: Path):
    for path in made.rglob("*.key"):
        assert path.stat().st_mode & 0o777 == 0o600
    for path in (made, *(made / part for part in PARTS)):
        assert path.stat().st_mode & 0o777 == 0o700
    for path in made.rglob("*.crt"):
        assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("part", PARTS)
def test_a_part_is_good_to_listen_and_to_connect_and_to_sign_nothing(made: Path, part: str):
    certificate = certificate_of(made / part / "tls.crt")
    usage = extension(certificate, x509.KeyUsage)
    assert usage.digital_signature
    assert not usage.key_cert_sign
    assert not extension(certificate, x509.BasicConstraints).ca
    assert set(extension(certificate, x509.ExtendedKeyUsage)) == {
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.CLIENT_AUTH,
    }
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
    context = ssl.create_default_context(cafile=made / "ca.crt")
    context.load_cert_chain(made / part / "tls.crt", made / part / "tls.key")


@pytest.mark.parametrize("host", ["scheduler", "localhost", "10.1.2.3", "127.0.0.1", "fd00::7"])
def test_it_is_good_for_the_hosts_named_by_the_rules_of_the_web(made: Path, host: str):
    """Which are stricter than Dask's, and those of browsers and of Python 3.13."""
    store = Store([certificate_of(made / "ca.crt")])
    try:
        subject: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        subject = x509.DNSName(host)
    leaf = certificate_of(made / "scheduler" / "tls.crt")
    assert PolicyBuilder().store(store).build_server_verifier(subject).verify(leaf, [])
    assert PolicyBuilder().store(store).build_client_verifier().verify(leaf, []).chain


def test_the_days_are_those_that_were_asked_for_and_the_authority_lasts(made: Path):
    now = datetime.datetime.now(datetime.UTC)
    for path, days in ((made / "client" / "tls.crt", 30), (made / "ca.crt", CA_DAYS)):
        certificate = certificate_of(path)
        left = certificate.not_valid_after_utc - now
        assert datetime.timedelta(days - 1) < left <= datetime.timedelta(days)
        assert certificate.not_valid_before_utc < now - datetime.timedelta(minutes=30)


def test_the_authority_signs_no_other_authority(made: Path):
    constraints = extension(certificate_of(made / "ca.crt"), x509.BasicConstraints)
    assert (constraints.ca, constraints.path_length) == (True, 0)


def test_dask_is_told_of_files_where_they_are(made: Path):
    said = yaml.safe_load((made / "worker" / "dask.yaml").read_text())["distributed"]
    assert said["comm"]["require-encryption"] is True
    files = said["comm"]["tls"] | {"dashboard": said["scheduler"]["dashboard"]["tls"]}
    assert files.pop("ca-file") == str(made / "worker" / "ca.crt")
    for role in files.values():
        assert role["cert"] == str(made / "worker" / "tls.crt")
        assert role["key"] == str(made / "worker" / "tls.key")


def test_dask_is_told_of_files_where_they_will_be(tmp_path: Path):
    for folder in [
        *init(tmp_path / "tls", at=Path("/tls")),
        issue(tmp_path / "tls", "w", at=Path("/x")),
    ]:
        at = "/x" if folder.name == "w" else "/tls"
        said = yaml.safe_load((folder / "dask.yaml").read_text())["distributed"]["comm"]["tls"]
        assert said["ca-file"] == f"{at}/ca.crt"
        assert said["client"] == {"cert": f"{at}/tls.crt", "key": f"{at}/tls.key"}


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_authority_is_replaced_only_when_that_is_said(made: Path, tmp_path: Path):
    init(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(OptionError, match=r"ca\.key is there already"):
        init(tmp_path)
    (tmp_path / "ca.key").unlink()
    with pytest.raises(OptionError, match=r"ca\.crt is there already"):
        init(tmp_path)
    init(tmp_path, overwrite=True)
    after = contents(tmp_path)
    assert before.keys() == after.keys()
    same = [path for path in before if before[path] == after[path]]
    assert {path.name for path in same} == {"dask.yaml"}


def test_further_parts_are_of_the_same_authority_and_change_no_other(tmp_path: Path):
    init(tmp_path)
    before = contents(tmp_path)
    issue(tmp_path, "worker-2", ["10.0.0.9"], days=7)
    after = contents(tmp_path)
    assert before.items() <= after.items()
    store = Store([certificate_of(tmp_path / "ca.crt")])
    verifier = PolicyBuilder().store(store).build_client_verifier()
    assert verifier.verify(certificate_of(tmp_path / "worker-2" / "tls.crt"), [])
    with pytest.raises(OptionError, match="worker-2 is there already"):
        issue(tmp_path, "worker-2")
    assert contents(tmp_path) == after
    issue(tmp_path, "worker-2", overwrite=True)
    assert contents(tmp_path) != after


@pytest.mark.parametrize("host", ["", "a b", "http://x", "host:8786", "x/../y", "-a", "*.x", "ä"])
def test_a_host_that_is_none_is_refused_before_anything_is_made(tmp_path: Path, host: str):
    with pytest.raises(OptionError, match="must be a name or an address"):
        init(tmp_path / "tls", ["localhost", host])
    assert not (tmp_path / "tls").exists()


@pytest.mark.parametrize("days", [0, -1, 826])
def test_days_out_of_range_are_refused(tmp_path: Path, days: int):
    with pytest.raises(OptionError, match=f"must be from 1 to 825, got {days}"):
        init(tmp_path / "tls", days=days)


def test_a_place_that_depends_on_where_dask_runs_is_refused(tmp_path: Path):
    with pytest.raises(OptionError, match="at etc/tls: must be an absolute path"):
        init(tmp_path / "tls", at=Path("etc/tls"))


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/tmp/x", "a\0b", "-x", "x\n"])
def test_the_name_of_a_part_is_no_path(tmp_path: Path, name: str):
    init(tmp_path)
    with pytest.raises(OptionError, match="as it becomes a folder"):
        issue(tmp_path, name)


def test_where_there_is_no_authority_none_is_made(tmp_path: Path):
    with pytest.raises(OptionError, match="no certificate authority can be read there"):
        issue(tmp_path, "worker")
    init(tmp_path)
    (tmp_path / "ca.key").write_text("nonsense")
    with pytest.raises(OptionError, match="no certificate authority can be read there"):
        issue(tmp_path, "another")
