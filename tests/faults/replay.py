"""What is on the disk after a power cut, from the system calls of a real run.

SIGKILL leaves the kernel's cache as it is, so it cannot show a sync that is missing. Here every traced write is applied
to a disk that forgets: the content of a file is durable as of its last `fdatasync`, its name as of the last `fsync` of
its folder. Such a disk can be laid out in a folder after each call, and the product opened on it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.tracing import Call

# strace -xx writes every string as \x..; -y adds the path to each descriptor.
OPTIONS = ("-xx", "-s", "4000000", "-e", "trace=file,desc,sendmsg")
_DESCRIPTOR = re.compile(r"^\d+<(?P<path>[^>]*)>")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_CREATING = ("O_CREAT", "O_TRUNC")
# Calls that change nothing on a disk; one on the home that is in no list here fails the replay.
_HARMLESS = re.compile(
    r"p?read(v|64)?|preadv2?|close|lseek|[fl]?stat(x|fs)?|newfstatat|fstatfs|faccessat2?|access|readlink(at)?|getdents64"
    r"|fcntl|ioctl|flock|mmap|getcwd|dup[23]?|sendmsg|fadvise64|utimensat|f?chmod|sync_file_range|epoll_.*|p?poll|.*sock.*"
    r"|bind|listen|accept4?|connect|(send|recv).*|shutdown|execve|chdir|pipe2|fchown|eventfd2"
)


@dataclass
class Inode:
    """A file: its content now, and as of its last sync."""

    content: bytearray
    synced: bytes = b""


@dataclass
class Disk:
    """A tree that knows what of it is durable. It begins with all that lies in a copy of `root`."""

    root: Path
    names: dict[Path, Inode] = field(default_factory=dict)
    durable_names: dict[Path, Inode] = field(default_factory=dict)

    @classmethod
    def of(cls, copy: Path, root: Path) -> Disk:
        disk = cls(root)
        for path in copy.rglob("*"):
            if path.is_file():
                content, place = path.read_bytes(), root / path.relative_to(copy)
                disk.names[place] = disk.durable_names[place] = Inode(bytearray(content), content)
        return disk

    def apply(self, call: Call) -> None:
        """Do what a system call did."""
        if call.result < 0 or _HARMLESS.fullmatch(call.name):
            return
        match call.name:
            case "open" | "openat" | "creat":
                self._open(call)
            case "write" | "pwrite64":
                self._write(call)
            case "ftruncate":
                if inode := self._inode(call):
                    size = int(call.arguments.rsplit(", ", 1)[1])
                    inode.content[size:] = bytes(max(0, size - len(inode.content)))
            case "fallocate":
                if inode := self._inode(call):
                    offset, length = map(int, call.arguments.rsplit(", ", 2)[1:])
                    inode.content += bytes(max(0, offset + length - len(inode.content)))
            case "fdatasync" | "fsync":
                self._sync(call)
            case "rename" | "renameat" | "renameat2" | "link" | "linkat":
                self._rename(call)
            case "unlink" | "unlinkat":
                for path in self._paths(call):
                    self.names.pop(path, None)
            case _:
                assert not self._touches(call), f"the replay does not know {call.name}({call.arguments[:200]})"

    def durable(self, *, lucky: str = "") -> dict[Path, bytes]:
        """What a power cut leaves; of files whose name begins with `lucky` also what was not synced."""
        left = {path: inode.synced for path, inode in self.durable_names.items()}
        if lucky:
            left |= {path: bytes(inode.content) for path, inode in self.names.items() if path.name.startswith(lucky)}
        return left

    def _open(self, call: Call) -> None:
        (path,) = self._paths(call) or (Path(),)
        if not self._ours(path) or not any(flag in call.arguments for flag in _CREATING):
            return
        if path not in self.names:
            self.names[path] = Inode(bytearray())
        elif "O_TRUNC" in call.arguments:
            self.names[path].content.clear()

    def _write(self, call: Call) -> None:
        inode = self._inode(call)
        if inode is None:
            return
        data = strings(call)[0][: call.result]
        assert len(data) == call.result, "strace cut a string short"
        at = int(call.arguments.rsplit(", ", 1)[1]) if call.name == "pwrite64" else len(inode.content)
        inode.content[len(inode.content) :] = bytes(max(0, at - len(inode.content)))
        inode.content[at : at + len(data)] = data

    def _sync(self, call: Call) -> None:
        if inode := self._inode(call):
            inode.synced = bytes(inode.content)
            return
        folder = descriptor(call)
        if folder is not None and self._ours(folder):
            self.durable_names = {path: each for path, each in self.durable_names.items() if path.parent != folder}
            self.durable_names |= {path: each for path, each in self.names.items() if path.parent == folder}

    def _rename(self, call: Call) -> None:
        source, target = self._paths(call)
        if source in self.names:
            self.names[target] = self.names[source]
            if "link" not in call.name:
                del self.names[source]

    def _inode(self, call: Call) -> Inode | None:
        path = descriptor(call)
        return None if path is None else self.names.get(path)

    def _paths(self, call: Call) -> list[Path]:
        return [Path(text.decode()) for text in strings(call)]

    def _ours(self, path: Path) -> bool:
        return path == self.root or self.root in path.parents

    def _touches(self, call: Call) -> bool:
        path = descriptor(call)
        return any(self._ours(each) for each in ([path] if path else self._paths(call)))


def strings(call: Call) -> list[bytes]:
    """The strings among a call's arguments."""
    return [_bytes(text) for text in _STRING.findall(call.arguments)]


def descriptor(call: Call) -> Path | None:
    """What the descriptor that is a call's first argument stands for."""
    match = _DESCRIPTOR.match(call.arguments)
    return Path(_bytes(match["path"]).decode()) if match else None


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def lay_out(files: dict[Path, bytes], root: Path, target: Path) -> None:
    """Make `target` a copy of `root` with a disk's files; what is there already and is no different stays."""
    copies = {target / path.relative_to(root): content for path, content in files.items()}
    for path in target.rglob("*"):
        if path.is_file() and path not in copies:
            path.unlink()
    for path, content in copies.items():
        if not path.is_file() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
