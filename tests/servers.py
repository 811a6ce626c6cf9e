"""Real servers of this machine: HTTP that counts what it is asked, and git's own daemon."""

import os
import socket
import subprocess
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass
class Page:
    """An answer; `cut`: it ends before it is whole."""

    body: bytes = b""
    status: int = 200
    headers: dict = field(default_factory=dict)
    cut: bool = False


@pytest.fixture
def page():
    """What a path of the server answers."""
    return Page


@dataclass
class Web:
    """Pages by path, and the requests that came: (path, headers)."""

    port: int = 0
    pages: dict = field(default_factory=dict)
    asked: list = field(default_factory=list)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


@pytest.fixture
def web():
    pages = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            pages.asked.append((self.path, dict(self.headers)))
            page = pages.pages.get(self.path, Page(b"nothing here", 404))
            tag, time = page.headers.get("ETag"), page.headers.get("Last-Modified")
            unchanged = (tag and self.headers["If-None-Match"] == tag) or (
                time and not tag and self.headers["If-Modified-Since"] == time
            )
            self.send_response(304 if unchanged else page.status)
            for name, value in page.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(page.body) + page.cut))
            self.end_headers()
            if not unchanged:
                self.wfile.write(page.body)

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        pages.port = server.server_port
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield pages
        server.shutdown()
        thread.join()


@dataclass(frozen=True)
class Hub:
    """A directory of repositories that `git daemon` serves."""

    directory: object
    port: int

    def url(self, name: str) -> str:
        return f"git://127.0.0.1:{self.port}/{name}"

    def git(self, name, *arguments, **environment):
        who = {
            f"GIT_{role}_{what}": "x@x"
            for role in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        }
        dates = {"GIT_AUTHOR_DATE": "1000000000 +0000", "GIT_COMMITTER_DATE": "1000000000 +0000"}
        settings = ["-c", "init.defaultBranch=main", "-c", "protocol.file.allow=always"]
        command = ["git", *settings, "-C", str(self.directory / name), *arguments]
        clean = {"GIT_CONFIG_GLOBAL": "/dev/null", "PATH": os.environ["PATH"]}
        done = subprocess.run(
            command, env={**clean, **who, **dates, **environment}, check=True, capture_output=True
        )
        return done.stdout.decode().strip()

    def commit(self, name: str, message: str = "more", **files: str) -> str:
        """Write files (`__` is a slash) into a repository, made if it is missing, and commit."""
        place = self.directory / name
        if not place.exists():
            place.mkdir()
            self.git(name, "init", "--quiet")
        for file, content in files.items():
            path = place / file.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        self.git(name, "add", "--all")
        self.git(name, "commit", "--quiet", "--allow-empty", "--message", message)
        return self.git(name, "rev-parse", "HEAD")


@pytest.fixture
def hub(tmp_path):
    directory = tmp_path / "hub"
    directory.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    daemon = subprocess.Popen(
        [
            "git",
            "daemon",
            "--export-all",
            "--reuseaddr",
            "--listen=127.0.0.1",
            f"--port={port}",
            f"--base-path={directory}",
            str(directory),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port)
        yield Hub(directory, port)
    finally:
        daemon.terminate()
        daemon.wait()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            assert time.monotonic() < deadline, "git daemon does not listen"
            time.sleep(0.01)
        else:
            return
