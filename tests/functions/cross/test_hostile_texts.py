"""Hostile texts by every route: what a model wrote is kept as it is, and no line costs the others anything."""

import json
from io import StringIO
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.examples import chat
from tests.functions.collect_posts.posts import deliver_posts, post_message
from tests.functions.hostile_texts import CONSTANTS, row_by
from tests.functions.refusals import refused
from tests.world import Answer, World
from tuneloop.app import app
from tuneloop.domain.chat.messages import JsonObject, canonical
from tuneloop.domain.core.ids import tenant_hash
from tuneloop.domain.exports.conversions import stored_form
from tuneloop.domain.exports.example_hashes import canonical_answer, example_hashes
from tuneloop.domain.serving.routing import Arm, Inference
from tuneloop.runtime.entry_point import FunctionFailed
from tuneloop.store.objects.segments import read_line
from tuneloop.validation.line_checks import CheckedLine, check_line

POST = "POST /v1/datasets/{dataset}/examples"
BY_DOOR, SPOKEN = 164, 8  # of posts, drops and files each, and of feedback: 2,000 in four rounds
HALF = '{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"{\\"a\\":\\"\\\\ud800\\"}"}]}'
OURS = ("subject", "category", "group")
# A seed has no simpler one, so none is looked for.
ROUNDS = settings(
    max_examples=4,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def post(world: World, rows: list[Any], dataset: str = "posts") -> Answer:
    return world.call(POST, f"/v1/datasets/{dataset}/examples", {"examples": rows})


def upload(world: World, lines: bytes) -> Answer:
    head = 'Content-Disposition: form-data; name="file"; filename="a.jsonl"'
    purpose = 'Content-Disposition: form-data; name="purpose"\r\n\r\nfine-tune'
    form = f"--form\r\n{purpose}\r\n--form\r\n{head}\r\n\r\n".encode() + lines + b"\r\n--form--\r\n"
    return world.call("POST /v1/files", "/v1/files", form)


def say(world: World, nonce: str, **said: Any) -> Answer:
    name = Inference("spoken", 0, 1, Arm.STABLE, "2026-11-20", tenant_hash("acme"), "0", nonce).id
    return world.call("POST /v1/feedback", "/v1/feedback", {"inference_id": name, **said})


def contents(dataset: str) -> list[str]:
    """The contents that a dataset's segments hold, as canonical JSON, sorted."""
    segments = app.datasets.segments("acme", dataset, 1_000)
    return sorted(canonical(read_line(line).example.content) for one in segments for line in app.objects.lines(one.key))


def ends(dataset: str) -> list[tuple[str, int, int]]:
    """How a dataset's drops ended: status, examples and problems."""
    drops = app.datasets.drops("acme", dataset, 100, None).data
    return sorted((drop.status, drop.examples, drop.problem_count) for drop in drops)


def content_of(row: JsonObject) -> str:
    return canonical({name: value for name, value in stored_form(row).items() if name not in OURS})


def jsonl(rows: list[Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


@given(st.integers(0, 1 << 32))
@ROUNDS
def test_two_thousand_hostile_texts_are_accepted_by_every_route(world: World, seed: int) -> None:
    """Each round sends hostile texts of its own into datasets of its own, so that what is there is what was brought."""
    dice, name = Random(seed), f"r{seed}"
    rows = [row_by(dice, number) for number in range(3 * BY_DOOR)]
    posted, dropped, filed = rows[:BY_DOOR], rows[BY_DOOR : 2 * BY_DOOR], rows[2 * BY_DOOR :]
    sent = [row for row in filed if "messages" in row]  # a file is of one kind
    assert all(isinstance(check_line(json.dumps(row).encode(), 1), CheckedLine) for row in rows)

    assert post(world, posted, f"{name}-posts").status == 202
    world.drop(f"{name}-drops", dropped, f"{name}.jsonl")
    file = upload(world, jsonl(sent))
    assert file.status == 200, file.text
    world.settle()

    expected = {f"{name}-posts": posted, f"{name}-drops": dropped, file.body["id"]: sent}
    for dataset, brought in expected.items():
        assert ends(dataset) == [("collected", len(brought), 0)]
        assert contents(dataset) == sorted(map(content_of, brought))


@given(st.integers(0, 1 << 32))
@ROUNDS
def test_feedback_of_hostile_texts_is_learnt_as_it_is(world: World, seed: int) -> None:
    dice = Random(seed)
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "spoken", "on_drop": "collect"})
    rows = [row for row in (row_by(dice, number) for number in range(6 * SPOKEN)) if "messages" in row]
    rows = [row for row in rows if isinstance(row["messages"][-1]["content"], str)][:SPOKEN]

    for number, row in enumerate(rows):
        *asked, last = row["messages"]
        answer = say(world, f"n{seed}-{number}", messages=asked, answer=last["content"], correct=True)
        assert (answer.status, answer.body["becomes_example"]) == (202, True), answer.text
    world.settle()

    learnt = contents("spoken")
    assert all(canonical({"messages": row["messages"]}) in learnt for row in rows)
    assert {status for status, _, _ in ends("spoken")} == {"collected"}


def test_corrections_of_and_by_hostile_texts_are_learnt_with_their_pairs(world: World) -> None:
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "spoken", "on_drop": "collect"})
    for number, text in enumerate(CONSTANTS):
        asked = [{"role": "user", "content": f"What is {number}?"}]

        mended = say(world, f"m{number}", messages=asked, answer=text, correction="it is right")
        spoilt = say(world, f"s{number}", messages=asked, answer="it was right", correction=text)

        assert [(one.status, len(one.body.get("examples", []))) for one in (mended, spoilt)] == [(202, 2)] * 2
    world.settle(100)

    learnt = contents("spoken")
    assert ends("spoken") == [("collected", 2, 0)] * 2 * len(CONSTANTS)
    for number, text in enumerate(CONSTANTS):
        about = [content for content in learnt if f"What is {number}?" in content]
        assert sum(canonical(text) in content for content in about) == 3  # all but the mended answer alone


