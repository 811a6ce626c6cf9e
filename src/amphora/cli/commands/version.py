"""`amphora version`."""

import click

import amphora
from amphora.cli.options import format_option
from amphora.cli.output import print_json, print_table
from amphora.core.platform import Platform


@click.command("version")
@format_option
def command(output_format: str) -> None:
    """Show the version of Amphora and of what it runs."""
    from amphora.emulation.emulators import find_emulator
    from amphora.emulation.formats import FORMATS
    from amphora.system.process import tool_version

    host = Platform.host()
    emulators = {
        architecture: emulator.name
        for architecture, elf_format in FORMATS.items()
        if architecture != host.architecture and (emulator := find_emulator(elf_format))
    }
    tools = {name: tool_version(name) for name in ("crun", "mmdebstrap", "pasta")}
    if output_format == "json":
        print_json(
            {
                "version": amphora.__version__,
                "host": str(host),
                "tools": tools,
                "emulators": emulators,
            }
        )
        return
    rows = [("amphora", amphora.__version__), ("host", host)]
    rows += [(name, version or "not installed") for name, version in tools.items()]
    rows += [(f"linux/{name}", emulator) for name, emulator in emulators.items()]
    print_table(("COMPONENT", "VERSION"), rows)
