"""A process in which data sets are re-encoded: `python -m gateway.reencode.child MEMORY_LIMIT`.

It has a socket to the node as its standard input, gets two open files with each task, and sees neither database nor
store. It ends when the socket does. Whatever a codec does with hostile bytes, it does here.
"""

from __future__ import annotations

import mmap
import os
import resource
import socket
import sys

from gateway.dicom.transcode import transcode
from gateway.model.errors import GatewayError, LimitExceeded, NodeFault, StoreFault
from gateway.reencode.task import LONGEST_MESSAGE, Task, answer

_NICE = 5


def main() -> None:
    """Do one task after another until the node closes the socket."""
    control = socket.socket(fileno=os.dup(0))
    resource.setrlimit(resource.RLIMIT_DATA, (int(sys.argv[1]), resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(_NICE)
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, LONGEST_MESSAGE, 2)
        if not message:
            return
        try:
            control.sendall(answer(perform(Task.from_json(message), *descriptors)))
        except BrokenPipeError:  # the node no longer listens
            return
        finally:
            for descriptor in descriptors:
                os.close(descriptor)


def perform(task: Task, source: int, target: int) -> GatewayError | None:
    """Re-encode one data set; what went wrong, if anything did."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime) + 1 + task.cpu_s
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))
    try:
        with (
            mmap.mmap(source, 0, access=mmap.ACCESS_READ) as data,
            os.fdopen(os.dup(target), "wb", buffering=1 << 18) as out,
        ):
            transcode(data, task.source_uid, task.target_uid, out, start=task.start)  # type: ignore[arg-type]
    except GatewayError as fault:
        return fault
    except MemoryError:
        return LimitExceeded("re-encoding it needs more memory than it may have")
    except OSError as error:
        return StoreFault(f"the re-encoded object cannot be written: {error.strerror}")
    except Exception as error:  # noqa: BLE001 - a mistake of ours costs this object and no other
        return NodeFault(f"re-encoding it failed: {type(error).__name__}")
    return None


if __name__ == "__main__":
    main()
