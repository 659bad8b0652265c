"""The bill: its arithmetic against cases done by hand, its prices, and that it follows what is deployed and done."""

import json
import re
from copy import deepcopy
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from bench.bill import DASHBOARD, IDLE_TARGET_USD, BillBasis, MonthlyBill, price_quantities, show, write
from bench.billing.meter import billed_gb_s, metric_names
from bench.billing.model import (
    HOURS,
    SECONDS,
    Amounts,
    Assumptions,
    PriceList,
    read_prices,
    read_units,
    size,
    stored_bytes,
    write_units,
)
from bench.billing.month import access_log_bytes, batch_of, metric_months, month, poll_requests
from bench.billing.template import Poller, StackTemplate, read_template, synthesize, times_a_month
from bench.billing.workload import Workload, measure

ASSUMED = Assumptions(drop_lines=200)
INDEXES = (("sweep_pk", "sweep_sk"), ("list_pk", "list_sk"))
NOT_BILLED = {
    "answer_bytes",
    "dynamodb_byte_months",
    "s3_bytes",
}  # what priced quantities are made from, as metrics are
PRICES = read_prices()


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return synthesize()


@pytest.fixture(scope="module")
def deployed(template: dict[str, Any]) -> StackTemplate:
    return read_template(template)


@pytest.fixture(scope="module")
def workload(deployed: StackTemplate) -> Workload:
    return measure(deployed, ASSUMED)


@pytest.fixture(scope="module")
def basis(deployed: StackTemplate, workload: Workload) -> BillBasis:
    return BillBasis(deployed, workload, ASSUMED, PRICES)


def idle(deployed: StackTemplate, workload: Workload) -> MonthlyBill:
    return BillBasis(deployed, workload, ASSUMED, PRICES).bill(0)


def test_an_idle_stage_costs_two_dollars_at_most_without_its_dashboard(
    deployed: StackTemplate, workload: Workload
) -> None:
    assert 0.5 < idle(deployed, workload).total_usd <= IDLE_TARGET_USD


def test_the_dashboard_stands_beside_the_total(deployed: StackTemplate, workload: Workload) -> None:
    one, none = (idle(replace(deployed, dashboards=number), workload) for number in (1, 0))

    assert (one.dashboard_usd, none.dashboard_usd) == (3.0, 0.0)
    assert one.total_usd == none.total_usd


def test_every_price_has_its_page_and_its_day() -> None:
    assert PRICES.region == "us-east-1"
    for price in PRICES.prices.values():
        assert price.source.startswith("https://aws.amazon.com/")
        assert price.read >= date(2026, 11, 21)
        assert price.unit
        assert price.seen is None or re.match("https?://", price.seen)


def test_whatever_is_counted_has_a_price(deployed: StackTemplate, workload: Workload) -> None:
    counted = {name for name in month(1_000, deployed, workload, ASSUMED) if not name.startswith("metric ")}

    assert counted - NOT_BILLED == set(PRICES.prices)


def test_a_bill_is_quantities_times_prices() -> None:
    quantities = {"lambda_requests": 3e6, "lambda_gb_s": 100_000.0, "sqs_requests": 2.5e6, "dashboards": 1.0}

    found = price_quantities(1, Amounts(quantities), PRICES)

    assert found.services["Lambda"] == pytest.approx(0.60 + 1.33334)
    assert found.services["SQS"] == pytest.approx(1.00)
    assert found.services[DASHBOARD] == 3.0
    assert found.total_usd == pytest.approx(0.60 + 1.33334 + 1.00)


def test_lambda_time_rounds_up_to_the_millisecond_at_its_share_of_a_core() -> None:
    assert billed_gb_s(0.010, 1.0, 1769) == pytest.approx(1.010 * 1769 / 1024)
    assert billed_gb_s(0.0101, 0.0, 512) == pytest.approx(0.035 * 0.5)  # 0.0101 x 1769 / 512 = 0.0349
    assert billed_gb_s(0.010, 0.0, 3538) == pytest.approx(0.010 * 3538 / 1024)  # no faster than one core


def row(bytes_: int, **attributes: str) -> dict[str, Any]:
    keys = {name: {"S": text} for name, text in attributes.items()}
    return keys | {"x": {"S": "x" * (bytes_ - size(keys) - 1)}}


def test_a_row_s_size_counts_names_and_values() -> None:
    assert size({"pk": {"S": "ab"}, "n": {"N": "1234"}, "flag": {"BOOL": True}}) == 4 + 5 + 5
    assert size({"m": {"M": {"a": {"S": "é"}}}, "l": {"L": [{"NULL": True}]}}) == (1 + 3 + 1 + 1 + 2) + (1 + 3 + 1 + 1)
    assert size(row(700, pk="a")) == 700


