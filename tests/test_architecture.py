"""Architecture tests: layout, names, imports and forbidden texts. To change a rule, change it here and say why in the
folder's README."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

PACKAGES = ("hub", "spawners", "widgets", "deploy")
FOLDERS = {".ci", "deploy", "hub", "notebooks", "spawners", "tests", "widgets"}
FILES = {
    ".gitignore",
    ".pre-commit-config.yaml",
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "environment.yml",
    "jupyterhub_config.py",
    "pyproject.toml",
}
READMES = ("README.md", "deploy/README.md", "tests/README.md")

HUB_MODULES = {
    "api_token",  # the file from which notebooks read their token
    "app",
    "browser_sessions",  # at the servers behind the Hub
    "certificates",  # made with one of JupyterHub's authorities
    "cli",
    "client",
    "config",
    "connection",  # HTTP, for the client of each subject
    "context",
    "environment",  # what the programs we turn into get to see of ours
    "errors",
    "guesses",  # limits on guessing passwords, tokens and codes
    "formats",  # numbers and times, for each reader
    "hub_client",  # HTTP clients for the Hub's REST API
    "language",  # gettext, for each reader
    "loops",  # of the worker, over items that fail one by one
    "sections",  # the settings' base class, and the section that the dashboards service reads, too
    "settings",
    "settings_errors",  # what is wrong with the settings, as sentences
    "settings_reference",  # deploy/settings.md
    "slugs",  # titles as a part of addresses and of names of folders and OS groups
    "tls",  # certificates between the Hub, the proxy, servers and our programs
    "validation",  # pydantic's validation errors as sentences
}
RETIRED_MODULES = {
    "attempts": "history",
    "bringing": "transfers.service",
    "choose": "options.page",
    "continuing": "relaunch",
    "failures": "diagnosis",
    "harmless": "quoting",
    "judging": "scoring",
    "late": "lazy",
    "mending": "repair",
    "parsing": "rdf",
    "parts": "tabs",
    "picture": "dask.status",
    "place": "job_context",
    "restart": "recovery",
    "saving": "saved_searches",
    "words": "reasons",
}
RETIRED_NAMES = {
    "Deed": "StepHandler",
    "Lasting": "ImmutableStatic",
    "Letter": "Email",
    "Order": "TransferSpec",
    "Shelf": "SearchCache",
    "Together": "BundleHandler",
    "Wanted": "DesiredState or SearchRequest",
    "World": "Backends",
    "said_jobs": "named_jobs",
    "jobs_with_comments": "named_jobs",
}
"""Names that were hard to find or to understand, and what the same thing is called now."""

PLAIN_NAMES_IN = ("deploy", "hub", "notebooks", "spawners", "tests", "widgets")
"""Folders in which no name of VAGUE_NAMES is bound."""
VAGUE_NAMES = {
    "asked",
    "begun",
    "brought",
    "found",
    "heard",
    "kept",
    "made",
    "meant",
    "one",
    "said",
    "taken",
    "told",
    "wanted",
}
"""Names that do not say which value they hold: a variable is called ``content_length`` or ``pending_jobs``."""

NOT_SUBJECTS = {
    "locale",
    "migrations",
    "migrations/versions",
    "pages/static",
    "pages/templates",
    "pages/templates/frame",
    "programs/templates",
}
LAYERS = {"models", "tables", "service", "routes", "client", "jobs"}
SUBJECTS: dict[str, set[str]] = {
    "announcements": set(),
    "applications": {
        "aiact",
        "checks",
        "document",
        "versions",  # what was submitted
        "views",  # rows as the API shows them
    },
    "apps": set(),
    "audit": set(),
    "calls": {
        "adviser",
        "calculator",
        "calendar",
        "eligibility",  # who may use a mode
        "machine",  # hardware, from Slurm
        "facts",  # what the programme publishes about a mode, in sentences
        "prices",  # what a mode costs an applicant
        "programme",
    },
    "dask": set(),
    "dataspace": {
        "context",  # what routes receive: the projects of the person who asks
        "fetch",  # the one way out
        "local_files",  # files that come with a catalogue on this machine
        "memberships",  # projects of a person, remembered
        "preview",  # first rows, fetched
    },
    "dataspace/metadata": {
        "addresses",  # mended where that is unambiguous
        "agents",  # publishers, creators, contacts
        "countries",  # by address, code or name
        "coverage",  # places, periods, languages
        "dates",  # in the spellings of catalogues
        "dcat",  # DCAT -> records
        "distributions",  # files and services of a record
        "file_types",  # by media type, name or extension
        "high_value",  # high-value datasets of the EU
        "licences",  # classes of licences
        "literals",  # single values: sizes, links, mailboxes
        "namespaces",  # of all vocabularies
        "nodes",  # values of a node
        "odrl",  # ODRL as sentences and a verdict
        "odrl_inheritance",  # rules of a policy's parents
        "odrl_words",  # words for actions and constraints
        "rights",  # licence and access
        "subjects",  # themes and keywords
        "terms_of_use",  # Czech and Slovak, in place of a licence
        "trees",  # nodes as JSON
        "usability",  # usable now?
        "vocabularies",  # EU authority tables
    },
    "dataspace/publications": {
        "dcat_ap",
        "stored_files",  # addresses of files of the store
    },
    "dataspace/readers": {
        "arrow_values",  # Arrow's values -> text and numbers
        "ckan",  # CKAN's JSON -> nodes
        "contents",  # what bytes are, whatever their name
        "entities",  # of XML, written out under a cap
        "json_tables",  # JSON -> rows
        "jsonld",  # JSON-LD contexts
        "pages",  # bytes -> UTF-8, JSON
        "parsers",  # RDF -> statements -> nodes
        "rdf",  # RDF in all formats -> nodes, around faults
        "rdf_formats",  # which format a page is in
        "repair",  # pages that are not quite what their format asks for
        "rows",  # first rows
        "sandbox",  # a process with limits for untrusted bytes
        "shacl",  # the DCAT-AP shapes
    },
    "dataspace/saved_searches": set(),
    "dataspace/search": {
        "analysis",  # text -> words, stems
        "answers",  # cached until the index changes
        "engine",  # what an index has to offer
        "index",  # Tantivy
        "indexing",  # database -> index
        "labels",  # of vocabularies, as synonyms
        "queries",  # requests -> the engine's queries
        "schema",  # fields of the index
        "spelling",  # words that are nearly the same, compounds
        "stemming",  # languages that the engine has no stemmer for
        "syntax",  # typed text -> words, phrases, exclusions
    },
    "dataspace/sources": {
        "dsp",  # Dataspace Protocol
        "assembly",  # staged nodes -> records in the database
        "harvester",  # sources that are due
        "page_fetcher",  # one page over HTTP or from a file
        "page_reader",  # a source, page by page
        "report",  # of a harvest
        "scoring",  # quality in the background
        "staging",  # last version of each page
    },
    "dataspace/transfers": {
        "download",  # on the node: continued until the file is complete
        "local_copy",  # on the node: a file that comes with a catalogue on this machine
        "node",  # on the node: one file into a project
        "snippets",  # Python code that reads a file
        "storage",  # on the node: files by handle, never through links
        "upload",  # on the node: a file of a project into the store
    },
    "db": {"base", "engine"},
    "health": {"storage"},  # free space
    "home": set(),
    "identity": {
        "addresses",  # of clients, behind proxies
        "groups",
        "hub_api",
        "oidc",
        "roles",
        "throttle",  # attempts and delays, pure
        "tokens",
    },
    "kernels": {
        "__main__",  # in the Python of any environment
        "launcher",  # IPython's kernel, with a socket that waits for its readers
        "manager",  # the server's side
        "websocket",  # from the server to a page
    },
    "mail": {
        "guesses",  # report to admins
        "smtp",
    },
    "organisations": {"sme"},
    "pages": {
        "hosts",  # which hosts the Hub answers on
        "frame",  # header, menu and footer of every page
        "database_errors",  # what the Hub answers when its database fails
        "devices",  # that a person has signed in on
        "handlers",  # the Hub's own pages
        "overview",  # what the API says about a person
        "sign_in",  # passwords and codes, with delays after wrong ones
        "sign_out",  # what it ends, and whether a page's session goes on
        "templating",  # what every template finds
        "text_key",  # of what people typed on dashboards and the API does not have yet
    },
    "programs": {
        "check",  # `atrium check`
        "culling",  # ending servers that nobody has used for long
        "isolation",  # weak isolation of people from each other, as atrium check reports it
        "dashboards",  # the environment that the dashboards service gets
        "nginx",  # the public face
        "retention",  # removing old rows
        "proxy",  # the way to people's servers, as a process of its own
        "worker",  # background jobs
    },
    "projects": {
        "acl",  # access control lists of projects' directories
        "extensions",  # more time or hours
        "invitations",
        "lifecycle",  # dates of phases, pure
        "members",
        "phases",  # the daily life cycle
        "provisioning",
        "storage",
    },
    "reports": set(),
    "reviews": {"queue"},
    "servers": set(),
    "sites": set(),
    "slurm": {
        "cluster",
        "commands",
        "inventory",
        "naming",
        "process",
        "queue",
        "quoting",
        "reasons",
        "scratch",  # a job's own folder on its node
        "steps",  # of a server's start, in its job's log
        "transport",
    },
    "store": {
        "context",  # what routes receive: who uploads, a person or a job
        "files",  # on disk
        "job_tokens",  # what a job may do at the API
        "project_files",  # of the person's process: files of a project, never through links
    },
    "usage": {"forecast", "summary"},
    "workshops": set(),
}
"""Subjects of the Hub, each with the modules it has beside its layers."""

PUBLISHED = {
    "dataspace/metadata/vocabularies",
    "dataspace/readers/contexts",
    "dataspace/readers/shapes",
}
"""Folders of files that others have published and that come with us as they are."""

DRAWERS = {"utils", "util", "lib", "libs", "core", "common", "helpers", "helper", "misc", "shared"}
LONGEST_FUNCTION = 60
DASHBOARD_CODE_LINES = 10

ADDRESSES = re.compile(
    r"pypi\.org|pythonhosted\.org|npmjs\.(org|com)|anaconda\.(org|com)|deb\.debian\.org|archive\.ubuntu\.com|"
    r"--(extra-)?index-url|PIP_(EXTRA_)?INDEX_URL|--find-links|npm_config_registry|\"resolved\":|"
    r"https?://[^\s/]*/simple\b"
)
MACHINE_PATHS = re.compile(r"(?<![\w.}/-])(/work(?![\w-])|/root/[\w.])")
OPEN_DOORS = re.compile(r"\ballow_all\b|\b(Dummy|Null|Shared)\w*Authenticator\b")
SPELLED_OUT = re.compile(r":,(?:\.\d+f)?\}|:%-?d %[bB]\b|toLocaleString\(\)")
"""Numbers and days written by hand; hub/formats.py writes them."""
SPELLED_BY_FORMATTER = ("hub/applications", "hub/calls", "hub/home", "hub/mail", "hub/organisations", "hub/pages")
SPELLED_BY_FORMATTER += ("hub/projects", "hub/reports", "hub/reviews", "hub/store", "hub/usage", "spawners", "widgets")
DEFAULT_PASSWORD = re.compile(r"""(?i)\b(password|passwd|secret)\w*["']?\s*[=:]\s*["'][^"'{}$%<>\s]+["']""")
SHELLS = {("os", "system"), ("os", "popen"), ("subprocess", "getoutput"), ("subprocess", "getstatusoutput")}
SHELL_OPTION = {"run", "Popen", "call", "check_call", "check_output"}


