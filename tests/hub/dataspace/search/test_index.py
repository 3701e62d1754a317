"""The conformance test of an index: another engine behind the same interface has to pass it as it is."""

import pytest

from hub.dataspace.search.analysis import words
from hub.dataspace.search.engine import Entry, SearchRequest
from hub.dataspace.search.index import TantivyIndex, TantivyWriter


@pytest.fixture(params=["tantivy"])
def engine(request, tmp_path):
    """Writer and reader of an empty index."""
    return TantivyWriter(tmp_path), TantivyIndex(tmp_path)


NOBODY = frozenset()
DEMO = frozenset({"demo"})


def entry(
    identity, text, tongue="en", *, title="", name="", keywords=(), project=None, updated=0, size=0, changed=0, **facets
):
    defaults = {"space": ["health"], "licence": ["open"], "access": ["public"]}
    return Entry(
        id=identity,
        card=f'{{"id":{identity}}}',
        title=title or text,
        texts={tongue: text},
        facets={**defaults, **facets},
        name=name,
        keywords=keywords,
        project=project,
        updated=updated,
        bytes=size,
        changed=changed,
    )


def ids(result):
    return [int(card.removeprefix('{"id":').removesuffix("}")) for card in result.cards]


def find(engine, text="", **options):
    return engine[1].search(SearchRequest(text, **options))


def test_an_empty_index_answers(engine):
    result = find(engine, "anything")
    assert (result.total, result.cards) == (0, ())
    assert all(counts == {} for counts in result.facets.values())


def test_a_generation_grows_with_every_change_and_with_nothing_else(engine):
    writer, reader = engine
    first = reader.generation()
    writer.replace([entry(1, "water")])
    second = reader.generation()
    assert second > first
    assert reader.generation() == second


def test_replacing_and_forgetting(engine):
    engine[0].replace([entry(1, "water"), entry(2, "water"), entry(3, "water")])
    engine[0].replace([entry(1, "fire")], removed=[2, 77])
    assert ids(find(engine, "water")) == [3]
    assert ids(find(engine, "fire")) == [1]
    assert find(engine).total == 2


@pytest.mark.parametrize(
    ("language", "text", "query"),
    [
        ("en", "Measurements of rivers", "measurement river"),
        ("de", "Straßen und Häuser", "haus strassen"),
        ("fr", "Données énergétiques", "donnees energetique"),
        ("nl", "Waterkwaliteit in rivieren", "rivier"),
        ("es", "Estaciones de medición", "estacion medicion"),
        ("it", "Qualità dell'aria", "qualita aria"),
        ("pt", "Estações", "estacoes"),
        ("sv", "Vägarna", "väg"),
        ("da", "Skovene", "skov"),
        ("fi", "Järvissä", "järvi"),
        ("hu", "Vizek minősége", "vizek minosege"),
        ("ro", "Râurile", "rauri"),
        ("el", "Έρευνες", "ερευνεσ"),
        ("pl", "Jakość powietrza Łódź", "jakosc lodz"),
        ("pl", "Rozkłady jazdy autobusów", "AUTOBUS ROZKŁAD"),
        ("cs", "Kvalita pitné vody", "voda"),
        ("cs", "Kvalita pitne\u0301 vody", "pitnou vodu"),
        ("sk", "Zoznam stromov", "stromy"),
        ("sl", "Seznam slovenskih gozdov", "gozd"),
        ("hr", "Popis škola", "škole"),
        ("hr", "Popis nacionalnih parkova", "nacionalni"),
        ("bg", "Регистър на болниците", "болница"),
        ("et", "Metsade pindala", "mets"),
        ("lv", "Skolēnu skaits", "skolēni"),
        ("lt", "Gyventojų surašymas", "gyventojai"),
        ("ga", "Scoileanna", "SCOILEANNA"),
        ("cs", "Kvalita vody Příbram", "pribram"),
        ("sk", "Životné prostredie", "zivotne"),
        ("sl", "Okolje in čebele", "cebele"),
        ("hr", "Šume i rijeke", "sume"),
        ("bg", "Качество на въздуха", "КАЧЕСТВО"),
        ("et", "Õhukvaliteet", "ohukvaliteet"),
        ("lv", "Ūdens kvalitāte", "udens kvalitate"),
        ("lt", "Oro kokybė", "kokybe"),
        ("mt", "Kwalità tal-arja Għawdex", "ghawdex"),
        ("ga", "Cáilíocht an aeir", "cailiocht"),
    ],
)
def test_words_in_every_language_of_the_union(engine, language, text, query):
    engine[0].replace([entry(1, text, language), entry(2, "something else")])
    assert ids(find(engine, query)) == [1]


