"""A folder with files: everything that blocks. Callers run it on a thread."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from orchestrator_lite.files._door import Door
from orchestrator_lite.files._errors import FileClashError, FileMissingError, FilesError
from orchestrator_lite.files._names import from_disk, on_disk
from orchestrator_lite.files._place import Stored
from orchestrator_lite.files._staging import Staging

UPLOADS = ".uploads"
JOBS = "jobs"
KEY = ".key"
"""The file that holds the key of signed URLs."""

_KEY_BYTES = 32


class Disk:
    """Files under `root`: `jobs/<job id>/<name>` when they are whole, `.uploads/` until then.

    Symbolic links below `root` are never followed: what lies behind one is not there.

    Args:
        root: The folder, created when missing, for its owner alone.
        durable: Whether what is published is to survive a power cut.

    Raises:
        OSError: The folder cannot be used.
    """

    def __init__(self, root: Path, *, durable: bool) -> None:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.root = root.resolve()
        self._durable = durable
        (self.root / JOBS).mkdir(mode=0o700, exist_ok=True)
        self.key = self._kept_key()
        self._ignores_case = (self.root / KEY.upper()).exists()
        self._staging = Staging(self.root / UPLOADS)

    def staged(self, upload: str) -> str:
        """Where an upload of this name lies below `root` until it is published."""
        return f"{UPLOADS}/{self._staging.folder.name}/{upload}"

    def close(self) -> None:
        """Take away what uploads left that did not end."""
        self._staging.close()

    def publish(self, staged: str, job_id: str, name: str, now: float, door: Door) -> Stored:
        """Make a whole upload the job's file, at once and in place of an older one.

        Raises:
            FileClashError: A folder stands in its place, or a file in that of one of its folders.
            FileMissingError: The job was forgotten meanwhile.
        """
        source = self._staging.folder / staged
        os.utime(source, (now, now))
        if self._durable:
            _sync(source)
        size = source.stat().st_size
        with door.lock:
            door.check()
            folder = self._placed(source, job_id, name)
        if self._durable:
            with suppress(FileNotFoundError):  # deleted again already
                self._sync_folders(folder)
        return Stored(name, size, now)

    def discard(self, staged: str) -> None:
        """Leave nothing of an upload behind, whole or not."""
        for part in self._staging.folder.glob(f"{staged}*"):
            part.unlink(missing_ok=True)

    def located(self, job_id: str, name: str) -> str:
        """Where a file lies below `root`.

        Raises:
            FileMissingError: There is none.
        """
        segments = [JOBS, job_id, *on_disk(name)]
        path = self.root
        for segment in segments[:-1]:
            path /= segment
            if not self._is(path, stat.S_ISDIR):
                raise FileMissingError("File not found")
        if not self._is(path / segments[-1], stat.S_ISREG):
            raise FileMissingError("File not found")
        return "/".join(segments)

    def listed(self, job_id: str) -> list[Stored]:
        """A job's files by name."""
        return sorted(self._walk(self.root / JOBS / job_id, []), key=lambda file: file.name)

    def delete(self, job_id: str, name: str) -> bool:
        """Take a file away, and its folders when they are empty; False when there was none."""
        try:
            path = self.root / self.located(job_id, name)
            path.unlink()
        except (FileMissingError, FileNotFoundError):
            return False
        self._prune(path.parent)
        return True

    def clear(self, job_id: str) -> None:
        """Take all files of a job away; what the disk will not let go of is tried again next time.

        Raises:
            OSError: Some of them are still there.
        """
        folder = self.root / JOBS / job_id
        if not self._is(folder, stat.S_ISDIR):
            return
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(FileNotFoundError):
            folder.rmdir()

    def wipe(self) -> None:
        """Take the files of all jobs away.

        Raises:
            OSError: Some of them are still there.
        """
        for entry in list((self.root / JOBS).iterdir()):
            self.clear(entry.name)

    def _placed(self, source: Path, job_id: str, name: str) -> Path:
        for last in (*[False] * 9, True):
            try:
                with self._folder_for(job_id, name) as folder:
                    self._move(source, folder, name)
                break
            except FileNotFoundError:  # a folder was taken away as empty while we were at it
                if last:
                    raise
        return folder

    def _walk(self, folder: Path, above: list[str]) -> Iterator[Stored]:
        if not self._is(folder, stat.S_ISDIR):
            return
        with os.scandir(folder) as entries:
            for entry in entries:
                segments = [*above, entry.name]
                if entry.is_dir(follow_symlinks=False):
                    yield from self._walk(folder / entry.name, segments)
                    continue
                name = from_disk(segments)
                if name is not None and entry.is_file(follow_symlinks=False):
                    about = entry.stat(follow_symlinks=False)
                    yield Stored(name, about.st_size, about.st_mtime)

    def _move(self, source: Path, folder: Path, name: str) -> None:
        target = folder / on_disk(name)[-1]
        if self._is(target, stat.S_ISDIR):
            raise FileClashError(f"filename: {name} is a folder of this job")
        source.replace(target)

    @contextmanager
    def _folder_for(self, job_id: str, name: str) -> Iterator[Path]:
        """The folder a file is to lie in; taken away again, when it is empty, if that fails."""
        path = self.root / JOBS
        path.mkdir(mode=0o700, exist_ok=True)
        segments = [job_id, *on_disk(name)]
        try:
            for segment in segments[:-1]:
                self._check_case(path, segment)
                path /= segment
                with suppress(FileExistsError):
                    path.mkdir(mode=0o700)
                if not self._is(path, stat.S_ISDIR):
                    path.lstat()  # taken away as empty since: once more
                    raise FileClashError(f"filename: a folder of {name} is a file of this job")
            self._check_case(path, segments[-1])
            yield path
        except BaseException:
            self._prune(path)
            raise

    def _check_case(self, folder: Path, segment: str) -> None:
        """Where the file system takes `A` for `a`, a name is not to replace another one."""
        if not self._ignores_case or not folder.is_dir() or not (folder / segment).exists():
            return
        if not _names(folder, segment):
            raise FileClashError(f"filename: another file of this job differs from {segment} by case alone")

    def _is(self, path: Path, kind: Callable[[int], bool]) -> bool:
        try:
            mode = path.lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return False
        if self._ignores_case and not _names(path.parent, path.name):
            return False
        return kind(mode)

    def _prune(self, folder: Path) -> None:
        while folder.parent != self.root and folder != self.root:
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent

    def _sync_folders(self, folder: Path) -> None:
        while folder != self.root:
            _sync(folder)
            folder = folder.parent

    def _kept_key(self) -> bytes:
        """The key of signed URLs: it lies with the files, so that they survive a restart."""
        file = self.root / KEY
        if not file.exists():
            draft = self.root / f"{KEY}.{secrets.token_hex(8)}"
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as opened:
                opened.write(secrets.token_bytes(_KEY_BYTES))
            _made_if_missing(draft, file)
        key = file.read_bytes()
        if len(key) < _KEY_BYTES:
            raise FilesError(
                f"The key of signed URLs {file} is damaged: delete it; the links given so far end with it."
            )
        return key


def _names(folder: Path, name: str) -> bool:
    """Whether a folder holds an entry of exactly this name."""
    return any(entry.name == name for entry in folder.iterdir())


def _made_if_missing(draft: Path, file: Path) -> None:
    try:
        os.link(draft, file)
    except FileExistsError:
        pass  # another process was faster: its file holds
    except OSError:  # a file system without hard links
        draft.replace(file)
    draft.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
