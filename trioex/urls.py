"""URLs as people may see them: in a repr, a log, an event, the text of an error.

What is configured as a URL may hold a secret: a listen key or a token in its query, a name and
a password before its host. The rule: a URL is connected to as it is, and put in words by
`shown` only.
"""

from __future__ import annotations

import re

__all__ = ["shown"]

_HIDDEN = "***"
_URL = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*://)?(?P<user>[^?#]*@)?(?P<place>[^?#]*)(?P<rest>.*)",
    re.DOTALL | re.IGNORECASE,
)


def shown(url: str) -> str:
    """Strip from a URL what may be secret: user and password, query and fragment.

    Total and idempotent: what is no URL at all is stripped in the same way.

    Returns:
        `wss://***@host/path?***`; the asterisks stand only where something stood.
    """
    parts = _URL.fullmatch(url)
    assert parts is not None  # every part may be empty, and the last takes anything
    scheme, user, place, rest = parts.groups(default="")
    if "@" in rest:  # of a password with a `?` in it, `place` would be the beginning
        return scheme + _HIDDEN
    user = f"{_HIDDEN}@" if user else ""
    return f"{scheme}{user}{place}{rest[:1]}{_HIDDEN if rest[1:] else ''}"
