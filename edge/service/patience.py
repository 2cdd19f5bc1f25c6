"""Retrying for as long as it takes, until the service is stopped."""

from __future__ import annotations

import logging
import threading

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_when_event_set,
    wait_exponential_jitter,
)

from ..errors import EdgeError

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 60.0

_log = logging.getLogger(__name__)


def retrying(what: str, passing: type[EdgeError], stopping: threading.Event) -> Retrying:
    """Make a caller that calls a function until it succeeds, again whenever it raises `passing`: after half a second,
    then after twice as long each time up to a minute, by a clock that does not jump. Each failure is logged as `what`.
    Once `stopping` is set, the failure is raised."""

    def told(state: RetryCallState) -> None:
        assert state.outcome is not None
        assert state.next_action is not None
        _log.warning("%s: %s; again in %.1f s", what, state.outcome.exception(), state.next_action.sleep)

    return Retrying(
        retry=retry_if_exception_type(passing),
        wait=wait_exponential_jitter(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, jitter=FIRST_PAUSE_SECONDS),
        sleep=sleep_using_event(stopping),
        stop=stop_when_event_set(stopping),
        before_sleep=told,
        reraise=True,
    )
