"""Data of the spawn page, and escaping of all values."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from hub.settings import Profile, Settings, Spawn
from hub.slurm.cluster import Cluster
from spawners.options import form
from spawners.options import page as spawn_page
from tests.spawners.cluster import CLUSTER, SETTINGS, changed, offer


class Fields(HTMLParser):
    """The controls of a form: what they hold, what describes them, what may be chosen."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.value: dict[str, str] = {}
        self.offered: dict[str, list[str]] = {}
        self.attributes: dict[str, dict[str, str]] = {}
        self.ids: set[str] = set()
        self.tags: list[str] = []
        self._select = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        own = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        self.ids.add(own.get("id", ""))
        if tag in ("select", "input") and own.get("type") != "radio":
            self.attributes[own["name"]] = own
            self.value.setdefault(own["name"], own.get("value", ""))
            self._select = own["name"]
        elif tag == "option":
            self.offered.setdefault(self._select, []).append(own["value"])
            if "selected" in own:
                self.value[self._select] = own["value"]
        elif tag == "input":
            self.offered.setdefault(own["name"], []).append(own["value"])
            if "checked" in own:
                self.value[own["name"]] = own["value"]


def page(have=None, cluster=CLUSTER, last=None, sent=None, settings=SETTINGS):
    return form.build(have or offer(cluster), cluster, last=last or {}, sent=sent, settings=settings)


def html(shown) -> str:
    template = spawn_page._templates().get_template("frame/choose.html")
    return template.render(page=shown, server="", estimate_url="/hub/atrium/estimate", onboarding_url="http://o/")


def fields(**what) -> Fields:
    return Fields(html(page(**what)))


def test_the_first_time_it_is_the_first_size_in_the_first_project():
    shown = fields()
    assert (shown.value["profile"], shown.value["account"], shown.value["minutes"]) == ("small", "demo", "240")
    assert (shown.value["cpus"], shown.value["partition"]) == ("2", "notebooks")


def test_only_what_can_be_had_is_offered():
    shown = fields(have=offer(changed("partitions", "gpu", up=False)))
    assert shown.offered["profile"] == ["small", "large-memory", ""]
    assert shown.offered["partition"] == ["notebooks", "short", "batch", "transfer"]
    assert shown.offered["qos"] == ["", "normal", "flexible"]
    assert shown.offered["reservation"] == ["", "workshop"]
    assert shown.offered["environment"] == ["", "deep"]
    assert max(map(int, shown.offered["minutes"])) == 2880
    assert (shown.attributes["cpus"]["max"], shown.attributes["memory_gb"]["max"]) == ("16", "32")


def test_the_last_choice_is_remembered():
    last = {"account": "demo", "partition": "batch", "cpus": 3, "memory_gb": 5, "minutes": 77}
    shown = fields(last=last)
    assert (shown.value["profile"], shown.value["partition"]) == ("", "batch")
    assert (shown.value["cpus"], shown.value["memory_gb"], shown.value["minutes"]) == ("3", "5", "77")


@pytest.mark.parametrize(
    "last",
    [
        {"account": "gone", "partition": "notebooks"},
        {"account": "demo", "partition": "notebooks", "cpus": 99},
        {"account": "demo", "cpus": 2, "hours": 4},
        {"account": {"x": 1}},
    ],
)
def test_a_last_choice_that_cannot_be_had_any_more_is_none(last):
    shown = page(last=last)
    assert shown.fields["cpus"].value == "2"
    assert shown.errors == {}


def test_a_size_as_chosen_last_is_that_size():
    last = {"profile": "one-gpu", "account": "demo", "partition": "gpu", "cpus": 4, "memory_gb": 16, "gpus": 1}
    assert fields(last=last).value["profile"] == "one-gpu"
    assert fields(last={**last, "cpus": 5}).value["profile"] == ""


