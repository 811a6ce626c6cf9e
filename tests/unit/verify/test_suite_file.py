"""Files of tests: container-structure-test's, ours, and wrong ones."""

import os

import pytest

from amphora.core.errors import InvalidValueError
from amphora.verify.suite_file import find_suites, parse_suite

VERSION = "schemaVersion: 2.0.0\n"

#: Everything that container-structure-test's documentation tells of and that means the same here.
WHOLE = """
schemaVersion: '2.0.0'
globalEnvVars:
  - key: "VIRTUAL_ENV"
    value: "/env"
  - key: "PATH"
    value: "/env/bin:$PATH"
containerRunOptions:
  user: "root"
commandTests:
  - name: "a server is there"
    setup: [["make-env", "/env"], ["install", "server"]]
    command: "which"
    args: ["server"]
    envVars:
      - key: LANG
        value: C
    expectedOutput: ["/env/bin/server"]
    excludedOutput: ["none"]
    expectedError: ["^$"]
    excludedError: ["E:.*"]
    teardown: [["rm", "-r", "/env"]]
    exitCode: 0
fileExistenceTests:
- name: 'Root'
  path: '/'
  shouldExist: true
  permissions: '-rw-r--r--'
  uid: 1000
  gid: 1000
  isExecutableBy: 'group'
fileContentTests:
- name: 'sources'
  path: '/etc/apt/sources.list'
  expectedContents: ['.*debian\\.org.*']
  excludedContents: ['.*mirror.*']
metadataTest:
  envVars:
    - key: foo
      value: baz
  unboundEnvVars:
    - key: bar
  labels:
    - key: 'com.example.vendor'
      value: 'ACME Incorporated'
    - key: 'build-date'
      value: '^\\d{4}-\\d{2}-\\d{2}$'
      isRegex: true
  exposedPorts: ["8080", 2345]
  unexposedPorts: ["22"]
  volumes: ["/test"]
  unmountedVolumes: ["/tmp"]
  entrypoint: []
  cmd: ["/bin/bash"]
  workdir: "/app"
  user: "luke"
portTests:
- name: it answers
  ports: [8080, 53/udp]
- name: so does another command
  command: httpd
  args: [-f]
  envVars: [{key: A, value: b}]
  ports: ["80/tcp"]
"""


def test_everything_is_read():
    suite = parse_suite(WHOLE, "x.yaml")
    assert suite.environment == {"VIRTUAL_ENV": "/env", "PATH": "/env/bin:$PATH"}
    assert (suite.source, suite.user, suite.runs_something) == ("x.yaml", "root", True)
    (command,) = suite.commands
    assert command.command == ("which", "server")
    assert command.setup == (("make-env", "/env"), ("install", "server"))
    assert command.teardown == (("rm", "-r", "/env"),)
    assert command.environment == {"LANG": "C"}
    assert [each.pattern for each in command.output.expected] == ["/env/bin/server"]
    assert [each.pattern for each in command.errors.excluded] == ["E:.*"]
    (file,) = suite.files
    assert (file.permissions, file.uid, file.gid) == ("-rw-r--r--", 1000, 1000)
    assert file.executable_by == "group"
    (content,) = suite.contents
    assert content.content.expected[0].pattern == r".*debian\.org.*"
    metadata = suite.metadata
    assert [each.key for each in metadata.environment] == ["foo"]
    assert metadata.unset == ("bar",)
    assert metadata.labels[0].value == "ACME Incorporated"
    assert metadata.labels[1].value.search("2020-02-02")
    assert metadata.ports == ("8080", "2345")
    assert (metadata.entrypoint, metadata.cmd) == ((), ("/bin/bash",))
    first, second = suite.ports
    assert (first.ports, first.command) == (("8080/tcp", "53/udp"), ())
    assert (second.command, second.environment) == (("httpd", "-f"), {"A": "b"})


def test_what_is_left_out_does_not_matter():
    suite = parse_suite(VERSION + "fileExistenceTests: [{name: a, path: /a}]", "x")
    assert suite.files[0].should_exist is True
    assert (suite.metadata, suite.runs_something) == (None, False)


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("commandTests: []", 1, "the version of the schema is needed"),
        ("schemaVersion: 1.0.0", 1, "the version of the schema is needed"),
        (VERSION + "commandTest: []", 2, "'commandTest' is not known here"),
        (VERSION + "licenseTests:\n- debian: true", 3, "licenseTests is not done here"),
        (VERSION + "containerRunOptions:\n  privileged: true", 3, "privileged is not done here"),
        (VERSION + "containerRunOptions:\n  bindMounts: [/:/x]", 3, "bindMounts is not done here"),
        (VERSION + "commandTests:\n- name: a\n  cmd: x", 4, "'cmd' is not known here"),
        (VERSION + "commandTests:\n- name: a", 3, "it has no command"),
        (VERSION + "commandTests:\n- command: a", 3, "it has no name"),
        (VERSION + "commandTests:\n- {name: a, command: b, exitCode: x}", 3, "a number"),
        (VERSION + "commandTests:\n- {name: a, command: b, setup: [[]]}", 3, "without a word"),
        (VERSION + "commandTests:\n- {name: a, command: b, setup: [c]}", 3, "a list is expected"),
        (VERSION + "commandTests:\n- name: a\n  command: b\n  expectedOutput: ['(']", 5, "wrong"),
        (VERSION + "fileExistenceTests:\n- {name: a, path: /a, isExecutableBy: me}", 3, "owner"),
        (VERSION + "fileContentTests:\n- {name: a}", 3, "it has no path"),
        (VERSION + "portTests:\n- {name: a}", 3, "it names no ports"),
        (VERSION + "portTests:\n- {name: a, ports: [0]}", 3, "'0' is no port"),
        (VERSION + "portTests:\n- {name: a, ports: [80/sctp]}", 3, "no port"),
        (VERSION + "portTests:\n- {name: a, args: [x], ports: [80]}", 3, "of no command"),
        (VERSION + "metadataTest:\n  labels: [{value: x}]", 3, "it has no key"),
    ],
)
def test_mistakes_are_told_with_their_line(text, line, why):
    with pytest.raises(InvalidValueError) as caught:
        parse_suite(text, "x.yaml")
    assert caught.value.what == f"line {line} of x.yaml cannot be read"
    assert why in caught.value.why


def test_files_are_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_suites(None) == ()
    (tmp_path / "amphora-test.yaml").write_text(VERSION)
    assert [suite.source for suite in find_suites(None)] == ["amphora-test.yaml"]
    directory = tmp_path / "tests"
    directory.mkdir()
    with pytest.raises(InvalidValueError, match="there are no tests"):
        find_suites(directory)
    for name in ("b.yml", "a.yaml", "c.json", "notes.txt"):
        (directory / name).write_text('{"schemaVersion": "2.0.0"}')
    found = [suite.source.rpartition("/")[2] for suite in find_suites(directory)]
    assert found == ["a.yaml", "b.yml", "c.json"]
    assert [suite.source for suite in find_suites(directory / "notes.txt")] == [
        str(directory / "notes.txt")
    ]
    with pytest.raises(InvalidValueError, match="not there, or no file"):
        find_suites(tmp_path / "none")
    (tmp_path / "amphora-test.yaml").unlink()
    os.mkfifo(tmp_path / "amphora-test.yaml")
    assert find_suites(None) == ()
    with pytest.raises(InvalidValueError, match="not there, or no file"):
        find_suites(tmp_path / "amphora-test.yaml")