def test_reads_count_steps_of_four_kilobytes() -> None:
    assert read_units([], consistent=True) == 1
    assert read_units([row(4096)], consistent=True) == 1
    assert read_units([row(4096), row(1)], consistent=True) == 2
    assert read_units([row(5000)], consistent=False) == 1
    assert read_units([], consistent=False) == 0.5


def test_writes_count_steps_of_one_kilobyte_and_one_more_for_each_index() -> None:
    plain, listed = row(1000), row(1000, list_pk="t", list_sk="1")
    both = row(1500, list_pk="t", list_sk="1", sweep_pk="open", sweep_sk="1")
    moved = row(1000, list_pk="t", list_sk="2")

    assert write_units(None, plain, INDEXES) == 1
    assert write_units(row(2500), plain, INDEXES) == 3
    assert write_units(None, listed, INDEXES) == 2
    assert write_units(None, both, INDEXES) == 6
    assert write_units(both, listed, INDEXES) == 2 + 2 + 2  # out of the sweep, and the row as large as it was
    assert write_units(listed, moved, INDEXES) == 1 + 2
    assert stored_bytes(listed, INDEXES) == 2 * (1000 + 100)


@pytest.mark.parametrize(
    ("expression", "times"),
    [
        ("rate(5 minutes)", 8760),
        ("rate(1 minute)", 43_800),
        ("cron(0 3 1 * ? *)", 1),
    ],
)
def test_schedules_are_counted(expression: str, times: float) -> None:
    assert times_a_month(expression) == pytest.approx(times)


@pytest.mark.parametrize("expression", ["cron(0/10 * * * ? *)", "cron(0 3 ? * MON *)", "rate(1 day)"])
def test_a_schedule_that_no_function_has_is_not_guessed(expression: str) -> None:
    with pytest.raises(ValueError, match="no way to count"):
        times_a_month(expression)


def test_idle_queues_are_polled_by_five_pollers_each(deployed: StackTemplate) -> None:
    one = Poller("record-usage", batch_size=100, window_s=5)
    other = replace(one, function="collect-examples")

    found = poll_requests(replace(deployed, pollers=(one, other)), {one.function: 0, other.function: 0}, ASSUMED)

    assert found == pytest.approx(2 * 5 * SECONDS / 20) == pytest.approx(1_314_000)


def test_batches_fill_as_messages_come_faster() -> None:
    poller = Poller("record-usage", batch_size=100, window_s=5)
    sizes = [batch_of(poller, rate * SECONDS, ASSUMED) for rate in (0, 1, 38, 1000)]

    assert sizes == pytest.approx([1, 2, 39, 100])


def test_a_busy_queue_costs_a_receive_a_message_and_a_delete_for_ten(deployed: StackTemplate) -> None:
    poller = Poller("record-usage", batch_size=100, window_s=5)
    messages = 38 * SECONDS

    found = poll_requests(replace(deployed, pollers=(poller,)), {"record-usage": messages}, ASSUMED)

    assert found == pytest.approx(messages + messages / 39 * 4)


def test_an_access_log_line_is_as_long_as_its_fields() -> None:
    assert access_log_bytes('{"a": "$context.requestId"}') == len('{"a": ""}') + 20 + 26


def with_resource(template: dict[str, Any], **resources: Any) -> StackTemplate:
    body = deepcopy(template)
    body["Resources"] |= resources
    return read_template(body)


def test_an_alarm_more_is_ten_cents_more_for_each_metric(
    template: dict[str, Any], deployed: StackTemplate, workload: Workload
) -> None:
    statistics = [{"Id": f"m{n}", "MetricStat": {"Period": 300}} for n in range(3)]
    metrics = [{"Id": "sum", "Expression": "m0 + m1 + m2"}, *statistics]
    simple = {"Type": "AWS::CloudWatch::Alarm", "Properties": {"MetricName": "Errors", "Period": 300}}
    math = {"Type": "AWS::CloudWatch::Alarm", "Properties": {"Metrics": metrics}}

    more = with_resource(template, Simple=simple, Math=math)

    assert more.alarm_metrics == deployed.alarm_metrics + 4
    assert idle(more, workload).total_usd == pytest.approx(idle(deployed, workload).total_usd + 0.40)


def test_a_slower_schedule_and_a_smaller_function_cost_less(deployed: StackTemplate, workload: Workload) -> None:
    slower = replace(deployed, schedules={each: times / 2 for each, times in deployed.schedules.items()})

    now, then = idle(deployed, workload), idle(slower, workload)

    assert then.services["Lambda"] == pytest.approx(now.services["Lambda"] / 2)
    assert then.services["CloudWatch logs"] == pytest.approx(now.services["CloudWatch logs"] / 2)


