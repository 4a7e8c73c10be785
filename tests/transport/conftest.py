"""Certificates, made once: what a TLS server shows and what a client trusts; and TLS servers."""

from __future__ import annotations

import ssl
from collections.abc import Generator
from pathlib import Path

import pytest
import trustme
from transport.peer import Certificates
from transport.tls_ends import V12, V13, MakeServer, Wire, in_memory, over_tcp
from transport.tls_servers import OpenSSLServer, Server, StdlibServer, TLSLiteServer, Version

from trioex.transport import default_ssl_context


@pytest.fixture(scope="session")
def certificates() -> Certificates:
    ca = trustme.CA()
    certificate = ca.issue_cert("localhost")
    server, quiet = (ssl.create_default_context(ssl.Purpose.CLIENT_AUTH) for _ in range(2))
    for each in (server, quiet):
        certificate.configure_cert(each)
    quiet.num_tickets = 0
    client = ssl.create_default_context()
    ca.configure_trust(client)
    stranger = ssl.create_default_context()
    return Certificates(server, quiet, client, stranger, ca, certificate)


@pytest.fixture
def trusting(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Generator[ssl.SSLContext, None, None]:
    """`default_ssl_context()` of a process whose system trusts the test's authority."""
    trusted = tmp_path / "authority.pem"
    certificates.authority.cert_pem.write_to_path(trusted)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    default_ssl_context.cache_clear()
    yield default_ssl_context()
    default_ssl_context.cache_clear()


@pytest.fixture(params=[in_memory, over_tcp])
def wire(request: pytest.FixtureRequest) -> Wire:
    return request.param


@pytest.fixture(params=[V12, V13], ids=lambda each: each.name)
def version(request: pytest.FixtureRequest) -> Version:
    return request.param


@pytest.fixture(params=[StdlibServer, OpenSSLServer, TLSLiteServer])
def kind(request: pytest.FixtureRequest) -> type[Server]:
    return request.param


@pytest.fixture
def make(kind: type[Server], version: Version, certificates: Certificates) -> MakeServer:
    return kind.share(certificates.leaf, version)
