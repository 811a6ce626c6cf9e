"""What the cases fetch: files by HTTP and Git repositories, served on this machine's loopback.

A process of its own, so that who calls the program in forks has no threads:

    python serving.py DIRECTORY    lays it out there, prints the port, serves until input ends

`/files/…` were changed at CHANGED, `/undated/…` does not say when; `/moved/…` leads to `/files/…`.
`/private/…` and the repository of that name want their tokens. A repository has the same commits,
to their names, wherever it is made.
"""

import base64
import io
import os
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

#: When all that is served was changed, in seconds since 1970.
CHANGED = 1_000_000_000

FILE_TOKEN, GIT_TOKEN = "a-bearers-token", "a-git-token"
_USER = f"x-access-token:{GIT_TOKEN}"
_WANTED = {
    "/private/": f"Bearer {FILE_TOKEN}",
    "/git/private": f"basic {base64.b64encode(_USER.encode()).decode()}",
}


@dataclass(frozen=True)
class Site:
    """Where it is: `host` is an address and a port."""

    host: str

    def filled_in(self, text: str) -> str:
        """A text of a case with the addresses in place of @SITE@ and @HOST@."""
        return text.replace("@SITE@", f"http://{self.host}").replace("@HOST@", self.host)


@contextmanager
def served(directory: Path) -> Iterator[Site]:
    """Serve while somebody uses it."""
    command = [sys.executable, __file__, str(directory)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            yield Site(f"127.0.0.1:{port}")
        finally:
            process.stdin.close()


def _lay_out(directory: Path) -> None:
    files = directory / "files"
    files.mkdir(parents=True)
    (files / "hello.txt").write_text("hello\n")
    (files / "a name.txt").write_text("blank\n")
    (files / "tree.tar.gz").write_bytes(_archive())
    (files / "empty").touch()
    shutil.copytree(files, directory / "private")
    (directory / "undated").mkdir()
    (directory / "undated/hello.txt").write_text("when?\n")
    git = directory / "git"
    git.mkdir()
    _commit(git / "part", {"inner": "inner\n"})
    _commit(git / "context", {"Dockerfile": "FROM busybox\nCOPY Dockerfile /\n"})
    _commit(git / "whole", {"read-me": "first\n", "docs/one": "1\n", "docs/deep/two": "2\n"})
    (git / "whole/tool").write_text("#!/bin/sh\n")
    (git / "whole/tool").chmod(0o755)
    (git / "whole/link").symlink_to("read-me")
    _commit(git / "whole", {})
    _git(git / "whole", "tag", "--annotate", "--message=v1", "v1")
    _git(git / "whole", "branch", "old")
    _commit(git / "whole", {"read-me": "second\n"})
    shutil.copytree(git / "whole", git / "private", symlinks=True)
    shutil.copytree(git / "part", git / "with-a-part", symlinks=True)
    _git(git / "with-a-part", "submodule", "--quiet", "add", "../part", "sub")
    (git / "with-a-part/.gitmodules").write_text(
        '[submodule "sub"]\n\tpath = sub\n\turl = ../part.git\n'
    )
    _commit(git / "with-a-part", {})
    for repository in list(git.iterdir()):
        bare = repository.with_suffix(".git")
        _git(git, "clone", "--quiet", "--bare", str(repository), str(bare))
        _git(bare, "config", "uploadpack.allowAnySHA1InWant", "true")


def _archive() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for name, mode, owner in (("top", 0o640, 5), ("dir/run", 0o755, 0)):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.uid, entry.gid = 2, mode, owner, owner
            tar.addfile(entry, io.BytesIO(b"x\n"))
    return made.getvalue()


def _commit(repository: Path, files: Mapping[str, str]) -> None:
    if not repository.exists():
        repository.mkdir()
        _git(repository, "init", "--quiet", "--initial-branch=main")
    for name, content in files.items():
        path = repository / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    _git(repository, "add", "--all")
    _git(repository, "commit", "--quiet", "--message=x")


def _git(place: Path, *arguments: str) -> None:
    who = {
        f"GIT_{role}_{what}": value
        for role in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "x"), ("EMAIL", "x@x"), ("DATE", f"{CHANGED} +0000"))
    }
    environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null", **who}
    command = ["git", "-c", "protocol.file.allow=always", "-C", str(place), *arguments]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)


class _Handler(BaseHTTPRequestHandler):
    """The directory's files, and its repositories by git's own program for HTTP."""

    directory: Path

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        wanted = next((value for name, value in _WANTED.items() if path.startswith(name)), None)
        if wanted and self.headers.get("Authorization", "").lower() != wanted.lower():
            self._send(401, b"", {"WWW-Authenticate": 'Basic realm="x"'})
        elif path.startswith("/moved/"):
            self._send(302, b"", {"Location": f"/files/{path.removeprefix('/moved/')}"})
        elif path.startswith("/git/"):
            self._send_git(path)
        else:
            self._send_file(self.directory / path.lstrip("/"))

    def _send_file(self, path: Path) -> None:
        if not path.is_file():
            self._send(404, b"nothing is here\n", {})
            return
        dated = path.parent.name != "undated"
        headers = {"Last-Modified": formatdate(CHANGED, usegmt=True)} if dated else {}
        self._send(200, path.read_bytes(), headers)

    def _send_git(self, path: str) -> None:
        """https://git-scm.com/docs/git-http-backend, a CGI program (RFC 3875)."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROJECT_ROOT": str(self.directory),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "PATH_INFO": path,
            "QUERY_STRING": urlsplit(self.path).query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
        }
        done = subprocess.run(
            ["git", "http-backend"], input=body, env=environment, capture_output=True, check=False
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        lines = [line.partition(": ")[::2] for line in head.decode().split("\r\n") if line]
        headers = dict(lines)
        status = int(headers.pop("Status", "200").split()[0])
        self._send(status, content, headers)

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


def main(directory: Path) -> None:
    """Serve until standard input ends."""
    _lay_out(directory)
    _Handler.directory = directory
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        sys.stdout.write(f"{server.server_port}\n")
        sys.stdout.flush()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdin.read()
        server.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
