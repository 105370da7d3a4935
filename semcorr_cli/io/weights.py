"""Files of weights from the hub or from GitHub: the only file that touches the network.

A file that has not come whole lies in a folder of its own, from where the next attempt goes on; it is moved to its
place when its digest is right. What lies in its place is whole.
"""

import errno
import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from semcorr_cli.errors import MissingError, OutputError

GITHUB = "https://raw.githubusercontent.com"
"""Where GitHub serves the files of repositories."""

PARTS = ".parts"
"""Folder of files that have not come whole."""

CHUNK = 1 << 20

Progress = Callable[[int], None]
"""Called with the bytes that a file has grown by."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A file elsewhere.

    Attributes:
        host: address of the hub, or `GITHUB`.
        repository: `owner/name`.
        revision: commit or branch.
        path: inside the repository.
        size: bytes; None where not known.
        digest: of the content, see `digest_of`; empty where not known.
    """

    host: str
    repository: str
    revision: str
    path: str
    size: int | None = None
    digest: str = ""

    @property
    def address(self) -> str:
        """Where the file is asked for."""
        place = quote(f"{self.revision}/{self.path}")
        return f"{self.host}/{self.repository}/{'' if self.host == GITHUB else 'resolve/'}{place}"


def fetch(remote: Remote, place: Path, parts: Path, progress: Progress) -> str:
    """Brings a file to its place.

    Args:
        remote: what to bring.
        place: where it will lie.
        parts: folder, on the same disk, for what has not come whole.
        progress: told of every piece that comes.

    Returns:
        The digest that the content was compared with; empty where there was none.

    Raises:
        MissingError: the repository or file is gone or gated, the network fails, or the content is not what it should
            be.
        OutputError: the file cannot be written.
    """
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]
    from huggingface_hub.file_download import http_get

    try:
        asked = _ask(remote)
        part = parts / f"{asked.digest or f'{remote.repository}/{remote.path}'.replace('/', '--')}.part"
        parts.mkdir(parents=True, exist_ok=True)
        with _Part(part, progress) as content:
            # What an earlier attempt left is gone on from; its name says which content it is the beginning of.
            start = content.tell() if asked.digest else content.truncate(0)
            http_get(asked.address, content, headers=asked.headers, resume_size=start, expected_size=asked.size)
        if asked.digest and digest_of(part, like=asked.digest) != asked.digest:
            part.unlink()
            raise MissingError(
                f"{remote.path} of {remote.repository} came with the wrong content and was thrown away",
                hint="the same command once more, or --from another repository",
            )
        place.parent.mkdir(parents=True, exist_ok=True)
        part.replace(place)
    except HTTPError as error:
        raise _explained(remote, error) from None
    except OSError as error:
        if error.errno is None:  # the library's own word for a length that is wrong
            raise MissingError(f"{remote.path} of {remote.repository} did not come whole: {error}") from None
        reason = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror or str(error)
        raise OutputError(f"cannot write {place}: {reason}") from None
    return asked.digest


def digest_of(path: Path, *, like: str) -> str:
    """Returns a file's SHA-256, or, to compare with 40 digits, the SHA-1 by which git knows it."""
    total = hashlib.sha256() if len(like) == 64 else hashlib.sha1(f"blob {path.stat().st_size}\0".encode())
    with path.open("rb") as file:
        while block := file.read(CHUNK):
            total.update(block)
    return total.hexdigest()


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the host says of a file."""

    address: str
    headers: dict[str, str]
    size: int | None
    digest: str


def _ask(remote: Remote) -> _Asked:
    """Asks the hub where a file lies, how large it is and what it hashes to; GitHub says nothing of that."""
    if remote.host == GITHUB:
        return _Asked(remote.address, {}, remote.size, remote.digest)
    from huggingface_hub import get_hf_file_metadata
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    found = get_hf_file_metadata(remote.address, endpoint=remote.host, library_name="semcorr")
    headers = build_hf_headers(library_name="semcorr")
    if urlsplit(found.location).netloc != urlsplit(remote.host).netloc:
        headers.pop("authorization", None)  # the user's token is the hub's business alone
    etag = found.etag or ""
    told = etag if len(etag) in (40, 64) and set(etag) <= set("0123456789abcdef") else ""
    return _Asked(found.location, headers, found.size, remote.digest or told)


def _explained(remote: Remote, error: Any) -> MissingError:
    """Returns what went wrong between us and the host, and what to do."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    where = f"{remote.repository} on {urlsplit(remote.host).netloc}"
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, GatedRepoError):
        return MissingError(
            f"{where} is gated: its owner must let you in",
            hint=f"ask at {remote.host}/{remote.repository}, then `hf auth login`",
        )
    if isinstance(error, RepositoryNotFoundError):
        return MissingError(
            f"{where} is not there, or private",
            hint="--from OWNER/NAME takes a mirror; `hf auth login` for private ones",
        )
    if status == 404:
        return MissingError(f"{where} has no {remote.path} at {remote.revision[:12]}")
    reason = f"it answers {status}" if status else str(error).strip() or type(error).__name__
    return MissingError(
        f"{remote.path} of {where} could not be had: {reason}",
        hint="the same command once more goes on where it stopped",
    )


class _Part(io.FileIO):
    """A file that is appended to and says so."""

    def __init__(self, path: Path, progress: Progress) -> None:
        super().__init__(path, "ab+")
        self.seek(0, io.SEEK_END)
        self._progress = progress

    def write(self, data: Any) -> int:
        written = super().write(data)
        self._progress(written)
        return written
