"""Functions beyond those of the cases: their limits, and what is newer than the peer."""

import pytest

from amphora.bake.hcl.functions.library import ABSENT, LIBRARY
from amphora.bake.hcl.values import HclSet, decode, encode, number


def call(name, *arguments):
    return LIBRARY[name].call(*(decode(argument) for argument in arguments))


#: All that buildx documents: https://github.com/docker/buildx/blob/master/docs/bake-stdlib.md
_DOCUMENTED = (
    *("absolute", "add", "and", "base64decode", "base64encode", "basename", "bcrypt"),
    *("byteslen", "bytesslice", "can", "ceil", "chomp", "chunklist", "cidrhost"),
    *("cidrnetmask", "cidrsubnet", "cidrsubnets", "coalesce", "coalescelist", "compact", "concat"),
    *("contains", "convert", "csvdecode", "dirname", "distinct", "divide", "element"),
    *("equal", "flatten", "floor", "format", "formatdate", "formatlist", "formattimestamp"),
    *("greaterthan", "greaterthanorequalto", "hasindex", "homedir", "indent", "index", "indexof"),
    *("int", "join", "jsondecode", "jsonencode", "keys", "length", "lessthan"),
    *("lessthanorequalto", "log", "lookup", "lower", "max", "md5", "merge"),
    *("min", "modulo", "multiply", "negate", "not", "notequal", "or"),
    *("parseint", "pow", "range", "regex", "regex_replace", "regexall", "replace"),
    *(
        "reverse",
        "reverselist",
        "rfc3339parse",
        "rsadecrypt",
        "sanitize",
        "semvercmp",
        "sethaselement",
    ),
    *(
        "setintersection",
        "setproduct",
        "setsubtract",
        "setsymmetricdifference",
        "setunion",
        "sha1",
        "sha256",
    ),
    *("sha512", "signum", "slice", "sort", "split", "strlen", "substr"),
    *("subtract", "timeadd", "timestamp", "title", "trim", "trimprefix", "trimspace"),
    *("trimsuffix", "try", "unixtimestampparse", "upper", "urlencode", "uuidv4", "uuidv5"),
    *("values", "zipmap"),
)


def test_all_functions_are_here_or_said_not_to_be():
    assert set(_DOCUMENTED) == {*LIBRARY, *ABSENT, "try", "can", "convert"}


@pytest.mark.parametrize(
    ("version", "constraint", "holds"),
    [
        ("1.2.3", ">= 1.0.0", True),
        ("2.1.0", "< 2.0.0", False),
        ("3.22", ">= 3.20", True),
        ("1.2.3", "^1.1", True),
        ("2.0.0", "^1.1", False),
        ("0.2.5", "^0.2.3", True),
        ("0.3.0", "^0.2.3", False),
        ("1.2.9", "~1.2.3", True),
        ("1.3.0", "~1.2.3", False),
        ("1.9.0", "~1", True),
        ("1.2.7", "1.2.x", True),
        ("1.3.0", "1.2.*", False),
        ("5.0.0", "*", True),
        ("1.5.0", "1.2 - 1.6", True),
        ("1.7.0", "1.2 - 1.6", False),
        ("1.0.0", "< 1 || > 2, < 3", False),
        ("2.5.0", "< 1 || > 2.1, < 3", True),
        ("1.2.3", "!= 1.2.3", False),
        ("1.2.3", "1.2.3", True),
        ("v1.2.3", "= v1.2.3", True),
        ("1.2.3-beta.2", ">= 1.2.3-beta.1", True),
        ("1.2.3-beta.10", "< 1.2.3-beta.9", False),
        ("1.2.3-alpha", ">= 1.0", False),
        ("1.2.5", "> 1.2", False),
        ("1.2.5", "<= 1.2", True),
    ],
)
def test_versions_are_compared(version, constraint, holds):
    assert call("semvercmp", encode(version), encode(constraint)) is holds


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("semvercmp", ['"not-a-version"', '">= 1"']),
        ("semvercmp", ['"1.2.3"', '"not a constraint"']),
        ("semvercmp", ['""', '">= 1"']),
        ("semvercmp", ['"1.2.3"', '""']),
        ("range", ["0", "100000"]),
        ("range", ["0", "5", "-1"]),
        ("setproduct", [encode(tuple(map(str, range(400))))] * 2),
        ("format", ['"%1000000d"', "1"]),
        ("format", ['"%d"']),
        ("format", ['"x"', "1"]),
        ("format", ['"%y"', "1"]),
        ("indent", ["100000000", '"a"']),
        ("parseint", ['"12"', "1"]),
        ("parseint", ['"9"', "8"]),
        ("parseint", ['""', "10"]),
        ("log", ["0", "10"]),
        ("cidrhost", ['"10.0.0.0/8"', "99999999"]),
        ("cidrhost", ['"10.0.0.1"', "1"]),
        ("cidrnetmask", ['"fe80::/10"']),
        ("cidrsubnet", ['"10.0.0.0/30"', "4", "0"]),
        ("cidrsubnet", ['"10.0.0.0/24"', "2", "4"]),
        ("regex", ['"("', '"a"']),
        ("regex", ['"x"', '"a"']),
        ("base64decode", ['"%"']),
        ("base64decode", ['"/w=="']),
        ("jsondecode", ['"{"']),
        ("csvdecode", ['"a,b\\n1"']),
        ("csvdecode", ['""']),
        ("formatdate", ['"YYYYY"', '"2024-05-17T10:30:00Z"']),
        ("formatdate", ['"YYYY"', '"yesterday"']),
        ("formatdate", ['"\'x"', '"2024-05-17T10:30:00Z"']),
        ("timeadd", ['"2024-05-17T10:30:00Z"', '"1 day"']),
        ("timeadd", ['"2024-05-17T10:30:00Z"', '"99999999999h"']),
        ("unixtimestampparse", ["1.2"]),
        ("unixtimestampparse", ['"0"']),
        ("unixtimestampparse", ["1e18"]),
        ("uuidv5", ['"nothing"', '"x"']),
        ("element", ["[]", "0"]),
        ("index", ["[1]", "1"]),
        ("index", ['{"a": 1}', '"b"']),
        ("indexof", ["[1]", "2"]),
        ("slice", ["[1]", "0", "2"]),
        ("zipmap", ['["a"]', "[]"]),
        ("chunklist", ["[1]", "-1"]),
        ("coalesce", ["null"]),
        ("coalescelist", ["[]"]),
        ("length", ['"abc"']),
        ("merge", ["5"]),
        ("upper", ["null"]),
        ("upper", ["[]"]),
        ("add", ['"x"', "1"]),
        ("sort", ["[[]]"]),
        ("formatlist", ['"%s%s"', "[1, 2]", "[1]"]),
    ],
)
def test_what_makes_no_sense_is_refused(name, arguments):
    with pytest.raises((ValueError, ArithmeticError)):
        call(name, *arguments)


