"""A server on this machine that speaks as much of the hub's protocol as pulling weights needs."""

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "c0ffee" + "0" * 34


@dataclass
class FakeHub:
    """What the server holds, how it misbehaves, and what it was asked.

    Attributes:
        files: content by "owner/name/path".
        large: those of them that are served from elsewhere, as large files are.
        gated: repositories that want to be asked first.
        wrong: files whose content is not what is told of it.
        cuts: bytes after which the next answers break off, one an answer; those after them are whole.
        asked: (method, path, range asked for, token sent) of every request.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    large: set[str] = field(default_factory=set)
    gated: set[str] = field(default_factory=set)
    wrong: set[str] = field(default_factory=set)
    cuts: list[int] = field(default_factory=list)
    asked: list[tuple[str, str, str, str]] = field(default_factory=list)
    address: str = ""

    def gets(self) -> list[tuple[str, str]]:
        """Returns the paths that were fetched, and from which byte on."""
        return [(path, start) for method, path, start, _ in self.asked if method == "GET"]


def git_sha1(content: bytes) -> str:
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


@contextmanager
def serving(hub: FakeHub) -> Iterator[FakeHub]:
    """Runs the server for as long as it is open."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def _answer(self) -> None:
            asked = self.headers.get("Range", "")
            hub.asked.append((self.command, self.path, asked, self.headers.get("Authorization", "")))
            if self.path.startswith("/store/"):
                self._send(hub.files[self.path.removeprefix("/store/")], self.path.removeprefix("/store/"))
                return
            found = re.fullmatch(r"/([\w-]+/[\w.-]+)(?:/resolve)?/([\w-]+)/(.+)", self.path)
            repository, name = (found[1], f"{found[1]}/{found[3]}") if found else ("", "")
            if repository in hub.gated:
                self._refuse(403, "GatedRepo")
            elif not any(key.startswith(f"{repository}/") for key in hub.files):
                self._refuse(401, "RepoNotFound")
            elif name not in hub.files:
                self._refuse(404, "EntryNotFound")
            elif name in hub.large and "/resolve/" in self.path:
                content = hub.files[name]
                self.send_response(302)
                self.send_header("Location", f"http://localhost:{self.server.server_address[1]}/store/{name}")
                self.send_header("X-Repo-Commit", COMMIT)
                self.send_header("X-Linked-ETag", f'"{hashlib.sha256(content).hexdigest()}"')
                self.send_header("X-Linked-Size", str(len(content)))
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                self._send(hub.files[name], name)

        def _refuse(self, status: int, code: str) -> None:
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _send(self, content: bytes, name: str) -> None:
            start = int(re.sub(r"\D", "", self.headers.get("Range", "0").partition("-")[0]) or 0)
            body = content[start:] if name not in hub.wrong else b"?" * (len(content) - start)
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.send_header("ETag", f'"{git_sha1(content)}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "HEAD":
                return
            if hub.cuts:
                body, self.close_connection = body[: hub.cuts.pop(0)], True
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
