"""Postfix with STARTTLS and slapd with LDAPS, with certificates of a temporary authority."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from checks.lab.certificates import host_certificate
from tests.interop.processes import free_port, on_loopback, program, running, wait_for

SMTP_ADDRESS = "127.54.0.25"
LDAPS_ADDRESS = "127.54.0.36"


@dataclass(frozen=True)
class TlsHost:
    port: int
    ca_file: Path


@contextlib.contextmanager
def public_folder() -> Iterator[Path]:
    """Postfix drops root privileges, and its user cannot read pytest's folders."""
    folder = Path(tempfile.mkdtemp(prefix="gangway-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def postfix(name: str, *, settings: str = "") -> Iterator[TlsHost]:
    binary = program("postfix", "postfix")
    port = free_port(SMTP_ADDRESS)
    with on_loopback(SMTP_ADDRESS), public_folder() as folder:
        certificate, key = host_certificate(folder / "tls", [name])
        etc = folder / "etc"
        shutil.copytree("/etc/postfix", etc, symlinks=False)
        (folder / "spool").mkdir()
        (folder / "data").mkdir()
        shutil.chown(folder / "data", "postfix")
        _write_master(etc / "master.cf", port)
        (etc / "main.cf").write_text(_main_cf(folder, name, certificate, key) + settings)
        subprocess.run([binary, "-c", str(etc), "check"], check=True)  # creates the queue folders
        control = [binary, "-c", str(etc)]
        subprocess.run([*control, "start"], check=True)  # its master leaves our session
        try:
            wait_for(SMTP_ADDRESS, port, folder / "log")
            yield TlsHost(port, folder / "tls" / "ca.pem")
        finally:
            subprocess.run([*control, "stop"], check=True)


def _write_master(file: Path, port: int) -> None:
    """The default services without chroot, with SMTP on our address."""
    lines = []
    for line in file.read_text().splitlines():
        fields = line.split()
        if len(fields) >= 8 and fields[1] in ("inet", "unix"):
            fields[4] = "n"
            if fields[:2] == ["smtp", "inet"]:
                fields[0] = f"{SMTP_ADDRESS}:{port}"
            line = " ".join(fields)
        lines.append(line)
    file.write_text("\n".join(lines) + "\n")


def _main_cf(folder: Path, name: str, certificate: Path, key: Path) -> str:
    return f"""compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder.parents[-2]}
myhostname = {name}
inet_interfaces = {SMTP_ADDRESS}
inet_protocols = ipv4
mydestination = {name}
local_recipient_maps =
alias_maps =
local_transport = discard
default_transport = discard
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
smtpd_tls_security_level = may
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
meta_directory = {folder}/etc
shlib_directory = /usr/lib/postfix
"""


@contextlib.contextmanager
def slapd(folder: Path, name: str) -> Iterator[TlsHost]:
    binary = program("slapd", "slapd")
    port = free_port(LDAPS_ADDRESS)
    certificate, key = host_certificate(folder / "tls", [name])
    (folder / "db").mkdir()
    (folder / "slapd.conf").write_text(f"""include /etc/ldap/schema/core.schema
pidfile {folder}/slapd.pid
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCACertificateFile {folder}/tls/ca.pem
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
database mdb
suffix "dc=example,dc=test"
directory {folder}/db
""")
    command = [binary, "-d", "0", "-f", str(folder / "slapd.conf")]
    command += ["-h", f"ldaps://{LDAPS_ADDRESS}:{port}/"]
    with running(command, folder / "slapd.log", LDAPS_ADDRESS, port):
        yield TlsHost(port, folder / "tls" / "ca.pem")
