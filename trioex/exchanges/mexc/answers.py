"""What MEXC says on a text frame, and what that means for our subscriptions.

An answer's `code` is 0 whether MEXC accepts or refuses: only the words of `msg` tell. They are
read loosely (spaces, case, either colon), since nobody promises their form, and never fatally.
"""

from __future__ import annotations

import re

import msgspec

from ..base import Answer, Control, Notice, Pong, Skipped

__all__ = ["read_answer"]

_MOST_BYTES = 1 << 16  # an answer names at most 30 streams of some 60 bytes
_MOST_WORDS = 200
_TOO_MANY = 429  # "too many requests" in MEXC's list of codes: the only one that passes

# "Subscribed successful! [a,b]. Not Subscribed successfully! [c].  Reason： Blocked! "
_VERDICT = re.compile(
    r"(?P<no>not\s+)?(?P<un>un)?subscribed\s+success(?:ful(?:ly)?)?\s*!?\s*\[(?P<names>[^\]]*)\]",
    re.IGNORECASE,
)
_REASON = re.compile(r"reason\s*[:：]\s*", re.IGNORECASE)


class _Answer(msgspec.Struct):
    msg: str
    id: int | None = None
    code: int | None = None


_parse = msgspec.json.Decoder(_Answer).decode


def read_answer(frame: bytes) -> Control:
    """Say what a text frame means; anything unknown is `Skipped`."""
    if len(frame) > _MOST_BYTES:
        return Skipped(f"a text of {len(frame)} bytes")
    if b"invalid listen key" in frame.lower():  # plain text, no JSON
        return Notice("invalid listen key", frame.decode(errors="replace").strip())
    try:
        answer = _parse(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Skipped(f"no answer: {frame[:_MOST_WORDS].decode(errors='replace')!r}")
    msg = answer.msg.strip()
    if msg.upper() == "PONG":
        return Pong()
    names = _split(msg)
    if names and all(name.startswith("spot@") for name in names):
        if answer.code:  # never seen; a code that is not 0 is no consent
            transient = answer.code == _TOO_MANY
            reason = f"code {answer.code}"
            return Answer(answer.id, (), names, reason, answer.code, is_transient=transient)
        return Answer(answer.id, names)
    verdicts = list(_VERDICT.finditer(msg))
    if verdicts:
        return _mixed(answer.id, msg, verdicts)
    if "no subscription" in msg.lower():
        return Answer(answer.id, reason=msg, subscribe=False)
    return Skipped(f"no answer known: {msg[:_MOST_WORDS]!r}")


def _mixed(request: int | None, msg: str, verdicts: list[re.Match[str]]) -> Answer:
    accepted = [name for each in verdicts if not each["no"] for name in _split(each["names"])]
    refused = [name for each in verdicts if each["no"] for name in _split(each["names"])]
    found = _REASON.search(msg)
    reason = msg[found.end() :] if found else msg
    # A refusal that names nothing, beside no consent, is about the whole request.
    is_refusal = bool(refused) or (not accepted and any(each["no"] for each in verdicts))
    names_nothing = is_refusal and not accepted and not refused
    return Answer(
        request,
        None if names_nothing else tuple(accepted),
        tuple(refused),
        reason.strip() if is_refusal else None,
        subscribe=verdicts[0]["un"] is None,
    )


def _split(names: str) -> tuple[str, ...]:
    return tuple(name for name in map(str.strip, names.split(",")) if name)
