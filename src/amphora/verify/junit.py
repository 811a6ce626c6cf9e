"""The outcomes as JUnit's XML, which CI systems show: a suite for each variant.

https://github.com/testmoapp/junitxml describes what they read.
"""

import re
from collections.abc import Sequence
from typing import get_args
from xml.etree import ElementTree

from amphora.verify.findings import Finding, Kind
from amphora.verify.outcome import Outcome
from amphora.verify.run import VariantReport
from amphora.verify.suite import Checked

#: What XML 1.0 cannot say; https://www.w3.org/TR/xml/#charsets
_UNSPEAKABLE = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(name: str, outcomes: Sequence[Outcome]) -> bytes:
    """The whole document; `name` is that of the image."""
    suites = ElementTree.Element("testsuites", name=_text(name))
    for outcome in outcomes:
        suite = ElementTree.SubElement(
            suites, "testsuite", name=f"{_text(name)} {outcome.static.platform}"
        )
        for kind in get_args(Kind):
            found = [each for each in outcome.static.findings if each.kind == kind]
            _add_findings(suite, kind, found)
        if outcome.run is not None:
            _add_run(suite, outcome.run)
        for test in outcome.tests:
            _add_test(suite, test)
        suite.set("tests", str(len(suite)))
        suite.set("failures", str(len(suite.findall("testcase/failure"))))
        suite.set("skipped", str(len(suite.findall("testcase/skipped"))))
    document: bytes = ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True)
    return document


def _add_findings(suite: ElementTree.Element, kind: str, found: Sequence[Finding]) -> None:
    """One test for each kind of finding: its errors fail it, its warnings are printed."""
    case = _case(suite, kind)
    errors = [_line(each) for each in found if each.level == "error"]
    warnings = [_line(each) for each in found if each.level == "warning"]
    if errors:
        failure = ElementTree.SubElement(case, "failure", message=errors[0])
        failure.text = "\n".join(errors)
    if warnings:
        ElementTree.SubElement(case, "system-out").text = "\n".join(warnings)


def _add_run(suite: ElementTree.Element, run: VariantReport) -> None:
    case = _case(suite, "run")
    case.set("time", f"{run.seconds:.3f}")
    if run.problem:
        ElementTree.SubElement(case, "failure", message=_text(run.problem))
    ElementTree.SubElement(case, "system-out").text = _text(run.output)


def _add_test(suite: ElementTree.Element, test: Checked) -> None:
    case = _case(suite, _text(f"{test.source}: {test.kind}: {test.name}"))
    case.set("time", f"{test.seconds:.3f}")
    if test.problem:
        ElementTree.SubElement(case, "failure", message=_text(test.problem))
    if test.result == "skipped":
        ElementTree.SubElement(case, "skipped", message="nothing was to be run")


def _case(suite: ElementTree.Element, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(
        suite, "testcase", name=name, classname=f"amphora.verify.{suite.get('name')}"
    )


def _line(finding: Finding) -> str:
    layer = f" (layer {finding.layer}: {finding.made_by})" if finding.layer else ""
    return _text(f"{finding.path}: {finding.what}{layer}".removeprefix(": "))


def _text(text: str) -> str:
    return _UNSPEAKABLE.sub("\ufffd", text)
