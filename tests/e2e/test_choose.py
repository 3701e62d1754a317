"""The spawn page in Chromium: sizes, advanced options, links, and estimates."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import accessibility_problems, fetch, screenshot, sign_in
from tests.deployment import Deployment
from tests.e2e.conftest import Visit
from tests.e2e.visitor import Visitor
from tests.web import client

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600, func_only=True)]

TOLD = 30_000
"""Milliseconds within which Slurm's answer has to be on the page."""


def spawn_page(visitor: Visitor, query: str = "", server: str = "") -> Page:
    path = f"spawn/{visitor.name}/{server}" if server else "spawn"
    visitor.page.goto(f"{visitor.deployment.public_url}/hub/{path}{query}")
    return visitor.page


def choose(page: Page, size: str) -> None:
    page.get_by_role("radio", name=re.compile(size)).check()


def forecast(page: Page, text: str | re.Pattern[str]) -> None:
    expect(page.locator("#forecast")).to_contain_text(text, timeout=TOLD)


def test_a_small_notebook_needs_a_single_click_and_the_choice_is_remembered(visit: Visit) -> None:
    founder = visit("founder")
    page = spawn_page(founder, "?opt-account=demo&opt-profile=small&opt-minutes=60")
    forecast(page, re.compile(r"Starts (now|in )"))
    forecast(page, "2 core-hours")
    assert founder.deployment.jobs_of(founder.name) == [], "looking starts nothing"
    screenshot(page, "choose-simple")
    page.get_by_role("button", name="Start notebook").click()
    founder.wait_for_lab()
    shape = founder.deployment.squeue(f"--user={founder.name}", "--format=%C %m %l %P %a")
    assert shape == ["2 4G 1:00:00 notebooks demo"]

    founder.stop_everything()
    page = spawn_page(founder)
    expect(page.get_by_role("radio", name=re.compile("Small"))).to_be_checked()
    expect(page.get_by_label("Time", exact=True)).to_have_value("60")


def test_advanced_options_narrow_with_each_choice(visit: Visit) -> None:
    page = spawn_page(visit("founder"))
    choose(page, "Small")
    expect(page.get_by_label("Partition")).to_be_hidden()
    choose(page, "Advanced")
    partition = page.get_by_label("Partition")
    partition.select_option("notebooks")
    expect(page.get_by_label("GPUs", exact=True)).to_be_hidden()
    expect(page.get_by_label("CPU cores")).to_have_attribute("max", "16")
    partition.select_option("gpu")
    expect(page.get_by_label("GPUs", exact=True)).to_be_visible()
    page.get_by_label("GPU type").select_option("l40s")
    page.get_by_label("GPUs", exact=True).fill("2")
    page.get_by_label("CPU cores").fill("2")
    page.get_by_label("CPU cores").press("Tab")
    forecast(page, "GPU-hours")
    screenshot(page, "choose-advanced")
    assert accessibility_problems(page) == []
    partition.select_option("transfer")
    expect(page.get_by_label("CPU cores")).to_have_attribute("max", "2")
    expect(page.get_by_label("Time", exact=True)).to_have_value(re.compile(r"^(30|60|120|240)$"))


def test_a_size_fills_the_fields_in(visit: Visit) -> None:
    page = spawn_page(visit("founder"))
    choose(page, "One GPU")
    choose(page, "Advanced")
    expect(page.get_by_label("Partition")).to_have_value("gpu")
    expect(page.get_by_label("GPUs", exact=True)).to_have_value("1")
    expect(page.get_by_label("Memory", exact=True)).to_have_value("16")


def test_a_link_fills_the_form_in_and_starts_nothing(visit: Visit) -> None:
    founder = visit("founder")
    page = spawn_page(founder, "?opt-cpus=3&opt-memory_gb=5&opt-partition=batch&opt-minutes=30")
    expect(page.get_by_label("CPU cores")).to_have_value("3")
    expect(page.get_by_label("Partition")).to_have_value("batch")
    forecast(page, "1.5 core-hours")
    page = spawn_page(founder, "?profile=one-gpu")
    expect(page.get_by_role("radio", name=re.compile("One GPU"))).to_be_checked()
    forecast(page, re.compile(r"Starts"))

    assert founder.deployment.jobs_of(founder.name) == []


