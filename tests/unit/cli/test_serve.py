"""Whether the server can listen is known before it says so."""

from __future__ import annotations

import socket

import pytest

from service.cli.serve import check_free
from service.domain.errors import TestOnceError


def test_used_port_is_refused_and_free_again_afterwards() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(TestOnceError) as caught:
            check_free("127.0.0.1", port, f"http://127.0.0.1:{port}")
    assert str(caught.value) == (
        f"cannot listen at http://127.0.0.1:{port}: address already in use; choose another with --port"
    )
    check_free("127.0.0.1", port, "")


def test_address_of_another_machine_is_refused() -> None:
    with pytest.raises(TestOnceError, match="choose another with --host"):
        check_free("192.0.2.1", 8000, "http://192.0.2.1:8000")  # RFC 5737: nobody's