def test_all_words_have_to_be_there_and_a_title_counts_more(engine):
    engine[0].replace(
        [
            entry(1, "water and air and much else that is long", title="nothing"),
            entry(2, "water and air", title="water air"),
            entry(3, "water"),
        ]
    )
    assert ids(find(engine, "air water")) == [2, 1]


def test_an_unfinished_word_counts_only_while_typing(engine):
    engine[0].replace([entry(1, "hydrology"), entry(2, "hydrogen fuel")])
    assert find(engine, "hyd").total == 0
    assert find(engine, "hyd", typing=True).total == 2
    assert find(engine, "hyd ", typing=True).total == 0  # a space ends the word
    assert ids(find(engine, "fuel hydr", typing=True)) == [2]


def test_a_phrase_is_found_in_its_inflected_forms_and_without_accents(engine):
    engine[0].replace([entry(1, "Kvalita pitné vody", "cs"), entry(2, "Vody pitné, kvalita", "cs")])
    assert ids(find(engine, '"pitná voda"')) == [1]
    assert ids(find(engine, '"kvalita pitne"')) == [1]


def test_a_country_and_a_file_type_are_found_by_their_names_in_any_language(engine):
    engine[0].replace([entry(1, "cows", country=["BEL"]), entry(2, "cars", country=["FRA"], format=["CSV"])])
    names = ("Belgien", "België", "belgique", "Βέλγιο", "Belġju")
    assert [ids(find(engine, name)) for name in names] == [[1]] * len(names)
    assert ids(find(engine, "csv")) == ids(find(engine, "csv Frankreich")) == [2]
    assert ids(find(engine, "csv Belgien")) == []
    assert find(engine, "republic").total == find(engine, "kingdom").total == 0  # parts of many names


def test_a_theme_is_found_by_its_name_in_any_language(engine):
    engine[0].replace([entry(1, "cows", sector=["AGRI"]), entry(2, "cars", sector=["TRAN"])])
    assert ids(find(engine, "landbrug")) == ids(find(engine, "Γεωργία")) == [1]


@pytest.mark.parametrize(
    "text",
    [
        "(" * 400 + "water",
        'water AND NOT OR "((("',
        "title:water",
        "water^1000 ~5 *?*",
        "[a TO z] water",
        "\\water\\",
        "water\x00\ud7ff",
        "OR water",
        "water OR",
        "publisher: water",
        'wa"ter',
        '"water',
    ],
)
def test_query_syntax_is_searched_as_plain_words(engine, text):
    engine[0].replace([entry(1, "and not or water title a to z 1000 5 wa ter publisher")])
    assert find(engine, text).total == 1
    assert len(words("w " * 5000 + " ".join(map(str, range(5000))))) <= 12


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"air quality"', [1]),
        ('"quality air"', []),
        ('"qualities of the air"', [2]),  # each word in any of its forms
        ("air -quality", [3]),
        ("air -noise", [1, 2]),
        ("-air", [4]),
        ('air -"air quality"', [2, 3]),
        ("-publisher:ghent air", [2, 3]),
        ("noise OR quality", [1, 2, 3]),
        ("noise OR bread OR nothing", [3, 4]),
        ("air noise OR quality", [1, 2, 3]),
        ("publisher:Ghent", [1, 4]),
        ('publisher:"City of Ghent" air', [1]),
        ("format:csv", [2]),
        ("format:CSV -air", []),
        ("-format:csv air", [1, 3]),
        ("???", []),
        ('…, - ""', []),
        ("", [1, 2, 3, 4]),
        ("  ", [1, 2, 3, 4]),
    ],
)
def test_phrases_exclusions_alternatives_and_fields(engine, text, expected):
    engine[0].replace(
        [
            entry(1, "air quality", publisher=["City of Ghent"]),
            entry(2, "quality of the air", format=["CSV"]),
            entry(3, "air and noise"),
            entry(4, "bread", publisher=["Ghent Bakers"]),
        ]
    )
    assert sorted(ids(find(engine, text))) == expected
    assert engine[1].most_hits(text, NOBODY) >= len(expected)


def test_the_end_of_a_long_text_is_not_searched_for(engine):
    engine[0].replace([entry(1, "water")])
    assert find(engine, "water " * 83 + "absent").total == 1
    assert find(engine, "water " * 82 + "absent").total == 0


