"""What is shown while one waits."""

from threading import Event

from ops.smoke.progress_view import ProgressView


class Listening(ProgressView):
    """A screen that tells when something was said."""

    def __init__(self) -> None:
        super().__init__()
        self.said = Event()

    def say(self, line: str) -> None:
        assert line == "why"
        self.said.set()


def test_what_takes_long_is_explained_while_it_does() -> None:
    show = Listening()

    with show.if_late(0, "why"):
        assert show.said.wait(10)


def test_what_is_done_in_time_is_not() -> None:
    show = Listening()

    with show.if_late(0.2, "why"):
        pass

    assert not show.said.wait(0.4)
