"""RUN with its flags: mounts, networks, permissions, scripts."""

import json
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from amphora.core import errors

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]


def test_binds_show_files_and_forget_what_is_written(build):
    build.write(
        """\
FROM busybox AS made
RUN mkdir -p /out/deep && echo made > /out/deep/file
FROM busybox
WORKDIR /work
ARG WHERE=deep
RUN --mount=target=. --mount=type=bind,from=made,source=/out/$WHERE,target=/made \
    cp kept /a; cat /made/file >> /a; ls | tr '\\n' ' ' >> /a; ! touch no 2>/dev/null
RUN --mount=target=/src,rw --mount=from=busybox,source=etc,dst=/other,readwrite \
    echo changed > /src/kept && rm /other/passwd && ls /other > /b
RUN --mount=source=dir/inside,target=/one cat /one > /c
RUN --mount=target=/src test ! -e /b/kept
""",
        kept="kept\n",
        ignored="ignored",
        dir__inside="inside\n",
        dir__not="not",
        **{".dockerignore": "ignored\ndir/not\n.dockerignore\n"},
    )
    built = build()
    assert built.text("a") == "kept\nmade\nDockerfile dir kept "
    assert built.text("b") == "group\n"
    assert built.text("c") == "inside\n"
    assert (build.directory / "kept").read_text() == "kept\n"
    assert set(built.layer(1)) == {"a"}
    assert len(built.layer_digests()) == 4


def test_a_bind_counts_by_its_content(build):
    build.write(
        """\
FROM busybox
RUN --mount=source=in,target=/in cat /in/file > /copy
""",
        in__file="one",
    )
    title = "RUN --mount=source=in,target=/in cat /in/file > /copy"
    assert build().ran()[title] == ["native"]
    (build.directory / "elsewhere").write_text("x")
    assert build().ran()[title] == ["cached"]
    (build.directory / "in/file").write_text("two")
    assert build().text("copy") == "two"


def test_what_was_made_to_mount_on_goes_again(build):
    build.write(
        """\
FROM busybox
RUN mkdir -p /there/full && touch -d @1000000000 /there /there/full
RUN --mount=type=cache,target=/there/full/cache/deep --mount=type=tmpfs,target=/new/tmp true
RUN --mount=type=tmpfs,target=/there/other/tmp touch /there/other/mine
RUN --mount=type=cache,target=/there/full/cache/deep chmod 700 /there/full
RUN --mount=source=Dockerfile,target=/run/file cat /run/file > /dev/null
"""
    )
    built = build()
    assert len(built.layer_digests()) == 3
    assert {name for name in built.layer(1) if "wh" not in name} == {
        "there",
        "there/other",
        "there/other/mine",
    }
    assert built.layer(1)["there"].mtime == 1000000000
    changed = built.layer(2)
    assert (changed["there/full"].mode, changed["there/full"].mtime) == (0o700, 1000000000)


def test_a_cache_outlives_the_build_and_is_no_layer(build):
    dockerfile = """\
FROM --platform=$BUILDPLATFORM busybox AS base
RUN mkdir /base && echo begins > /base/log
FROM busybox
ARG LINE
RUN --mount=type=cache,id=log,target=/log,from=base,source=/base,uid=8,mode=0711 \
    echo $LINE >> /log/log; cp /log/log /copy; stat -c %u:%a /log >> /copy
RUN --mount=type=cache,target=/own touch /own/file; echo "$(ls /own)" > /names
RUN --mount=type=cache,target=/own,ro ! touch /own/file
RUN --mount=type=cache,target=/own/../own,uid=8 ls /own > /others
"""
    build.write(dockerfile)
    build("--build-arg", "LINE=one")
    built = build("--build-arg", "LINE=two", "--platform", "linux/arm64")
    said = built.text("copy", "linux/arm64")
    assert said == "begins\none\ntwo\n8:711\n"
    assert built.text("names", "linux/arm64") == "file\n"
    assert built.text("others", "linux/arm64") == ""
    kept = json.loads(build.amphora.ok("store", "cache-mounts", "--format", "json"))
    assert [(cache["id"], cache["copies"]) for cache in kept] == [
        ("/own", 1),
        ("/own", 1),
        ("log", 1),
    ]
    assert "log" in build.amphora.ok("store", "cache-mounts")
    build.amphora.ok("store", "check")
    build.amphora.ok("store", "gc", "--cache")
    assert len(json.loads(build.amphora.ok("store", "cache-mounts", "--format", "json"))) == 3
    build.amphora.ok("store", "gc", "--cache-mounts")
    assert build.amphora.ok("store", "cache-mounts", "--format", "json") == "[]\n"


