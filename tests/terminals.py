"""A terminal to run the program on, as a person does."""

import fcntl
import os
import pty
import re
import select
import struct
import termios

#: Seconds that a program may write nothing while something is waited for.
_PATIENCE = 60


class Terminal:
    """A program on a terminal of its own, and everything it wrote there."""

    def __init__(self, amphora, *arguments):
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            environment = {**amphora.environ(), "TERM": "xterm", "COLUMNS": "120", "LINES": "30"}
            os.execve(amphora.command()[0], amphora.command(*arguments), environment)
        self.seen = b""

    def read_until(self, pattern):
        while not re.search(pattern, self.seen):
            assert self._read(), self.seen.decode()

    def type(self, keys):
        os.write(self._master, keys)

    def resize(self, rows, columns):
        """As a person does with a window; the kernel tells who is in the foreground."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def attributes(self):
        """How it treats what is typed; see termios(3)."""
        return termios.tcgetattr(self._master)

    def hang_up(self):
        os.close(self._master)

    def end(self):
        """Its exit status, when it has written all it wants."""
        while self._read():
            pass
        os.close(self._master)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def _read(self):
        assert select.select([self._master], [], [], _PATIENCE)[0], self.seen.decode()
        try:
            chunk = os.read(self._master, 65536)
        except OSError:  # EIO: nobody has the terminal open any more
            return b""
        self.seen += chunk
        return chunk

    def screen(self):
        """What a person sees at the end: rows, with the cursor's moves carried out."""
        rows, row, column = [""], 0, 0
        for token in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", self.seen.decode()):
            if token == "\r":
                column = 0
            elif token == "\n":
                row += 1
                rows += [""] * (row + 1 - len(rows))
            elif token.startswith("\x1b"):
                count = int(re.sub(r"\D", "", token) or 1)
                if token[-1] == "A":
                    row = max(0, row - count)
                elif token[-1] == "K":
                    rows[row] = "" if count == 2 else rows[row][:column]
            else:
                rows[row] = (
                    rows[row][:column].ljust(column) + token + rows[row][column + len(token) :]
                )
                column += len(token)
        return [line.rstrip() for line in rows]
