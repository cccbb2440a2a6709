"""Processes that end with their parent."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time

__all__ = ["end_with_parent"]


def end_with_parent(parent: int) -> None:
    """End this process when its parent ends, however that happens, and whatever the main thread does then.

    Parameters
    ----------
    parent : int
        Number of the parent.
    """
    threading.Thread(target=_wait_and_end, args=(parent,), daemon=True).start()


def _wait_and_end(parent: int) -> None:
    process = multiprocessing.parent_process()
    if os.name == "nt" and process is not None:  # where the number of the parent does not change
        process.join()
    while os.getppid() == parent and os.name != "nt":
        time.sleep(0.2)  # siblings that were forked would keep a pipe to the parent open
    os._exit(1)
