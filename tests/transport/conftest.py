"""Certificates, made once: what a TLS server shows and what a client trusts."""

from __future__ import annotations

import ssl

import pytest
import trustme
from transport.peer import Certificates


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
    return Certificates(server, quiet, client, ssl.create_default_context())
