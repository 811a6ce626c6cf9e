"""Settings: flag over environment over file over default, and what is refused."""

from dataclasses import fields
from pathlib import PurePath

import pytest

from amphora.core.errors import InvalidValueError
from amphora.core.settings import TABLE, Settings

#: For each setting: texts for flag, environment and file, and what they are read as.
VALUES = {
    "store": [(f"/{source}", PurePath(f"/{source}")) for source in ("flag", "env", "file")],
    "builder": [(source, source) for source in ("flag", "env", "file")],
    "builder_directory": [
        (f"/{source}", PurePath(f"/{source}")) for source in ("flag", "env", "file")
    ],
    "registry_store": [
        (f"/{source}", PurePath(f"/{source}")) for source in ("flag", "env", "file")
    ],
    "jobs": [("1", 1), ("2", 2), ("3", 3)],
    "mirror": [(f"http://{source}", f"http://{source}") for source in ("flag", "env", "file")],
    "insecure_registries": [("a:1, b:2,", ("a:1", "b:2")), ("c", ("c",)), ("d", ("d",))],
}

BOTH = {"AMPHORA_STORE": "/s", "AMPHORA_BUILDER": "other"}


def resolve(*, flags=None, environment=None, file=None, uid=1000):
    return Settings.resolve(
        flags=flags or {}, environment=environment or {}, file=file or {}, uid=uid
    )


def test_the_table_has_one_row_a_field():
    assert [row.key for row in TABLE] == [field.name for field in fields(Settings)]
    assert len({row.variable for row in TABLE}) == len(TABLE)
    assert sorted(VALUES) == sorted(row.key for row in TABLE)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.key)
def test_the_first_source_found_wins(row):
    (flag, read_flag), (variable, read_variable), (value, read_value) = VALUES[row.key]
    sources = {
        "flags": {row.key: flag},
        "environment": {row.variable: variable},
        "file": {row.key: value},
    }
    assert getattr(resolve(**sources), row.key) == read_flag
    sources["flags"] = {row.key: None}
    assert getattr(resolve(**sources), row.key) == read_variable
    sources["environment"] = {row.variable: ""}
    assert getattr(resolve(**sources), row.key) == read_value
    assert getattr(resolve(), row.key) == row.default({}, 1000)


def test_names_of_flags_and_variables_follow_from_the_key():
    row = next(row for row in TABLE if row.key == "registry_store")
    assert (row.flag, row.variable) == ("--registry-store", "AMPHORA_REGISTRY_STORE")


@pytest.mark.parametrize(
    ("environment", "uid", "store"),
    [
        ({"HOME": "/root"}, 0, "/var/lib/amphora/store"),
        ({"HOME": "/home/me"}, 1000, "/home/me/.local/share/amphora/store"),
        ({"HOME": "/home/me", "XDG_DATA_HOME": "/data"}, 1000, "/data/amphora/store"),
        ({"HOME": "/h", "XDG_DATA_HOME": "data"}, 1000, "/h/.local/share/amphora/store"),
        ({"HOME": "/h", "XDG_DATA_HOME": ""}, 1000, "/h/.local/share/amphora/store"),
        ({}, 1000, "/.local/share/amphora/store"),
    ],
)
def test_data_lives_where_the_user_keeps_data(environment, uid, store):
    assert resolve(environment=environment, uid=uid).store == PurePath(store)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "two", "True", "٣", "1_000", "9" * 5000])
def test_jobs_is_a_whole_number_from_one_on(text):
    with pytest.raises(InvalidValueError) as caught:
        resolve(flags={"jobs": text})
    assert caught.value.why == "it must be a whole number, at least 1"


@pytest.mark.parametrize("key", ["store", "registry_store"])
def test_directories_are_absolute(key):
    with pytest.raises(InvalidValueError, match="absolute path"):
        resolve(environment={f"AMPHORA_{key.upper()}": "here"})


def test_the_source_of_a_bad_value_is_named():
    for sources, name in (
        ({"flags": {"jobs": "x"}}, "--jobs"),
        ({"environment": {"AMPHORA_JOBS": "x"}}, "AMPHORA_JOBS"),
        ({"file": {"jobs": "x"}}, "the configuration file's 'jobs'"),
    ):
        with pytest.raises(InvalidValueError) as caught:
            resolve(**sources)
        assert caught.value.what.startswith(name)


def test_values_of_a_file_have_types_of_their_own():
    settings = resolve(file={"jobs": 3, "insecure_registries": ["a:1", "b:2"]})
    assert (settings.jobs, settings.insecure_registries) == (3, ("a:1", "b:2"))
    with pytest.raises(InvalidValueError):
        resolve(file={"jobs": True})


def test_an_unknown_key_of_the_file_is_refused():
    with pytest.raises(InvalidValueError, match="unknown key 'sotre'") as caught:
        resolve(file={"sotre": "/a"})
    assert "registry_store" in caught.value.why


@pytest.mark.parametrize(
    ("sources", "builder"),
    [
        ({"flags": {"store": "/s"}, "environment": {"AMPHORA_BUILDER": "b"}}, "default"),
        ({"flags": {"builder": "b"}, "environment": {"AMPHORA_STORE": "/s"}}, "b"),
        ({"environment": {"AMPHORA_STORE": "/s"}, "file": {"builder": "b"}}, "default"),
        ({"environment": {"AMPHORA_STORE": ""}, "file": {"builder": "b"}}, "b"),
        ({"environment": {"AMPHORA_BUILDER": "b"}, "file": {"store": "/s"}}, "b"),
        ({"file": {"builder": "b", "store": "/s"}}, "b"),
        ({"file": {"store": "/s"}}, ""),
        ({"flags": {"builder": "b"}, "environment": BOTH}, "b"),
    ],
)
def test_a_store_that_is_named_more_closely_is_that_of_no_other_builder(sources, builder):
    assert resolve(**sources).builder == builder


@pytest.mark.parametrize(
    "sources",
    [
        {"flags": {"store": "/s", "builder": "b"}},
        {"environment": BOTH},
    ],
)
def test_a_store_and_a_builder_are_not_named_together(sources):
    with pytest.raises(InvalidValueError, match="cannot both be given"):
        resolve(**sources)


@pytest.mark.parametrize("name", [".hidden", "-x", "a/b", "", "x" * 64, "é", "a b", "a\n"])
def test_names_of_builders(name):
    with pytest.raises(InvalidValueError, match="--builder cannot be"):
        resolve(flags={"builder": name})
