"""Each function is woken by what its row of the table names, and by nothing else."""

import json
from typing import Any

import pytest

from infra.functions import FUNCTIONS, FunctionSpec
from infra.schedules import EVERY_5_MINUTES, MONTHLY
from tests.infra.rights import construct_of
from tests.infra.template import Template

pytestmark = pytest.mark.xdist_group("infra")


def function_of(spec: FunctionSpec) -> str:
    return f"{construct_of(spec)}/Function"


def test_the_api_has_every_route_of_the_table_and_no_other(template: Template) -> None:
    integrations = template.of_type("AWS::ApiGatewayV2::Integration")

    routes = {
        route["RouteKey"]: template.text(
            integrations[template.text(route["Target"]).removeprefix("integrations/")]["IntegrationUri"]
        )
        for route in template.of_type("AWS::ApiGatewayV2::Route").values()
    }

    (front_door,) = (function_of(spec) for spec in FUNCTIONS if spec.unknown_routes)
    known = {f"{method} {path}": function_of(spec) for spec in FUNCTIONS for method, path in spec.gateway_routes}
    assert routes == known | {"$default": front_door}
    assert {integration["PayloadFormatVersion"] for integration in integrations.values()} == {"2.0"}


def test_a_route_has_no_authorizer_because_functions_check_keys_themselves(template: Template) -> None:
    assert not template.of_type("AWS::ApiGatewayV2::Authorizer")
    assert {route["AuthorizationType"] for route in template.of_type("AWS::ApiGatewayV2::Route").values()} == {"NONE"}


def test_the_default_stage_is_throttled(template: Template) -> None:
    (stage,) = template.of_type("AWS::ApiGatewayV2::Stage").values()

    assert stage["StageName"] == "$default"
    assert stage["DefaultRouteSettings"] == {"ThrottlingBurstLimit": 100, "ThrottlingRateLimit": 50}


def test_each_rule_serves_its_row_s_function_and_keeps_undelivered_events(template: Template) -> None:
    for rule in template.of_type("AWS::Events::Rule").values():
        (target,) = rule["Targets"]
        spec = next(spec for spec in FUNCTIONS if function_of(spec) == template.text(target["Arn"]))
        assert rule["Description"] == spec.purpose
        assert template.text(target["DeadLetterConfig"]["Arn"]) == "Queues/Failures"


def test_domain_events_reach_the_functions_that_ask_for_them(template: Template) -> None:
    on_our_bus = [rule for rule in template.of_type("AWS::Events::Rule").values() if "EventBusName" in rule]

    patterns = {template.text(rule["Targets"][0]["Arn"]): rule["EventPattern"] for rule in on_our_bus}

    assert patterns == {
        function_of(spec): {"source": ["tuneloop"], "detail-type": list(spec.events)}
        for spec in FUNCTIONS
        if spec.events
    }
    assert {template.text(rule["EventBusName"]) for rule in on_our_bus} == {"Bus"}


def test_a_file_dropped_below_incoming_wakes_collect_examples(template: Template) -> None:
    rule = template.of_type("AWS::Events::Rule")["Rules/CollectExamplesDrops/Rule"]

    detail = rule["EventPattern"]["detail"]
    bucket = [template.text(name) for name in detail["bucket"]["name"]]

    assert (rule["EventPattern"]["source"], rule["EventPattern"]["detail-type"]) == (["aws.s3"], ["Object Created"])
    assert (bucket, detail["object"]["key"]) == (["State/Bucket"], [{"prefix": "incoming/"}])
    assert template.text(rule["Targets"][0]["Arn"]) == "Functions/CollectExamples/Function"


def test_schedules_send_their_name_and_nothing_else(template: Template) -> None:
    scheduled = {
        (template.text(rule["Targets"][0]["Arn"]), rule["ScheduleExpression"], rule["Targets"][0]["Input"])
        for rule in template.of_type("AWS::Events::Rule").values()
        if "ScheduleExpression" in rule
    }

    assert scheduled == {
        (function_of(spec), schedule.expression, json.dumps({"schedule": schedule.name}, separators=(",", ":")))
        for spec in FUNCTIONS
        for schedule in spec.schedules
    }
    assert (EVERY_5_MINUTES.expression, MONTHLY.expression) == ("rate(5 minutes)", "cron(0 3 1 * ? *)")


