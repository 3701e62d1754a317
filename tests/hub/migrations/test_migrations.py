from sqlalchemy import MetaData, Table, inspect, text

from hub import migrations
from hub.db.base import now
from hub.db.engine import make_engine


def test_from_nothing_to_the_newest_shape_and_again(settings):
    engine = make_engine(settings.api.database_url)
    assert not migrations.at_head(engine)
    for _ in range(2):
        migrations.upgrade(engine)
        assert migrations.at_head(engine)
    assert {"projects", "members", "usage_snapshots", "announcements", "signs_of_life"} <= set(
        inspect(engine).get_table_names()
    )
    engine.dispose()


def test_the_tables_in_the_code_are_those_of_the_migrations(engine):
    migrations.check(engine)


def test_old_attempts_get_the_os_account_of_their_person_and_no_nonce(settings):
    engine = make_engine(settings.api.database_url)
    migrations.upgrade(engine, "0032")
    texts = ("server", "node", "message", "hint", "slurm_state", "exit_code", "reason", "log_tail")
    row = {"gateway": "atrium", "person": "maria", "state": "ready", "request": {}, "requeues": 0, "tell": False}
    with engine.begin() as connection:
        table = Table("server_attempts", MetaData(), autoload_with=connection)
        connection.execute(table.insert(), row | dict.fromkeys(texts, "") | {"id": 1, "created": now()})
    migrations.upgrade(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT os_account, nonce FROM server_attempts")).all() == [("maria", "")]
    engine.dispose()


def test_old_reports_add_up_and_no_id_of_a_record_or_a_run_is_used_again(settings):
    engine = make_engine(settings.api.database_url)
    migrations.upgrade(engine, "0034")
    source = {"id": 1, "name": "cat", "form": "{}", "from_settings": False, "removed": False}
    counts = {"attempts": 1, "pages": 1, "read": 9, "new": 2, "changed": 3, "removed": 1, "refused": 4}
    run = counts | {"id": 7, "source_id": 1, "state": "incomplete", "refusals": "[]", "reason": ""}
    with engine.begin() as connection:
        for name, row in (("dataspace_sources", source), ("dataspace_runs", run | {"started": now()})):
            connection.execute(Table(name, MetaData(), autoload_with=connection).insert(), row)
    migrations.upgrade(engine)
    with engine.begin() as connection:
        columns = "id, read, new, changed, same, refused, listed_only"
        [report] = connection.execute(text(f"SELECT {columns} FROM dataspace_runs")).all()
        if engine.dialect.name == "sqlite":
            tables = {row[0]: row[1] for row in connection.execute(text("SELECT name, sql FROM sqlite_master"))}
            assert all("AUTOINCREMENT" in tables[f"dataspace_{name}"] for name in ("records", "runs"))
            assert (
                connection.execute(text("SELECT seq FROM sqlite_sequence WHERE name = 'dataspace_runs'")).scalar() == 7
            )
    assert report == (7, 13, 2, 3, 4, 4, 0)
    engine.dispose()


def test_mail_goes_on_to_the_addresses_that_people_had_given(settings):
    engine = make_engine(settings.api.database_url)
    migrations.upgrade(engine, "0038")
    with engine.begin() as connection:
        table = Table("profiles", MetaData(), autoload_with=connection)
        for person, contact in (("ada", "ada@example.eu"), ("jan", None)):
            connection.execute(table.insert(), {"person": person, "form": {"contact": contact}, "changed": now()})
    migrations.upgrade(engine)
    with engine.connect() as connection:
        addresses = connection.execute(text("SELECT person, address FROM mail_addresses")).all()
    assert addresses == [("ada", "ada@example.eu")]
    engine.dispose()


def test_a_migration_that_breaks_leaves_nothing_half_done(settings):
    engine = make_engine(settings.api.database_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE signs_of_life (part INTEGER)"))  # in the way of the first step
    try:
        migrations.upgrade(engine)
    except Exception:
        assert set(inspect(engine).get_table_names()) == {"signs_of_life"}
    else:
        raise AssertionError("the migration should have failed")
    finally:
        engine.dispose()
