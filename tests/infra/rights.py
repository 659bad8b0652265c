"""What the role of a function allows in a synthesized stage."""

from collections import Counter

from infra.functions import FunctionSpec
from tests.infra.template import Template, as_list


def construct_of(spec: FunctionSpec) -> str:
    return "Functions/" + "".join(part.capitalize() for part in spec.name.split("-"))


def counted(template: Template, spec: FunctionSpec) -> Counter[tuple[str, str]]:
    role = template.of_type("AWS::IAM::Role")[f"{construct_of(spec)}/Role"]
    return Counter(
        (action, template.text(resource))
        for policy in role["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
        for action in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
    )


def granted(template: Template, spec: FunctionSpec) -> set[tuple[str, str]]:
    return set(counted(template, spec))
