"""Routing: sticky, monotone, and ids that say where an answer came from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.factories import NAMES, a_deployment
from tuneloop.domain.core.errors import InvalidInput
from tuneloop.domain.core.ids import tenant_hash, user_hash
from tuneloop.domain.serving.routing import Arm, Inference, parse_inference, parse_model_name, route

USERS = st.text(min_size=1, max_size=20)
SHARES = st.floats(0, 1)
ON_TRIAL = {"stable": 3, "candidate": 4, "salt": "salt-1"}
INFERENCES = st.builds(
    Inference,
    model=NAMES,
    version=st.integers(0, 10**6),
    step=st.integers(0, 10**6),
    arm=st.sampled_from(Arm),
    day=st.dates().map(lambda day: day.isoformat()),
    tenant_hash=NAMES.map(tenant_hash),
    user_hash=(st.none() | USERS).map(lambda user: user_hash("acme", user)),
    nonce=st.text(alphabet="0123456789abcdef", min_size=12, max_size=12),
)


@given(USERS, st.text(), st.text(), SHARES)
def test_a_user_is_always_answered_by_the_same_version(user: str, one: str, other: str, share: float) -> None:
    deployment = a_deployment(**ON_TRIAL, share=share)

    assert route(deployment, user, one) == route(deployment, user, other)


@given(USERS, SHARES, SHARES)
def test_raising_the_share_takes_nobody_off_the_candidate(user: str, one: float, other: float) -> None:
    small, large = (route(a_deployment(**ON_TRIAL, share=share), user, "c") for share in sorted((one, other)))

    if small.arm == Arm.CANDIDATE:
        assert large == small


@given(USERS)
def test_a_share_of_nothing_is_nobody_and_a_share_of_one_is_everybody(user: str) -> None:
    assert route(a_deployment(**ON_TRIAL, share=0.0), user, "c").arm == Arm.STABLE
    assert route(a_deployment(**ON_TRIAL, share=1.0), user, "c").arm == Arm.CANDIDATE


def test_a_fifth_of_the_users_is_about_a_fifth() -> None:
    deployment = a_deployment(**ON_TRIAL, share=0.2)

    moved = sum(route(deployment, f"user-{number}", "c").arm == Arm.CANDIDATE for number in range(4000))

    assert 720 < moved < 880


def test_another_candidate_draws_other_users() -> None:
    one, other = (a_deployment(**{**ON_TRIAL, "salt": salt}, share=0.2) for salt in ("salt-1", "salt-2"))

    both = sum(
        route(one, f"user-{number}", "c").arm == route(other, f"user-{number}", "c").arm == Arm.CANDIDATE
        for number in range(4000)
    )

    assert 100 < both < 220


@pytest.mark.parametrize("user", [None, ""])
def test_a_call_without_a_user_goes_by_itself(user: str | None) -> None:
    deployment = a_deployment(**ON_TRIAL, share=0.5)

    routes = [route(deployment, user, f"call-{number}") for number in range(200)]

    assert {found.arm for found in routes} == set(Arm)


@pytest.mark.parametrize(
    ("changes", "versions"),
    [
        ({}, (0,)),
        ({"stable": 3}, (3, 0)),
        ({**ON_TRIAL, "share": 0.0}, (3, 0)),
        ({**ON_TRIAL, "share": 1.0}, (4, 3, 0)),
        ({"candidate": 4, "share": 1.0}, (4, 0)),
        ({"stable": 3, "candidate": 0, "share": 1.0}, (0, 3)),
        ({"stable": 3, "previous": 2}, (3, 2, 0)),
        ({"stable": 3, "previous": 0}, (3, 0)),
        ({"stable": 0, "previous": 3}, (0,)),
        ({**ON_TRIAL, "share": 1.0, "previous": 2}, (4, 3, 2, 0)),
        ({**ON_TRIAL, "share": 1.0, "previous": 4}, (4, 3, 0)),
        ({"stable": 0, "candidate": 4, "share": 1.0, "previous": 3}, (4, 0)),
    ],
)
def test_what_cannot_answer_gives_way_to_stable_previous_and_base(
    changes: dict[str, int | float | str], versions: tuple[int, ...]
) -> None:
    assert route(a_deployment(**changes), "user-1", "c").versions == versions


@given(INFERENCES)
def test_an_inference_id_says_what_it_was_made_of(inference: Inference) -> None:
    assert parse_inference(inference.id) == inference
    assert inference.id.startswith("chatcmpl-")
    assert len(inference.id) <= 300


@given(INFERENCES, st.integers(0, 200), st.characters())
def test_an_altered_id_is_refused_or_still_says_itself(inference: Inference, place: int, other: str) -> None:
    altered = inference.id[:place] + other + inference.id[place + 1 :]

    try:
        found = parse_inference(altered)
    except InvalidInput as refusal:
        assert refusal.param == "inference_id"  # noqa: PT017 - both outcomes are right
    else:
        assert found.id == altered
        assert "#" not in found.model + found.day


GOOD = "chatcmpl-support.4.2.candidate.2026-07-01.0123abcd.0.abcdef012345"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "chatcmpl-",
        "chatcmpl-9xZ",
        GOOD.removeprefix("chatcmpl-"),
        GOOD + ".more",
        GOOD.replace("support", "Support"),
        GOOD.replace("support", "a#b"),
        GOOD.replace(".4.", ".-4."),
        GOOD.replace(".4.", ".04."),
        GOOD.replace(".4.", ". 4."),
        GOOD.replace(".4.", ".\uff14."),
        GOOD.replace(".2.", ".x."),
        GOOD.replace("candidate", "base"),
        GOOD.replace("2026-07-01", "2026-07-32"),
        GOOD.replace("2026-07-01", "20260701"),
        GOOD.replace("2026-07-01", "2026-07-01#000001"),
    ],
)
def test_what_is_no_inference_id_is_refused(text: str) -> None:
    assert parse_inference(GOOD).version == 4

    with pytest.raises(InvalidInput) as refusal:
        parse_inference(text)

    assert refusal.value.param == "inference_id"


@given(NAMES, NAMES, USERS)
def test_nobody_is_named_in_an_id(tenant: str, other: str, user: str) -> None:
    assert (user_hash(tenant, user) == user_hash(other, user)) == (tenant == other)
    assert (tenant_hash(tenant) == tenant_hash(other)) == (tenant == other)
    assert user_hash(tenant, None) == user_hash(tenant, "") == "0"


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("support", ("support", None)),
        ("support:12", ("support", 12)),
        ("support:0", ("support", 0)),
        ("support:", ("support:", None)),
        ("support:x", ("support:x", None)),
        ("support:1:2", ("support:1:2", None)),
        ("support:1234567", ("support:1234567", None)),
        ("support:\u0661", ("support:\u0661", None)),
    ],
)
def test_a_call_may_name_a_version(named: str, expected: tuple[str, int | None]) -> None:
    assert parse_model_name(named) == expected
