"""--chmod, as chmod(1) itself does it."""

import subprocess

import pytest

from amphora.build.modes import SymbolicMode, parse_mode

SYMBOLIC = [
    "u=rwX,go=rX", "+x", "-w", "=r", "a+X", "u+s,g+s", "+t", "o=u", "g-u", "ug=o", "u=", "go-rwx",
    "u+rw-x", "a=rwx,o-w", "u=g,g=u", "+w", "u+st", "o+s", "g+t", "=rwx", "a=u",
]  # fmt: skip


@pytest.mark.parametrize("text", SYMBOLIC)
@pytest.mark.parametrize("mode", [0o000, 0o644, 0o755, 0o640, 0o4711, 0o111, 0o777])
@pytest.mark.parametrize("is_directory", [False, True])
def test_it_means_what_it_means_to_chmod(tmp_path, text, mode, is_directory):
    if is_directory:
        mode &= 0o777  # chmod(1) goes its own way: it keeps the other bits of directories
    path = tmp_path / "it"
    path.mkdir() if is_directory else path.touch()
    path.chmod(mode)
    subprocess.run(
        ["sh", "-c", 'umask 022; chmod -- "$1" "$2"', "sh", text, path],
        check=False,
        stderr=subprocess.DEVNULL,
    )
    wanted = parse_mode(text)
    assert isinstance(wanted, SymbolicMode)
    assert oct(wanted.applied_to(mode, is_directory=is_directory)) == oct(
        path.stat().st_mode & 0o7777
    )


@pytest.mark.parametrize(
    ("text", "mode"), [("755", 0o755), ("0644", 0o644), ("07777", 0o7777), ("0", 0)]
)
def test_octal(text, mode):
    assert parse_mode(text) == mode


@pytest.mark.parametrize(
    "text", ["", "8", "77777", "-1", "0o755", "rwx", "u+y", "u=rw,", "z+x", "u", "+x "]
)
def test_what_is_no_mode(text):
    with pytest.raises(ValueError, match="octal mode"):
        parse_mode(text)