def test_what_was_sent_stands_in_the_form_with_its_error_beside_the_field():
    shown = fields(sent={"cpus": "99", "memory_gb": "7"})
    assert (shown.value["cpus"], shown.value["memory_gb"], shown.value["profile"]) == ("99", "7", "")
    assert shown.attributes["cpus"]["aria-invalid"] == "true"
    assert "cpus-error" in shown.attributes["cpus"]["aria-describedby"].split()
    assert "cpus-error" in shown.ids


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"cpus": "four"}, "cpus"),
        ({"minutes": "1e9"}, "minutes"),
        ({"partition": "vip"}, "partition"),
        ({"profile": "huge"}, "profile"),
        ({"account": "steel", "profile": "small"}, "account"),
        ({"reservation": "upkeep"}, "reservation"),
        ({"environment": "none"}, "environment"),
    ],
)
def test_each_field_has_a_place_for_its_error(sent, field):
    shown = page(sent=sent)
    assert set(shown.errors) == {field}
    assert f'id="{field}-error"' in html(shown)


def test_what_was_asked_for_and_is_not_offered_stays_in_sight():
    assert fields(sent={"partition": "vip"}).value["partition"] == "vip"


def test_every_aria_description_exists():
    for sent in (None, {"cpus": "99"}, {"partition": "vip"}):
        shown = fields(sent=sent)
        described = {
            identifier for own in shown.attributes.values() for identifier in own.get("aria-describedby", "").split()
        }
        assert described <= shown.ids


@pytest.mark.parametrize("minutes", ["²", "٣", "9" * 5000])
def test_a_time_that_only_looks_like_a_number_is_an_error_of_its_field(minutes):
    assert set(page(sent={"minutes": minutes}).errors) == {"minutes"}


ATTACKS = [
    '"><script>alert(1)</script>',
    "' onfocus='x",
    "</select><img src=x>",
    "</script><script>x",
    "{{ 7*7 }}",
    "%3C",
]


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("field", ["account", "partition", "cpus", "minutes", "gpu_type", "profile", "environment"])
def test_what_is_sent_is_text_and_never_html(field, attack):
    text = html(page(sent={field: attack}))
    assert Fields(text).tags == Fields(html(page(sent={field: "x"}))).tags
    assert "49" not in re.findall(r'value="(\d+)"', text)


def test_names_of_slurm_are_text_too():
    bad = '<b>"x'
    cluster = replace(
        CLUSTER,
        partitions=tuple(
            replace(partition, name=bad) if partition.name == "batch" else partition for partition in CLUSTER.partitions
        ),
        nodes=tuple(replace(node, partitions=(*node.partitions, bad)) for node in CLUSTER.nodes),
        error="<script>no</script>",
    )
    profile = Profile(name="small", title="<i>Small</i>", summary="</script>")
    text = html(page(cluster=cluster, settings=Settings(spawn=Spawn(profiles=(profile,)))))
    assert "<b>" not in text
    assert "<i>Small" not in text
    assert Fields(text).tags.count("script") == 1


def test_the_data_for_the_script_is_json_that_ends_nothing():
    text = html(page())
    data = json.loads(re.findall(r'<script id="spawn-data" type="application/json">(.*?)</script>', text, re.DOTALL)[0])
    place = next(entry for entry in data["projects"]["demo"]["places"] if entry["partition"] == "gpu")
    assert place["gpu_types"] == {"a100": 4, "l40s": 4}
    assert data["profiles"]["one-gpu"]["gpus"] == 1
    assert "<" not in re.sub(r"<[^>]*>", "", json.dumps(data["words"]))


def test_a_slurm_that_is_silent_leaves_a_form_that_works():
    shown = page(cluster=Cluster(error="Slurm has not answered for 15 s (sinfo)."), last={})
    text = html(shown)
    assert "has not answered" in text
    assert Fields(text).value["account"] == "demo"
    assert Fields(text).value["profile"] == "small"
    stale = html(page(cluster=replace(CLUSTER, error="Slurm has not answered for 15 s (sinfo).")))
    assert "What you see is from" in stale
    assert "22:10 UTC" in stale


def test_whoever_has_no_project_is_told_what_to_do():
    text = html(page(have=offer(user="stranger")))
    assert "You have no project yet" in text
    assert 'href="http://o/"' in text


def test_free_resources_are_listed_by_partition():
    free = {row.partition: row for row in page().free}
    assert (free["notebooks"].cpus, free["notebooks"].cpus_total, free["notebooks"].memory_gb) == (10, 16, 20)
    assert free["gpu"].gpus == "1 a100 + 4 l40s"
    assert "gpu (28 cores, 1 a100 + 4 l40s GPU free)" in html(page())
