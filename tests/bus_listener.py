"""A queue on a deployed stack that hears everything which goes over its bus."""

import json

from local.stack import LocalStack


def hear_the_bus(stack: LocalStack, name: str) -> str:
    """Make a queue of that name which gets every event from now on; gives its URL."""
    events, sqs, bus = stack.client("events"), stack.client("sqs"), stack.outputs["BusName"]
    url: str = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = json.dumps({"source": [{"prefix": ""}]})
    rule = events.put_rule(Name=name, EventBusName=bus, EventPattern=pattern)["RuleArn"]
    allowed = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage"}
    statement = allowed | {"Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": rule}}}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": name, "Arn": arn}])
    return url


def stop_hearing(stack: LocalStack, name: str, url: str) -> None:
    """Take away what `hear_the_bus` made."""
    events, bus = stack.client("events"), stack.outputs["BusName"]
    events.remove_targets(Rule=name, EventBusName=bus, Ids=[name])
    events.delete_rule(Name=name, EventBusName=bus)
    stack.client("sqs").delete_queue(QueueUrl=url)


def taken_from(stack: LocalStack, url: str) -> list[str]:
    """The bodies of all messages that wait in a queue, which are taken out of it."""
    sqs, bodies = stack.client("sqs"), []
    while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        for message in found:
            bodies.append(message["Body"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return bodies
