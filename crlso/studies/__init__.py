"""Studies, the records of searches, and :func:`search`, which runs one."""

from crlso.studies.run import EvaluationError, search
from crlso.studies.study import Study

__all__ = ["EvaluationError", "Study", "search"]
