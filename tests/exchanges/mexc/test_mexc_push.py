"""The schema and the code generated from it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from exchanges.mexc import mexc_wire as wire
from google.protobuf import descriptor_pool, json_format

from trioex.exchanges.mexc import push_pb2 as pb

ROOT = Path(__file__).resolve().parents[3]
GENERATED = sorted(path.stem for path in wire.DATA.glob("generated_pb/*.hex"))


def test_there_is_a_frame_for_the_private_channels_too() -> None:
    assert {"private.account", "private.deals", "private.orders"} <= set(GENERATED)


@pytest.mark.parametrize("name", GENERATED)
def test_the_schema_reads_and_writes_every_published_frame(name: str) -> None:
    frame = bytes.fromhex((wire.DATA / "generated_pb" / f"{name}.hex").read_text("ascii"))
    text = json.loads((wire.DATA / "generated_pb" / f"{name}.json").read_text("utf-8"))
    push = pb.PushDataV3ApiWrapper.FromString(frame)
    assert json_format.MessageToDict(push) == text
    assert push.SerializeToString(deterministic=True) == frame


def test_the_schema_has_a_pool_of_its_own() -> None:
    assert pb.DESCRIPTOR.pool is not descriptor_pool.Default()
    with pytest.raises(KeyError):
        descriptor_pool.Default().FindFileByName("push.proto")


def test_the_generated_code_is_current() -> None:
    check = subprocess.run(
        [sys.executable, "-m", "tools.protogen", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (check.returncode, check.stdout) == (0, ""), check.stdout + check.stderr


def test_protobuf_is_imported_with_the_venue_and_not_before() -> None:
    code = """
import sys, trioex
from trioex.channels import ExchangeEnum
from trioex.exchanges import open_venue
assert not any(name.startswith("google.protobuf") for name in sys.modules)
open_venue(ExchangeEnum.MEXC, "spot")
assert "google.protobuf.message" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