@pytest.mark.parametrize(
    ("name", "arguments", "value"),
    [
        ("format", ['"%3d|%+d|% d|%x|%X|%o|%b|%e|%g|%[2]d"', *map(str, range(1, 10))], None),
        ("parseint", ['"Zz"', "62"], 61 * 62 + 35),
        ("title", ['"a-b c_d éa"'], "A-B C_d Éa"),
        ("formatdate", ["\"EEEE, D 'o''clock' H AA\"", '"2024-05-17T00:30:00+02:00"'], None),
        ("timeadd", ['"2024-05-17T10:30:00Z"', '"-1.5h"'], "2024-05-17T09:00:00Z"),
        ("regex", ['"(?<word>[a-z]+)"', '"12ab"'], {"word": "ab"}),
        ("regex", ['"[[a]"', '"a"'], "a"),
        ("regex_replace", ['"ab"', '"(a)(?P<x>b)"', '"${x}$1$$$9"'], "ba$"),
        ("cidrsubnets", ['"fd00::/48"', "16", "16"], ["fd00::/64", "fd00:0:0:1::/64"]),
        ("setsymmetricdifference", ["[1, 2]", "[2, 3]", "[3, 4]"], [1, 4]),
        ("dirname", ['"a"'], "."),
        ("basename", ['"/"'], "/"),
        ("formattimestamp", ["\"YYYY-MM-DD'T'hh:mm:ssZ\"", "-1"], "1969-12-31T23:59:59Z"),
        ("lookup", ['{"a": null}', '"b"', "1"], 1),
        ("range", ["3"], [0, 1, 2]),
        ("range", ["3", "0"], [3, 2, 1]),
    ],
)
def test_functions(name, arguments, value):
    expected = {
        "format": "  1|+2| 3|4|5|6|111|8.000000e+00|9|2",
        "formatdate": "Friday, 17 o'clock 12 AM",
    }
    found = call(name, *arguments)
    assert decode(encode(found)) == decode(
        encode(expected[name]) if value is None else encode(_plain(value))
    )


def _plain(value):
    if isinstance(value, dict):
        return value
    return (
        tuple(map(_plain, value))
        if isinstance(value, list)
        else (number(value) if isinstance(value, int) else value)
    )


def test_a_set_is_sorted_and_holds_everything_once():
    found = HclSet.of([number(10), "a", number(9), number(10), number(1)])
    assert found == (number(1), number(9), number(10), "a")