def test_parts_of_a_compound_are_found_after_the_word_itself(engine):
    engine[0].replace(
        [entry(1, "Grundwasser", "de"), entry(2, "Wasser im Grund", "de"), entry(3, "Wasserstandsanzeiger", "de")]
    )
    assert ids(find(engine, "Wasser")) == [2, 1]
    assert ids(find(engine, "Anzeiger")) == [3]  # the rest is no word of its own, but nothing else has this one


def test_part_of_a_title_without_spaces_is_found(engine):
    engine[0].replace(
        [entry(1, "東京都の人口統計", "ja"), entry(2, "서울시대기질측정", "ko"), entry(3, "計統口人", "ja")]
    )
    assert ids(find(engine, "人口統計")) == [1]
    assert ids(find(engine, "대기질")) == [2]
    assert ids(find(engine, "東")) == [1]
    assert ids(find(engine, "統人")) == []


def test_only_words_that_no_record_has_are_corrected(engine):
    engine[0].replace([entry(1, "temperature and precipitation 2021"), entry(2, "tempera painting")])
    assert engine[1].corrections("temprature", frozenset()) == {"temprature": ["temperature"]}
    assert engine[1].corrections('tempera temperatures 2022 "temprature" -temprature', frozenset()) == {"2022": []}
    assert engine[1].corrections("preciptation temperature", frozenset()) == {"preciptation": ["precipitation"]}


def test_a_word_of_a_projects_records_is_corrected_for_others_as_if_it_did_not_exist(engine):
    engine[0].replace([entry(1, "sensory"), entry(2, "sensora", project="demo")])
    assert engine[1].corrections("sensora", frozenset()) == {"sensora": ["sensory"]}
    assert engine[1].corrections("sensora", frozenset({"demo"})) == {}


def words_that_show(engine, typed, projects):
    """Everything that a search tells about words of the index."""
    hits = engine[1].search(SearchRequest(typed, projects=projects))
    unfinished = engine[1].search(SearchRequest(typed, projects=projects, typing=True))
    corrections = engine[1].corrections(typed, projects)
    keywords = engine[1].keywords(typed, projects, 20)
    return sorted(ids(hits)), sorted(ids(unfinished)), corrections, keywords, engine[1].most_hits(typed, projects)


@pytest.mark.parametrize(
    ("typed", "hidden"),
    [
        ("anzeiger", "Anzeiger"),  # the word by itself, so that a compound's rest would have to be a word
        ("wasser", "Wasser und Stands"),  # the rest of a compound
        ("wasser", "Grundwasser"),  # a compound
        ("steell", "Steel"),  # a correction
        ("wass", " ".join(f"wass{chr(97 + n)}" * 2 for n in range(26))),  # more beginnings than are looked up
    ],
)
def test_words_of_a_projects_records_change_nothing_for_others(engine, typed, hidden):
    public = [entry(1, "Wasserstandsanzeiger", "de"), entry(2, "Wassers", "de", keywords=["Wasserkraft"])]
    engine[0].replace(public)
    before = words_that_show(engine, typed, NOBODY)
    own = [entry(n, hidden, "de", project="demo", keywords=["Wasserturm", hidden]) for n in range(3, 8)]
    engine[0].replace(own)
    assert words_that_show(engine, typed, NOBODY) == words_that_show(engine, typed, frozenset({"other"})) == before


def test_members_find_their_projects_records_like_all_others(engine):
    engine[0].replace(
        [
            entry(1, "Grundwasserstände", "de", title="Grundwasserstände", publisher=["City of Ghent"], project="demo"),
            entry(2, "water"),
        ]
    )
    for text in ("Grundwasserstand", "grundw", '"Grundwasserstände"', "publisher:ghent", "Grundwasser", "-water"):
        assert ids(find(engine, text, projects=DEMO, typing=text == "grundw")) == [1], text
        assert 1 not in ids(find(engine, text, typing=text == "grundw"))
    assert engine[1].corrections("grundwaserstände", DEMO) == {"grundwaserstande": ["grundwasserstande"]}
    assert engine[1].corrections("grundwaserstände", NOBODY) == {"grundwaserstande": []}