def test_half_a_pair_inside_an_answer_is_an_example_by_every_route(world: World) -> None:
    assert post(world, [json.loads(HALF)]).status == 202
    world.drop("drops", HALF.encode())
    assert upload(world, HALF.encode()).status == 200
    world.settle()

    assert ends("posts") == ends("drops") == [("collected", 1, 0)]
    assert contents("posts") == contents("drops") == [canonical(json.loads(HALF))]


def test_fields_of_a_correction_keep_half_a_pair_as_it_was_written(world: World) -> None:
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "spoken", "on_drop": "collect"})
    asked, given_before = [{"role": "user", "content": "What is it?"}], '{"a":"\\ud83d","b":1}'

    answer = say(world, "one", messages=asked, answer=given_before, correction={"b": 2}, correction_fields=["b"])
    world.settle()

    assert answer.status == 202, answer.text
    assert any(canonical('{"a":"\\ud83d","b":2}')[1:-1] in content for content in contents("spoken"))


def test_a_template_keeps_half_a_pair_as_it_was_written(world: World) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}}
    template = {"user": "Q: {{input}}", "answer_schema": schema}
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "drops", "on_drop": "collect", "template": template})

    world.drop("drops", [{"input": "x", "output": '{"b": 1, "a": "\\ud83d"}'}])
    world.drop("drops", b'input,output\nx,"{""b"": 2, ""a"": ""\\ud83d""}"\n', "a.csv")

    answers = [json.loads(content)["messages"][-1]["content"] for content in contents("drops")]
    assert sorted(answers) == ['{"a":"\\ud83d","b":1}', '{"a":"\\ud83d","b":2}']


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a":"\\ud800"}', '{ "a" : "\\uD800" }'),
        ('{"a":"\\ud83d\\ude00"}', '{"a": "\U0001f600"}'),
        ('["\\udc00", 1]', '["\\udc00",1]'),
        ('{"b":1,"\\ud800":2}', '{"\\ud800": 2, "b": 1}'),
    ],
)
def test_an_answer_is_one_text_however_half_a_pair_was_written(one: str, other: str) -> None:
    assert canonical_answer(one) == canonical_answer(other)
    canonical_answer(one).encode()


