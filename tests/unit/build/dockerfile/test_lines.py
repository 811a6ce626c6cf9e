import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amphora.build.dockerfile.heredoc import Heredoc, find_heredocs, read_heredoc
from amphora.build.dockerfile.lines import read_script
from amphora.core.errors import DockerfileError


def script(text):
    return read_script(textwrap.dedent(text), "Dockerfile")


def texts(text):
    return [line.source.text for line in script(text).lines]


@pytest.mark.parametrize(
    ("text", "instructions"),
    [
        ("", []),
        ("\n\n  \n", []),
        ("# only a comment", []),
        ("RUN a", ["RUN a"]),
        ("RUN a\n", ["RUN a"]),
        ("RUN a\nRUN b", ["RUN a", "RUN b"]),
        ("RUN a\r\nRUN b\r\n", ["RUN a", "RUN b"]),
        ("  RUN a", ["RUN a"]),
        ("\ufeffRUN a", ["RUN a"]),
        ("RUN a \\\n b", ["RUN a  b"]),
        ("RUN a \\\r\n b\r\n", ["RUN a  b"]),
        ("RUN a \\  \t\n b", ["RUN a  b"]),
        ("RUN a\\\nb", ["RUN ab"]),
        ("RUN a \\\n", ["RUN a "]),
        ("RUN a \\", ["RUN a "]),
        ("RUN a \\\\\nRUN b", ["RUN a \\\\", "RUN b"]),
        ("RUN a \\\n# comment\n b", ["RUN a  b"]),
        ("RUN a \\\n   # comment \\\n b", ["RUN a  b"]),
        ("RUN a \\\n# one\n# two\n b \\\n c", ["RUN a  b  c"]),
        ("RUN a # not a comment", ["RUN a # not a comment"]),
        ("RUN a \\\n\n b", ["RUN a  b"]),
        ("\\\nRUN a", ["RUN a"]),
        ("RUN a `\n", ["RUN a `"]),
        ("# escape=`\nRUN a `\n b\\\nRUN c", ["RUN a  b\\", "RUN c"]),
        ("RUN a\x0b\x0c", ["RUN a\x0b\x0c"]),
        ("RUN a\u2028b", ["RUN a\u2028b"]),
        ("RUN a\x85RUN b", ["RUN a\x85RUN b"]),
    ],
)
def test_rows_become_instructions(text, instructions):
    assert texts(text) == instructions


@pytest.mark.parametrize(
    ("text", "directives"),
    [
        ("# syntax=docker/dockerfile:1", {"syntax": "docker/dockerfile:1"}),
        ("#syntax = docker/dockerfile:1  \n", {"syntax": "docker/dockerfile:1"}),
        ("  # SYNTAX=x", {"syntax": "x"}),
        ("\ufeff# syntax=x", {"syntax": "x"}),
        ("# escape=`\n# syntax=x\r\n# check=y=z", {"escape": "`", "syntax": "x", "check": "y=z"}),
        ("\n# escape=`", {}),
        ("# comment\n# escape=`", {}),
        ("# unknown=1\n# escape=`", {}),
        ("FROM a\n# escape=`", {}),
        ("# syntax x", {}),
        ("# syntax=", {}),
        ("# escape=\\", {"escape": "\\"}),
    ],
)  # fmt: skip
def test_parser_directives_stand_first(text, directives):
    assert script(text).directives == directives


def test_line_numbers_cover_continuations_and_heredocs():
    read = script(
        """\
        # one

        RUN a \\
          # two

          b
        COPY <<A <<B /x/
        1
        A
        2
        B
        RUN c
        """
    )
    assert [(line.source.start, line.source.end) for line in read.lines] == [
        (3, 6),
        (7, 11),
        (12, 12),
    ]
    assert [heredoc.content for heredoc in read.lines[1].heredocs] == ["1\n", "2\n"]
    assert [(notice.rule, notice.line) for notice in read.notices] == [("NoEmptyContinuation", 5)]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("<<EOF", Heredoc("EOF")),
        ("<<-EOF", Heredoc("EOF", chomp=True)),
        ("3<<EOF", Heredoc("EOF", descriptor=3)),
        ("<<'EOF'", Heredoc("EOF", expand=False)),
        ('<<"EOF"', Heredoc("EOF", expand=False)),
        ('<<-"EOF"', Heredoc("EOF", expand=False, chomp=True)),
        ("<<E'O'F", Heredoc("EOF", expand=False)),
        ("<<'end of file'", Heredoc("end of file", expand=False)),
        ("<< EOF", Heredoc("EOF")),
        ("<<file.txt", Heredoc("file.txt")),
        ("<<$EOF", Heredoc("$EOF")),
        ("<<\\$EOF", Heredoc("$EOF")),
        ("<<", None),
        ("<<-", None),
        ("<<<EOF", None),
        ("<EOF", None),
        ("<<a<b", None),
        ("a<<EOF", None),
        ("<<a b", None),
        ("EOF", None),
    ],
)
def test_what_opens_a_heredoc(word, expected):
    assert read_heredoc(word) == expected


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("RUN cat <<EOF", ["EOF"]),
        ("RUN cat <<A <<B", ["A", "B"]),
        ("RUN cat << EOF > /x", ["EOF"]),
        ("RUN echo '<<EOF'", []),
        ('RUN echo "<<EOF"', []),
        ("RUN echo \\<<EOF", []),
        ("RUN echo $((1 << 2))", ["2))"]),
        ("RUN cat <<<word", []),
        ("RUN cat <<EOF 'open", []),
        ("COPY --chown=a <<A b /", ["A"]),
    ],
)
def test_heredocs_in_a_line(line, names):
    assert [heredoc.name for heredoc in find_heredocs(line)] == names


