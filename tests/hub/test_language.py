"""Responses in each reader's language, if there is a catalogue for it."""

import asyncio
import re
import shlex
import subprocess
import sys
from contextvars import copy_context
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo

from hub import language
from hub.slurm import reasons


@pytest.fixture
def german(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "de/LC_MESSAGES"
    folder.mkdir(parents=True)
    catalogue = Catalog(locale="de")
    catalogue.add("Others are before you in the queue.", "Andere sind vor Ihnen an der Reihe.")
    catalogue.add(("{n} day", "{n} days"), ("{n} Tag", "{n} Tage"))
    with (folder / "atrium.mo").open("wb") as file:
        write_mo(file, catalogue)
    forget()
    monkeypatch.setattr(language, "LOCALE", tmp_path)
    yield
    forget()


def forget():
    language.catalogues.cache_clear()
    language._catalogue.cache_clear()


@pytest.mark.parametrize(
    ("accepted", "own", "chosen"),
    [
        ("de-AT,de;q=0.9,en;q=0.8", "", "de"),
        ("en-GB,en;q=0.9,de;q=0.8", "", "en"),
        ("fr,de;q=0.5,en;q=0.7", "", "en"),
        ("fr;q=1,de;q=0.5", "", "de"),
        ("de", "en", "en"),
        ("", "de", "de"),
        ("", "../../etc", "en"),
        ("de;q=x, ;;,,\x00", "", "en"),
        ("de;q=0", "", "en"),
        ("", "", "en"),
    ],
)
def test_the_language_of_a_request(german, accepted, own, chosen):
    assert language.choose(accepted, own) == chosen


def test_texts_are_translated_when_they_are_shown(german):
    def as_a_german():
        language.use("de")
        return str(reasons.reason("Priority")), language.duration(3 * 86400), language.current()

    text, days, current = copy_context().run(as_a_german)
    assert text.startswith("Andere sind vor Ihnen") and days == "3 Tage" and current == "de"
    assert str(reasons.reason("Priority")).startswith("Others are before you")


async def test_concurrent_readers_get_their_own_language(german):
    async def translated_reason(accepted):
        language.use(language.choose(accepted))
        await asyncio.sleep(0)
        return str(reasons.reason("Priority"))

    german_reason, english_reason = await asyncio.gather(
        asyncio.create_task(translated_reason("de")), asyncio.create_task(translated_reason("en"))
    )
    assert german_reason.startswith("Andere") and english_reason.startswith("Others")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0\u202fs"),
        (40, "40\u202fs"),
        (360, "6\u202fmin"),
        (9000, "2\u202fh 30\u202fmin"),
        (7200, "2\u202fh"),
        (259200, "3 days"),
    ],
)
def test_durations_have_a_unit(seconds, text):
    assert language.duration(seconds) == text


def test_the_readmes_commands_make_a_catalogue(tmp_path, monkeypatch):
    """All texts are found, and a translated one is spoken."""
    root = Path(__file__).parents[2]
    blocks = re.findall(r"```\n(.*?)```", (language.LOCALE / "README.md").read_text(), re.DOTALL)
    commands = [shlex.split(line) for block in blocks for line in block.splitlines()]
    pot, locale = tmp_path / "atrium.pot", tmp_path / "locale"

    def run(command):
        here = [part.replace("=atrium.pot", f"={pot}").replace("=hub/locale", f"={locale}") for part in command[1:]]
        here = [part.replace(f"--mapping-file={locale}", "--mapping-file=hub/locale") for part in here]
        tool = str(Path(sys.executable).parent / command[0])
        subprocess.run([tool, *here], cwd=root, check=True, capture_output=True, timeout=120)

    extract, init, compile_ = commands
    run(extract)
    for text in ("Others are before you in the queue.", "Submitted to Slurm", "It was stopped as asked.", "{n} day"):
        assert f'msgid "{text}"' in pot.read_text()
    run(init)
    po = locale / "de/LC_MESSAGES/atrium.po"
    untranslated = 'msgid "Submitted to Slurm"\nmsgstr ""'
    assert untranslated in po.read_text()
    po.write_text(po.read_text().replace(untranslated, 'msgid "Submitted to Slurm"\nmsgstr "An Slurm gegeben"'))
    run(compile_)
    forget()
    monkeypatch.setattr(language, "LOCALE", locale)

    def as_a_german():
        language.use(language.choose("de"))
        return language.translate("Submitted to Slurm")

    assert copy_context().run(as_a_german) == "An Slurm gegeben"
    forget()
