"""Policies of the kinds that public collections have: no false "allowed", no false "forbidden", and true sentences."""

import pytest

from hub.dataspace.metadata import odrl, usability
from hub.dataspace.models import Verdict
from tests.hub.dataspace.conftest import DATA
from tests.hub.dataspace.metadata.test_dcat import read, turtle

FOLDER = DATA.parent / "odrl"
X = "http://x.example/"
DATASET = "a dcat:Dataset ; dct:license <https://creativecommons.org/licenses/by/4.0/>"
FILE = "dcat:distribution [ dcat:downloadURL <https://x.example/a.csv> ]"
MAY = "odrl:permission [ odrl:action odrl:use ]"
MAY_NOT = "odrl:prohibition [ odrl:action odrl:use ]"


def cases():
    for path in sorted(FOLDER.glob("*.ttl")):
        text = path.read_text()
        for case in turtle(text).known.values():
            values = {name.removeprefix("urn:test:"): [term[1] for term in terms] for name, terms in case.items()}
            if "policy" in values:
                yield pytest.param(text, values, id=f"{path.stem}-{values['policy'][0].removeprefix(X)}")


@pytest.mark.parametrize(("policies", "case"), list(cases()))
def test_verdict_and_sentences_of_a_policy(policies, case):
    asset = case.get("asset", [X + "d"])[0]
    record = read(f"{policies} <{asset}> {DATASET} ; {FILE} ; odrl:hasPolicy <{case['policy'][0]}> .", asset)
    parties = frozenset(case.get("reader", ()))
    [[use]] = usability.uses(record, parties)
    assert use.verdict == case["verdict"][0], use.reason
    sentences = odrl.sentences(record.policies, odrl.Reader(frozenset({asset}), parties))
    assert sentences
    assert set(case.get("says", ())) <= {sentence.text for sentence in sentences}


def test_there_are_cases_of_each_verdict():
    verdicts = [case.values[1]["verdict"][0] for case in cases()]
    assert len(verdicts) > 100
    assert set(verdicts) == set(Verdict)


# -- where a record states its policies -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "verdict"),
    [
        ("odrl:hasPolicy 'https://x.example/policy'", "ask"),
        ("odrl:hasPolicy []", "ask"),
        (f"odrl:hasPolicy ( [ {MAY} ] )", "ask"),
        (f"dct:license [ a odrl:Set ; {MAY_NOT} ]", "no"),
        (f"dct:rights [ a odrl:Set ; {MAY_NOT} ]", "no"),
        (f"dct:accessRights [ a odrl:Set ; {MAY_NOT} ]", "no"),
        (f"dct:rights [ a odrl:Set ; {MAY} ; odrl:profile x:p ]", "ask"),
        (MAY_NOT, "no"),
        (f"odrl:policy [ {MAY} ]", "ask"),
        ("odrl:partOf x:collection", "ask"),
        ("odrl:uid x:d", "yes"),
    ],
)
def test_a_policy_counts_wherever_a_record_states_it(statement, verdict):
    record = read(f"x:d {DATASET} ; {FILE} ; {statement} .")
    assert usability.usable_now(record).verdict == verdict
    of_file = read(f"x:d {DATASET} ; dcat:distribution [ dcat:downloadURL <https://x.example/a.csv> ; {statement} ] .")
    assert usability.usable_now(of_file).verdict == verdict


def test_the_policy_of_a_known_licence_does_not_widen_it():
    record = read(
        f"x:d a dcat:Dataset ; {FILE} ; dct:license <https://creativecommons.org/licenses/by-nc/4.0/> . "
        f"<https://creativecommons.org/licenses/by-nc/4.0/> a odrl:Set ; {MAY} ."
    )
    assert usability.usable_now(record).verdict == Verdict.ASK


# -- policies that are too large to be read ---------------------------------------------------------------------------


def targets(first, last):
    return ", ".join(f"[ odrl:action odrl:use ; odrl:target x:o{number} ]" for number in range(first, last))


def test_a_policy_of_which_a_part_is_not_read_permits_nothing():
    read_in_full = read(f"x:d {DATASET} ; {FILE} ; odrl:hasPolicy [ {MAY} ; odrl:permission {targets(0, 150)} ] .")
    assert usability.usable_now(read_in_full).verdict == Verdict.YES
    rules = f"{targets(0, 250)}, [ odrl:action odrl:use ; odrl:target x:d ]"
    cut = read(f"x:d {DATASET} ; {FILE} ; odrl:hasPolicy [ {MAY} ; odrl:prohibition {rules} ] .")
    assert usability.usable_now(cut).verdict == Verdict.ASK
    assert "too large" in " ".join(sentence.verbatim for sentence in odrl.sentences(cut.policies))


@pytest.mark.parametrize(("parents", "verdict"), [(2, "yes"), (8, "ask")])
def test_a_party_whose_description_is_too_deep_to_be_read_is_not_the_reader(parents, verdict):
    chain = " ".join(f"x:p{number} odrl:inheritFrom x:p{number + 1} ." for number in range(parents))
    rule = "[ odrl:action odrl:use ; odrl:assignee x:zoe ]"
    last = f"x:p{parents} odrl:permission {rule} . x:zoe <http://xmlns.com/foaf/0.1/name> 'Zoe' ."
    record = read(f"x:d {DATASET} ; {FILE} ; odrl:hasPolicy x:p0 . {chain} {last}")
    assert usability.usable_now(record, {X + "zoe"}).verdict == verdict


def test_a_duty_is_no_permission():
    record = read(
        f"x:d {DATASET} ; {FILE} ; odrl:hasPolicy [ odrl:permission [ a odrl:Duty ; odrl:action odrl:use ] ] ."
    )
    assert usability.usable_now(record).verdict == Verdict.ASK


def test_policies_of_a_target_are_no_part_of_a_policy():
    """A policy about a file that refers to its policy is understood, and read once."""
    file = "x:f a dcat:Distribution ; dcat:downloadURL <https://x.example/a.csv> ; odrl:hasPolicy x:p ."
    rule = "[ odrl:action odrl:use ; odrl:target x:f ]"
    record = read(f"x:d {DATASET} ; dcat:distribution x:f . {file} x:p a odrl:Set ; odrl:permission {rule} .")
    assert usability.usable_now(record).verdict == Verdict.YES
