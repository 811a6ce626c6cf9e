"""The flags of `amphora run`, as values."""

from pathlib import Path

import pytest

from amphora.cli import launch_values as values
from amphora.core.errors import InvalidValueError
from amphora.launch.request import Volume
from amphora.runtime.networks import Port
from amphora.runtime.spec import ALL_CAPABILITIES, CAPABILITIES, Bind, Memory
from amphora.system.cgroup_limits import Limits


def test_volumes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    data = tmp_path / "data"
    assert values.read_volume(f"{data}:/d") == Bind(data, "/d", read_only=False)
    assert values.read_volume("./data:/d:ro") == Bind(data, "/d", read_only=True)
    assert values.read_volume(".:/d:rw") == Bind(Path(tmp_path), "/d", read_only=False)
    assert values.read_volume("/only/inside") is None
    assert values.read_volume("data:/d") == Volume("data", "/d")
    assert values.read_volume("my.data_1:/d:ro") == Volume("my.data_1", "/d", read_only=True)


def test_mounts(tmp_path):
    bind = values.read_mount(f"type=bind,src={tmp_path},dst=/d,ro")
    assert bind == Bind(tmp_path, "/d", read_only=True)
    bind = values.read_mount(f'"source={tmp_path}",type=bind,target=/d,readonly=false')
    assert bind == Bind(tmp_path, "/d", read_only=False)
    volume = values.read_mount("type=volume,src=data,dst=/d,readonly")
    assert volume == Volume("data", "/d", read_only=True)
    assert values.read_mount("type=tmpfs,destination=/m") == Memory("/m")
    memory = values.read_mount("type=tmpfs,target=/m,tmpfs-size=1m,tmpfs-mode=700")
    assert memory == Memory("/m", 1 << 20, False, 0o700)
    assert values.read_tmpfs("/m:ro,size=2k") == Memory("/m", 2048, True)


def test_limits_of_all_together():
    assert values.read_together("1m", 0.5, 7) == Limits(1 << 20, 0.5, 7)
    # With docker both mean that there is no limit.
    assert values.read_together(None, None, 0) == values.read_together("", None, -1) == Limits()
    assert values.read_together("0", None, None) == Limits()


@pytest.mark.parametrize(
    ("memory", "cpus"), [("99999999999g", None), (None, float("nan")), (None, float("inf"))]
)
def test_limits_that_are_none(memory, cpus):
    with pytest.raises(InvalidValueError, match="no machine has so much"):
        values.read_together(memory, cpus, None)


def test_ports():
    assert values.read_port("8080:80") == Port(8080, 80)
    assert values.read_port("127.0.0.1:53:5353/udp") == Port(53, 5353, "udp", "127.0.0.1")
    assert values.read_port("[::1]:1:2/tcp") == Port(1, 2, "tcp", "::1")


def test_capabilities():
    read = values.read_capabilities
    assert set(read((), ())) == set(CAPABILITIES)
    assert set(read(["net_admin"], ["CAP_CHOWN"])) == {*CAPABILITIES, "CAP_NET_ADMIN"} - {
        "CAP_CHOWN"
    }
    assert set(read(["ALL"], ["CHOWN"])) == set(ALL_CAPABILITIES) - {"CAP_CHOWN"}
    assert read(["CHOWN"], ["all"]) == ["CAP_CHOWN"]
    assert read((), ["ALL"]) == []


def test_environment(tmp_path):
    file = tmp_path / "env"
    file.write_text("# no\n\n  A=1 \nB\nC\nD= x=y\n")
    chosen = values.read_environment([str(file)], ["B=flag", "E="], {"B": "b", "Z": "z"})
    assert chosen == {"A": "1 ", "B": "flag", "D": " x=y", "E": ""}


@pytest.mark.parametrize(
    ("reader", "text"),
    [
        (values.read_volume, "/no/such/place:/x"),
        (values.read_volume, ":/x"),
        (values.read_volume, ".hidden:/x"),
        (values.read_volume, "name:x"),
        (values.read_volume, "name:/x:z"),
        (values.read_volume, "/:/x:rwm"),
        (values.read_volume, "/:x"),
        (values.read_volume, "/:/"),
        (values.read_volume, "relative"),
        (values.read_mount, "type=volume,target=/x"),
        (values.read_mount, "type=volume,source=/path,target=/x"),
        (values.read_mount, "type=image,source=it,target=/x"),
        (values.read_mount, "target=/x"),
        (values.read_mount, "type=bind,target=/x"),
        (values.read_mount, "type=bind,source=/,target=/x,tmpfs-size=1"),
        (values.read_mount, "type=tmpfs,target=/x,tmpfs-size=lots"),
        (values.read_mount, "type=tmpfs,target=/x,tmpfs-mode=99"),
        (values.read_mount, "type=tmpfs"),
        (values.read_tmpfs, "x"),
        (values.read_tmpfs, "/x:exec"),
        (values.read_port, "80"),
        (values.read_port, "80:"),
        (values.read_port, "0:80"),
        (values.read_port, "80:65536"),
        (values.read_port, "80:99999999999999999999"),
        (values.read_port, "80-81:80-81"),
        (values.read_port, "x:80:80"),
        (values.read_port, "80:80/sctp"),
    ],
)
def test_what_is_wrong_is_told_with_an_example(reader, text):
    with pytest.raises(InvalidValueError) as caught:
        reader(text)
    assert caught.value.what.split("'")[1] in text
    assert caught.value.next_command


def test_names_and_capabilities_that_do_not_exist():
    with pytest.raises(InvalidValueError, match="--name"):
        values.read_name("--name", "../x")
    with pytest.raises(InvalidValueError, match="--cap-add"):
        values.read_capabilities(["FLY"], ())


def test_files_of_variables_that_cannot_be_read(tmp_path):
    (tmp_path / "large").write_bytes(b"A" * (1 << 21))
    (tmp_path / "latin").write_bytes(b"A=\xe4\n")
    (tmp_path / "nameless").write_bytes(b"=x\n")
    for name in ("large", "latin", "nameless", "missing", "."):
        with pytest.raises(InvalidValueError):
            values.read_environment([str(tmp_path / name)], (), {})
