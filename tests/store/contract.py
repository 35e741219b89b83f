"""What every object store promises: derive a test class from `ObjectStoreContract` and give it a `store`."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.model.errors import StoreFault
from gateway.model.instance import StoredObject
from gateway.store.protocol import ObjectMissing, ObjectStore

HEAD = b"head"
SALT = b"1.2.840.10008.1.2.1\0"
NOT_THERE = f"ab/ab{'0' * 62}-{'0' * 16}"


def put(store: ObjectStore, payload: bytes, step: int = 100_003) -> StoredObject:
    """Store a payload in pieces of `step` bytes."""
    incoming = store.begin(HEAD, SALT)
    for start in range(0, len(payload), step):
        incoming.write(memoryview(payload)[start : start + step])
    return incoming.commit()


def read(store: ObjectStore, key: str) -> bytes:
    """The whole file."""
    with store.open(key) as file:
        return file.read()


class ObjectStoreContract:
    """Run against a fresh `store`."""

    @pytest.mark.parametrize("size", [0, 1, 131_072, 1024 * 1024 - 4, 1024 * 1024, 3 * 1024 * 1024 + 1])
    def test_what_is_put_comes_back(self, store: ObjectStore, size: int) -> None:
        payload = bytes(range(256)) * (size // 256 + 1)
        payload = payload[:size]
        stored = put(store, payload)
        assert read(store, stored.key) == HEAD + payload
        assert stored.digest == hashlib.sha256(SALT + payload).hexdigest()
        assert (stored.size, stored.payload_offset) == (len(HEAD) + size, len(HEAD))
        assert store.size(stored.key) == stored.size

    @pytest.mark.parametrize("size", [10, 131_072, 3 * 1024 * 1024])
    @pytest.mark.parametrize("flushed", [True, False])
    def test_the_file_tells_its_digest_where_the_head_has_room_for_it(
        self, store: ObjectStore, size: int, flushed: bool
    ) -> None:
        incoming = store.begin(b"before" + bytes(32) + b"after", SALT, digest_at=6)
        for start in range(0, size, 65_536):
            incoming.write(bytes(min(65_536, size - start)))
        if flushed:
            incoming.flush()
        stored = incoming.commit()
        assert read(store, stored.key) == b"before" + bytes.fromhex(stored.digest) + b"after" + bytes(size)
        assert stored.digest == hashlib.sha256(SALT + bytes(size)).hexdigest()

    def test_the_caller_may_use_its_buffer_again(self, store: ObjectStore) -> None:
        buffer = bytearray(b"one")
        incoming = store.begin(b"", b"")
        incoming.write(memoryview(buffer))
        buffer[:] = b"two"
        incoming.write(memoryview(buffer))
        assert read(store, incoming.commit().key) == b"onetwo"

    @pytest.mark.parametrize("size", [0, 10, 2 * 1024 * 1024 + 1])
    def test_a_flush_before_the_commit_changes_nothing(self, store: ObjectStore, size: int) -> None:
        incoming = store.begin(HEAD, SALT)
        incoming.write(bytes(size))
        incoming.flush()
        assert list(store.keys()) == []
        assert read(store, incoming.commit().key) == HEAD + bytes(size)

    def test_the_digest_is_known_before_the_commit(self, store: ObjectStore) -> None:
        incoming = store.begin(HEAD, SALT)
        incoming.write(b"payload")
        digest = incoming.digest()
        assert digest == incoming.commit().digest

    def test_the_same_bytes_twice_are_two_objects(self, store: ObjectStore) -> None:
        first, second = put(store, b"same"), put(store, b"same")
        assert first.digest == second.digest
        assert first.key != second.key
        store.delete(first.key)
        assert read(store, second.key) == HEAD + b"same"

    @pytest.mark.parametrize("size", [10, 2 * 1024 * 1024])
    def test_what_is_discarded_leaves_nothing(self, store: ObjectStore, size: int) -> None:
        incoming = store.begin(HEAD, SALT)
        incoming.write(bytes(size))
        incoming.discard()
        incoming.discard()
        assert list(store.keys()) == []
        assert store.sweep_temporary(datetime.now(UTC) + timedelta(seconds=1)) == 0

    def test_discard_after_commit_does_nothing(self, store: ObjectStore) -> None:
        incoming = store.begin(HEAD, SALT)
        stored = incoming.commit()
        incoming.discard()
        assert read(store, stored.key) == HEAD

    def test_what_is_not_there(self, store: ObjectStore, tmp_path: Path) -> None:
        store.delete(NOT_THERE)
        with pytest.raises(ObjectMissing):
            store.open(NOT_THERE)
        with pytest.raises(ObjectMissing):
            store.size(NOT_THERE)
        with pytest.raises(ObjectMissing):
            store.copy_out(NOT_THERE, tmp_path / "copy")
        assert not (tmp_path / "copy").exists()

    @pytest.mark.parametrize("key", ["", "../escape", "/etc/passwd", "ab/../../x", NOT_THERE + "/..", NOT_THERE + "\n"])
    def test_only_keys_are_keys(self, store: ObjectStore, key: str, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"x")
        with pytest.raises(StoreFault):
            store.open(key)
        with pytest.raises(StoreFault):
            store.delete(key)
        with pytest.raises(StoreFault):
            store.copy_in(key, tmp_path / "file")

    def test_keys_lists_every_object(self, store: ObjectStore) -> None:
        stored = {put(store, bytes([n]) * n).key: n + len(HEAD) for n in range(20)}
        found = list(store.keys())
        assert {one.key: one.size for one in found} == stored
        now = datetime.now(UTC)
        assert all(abs(one.modified_at - now) < timedelta(minutes=1) for one in found)

    def test_delete(self, store: ObjectStore) -> None:
        stored = put(store, b"x")
        store.delete(stored.key)
        assert list(store.keys()) == []

    def test_a_file_is_adopted(self, store: ObjectStore, tmp_path: Path) -> None:
        path = tmp_path / "spool"
        path.write_bytes(b"scan" * 500_000)
        stored = store.adopt(path, SALT)
        assert stored.digest == hashlib.sha256(SALT + b"scan" * 500_000).hexdigest()
        assert (stored.size, stored.payload_offset) == (2_000_000, 0)
        assert read(store, stored.key) == b"scan" * 500_000
        assert not path.exists()

    def test_an_old_file_is_young_once_it_is_adopted(self, store: ObjectStore, tmp_path: Path) -> None:
        """Or the sweep would take it before its row is written."""
        path = tmp_path / "old"
        path.write_bytes(b"x")
        os.utime(path, (0, 0))
        store.adopt(path, SALT)
        (found,) = store.keys()
        assert datetime.now(UTC) - found.modified_at < timedelta(minutes=1)

    @pytest.mark.parametrize("link", [False, True])
    def test_out_and_in_again(self, store: ObjectStore, tmp_path: Path, link: bool) -> None:
        stored = put(store, b"payload")
        store.copy_out(stored.key, tmp_path / "copy", link=link)
        store.delete(stored.key)
        store.copy_in(stored.key, tmp_path / "copy")
        assert read(store, stored.key) == HEAD + b"payload"
        assert (tmp_path / "copy").read_bytes() == HEAD + b"payload"

    def test_a_copy_overwrites_nothing(self, store: ObjectStore, tmp_path: Path) -> None:
        stored = put(store, b"payload")
        (tmp_path / "copy").write_bytes(b"mine")
        for link in (False, True):
            with pytest.raises(StoreFault):
                store.copy_out(stored.key, tmp_path / "copy", link=link)
        assert (tmp_path / "copy").read_bytes() == b"mine"

    def test_free_space_is_a_number_of_bytes(self, store: ObjectStore) -> None:
        assert store.free_space() > 0
