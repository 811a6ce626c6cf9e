"""The tests that an image brings, read out of its layers."""

from elves import elf

GOOD = "schemaVersion: 2.0.0\nfileExistenceTests: [{name: it, path: /etc}]\n"


def report(images, *layers, **request):
    return images.verify(images.variant("linux/amd64", *layers), **request)[0]


def test_the_file_and_the_directory_are_read(images):
    files = {
        "amphora-test.yaml": GOOD,
        "amphora-test.d/b.yaml": GOOD,
        "./amphora-test.d/a.yaml": GOOD,
        "opt/amphora-test.yaml": "wrong",
    }
    found = report(images, files)
    assert [suite.source for suite in found.suites] == [
        *("the image's /amphora-test.yaml", "the image's /amphora-test.d/a.yaml"),
        "the image's /amphora-test.d/b.yaml",
    ]
    assert found.suites[0].files[0].path == "/etc"
    assert found.findings == ()


def test_the_last_layer_decides(images):
    assert report(images, {"amphora-test.yaml": GOOD}, {".wh.amphora-test.yaml": ""}).suites == ()


def test_what_cannot_be_read_is_an_error_that_the_image_cannot_allow(images):
    files = {
        "amphora-test.yaml": GOOD + "licenseTests: []\n",
        "amphora-test.d/large.yaml": GOOD + "#" * (1 << 17),
        "amphora-test.d/directory/x": GOOD,
        "amphora-test.d/link": ("symlink", "/dev/zero"),
    }
    found = report(images, files, allow=["/amphora-test*"])
    assert found.suites == ()
    assert [(each.level, each.kind, each.path) for each in found.findings] == [
        ("error", "tests", "/amphora-test.yaml"),
        ("error", "tests", "/amphora-test.d/directory"),
        ("error", "tests", "/amphora-test.d/large.yaml"),
        ("error", "tests", "/amphora-test.d/link"),
    ]
    assert "line 3 of the image's /amphora-test.yaml" in found.findings[0].what


def test_the_image_names_what_it_allows_unless_it_may_not(images):
    lie = {"opt/x": elf("arm64", kind=2)}
    allowed = images.variant("linux/amd64", lie, labels={"dev.amphora.verify.allow": "/opt/*"})
    assert [each.findings for each in images.verify(allowed)] == [()]
    (strict,) = images.verify(allowed, image_may_allow=False)
    assert [each.kind for each in strict.findings] == ["architecture"]
