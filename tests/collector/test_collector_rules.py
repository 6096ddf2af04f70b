"""The rules' own tests notice every mutation: each number, operator, function, label and text of each rule, changed alone.

A round changes one place in many rules at once, each of which has an assertion of its own, so that hundreds of mutations
take some seconds.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from binaries import SHIPPED

yaml = pytest.importorskip("yaml")
pytestmark = pytest.mark.collector
RULES = SHIPPED / "prometheus"
Rule = dict[str, object]

SWAPPED = {
    "=~": "!~", "!~": "=~", "!=": "=", "=": "!=", ">": ">=", ">=": ">", "and": "or", "or": "and", "+": "-", "-": "+",
    "/": "*", "sum": "avg", "increase": "last_over_time", "sum_over_time": "last_over_time",
    "count_over_time": "sum_over_time",
}  # fmt: skip
TOKEN = re.compile(
    r'(?P<text>"(?:[^"\\]|\\.)*")|(?P<word>[a-zA-Z_:][\w:]*)|(?P<number>\d+(?:\.\d+)?)(?P<unit>[smhdwy]\b)?|(?P<sign>=~|!~|!=|>=|[=>+/-])'
)


EQUIVALENT = (
    r'"piece", "\d", "", ""',  # any other name does as well
    r"sum(?= by \(le\))",  # buckets have as many series each
    r"or(?= vector\(0\)\){1,2} > 0)",  # nothing is not more than 0
    r"or vector\(0\)(?=\) / \(\(sum\(count_over_time)",  # a breaker is observed for both parts of the ratio, or for none
)
"""Where something else means the same."""


def mutated(expression: str) -> Iterator[str]:
    """Give an expression with one token changed, for each token in which another one means something else."""
    skipped = [found.span() for each in EQUIVALENT for found in re.finditer(each, expression)]
    for found in TOKEN.finditer(expression):
        if any(begin <= found.start() < end for begin, end in skipped) or expression[found.end() :].startswith("Inf"):
            continue
        for other in others(found, expression):
            yield expression[: found.start()] + other + expression[found.end() :]


def others(found: re.Match[str], expression: str) -> list[str]:
    """Return what may stand in the place of a token."""
    text = found[0]
    if found["number"]:
        number = found["number"]
        more = f"{float(number) * 1.01:.10g}" if "." in number else str(int(number) + 1)
        return [more + (found["unit"] or "")]
    if found["text"]:
        words = json.loads(text).split("|")
        fewer = ["|".join(words[:place] + words[place + 1 :]) for place in range(len(words))] if len(words) > 1 else []
        key = re.search(r"(\w+)(=~|!~|!=|=)$", expression[: found.start()])
        assert key is not None
        if f'{key[1]}="' in expression and key[2] != "=":
            return []  # what is equal to something is of no other value anyway
        return [json.dumps(each) for each in (*fewer, "|".join([*words[:-1], words[-1] + "x"]))]
    if found["word"]:
        if " and on() " in expression[: found.start()] and text in ("sum", "increase"):
            return []  # all that counts is whether there is anything
        is_metric = re.match(r"[{\[]", expression[found.end() :]) and ("_" in text or ":" in text)
        return [text + "x"] if is_metric else [SWAPPED[text]] if text in SWAPPED else []
    return [SWAPPED[text]]


def mutants(rule: Rule) -> list[Rule]:
    """Return a rule with each single thing changed."""
    name = "alert" if "alert" in rule else "record"
    found = [{**rule, "expr": each} for each in mutated(str(rule["expr"]))]
    found.append({**rule, name: f"{rule[name]}x"})
    for part in ("labels", "annotations"):
        texts = rule.get(part, {})
        assert isinstance(texts, dict)
        found += [{**rule, part: {**texts, key: f"{text}x"}} for key, text in texts.items()]
        inherited = ("slo", "objective", "service") if name == "alert" else ("sli",)  # from what is compared; or it is alone
        found += [{**rule, part: {k: v for k, v in texts.items() if k != key}} for key in texts if key not in inherited]
    return found


def shared(rules: list[Rule]) -> dict[int, list[Rule]]:
    """Return the mutants of each rule, by its id; rules that differ in their window alone share those that are alike."""
    alike: dict[str, list[Rule]] = {}
    for rule in rules:
        alike.setdefault(without_windows(rule) + json.dumps(rule["labels"]), []).append(rule)
    return {
        id(rule): [
            mutant
            for turn, mutant in enumerate(mutants(rule))
            if turn % len(siblings) == place or without_windows(mutant) == without_windows(rule)
        ]
        for siblings in alike.values()
        for place, rule in enumerate(siblings)
    }


def without_windows(rule: Rule) -> str:
    """Return the expression of a rule without its windows."""
    return re.sub(r"\[\d+[smhdwy]\]", "[]", str(rule["expr"]))


def failures(promtool: str, directory: Path, name: str, groups: list[object], only: str) -> dict[str, str]:
    """Return what each failed test of the shipped ones says of these rules."""
    (directory / f"{name}.rules.yml").write_text(yaml.safe_dump({"groups": groups}, sort_keys=False), encoding="utf-8")
    (directory / f"{name}.test.yml").write_text((RULES / f"{name}.test.yml").read_text("utf-8"), encoding="utf-8")
    told = directory / "told.xml"
    command = [promtool, "test", "rules", f"--run={only}", f"--junit={told}", f"{name}.test.yml"]
    result = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=300)
    assert result.returncode in (0, 1), result.stderr
    return {
        case.attrib["name"]: "".join(each.text or "" for each in (*case.findall("failure"), *case.findall("error")))
        for case in ET.parse(told).iter("testcase")
        if len(case)
    }


@pytest.mark.parametrize("name", ["sli", "objectives"])
def test_every_mutation_of_what_is_recorded_is_noticed(promtool: str, tmp_path: Path, name: str) -> None:
    """A window longer by one, an outcome less, another sign: the value of that very series is not what it has to be."""
    groups = yaml.safe_load((RULES / f"{name}.rules.yml").read_text(encoding="utf-8"))["groups"]
    groups = [{**group, "rules": [rule for rule in group["rules"] if "record" in rule]} for group in groups]
    made = shared([rule for group in groups for rule in group["rules"]])
    left = [[made[id(rule)] for rule in group["rules"]] for group in groups]
    for only in ("recorded", "hardly|silence|without|nothing"):  # most are noticed by the first
        unnoticed: list[list[list[Rule]]] = [[[] for _ in of] for of in left]
        for turn in range(max(len(each) for of in left for each in of)):
            changed = [
                {
                    **group,
                    "rules": [(each[turn : turn + 1] or [rule])[0] for rule, each in zip(group["rules"], of, strict=True)],
                }
                for group, of in zip(groups, left, strict=True)
            ]
            told = "".join(failures(promtool, tmp_path, name, changed, only).values())
            for group, of, missed in zip(groups, left, unnoticed, strict=True):
                for rule, each, kept in zip(group["rules"], of, missed, strict=True):
                    labels = ",".join(f"{key}={json.dumps(json.dumps(text))[1:-1]}" for key, text in rule["labels"].items())
                    if f"round({rule['record']}{{{labels}}}" not in told:
                        kept.extend(each[turn : turn + 1])
        left = unnoticed
    assert [mutant for of in left for each in of for mutant in each] == []


@pytest.mark.parametrize("place", [0, 1, 2])
def test_every_mutation_of_an_alert_is_noticed(promtool: str, tmp_path: Path, place: int) -> None:
    """A limit higher by one in a hundred, another window, `or` for `and`, another urgency: that alert's test fails."""
    groups = yaml.safe_load((RULES / "objectives.rules.yml").read_text(encoding="utf-8"))["groups"]
    alerts = [[rule for rule in group["rules"] if "alert" in rule] for group in groups]
    made = [mutants(rules[place]) if place < len(rules) else [] for rules in alerts]
    unnoticed = []
    for each in zip_longest(*made):
        changed = [
            {"name": group["name"], "rules": [(mutant if at == place and mutant else rule) for at, rule in enumerate(rules)]}
            for group, rules, mutant in zip(groups, alerts, each, strict=True)
        ]
        told = failures(promtool, tmp_path, "objectives", changed, f"alert {place + 1}$")
        for rules, mutant in zip(alerts, each, strict=True):
            labels = rules[0]["labels"]
            if mutant and f"{labels['slo']}, {labels['objective']}: alert {place + 1}" not in told:
                unnoticed.append(mutant)
    assert unnoticed == []


def test_files_are_tested_as_they_are(promtool: str, tmp_path: Path) -> None:
    """Nothing fails where nothing is changed."""
    for name in ("objectives", "sli"):
        groups = yaml.safe_load((RULES / f"{name}.rules.yml").read_text(encoding="utf-8"))["groups"]
        assert failures(promtool, tmp_path, name, groups, ".*") == {}