def test_a_keyword_is_a_filter_and_found_by_its_beginning(engine):
    engine[0].replace(
        [
            entry(1, "a", keywords=["Air  Quality", "noise"]),
            entry(2, "b", keywords=["air quality"]),
            entry(3, "c", keywords=["quality"], project="demo"),
            entry(4, "d", keywords=["keyword search"]),
        ]
    )
    assert sorted(ids(find(engine, keywords=["AIR QUALITY"]))) == [1, 2]
    assert sorted(ids(find(engine, keywords=["noise", "quality"]))) == [1]
    assert sorted(ids(find(engine, keywords=["noise", "quality"], projects=DEMO))) == [1, 3]
    assert find(engine, keywords=["air"]).total == 0
    assert engine[1].keywords("Air q", NOBODY, 5) == {"air quality": 2}
    assert engine[1].keywords("keyword", NOBODY, 5) == {"keyword search": 1}
    assert engine[1].keywords("qual", NOBODY, 5) == {}
    assert engine[1].keywords("qual", DEMO, 5) == {"quality": 1}


def test_all_values_of_a_facet_can_be_asked_for(engine):
    engine[0].replace(
        [entry(n, "a" if n % 2 else "b", publisher=[f"City {n}"], licence=["open"]) for n in range(1, 61)]
        + [entry(61, "a", publisher=["Own"], project="demo")]
    )
    values = engine[1].values(SearchRequest("a", filters={"publisher": ["City 1"]}), "publisher")
    assert values == {f"City {n}": 1 for n in range(1, 61, 2)}
    assert "Own" in engine[1].values(SearchRequest("a", projects=DEMO), "publisher")


def test_days_of_the_last_update_are_a_filter(engine):
    engine[0].replace([entry(n, "a", updated=n) for n in range(5)])  # the first has no date
    days = {(2, 3): [2, 3], (3, 0): [3, 4], (0, 2): [1, 2], (4, 1): [], (0, 0): [0, 1, 2, 3, 4]}
    assert {days: sorted(ids(find(engine, "a", updated=days))) for days in days} == days


def test_counts_of_facets(engine):
    engine[0].replace(
        [
            entry(1, "water", sector=["AGRI", "ENVI"], format=["CSV", "JSON"], language=["en"], publisher=["City"]),
            entry(2, "water", sector=["ENVI"], format=["CSV"], language=["en", "fr"], updated=5, licence=["bespoke"]),
            entry(3, "fire", sector=["ENVI"], space=["mobility"]),
        ]
    )
    facets = find(engine, "water").facets
    assert facets["sector"] == {"AGRI": 1, "ENVI": 2}
    assert facets["format"] == {"CSV": 2, "JSON": 1}
    assert facets["language"] == {"en": 2, "fr": 1}
    assert facets["publisher"] == {"City": 1}
    assert facets["licence"] == {"open": 1, "bespoke": 1}
    assert facets["space"] == {"health": 2}
    assert find(engine).facets["space"] == {"health": 2, "mobility": 1}


def test_filters_narrow_and_a_facet_counts_what_its_other_values_would_give(engine):
    engine[0].replace(
        [
            entry(1, "a", licence=["open"], format=["CSV"]),
            entry(2, "a", licence=["bespoke"], format=["CSV"]),
            entry(3, "a", licence=["open"], format=["JSON"]),
        ]
    )
    result = find(engine, "a", filters={"licence": ["open"], "format": ["CSV"]})
    assert ids(result) == [1]
    assert result.total == 1
    assert result.facets["licence"] == {"open": 1, "bespoke": 1}  # with the format, without the licence
    assert result.facets["format"] == {"CSV": 1, "JSON": 1}
    assert result.facets["space"] == {"health": 1}
    assert sorted(ids(find(engine, "", filters={"licence": ["open", "bespoke"]}))) == [1, 2, 3]
    assert find(engine, "a", filters={"licence": ["no such"]}).total == 0


def test_a_value_of_several_words_is_one_value(engine):
    publishers = ("City of Ghent", "City", "Ville de Liège: région", "of", "Saint-Denis")
    engine[0].replace([entry(n, "a", publisher=[name]) for n, name in enumerate(publishers, 1)])
    assert find(engine).facets["publisher"] == dict.fromkeys(publishers, 1)
    for n, name in enumerate(publishers, 1):
        assert ids(find(engine, filters={"publisher": [name]})) == [n]


def test_a_value_counts_in_its_own_facet_alone(engine):
    engine[0].replace([entry(1, "a", space=["open"], licence=["bespoke"]), entry(2, "a", licence=["open"])])
    assert ids(find(engine, filters={"space": ["open"]})) == [1]
    assert ids(find(engine, filters={"licence": ["open"]})) == [2]
    assert find(engine).facets["space"] == {"open": 1, "health": 1}


