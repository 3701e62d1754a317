"""ODRL policies as sentences; a policy that is not understood allows nothing."""

import pytest

from hub.dataspace.metadata import licences, odrl, usability
from hub.dataspace.metadata.namespaces import ODRL
from hub.dataspace.models import Access, Distribution, Kind, Licence, LicenceClass, Record


def rule(action="use", *, constraints=(), **more):
    built = {ODRL + "action": [{"@id": ODRL + action}]}
    if constraints:
        built[ODRL + "constraint"] = list(constraints)
    return built | {ODRL + key: value for key, value in more.items()}


def constraint(left, operator, right):
    return {
        ODRL + "leftOperand": [{"@id": ODRL + left}],
        ODRL + "operator": [{"@id": ODRL + operator}],
        ODRL + "rightOperand": [right],
    }


PLACE = constraint("spatial", "eq", {"@value": "EU"})
COUNT = constraint("count", "lt", {"@value": "5"})
PURPOSE = constraint("purpose", "eq", {"@value": "research"})
RDF_REST = "http://www.w3.org/1999/02/22-rdf-syntax-ns#rest"


def nested(depth):
    return {ODRL + "and": [PLACE, nested(depth - 1)]} if depth else COUNT


def logic(kind, *parts):
    return {ODRL + kind: [{"@list": list(parts)}]}


@pytest.mark.parametrize(
    ("constraints", "words"),
    [
        ([logic("and", PLACE, COUNT)], "the place is EU and the number of uses is less than 5"),
        ([{ODRL + "and": [PLACE, COUNT]}], "the place is EU and the number of uses is less than 5"),
        ([logic("or", PLACE, COUNT)], "(the place is EU or the number of uses is less than 5)"),
        (
            [logic("or", PLACE, COUNT), PURPOSE],
            "(the place is EU or the number of uses is less than 5) and the purpose is research",
        ),
        (
            [logic("or", PURPOSE, logic("and", PLACE, COUNT))],
            "(the purpose is research or (the place is EU and the number of uses is less than 5))",
        ),
        (
            [logic("xone", PLACE, PURPOSE)],
            "exactly one of these holds: (the place is EU or the purpose is research)",
        ),
        (
            [logic("andSequence", PURPOSE, COUNT)],
            "(the purpose is research, and after that the number of uses is less than 5)",
        ),
    ],
)
def test_logical_constraints_in_words(constraints, words):
    assert rules_in_words(permission=[rule(constraints=constraints)]) == [
        ("permission", f"You may use it, only if {words}.")
    ]
    assert rules_in_words(prohibition=[rule(constraints=constraints)]) == [
        ("prohibition", f"You may not use it if {words}.")
    ]


def rules_in_words(**rules):
    return [(s.rule, s.text) for s in odrl.sentences([{ODRL + name: value for name, value in rules.items()}])]


@pytest.mark.parametrize(
    ("rules", "text"),
    [
        ({"permission": [rule()]}, "You may use it."),
        ({"prohibition": [rule("commercialize")]}, "You may not make money with it."),
        ({"obligation": [rule("attribute")]}, "You must name the source."),
        (
            {"permission": [rule(constraints=[constraint("spatial", "eq", {"@value": "EU"})])]},
            "You may use it, only if the place is EU.",
        ),
        (
            {"permission": [rule(constraints=[constraint("dateTime", "lt", {"@value": "2030-01-01"})])]},
            "You may use it, only if the date is before 2030-01-01.",
        ),
        (
            {"permission": [rule(duty=[rule("attribute")])]},
            "You may use it, and then you must name the source.",
        ),
        (
            {"prohibition": [rule("distribute", constraints=[constraint("purpose", "neq", {"@value": "research"})])]},
            "You may not distribute it if the purpose is other than research.",
        ),
    ],
)
def test_rules_in_words(rules, text):
    assert [sentence for _, sentence in rules_in_words(**rules)] == [text]


