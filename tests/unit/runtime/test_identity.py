"""`USER` as docker reads it, from files that an image may have filled with anything."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amphora.core.errors import InvalidValueError
from amphora.runtime.identity import resolve_user
from amphora.runtime.spec import User

PASSWD = """
root:x:0:0:root:/root:/bin/sh
mail:x:8:12:mail:/var/mail:/bin/sh
1000:x:77:77:a number for a name:/home/number:/bin/sh
homeless:x:9:9:::
# comment
short:x:1:1
letters:x:one:1:::
superscript:x:\u00b2:1:::
huge:x:99999999999:1:::
nogroup:x:5:group:::
"""
GROUP = """
root:x:0:
mail:x:12:
staff:x:50:mail,homeless
audio:x:29:root,mail
broken:x:1
letters:x:one:mail
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    (root / "etc").mkdir()
    (root / "etc/passwd").write_text(PASSWD)
    (root / "etc/group").write_text(GROUP)
    return root


@pytest.mark.parametrize(
    ("text", "user"),
    [
        ("", User(0, 0, (29,), "/root")),
        ("root", User(0, 0, (29,), "/root")),
        ("0", User(0, 0, (29,), "/root")),
        ("mail", User(8, 12, (50, 29), "/var/mail")),
        ("8", User(8, 12, (50, 29), "/var/mail")),
        ("mail:", User(8, 12, (50, 29), "/var/mail")),
        ("mail:staff", User(8, 50, (), "/var/mail")),
        ("mail:999", User(8, 999, (), "/var/mail")),
        (":staff", User(0, 50, (), "/root")),
        ("1000", User(77, 77, (), "/home/number")),
        ("homeless", User(9, 9, (50,), "/")),
        ("4321", User(4321, 0, (), "/")),
        ("4321:mail", User(4321, 12, (), "/")),
        ("2147483647", User(2147483647, 0, (), "/")),
    ],
)
def test_names_come_from_the_images_files_and_numbers_stand(root, text, user):
    assert resolve_user(root, text) == user


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("nobody", "user 'nobody'"),
        ("mail:nobody", "group 'nobody'"),
        ("-1", "user '-1'"),
        ("2147483648", "user '2147483648'"),
        ("9" * 5000, "user '999"),
        ("\u00b2", "user"),
        ("mail:staff:more", "group 'staff:more'"),
        *(
            (name, f"user '{name}'")
            for name in ("short", "letters", "superscript", "huge", "nogroup")
        ),
        ("mail:broken", "group 'broken'"),
        ("mail:letters", "group 'letters'"),
    ],
)
def test_an_unknown_name_is_refused(root, text, what):
    with pytest.raises(InvalidValueError) as caught:
        resolve_user(root, text)
    assert caught.value.what.startswith(f"the image has no {what}")


def test_without_files_numbers_are_all_there_is(tmp_path):
    assert resolve_user(tmp_path, "") == User(0, 0, (), "/")
    assert resolve_user(tmp_path, "5:6") == User(5, 6)
    with pytest.raises(InvalidValueError, match="does not name it"):
        resolve_user(tmp_path, "root")


def test_files_are_the_images_even_through_links(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").symlink_to("/etc/passwd")  # In the image that is a circle.
    os.mkfifo(tmp_path / "etc/group")
    assert resolve_user(tmp_path, "0") == User()
    with pytest.raises(InvalidValueError):
        resolve_user(tmp_path, "root")


LINES = st.text(alphabet="ab:,01\u00b2-", max_size=20)


@given(passwd=st.lists(LINES), group=st.lists(LINES), text=st.text(alphabet="ab:01", max_size=4))
def test_any_files_give_a_user_or_a_refusal(tmp_path_factory, passwd, group, text):
    root = tmp_path_factory.mktemp("root")
    (root / "etc").mkdir()
    (root / "etc/passwd").write_text("\n".join(passwd))
    (root / "etc/group").write_text("\n".join(group))
    try:
        user = resolve_user(root, text)
    except InvalidValueError:
        return
    assert 0 <= user.uid < 2**31
    assert 0 <= user.gid < 2**31