def test_caches_of_other_namespaces_are_other_caches(build):
    build.write(
        """\
FROM busybox
ARG N
RUN --mount=type=cache,target=/c touch /c/$N; ls /c > /said
"""
    )
    for number, namespace, seen in ((1, "a", "1\n"), (2, "b", "2\n"), (3, "a", "1\n3\n")):
        space = f"BUILDKIT_CACHE_MOUNT_NS={namespace}"
        built = build("--build-arg", space, "--build-arg", f"N={number}")
        assert built.text("said") == seen


def test_a_locked_cache_is_used_by_one_at_a_time(build):
    build.write(
        """\
FROM busybox
ARG TARGETARCH
RUN --mount=type=cache,target=/c,sharing=locked \
    mkdir /c/mine && sleep 0.3 && rmdir /c/mine && echo $TARGETARCH > /done
"""
    )
    built = build("--platform", "linux/amd64,linux/arm64")
    assert built.text("done", "linux/arm64") == "arm64\n"


def test_stages_that_one_takes_files_from_are_built_side_by_side(build):
    meet = "for i in $(seq 300); do [ -e /c/{} ] && exit 0; sleep 0.1; done; exit 1"
    build.write(
        f"""\
FROM busybox AS one
RUN --mount=type=cache,target=/c touch /c/one; {meet.format("two")}
FROM busybox AS two
RUN --mount=type=cache,target=/c touch /c/two; {meet.format("one")}
FROM busybox
COPY --from=one /bin/busybox /one
RUN --mount=from=two,target=/two test -e /two/bin/busybox
"""
    )
    assert build("--no-cache").ran()["COPY --from=one /bin/busybox /one"]


