"""Judging: overlap taken out, arms scored on the same rows, candidate compared with stable, the gate's verdict."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from evaluate.parts import read_parts, trained_units
from tuneloop.domain.evaluation import (
    Answered,
    ArmName,
    ArmResult,
    Evaluation,
    EvaluationStatus,
    arm_result,
    compare,
    is_contaminated,
    is_right,
    judge,
)
from tuneloop.domain.examples import Example
from tuneloop.domain.exports import Export
from tuneloop.domain.pricing import inference_cost
from tuneloop.domain.registry import Version
from tuneloop.domain.splitting import unit_of
from tuneloop.providers.catalog import price_of
from tuneloop.store.exports import Exports
from tuneloop.store.objects import Objects


def judged(
    evaluation: Evaluation,
    export: Export,
    rows: list[Example],
    versions: dict[int, Version],
    *,
    exports: Exports,
    objects: Objects,
    now: datetime,
) -> Evaluation:
    """The evaluation with its figures and verdict, once every version has answered every row."""
    seen = trained_units(_trained_on(versions.values(), exports), objects)
    clean = [row for row, example in enumerate(rows) if unit_of(example) not in seen]
    answers = {number: read_parts(evaluation, arm, objects) for arm, number in evaluation.asked.items()}
    kept = {number: [given[row] for row in clean] for number, given in answers.items()}
    results = {number: _result(versions[number], answers[number], kept[number]) for number in answers}
    counted = evaluation.model_copy(
        update={
            "status": EvaluationStatus.COMPLETED,
            "finished_at": now,
            "progress": 1.0,
            "lease": None,
            "examples": len(clean),
            "removed_overlap": len(rows) - len(clean),
            "contaminated": is_contaminated(len(rows), len(rows) - len(clean)),
            "arms": {arm: results[number] for arm, number in evaluation.versions.items()}
            | {ArmName.MOST_FREQUENT: _most_frequent(export, [rows[row] for row in clean])},
            "comparison": compare(kept[evaluation.candidate], kept[evaluation.stable], evaluation.look),
        }
    )
    return counted.model_copy(update={"verdict": judge(counted)})


def _trained_on(versions: Iterable[Version], exports: Exports) -> list[Export]:
    tuned = (version for version in versions if version.is_finetuned and version.dataset and version.export)
    return [exports.get(version.tenant, version.dataset or "", version.export or "") for version in tuned]


def _result(version: Version, answers: list[Answered], kept: list[Answered]) -> ArmResult:
    price = price_of(version.provider, version.base_model)
    prompt, completion = sum(a.prompt_tokens for a in answers), sum(a.completion_tokens for a in answers)
    cost = inference_cost(price, prompt, completion, is_finetuned=version.is_finetuned)
    return arm_result(version.number, kept, cost)


def _most_frequent(export: Export, rows: list[Example]) -> ArmResult:
    always = export.most_frequent_answer
    scores = [Answered(row=row, right=is_right(always, example.answer)) for row, example in enumerate(rows)]
    return arm_result(None, scores, Decimal(0))
