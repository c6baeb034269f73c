"""Files on disk: written whole or not at all, checked when read, never pickled."""

import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors.torch import load as parse_tensors
from safetensors.torch import save as format_tensors
from torch import Tensor

SIGNATURES = {  # what other files begin with
    b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.": "an old file of torch.save",
    b"\x93NUMPY": "a NumPy array (.npy)",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"\x1f\x8b": "a gzip archive",
    b"\x89HDF": "an HDF5 file",
    b"%PDF": "a PDF",
    b"version https://git-lfs": "the placeholder of a large file that git has not fetched",
    b"<": "a web page or XML",
    b"{": "a JSON file",
}
MOST_UNPACKED = 2**26  # bytes that any archive may have; a larger one, 20 times its size
MOST_HEADER = 2**27  # bytes; safetensors reads no longer ones


class DamagedFileError(ValueError):
    """A file of ours that is truncated or altered."""


class ForeignFileError(ValueError):
    """A good file, as far as one sees, that something else than ddlib wrote."""


def damaged(path: str | Path, why: object) -> DamagedFileError:
    """The one sentence a reader sees when a file cannot be trusted."""
    return DamagedFileError(
        f"{path} is damaged or not a ddlib file: {why}. Put a whole copy in its place, or move it "
        "away so that it is made again."
    )


def foreign(path: str | Path, kind: str) -> ForeignFileError:
    """The one sentence a reader sees who brings a file of another kind."""
    return ForeignFileError(
        f"{path} is {kind}, which ddlib did not write. Sets that papers released open with "
        "ddlib.read_released; the images and labels of others go into ddlib.DistilledSet.of."
    )


def kind_of(path: str | Path) -> str | None:
    """What a file is by its first bytes, if it cannot be one of ours."""
    with open(path, "rb") as file:
        start = file.read(32)
        file.seek(0, os.SEEK_END)
        file.seek(max(file.tell() - 1, 0))
        last = file.read()
    if start[8:9] == b"{":
        return None  # safetensors: eight bytes of length, then a JSON header
    if start[:2] == b"PK":
        return _kind_of_archive(path)
    if start[:1] == b"\x80" and start[1:2] in b"\x02\x03\x04\x05" and last == b".":
        return "a Python pickle"
    return next((kind for begin, kind in SIGNATURES.items() if start.startswith(begin)), None)


def _kind_of_archive(path: str | Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return "a zip archive that is cut short"
    if any(name.endswith("data.pkl") for name in names):
        return "a file of torch.save"
    return "a NumPy archive (.npz)" if any(n.endswith(".npy") for n in names) else "a zip archive"


def check_archive(path: str | Path) -> None:
    """A zip archive may not unpack to far more than it is: such files exist to fill a memory."""
    size = Path(path).stat().st_size
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            whole = sum(info.file_size for info in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ForeignFileError(f"{path} cannot be read as an archive: {error}") from None
    if whole > max(MOST_UNPACKED, 20 * size):
        raise ForeignFileError(
            f"{path} has {size} bytes and would unpack to {whole}: it was not opened. If it is "
            "what it should be, unpack it yourself and save it without compression"
        )


def write_with(path: str | Path, write: Callable[[BinaryIO], object]) -> Path:
    """Let `write` fill a temporary file beside `path`, then move it there in one step."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise OSError(error.errno, f"cannot write {path}: {error.strerror}") from None
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException as error:
        os.unlink(name)
        if isinstance(error, OSError):
            why = f"cannot write {path}: {error.strerror}; nothing was left half-written"
            raise OSError(error.errno, why) from None
        raise
    return path


def write_bytes(path: str | Path, data: bytes) -> Path:
    """Write `data` to `path`, whole or not at all."""
    return write_with(path, lambda file: file.write(data))


def digest(tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> str:
    """SHA-256 over names, types, shapes, bytes and metadata: equal content, equal digest."""
    total = hashlib.sha256(json.dumps(meta, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        total.update(tensor.flatten().view(torch.uint8).numpy().data)
    return total.hexdigest()


def save_tensors(path: str | Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> Path:
    """Write tensors and JSON metadata as one safetensors file that carries its own digest."""
    tensors = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
    header = {"meta": json.dumps(meta, sort_keys=True), "sha256": digest(tensors, meta)}
    return write_bytes(path, _with_sorted_header(format_tensors(tensors, metadata=header)))


def _with_sorted_header(data: bytes) -> bytes:
    """The same safetensors file, its header in one order: equal content makes equal files."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8:end]), sort_keys=True).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[end:]


def load_tensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_tensors` wrote; `DamagedFileError` if a single bit of it differs.

    A file that something else wrote is a `ForeignFileError`.
    """
    if kind := kind_of(path):
        raise foreign(path, kind)
    try:
        header = _header(Path(path)).get("__metadata__", {})
        tensors = parse_tensors(Path(path).read_bytes())
        if not {"meta", "sha256"} & header.keys():
            raise foreign(path, "a safetensors file")
        meta, expected = dict(json.loads(header["meta"])), header["sha256"]
    except ForeignFileError:
        raise
    except Exception as error:  # whatever safetensors or json stumbled over, the file is at fault
        raise damaged(path, error) from None
    if digest(tensors, meta) != expected:
        raise damaged(path, "its content does not match its checksum")
    return tensors, meta


def _header(path: Path) -> dict[str, Any]:
    """The JSON header of a safetensors file, read before its tensors and never beyond its end."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(MOST_HEADER, path.stat().st_size - 8):
            raise ValueError(f"it announces a header of {length} bytes that it does not have")
        return dict(json.loads(file.read(length)))


def save_json(path: str | Path, content: Mapping[str, Any]) -> Path:
    """Write readable JSON that carries its own digest under the key `sha256`."""
    content = {k: v for k, v in content.items() if k != "sha256"}
    text = json.dumps({**content, "sha256": digest({}, content)}, indent=1, ensure_ascii=False)
    return write_bytes(path, (text + "\n").encode())


def load_json(path: str | Path) -> dict[str, Any]:
    """Read what `save_json` wrote; `DamagedFileError` if it was cut short or edited by hand."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        expected = content.pop("sha256")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise damaged(path, repr(error)) from None
    if digest({}, content) != expected:
        raise damaged(path, "its content does not match its checksum")
    return content
