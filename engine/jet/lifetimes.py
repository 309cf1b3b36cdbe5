"""Which keys are forgotten, because nobody has used them for so long."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from engine.jet.blobs import used_s, with_used

N_GRAINS = 8
"""A key's last use is noted in eighths of its lifetime: it costs at most eight small entries in that time."""

MAX_FORGOTTEN = 10_000
"""Keys that one commit forgets: a million at once would be a commit of 100 MB."""


class Lifetime:
    """How long a key is kept that is not used: never less than was asked for, and an eighth more at most.

    Parameters
    ----------
    ttl_s : float
        What was asked for.
    clock : callable
        Returns the seconds since 1970.
    """

    def __init__(self, ttl_s: float, clock: Callable[[], float]) -> None:
        self._ttl_s, self._clock = ttl_s, clock
        self._grain_s = max(1, int(ttl_s / N_GRAINS))
        self._latest_s = 0
        self._next_s = 0.0

    def now_s(self) -> int:
        """Return what is noted for a key that is used now; it never goes back, whatever the clock does."""
        now_s = int(self._clock())
        self._latest_s = max(self._latest_s, now_s - now_s % self._grain_s)
        return self._latest_s

    def in_order(self, blobs: dict[bytes, bytes]) -> dict[bytes, bytes]:
        """Return blobs in the order of last use. Those stored when no key was forgotten count as used now."""
        now_s = self.now_s()
        for key, blob in blobs.items():
            if not used_s(blob):
                blobs[key] = with_used(blob, now_s)
        keys = sorted(blobs, key=lambda key: used_s(blobs[key]))
        return {key: blobs[key] for key in keys}

    def _end_s(self, blob: bytes) -> float:
        return used_s(blob) + self._grain_s + self._ttl_s

    def expired(self, blobs: dict[bytes, bytes], limit: int) -> Iterator[bytes]:
        """Yield the keys to forget, at most `limit`; `blobs` is in the order of last use.

        Nothing is looked at before the key that comes first can have come to its end.
        """
        now_s = self._clock()
        if now_s < self._next_s:
            return
        for n_expired, (key, blob) in enumerate(blobs.items()):
            end_s = self._end_s(blob)
            if end_s > now_s or n_expired == limit:
                self._next_s = end_s
                return
            yield key
        self._next_s = 0.0