@pytest.mark.parametrize(
    ("text", "contents"),
    [
        ("RUN <<E\na\n b\nE\n", ["a\n b\n"]),
        ("RUN <<E\nE", [""]),
        ("RUN <<E\r\na\r\nE\r\n", ["a\r\n"]),
        ("RUN <<-E\n\ta\n\tE\n", ["\ta\n"]),
        ("RUN <<E\n\tE\nE\n", ["\tE\n"]),
        ("RUN <<E\n# kept\n\\\n\nE\n", ["# kept\n\\\n\n"]),
        ("RUN \\\n <<E\na\nE\n", ["a\n"]),
        ("ONBUILD RUN <<E\na\nE\n", ["a\n"]),
        ("onbuild copy <<E /x\na\nE\n", ["a\n"]),
        ("ADD <<E /x\na\nE\n", ["a\n"]),
        ('RUN ["<<E"]', []),
        ('RUN [1, "<<E"]', []),
        ("CMD <<E\n", []),
        ("ENV A=<<E\n", []),
    ],
)
def test_which_instructions_take_heredocs(text, contents):
    (line,) = read_script(text, "Dockerfile").lines
    assert [heredoc.content for heredoc in line.heredocs] == contents


def test_chomp_takes_leading_tabs_from_every_line():
    assert Heredoc("E", "\t\ta\n\t b\nc\t\n", chomp=True).body == "a\n b\nc\t\n"
    assert Heredoc("E", "\ta\n").body == "\ta\n"


@pytest.mark.parametrize(
    ("text", "excerpt"),
    [
        (
            "# escape=x\nFROM a",
            "Dockerfile:1\n   1 | # escape=x\n     | ^^^^^^^^^^",
        ),
        (
            "# escape=`\n  # Escape=`",
            "Dockerfile:2\n   2 |   # Escape=`\n     |   ^^^^^^^^^^",
        ),
        ("FROM a\n\\\n", "Dockerfile:2\n   2 | \\\n     | ^"),
        ("FROM a\n\\\n\\", "Dockerfile:3\n   3 | \\\n     | ^"),
        (
            "RUN a \\\n\tb <<EOF\ntext\n",
            "Dockerfile:2\n   2 | \tb <<EOF\n     | \t  ^^",
        ),
    ],
)
def test_errors_point_at_the_place(text, excerpt):
    with pytest.raises(DockerfileError) as caught:
        read_script(text, "Dockerfile")
    assert caught.value.excerpt == excerpt


def test_a_long_directive_is_looked_at_once():
    """Each blank once: with every way to divide them this would take minutes."""
    blanks = " " * 500_000
    read = read_script(f"# syntax{blanks}={blanks}a{blanks}b{blanks}\nFROM a\n", "Dockerfile")
    assert read.directives == {"syntax": f"a{blanks}b"}


ROWS = st.lists(
    st.sampled_from(["RUN a", "RUN <<E", "E", "#", "# escape=`", "\\", " \\", "`", "", "\t"])
    | st.text(max_size=10),
    max_size=8,
)


@given(ROWS)
def test_every_piece_stands_in_the_file_as_it_says(rows):
    text = "\n".join(rows)
    try:
        read = read_script(text, "Dockerfile")
    except DockerfileError:
        return
    physical = text.removeprefix("\ufeff").split("\n")
    for line in read.lines:
        for piece in line.source.pieces:
            assert physical[piece.line - 1].rstrip("\r") == piece.content.rstrip("\r")
        assert line.source.start <= line.source.end <= len(physical)
