"""Functions of times.

https://pkg.go.dev/github.com/zclconf/go-cty/cty/function/stdlib#FormatDateFunc
"""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from amphora.bake.hcl.functions.function import GIVEN, TEXT, Function, Functions
from amphora.bake.hcl.values import Value, mismatch, number, to_integer

_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_TOKEN = re.compile(r"'(?P<quoted>(?:[^']|'')*)'|(?P<letters>([a-zA-Z])\3*)|(?P<other>[^a-zA-Z']+)")
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_SECONDS = {
    "ns": Decimal("1e-9"),
    "us": Decimal("1e-6"),
    "µs": Decimal("1e-6"),
    "ms": Decimal("1e-3"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
}
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def _read(text: str) -> datetime:
    if not _RFC3339.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is no time such as 2024-05-17T10:30:00Z")
    return datetime.fromisoformat(text.upper())


def _written(time: datetime) -> str:
    return time.replace(microsecond=0).isoformat().replace("+00:00", "Z")


def _of_unix(seconds: int) -> datetime:
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    except OverflowError as error:
        raise ValueError("this time is too far away") from error


def _fields(time: datetime) -> dict[str, str]:
    """What each sequence of letters stands for."""
    zone = time.strftime("%z")
    colon = f"{zone[:3]}:{zone[3:5]}"
    month, day, twelve = _MONTHS[time.month - 1], _DAYS[time.weekday()], time.hour % 12 or 12
    half = "AM" if time.hour < 12 else "PM"
    return {
        "YYYY": f"{time.year:04}",
        "YY": f"{time.year % 100:02}",
        "MMMM": month,
        "MMM": month[:3],
        "MM": f"{time.month:02}",
        "M": str(time.month),
        "DD": f"{time.day:02}",
        "D": str(time.day),
        "EEEE": day,
        "EEE": day[:3],
        "hh": f"{time.hour:02}",
        "h": str(time.hour),
        "HH": f"{twelve:02}",
        "H": str(twelve),
        "AA": half,
        "aa": half.lower(),
        "mm": f"{time.minute:02}",
        "m": str(time.minute),
        "ss": f"{time.second:02}",
        "s": str(time.second),
        "ZZZZZ": colon,
        "ZZZZ": zone[:5],
        "ZZZ": "UTC" if zone[:5] == "+0000" else zone[:5],
        "Z": "Z" if zone[:5] == "+0000" else colon,
    }


def _formatted(form: str, time: datetime) -> str:
    fields = _fields(time)
    found, at = [], 0
    while at < len(form):
        token = _TOKEN.match(form, at)
        if token is None:
            raise ValueError("a quote in the format is not closed")
        if token["quoted"] is not None:
            found.append(token["quoted"].replace("''", "'"))
        elif token["other"] is not None:
            found.append(token["other"])
        elif token["letters"] in fields:
            found.append(fields[token["letters"]])
        else:
            raise ValueError(
                f"{token['letters'][:20]!r} means nothing in a format; quote it with '"
            )
        at = token.end()
    return "".join(found)


def _format_date(form: str, text: str) -> Value:
    return _formatted(form, _read(text))


def _format_timestamp(form: str, time: Value) -> Value:
    """Of a text as RFC 3339 has it, or of seconds since 1970; `X` gives such seconds."""
    moment = _read(time) if isinstance(time, str) else _of_unix(to_integer(time))
    return str(int(moment.timestamp())) if form == "X" else _formatted(form, moment)


def _add(text: str, duration: str) -> Value:
    sign, rest = (-1, duration[1:]) if duration.startswith("-") else (1, duration.lstrip("+"))
    if rest != "0" and not re.fullmatch(f"(?:{_DURATION.pattern})+", rest):
        raise ValueError(f"{duration[:40]!r} is no duration such as 1h30m")
    total = sum(Decimal(count) * _SECONDS[unit] for count, unit in _DURATION.findall(rest))
    try:
        return _written(_read(text) + timedelta(seconds=float(sign * total)))
    except OverflowError as error:
        raise ValueError("this time is too far away") from error


def _parts(time: datetime) -> Value:
    year, week, _ = time.isocalendar()
    numbers = {
        "year": time.year,
        "year_day": time.timetuple().tm_yday,
        "day": time.day,
        "month": time.month,
        "weekday": time.isoweekday() % 7,
        "hour": time.hour,
        "minute": time.minute,
        "second": time.second,
        "unix": int(time.timestamp()),
        "iso_year": year,
        "iso_week": week,
    }
    texts = {
        "month_name": _MONTHS[time.month - 1],
        "weekday_name": _DAYS[time.weekday()],
        "rfc3339": _written(time),
    }
    return {**{name: number(value) for name, value in numbers.items()}, **texts}


def _parse_unix(seconds: Value) -> Value:
    if isinstance(seconds, str):
        raise mismatch(seconds, "a number")
    return _parts(_of_unix(to_integer(seconds)))


TIMES: Functions = {
    "formatdate": Function(_format_date, (TEXT, TEXT)),
    "formattimestamp": Function(_format_timestamp, (TEXT, GIVEN)),
    "rfc3339parse": Function(lambda text: _parts(_read(text)), (TEXT,)),
    "timeadd": Function(_add, (TEXT, TEXT)),
    "timestamp": Function(lambda: _written(datetime.now(UTC))),
    "unixtimestampparse": Function(_parse_unix, (GIVEN,)),
}
