"""A DICOMweb archive: listed by QIDO-RS, read by WADO-RS (PS3.18, 10.6 and 10.4), through dicomweb-client."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import requests
from dicomweb_client.api import DICOMwebClient
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from ..errors import RolloutRefused

_PAGE = 500
_TRANSIENT = (429, 500, 502, 503, 504)


class _Session(requests.Session):
    """A session with a bound on how long an answer is waited for, which dicomweb-client does not ask for."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def request(self, *arguments: Any, **options: Any) -> requests.Response:
        return super().request(*arguments, **{**options, "timeout": self._seconds})


@dataclass(frozen=True)
class DicomWeb:
    """An archive at a URL. query: QIDO-RS attributes, as {"Modality": "MG"}. token: for the header
    Authorization: Bearer. seconds: an answer is waited for, so many attempts, with a longer pause
    before each."""

    url: str
    query: Mapping[str, str] = field(default_factory=dict)
    token: str | None = field(default=None, repr=False)
    seconds: float = 60.0
    attempts: int = 4

    def locations(self) -> Iterator[str]:
        """List the WADO-RS addresses of all instances, page by page in the archive's own order. An archive may give
        fewer than were asked for, so that only an empty page is the last one."""
        client, offset, first = self._client(), 0, ""
        while True:
            search = partial(client.search_for_instances, limit=_PAGE, offset=offset, search_filters=dict(self.query))
            page = self._retrying("QIDO-RS", lambda search=search: [self._location(found) for found in search()])
            if not page:
                return
            if page[0] == first:
                raise RolloutRefused(f"archive {self.url}: QIDO-RS gives a page twice, expected it to heed offset")
            first = page[0]
            yield from page
            offset += len(page)

    def _location(self, found: dict[str, Any]) -> str:
        study, series, instance = (found[tag]["Value"][0] for tag in ("0020000D", "0020000E", "00080018"))
        return f"{self.url}/studies/{study}/series/{series}/instances/{instance}"

    @contextmanager
    def fetched(self, location: str) -> Iterator[Path]:
        _, _, study, _, series, _, instance = location.rsplit("/", 6)
        client = self._client()
        with tempfile.TemporaryDirectory(prefix="fisherlens-") as folder:
            path = Path(folder) / "instance.dcm"

            def fetch() -> None:
                dataset = client.retrieve_instance(study, series, instance, media_types=_ANY_SYNTAX)
                dataset.save_as(path, enforce_file_format=True)

            self._retrying("WADO-RS", fetch)
            yield path

    def _client(self) -> DICOMwebClient:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else None
        client = DICOMwebClient(self.url, session=_Session(self.seconds), headers=headers)
        client.set_http_retry_params(retry=False)  # it would try for a minute each time; _retrying does it
        return client

    def _retrying(self, what: str, ask: Any) -> Any:
        """Call `ask`, again where the archive is busy, fails or is late. Raises RolloutRefused."""
        trying = Retrying(
            retry=retry_if_exception(_is_transient),
            stop=stop_after_attempt(self.attempts),
            wait=wait_exponential_jitter(0.5, 30.0, jitter=0.5),
            reraise=True,
        )
        try:
            return trying(ask)
        except requests.HTTPError as error:
            status = error.response.status_code if error.response is not None else "an error"
            raise RolloutRefused(f"archive {self.url}: {what} answered {status}") from error
        except requests.Timeout as error:
            raise RolloutRefused(f"archive {self.url}: {what} did not answer within {self.seconds:g} s") from error
        except requests.RequestException as error:
            raise RolloutRefused(f"archive {self.url}: {what}: {type(error).__name__}") from error
        except OSError:
            raise  # of the disk here
        except Exception as error:  # what is no DICOM, no JSON or no multipart message raises many kinds
            raise RolloutRefused(f"archive {self.url}: {what}: not a valid DICOMweb answer: {error}") from error


_ANY_SYNTAX = (("application/dicom", "*"),)


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, requests.HTTPError):
        return error.response is not None and error.response.status_code in _TRANSIENT
    return isinstance(error, requests.ConnectionError | requests.Timeout)