@cache
def tracked() -> tuple[Path, ...]:
    """Files of the repository, those not yet added included, by their path below its root."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=30).stdout
    names = sorted({Path(name) for name in listed.split("\0") if name})
    return tuple(name for name in names if (ROOT / name).is_file())


def texts(*, tests: bool = True) -> Iterator[tuple[Path, str]]:
    """Tracked text files but this one, which contains the forbidden texts."""
    for name in tracked():
        if ROOT / name == Path(__file__) or (not tests and name.parts[0] == "tests"):
            continue
        try:
            yield name, (ROOT / name).read_text()
        except UnicodeDecodeError:
            continue


@cache
def trees() -> dict[Path, ast.Module]:
    """Syntax trees of the repository's Python."""
    return {name: ast.parse((ROOT / name).read_text()) for name in tracked() if name.suffix == ".py"}


def matches(pattern: re.Pattern[str], *, tests: bool = True) -> list[str]:
    """Where ``pattern`` stands, as ``file:line: text``."""
    return [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in texts(tests=tests)
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def test_the_top_level_holds_the_agreed_entries_and_nothing_else() -> None:
    assert {name.parts[0] for name in tracked() if len(name.parts) > 1} <= FOLDERS
    assert {str(name) for name in tracked() if len(name.parts) == 1} <= FILES


def test_the_hub_is_built_of_subjects() -> None:
    files = [name.relative_to("hub") for name in tracked() if name.parts[0] == "hub"]
    modules = {name.stem for name in files if name.suffix == ".py" and len(name.parts) == 1}
    folders = {str(name.parent) for name in files if len(name.parts) > 1}

    assert modules - {"__init__", "__main__"} <= HUB_MODULES
    assert folders <= SUBJECTS.keys() | NOT_SUBJECTS | PUBLISHED


@pytest.mark.parametrize("subject", sorted(SUBJECTS))
def test_inside_a_subject_the_file_names_are_always_the_same(subject: str) -> None:
    files = [name for name in tracked() if name.parent == Path("hub", subject)]
    modules = {name.stem for name in files if name.suffix == ".py"}

    assert modules <= LAYERS | SUBJECTS[subject] | {"__init__"}
    assert {name.name for name in files if name.suffix != ".py"} <= {"README.md", "py.typed"}


def test_models_import_only_pydantic() -> None:
    allowed = sys.stdlib_module_names | {"pydantic", "hub"}
    for name, tree in trees().items():
        if name.parts[0] == "hub" and name.name == "models.py":
            imported = set(imports(tree))
            assert {module.partition(".")[0] for module in imported} <= allowed, name
            assert all(m.endswith(".models") for m in imported if m.startswith("hub.")), name


def imports(tree: ast.Module) -> Iterator[str]:
    """Modules a file imports anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_no_module_is_called_utils_or_common() -> None:
    assert [str(name) for name in tracked() if DRAWERS & {Path(part).stem for part in name.parts}] == []


def test_every_folder_of_code_is_a_package() -> None:
    """Otherwise the import contracts do not see it."""
    folders = {name.parent for name in trees() if name.parts[0] in ("hub", "spawners", "widgets")}
    scripts = {Path("hub/migrations"), Path("hub/migrations/versions")}  # run by Alembic, never imported

    assert {folder for folder in folders - scripts if not (ROOT / folder / "__init__.py").is_file()} == set()


def test_the_contract_about_layers_names_every_subject() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [inside] = [contract for contract in contracts if contract["name"].startswith("inside a subject")]
    layered = {name.parent for name in trees() if name.parts[0] == "hub" and name.stem in LAYERS - {"client", "jobs"}}

    assert set(inside["containers"]) == {".".join(folder.parts) for folder in layered}


def test_import_contracts_hold() -> None:
    lint = [str(Path(sys.executable).parent / "lint-imports"), "--no-logo", "--no-cache"]
    answer = subprocess.run(lint, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)

    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_memberships_are_read_in_one_place() -> None:
    """A query of the table itself forgets sooner or later who is leaving: subjects ask hub/projects/service.py."""
    pattern = re.compile(r"from hub\.projects\.tables import .*\bMember\b|projects\.tables\.Member\b")
    modules = (path for path in (ROOT / "hub").rglob("*.py") if path.parent != ROOT / "hub" / "projects")
    assert [str(path.relative_to(ROOT)) for path in modules if pattern.search(path.read_text())] == []


def test_output_of_slurm_is_split_into_rows_by_one_function() -> None:
    """``str.splitlines`` also splits inside of texts that people write: hub.slurm.commands.rows reads records."""
    readers = {"hub/slurm/commands.py", "hub/slurm/inventory.py", "spawners/dask/queue.py", "spawners/dask/training.py"}
    assert [name for name in readers if ".splitlines(" in (ROOT / name).read_text()] == []


def test_comments_of_jobs_are_read_apart_from_other_peoples_jobs() -> None:
    """Comments (%k) and names (%j) of jobs are free text. Each list that has them is of one account."""
    formats = re.compile(r"%[kj]\b")
    own_account = {
        "hub/slurm/commands.py": "--user=",
        "spawners/dask/queue.py": "--me",
        "spawners/dask/training.py": "--me",
    }
    places = {str(name): text for name, text in texts(tests=False) if name.suffix == ".py" and formats.search(text)}
    assert places.keys() == own_account.keys()
    assert [name for name, option in own_account.items() if option not in places[name]] == []


def test_mail_to_people_is_written_by_the_function_that_no_address_stops() -> None:
    pattern = re.compile(r"\b(mail|service)\.address_of\(")
    modules = ["hub/mail/service.py", *(str(name) for name, text in texts(tests=False) if pattern.search(text))]
    assert [name for name in modules if not name.startswith("hub/mail/")] == []


DAYS_IN = {
    "hub/calls/calendar.py",  # days of the programme's zone
    "hub/usage/service.py",  # days of UTC, as sacct has them
    "hub/usage/routes.py",
    "widgets/projects/view.py",  # pictures of usage
    "hub/reports/routes.py",
}
"""Where a moment becomes a day. A day is one of a zone: a call closes at midnight of the programme's."""


def test_days_are_made_of_moments_in_one_place() -> None:
    days = [
        f"{name}:{call.lineno}"
        for name, tree in trees().items()
        if name.parts[0] in ("hub", "spawners", "widgets") and str(name) not in DAYS_IN
        for call in calls(tree)
        if isinstance(call.func, ast.Attribute) and makes_a_day(call)
    ]
    assert days == []


def makes_a_day(call: ast.Call) -> bool:
    """Whether a call is ``date.today()`` or ``moment.date()``."""
    assert isinstance(call.func, ast.Attribute)
    return not call.args and call.func.attr in ("today", "date")


def test_months_are_counted_in_one_place() -> None:
    """Months have 28 to 31 days: hub/calls/calendar.py adds them."""
    months = re.compile(r"relativedelta|monthrange|timedelta\(days=3[01]\b")
    names = {str(name) for name, text in texts(tests=False) if name.suffix == ".py" and months.search(text)}
    assert names <= {"hub/calls/calendar.py"}


def test_the_hubs_configuration_is_a_table_of_contents() -> None:
    assert len((ROOT / "jupyterhub_config.py").read_text().splitlines()) < 50


@pytest.mark.parametrize("readme", READMES)
def test_folders_that_a_stranger_opens_first_have_a_readme(readme: str) -> None:
    assert (ROOT / readme).is_file()


def test_links_between_documents_lead_somewhere() -> None:
    broken = [
        f"{name}: {target}"
        for name, text in texts()
        if name.suffix == ".md"
        for target in re.findall(r"\]\(([^)#\s]+)", text)
        if "://" not in target and not (ROOT / name.parent / target).exists()
    ]

    assert broken == []


def test_no_registry_or_index_is_named() -> None:
    assert matches(ADDRESSES) == []


def test_no_path_of_a_developers_machine_is_named() -> None:
    assert matches(MACHINE_PATHS) == []


def test_no_authenticator_without_passwords_and_no_default_password() -> None:
    assert matches(OPEN_DOORS, tests=False) == []
    assert matches(DEFAULT_PASSWORD, tests=False) == []


def test_numbers_and_days_are_written_by_the_one_formatter() -> None:
    """Otherwise "50 000" and "50,000" stand in one paragraph. The data spaces' reports are still to follow."""
    spelled = [line for line in matches(SPELLED_OUT, tests=False) if line.startswith(SPELLED_BY_FORMATTER)]

    assert spelled == []


def test_no_command_goes_through_a_shell() -> None:
    violations = [
        f"{name}:{call.lineno}" for name, tree in trees().items() for call in calls(tree) if uses_a_shell(call)
    ]

    assert violations == []


def calls(tree: ast.Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def uses_a_shell(call: ast.Call) -> bool:
    owner, _, name = ast.unparse(call.func).rpartition(".")
    shell_option = any(keyword.arg == "shell" and not is_false(keyword.value) for keyword in call.keywords)
    return (
        (shell_option and name in SHELL_OPTION)
        or (owner, name) in SHELLS
        or name in ("create_subprocess_shell", "subprocess_shell")
    )


def is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def test_retired_names_are_not_used() -> None:
    retired = [
        f"{name} is called {RETIRED_MODULES[name.stem]}"
        for name in trees()
        if name.parts[0] in PACKAGES and name.stem in RETIRED_MODULES
    ]
    retired += [
        f"{name}:{node.lineno} {node.name} is called {RETIRED_NAMES[node.name]}"
        for name, tree in trees().items()
        if name.parts[0] in PACKAGES
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name in RETIRED_NAMES
    ]

    assert retired == []


def test_names_say_which_value_they_hold() -> None:
    vague = [
        f"{name}:{line} {bound}"
        for name, tree in trees().items()
        if any(name.is_relative_to(folder) for folder in PLAIN_NAMES_IN)
        for line, bound in bound_names(tree)
        if bound.strip("_") in VAGUE_NAMES
    ]

    assert vague == []


def test_names_of_pages_and_notebooks_say_which_value_they_hold() -> None:
    vague = [
        f"{name} {bound}"
        for name in tracked()
        if name.is_relative_to("hub/pages") or name.parts[0] in ("notebooks", "widgets")
        for bound in names_of_page(name)
        if bound in VAGUE_NAMES
    ]

    assert vague == []


def names_of_page(path: Path) -> Iterator[str]:
    """Names that a script, a template or the code cells of a notebook bind, as far as a pattern can see them."""
    match path.suffix:
        case ".js":
            for names in SCRIPT_NAMES.finditer((ROOT / path).read_text()):
                yield from re.findall(r"\w+", " ".join(filter(None, names.groups())))
        case ".html" | ".j2":
            yield from re.findall(r"{%-? *(?:for|set) (\w+)", (ROOT / path).read_text())
        case ".ipynb":
            for cell in json.loads((ROOT / path).read_text())["cells"]:
                if cell["cell_type"] == "code":
                    tree = ast.parse("".join(line for line in cell["source"] if not line.startswith("%")))
                    yield from (bound for _, bound in bound_names(tree))


SCRIPT_NAMES = re.compile(
    r"\b(?:const|let) (\w+)|\b(?:const|let) [\[{]([^\]}]*)[\]}]|(\w+) =>|\(([\w, ]*)\) (?:=>|{)|\bthis\.(\w+) ="
)


def bound_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and name of each variable, parameter, attribute, function and import alias that a file binds."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()) | ast.arg(arg=name):
                yield node.lineno, name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield node.lineno, name
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield node.lineno, name
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                yield from ((node.lineno, alias.asname) for alias in aliases if alias.asname)


def test_functions_are_short() -> None:
    """Statements and branches are counted by ruff (PLR0915, C901); this counts what a reader scrolls."""
    too_long = [
        f"{name}:{node.lineno} {node.name}"
        for name, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION
    ]

    assert too_long == []


def test_dashboard_notebooks_are_short_and_have_no_outputs() -> None:
    for notebook in (name for name in tracked() if name.suffix == ".ipynb"):
        cells = json.loads((ROOT / notebook).read_text())["cells"]
        code = [cell for cell in cells if cell["cell_type"] == "code"]
        assert not any(cell["outputs"] or cell["execution_count"] for cell in code), f"{notebook} has outputs"
        if notebook.parts[:2] == ("notebooks", "dashboards"):
            lines = "\n".join("".join(cell["source"]) for cell in code).splitlines()
            code_lines = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
            assert len(code_lines) <= DASHBOARD_CODE_LINES, f"{notebook} has {len(code_lines)} lines of code"


@pytest.mark.parametrize(
    ("source", "shell"),
    [
        ("subprocess.run(['ls'])", False),
        ("subprocess.run('ls', shell=False)", False),
        ("subprocess.run('ls', shell=True)", True),
        ("subprocess.run('ls', shell=wanted)", True),
        ("Popen('ls', shell=True)", True),
        ("client.start_channels(shell=True)", False),
        ("os.system('ls')", True),
        ("asyncio.create_subprocess_shell('ls')", True),
        ("loop.subprocess_shell(factory, 'ls')", True),
    ],
)
def test_a_shell_is_recognised(source: str, shell: bool) -> None:
    [call] = calls(ast.parse(source))

    assert uses_a_shell(call) is shell


@pytest.mark.parametrize(
    "source",
    [
        "told = 1",
        "for told in (): ...",
        "[told for told in ()]",
        "self.told = 1",
        "told: int",
        "def told(): ...",
        "def f(told): ...",
        "def f(*, told=1): ...",
        "lambda told: 1",
        "with open('x') as told: ...",
        "try: ...\nexcept OSError as told: ...",
        "import json as told",
        "match x:\n case [told]: ...",
        "if told := 1: ...",
    ],
)
def test_a_bound_name_is_recognised(source: str) -> None:
    assert "told" in {name for _, name in bound_names(ast.parse(source))}


@pytest.mark.parametrize(
    ("pattern", "bad", "good"),
    [
        (MACHINE_PATHS, "cd /work/main", "open /workshops"),
        (MACHINE_PATHS, 'Path("/root/.bin")', "never below /root"),
        (DEFAULT_PASSWORD, 'password = "atrium"', 'password = "${password}"'),
        (DEFAULT_PASSWORD, "{'password': 'x'}", "password: str"),
        (OPEN_DOORS, "c.Authenticator.allow_all = True", "allowed_users"),
        (SPELLED_OUT, 'f"{hours:,} h"', 'f"{quantity(hours)} h"'),
        (SPELLED_OUT, 'f"{day:%-d %B %Y}"', 'f"{day:%Y-%m-%d}"'),
        (ADDRESSES, "pip install --index-url x", "pip install x"),
    ],
)
def test_a_forbidden_text_is_recognised(pattern: re.Pattern[str], bad: str, good: str) -> None:
    assert pattern.search(bad)
    assert not pattern.search(good)
