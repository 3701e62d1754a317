"""Whether a file can be used, from all that is stated about it: never "yes" where a condition or a "no" may hide."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.dataspace.metadata import licences, odrl, rights, usability
from hub.dataspace.models import Access, LicenceClass, Verdict
from tests.hub.dataspace.conftest import DATA
from tests.hub.dataspace.metadata.test_dcat import read, turtle

CASES = DATA / "rights"
AT = "http://publications.europa.eu/resource/authority"
CC_BY = "<https://creativecommons.org/licenses/by/4.0/>"
FILE = "dcat:distribution [ dcat:downloadURL <https://x.example/a.csv> ]"

NEGATIONS = {
    "bg": ["не", "без", "забранено"], "cs": ["ne", "nikoli", "bez"], "da": ["ikke", "uden"],
    "de": ["nicht", "kein", "ohne"],
    "el": ["δεν", "χωρίς", "όχι"], "en": ["no", "not", "without"], "es": ["no", "sin"], "et": ["ei", "mitte", "ilma"],
    "fi": ["ei", "ilman"], "fr": ["non", "pas", "sans"], "ga": ["ní", "gan"],
    "hr": ["ne", "nije", "bez"],
    "hu": ["nem", "nélkül"], "it": ["non", "senza"], "lt": ["ne", "be"], "lv": ["nav", "bez"], "mt": ["mhux", "bla"],
    "nl": ["niet", "geen", "zonder"], "pl": ["nie", "bez"], "pt": ["não", "sem"], "ro": ["nu", "fără"],
    "sk": ["nie", "bez"],
    "sl": ["ni", "brez"], "sv": ["inte", "ej", "utan"],
}  # fmt: skip
CONDITIONS = {
    "bg": "само за изследвания", "cs": "pouze pro výzkum", "da": "kun efter aftale", "de": "nur nach Genehmigung",
    "el": "μόνο για έρευνα", "en": "prior written permission", "es": "previa autorización", "et": "ainult loal",
    "fi": "vain luvalla", "fr": "sous réserve d'accord", "ga": "le cead amháin", "hr": "samo uz dopuštenje",
    "hu": "csak engedéllyel", "it": "uso commerciale vietato", "lt": "tik su leidimu", "lv": "tikai ar atļauju",
    "mt": "bil-permess biss", "nl": "alleen na toestemming", "pl": "tylko za zgodą", "pt": "só com autorização",
    "ro": "numai cu acord", "sk": "len so súhlasom", "sl": "samo z dovoljenjem", "sv": "endast efter avtal",
}  # fmt: skip
QUALIFIERS = sorted({*CONDITIONS.values(), *itertools.chain(*NEGATIONS.values())})
OPEN_NAMES = ("CC BY 4.0", "CC0", "public domain", "MIT", "Creative Commons Attribution 4.0 International",
              "Namensnennung", "Attribution", "Open Government Licence v3.0", "odbl", "apache 2.0")  # fmt: skip
HOPEFUL = {LicenceClass.OPEN, LicenceClass.ATTRIBUTION, LicenceClass.SHARE_ALIKE}


def test_there_are_negations_and_conditions_in_24_languages():
    assert len(NEGATIONS) == len(CONDITIONS) == 24
    assert NEGATIONS.keys() == CONDITIONS.keys()


SEPARATORS = (" ", ", ", " - ", "; ", ": ", " (", "\n", "_")


def beside(word):
    """The word with each negation and condition before and after it."""
    for qualifier, separator in itertools.product(QUALIFIERS, SEPARATORS):
        yield f"{qualifier}{separator}{word}"
        yield f"{word}{separator}{qualifier}"


@pytest.mark.parametrize("name", OPEN_NAMES)
def test_a_licence_beside_a_negation_or_condition_is_not_open(name):
    assert [text for text in beside(name) if licences.classify("", text) in HOPEFUL] == []


@pytest.mark.parametrize(
    "label", ["CC BY, no commercial use", "Namensnennung, keine kommerzielle Nutzung", "nur intern"]
)
@pytest.mark.parametrize("known", ["https://creativecommons.org/licenses/by/4.0/", "cc-by", "cc-zero"])
def test_a_name_that_takes_back_what_the_address_permits_counts(known, label):
    assert licences.classify(known, label) == LicenceClass.BESPOKE


@pytest.mark.parametrize("word", sorted(rights._PUBLIC_WORDS))
def test_public_beside_a_negation_or_condition_is_not_public(word):
    assert [text for text in beside(word) if rights._known_access(text) is Access.PUBLIC] == []


@pytest.mark.parametrize("word", sorted(rights._PUBLIC_WORDS))
@pytest.mark.parametrize(
    "negation", ["not", "nicht", "niet", "non", "no es", "ikke", "ei ole", "nie", "ne", "δεν είναι"]
)
def test_a_negated_public_is_not_public(word, negation):
    assert rights._known_access(f"{negation} {word}") is not Access.PUBLIC


@pytest.mark.parametrize(
    "address",
    [
        "http://apache.example.org/nutzungsbedingungen",
        "http://creativecommons.org.x.example/licenses/by/4.0/",
        "https://x.example/creativecommons.org/licenses/by/4.0/",
        "https://creativecommons.org@x.example/licenses/by/4.0/",
        "https://creativecommons.org/licenses/by/4.0/not",
        "https://x.example/mit",
        "https://x.example/public-domain-is-not-granted",
        "urn:x:cc-by",
    ],
)
def test_an_address_that_only_looks_like_a_known_licence_is_own_terms(address):
    assert licences.classify(address) == LicenceClass.BESPOKE


# -- the cases of the collection --------------------------------------------------------------------------------------


def case(name):
    return read((CASES / f"{name}.ttl").read_text(), "http://ex.example/d")


def texts(record):
    return [
        sentence.text for sentence in odrl.sentences(odrl.every_policy(record), odrl.Reader(frozenset({record.uri})))
    ]


@pytest.mark.parametrize("number", ["00", "02", "04"])
def test_access_in_words_is_never_public(number):
    record = case(f"access-words-{number}")
    assert record.access in (Access.RESTRICTED, Access.NOT_STATED)
    assert usability.usable_now(record).verdict == Verdict.ASK


def test_access_in_words_that_is_not_understood_is_shown_verbatim():
    record = case("access-words-04")
    assert record.rights_in_words[0].startswith("public access limited according to Article 13")
    assert any("Article 13(1)(e)" in condition for condition in usability.uses(record)[0][0].conditions)


def test_unrestricted_is_public():
    record = case("access-words-06")
    assert (record.access, usability.usable_now(record).verdict) == (Access.PUBLIC, Verdict.YES)


def test_the_stricter_access_of_a_file_counts():
    record = case("access-file-stricter")
    [[use]] = usability.uses(record)
    assert (use.verdict, use.decided_by) == (Verdict.ASK, "file")
    assert "restricted" in use.refusal
    assert usability.usable_now(record).verdict == Verdict.ASK


@pytest.mark.parametrize("number", ["00", "02", "04", "09", "11"])
def test_a_licence_in_words_is_never_open(number):
    record = case(f"licence-words-{number}")
    assert record.licence.kind in (LicenceClass.NON_COMMERCIAL, LicenceClass.BESPOKE)
    assert usability.usable_now(record).verdict == Verdict.ASK


def test_a_licence_at_an_unknown_address_is_own_terms():
    assert case("licence-address-00").licence.kind == LicenceClass.BESPOKE


def test_the_stricter_licence_of_a_file_counts():
    record = case("licence-file-stricter")
    usable = usability.usable_now(record)
    assert (record.licence.kind, usable.verdict, usable.decided_by) == ("non-commercial", Verdict.ASK, "file")
    assert "The file states this." in usable.reason


def test_a_permission_for_a_named_party_is_not_the_readers():
    record = case("odrl-assignee")
    assert texts(record) == ["http://ex.example/alice may use it."]
    assert usability.usable_now(record).verdict == Verdict.ASK
    assert usability.usable_now(record, {"http://ex.example/alice"}).verdict == Verdict.YES
    assert usability.usable_now(record, {"http://ex.example/alic", "alice"}).verdict == Verdict.ASK


def test_a_refined_party_is_a_condition():
    assert usability.usable_now(case("odrl-assignee-refined")).verdict == Verdict.ASK
    place = "[ odrl:leftOperand odrl:spatial ; odrl:operator odrl:eq ; odrl:rightOperand 'BE' ]"
    record = with_policy(
        f"odrl:permission [ odrl:action odrl:use ; odrl:assignee [ a odrl:PartyCollection ; "
        f"odrl:source x:a ; odrl:refinement {place} ] ]"
    )
    assert texts(record) == ["A member of http://x.example/a, only if the place is BE, may use it."]
    assert usability.usable_now(record, {"http://x.example/a"}).verdict == Verdict.ASK


def test_a_duty_to_pay_is_a_condition():
    record = case("odrl-duty-pay")
    assert texts(record) == ["You may use it, only after you pay for it."]
    usable = usability.usable_now(record)
    assert (usable.verdict, usable.reason) == (Verdict.ASK, "Its policy sets conditions: see whether you meet them.")


def test_a_prohibition_for_somebody_else_does_not_forbid():
    record = case("odrl-prohibition-assignee")
    assert "http://ex.example/bob may not use it." in texts(record)
    assert usability.usable_now(record).verdict == Verdict.ASK
    assert usability.usable_now(record, {"http://ex.example/bob"}).verdict == Verdict.ASK, "it also permits it"


def test_a_permission_for_another_asset_is_none_for_this_record():
    record = case("odrl-target-other")
    [sentence] = odrl.sentences(record.policies, odrl.Reader(frozenset({record.uri})))
    assert (sentence.rule, "another-dataset" in sentence.text) == ("other-asset", True)
    assert usability.usable_now(record).verdict == Verdict.ASK


def test_two_offers_are_alternatives_with_their_own_sentences():
    record = case("odrl-two-offers")
    research, paid = "http://ex.example/o1", "http://ex.example/o2"
    by_offer = {name: [s.text for s in odrl.sentences(record.policies) if s.offer == name] for name in (research, paid)}
    assert by_offer == {
        research: ["You may use it, only if the purpose is research."],
        paid: ["You may use it, only after you pay for it.", "You may not distribute it."],
    }
    [uses] = usability.uses(record)
    assert {use.offer: any("distribute" in text for text in use.conditions) for use in uses} == {
        research: False,
        paid: True,
    }
    assert uses[0].digest != uses[1].digest
    assert usability.usable_now(record).verdict == Verdict.ASK


# -- policies ---------------------------------------------------------------------------------------------------------


def with_policy(policy, more=""):
    return read(f"{DATASET} ; {FILE} ; odrl:hasPolicy [ {policy} ] . {more}")


USE = "odrl:action odrl:use"
MAY = f"odrl:permission [ {USE} ]"
VALUE = "<http://www.w3.org/1999/02/22-rdf-syntax-ns#value>"
DATASET = f"x:d a dcat:Dataset ; dct:license {CC_BY}"
MAY_NOT = f"odrl:prohibition [ {USE} ]"
COUNT = "[ odrl:leftOperand odrl:count ; odrl:operator odrl:lt ; odrl:rightOperand 5 ]"


@pytest.mark.parametrize(
    ("policy", "verdict"),
    [
        (MAY, "yes"),
        (f"a odrl:Set ; {MAY}", "yes"),
        (f"{MAY} ; odrl:target x:d", "yes"),
        (f"odrl:permission [ {USE} ; odrl:target <https://x.example/a.csv> ]", "yes"),
        (f"odrl:permission [ {USE} ; odrl:target x:other, x:d ]", "yes"),
        (f"odrl:permission [ {USE} ; odrl:target x:other ]", "ask"),
        (f"{MAY} ; odrl:target x:other", "ask"),
        (f"{MAY} ; odrl:assignee x:alice", "ask"),
        (f"odrl:permission [ {USE} ; odrl:target [ odrl:source x:d ; odrl:refinement {COUNT} ] ]", "ask"),
        (f"odrl:permission [ {USE} ; odrl:assignee [ a odrl:PartyCollection ; odrl:source x:a ] ]", "ask"),
        (f"odrl:permission [ {USE} ; odrl:constraint {COUNT} ]", "ask"),
        (f"odrl:permission [ odrl:action [ {VALUE} odrl:use ; odrl:refinement {COUNT} ] ]", "ask"),
        ("odrl:permission [ odrl:action odrl:read ]", "ask"),
        (f"odrl:permission [ {USE} ; odrl:duty [ odrl:action odrl:attribute ] ]", "ask"),
        (f"odrl:permission [ {USE} ; odrl:duty [ odrl:action odrl:delete ; odrl:constraint {COUNT} ] ]", "ask"),
        (f"{MAY} ; odrl:obligation [ odrl:action odrl:inform ]", "ask"),
        (f"{MAY} ; odrl:prohibition [ odrl:action odrl:commercialize ]", "ask"),
        (f"a odrl:Agreement ; {MAY}", "ask"),
        (f"a odrl:Request ; {MAY}", "ask"),
        (f"{MAY} ; odrl:inheritFrom x:other", "ask"),
        (f"{MAY} ; odrl:profile x:profile", "ask"),
        (f"{MAY} ; odrl:conflict x:mine", "ask"),
        (MAY_NOT, "no"),
        (f"{MAY_NOT} ; odrl:target x:other", "ask"),
        (f"{MAY_NOT} ; odrl:assignee x:bob", "ask"),
        (f"odrl:prohibition [ {USE} ; odrl:constraint {COUNT} ]", "ask"),
        (f"odrl:prohibition [ {USE} ; odrl:remedy [ odrl:action odrl:delete ] ]", "ask"),
        (f"{MAY_NOT} ; {MAY}", "ask"),
        (f"{MAY_NOT} ; {MAY} ; odrl:conflict odrl:invalid", "ask"),
        (f"{MAY_NOT} ; {MAY} ; odrl:conflict odrl:prohibit", "no"),
        (f"{MAY_NOT} ; {MAY} ; odrl:conflict odrl:perm", "yes"),
        (f"{MAY_NOT} ; odrl:permission [ {USE} ; odrl:constraint {COUNT} ] ; odrl:conflict odrl:perm", "ask"),
    ],
)  # fmt: skip
def test_verdicts_of_policies(policy, verdict):
    assert usability.usable_now(with_policy(policy)).verdict == verdict


@pytest.mark.parametrize("kind", ["and", "or", "xone", "andSequence"])
def test_logical_constraints_are_conditions(kind):
    record = with_policy(f"odrl:permission [ {USE} ; odrl:constraint [ odrl:{kind} ( {COUNT} {COUNT} ) ] ]")
    assert usability.usable_now(record).verdict == Verdict.ASK
    assert "the number of uses is less than 5" in texts(record)[0]


def test_policies_that_are_no_offers_hold_together():
    record = read(f"{DATASET} ; {FILE} ; odrl:hasPolicy [ a odrl:Set ; {MAY} ], [ a odrl:Set ; {MAY_NOT} ] .")
    [[use]] = usability.uses(record)
    assert (use.offer, use.verdict) == ("", Verdict.NO)


def test_offers_that_differ_are_asked_for_and_each_keeps_its_verdict():
    record = read(f"{DATASET} ; {FILE} ; odrl:hasPolicy [ a odrl:Offer ; {MAY} ], [ a odrl:Offer ; {MAY_NOT} ] .")
    [uses] = usability.uses(record)
    assert {use.verdict for use in uses} == {"yes", "no"}
    assert {use.offer for use in uses} == {"Offer 1", "Offer 2"}
    assert usability.usable_now(record).verdict == Verdict.ASK


@pytest.mark.parametrize(
    ("terms", "verdict"),
    [
        ("dct:license <https://creativecommons.org/licenses/by-nc/4.0/>", "ask"),
        (f"dct:accessRights <{AT}/access-right/RESTRICTED>", "ask"),
        ('dct:rights "Ask the mayor first"', "ask"),
        (f"odrl:hasPolicy [ {MAY_NOT} ]", "no"),
        ("dct:title 'API'", "yes"),
    ],
)
def test_the_terms_of_a_files_service_count(terms, verdict):
    file = "[ dcat:downloadURL <https://x.example/a> ; dcat:accessService x:s ]"
    record = read(f"{DATASET} ; dcat:distribution {file} . x:s {terms} .")
    assert usability.usable_now(record).verdict == verdict


def test_files_with_different_terms_are_judged_one_by_one():
    nc = "[ dcat:downloadURL <https://x.example/b> ; dct:license <https://creativecommons.org/licenses/by-nc/4.0/> ]"
    record = read(f"{DATASET} ; {FILE} ; dcat:distribution {nc} .")
    assert {use.verdict for [use] in usability.uses(record)} == {"yes", "ask"}
    assert usability.usable_now(record).verdict == Verdict.ASK


def test_the_digest_follows_every_statement():
    texts_of_records = [
        *(
            f"{DATASET} ; {FILE} ; odrl:hasPolicy [ odrl:permission [ {USE} ; odrl:constraint {count} ] ] ."
            for count in (COUNT, COUNT.replace("5", "6"))
        ),
        f"x:d a dcat:Dataset ; dct:license 'mine' ; {FILE} .",
        f"{DATASET} ; {FILE} ; dct:rights 'mine' .",
    ]
    digests = [usability.uses(read(text))[0][0].digest for text in texts_of_records]
    assert len(set(digests)) == 4
    assert digests == [usability.uses(read(text))[0][0].digest for text in texts_of_records]


values = st.sampled_from(
    ["odrl:use", "odrl:read", "x:alice", "x:d", "[]", "'use'", f"{COUNT}", "odrl:perm", "( odrl:use )"]
)
keys = st.sampled_from(
    ["action", "target", "assignee", "assigner", "constraint", "duty", "refinement", "consequence", "uid", "conflict"]
)
rule_texts = st.lists(st.tuples(keys, values), max_size=4)


@settings(max_examples=400, deadline=None)
@given(rule_texts, st.sampled_from(["permission", "prohibition", "obligation"]), rule_texts)
def test_only_a_plain_permission_to_use_it_is_a_yes(rule, kind, shared):
    inside = " ; ".join(f"odrl:{key} {value}" for key, value in rule)
    outside = "".join(f" ; odrl:{key} {value}" for key, value in shared)
    policy = f"odrl:{kind} [ {inside} ]{outside}"
    record = with_policy(policy)
    if usability.usable_now(record).verdict == Verdict.YES:
        stated = {pair for pair in (*rule, *shared) if pair[0] != "uid"}
        assert kind == "permission"
        assert ("action", "odrl:use") in stated
        plain = {("action", "odrl:use"), ("action", "odrl:read"), ("target", "x:d"), ("conflict", "odrl:perm")}
        assert not {pair for pair in stated if pair[0] not in ("assigner", "target")} - plain
        assert "target" not in dict(stated) or ("target", "x:d") in stated


def test_a_policy_reference_to_nowhere_is_no_permission():
    record = read(f"{DATASET} ; {FILE} ; odrl:hasPolicy x:terms .")
    assert usability.usable_now(record).verdict == Verdict.ASK
    assert turtle("x:a x:b x:c .").known
