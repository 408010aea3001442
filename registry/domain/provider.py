"""What an OpenID provider says of somebody, and what that makes them here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from registry.domain.errors import Forbidden, Invalid
from registry.domain.people import Role, is_name, valid_account_name

LEAD = "lead"


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """Which claims hold the name and the roles; `roles` says what each value there means.

    A claim within a claim is written with a dot: `realm_access.roles`.
    """

    name_claim: str
    role_claim: str
    roles: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody as the provider knows them, with the role that this gives them here."""

    issuer: str
    subject: str
    name: str
    role: Role
    lead: bool


def parse_roles(text: str) -> Mapping[str, str]:
    """What the values of the role claim mean, from `team-ml=engineer, qa=reviewer`.

    Without any, a value that is called like a role means that role.
    """
    known = (*(role.value for role in Role), LEAD)
    if not text.strip():
        return {name: name for name in known}
    pairs = [tuple(part.strip() for part in pair.split("=", 1)) for pair in text.split(",")]
    for pair in pairs:
        if len(pair) != 2 or not pair[0] or pair[1] not in known:
            raise Invalid(
                f"{'='.join(pair)!r} says no role; write VALUE=ROLE, with a comma between two, and "
                f"a role of {', '.join(known)}"
            )
    return {pair[0]: pair[1] for pair in pairs}


def account(issuer: str, claims: Mapping[str, Any], rules: ClaimRules) -> Account:
    """The account that checked claims describe; Forbidden if they give no role or no usable name.

    The highest role counts. A lead needs a role besides.
    """
    given = [
        rules.roles[value] for value in _texts(claims, rules.role_claim) if value in rules.roles
    ]
    roles = [role for role in Role if role.value in given]
    if not roles:
        raise Forbidden(
            f"your account there has no role here: its claim {rules.role_claim!r} holds none of "
            f"{', '.join(sorted(rules.roles))}; ask whoever manages it"
        )
    names = _texts(claims, rules.name_claim)
    if len(names) != 1 or not is_name(names[0]):
        raise Forbidden(
            f"your account there has no name that can be used here: its claim "
            f"{rules.name_claim!r} must be 1 to 128 letters, digits, spaces and . @ + - _"
        )
    return Account(
        issuer, str(claims["sub"]), valid_account_name(names[0]), roles[-1], LEAD in given
    )


def _texts(claims: Mapping[str, Any], path: str) -> list[str]:
    """The texts at a claim: one, or a list of them. A name with dots may be a claim itself."""
    found: Any = claims.get(path)
    if found is None:
        found = claims
        for part in path.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    values = found if isinstance(found, list) else [found]
    return [value for value in values if isinstance(value, str)]
