"""Where the rehearsal server keeps files and batches: a folder that outlives it, or memory."""

import json
import os
import re
from pathlib import Path
from typing import Any

_NAME = re.compile(r"[a-z]+-?[a-z0-9_]{1,40}\Z")


class Shelf:
    """Records by kind and id, each a JSON object, and the bytes of files."""

    def __init__(self, folder: Path | None = None) -> None:
        """Keep all in a folder, which is made if it does not exist, or in memory."""
        self._folder = folder
        self._memory: dict[str, bytes] = {}
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def put(self, name: str, content: bytes) -> None:
        """Keep content under a name, whole or not at all: a killed server leaves no half of it."""
        if self._folder is None:
            self._memory[name] = content
            return
        unfinished = self._folder / f"tmp-{name}"
        unfinished.write_bytes(content)
        os.replace(unfinished, self._folder / name)

    def get(self, name: str) -> bytes | None:
        """The content of a name."""
        if self._folder is None:
            return self._memory.get(name)
        try:
            return (self._folder / name).read_bytes()
        except OSError:
            return None

    def names(self, beginning: str) -> list[str]:
        """The names that begin so, sorted."""
        known = self._memory if self._folder is None else (path.name for path in self._folder.iterdir())
        return sorted(name for name in known if name.startswith(beginning))

    def put_record(self, record: dict[str, Any]) -> None:
        """Keep an object of the API under its id."""
        self.put(f"{record['id']}.json", json.dumps(record).encode())

    def record(self, id: str) -> dict[str, Any] | None:
        """The object of the API with this id."""
        raw = self.get(f"{id}.json") if _NAME.match(id) else None
        return None if raw is None else json.loads(raw)

    def put_file(self, content: bytes, filename: str, purpose: str, created_at: int) -> dict[str, Any]:
        """Keep a file; its id is the next number."""
        id = f"file-{len(self.names('file-')) // 2 + 1:08d}"
        self.put(f"{id}.jsonl", content)
        record = {
            "id": id,
            "object": "file",
            "bytes": len(content),
            "created_at": created_at,
            "filename": filename,
            "purpose": purpose,
            "status": "processed",
        }
        self.put_record(record)
        return record

    def content(self, id: str) -> bytes | None:
        """The bytes of a file."""
        return self.get(f"{id}.jsonl") if _NAME.match(id) else None
