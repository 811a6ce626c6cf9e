"""The instructions that change only the config."""

import pytest

from amphora.build.dockerfile.parser import parse
from amphora.build.metadata import change_config, command_line, join
from amphora.oci.config import ContainerConfig, Healthcheck

SECOND = 10**9


def config_after(*lines, start=None):
    """The config of a stage with these instructions, on top of a config."""
    text = "\n".join(["FROM scratch", *lines])
    config, own_command = start or ContainerConfig(), False
    for instruction in parse(text, "Dockerfile").stages[0].instructions:
        config = change_config(config, instruction, own_command=own_command)
        own_command = own_command or instruction.keyword == "CMD"
    return config


BASE = ContainerConfig(
    env=("PATH=/bin", "A=1", "B=2"),
    entrypoint=("/start",),
    cmd=("serve",),
    labels={"a": "1"},
    exposed_ports={"80/tcp": {}},
    volumes={"/data": {}},
)


@pytest.mark.parametrize(
    ("lines", "field", "value"),
    [
        (["ENV C=3"], "env", ("PATH=/bin", "A=1", "B=2", "C=3")),
        (["ENV A=9 C=3"], "env", ("PATH=/bin", "A=9", "B=2", "C=3")),
        (["ENV A="], "env", ("PATH=/bin", "A=", "B=2")),
        (["ENV C=x=y"], "env", ("PATH=/bin", "A=1", "B=2", "C=x=y")),
        (["LABEL b=2 a=3"], "labels", {"a": "3", "b": "2"}),
        (["USER mail:mail"], "user", "mail:mail"),
        (["STOPSIGNAL SIGINT"], "stop_signal", "SIGINT"),
        (["VOLUME /x /data"], "volumes", {"/data": {}, "/x": {}}),
        (['VOLUME ["/x"]'], "volumes", {"/data": {}, "/x": {}}),
        (['SHELL ["/bin/ash", "-ec"]'], "shell", ("/bin/ash", "-ec")),
        (["ONBUILD RUN make", "ONBUILD CMD x"], "on_build", ("RUN make", "CMD x")),
        (["HEALTHCHECK NONE"], "healthcheck", Healthcheck(test=("NONE",))),
        (
            ["HEALTHCHECK --interval=5s --retries=3 CMD true"],
            "healthcheck",
            Healthcheck(test=("CMD-SHELL", "true"), interval=5 * SECOND, retries=3),
        ),
    ],
)
def test_an_instruction_changes_its_field_and_no_other(lines, field, value):
    after = config_after(*lines, start=BASE)
    assert getattr(after, field) == value
    others = {name for name in ContainerConfig.__struct_fields__ if name != field}
    assert {name: getattr(after, name) for name in others} == {
        name: getattr(BASE, name) for name in others
    }


def test_no_instruction_changes_the_config_it_is_given():
    before = ContainerConfig(labels={"a": "1"}, volumes={"/data": {}})
    config_after("LABEL b=2", "VOLUME /x", start=before)
    assert before == ContainerConfig(labels={"a": "1"}, volumes={"/data": {}})


@pytest.mark.parametrize("line", ["RUN make", "COPY a b", "ADD a b", "ARG X=1"])
def test_other_instructions_change_nothing(line):
    assert config_after(line, start=BASE) is BASE


@pytest.mark.parametrize(
    ("lines", "entrypoint", "cmd"),
    [
        ([], ("/start",), ("serve",)),
        (['CMD ["x"]'], ("/start",), ("x",)),
        (["CMD x y"], ("/start",), ("/bin/sh", "-c", "x y")),
        (['ENTRYPOINT ["/new"]'], ("/new",), None),
        (['CMD ["x"]', 'ENTRYPOINT ["/new"]'], ("/new",), ("x",)),
        (['ENTRYPOINT ["/new"]', 'CMD ["x"]'], ("/new",), ("x",)),
        (["ENTRYPOINT exec it"], ("/bin/sh", "-c", "exec it"), None),
        (["ENTRYPOINT []"], (), None),
        (['SHELL ["/ash", "-x"]', "CMD y"], ("/start",), ("/ash", "-x", "y")),
    ],
)
def test_what_a_container_starts(lines, entrypoint, cmd):
    after = config_after(*lines, start=BASE)
    assert (after.entrypoint, after.cmd) == (entrypoint, cmd)


def test_the_shell_of_a_base_image_is_used():
    config = ContainerConfig(shell=("/bin/bash", "-c"))
    assert command_line(config, "x") == ("/bin/bash", "-c", "x")
    assert command_line(config, ("x", "y")) == ("x", "y")


@pytest.mark.parametrize(
    ("directory", "path", "joined"),
    [
        ("", "app", "/app"),
        ("/", "app", "/app"),
        ("/app", "src", "/app/src"),
        ("/app", "/src", "/src"),
        ("/app", "../../..", "/"),
        ("/app", "./a//b/", "/app/a/b"),
        ("/app", "//x", "/x"),
        ("/app", ".", "/app"),
        ("relative", "x", "/relative/x"),
    ],
)
def test_working_directories(directory, path, joined):
    assert join(directory, path) == joined
    config = config_after(f"WORKDIR {path}", start=ContainerConfig(working_dir=directory))
    assert config.working_dir == joined
