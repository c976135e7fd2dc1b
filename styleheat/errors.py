"""Errors that the user can fix."""


class InputError(ValueError):
    """A file, parameter or command that cannot be used.

    The message is one line for the user: which file or parameter, what is wrong with it, what would be right.
    Stages print it without a traceback and exit with status 1.
    """
