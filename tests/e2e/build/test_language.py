"""The Dockerfile language as built images show it."""

import pytest
from cpus import FOREIGN, MACHINES, NATIVE

pytestmark = [pytest.mark.privileged, pytest.mark.e2e]

BOTH = "--platform=linux/amd64,linux/arm64"


def test_variables_and_where_they_are_seen(build):
    built = build.write(
        """\
ARG GLOBAL=global
ARG UNSEEN=unseen
FROM --platform=$BUILDPLATFORM busybox AS tools
ARG TARGETARCH
ARG BUILDPLATFORM
RUN echo "$TARGETARCH on $BUILDPLATFORM, $(uname -m)" > /tool
RUN echo once > /once

FROM busybox
ARG GLOBAL
ARG LOCAL=local
ARG GIVEN=default
ARG FROM_ENVIRONMENT
ARG TARGETPLATFORM
ENV ENV=$LOCAL-env OVERRIDDEN=env
ARG OVERRIDDEN=arg
ARG LATER=$GIVEN-later
COPY --from=tools /tool /once /from-tools/
RUN echo "$GLOBAL $UNSEEN $LOCAL $GIVEN $FROM_ENVIRONMENT" > /arguments; \
    echo "$ENV $OVERRIDDEN $LATER" >> /arguments; \
    echo "$TARGETPLATFORM $TARGETARCH $(uname -m)" > /machine
""",
    )
    build.amphora.environment["FROM_ENVIRONMENT"] = "environment"
    built = build(
        BOTH,
        *("--build-arg", "GIVEN=given", "--build-arg", "FROM_ENVIRONMENT"),
        *("--build-arg", "NOBODY=x", "--build-arg", "http_proxy=http://proxy"),
    )
    for platform in MACHINES:
        assert built.text("arguments", platform).splitlines() == [
            "global  local given environment",
            "local-env arg given-later",
        ]
        assert built.config(platform).config.env == (
            "PATH=/bin",
            "ENV=local-env",
            "OVERRIDDEN=env",
        )
    assert built.text("machine") == f"{NATIVE}  {MACHINES[NATIVE]}\n"
    assert built.text("machine", FOREIGN) == f"{FOREIGN}  {MACHINES[FOREIGN]}\n"
    for platform in MACHINES:
        made_for, _, made_on = built.text("from-tools/tool", platform).partition(" on ")
        assert f"linux/{made_for}" == platform
        assert made_on == f"{NATIVE}, {MACHINES[NATIVE]}\n"
    warned = [line for line in built.errors.splitlines() if line.startswith("WARN")]
    assert warned == ["WARN --build-arg NOBODY: no ARG of the Dockerfile takes it"]


def test_a_step_that_cannot_see_the_target_runs_once_for_all_platforms(build):
    build.write(
        """\
FROM --platform=$BUILDPLATFORM busybox AS shared
RUN echo once > /once
FROM busybox
COPY --from=shared /once /
RUN cat /once > /twice
"""
    )
    ran = build(BOTH).ran()
    assert ran["RUN echo once > /once"] == ["native"]
    assert ran["RUN cat /once > /twice"] == ["handoff", "native"]


def test_stages_by_name_by_number_and_images(build):
    build.write(
        """\
FROM busybox AS First
RUN echo first > /file
FROM first AS second
RUN echo second >> /file
FROM busybox AS unused
RUN false
FROM scratch
COPY --from=0 /file /first
COPY --from=SECOND /file /second
COPY --from=busybox:latest /etc/group /group
"""
    )
    built = build()
    # FROM scratch: there is no layer of a base image.
    names = {name for number in (-1, 0, 1) for name in built.layer(number)}
    assert names == {"first", "second", "group"}
    assert built.layer(0)["second"].text == "first\nsecond\n"
    assert built.layer(-1)["first"].text == "first\n"
    assert "RUN false" not in built.ran()
    assert len(build("--target", "second").layer_digests()) == 2
    failed = build.run("--target", "unused")
    assert failed.returncode == 12
    assert "status 1" in failed.stderr
    assert "RUN false" in failed.stderr