def test_a_record_without_any_facet_is_found_and_counted(engine):
    engine[0].replace([entry(1, "a", space=[], licence=[], access=[])])
    assert (find(engine, "a").total, ids(find(engine, "a"))) == (1, [1])
    assert all(counts == {} for counts in find(engine, "a").facets.values())


def test_order_and_pages(engine):
    engine[0].replace([entry(n, "a", updated=n, size=100 - n) for n in range(1, 31)])
    assert ids(find(engine, "a", sort="date", limit=3)) == [30, 29, 28]
    assert ids(find(engine, "a", sort="size", limit=3)) == [1, 2, 3]
    assert ids(find(engine, "a", sort="date", offset=28, limit=20)) == [2, 1]
    assert find(engine, "a", sort="date", offset=28).total == 30


def test_orders_by_age_and_name_put_what_has_none_last(engine):
    engine[0].replace(
        [
            entry(1, "a", updated=30, name="Zebras"),
            entry(2, "a", updated=10, name="«Äpfel»"),
            entry(3, "a", name="birds 2"),
            entry(4, "a", updated=20, name="Birds 1"),
            entry(5, "a", updated=5),
        ]
    )
    assert ids(find(engine, "a", sort="oldest")) == [5, 2, 4, 1, 3]
    assert ids(find(engine, "a", sort="date")) == [1, 4, 2, 5, 3]
    assert ids(find(engine, "a", sort="name")) == [2, 4, 3, 1, 5]
    assert ids(find(engine, "a", sort="name", offset=3, limit=1)) == [1]


def test_a_projects_record_is_neither_seen_nor_counted_by_others(engine):
    engine[0].replace(
        [entry(1, "water"), entry(2, "water", project="demo", format=["SECRET"]), entry(3, "water", project="other")]
    )
    for projects, seen in ((set(), [1]), ({"demo"}, [1, 2]), ({"demo", "other"}, [1, 2, 3]), ({"elsewhere"}, [1])):
        for text in ("water", ""):
            result = find(engine, text, projects=frozenset(projects))
            assert sorted(ids(result)) == seen
            assert result.total == len(seen)
            assert sum(result.facets["space"].values()) == len(seen)
    assert find(engine).facets["format"] == {}
    assert find(engine, filters={"format": ["SECRET"]}).total == 0
    assert find(engine, filters={"format": ["SECRET"]}).facets["format"] == {}


def test_projects_with_records_are_those_named_exactly(engine):
    engine[0].replace([entry(1, "water"), entry(2, "water", project="demo")])
    assert engine[1].projects_with_records(frozenset({"demo", "other"})) == {"demo"}
    assert engine[1].projects_with_records(frozenset({"=demo", "restricted", "dem", ""})) == frozenset()
    engine[0].replace([entry(3, "water", project="other")])
    assert engine[1].projects_with_records(frozenset({"demo", "other"})) == {"demo", "other"}


def test_changed_after_finds_only_later_changes(engine):
    engine[0].replace([entry(1, "a", changed=100), entry(2, "a", changed=200)])
    result = find(engine, "a", changed_after=100, counts=False)
    assert (ids(result), result.total, result.facets) == ([2], 1, {})


def test_most_hits_is_an_upper_limit(engine):
    engine[0].replace([entry(n, f"water w{n}") for n in range(10)])
    assert engine[1].most_hits("water", NOBODY) >= 10
    assert 1 <= engine[1].most_hits("water w3", NOBODY) < 10
    assert engine[1].most_hits("nothing of it", NOBODY) == 0
    assert engine[1].most_hits("", NOBODY) == 10
    engine[0].replace([entry(11, "steel", project="demo")])
    assert (engine[1].most_hits("steel", NOBODY), engine[1].most_hits("steel", DEMO)) == (0, 1)


def test_common_words(engine):
    engine[0].replace([entry(n, f"water w{n}") for n in range(10)])
    assert engine[1].common_words(1) == ["water"]


def test_a_writer_that_was_killed_leaves_the_last_whole_state(engine, tmp_path):
    engine[0].replace([entry(1, "water")])

    def breaks():
        yield entry(2, "water")
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        engine[0].replace(breaks(), removed=[1])
    assert ids(find(engine, "water")) == [1]
    engine[0].replace([entry(3, "water")])
    assert sorted(ids(find(engine, "water"))) == [1, 3]
