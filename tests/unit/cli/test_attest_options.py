"""--provenance, --sbom and --attest, as values."""

import pytest

from amphora.build.attest.options import AttestOptions, ProvenanceOptions, SbomOptions
from amphora.cli.attest_options import read_attestations
from amphora.core.errors import InvalidValueError

SBOM = SbomOptions()
MIN, MAX = ProvenanceOptions(), ProvenanceOptions(complete=True)


def read(*attestations, provenance=None, sbom=None):
    return read_attestations(attestations=attestations, provenance=provenance, sbom=sbom)


@pytest.mark.parametrize(
    ("arguments", "flags", "expected"),
    [
        ((), {}, AttestOptions()),
        ((), {"provenance": "true"}, AttestOptions(MIN)),
        ((), {"provenance": "1", "sbom": "TRUE"}, AttestOptions(MIN, sbom=SBOM)),
        ((), {"provenance": "false", "sbom": "0"}, AttestOptions()),
        ((), {"provenance": "", "sbom": ""}, AttestOptions()),
        ((), {"provenance": "mode=max"}, AttestOptions(MAX)),
        (("type=sbom",), {}, AttestOptions(sbom=SBOM)),
        (
            (),
            {"provenance": "filename=p.json"},
            AttestOptions(ProvenanceOptions(filename="p.json")),
        ),
        ((), {"sbom": "generator=me/scan"}, AttestOptions(sbom=SbomOptions("me/scan"))),
        (("type=provenance",), {}, AttestOptions(MIN)),
        (("type=provenance,mode=max", "type=sbom"), {}, AttestOptions(MAX, sbom=SBOM)),
        (("type=provenance,disabled=true",), {"sbom": "disabled=true"}, AttestOptions()),
        (
            ("type=provenance,mode=min,version=v0.2,inline-only=true,reproducible=true",),
            {},
            AttestOptions(ProvenanceOptions(version="v0.2", reproducible=True, filename="")),
        ),
        (
            ('Type=provenance,"builder-id=https://ci.example/?a,b"',),
            {},
            AttestOptions(ProvenanceOptions(builder="https://ci.example/?a,b")),
        ),
    ],
)
def test_what_buildx_takes(arguments, flags, expected):
    assert read(*arguments, **flags) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "its types are provenance and sbom"),
        ("mode=max", "its types are provenance and sbom"),
        ("type=scan", "its types are provenance and sbom"),
        ("type=provenance,max", "'max' has no value"),
        ("type=provenance,mode=full", "mode is min or max"),
        ("type=provenance,version=v2", "version is v1 or v0.2"),
        ("type=provenance,moode=max", "type=provenance has no option 'moode'"),
        ("type=provenance,disabled=yes", "disabled is true or false"),
        ("type=provenance,reproducible=perhaps", "reproducible is true or false"),
        ("type=provenance,filename=a/b.json", "filename is a name"),
        ("type=sbom,mode=max", "type=sbom has no option 'mode'"),
        ('type=sbom,"disabled', "unexpected end"),
    ],
)
def test_what_is_no_attestation(text, why):
    with pytest.raises(InvalidValueError, match="--attest cannot be") as caught:
        read(text)
    assert why in caught.value.why


def test_the_same_twice_is_an_error_as_with_buildx():
    with pytest.raises(InvalidValueError, match="--sbom cannot be 'true'") as caught:
        read("type=sbom", sbom="true")
    assert caught.value.why == "type=sbom is asked for twice"