def test_how_commands_are_started(build):
    build.write(
        """\
FROM busybox
RUN ["/bin/sh", "-c", "echo exec '$0' > /exec", "$HOME"]
SHELL ["/bin/ash", "-e", "-c"]
RUN false || true; echo "$0 $-" > /shell
RUN <<EOF
echo one > /here
echo "$(cat /here) two" >> /here
EOF
RUN cat <<A > /first && cat <<'B' > /second
expanded $((1 + 1))
A
kept $((1 + 1))
B
ARG WHO=world
COPY <<-EOF <<"RAW" /files/
	hello $WHO
EOF
$WHO
RAW
WORKDIR /var
WORKDIR mail/box
USER mail:staff
RUN id -u > /tmp/who && id -g >> /tmp/who && pwd >> /tmp/who && touch /tmp/owned
WORKDIR own
RUN pwd > here
USER 1234
RUN id -u > /tmp/number
"""
    )
    built = build()
    assert built.text("exec") == "exec $0\n"
    assert built.text("here") == "one\none two\n"
    assert built.text("first") == "expanded 2\n"
    assert built.text("second") == "kept $((1 + 1))\n"
    assert built.text("files/EOF") == "hello world\n"
    assert built.text("files/RAW") == "$WHO\n"
    assert built.text("tmp/who") == "8\n50\n/var/mail/box\n"
    assert built.text("var/mail/box/own/here") == "/var/mail/box/own\n"
    assert built.text("tmp/number") == "1234\n"
    config = built.config().config
    assert (config.working_dir, config.user) == ("/var/mail/box/own", "1234")
    assert config.shell == ("/bin/ash", "-e", "-c")
    owners = {
        name: (entry.uid, entry.gid)
        for number in range(len(built.layer_digests()))
        for name, entry in built.layer(number).items()
        if name.startswith("var/mail") or name == "tmp/owned"
    }
    assert owners["tmp/owned"] == (8, 50)
    assert owners["var/mail/box"] == (0, 0)
    assert owners["var/mail/box/own"] == (8, 50)


def test_the_config_of_an_image(build):
    build.write(
        """\
FROM busybox
LABEL a=1 b="two words"
LABEL a=3
EXPOSE 80 53/udp 8000-8001
VOLUME /data /more
STOPSIGNAL SIGINT
HEALTHCHECK --interval=5s --timeout=1s CMD true
ENTRYPOINT ["/bin/echo"]
CMD ["hello"]
MAINTAINER somebody
USER mail
"""
    )
    built = build("--label", "b=given", "--label", "c=d=e")
    image = built.config()
    config = image.config
    assert config.labels == {"a": "3", "b": "given", "c": "d=e"}
    assert set(config.exposed_ports) == {"80/tcp", "53/udp", "8000/tcp", "8001/tcp"}
    assert set(config.volumes) == {"/data", "/more"}
    assert config.stop_signal == "SIGINT"
    assert config.healthcheck.test == ("CMD-SHELL", "true")
    assert config.healthcheck.interval == 5 * 10**9
    assert (config.entrypoint, config.cmd) == (("/bin/echo",), ("hello",))
    assert config.user == "mail"
    assert image.author == "somebody"
    assert built.layer_digests() == []
    assert all(line.empty_layer for line in image.history)
    assert [line.created_by for line in image.history][:3] == [
        'LABEL a=1 b="two words"',
        "LABEL a=3",
        "EXPOSE 80 53/udp 8000-8001",
    ]


def test_history_and_layers_agree(build):
    build.write(
        """\
FROM busybox
ENV A=1
RUN true
RUN echo x > /x
COPY Dockerfile /
CMD ["sh"]
"""
    )
    image = build().config()
    lines = [(line.created_by, line.empty_layer) for line in image.history]
    assert lines == [
        ("ENV A=1", True),
        ("RUN true", True),
        ("RUN echo x > /x", False),
        ("COPY Dockerfile /", False),
        ('CMD ["sh"]', True),
    ]
    assert len(image.diff_ids) == 1 + sum(not empty for _, empty in lines)
    assert image.created == image.history[-1].created
    assert image.created >= image.history[2].created > "2020"


def test_onbuild_runs_in_the_child_and_only_there(build):
    build.write(
        """\
FROM busybox
ONBUILD ARG WHO=nobody
ONBUILD COPY Dockerfile /copied
ONBUILD RUN echo $WHO > /ran
RUN echo base > /base
"""
    )
    base = build("-t", "parent")
    assert len(base.config().config.on_build) == 3
    assert "RUN echo $WHO > /ran" not in base.ran()
    assert len(base.layer_digests()) == 1
    build.write("FROM parent AS child\nRUN cat /ran > /after\nFROM child\n")
    child = build("--build-arg", "WHO=somebody", "-t", "child")
    assert child.text("after") == "somebody\n"
    assert child.text("copied").startswith("FROM parent")
    assert child.config().config.on_build is None
    build.write("FROM child\nRUN rm /ran\n")
    assert len(build().layer_digests()) == len(child.layer_digests()) + 1


def test_an_image_by_its_digest(build):
    digest = build.write("FROM busybox\nRUN echo kept > /file\n")("-t", "image:1").digest
    build.write("FROM busybox\n")("-t", "image:2")
    build.write(f"FROM image@{digest} AS a\nFROM image:2@{digest}\nCOPY --from=a /file /copy\n")
    built = build()
    assert (built.text("file"), built.text("copy")) == ("kept\n", "kept\n")
