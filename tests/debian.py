"""Debian's packages of several CPUs, unpacked for images that tests are made with."""

import subprocess


def unpack(directory, ports, packages, *more):
    """The packages, and what they need, for each port in a directory of its name; nothing is run.

    `more` are further arguments of mmdebstrap.
    """
    extract = ("mmdebstrap", "--quiet", "--mode=root", "--variant=extract", "--format=directory")
    running = [
        subprocess.Popen(
            [
                *(*extract, f"--architectures={port}", f"--include={packages}", "trixie"),
                *(str(directory / port), *more),
            ]
        )
        for port in ports
    ]
    assert [process.wait() for process in running] == [0] * len(running)
