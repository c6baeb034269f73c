"""Files on disk: written whole or not at all, checked when read, never pickled."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors.torch import load as parse_tensors
from safetensors.torch import save as format_tensors
from torch import Tensor


class DamagedFileError(ValueError):
    """A file that is truncated, altered, or not of the kind its reader expects."""


def damaged(path: str | Path, why: object) -> DamagedFileError:
    """The one sentence a reader sees when a file cannot be trusted."""
    return DamagedFileError(
        f"{path} is damaged or not a ddlib file: {why}. Delete it or replace it."
    )


def write_with(path: str | Path, write: Callable[[BinaryIO], None]) -> Path:
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
        total.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
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
    """Read what `save_tensors` wrote; `DamagedFileError` if a single bit of it differs."""
    data = Path(path).read_bytes()
    try:
        tensors = parse_tensors(data)
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])["__metadata__"]
        meta = json.loads(header["meta"])
        expected = header["sha256"]
    except Exception as error:  # whatever safetensors or json stumbled over, the file is at fault
        raise damaged(path, error) from None
    if digest(tensors, meta) != expected:
        raise damaged(path, "its content does not match its checksum")
    return tensors, meta


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