@pytest.mark.parametrize(
    ("text", "code", "path"),
    [
        ('{"messages":[{"role":"user","content":"\\ud800"},A]}', "invalid_unicode", "messages.0.content"),
        ('{"messages":[Q,{"role":"assistant","content":"x \\udc00"}]}', "invalid_unicode", "messages.1.content"),
        ('{"messages":[Q,A],"category":"\\ud83d"}', "invalid_unicode", "category"),
        ('{"messages":[Q,A],"\\ud83d":1}', "invalid_unicode", ""),
        ('{"messages":[Q,A],"tools":[{"a":18446744073709551616}]}', "invalid_number", "tools.0.a"),
        ('{"messages":[Q,A],"tools":[{"a":{"b":-9223372036854775809}}]}', "invalid_number", "tools.0.a.b"),
        ('{"messages":[Q,A],"tools":[{"a":[1,1e999]}]}', "invalid_number", "tools.0.a.1"),
        ('{"messages":[Q,A],"tools":[{"a": NaN}]}', "invalid_number", "tools.0.a"),
        ('{"messages":[Q,A],"tools":[{"a":-Infinity}]}', "invalid_number", "tools.0.a"),
        ('{"messages":[Q,A],"quality":' + "9" * 5000 + "}", "invalid_number", "quality"),
        ('{"messages":[Q,A],"quality":' + "9" * 400 + "}", "invalid_number", "quality"),
        ('{"input":{"messages":[Q],"tools":[{"a":' + "2" * 20 + "}]}}", "invalid_number", "input.tools.0.a"),
    ],
)
def test_what_no_reader_agrees_on_is_refused_alike_by_every_route(
    world: World, text: str, code: str, path: str
) -> None:
    asked, answer = '{"role":"user","content":"q"}', '{"role":"assistant","content":"a"}'
    line = text.replace("Q", asked).replace("A]", f"{answer}]")
    place = path.replace(".0", "[0]").replace(".1", "[1]")

    found = check_line(line.encode(), 1)
    body = '{"examples":[' + line + "]}"
    posted, filed = world.call(POST, "/v1/datasets/posts/examples", body), upload(world, line.encode())
    world.drop("drops", line.encode())

    assert isinstance(found, list)
    assert (found[0].code, found[0].path) == (code, f"$.{place}".rstrip("."))
    assert app.datasets.drops("acme", "drops", 1, None).data[0].problems == found
    refused(posted, 422, code, ".".join(["examples.0", *filter(None, [path])]))
    assert filed.body["error"]["message"].startswith(", ".join(filter(None, ["line 1", place])) + ": ")


@pytest.mark.parametrize("value", [18446744073709551616, -9223372036854775809, 10**38, 10**400])
def test_a_number_beyond_64_bits_is_refused_wherever_json_comes_in(world: World, value: int) -> None:
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "spoken", "on_drop": "collect"})
    world.call("POST /v1/models", "/v1/models", {"id": "by-hand"})
    function = {"name": "look", "parameters": {"type": "object", "maximum": value}}
    tools, asked = [{"type": "function", "function": function}], [{"role": "user", "content": "q"}]
    route, dataset, path = "PATCH /v1/datasets/{dataset}", "/v1/datasets/spoken", "tools.0.function.parameters.maximum"

    refused(say(world, "one", messages=asked, tools=tools, answer="a", correct=True), 422, "invalid_number", path)
    refused(post(world, [chat("q", "a", tools=tools)]), 422, "invalid_number", f"examples.0.{path}")
    for field, setting, where in [
        ("required_examples", value, ""),
        ("policy", {"max_examples": value}, ".max_examples"),
        ("policy", {"min_user_characters": value}, ".min_user_characters"),
        ("template", {"answer_schema": {"maximum": value}}, ".answer_schema.maximum"),
    ]:
        refused(world.call(route, dataset, {field: setting}), 422, "invalid_number", f"{field}{where}")
    made = {"provider_model": "m", "parameters": {"seed": value}}
    version = world.call("POST /v1/models/{model}/versions", "/v1/models/by-hand/versions", made)
    refused(version, 422, "invalid_number", "parameters.seed")
    assert app.usage.find_feedback("acme", "one") is None


@pytest.mark.parametrize("value", [18446744073709551615, -9223372036854775808, 10**18, 1e300, 123456789012345678.5])
def test_a_number_of_64_bits_is_kept_as_it_is_by_every_route(world: World, value: float) -> None:
    function = {"name": "look", "parameters": {"type": "object", "maximum": value}}
    row = chat("What is it?", "this", tools=[{"type": "function", "function": function}])
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "spoken", "on_drop": "collect"})

    asked, tools = row["messages"][:1], row["tools"]
    assert say(world, "one", messages=asked, tools=tools, answer="this", correct=True).status == 202
    assert post(world, [row]).status == 202
    world.drop("drops", [row])
    world.settle()

    assert contents("posts") == contents("drops") == contents("spoken") == [canonical(row)]


class Strange(Exception):
    """What nobody thought of."""