@pytest.mark.parametrize(
    "rules",
    [
        {"permission": [rule("teleport")]},
        {"permission": [{}]},
        {"permission": ["use"]},
        {"permission": [rule(constraints=[constraint("moonPhase", "eq", {"@value": "full"})])]},
        {"permission": [rule(constraints=[constraint("count", "roughly", {"@value": "5"})])]},
        {
            "permission": [
                rule(constraints=[{ODRL + "and": [PLACE, constraint("moonPhase", "eq", {"@value": "full"})]}])
            ]
        },
        {"permission": [rule(constraints=[{ODRL + "or": []}])]},
        {"permission": [rule(constraints=[{ODRL + "nand": [PLACE, COUNT]}])]},
        {"permission": [rule(constraints=[{ODRL + "or": [PLACE], ODRL + "and": [COUNT]}])]},
        {"permission": [rule(constraints=[{ODRL + "or": [PLACE, COUNT]} | COUNT])]},
        {"permission": [rule(constraints=[{ODRL + "or": [{"@list": [PLACE], RDF_REST: [{"@id": "_:1"}]}]}])]},
        {"permission": [rule(constraints=[nested(7)])]},
        {"permission": [rule() | {"http://x.example/unless": [{"@value": "asked"}]}]},
        {"permission": [rule() | {ODRL + "action": [{"@id": ODRL + "use", ODRL + "refinement": [{}]}]}]},
        {"permission": [rule(duty=[rule("teleport")])]},
        {"obligation": [rule("attribute", consequence=[rule("compensate")])]},
        {"inheritFrom": [{"@id": "http://x.example/other"}]},
        {"profile": [{"@id": "http://x.example/profile"}]},
    ],
)
def test_what_is_not_understood_is_shown_verbatim_and_allows_nothing(rules):
    sentences = odrl.sentences([{ODRL + name: value for name, value in rules.items()}])
    assert "not-understood" in {sentence.rule for sentence in sentences}
    assert not any(sentence.rule == "permission" for sentence in sentences)
    assert all(sentence.verbatim for sentence in sentences if sentence.rule == "not-understood")


def test_a_policy_that_only_has_an_address_is_not_understood():
    [sentence] = odrl.sentences([{"@id": "https://x.example/terms"}])
    assert sentence.rule == "not-understood"
    assert "https://x.example/terms" in sentence.verbatim