@pytest.mark.parametrize(
    ("query", "label", "message"),
    [
        ("?opt-cpus=99&opt-memory_gb=7", "CPU cores", "more cores than a node of “notebooks” has (16)"),
        ("?opt-minutes=900", "Time", "more time than “notebooks” gives (12"),
        ("?opt-partition=vip", "Partition", "cannot use the partition “vip” now"),
        ("?opt-gpu_type=%3Cb%3Ex", "GPU type", "not the name of one"),
    ],
)
def test_a_link_that_requests_too_much_shows_an_error_at_the_field(
    visit: Visit, query: str, label: str, message: str
) -> None:
    founder = visit("founder")
    page = spawn_page(founder, query)
    field = page.get_by_label(label, exact=True)
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_accessible_description(re.compile(re.escape(message)))
    expect(page.get_by_role("alert")).to_contain_text(message)
    assert accessibility_problems(page) == []
    screenshot(page, "choose-refused")
    assert founder.deployment.jobs_of(founder.name) == []


def test_an_unknown_choice_shows_an_error_at_the_top(visit: Visit) -> None:
    founder = visit("founder")
    page = spawn_page(founder, "?opt-cmd=id")
    expect(page.get_by_role("alert")).to_contain_text("Unknown option: ")
    assert founder.deployment.jobs_of(founder.name) == []


def test_a_refused_form_keeps_its_values(visit: Visit) -> None:
    founder = visit("founder")
    page = spawn_page(founder, server="second")
    choose(page, "Advanced")
    page.locator("form").first.evaluate("form => form.noValidate = true")
    page.get_by_label("Partition").select_option("notebooks")
    page.get_by_label("Memory", exact=True).fill("7")
    page.get_by_label("CPU cores").fill("99")
    page.get_by_role("button", name="Start notebook").click()
    expect(page.get_by_role("alert")).to_contain_text("more cores than a node of “notebooks” has (16)")
    expect(page.get_by_label("CPU cores")).to_have_value("99")
    expect(page.get_by_label("CPU cores")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Memory", exact=True)).to_have_value("7")
    assert founder.deployment.jobs_of(founder.name) == []


def test_a_sooner_alternative_is_offered_and_fills_the_form_in(deployment: Deployment, visit: Visit) -> None:
    founder = visit("founder")
    with gpus_taken(deployment, deployment.person("colleague")):
        page = spawn_page(founder, "?opt-partition=gpu&opt-gpus=4&opt-gpu_type=a100&opt-cpus=1&opt-memory_gb=1")
        forecast(page, re.compile(r"Starts in "))
        expect(page.locator("#sooner")).to_contain_text("With any kind of GPU it starts now.", timeout=TOLD)
        screenshot(page, "choose-sooner")
        page.get_by_role("button", name="Use this instead").click()
        expect(page.get_by_label("GPU type")).to_have_value("")
        forecast(page, "Starts now")


@contextmanager
def gpus_taken(deployment: Deployment, person: str) -> Iterator[None]:
    """All GPUs of one kind, for an hour."""
    script = "#!/bin/sh\nsleep 300\n"
    options = ("--account=demo", "--partition=gpu", "--gres=gpu:a100:4", "--time=60", "--output=/dev/null", "--chdir=/")
    argv = ("runuser", "-u", person, "--", "env", f"SLURM_CONF={deployment.slurm_conf}", "sbatch", "--parsable")
    job = deployment.run(*argv, *options, text=script).stdout.strip()
    try:
        deployment.run("timeout", "30", "sh", "-c", f"until squeue -h -j {job} -t R | grep -q .; do sleep 0.2; done")
        yield
    finally:
        deployment.run("scancel", job, check=False)


def test_a_new_project_appears_on_the_open_form(deployment: Deployment, visit: Visit) -> None:
    founder = visit("founder")
    page = spawn_page(founder, "?opt-cpus=3&opt-memory_gb=5&opt-partition=batch&opt-minutes=30")
    project = page.get_by_label("Project", exact=True)
    expect(project.locator("option[value=t-latest]")).to_have_count(0)
    argv = ("--title", "The latest", "--account", "t-latest", "--cpu-hours", "10", "--lead", founder.name)
    deployment.atrium("project", "create", "t-latest", *argv)
    expect(page.locator("#news")).to_contain_text("You have a new project: t-latest", timeout=150_000)
    expect(page.get_by_label("CPU cores")).to_have_value("3")
    project.select_option("t-latest")
    forecast(page, "1.5 core-hours")
    forecast(page, "then left: 8.5 core-hours")


def test_by_keyboard_alone(visit: Visit) -> None:
    founder = visit("founder")
    page = spawn_page(founder, "?profile=small&opt-minutes=30")
    page.get_by_role("radio", name=re.compile("Small")).focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name=re.compile("Large memory"))).to_be_checked()
    page.keyboard.press("ArrowUp")
    focused = []
    for _ in range(12):
        page.keyboard.press("Tab")
        focused.append(page.evaluate("document.activeElement.name || document.activeElement.innerText.trim()"))
        if focused[-1] == "Start notebook":
            break
    assert [label.partition(",")[0] for label in focused] == ["account", "minutes", "Free resources", "Start notebook"]
    page.keyboard.press("Enter")
    founder.wait_for_lab()


