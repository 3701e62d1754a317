"""Terms of use of Czech and Slovak catalogues: a licence for each kind of right, of which the strictest counts."""

from urllib.parse import quote

import pytest

from hub.dataspace.metadata import usability
from hub.dataspace.models import LicenceClass
from tests.hub.dataspace.metadata.test_dcat import read

PU = "https://data.gov.cz/slovník/podmínky-užití/"
VALUES = "https://data.gov.cz/podmínky-užití/"
CC = "https://creativecommons.org/licenses"
NO_RIGHTS = {
    "autorské-dílo": VALUES + "neobsahuje-autorská-díla/",
    "databáze-jako-autorské-dílo": VALUES + "není-autorskoprávně-chráněnou-databází/",
    "databáze-chráněná-zvláštními-právy": VALUES + "není-chráněna-zvláštním-právem-pořizovatele-databáze/",
    "osobní-údaje": VALUES + "neobsahuje-osobní-údaje/",
}


def record(terms, namespace=PU, specification="specifikace", written=str):
    stated = " ; ".join(f"<{written(namespace + name)}> <{written(value)}>" for name, value in terms.items())
    file = f"dcat:downloadURL <https://files.example/a.csv> ; <{written(namespace + specification)}> [ {stated} ]"
    return read(f"x:d a dcat:Dataset ; dcat:distribution [ {file} ] .")


def ascii_only(address):
    return quote(address, safe=":/#%")


@pytest.mark.parametrize("written", [str, ascii_only])
@pytest.mark.parametrize(
    ("changed", "verdict", "reason"),
    [
        ({}, "yes", "no conditions"),
        ({"autorské-dílo": f"{CC}/by/4.0/"}, "yes", "Name the source"),
        ({"databáze-jako-autorské-dílo": f"{CC}/by-nc/4.0/"}, "ask", "non-commercial"),
        ({"databáze-chráněná-zvláštními-právy": "https://x.example/podmínky"}, "ask", "terms of its own"),
        ({"autorské-dílo": VALUES + "obsahuje-více-autorských-děl/"}, "ask", "terms of its own"),
        ({"osobní-údaje": VALUES + "obsahuje-osobní-údaje/"}, "ask", "stated in words"),
        ({"osobní-údaje": VALUES + "není-specifikováno-zda-obsahuje-osobní-údaje/"}, "ask", "stated in words"),
    ],
)
def test_of_the_terms_for_each_right_the_strictest_counts(changed, verdict, reason, written):
    usable = usability.usable_now(record(NO_RIGHTS | changed, written=written))
    assert (usable.verdict, reason in usable.reason) == (verdict, True), usable.reason


def test_terms_that_leave_a_right_out_are_read_first():
    for name in list(NO_RIGHTS)[:3]:
        terms = {other: value for other, value in NO_RIGHTS.items() if other != name}
        assert record(terms).licence.kind == LicenceClass.BESPOKE
        assert usability.usable_now(record(terms)).verdict == "ask"


@pytest.mark.parametrize(("terms", "kind"), [("<https://x.example/terms>", "bespoke"), ("'Terms'", "bespoke")])
def test_terms_that_are_only_referred_to_are_the_publishers_own(terms, kind):
    file = f"dcat:downloadURL <https://files.example/a.csv> ; <{PU}specifikace> {terms}"
    assert read(f"x:d a dcat:Dataset ; dcat:distribution [ {file} ] .").licence.kind == kind


def test_personal_data_are_said():
    [use] = usability.uses(record(NO_RIGHTS | {"osobní-údaje": VALUES + "obsahuje-osobní-údaje/"}))[0]
    assert f"Stated in words: “contains personal data ({VALUES}obsahuje-osobní-údaje/)”" in use.conditions


@pytest.mark.parametrize("namespace", ["legislation", "law"])
@pytest.mark.parametrize(("personal_data", "verdict"), [(None, "yes"), ("1", "ask"), ("2", "ask"), ("3", "ask")])
def test_slovak_terms_are_licences_and_personal_data_are_shown_as_stated(namespace, personal_data, verdict):
    licence = "http://publications.europa.eu/resource/authority/licence/CC_BY_4_0"
    rights = ("authorsWorkType", "originalDatabaseType", "databaseProtectedBySpecialRightsType")
    terms = dict.fromkeys(rights, licence)
    if personal_data:
        terms["personalDataContainmentType"] = f"https://data.gov.sk/def/personal-data-occurence-type/{personal_data}"
    slovak = record(terms, f"https://data.gov.sk/def/ontology/{namespace}/", "termsOfUse")
    assert (slovak.licence.kind, usability.usable_now(slovak).verdict) == (LicenceClass.ATTRIBUTION, verdict)
