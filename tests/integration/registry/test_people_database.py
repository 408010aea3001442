"""People, sessions and attempts to log in, on both databases, from several places at once."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from waiting import PATIENCE

from console.accounts import Accounts
from registry.adapters.database.engine import Database
from registry.adapters.database.logins import SqlProviderLogins
from registry.adapters.database.people_tables import provider_login
from registry.adapters.database.people_unit import SqlPeopleUnit
from registry.domain.errors import Conflict, StagegateError, TooManyAttempts, Unauthenticated
from registry.domain.login import Lasting
from registry.domain.people import Person, Role
from registry.services import people
from registry.services.login import count_attempt

pytestmark = pytest.mark.integration

START = datetime(2026, 11, 23, 9, tzinfo=UTC)
LASTING = Lasting(idle=timedelta(hours=2), at_most=timedelta(hours=14))


class PlainPasswords:
    """Passwords that are their own hashes; knows how often it was asked, and about what."""

    def __init__(self) -> None:
        self.asked: list[str | None] = []
        self.strength = ""

    def hash(self, password: str) -> str:
        return self.strength + password

    def fits(self, password: str, kept: str | None) -> bool:
        self.asked.append(kept)
        return kept is not None and kept.lstrip("+") == password

    def is_outdated(self, kept: str) -> bool:
        return not kept.startswith(self.strength)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


class Place:
    """One replica: accounts on the shared database."""

    def __init__(self, database: Database) -> None:
        self.database, self.passwords, self.clock = database, PlainPasswords(), Clock()
        self.accounts = Accounts(database, lambda: self.passwords, veil, LASTING, self.clock)

    def change(self, work: Callable[[SqlPeopleUnit], object]) -> None:
        with self.database.begin() as connection:
            work(SqlPeopleUnit(connection, veil))

    def tried(self, subject: str, times: int) -> None:
        """As if somebody had tried in vain so often."""
        self.change(lambda unit: [unit.tallies.count(subject, START) for _ in range(times)])

    def add(self, name: str, role: Role = Role.VIEWER, *, keyless: bool = False) -> None:
        password = None if keyless else "right"
        one = Person(name, role, START, "root", password_hash=password)
        self.change(lambda unit: people.add_person(unit, one))


def veil(subject: str) -> str:
    return f"veiled {len(subject)} {hash(subject)}"[:64]


def at_once(works: list[Callable[[], object]]) -> list[object]:
    """Run all of these at the same moment; gives what each returned or raised."""
    ready = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> object:
        ready.wait(PATIENCE)
        try:
            return work()
        except StagegateError as error:
            return error

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


@pytest.fixture
def place(database: Database) -> Place:
    made = Place(database)
    made.add("ada", Role.ADMIN)
    return made


def test_a_clock_set_back_shuts_nobody_out(place: Place):
    place.clock.now = START + timedelta(days=30)
    guesses = [_error(lambda: place.accounts.log_in("ada", "wrong", "10.0.0.1")) for _ in range(11)]
    assert isinstance(guesses[-1], TooManyAttempts)
    place.clock.now = START
    assert not isinstance(
        _error(lambda: place.accounts.log_in("ada", "wrong", "10.0.0.1")), TooManyAttempts
    )


def test_guesses_at_the_same_time_do_not_pass_the_limit_together(place: Place):
    guess = lambda: place.accounts.log_in("ada", "wrong", "10.0.0.1")  # noqa: E731
    with ThreadPoolExecutor(8) as pool:
        errors = list(pool.map(lambda _: _error(guess), range(24)))
    assert len(place.passwords.asked) == 10
    assert sum(isinstance(error, TooManyAttempts) for error in errors) == 14
    with pytest.raises(TooManyAttempts, match="wait 15 min") as caught:
        place.accounts.log_in("ada", "right", "10.0.0.1")
    assert caught.value.retry_after == 900


def _error(work: Callable[[], object]) -> Exception | None:
    try:
        work()
    except StagegateError as error:
        return error
    return None


def test_guesses_from_one_address_do_not_shut_out_the_person_at_another(place: Place):
    place.tried("name and address: ada 10.0.0.1", 20)
    place.tried("name: ada", 20)
    with pytest.raises(TooManyAttempts):
        place.accounts.log_in("ada", "right", "10.0.0.1")
    assert place.accounts.log_in("ada", "right", "10.0.0.2")


@pytest.mark.parametrize("subject", ["name: ada", "address: 10.0.0.1"])
def test_guesses_that_are_spread_out_end_as_well(place: Place, subject: str):
    place.tried(subject, 99)
    assert place.accounts.log_in("Ada", "right", "10.0.0.1")
    place.tried(subject, 100)
    with pytest.raises(TooManyAttempts):
        place.accounts.log_in("Ada", "right", "10.0.0.1")


def test_replicas_count_together_and_the_window_ends(place: Place):
    other = Place(place.database)
    for turn in range(10):
        with suppress(StagegateError):
            (place, other)[turn % 2].accounts.log_in("ada", "wrong", "10.0.0.1")
    with pytest.raises(TooManyAttempts):
        other.accounts.log_in("ada", "right", "10.0.0.1")
    other.clock.now = START + timedelta(minutes=15)
    assert other.accounts.log_in("ada", "right", "10.0.0.1")


def test_logging_in_rightly_is_no_guessing(place: Place):
    place.accounts.log_in("ada", "right", "10.0.0.1")
    with place.database.begin() as connection:
        unit = SqlPeopleUnit(connection, veil)
        counted = count_attempt(unit, "ada", "10.0.0.1", START)
    assert [tally.attempts for _, tally in counted] == [1, 1, 1]


def test_an_unknown_name_takes_as_long_as_a_known_one(place: Place):
    place.add("grace", keyless=True)
    for name in ("ada", "nobody", "grace", "\x00"):
        with pytest.raises(Unauthenticated):
            place.accounts.log_in(name, "wrong", "10.0.0.1")
    assert place.passwords.asked == ["right", None, None, None]


def test_a_session_ends_when_nobody_uses_it(place: Place):
    token = place.accounts.log_in("ada", "right", "10.0.0.1")
    for minutes in (60, 170):
        place.clock.now = START + timedelta(minutes=minutes)
        assert place.accounts.of_session(token, used=True)
    place.clock.now += timedelta(minutes=120)
    assert place.accounts.of_session(token, used=True) is None


def test_an_open_page_alone_keeps_no_session_alive(place: Place):
    token = place.accounts.log_in("ada", "right", "10.0.0.1")
    for minutes in (0, 60, 119):
        place.clock.now = START + timedelta(minutes=minutes)
        assert place.accounts.of_session(token, used=False)
    place.clock.now = START + timedelta(minutes=120)
    assert place.accounts.of_session(token, used=False) is None


def test_a_session_ends_after_its_time_however_much_it_is_used(place: Place):
    token = place.accounts.log_in("ada", "right", "10.0.0.1")
    for turn in range(1, 10):
        place.clock.now = START + timedelta(hours=1.5 * turn)
        assert place.accounts.of_session(token, used=True)
    place.clock.now = START + LASTING.at_most
    assert place.accounts.of_session(token, used=True) is None


def test_a_session_holds_at_every_replica_and_after_a_restart(place: Place):
    token = place.accounts.log_in("ada", "right", "10.0.0.1")
    other = Place(Database(place.database.url))
    assert other.accounts.of_session(token, used=True) == place.accounts.of_session(
        token, used=False
    )
    other.accounts.log_out(token)
    assert place.accounts.of_session(token, used=True) is None
    other.database.close()


def test_no_login_survives_being_disabled_at_the_same_moment(place: Place):
    for turn in range(3):
        name = f"eve {turn}"
        place.add(name)
        found = at_once(
            [
                lambda name=name: place.accounts.log_in(name, "right", "10.0.0.1"),
                lambda name=name: place.change(
                    lambda unit: people.disable(unit, name, "ada", START)
                ),
            ]
        )
        place.change(lambda unit, name=name: people.enable(unit, name, "ada", START))
        token = found[0]
        if isinstance(token, str):
            assert place.accounts.of_session(token, used=True) is None


def test_two_admins_who_demote_each_other_leave_one(place: Place):
    place.add("bea", Role.ADMIN)

    def demote(name: str, by: str) -> Callable[[], object]:
        return lambda: place.change(
            lambda unit: people.change_person(unit, name, by, START, Role.VIEWER, None)
        )

    found = at_once([demote("ada", "bea"), demote("bea", "ada")])
    assert sum(isinstance(one, Conflict) for one in found) == 1
    with place.database.read() as connection:
        everybody = SqlPeopleUnit(connection, veil).people.list()
    assert sum(one.is_admin for one in everybody) == 1


def test_the_last_admin_stays(place: Place):
    place.add("bea", Role.ENGINEER)
    with pytest.raises(Conflict, match="ada is the last admin"):
        place.change(lambda unit: people.disable(unit, "ada", "ada", START))
    with pytest.raises(Conflict, match="ada is the last admin"):
        place.change(
            lambda unit: people.change_person(unit, "ada", "ada", START, Role.ENGINEER, None)
        )


def test_a_hash_of_weaker_parameters_is_renewed_at_the_next_login(place: Place):
    place.passwords.strength = "+"
    for _ in range(2):
        assert place.accounts.log_in("ada", "right", "10.0.0.1")
    assert place.passwords.asked == ["right", "+right"]


def test_what_happens_twice_is_written_down_once(place: Place):
    place.add("bea")
    for work in (people.disable, people.disable, people.enable, people.enable):
        place.change(lambda unit, work=work: work(unit, "bea", "ada", START))
    place.change(lambda unit: people.change_person(unit, "bea", "ada", START, None, None))
    with place.database.read() as connection:
        events = SqlPeopleUnit(connection, veil).audit.read()
    assert [event.action for event in events][2:] == ["person disabled", "person enabled"]


def test_a_login_comes_back_from_its_provider_once_and_is_forgotten_when_it_is_too_old(
    database: Database,
):
    def use(state: str, at: datetime) -> bool:
        with database.begin() as connection:
            logins = SqlProviderLogins(connection)
            return logins.use(state, START + timedelta(minutes=10), at)

    assert [use("a", START), use("a", START), use("b", START)] == [True, False, True]
    assert use("c", START + timedelta(minutes=10))
    with database.read() as connection:
        kept = connection.execute(sa.select(provider_login.c.state_hash)).scalars().all()
    assert kept == ["c"]


def test_of_one_way_back_that_is_taken_several_times_at_once_one_counts(database: Database):
    def use(_: int) -> bool:
        with database.begin() as connection:
            return SqlProviderLogins(connection).use("a", START + timedelta(minutes=10), START)

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(use, range(8))) == [False] * 7 + [True]
