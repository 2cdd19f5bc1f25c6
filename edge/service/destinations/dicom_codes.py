"""Coded concepts of what is told to archives: DICOM's and SNOMED's where they have them, else our own, which a site may
write its own codes for.

The code values are readable and stay: those of the table below, and the names of measurands, checks and classes
themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import CodedConcept

from ...study.values import valid
from ..configuration import CodeTable

SCHEME = "99FISHERLENS"
OURS = {
    "verdict-outcome": "Outcome",
    "verdict-accepted": "accepted",
    "verdict-flagged": "flagged",
    "verdict-refused": "refused",
    "verdict-reason": "Reason of the outcome",
    "verdict-map": "Map of where the network looked",
    "std-uncertainty": "Standard uncertainty",
    "u-aleatoric": "Standard uncertainty, aleatoric part",
    "u-epistemic": "Standard uncertainty, epistemic part",
    "u-input": "Standard uncertainty, part of the input's own",
    "coverage-factor": "Coverage factor k",
    "coverage-level": "Coverage probability",
    "check-statistic": "Statistic of the check",
    "check-alpha": "Level alpha at which the check flags",
    "check-evidence": "Feature by which the check flags",
    "feature-deviation": "Deviation of the feature in standard deviations",
    "feature-usual-low": "Smallest deviation on usual images",
    "feature-usual-high": "Largest deviation on usual images",
}
"""Our codes that are the same for all bundles, with their meanings."""
_LONGEST_MEANING = 64


@dataclass(frozen=True)
class Codes:
    """Codes by what they are called here. site: a site's codes in place of ours."""

    site: Mapping[str, CodedConcept] = field(default_factory=dict)

    @classmethod
    def of(cls, tables: Iterable[CodeTable]) -> Codes:
        """Make them of a configuration's tables."""
        return cls({table.ours: CodedConcept(table.value, table.scheme, table.meaning) for table in tables})

    def __call__(self, ours: str, meaning: str = "") -> CodedConcept:
        """Give the code of a concept: the site's, else ours, whose meaning is stated or in the table."""
        return self.site.get(ours) or _own(ours, meaning or OURS.get(ours, ours))


def unit_of(unit: str) -> CodedConcept:
    """Give the code of a unit in UCUM; "1" is none."""
    return _coded(unit, "UCUM", "no units" if unit == "1" else unit)


def long_string(text: str) -> str:
    """Make a text of ours one value of VR LO: 64 printable characters at most, without backslashes."""
    return valid("LO", text.replace("\\", "/").strip()[:_LONGEST_MEANING]).text


def scheme() -> CodingSchemeIdentificationItem:
    """Give what our own coding scheme is."""
    return CodingSchemeIdentificationItem(SCHEME, name="Fisherlens", responsible_organization="Fisherlens")


def _own(ours: str, meaning: str) -> CodedConcept:
    return _coded(" ".join(ours.replace("\\", "/").split()), SCHEME, meaning)


def _coded(value: str, scheme: str, meaning: str) -> CodedConcept:
    concept = CodedConcept(value or "none", scheme, long_string(meaning) or "none")
    if "URNCodeValue" in concept:  # of a name that begins like one
        concept.LongCodeValue = concept.URNCodeValue
        del concept.URNCodeValue
    return concept
