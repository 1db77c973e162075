"""Answers of an exchange that end: none is larger, and none comes more slowly, than answers do."""

import threading
from concurrent.futures import Future, wait
from functools import partial
from typing import Any

import requests

LARGEST_ANSWER = 1 << 27
"""Bytes of an answer, unpacked: several times what the list of all markets of an exchange has."""

SLOWEST_ANSWER = 6
"""An answer has come as a whole after this many times the timeout, which each byte has anew."""

_CHUNK = 1 << 16


class LimitedSession(requests.Session):
    """A session whose requests fail where their answers are too large or too slow."""

    def request(self, *args: Any, **options: Any) -> requests.Response:
        """Return the answer to a request, read to its end.

        Parameters
        ----------
        *args, **options
            As for `requests.Session.request`, with a ``timeout``: seconds to wait for each byte.

        Raises
        ------
        ccxt.ExchangeError
            It is too large; asking again is of no use.
        requests.Timeout
            It has not come as a whole in time.
        """
        answer: Future[requests.Response] = Future()
        limit = SLOWEST_ANSWER * options["timeout"]
        send = partial(super().request, *args, **options | {"stream": True})

        def ask() -> None:
            try:
                answer.set_result(_read(send()))
            except Exception as error:  # noqa: BLE001, raised by who waits for it
                answer.set_exception(error)

        # No timeout of sockets ends an answer that comes byte by byte, in its headers or after; a
        # thread can be left alone with it, and does not keep the process from ending.
        threading.Thread(target=ask, daemon=True).start()
        if not wait([answer], limit).done:
            raise requests.Timeout(f"no whole answer within {limit:g} seconds")
        return answer.result()


def _read(response: requests.Response) -> requests.Response:
    """Read the body of an answer, as `requests` does, but no more than an answer has."""
    chunks: list[bytes] = []
    size = 0
    for chunk in response.iter_content(_CHUNK):
        chunks.append(chunk)
        size += len(chunk)
        if size > LARGEST_ANSWER:
            response.close()
            import ccxt

            raise ccxt.ExchangeError(f"an answer of over {LARGEST_ANSWER >> 20} MiB")
    response._content = b"".join(chunks)
    return response
