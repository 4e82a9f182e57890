"""JSON from an address that the settings name: no redirect followed, bounded in time and size."""

from __future__ import annotations

import json
from typing import Any


def json_from(address: str, *, seconds: float, most: int) -> Any:
    """What lies there.

    :param seconds: how long may pass without an answer; `most` how many bytes are read.
    :raises ValueError: it cannot be reached, answers otherwise, or gives no JSON.
    """
    import requests
    from urllib3.exceptions import HTTPError

    try:
        with requests.Session() as asks:
            asks.trust_env = False  # no .netrc, no proxy of the environment's (S8)
            wanted = {"Accept": "application/json"}
            answer = asks.get(address, timeout=seconds, allow_redirects=False, stream=True, headers=wanted)
            if answer.status_code != 200:
                raise ValueError("another status than 200")
            return json.loads(answer.raw.read(most, decode_content=True))
    except (requests.RequestException, HTTPError, RecursionError) as error:
        raise ValueError(type(error).__name__) from None
