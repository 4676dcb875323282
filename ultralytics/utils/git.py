"""Facts about the git repository a folder lies in, read from its files; git itself is never run."""

from __future__ import annotations

import re
import zlib
from functools import cached_property
from pathlib import Path

__all__ = ["GitRepo"]

COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


class GitRepo:
    """The repository that contains a path. Every fact is None when there is no repository.

    Args:
        path: file or folder; None means this package.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self._start = Path(path or __file__).resolve()

    @cached_property
    def root(self) -> Path | None:
        """Top folder of the working tree."""
        return next((p for p in (self._start, *self._start.parents) if (p / ".git").exists()), None)

    @cached_property
    def gitdir(self) -> Path | None:
        """Folder of this working tree's own git files; differs from `refdir` in linked worktrees."""
        if self.root is None:
            return None
        marker = self.root / ".git"
        if marker.is_dir():
            return marker
        text = self._read(marker)
        if text is None or not text.startswith("gitdir:"):
            return None
        return (self.root / text.removeprefix("gitdir:").strip()).resolve()

    @cached_property
    def refdir(self) -> Path | None:
        """Folder of branches and objects, shared by all worktrees."""
        if self.gitdir is None:
            return None
        common = self._read(self.gitdir / "commondir")
        return (self.gitdir / common).resolve() if common else self.gitdir

    @cached_property
    def head(self) -> str | None:
        """Content of HEAD: "ref: refs/heads/<branch>" or a commit."""
        return None if self.gitdir is None else self._read(self.gitdir / "HEAD")

    @property
    def is_repo(self) -> bool:
        """Whether the path lies in a repository."""
        return self.gitdir is not None

    @property
    def branch(self) -> str | None:
        """Checked-out branch, or None when HEAD is detached."""
        ref = self._ref
        return ref.removeprefix("refs/heads/") if ref else None

    @property
    def commit(self) -> str | None:
        """Hash of the checked-out commit."""
        if self.head is None or self.refdir is None:
            return None
        ref = self._ref
        return self._resolve(ref) if ref else self.head

    @cached_property
    def message(self) -> str | None:
        """Message of the checked-out commit, if its object is stored loose."""
        commit = self.commit
        if commit is None or self.refdir is None or not COMMIT.fullmatch(commit):
            return None
        try:
            stored = (self.refdir / "objects" / commit[:2] / commit[2:]).read_bytes()
        except OSError:
            return None
        _, _, text = zlib.decompress(stored).partition(b"\n\n")
        return text.decode("utf-8", "replace").strip()

    @cached_property
    def origin(self) -> str | None:
        """Address of the remote called origin."""
        text = self._read(self.refdir / "config") if self.refdir else None
        section = re.search(r'\[remote "origin"\]([^\[]*)', text or "")
        address = re.search(r"^\s*url\s*=\s*(.+)$", section[1], re.MULTILINE) if section else None
        return address[1].strip() if address else None

    @property
    def _ref(self) -> str | None:
        head = self.head or ""
        return head.removeprefix("ref:").strip() if head.startswith("ref:") else None

    def _resolve(self, ref: str) -> str | None:
        """Commit of a branch: its own file, else its line in packed-refs."""
        if self.refdir is None:
            return None
        if loose := self._read(self.refdir / ref):
            return loose
        packed = self._read(self.refdir / "packed-refs") or ""
        found = (line.split(" ", 1)[0] for line in packed.splitlines() if line.endswith(f" {ref}"))
        return next(found, None)

    @staticmethod
    def _read(path: Path) -> str | None:
        try:
            return path.read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return None