@pytest.fixture
def strange(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that says `poison` makes its processing fail, as a fault of ours would."""

    def fails(example: Any) -> Any:
        if "poison" in example.answer:
            raise Strange(example.answer)
        return example_hashes(example)

    monkeypatch.setattr("tuneloop.store.objects.segments.example_hashes", fails)
    monkeypatch.setattr("record_usage.feedback.example_hashes", fails)


@pytest.mark.usefixtures("strange")
@pytest.mark.parametrize("on_invalid", ["reject", "skip"])
def test_a_post_s_line_that_fails_leaves_the_others(world: World, log: StringIO, on_invalid: str) -> None:
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "posts", "on_invalid": on_invalid, "on_drop": "collect"})
    drop = post(world, [chat("a", "good"), chat("b", "poison of mine"), chat("c", "good")]).body["id"]
    assert post(world, [chat("d", "good")]).status == 202
    world.settle()

    assert ends("posts") == [("collected", 1, 0), ("collected", 2, 1)]
    [problem] = app.datasets.drop("acme", "posts", drop).problems
    assert (problem.line, problem.path, problem.code) == (2, "$", "unreadable")
    assert '"error":"Strange"' in log.getvalue()
    assert "of mine" not in log.getvalue() + problem.message


@pytest.mark.usefixtures("strange")
@pytest.mark.parametrize(("on_invalid", "end"), [("reject", ("rejected", 0, 1)), ("skip", ("collected", 2, 1))])
def test_a_file_s_line_that_fails_is_a_problem_like_any(world: World, on_invalid: str, end: Any) -> None:
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "drops", "on_invalid": on_invalid, "on_drop": "collect"})

    world.drop("drops", [chat("a", "good"), chat("b", "poison"), chat("c", "good")])

    assert ends("drops") == [end]
    [problem] = app.datasets.drops("acme", "drops", 1, None).data[0].problems
    assert (problem.line, problem.code) == (2, "unreadable")


@pytest.mark.parametrize("lacking", [MemoryError, OSError, ModuleNotFoundError])
def test_what_a_process_lacks_is_no_verdict_on_a_line(
    world: World, monkeypatch: pytest.MonkeyPatch, lacking: type[Exception]
) -> None:
    """The first process has too little; the next one that gets the message or the event has enough."""
    settings = {"on_invalid": "reject", "on_drop": "collect"}
    for dataset in ("posts", "drops"):
        world.call("POST /v1/datasets", "/v1/datasets", {"id": dataset, **settings})
    message = post_message(post(world, [chat("a", "good"), chat("b", "good")]).body["id"], "posts")

    def lacks(_: Any) -> Any:
        raise lacking

    with monkeypatch.context() as patch:
        patch.setattr("tuneloop.store.objects.segments.example_hashes", lacks)
        with pytest.raises(FunctionFailed):
            world.drop("drops", [chat("a", "good")])
        assert deliver_posts(message) == ["0"]
    assert ends("posts") == ends("drops") == [("reading", 0, 0)]

    world.drop("drops", [chat("a", "good")])
    assert deliver_posts(message) == []
    assert (ends("posts"), ends("drops")) == ([("collected", 2, 0)], [("collected", 1, 0)])


@pytest.mark.usefixtures("strange")
def test_an_upload_s_line_that_fails_is_named_and_nothing_is_made(world: World) -> None:
    answer = upload(world, jsonl([chat("a", "good"), chat("b", "poison"), chat("c", "poison")]))

    assert (answer.status, answer.body["error"]["param"]) == (400, "file")
    assert answer.body["error"]["message"].startswith("line 2: We could not process this line")
    assert list(app.datasets.all("acme")) == []


@pytest.mark.usefixtures("strange")
def test_feedback_that_fails_is_refused_before_it_is_counted(world: World) -> None:
    world.call("POST /v1/datasets", "/v1/datasets", {"id": "spoken", "on_drop": "collect"})
    asked = [{"role": "user", "content": "q"}]

    refused(say(world, "one", messages=asked, answer="no", correction="poison"), 422, "unreadable", "feedback")
    half = say(world, "two", messages=asked, answer="poison", correction="yes")

    [counted] = app.usage.rows("acme", "spoken", "2026-11-01", "2026-11-30")
    assert (counted.feedback, counted.corrections) == (1, 1)
    assert (half.status, len(half.body["examples"])) == (202, 2)


@pytest.mark.usefixtures("strange")
def test_an_edit_that_fails_is_refused(world: World) -> None:
    world.drop("drops", [chat("a", "good")])
    [example] = world.call("GET /v1/datasets/{dataset}/examples", "/v1/datasets/drops/examples").body["data"]
    edit = {"example": example["id"], "version": 0, "content": chat("a", "poison")}
    answer = world.call("POST /v1/datasets/{dataset}/reviews", "/v1/datasets/drops/reviews", {"reviews": [edit]})

    refused(answer, 422, "unreadable")
