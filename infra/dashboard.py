"""The dashboard: one page that shows whether the loop works, from the alarms at the top to the dollars at the end.

It shows AWS's own metrics and those that the functions write anyway, so that no metric is paid for because of it.
"""

from aws_cdk import Aws, Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.alarms import Alarms, iterator_age, own_metric
from infra.api import ApiConstruct
from infra.functions import FUNCTIONS
from infra.lambdas import Lambdas
from infra.queues import Queues
from infra.stage import Stage

FIVE_MINUTES = Duration.minutes(5)
WIDTH, HEIGHT = 24, 6  # of a whole row, in CloudWatch's units: a dashboard is 24 wide
# The functions' own metrics, by the title of their graph.
OWN_METRICS = {
    "Drops and posts": ("DropsCollected", "DropsRejected", "DropsRefused", "DropsGivenUp"),
    "Training runs": ("RunsStarted", "RunsSucceeded", "RunsFailed", "RunsOverdue"),
    "Versions": ("Promotions", "Refusals"),
    "Tokens": ("Tokens",),
    "US dollars": ("Dollars",),
    "Trouble": ("ProviderUnavailable", "SweepFailures", "EventsLeftToSweep", "EventsResent", "UsageLost"),
}


class Dashboard(Construct):
    """A stage's dashboard in CloudWatch."""

    def __init__(
        self, scope: Construct, stage: Stage, queues: Queues, lambdas: Lambdas, api: ApiConstruct, alarms: Alarms
    ) -> None:
        super().__init__(scope, "Dashboard")
        self._stage, self._lambdas = stage, lambdas
        rows: list[list[cloudwatch.IWidget]] = [
            [_alarm_status(alarms)],
            _api_graphs(api),
            self._function_graphs(),
            [self._duration_graph(), *_queue_graphs(queues), self._stream_graph()],
            *self._own_metric_graphs(),
        ]
        cloudwatch.Dashboard(
            self,
            "Page",
            dashboard_name=f"{stage.name_of('loop')}-{Aws.REGION}",  # names are unique in an account, not in a region
            widgets=rows,
            default_interval=Duration.hours(24),
        )

    def _function_graphs(self) -> list[cloudwatch.IWidget]:
        return [self._function_graph(metric) for metric in ("Invocations", "Errors", "Throttles")]

    def _duration_graph(self) -> cloudwatch.GraphWidget:
        with_routes = [spec.name for spec in FUNCTIONS if spec.routes]
        metrics = [
            self._lambdas.by_name[name].metric_duration(statistic=statistic, period=FIVE_MINUTES, label=label)
            for name in with_routes
            for statistic, label in (("p50", f"{name} p50"), ("p95", f"{name} p95"))
        ]
        return _graph("Duration of the functions behind the API, ms", metrics, columns=4)

    def _stream_graph(self) -> cloudwatch.GraphWidget:
        readers = [self._lambdas.by_name[spec.name] for spec in FUNCTIONS if spec.stream]
        return _graph("Events behind, ms", [iterator_age(reader) for reader in readers], columns=4)

    def _own_metric_graphs(self) -> list[list[cloudwatch.IWidget]]:
        graphs: list[cloudwatch.IWidget] = [
            _graph(title, [own_metric(self._stage, name) for name in names], columns=3)
            for title, names in OWN_METRICS.items()
        ]
        return [graphs[:3], graphs[3:]]

    def _function_graph(self, metric: str) -> cloudwatch.GraphWidget:
        """A graph of one of Lambda's metrics, titled by its name, with a line for each function."""
        functions: dict[str, lambda_.Function] = self._lambdas.by_name
        metrics = [
            function.metric(metric, statistic="Sum", period=FIVE_MINUTES, label=name)
            for name, function in functions.items()
        ]
        return _graph(metric, metrics, columns=3)


def _alarm_status(alarms: Alarms) -> cloudwatch.AlarmStatusWidget:
    return cloudwatch.AlarmStatusWidget(
        title="Alarms (docs/operations.md)", alarms=list(alarms.by_name.values()), width=WIDTH, height=4
    )


def _api_graphs(api: ApiConstruct) -> list[cloudwatch.IWidget]:
    errors = [api.http.metric_client_error(period=FIVE_MINUTES), api.http.metric_server_error(period=FIVE_MINUTES)]
    latency = [
        api.http.metric_latency(statistic=statistic, label=statistic, period=FIVE_MINUTES)
        for statistic in ("p50", "p95")
    ]
    return [
        _graph("Calls", [api.http.metric_count(period=FIVE_MINUTES)], columns=3),
        _graph("Refused (4xx) and failed (5xx)", errors, columns=3),
        _graph("Latency of the API, ms", latency, columns=3),
    ]


def _queue_graphs(queues: Queues) -> list[cloudwatch.IWidget]:
    work: dict[str, sqs.Queue] = {str(name): queue for name, queue in queues.by_name.items()}
    all_queues = {**work, **queues.dead}
    depths = [
        queue.metric_approximate_number_of_messages_visible(period=FIVE_MINUTES, statistic="Maximum", label=name)
        for name, queue in all_queues.items()
    ]
    ages = [
        queue.metric_approximate_age_of_oldest_message(period=FIVE_MINUTES, statistic="Maximum", label=name)
        for name, queue in work.items()
    ]
    return [_graph("Messages, dead letters too", depths, columns=4), _graph("Oldest message, s", ages, columns=4)]


def _graph(title: str, metrics: list[cloudwatch.Metric], *, columns: int) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=list(metrics), width=WIDTH // columns, height=HEIGHT)
