"""Studies: what a search leaves behind, and the function that runs one."""

from crlso.studies.run import EvaluationError, search
from crlso.studies.study import Study

__all__ = ["EvaluationError", "Study", "search"]
