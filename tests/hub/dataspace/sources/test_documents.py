"""Catalogues of the Czech kind, and policies that name their targets, through the whole harvest."""

import json

import pytest

from hub.dataspace.metadata import odrl, usability
from hub.dataspace.models import LicenceClass, Verdict
from hub.dataspace.readers import jsonld
from hub.dataspace.sources.models import RunState
from tests.hub.dataspace.metadata.test_dcat import PREFIXES
from tests.hub.dataspace.test_wild import content, serve

pytestmark = pytest.mark.process

OFN = "https://ofn.gov.cz/dcat-ap-cz-rozhraní-katalogů-otevřených-dat/2024-05-28/kontexty/rozhraní-katalogů-otevřených-dat.jsonld"
TERMS = "https://data.gov.cz/podmínky-užití/"
NO_RIGHTS = {
    "autorské_dílo": TERMS + "neobsahuje-autorská-díla/",
    "databáze_jako_autorské_dílo": TERMS + "není-autorskoprávně-chráněnou-databází/",
    "databáze_chráněná_zvláštními_právy": TERMS + "není-chráněna-zvláštním-právem-pořizovatele-databáze/",
    "osobní_údaje": TERMS + "neobsahuje-osobní-údaje/",
}
EU = "http://publications.europa.eu/resource/authority/"


def czech(iri, terms=NO_RIGHTS, context=OFN, **more):
    """A document of one dataset in the form of the Czech standard."""
    file = {
        **{"iri": f"{iri}/distribuce", "typ": "Distribuce", "formát": EU + "file-type/CSV"},
        **{"soubor_ke_stažení": "https://files.example/linky.csv", "přístupové_url": "https://files.example/linky.csv"},
        "podmínky_užití": {"typ": "Specifikace podmínek užití"} | terms,
    }
    document = {
        **{"@context": context, "iri": iri, "typ": "Datová sada", "distribuce": [file]},
        **{"název": {"cs": "Jízdní řády", "en": "Timetables"}, "popis": {"cs": "Linky veřejné dopravy."}},
        **{"klíčové_slovo": {"cs": ["autobus", "vlak"]}, "téma": [EU + "data-theme/TRAN"]},
        "poskytovatel": "https://rpp-opendata.egon.gov.cz/odrpp/zdroj/orgán-veřejné-moci/00007064",
        "časové_pokrytí": {"typ": "Časový interval", "začátek": "2024-01-01", "konec": "2024-12-31"},
        "kontaktní_bod": {"typ": "Organizace", "jméno": {"cs": "Odbor"}, "e-mail": "mailto:data@ministry.example"},
    }
    return document | more


def czech_catalogue(address, *datasets):
    return {
        "@context": OFN,
        "iri": address,
        "typ": "Katalog",
        "název": {"cs": "Katalog"},
        "datová_sada": list(datasets),
    }


def serve_json(site, path, document):
    serve(site, path, document, "application/ld+json")


def test_documents_of_a_czech_catalogue_are_read_and_followed(shop, site):
    first, second = f"{site.url}/datové-sady/linky", f"{site.url}/datové-sady/zastávky"
    serve_json(site, "/katalog", czech_catalogue(f"{site.url}/katalog", first, second))
    serve_json(site, "/datov%C3%A9-sady/linky", czech(first))
    serve_json(site, "/datov%C3%A9-sady/zast%C3%A1vky", czech(second, název={"cs": "Zastávky"}))
    run = shop.harvest(f"{site.url}/katalog")
    assert (run.state, run.pages, run.new, run.refused, run.listed_only) == (RunState.COMPLETE, 3, 2, 0, 0), (
        run.refusals
    )
    assert set(shop.rows()) == {first, second}

    record = content(shop, first)
    assert (record.title, record.keywords) == ({"cs": "Jízdní řády", "en": "Timetables"}, {"cs": ("autobus", "vlak")})
    assert (record.themes, record.temporal) == (("TRAN",), (("2024-01-01", "2024-12-31"),))
    assert (record.contact[0].name, record.contact[0].email) == ({"cs": "Odbor"}, "data@ministry.example")
    assert record.publisher.uri.endswith("/00007064")
    [file] = record.distributions
    assert (file.download_url, file.format) == ("https://files.example/linky.csv", "CSV")
    assert (file.licence.kind, usability.usable_now(record).verdict) == (LicenceClass.OPEN, Verdict.YES)


@pytest.mark.parametrize("address", [address for address in jsonld.PINNED if "ofn.gov.cz" in address])
def test_every_version_of_the_czech_standard_is_known(address):
    for written in (
        address,
        address.replace("í", "%C3%AD").replace("https:", "http:"),
        address.replace("ů", "u\u030a"),
    ):
        _, unknown = jsonld.self_contained({"@context": written})
        assert not unknown


BY = "https://creativecommons.org/licenses/by/4.0/"


# -- policies ---------------------------------------------------------------------------------------------------------

LICENCE = f"dct:license <{BY}>"
ASSET = (
    f"x:d a dcat:Dataset ; dct:title 'T' ; {LICENCE} ; dcat:distribution x:f . "
    "x:f dcat:downloadURL <https://files.example/a.csv> ."
)


@pytest.mark.parametrize(
    ("policy", "verdict"),
    [
        ("x:p a odrl:Set ; odrl:prohibition [ odrl:action odrl:use ; odrl:target x:d ] .", "no"),
        ("x:p a odrl:Set ; odrl:target x:d ; odrl:prohibition [ odrl:action odrl:use ] .", "no"),
        ("x:p a odrl:Set ; odrl:prohibition [ odrl:action odrl:use ; odrl:target x:f ] .", "no"),
        ("[] a odrl:Set ; odrl:prohibition [ odrl:action odrl:use ; odrl:target x:d ] .", "no"),
        ("x:p a odrl:Set ; odrl:permission [ odrl:action odrl:use ; odrl:target x:d ] .", "yes"),
        ("x:p a odrl:Set ; odrl:prohibition [ odrl:action odrl:use ; odrl:target x:other ] .", "yes"),
        (
            "x:p odrl:prohibition [ odrl:action odrl:use ; odrl:target [ odrl:source x:d ; odrl:refinement [] ] ] .",
            "ask",
        ),
    ],
)
def test_a_policy_that_names_its_target_counts_for_it(shop, site, policy, verdict):
    serve(site, "/", PREFIXES + ASSET + "<http://x.example/> <http://www.w3.org/ns/hydra/core#next> </p> .")
    serve(site, "/p", PREFIXES + policy)
    assert shop.harvest(site.url + "/").state == RunState.COMPLETE
    assert usability.usable_now(content(shop, "http://x.example/d")).verdict == verdict
    serve(site, "/p", PREFIXES + "x:nothing dct:title 'gone' .")
    shop.harvest(site.url + "/")
    assert usability.usable_now(content(shop, "http://x.example/d")).verdict == Verdict.YES


def test_a_policy_under_an_unknown_context_is_not_lost(shop, site):
    dataset = {
        **{"@context": "https://elsewhere.example/c.jsonld", "@id": "http://x.example/d", "@type": "Dataset"},
        **{"title": "T", "license": BY, "hasPolicy": {"permission": [{"action": "use", "unless": "x"}]}},
    }
    serve_json(site, "/", dataset)
    shop.harvest(site.url + "/")
    record = content(shop, "http://x.example/d")
    assert {sentence.rule for sentence in odrl.sentences(record.policies)} == {"not-understood"}, json.dumps(dataset)