@pytest.mark.parametrize("kind", ["AWS::EC2::NatGateway", "AWS::CloudWatch::CompositeAlarm"])
def test_a_kind_of_resource_without_a_price_is_refused(template: dict[str, Any], kind: str) -> None:
    with pytest.raises(ValueError, match=f"no price for {kind}"):
        with_resource(template, Another={"Type": kind, "Properties": {}})


def test_an_alarm_of_high_resolution_is_refused(template: dict[str, Any]) -> None:
    alarm = {"Type": "AWS::CloudWatch::Alarm", "Properties": {"MetricName": "Errors", "Period": 10}}

    with pytest.raises(ValueError, match="high resolution"):
        with_resource(template, Fast=alarm)


@pytest.mark.parametrize(
    ("kind", "changes", "refusal"),
    [
        ("AWS::Lambda::Function", {"TracingConfig": {"Mode": "Active"}}, "traces of X-Ray"),
        ("AWS::Lambda::EventSourceMapping", {"ScalingConfig": {}}, "without a maximum concurrency"),
    ],
)
def test_an_option_without_a_price_is_refused(
    template: dict[str, Any], kind: str, changes: dict[str, Any], refusal: str
) -> None:
    key, found = next((key, each) for key, each in template["Resources"].items() if each["Type"] == kind)

    with pytest.raises(ValueError, match=refusal):
        with_resource(template, **{key: found | {"Properties": found["Properties"] | changes}})


def test_what_operations_need_is_counted(workload: Workload) -> None:
    chat, one, more = workload.chat.warm, workload.batch.warm, workload.message

    assert (chat["dynamodb_read_units"], chat["dynamodb_write_units"], chat["sqs_requests"]) == (2, 0, 1)
    assert workload.key_lookup["dynamodb_read_units"] == 1
    assert one["dynamodb_write_units"] >= more["dynamodb_write_units"] > 0
    assert workload.feedback.warm["dynamodb_write_units"] >= 4
    assert workload.chat.start["kms_requests"] == 1
    assert workload.training["bus_events"] >= 5
    assert [name for name in workload.training if name.startswith("metric RunsStarted service=tuneloop stage=")]
    assert workload.drop["s3_put_requests"] >= 1
    assert chat["lambda_gb_s"] > ASSUMED.provider_wait_s / 2


def test_more_calls_cost_more_and_each_of_them_less(basis: BillBasis) -> None:
    _, few, many, most = basis.bills()

    assert few.total_usd < many.total_usd < most.total_usd
    assert few.total_usd / few.calls > many.total_usd / many.calls > most.total_usd / most.calls


def test_the_bill_is_printed_and_written_with_all_that_it_was_made_from(
    basis: BillBasis, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    show(basis)
    write(basis, tmp_path / "bench" / "bill.json")

    idle, printed = basis.bill(0), capsys.readouterr().out
    assert f"Idle: ${idle.total_usd:.2f} a month, within the target of $2.00" in printed
    assert "from an account's fourth one on (`dashboard: false` in the stage's file leaves it out)" in printed
    data = json.loads((tmp_path / "bench" / "bill.json").read_text("utf-8"))
    assert [each["calls"] for each in data["bills"]] == [0, 10_000, 1_000_000, 100_000_000]
    assert data["bills"][0]["total_usd"] == idle.total_usd
    assert PriceList.model_validate(data["prices"]) == PRICES


def test_metrics_are_paid_for_in_the_hours_that_have_them(deployed: StackTemplate, workload: Workload) -> None:
    months = [month(calls, deployed, workload, ASSUMED)["metric_months"] for calls in (0, 10, 100_000)]

    assert months[0] <= months[1] <= months[2]
    assert months[1] - months[0] < 20 / HOURS * 5


def log_of(name: str, service: str) -> str:
    metrics = [{"Namespace": "Tuneloop", "Dimensions": [["stage", "service"]], "Metrics": [{"Name": name}]}]
    return json.dumps({"_aws": {"CloudWatchMetrics": metrics}, "stage": "prod", "service": service})


def test_a_metric_of_two_functions_is_paid_once_unless_dimensions_differ() -> None:
    [one], [same], [other] = (
        metric_names(log_of("SweepFailures", service)) for service in ("tuneloop", "tuneloop", "x")
    )

    assert metric_months(Amounts({one: HOURS}) + Amounts({same: HOURS})) == 1.0
    assert metric_months(Amounts({one: HOURS}) + Amounts({other: HOURS})) == 2.0
