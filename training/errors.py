"""What can stop the workstation; the message says what is wrong, where, and what to do."""


class TrainingError(Exception):
    """Root of all errors that training raises on purpose."""


class DataError(TrainingError):
    """A dataset is missing, or is not what its reader expects."""
