"""Studies, the records of searches, and :func:`search`, which runs one."""

from crlso.studies.goals import known_front
from crlso.studies.run import EvaluationError, last_study, search
from crlso.studies.study import Study

__all__ = ["EvaluationError", "Study", "known_front", "last_study", "search"]


def __dir__() -> list[str]:
    return __all__
