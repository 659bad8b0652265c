import orjson
from hypothesis import given
from hypothesis import strategies as st

from tests.trainer.trainer_process import intents
from trainer.engine.examples import read_examples
from trainer.engine.tokens import tokens_in_line
from trainer.jobs.training_lines import supervised_fault

SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
CALLS = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["c1", "c2"]) | VALUES,
        "function": st.fixed_dictionaries({"name": st.just("f") | VALUES}) | VALUES,
    }
)
MESSAGES = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "tool", "system"]) | VALUES},
    optional={
        "content": st.text(max_size=5)
        | st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": VALUES}))
        | VALUES,
        "weight": st.sampled_from([0, 1]) | VALUES,
        "tool_calls": st.lists(CALLS, max_size=2) | VALUES,
        "function_call": st.fixed_dictionaries({"name": st.just("f")}) | VALUES,
        "tool_call_id": st.sampled_from(["c1", "c2"]) | VALUES,
        "name": VALUES,
    },
)
ANSWER = st.just({"role": "assistant", "content": "fine"})
LINES = st.fixed_dictionaries(
    {"messages": st.lists(MESSAGES, max_size=3).flatmap(lambda some: ANSWER.map(lambda last: [*some, last]))}
)


@given(LINES | VALUES)
def test_any_line_is_either_refused_or_can_be_trained_on(line: object) -> None:
    fault = supervised_fault(line)

    if fault is None:
        assert isinstance(line, dict)
        assert list(read_examples(line))
        assert tokens_in_line(line) > 0


def test_a_weight_that_is_null_is_none() -> None:
    line = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello", "weight": None}]}

    assert supervised_fault(line) is None
    assert len(list(read_examples(line))) == 1


def test_a_line_as_people_write_them_is_fine() -> None:
    assert supervised_fault(orjson.loads(orjson.dumps(intents(1)[0]))) is None
