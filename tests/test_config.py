"""Settings are checked when they are set."""

from __future__ import annotations

import re
from decimal import Decimal

import attrs
import pytest

from trioex import ConfigError, ErrorPolicy, ExchangeConfig, OverflowPolicy, WebSocketConfig


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        ("exchange", "gate", "did you mean 'gateio'"),
        ("url", "http://host", "ws://"),
        ("rest_url", "ws://host", "http://"),
        ("number_type", int, "float, Decimal"),
        ("handoff", "queue", "'channel', 'direct'"),
        ("queue_size", 0, "from 1"),
        ("queue_size", True, "must be a number"),
        ("queue_size", "many", "must be a number"),
        ("frame_channel_bytes", 1, "from 1024"),
        ("overflow", "drop", "drop_oldest"),
        ("on_error", "explode", "raise, unbind, log"),
        ("connect_timeout", 0, "from 0.001"),
        ("close_timeout", float("nan"), "from 0"),
        ("ping_interval", -1, "from 0.001"),
        ("reconnect", 3, "True, False"),
        ("market", ["spot"], "a name such as 'spot'"),
        ("market", None, "a name such as 'spot'"),
        ("dial", "x", "async function of a URL that returns a byte stream"),
        ("fetch", 3, "async function of a URL that returns bytes"),
        ("classify", None, r"returns a trioex\.errors\.Verdict"),
        ("logger", 3, "a logger, or a function of a name"),
        ("latency", 3, "True, False or a Latency"),
        ("environment", None, r"a trioex\.Environment"),
        ("ssl_context", "x", r"an ssl\.SSLContext or None"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_allowed(
    setting: str, value: object, says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        WebSocketConfig(**{setting: value})  # type: ignore[arg-type]
    assert f"{setting}={value!r}" in str(caught.value)


def test_text_becomes_members() -> None:
    config = WebSocketConfig(exchange="MEXC", overflow="latest", on_error="log")
    assert config.overflow is OverflowPolicy.LATEST
    assert config.on_error is ErrorPolicy.LOG
    assert WebSocketConfig(number_type=Decimal).number_type is Decimal
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        config.market = "futures"  # type: ignore[misc]


def test_an_exchange_config_fills_in_its_websocket() -> None:
    config = ExchangeConfig(exchange="gateio", websocket=WebSocketConfig(queue_size=7))
    assert (config.websocket.exchange, config.websocket.queue_size) == ("gateio", 7)
    with pytest.raises(ConfigError, match=r"websocket=\{\} must be a WebSocketConfig"):
        ExchangeConfig(exchange="gateio", websocket={})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="contradicts"):
        ExchangeConfig(exchange="gateio", websocket=WebSocketConfig(exchange="mexc"))


def test_secrets_are_in_no_repr_and_no_error() -> None:
    config = WebSocketConfig(url="wss://u:SECRET@a.test/ws?k=SECRET", rest_url="https://SECRET@a")
    for each in (config, ExchangeConfig(exchange="mexc", websocket=config)):
        assert "url='wss://***@a.test/ws?***', rest_url='https://***@a'" in repr(each)
        assert "SECRET" not in repr(each)
    assert "url=None" in repr(WebSocketConfig())
    with pytest.raises(ConfigError, match=re.escape("url='http://***@a.test/?***' must be ws")):
        WebSocketConfig(url="http://u:SECRET@a.test/?k=SECRET")
    shown = repr(ExchangeConfig(exchange="gateio", api_key="KEY-1", api_secret="SECRET-2"))
    assert "KEY-1" not in shown
    assert "SECRET-2" not in shown
