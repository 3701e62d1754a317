"""Dashboards that do not come up at once."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Route

from tests.e2e.conftest import Visit
from tests.web import client

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300, func_only=True)]

MODEL = re.compile(r'("model_id":\s*")[0-9a-f]{32}"')


def test_a_page_whose_widgets_its_kernel_does_not_know_loads_itself_again(visit: Visit) -> None:
    founder = visit("founder")
    founder.open_dashboard("onboarding")
    changed: list[str] = []

    def name_another_model(route: Route) -> None:
        if changed:
            route.continue_()
            return
        headers = {**route.request.all_headers(), "accept-encoding": "identity"}
        with client() as http:  # Playwright itself does not know names below localhost
            answer = http.get(route.request.url, headers=headers)
        text, count = MODEL.subn(rf'\g<1>{"0" * 32}"', answer.text)
        changed.extend(["page"] * count)
        route.fulfill(status=answer.status_code, content_type="text/html", body=text)

    founder.page.route("**/voila/render/onboarding.ipynb", name_another_model)
    founder.page.goto(founder.page.url.partition("#")[0])
    founder.wait_for_greeting()
    assert changed, "the first page had a widget that its kernel did not know"
