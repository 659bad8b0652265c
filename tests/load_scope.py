"""Which tests share a process: those of a file, and those that need what takes long to make, made once then."""

from xdist.scheduler import LoadFileScheduling

OWN_STACKS = ("test_bedrock", "test_demo", "test_release")  # beside the one that the others talk to


class Together(LoadFileScheduling):  # type: ignore[misc]  # it has no types
    """Gives files to processes, but the deployed stack and the synthesized stages to one process each."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        if file.startswith("tests/e2e/") and not any(name in file for name in OWN_STACKS):
            return "the deployed stack"
        if file.startswith(("tests/infra/", "tests/bench/test_bill")):
            return "the synthesized stages"
        return file