def test_without_a_script_the_sizes_work(deployment: Deployment, browser: Browser, visit: Visit) -> None:
    founder = visit("founder")
    context = browser.new_context(java_script_enabled=False, viewport={"width": 360, "height": 740})
    page = sign_in(context, deployment, founder.name)
    page.goto(f"{deployment.public_url}/hub/spawn")
    choose(page, "Advanced")
    expect(page.get_by_label("Partition")).to_be_visible()
    choose(page, "Small")
    expect(page.get_by_label("Partition")).to_be_hidden()
    page.get_by_label("Time", exact=True).select_option("30")
    page.get_by_role("button", name="Start notebook").click()
    page.wait_for_url(re.compile("/hub/spawn-pending/|/lab"))
    context.close()

    assert founder.deployment.squeue(f"--user={founder.name}", "--format=%C %l") == ["2 30:00"]


def test_the_estimate_is_for_oneself_and_not_for_other_origins(deployment: Deployment, visit: Visit) -> None:
    founder = visit("founder")
    url = f"{deployment.public_url}/hub/atrium/estimate"
    page = spawn_page(founder)
    cookies = {str(cookie.get("name")): str(cookie.get("value")) for cookie in page.context.cookies(url)}
    with client() as stranger:
        assert stranger.post(url, data={"profile": "small"}).status_code == 403
        stranger.cookies.update(cookies)
        assert stranger.post(url, data={"profile": "small"}).status_code == 403, "no XSRF token"
        assert stranger.get(url).status_code in (404, 405)
    form: dict[str, str | float | bool] = {"profile": "small", "account": "demo"}
    form["_xsrf"] = page.locator("[name=_xsrf]").input_value()
    answer = page.request.post(url, form=form)
    assert answer.status == 200
    assert answer.json()["cost"].endswith("core-hours")
    assert page.request.post(url, form={**form, "profile": "", "cpus": "99"}).json()["field"] == "cpus"


def test_the_same_check_by_rest(deployment: Deployment, visit: Visit) -> None:
    founder, colleague = visit("founder"), visit("colleague")
    url = f"{deployment.public_url}/hub/api/users/{founder.name}/server"
    refused = fetch(founder.page, "POST", url, json.dumps({"user_options": {"cpus": 99}}))
    assert refused["status"] == 422
    assert json.loads(refused["text"])["message"].startswith("cpus: You asked for more cores than")
    assert fetch(founder.page, "POST", url, json.dumps({"user_options": {"cmd": "id"}}))["status"] == 422
    stranger = fetch(colleague.page, "POST", url, json.dumps({"user_options": {"cpus": 99}}))
    assert stranger["status"] in (403, 404)
    assert deployment.jobs_of(founder.name) == []

    options = {"profile": "small", "minutes": 30, "partition": "short"}
    assert fetch(founder.page, "POST", url, json.dumps({"user_options": options}))["status"] in (201, 202)
    assert deployment.squeue(f"--user={founder.name}", "--format=%P %l") == ["short 30:00"]
