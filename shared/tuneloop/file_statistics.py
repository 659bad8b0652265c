"""File statistics: what a file on this machine holds, counted as a dataset of it would be before a freeze."""

from collections.abc import Iterable, Iterator

from tuneloop.domain.columns import name_number
from tuneloop.domain.counts import Counted, Statistics, statistics_of
from tuneloop.domain.examples import OTHER_ANSWER, Example
from tuneloop.domain.facts import facts_of
from tuneloop.domain.filters import Candidate
from tuneloop.domain.policy import Policy
from tuneloop.store.lines import utc_text
from tuneloop.tokens import count_content


def file_statistics(examples: Iterable[Example], policy: Policy) -> Statistics:
    """The figures of a file's examples under a dataset's policy, by the latest rules; nobody has reviewed them yet."""
    return statistics_of(_counted(examples), policy, revision=0, updated_at=None)


def _counted(examples: Iterable[Example]) -> Iterator[Counted]:
    for each in examples:
        facts = facts_of(each)
        yield Counted(
            Candidate(
                split=each.split,
                category=each.category,
                source=each.source,
                quality=each.quality,
                created_at=utc_text(each.created_at),
            ),
            preference=OTHER_ANSWER in each.content,
            tokens=count_content(each.content),
            characters=facts.characters,
            answer=int(facts.answer, 16),
            subject=name_number(each.subject),
        )
