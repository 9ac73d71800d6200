"""What went wrong on this machine, said to the person who started it."""


class DevProblem(Exception):  # noqa: N818 - printed to a person as it is, without a traceback
    """The development cluster cannot go on. The message says what happened and what to do about it."""
