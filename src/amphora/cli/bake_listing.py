"""`amphora bake --list`."""

from amphora.bake.load import Loaded
from amphora.bake.printing import listed_targets, listed_variables
from amphora.cli.output import print_json, print_table
from amphora.core.errors import InvalidValueError

#: What can be listed, and the columns of each.
_COLUMNS = {
    "targets": ("name", "description"),
    "variables": ("name", "type", "value", "description"),
}


def print_listing(loaded: Loaded, text: str, output_format: str) -> None:
    """What the files define; `text` is KIND, or type=KIND,format=json. Raises InvalidValueError."""
    kind, form = _read(text, output_format)
    if kind == "targets":
        items = listed_targets(loaded.configuration)
    else:
        items = listed_variables(loaded.variables)
    if form == "json":
        print_json(items)
        return
    columns = _COLUMNS[kind]
    headings = [kind.removesuffix("s").upper(), *(name.upper() for name in columns[1:])]
    nothing = {"value": "<null>"}
    rows = [[item.get(name, nothing.get(name, "")) for name in columns] for item in items]
    print_table(headings, rows)


def _read(text: str, output_format: str) -> tuple[str, str]:
    fields = {"type": text, "format": output_format}
    if "=" in text:
        fields |= dict(part.partition("=")[::2] for part in text.split(","))
    kind, form = fields.pop("type"), fields.pop("format")
    if kind not in _COLUMNS or form not in {"table", "json"} or fields:
        raise InvalidValueError(
            f"--list cannot be {text!r}",
            why="it is targets or variables, or type=targets,format=json",
            next_command="amphora bake --list targets",
        )
    return kind, form