def test_a_killed_build_leaves_the_cache_good(build):
    build.write(
        """\
FROM busybox
RUN --mount=type=cache,target=/c,sharing=locked \
    cat /c/log; if [ ! -e /c/log ]; then echo kept > /c/log; echo ready; sleep 600; fi
"""
    )
    command = build.amphora.command("build", "--progress=plain", build.directory)
    with subprocess.Popen(
        command, env=build.amphora.environ(), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as process:
        for line in process.stderr:
            if line.rstrip().endswith(b" ready"):
                break
        process.kill()
    assert b"kept" in build.run("--progress=plain").stderr.encode()


def test_memory_has_its_size(build):
    build.write(
        """\
FROM busybox
RUN --mount=type=tmpfs,target=/t,size=1m df -k /t | tail -1 | awk '{print $2}' > /size; touch /t/x
"""
    )
    built = build()
    assert built.text("size") == "1024\n"
    assert set(built.layer(0)) == {"size"}


SECRET = "correct horse battery staple"  # the words to search for


def test_a_secret_is_seen_by_the_command_and_nowhere_else(build, tmp_path):
    build.write(
        f"""\
FROM busybox
RUN --mount=type=secret,id=file --mount=type=secret,id=file,target=named,uid=8,mode=0444 \
    --mount=type=secret,id=variable,env=TOKEN --mount=type=secret,id=absent \
    test "$(cat /run/secrets/file)" = "{SECRET.split(maxsplit=1)[0]} $(tail -c +9 /named)" && \
    test "$(stat -c %u:%a /named)" = 8:444 && test "$(stat -c %a /run/secrets/file)" = 400 && \
    test "$TOKEN" = "$(cat /named)" && test ! -e /run/secrets/absent && sha256sum /named > /sum
RUN test ! -e /run/secrets -a ! -e /named -a -z "$TOKEN"
"""
    )
    (tmp_path / "secret").write_text(SECRET)
    build.amphora.environment["PASSWORD"] = SECRET
    arguments = (
        *("--secret", f"id=file,src={tmp_path}/secret"),
        *("--secret", "id=variable,env=PASSWORD"),
        *("--progress=plain", "-o", f"type=oci,dest={tmp_path}/image.tar", "-t", "it"),
    )
    built = build(*arguments)
    assert set(built.layer(0)) == {"sum"}
    places = [tmp_path / "image.tar", *(path for path in build.amphora.store.rglob("*"))]
    for path in places:
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path
    assert SECRET not in built.errors + json.dumps(built.said)
    (tmp_path / "secret").write_text("another one")
    del build.amphora.environment["PASSWORD"]
    again = build("--secret", f"id=file,src={tmp_path}/secret")
    assert {"cached"} == {place for places in again.ran().values() for place in places}


def test_while_a_secret_is_used_it_is_on_no_disk(build, tmp_path):
    build.write(
        """\
FROM busybox
RUN --mount=type=secret,id=s,env=S --mount=type=secret,id=s echo ready; sleep 600
"""
    )
    build.amphora.environment["s"] = SECRET
    command = build.amphora.command("build", "--progress=plain", "--secret=id=s", build.directory)
    with subprocess.Popen(
        command, env=build.amphora.environ(), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as process:
        for line in process.stderr:
            if line.rstrip().endswith(b" ready"):
                break
        files = [path for path in build.amphora.home.rglob("*") if path.is_file()]
        found = [path for path in files if SECRET.encode() in path.read_bytes()]
        process.kill()
    assert found == []
    assert len(files) > 5


@pytest.mark.parametrize(
    ("mount", "error", "said"),
    [
        ("type=secret,id=s,required", errors.NotFoundError, "--secret id=s,src=FILE"),
        ("type=ssh,required", errors.NotFoundError, "--ssh default"),
        ("target=/", errors.DockerfileError, "root of the image"),
        ("source=absent,target=/x", errors.ContextError, "'absent'"),
        ("source=../../etc/passwd,target=/x", errors.ContextError, "passwd"),
        ("source=link,target=/x", errors.ContextError, "'link'"),
        ("from=nowhere:5/x,target=/x", errors.RegistryUnreachableError, "nowhere"),
        ("type=cache,from=busybox,source=/etc/group,target=/x", errors.ContextError, "a file, and"),
        ("target=/etc/passwd", errors.ContextError, "cannot mount a directory on /etc/passwd"),
        (
            "type=cache,target=/a,id=1,sharing=locked --mount=type=cache,target=/b,id=1",
            errors.DockerfileError,
            "the same cache twice",
        ),
    ],
)
def test_mounts_that_cannot_be(build, mount, error, said):
    build.write(f"FROM busybox\nRUN --mount={mount} true\n")
    (build.directory / "link").symlink_to("/etc/shadow")
    done = build.run()
    assert done.returncode == error.exit_code, done.stderr
    assert said in done.stderr
    assert "Dockerfile:2" in done.stderr


def test_a_script_is_run_by_its_own_interpreter(build):
    build.write(
        """\
FROM busybox
RUN <<EOF
#!/bin/awk -f
BEGIN { print "awk " 6 * 7 > "/said" }
EOF
RUN <<-PROGRAM
	#!/bin/sh
	echo "$0" > /where
PROGRAM
"""
    )
    built = build("--platform=linux/amd64,linux/arm64")
    assert built.text("said", "linux/arm64") == "awk 42\n"
    assert built.text("where") == "/dev/pipes/PROGRAM\n"
    assert set(built.layer(1)) == {"where"}


def test_networks(build):
    build.write(
        """\
FROM busybox
RUN --network=none ip -o link | cut -d: -f2 | tr -d '\\n' > /none; ping -c 1 127.0.0.1
RUN --network=host ip -o link > /host
RUN ip -o link > /default; sed 1,2d /etc/hosts > /hosts
"""
    )
    refused = build.run()
    assert refused.returncode == errors.DockerfileError.exit_code
    assert "--allow network.host" in refused.stderr
    built = build("--allow", "network.host", "--add-host", "one:10.1.2.3", "--add-host=one6=[::2]")
    assert built.text("none") == " lo"
    outside = Path("/proc/net/dev").read_text().count(":")
    assert len(built.text("host").splitlines()) == outside
    assert built.text("hosts").split() == ["10.1.2.3", "one", "::2", "one6"]
    none = build("--network=none", "--allow=network.host").text("default")
    assert len(none.splitlines()) == 1


def test_the_default_network_has_a_way_out_but_not_to_the_hosts_loopback(build):
    build.write(
        """\
FROM busybox
ARG PORT
RUN wget -q -T 3 -O - http://127.0.0.1:$PORT/ > /inside 2>&1 || true
RUN --network=host wget -q -O - http://127.0.0.1:$PORT/ > /outside
"""
    )
    with served() as port:
        built = build("--allow=network.host", "--build-arg", f"PORT={port}")
    assert "hello" in built.text("outside")
    if "WARN --network" in built.errors:
        pytest.skip("no network of its own here: " + built.errors)
    assert "hello" not in built.text("inside")


def test_the_host_is_reached_where_that_is_asked_for(build):
    build.write(
        """FROM busybox
ARG PORT
RUN wget -q -O - http://host.docker.internal:$PORT/ > /inside
RUN --network=host wget -q -O - http://host.docker.internal:$PORT/ > /outside
"""
    )
    asked = ("--add-host", "host.docker.internal:host-gateway", "--allow=network.host")
    with served() as port:
        done = build.run(*asked, "--build-arg", f"PORT={port}")
        if done.returncode == errors.InvalidValueError.exit_code:
            assert "this machine has no gateway" in done.stderr
            pytest.skip("no default route here")
        # Whoever does not ask is not led there, though the network was, a moment before.
        built = build(*asked, "--build-arg", f"PORT={port}")
        build.write(
            """FROM busybox
ARG PORT
ARG GATEWAY
RUN wget -q -T 3 -O - http://$GATEWAY:$PORT/ > /inside 2>&1 || true
"""
        )
        gateway = subprocess.check_output(["ip", "route", "show", "default"], text=True).split()[2]
        alone = build("--build-arg", f"PORT={port}", "--build-arg", f"GATEWAY={gateway}")
    assert built.text("inside") == built.text("outside") == "hello"
    if "WARN --network" not in built.errors:
        assert "hello" not in alone.text("inside")


@pytest.mark.parametrize("what", ["device", "device=/dev/fuse", "everything"])
def test_what_cannot_be_allowed(build, what):
    refused = build.write("FROM scratch\n").run("--allow", what)
    assert refused.returncode == errors.InvalidValueError.exit_code
    assert f"--allow cannot be '{what}'" in refused.stderr
    assert "no devices" in refused.stderr or "it is network.host" in refused.stderr


@contextmanager
def served():
    """A web server on the host's loopback; its port."""
    program = (
        "import http.server\n"
        "class Hello(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(200); self.end_headers(); self.wfile.write(b'hello')\n"
        "server = http.server.HTTPServer(('127.0.0.1', 0), Hello)\n"
        "print(server.server_port, flush=True); server.serve_forever()\n"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        yield int(process.stdout.readline())
        process.terminate()


def test_without_pasta_the_hosts_network_is_used_and_said_once(build, without):
    build.write("FROM busybox\nRUN ip -o link > /links\nRUN true\n")
    build.amphora = without("pasta")
    built = build()
    lines = [line for line in built.errors.splitlines() if line.startswith("WARN --network")]
    assert len(lines) == 1
    assert "sudo apt-get install passt" in lines[0]
    assert len(built.text("links").splitlines()) == Path("/proc/net/dev").read_text().count(":")


def test_permission_for_everything(build):
    build.write(
        """\
FROM busybox
RUN ! mount -t tmpfs none /tmp && ! ip addr add 10.9.8.7/32 dev lo
RUN --security=insecure mount -t tmpfs none /tmp && ip addr add 10.9.8.7/32 dev lo; echo $? > /did
RUN ip addr show dev lo > /left
"""
    )
    refused = build.run()
    assert refused.returncode == errors.DockerfileError.exit_code
    assert "--allow security.insecure" in refused.stderr
    built = build("--allow", "security.insecure")
    if "WARN --network" in built.errors:
        pytest.skip("no network of its own here: " + built.errors)
    assert built.text("did") == "0\n"
    assert "127.0.0.1" in built.text("left")
    assert "10.9.8.7" not in built.text("left")


def test_the_pages_example_builds(build):
    page = (Path(__file__).parents[3] / "docs/dockerfile.md").read_text()
    example = page.partition("## RUN")[2].partition("```dockerfile\n")[2].partition("```")[0]
    build.write(example).amphora.environment["GITHUB_TOKEN"] = "it"
    built = build("--secret", "id=token,env=GITHUB_TOKEN")
    assert built.text("said") == "no network\n"
    assert built.text("files") == "Dockerfile\n"


@pytest.mark.parametrize(
    ("resolvers", "own"),
    [("nameserver 127.0.0.53\n", False), ("nameserver ::1\nnameserver 192.0.2.1\n", True)],
)
def test_name_servers_that_cannot_be_reached_from_inside(build, tmp_path, resolvers, own):
    build.write("FROM busybox\nRUN cat /etc/resolv.conf > /servers; cat /etc/hosts > /hosts\n")
    (tmp_path / "resolv.conf").write_text(resolvers)
    script = f'mount --bind {tmp_path}/resolv.conf /etc/resolv.conf && exec "$@"'
    build.amphora = replace(build.amphora, prefix=("unshare", "--mount", "sh", "-ec", script, "sh"))
    built = build()
    assert ("listen on loopback only" in built.errors) != own
    if "WARN --network" not in built.errors:
        assert built.text("servers") == "nameserver 192.0.2.1\n"
    else:
        assert built.text("hosts") == Path("/etc/hosts").read_text()


def test_devices_are_refused_by_name(build):
    build.write("FROM busybox\nRUN --device=nvidia.com/gpu true\n")
    done = build.run()
    assert done.returncode == errors.DockerfileError.exit_code
    assert "--mount, --network and --security" in done.stderr


def test_limits_and_shared_memory(build):
    build.write(
        """\
FROM busybox
RUN ulimit -n > /files; ulimit -Hn >> /files; df -k /dev/shm | tail -1 | awk '{print $2}' > /shm
"""
    )
    built = build("--ulimit", "nofile=100:200", "--shm-size=2m")
    assert built.text("files") == "100\n200\n"
    assert built.text("shm") == "2048\n"


#: Asks an agent how many keys it holds, as ssh does: draft-miller-ssh-agent, section 4.4.
_TALK = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
int main(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, getenv("SSH_AUTH_SOCK"));
    int end = socket(AF_UNIX, SOCK_STREAM, 0);
    unsigned char answer[4096];
    if (connect(end, (struct sockaddr *)&address, sizeof address)) return 1;
    if (write(end, "\0\0\0\1\13", 5) != 5) return 2;
    if (read(end, answer, sizeof answer) < 9 || answer[4] != 12) return 3;
    return printf("%d keys\n", answer[8]) < 0;
}
"""


@pytest.fixture
def talk(build, tmp_path):
    """A build context with a static program `talk` in it."""
    build.directory.mkdir()
    source = tmp_path / "talk.c"
    source.write_text(_TALK)
    subprocess.run(["gcc", "-static", "-o", build.directory / "talk", source], check=True)
    return build


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


@pytest.fixture
def agent(key, tmp_path):
    """The socket of an agent with one key."""
    path = tmp_path / "s"
    with subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        subprocess.run(["ssh-add", "-q", key], env={"SSH_AUTH_SOCK": str(path)}, check=True)
        yield path
        process.terminate()


def test_an_agent_is_forwarded_to_whoever_runs_the_command(talk, agent):
    talk.write(
        """\
FROM busybox
RUN --mount=type=ssh --mount=source=talk,target=/talk \
    echo $SSH_AUTH_SOCK > /said; /talk >> /said; /talk >> /said
USER mail
RUN --mount=type=ssh,id=other,uid=8,target=/tmp/socket --mount=source=talk,target=/talk \
    /talk > /tmp/mail; stat -c %u:%g:%a /tmp/socket >> /tmp/mail
RUN --mount=type=ssh --mount=source=talk,target=/talk ! /talk
RUN --mount=type=ssh,id=absent test -z "$SSH_AUTH_SOCK"
"""
    )
    talk.amphora.environment["SSH_AUTH_SOCK"] = str(agent)
    built = talk("--ssh", "default", "--ssh", f"other={agent}")
    assert built.text("said") == "/run/buildkit/ssh_agent.0\n1 keys\n1 keys\n"
    assert built.text("tmp/mail") == "1 keys\n8:0:600\n"
    assert set(built.layer(0)) == {"said"}


def test_a_key_is_held_by_an_agent_of_ours(talk, key):
    talk.write(
        """\
FROM busybox
RUN --mount=type=ssh --mount=source=talk,target=/talk /talk > /said
"""
    )
    assert talk("--ssh", f"default={key}").text("said") == "1 keys\n"
    key.write_text("no key")
    for path, said in ((key, "cannot use the key"), ("/no/such", "no such file")):
        wrong = talk.run("--no-cache", "--ssh", f"default={path}")
        assert wrong.returncode == errors.ContextError.exit_code
        assert said in wrong.stderr