def test_queues_are_read_in_batches_whose_members_fail_alone(template: Template) -> None:
    mappings = template.of_type("AWS::Lambda::EventSourceMapping")

    for spec in (spec for spec in FUNCTIONS if spec.queue):
        mapping = mappings[f"Sources/{spec.queue.capitalize()}Queue"]  # type: ignore[union-attr]
        assert template.text(mapping["EventSourceArn"]) == f"Queues/{spec.queue.capitalize()}"  # type: ignore[union-attr]
        assert template.text(mapping["FunctionName"]) == function_of(spec)
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert mapping["MaximumBatchingWindowInSeconds"] >= 1  # AWS asks for one above ten messages
    assert len(mappings) == sum(bool(spec.queue) + spec.stream for spec in FUNCTIONS)


def test_the_stream_brings_new_events_only_and_gives_up_on_a_bad_record(template: Template) -> None:
    stream = template.of_type("AWS::Lambda::EventSourceMapping")["Sources/Stream"]

    (pattern,) = stream["FilterCriteria"]["Filters"]

    assert json.loads(pattern["Pattern"]) == {
        "eventName": ["INSERT"],
        "dynamodb": {"NewImage": {"event_type": {"S": [{"exists": True}]}}},
    }
    assert stream["StartingPosition"] == "TRIM_HORIZON"
    assert stream["BisectBatchOnFunctionError"] is True
    assert stream["MaximumRetryAttempts"] == 5
    assert stream["MaximumRecordAgeInSeconds"] == 3600
    assert stream["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert template.text(stream["DestinationConfig"]["OnFailure"]["Destination"]) == "Queues/Failures"


def test_whatever_wakes_a_function_unheard_keeps_what_failed(template: Template, spec: FunctionSpec) -> None:
    """The rule behind the others: no trigger of a row, but a call that is waited for, can lose anything."""
    kept = {"Queues/ExamplesDead", "Queues/UsageDead", "Queues/Failures"}
    queues = template.of_type("AWS::SQS::Queue")
    mappings = [m for m in template.of_type("AWS::Lambda::EventSourceMapping").values() if is_for(template, m, spec)]
    calls = [c for c in template.of_type("AWS::Lambda::EventInvokeConfig").values() if is_for(template, c, spec)]
    targets = [t for rule in template.of_type("AWS::Events::Rule").values() for t in rule["Targets"]]

    for mapping in mappings:
        source = template.text(mapping["EventSourceArn"])
        if source in queues:
            assert template.text(queues[source]["RedrivePolicy"]["deadLetterTargetArn"]) in kept
        else:
            assert template.text(mapping["DestinationConfig"]["OnFailure"]["Destination"]) in kept
    rules = [target for target in targets if template.text(target["Arn"]) == function_of(spec)]
    assert all(template.text(target["DeadLetterConfig"]["Arn"]) in kept for target in rules)
    assert len(calls) == bool(rules)  # a rule's call is asynchronous, so that its failure comes after its delivery
    assert len(mappings) == bool(spec.queue) + spec.stream
    assert len(rules) == bool(spec.events) + bool(spec.drops) + len(spec.schedules)


def is_for(template: Template, resource: dict[str, Any], spec: FunctionSpec) -> bool:
    return template.text(resource["FunctionName"]) == function_of(spec)


def test_an_asynchronous_call_that_failed_for_good_is_kept(template: Template) -> None:
    configs = template.of_type("AWS::Lambda::EventInvokeConfig").values()

    kept = {template.text(config["FunctionName"]) for config in configs}

    assert kept == {function_of(spec) for spec in FUNCTIONS if spec.events or spec.drops or spec.schedules}
    for config in configs:
        assert template.text(config["DestinationConfig"]["OnFailure"]["Destination"]) == "Queues/Failures"
        assert config["MaximumRetryAttempts"] == 2