@pytest.mark.parametrize(
    ("uri", "label", "kind"),
    [
        ("http://creativecommons.org/publicdomain/zero/1.0/", "", "open"),
        ("http://publications.europa.eu/resource/authority/licence/CC0", "", "open"),
        ("https://creativecommons.org/licenses/by/4.0/", "", "attribution"),
        ("http://publications.europa.eu/resource/authority/licence/CC_BY_4_0", "", "attribution"),
        ("http://publications.europa.eu/resource/authority/licence/CC_BYSA_4_0", "", "share-alike"),
        ("http://publications.europa.eu/resource/authority/licence/CC_BYNC_4_0", "", "non-commercial"),
        ("http://publications.europa.eu/resource/authority/licence/CC_BYNCND_4_0", "", "non-commercial"),
        ("http://publications.europa.eu/resource/authority/licence/CC_BYND_4_0", "", "bespoke"),
        ("https://opendatacommons.org/licenses/odbl/1-0/", "", "share-alike"),
        ("https://www.govdata.de/dl-de/by-2-0", "", "attribution"),
        ("https://www.govdata.de/dl-de/zero-2-0", "", "open"),
        ("http://dcat-ap.de/def/licenses/cc-by-sa/4.0", "", "share-alike"),
        ("https://www.etalab.gouv.fr/licence-ouverte-open-licence", "", "attribution"),
        ("http://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/", "", "attribution"),
        ("https://spdx.org/licenses/Apache-2.0", "", "attribution"),
        ("", "Creative Commons Attribution Non-Commercial 4.0", "non-commercial"),
        ("", "CC BY-SA 4.0", "share-alike"),
        ("", "CC BY 4.0", "attribution"),
        ("https://x.example/our-terms", "Our terms", "bespoke"),
        ("http://creativecommons.org/licenses/by-sa/3.0/at/deed.de", "", "share-alike"),
        ("https://creativecommons.org/publicdomain/mark/1.0/", "", "open"),
        ("http://dcat-ap.de/def/licenses/geonutz/20130319", "", "attribution"),
        ("http://dcat-ap.de/def/licenses/officialWork", "", "open"),
        ("http://dcat-ap.de/def/licenses/other-closed", "", "bespoke"),
        ("http://dcat-ap.ch/vocabulary/licenses/terms_open", "", "open"),
        ("http://dcat-ap.ch/vocabulary/licenses/terms_by", "", "attribution"),
        ("http://dcat-ap.ch/vocabulary/licenses/terms_by_ask", "", "non-commercial"),
        ("https://data.norge.no/nlod/en/2.0", "", "attribution"),
        ("https://w3id.org/italia/controlled-vocabulary/licences/A21:CCBY40", "", "attribution"),
        ("https://data.vlaanderen.be/id/licentie/modellicentie-gratis-hergebruik/v1.0", "", "attribution"),
        ("https://data.vlaanderen.be/id/licentie/creative-commons-zero-verklaring/v1.0", "", "open"),
        ("http://www.openstreetmap.org/copyright", "", "share-alike"),
        ("http://publications.europa.eu/resource/authority/licence/OP_DATPRO", "", "not-stated"),
        ("", "License not specified", "not-stated"),
        ("", "Datenlizenz Deutschland – Namensnennung – Version 2.0", "attribution"),
        ("", "Datenlizenz Deutschland – Zero – Version 2.0", "open"),
        ("", "Creative Commons Namensnennung - Nicht kommerziell", "non-commercial"),
        ("", "Creative Commons Attribuzione 4.0", "attribution"),
        ("", "Norwegian Licence for Open Government Data", "attribution"),
        ("", "MIT", "attribution"),
        # Words that only look like a licence's name.
        ("", "Nur mit Genehmigung", "bespoke"),
        ("", "Not in the public domain", "bespoke"),
        ("", "Not for commercial use", "non-commercial"),
        ("", "The map is for our own use only. " * 10 + "Its attribution is in the imprint.", "bespoke"),
        ("", "", "not-stated"),
    ],
)
def test_licences_by_class(uri, label, kind):
    assert licences.classify(uri, label) == kind


FILE = Distribution(download_url="https://x.example/a.csv")
OPEN = Licence(uri="u", kind=LicenceClass.OPEN)


def record(**more):
    return Record(
        uri="u", kind=Kind.DATASET, **({"distributions": (FILE,), "licence": OPEN, "access": Access.PUBLIC} | more)
    )


@pytest.mark.parametrize(
    ("dataset", "verdict", "reason"),
    [
        (record(), "yes", "no conditions"),
        (record(licence=Licence(uri="u", kind=LicenceClass.ATTRIBUTION)), "yes", "Name the source"),
        (record(licence=Licence(uri="u", kind=LicenceClass.NON_COMMERCIAL)), "ask", "non-commercial"),
        (record(licence=Licence()), "ask", "No licence"),
        (record(access=Access.RESTRICTED), "ask", "restricted"),
        (record(access=Access.CONTRACT), "ask", "agreement"),
        (record(distributions=()), "no", "where to get it"),
        (record(policies=({ODRL + "prohibition": [rule()]},)), "no", "forbids"),
        (record(policies=({ODRL + "permission": [rule("teleport")]},)), "ask", "not understood"),
        (record(policies=({ODRL + "prohibition": [rule("sell")]},)), "ask", "conditions"),
        (record(policies=({ODRL + "permission": [rule()]},)), "yes", "no conditions"),
    ],
)
def test_usable_now(dataset, verdict, reason):
    answer = usability.usable_now(dataset)
    assert answer.verdict == verdict
    assert reason in answer.reason
