"""Verdicts as others read them: JUnit's XML, annotations of GitHub Actions, a line of text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from spanguard.slo.evaluate import Verdict


def amount(value: float | None, unit: str) -> str:
    """Return a value with its unit: ``99.2 %``, ``1.24 s``, ``3.1 attempts``."""
    if value is None:
        return "-"
    if unit == "share":
        return f"{100 * value:.4g} %"
    return f"{value:.4g} {unit}".rstrip()


def sentence(verdict: Verdict) -> str:
    """Return what a verdict says in a sentence without its state."""
    told = f"{verdict.indicator} is {amount(verdict.value, verdict.unit)}"
    told += f", wanted {verdict.op} {amount(verdict.target, verdict.unit)}, over {verdict.window}"
    if verdict.sample is not None:
        told += f", {verdict.sample:,.0f} {verdict.sampled or 'samples'}"
    return f"{told}: {verdict.reason}" if verdict.reason else told


def junit(verdicts: Sequence[Verdict], name: str) -> str:
    """Return verdicts as JUnit's XML: an objective is a test case, not met a failure, unknown an error."""
    from xml.etree import ElementTree as ET

    counts = {"failures": "not met", "errors": "unknown"}
    totals = {key: str(sum(each.state == state for each in verdicts)) for key, state in counts.items()}
    suites = ET.Element("testsuites", {"name": "spanguard slo", "tests": str(len(verdicts)), **totals})
    about = {"name": _legal(name), "tests": str(len(verdicts)), **totals, "skipped": "0"}
    suite = ET.SubElement(suites, "testsuite", about)
    for each in verdicts:
        where = {"classname": _legal(f"{each.service}.{each.slo}"), "name": _legal(f"{each.slo}: {each.objective}")}
        case = ET.SubElement(suite, "testcase", {**where, "time": "0"})
        if each.state != "met":
            kind = "failure" if each.state == "not met" else "error"
            ET.SubElement(case, kind, {"type": each.state, "message": _legal(sentence(each))})
        ET.SubElement(case, "system-out").text = _legal("\n".join([sentence(each), *each.notes]))
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def github(verdicts: Iterable[Verdict], file: str) -> list[str]:
    """Return a command of GitHub Actions for each objective that is not met (error) or cannot be told (warning)."""
    kinds = {"not met": "error", "unknown": "warning"}
    return [
        f"::{kinds[each.state]} file={_property(file)},title={_property(f'SLO {each.slo}: {each.state}')}"
        f"::{_message(f'{each.objective}: {sentence(each)}')}"
        for each in verdicts
        if each.state in kinds
    ]


def _legal(text: str) -> str:
    """Return text without the characters that XML has no form for."""
    return "".join(
        c if c in "\t\n" or (c >= " " and not "\ud800" <= c <= "\udfff" and c not in "\ufffe\uffff") else "?" for c in text
    )


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
