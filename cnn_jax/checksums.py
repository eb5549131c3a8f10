"""Files on which a later run or report relies: written with SHA-256 digests, read only if intact.

A sealed file is a JSON object that holds the package's version and the digest of its own content;
`checksums.json` is one that also holds the digests of the files beside it. Files of the first
versions hold neither: they are read without a check.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from cnn_jax.errors import Damaged
from cnn_jax.files import json_bytes, read_json, write_atomically, write_json
from cnn_jax.version import package_version

CHECKSUMS, RESULT = 'checksums.json', 'result.json'
_SEAL, _VERSION = 'sha256', 'version'


def digest(content: bytes) -> str:
    """The SHA-256 of the bytes, in hex.

    >>> digest(b'')[:8]
    'e3b0c442'
    """
    return hashlib.sha256(content).hexdigest()


def sealed(value: Mapping) -> dict:
    """The object with its own digest under 'sha256', for example as a line of a file.

    >>> unsealed(sealed({'seed': 3}), 'line 1')
    {'seed': 3}
    """
    return {**value, _SEAL: _digest_of(value)}


def unsealed(value: Mapping, where: str) -> dict:
    """The object without its digest; raises Damaged, naming `where`, if the digest is wrong."""
    content = {name: held for name, held in value.items() if name != _SEAL}
    if value.get(_SEAL) != _digest_of(content):
        raise Damaged(f'{where} is damaged: it does not match its own SHA-256.')
    return content


def write_sealed(path: Path, value: Mapping) -> None:
    """Writes a JSON object with the package's version and its own digest, atomically.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_sealed(Path(folder, 'a.json'), {'seed': 3})
    ...     read_sealed(Path(folder, 'a.json'))['seed']
    3
    """
    content = {_VERSION: package_version(), **value}
    write_json(path, sealed(content))


def read_sealed(path: Path) -> dict:
    """The object that `write_sealed` wrote, with its version and without its digest.

    Raises Damaged where the file is missing, unreadable or not as it was written. A file with
    neither version nor digest, from an older version, is returned unchecked.
    """
    value = read_json(path)
    if _SEAL not in value and _VERSION not in value:
        return value
    seal = value.pop(_SEAL, None)
    if seal != _digest_of(value) or path.read_bytes() != json_bytes({**value, _SEAL: seal}):
        raise Damaged(f'{path} is damaged: it does not match its own SHA-256.')
    return value


def write_result(folder: Path, result: Mapping, files: Mapping[str, bytes]) -> dict:
    """Ends a cell: writes its `files`, `checksums.json`, and last `result.json`, which it returns.

    So a folder with a `result.json` has all other files. The contents of all files but these two
    are passed in, so that the digests are of what was computed, not of what a disk returns.
    """
    result = {_VERSION: package_version(), **result}
    text = json_bytes(result)
    for name, content in files.items():
        write_atomically(folder / name, content)
    digests = {name: digest(content) for name, content in {**files, RESULT: text}.items()}
    write_sealed(folder / CHECKSUMS, {'files': digests})
    write_atomically(folder / RESULT, text)
    return result


def read_result(folder: Path) -> dict | None:
    """The result of a cell, once every file of it has been checked; None where there is none.

    Raises Damaged, naming the file, where one is missing or not as it was written. Results of
    older versions, which have no checksums and no 'version', are returned unchecked.
    """
    path = folder / RESULT
    if not path.exists():
        return None
    if (folder / CHECKSUMS).exists():
        _check_files(folder)
    result = read_json(path)
    if _VERSION in result and not (folder / CHECKSUMS).exists():
        raise Damaged(f'{folder / CHECKSUMS} is missing.')
    return result


def _check_files(folder: Path) -> None:
    files = read_sealed(folder / CHECKSUMS).get('files')
    if not isinstance(files, dict) or RESULT not in files:
        raise Damaged(f'{folder / CHECKSUMS} is damaged: it lists no files.')
    for name, expected in files.items():
        path = folder / name
        if not path.exists():
            raise Damaged(f'{path} is missing.')
        try:
            found = digest(path.read_bytes())
        except OSError as error:
            raise Damaged(f'{path} cannot be read ({error.strerror or error}).') from error
        if found != expected:
            raise Damaged(f'{path} is damaged: it does not match its SHA-256 in {CHECKSUMS}.')


def _digest_of(value: Mapping) -> str:
    return digest(json.dumps(value, sort_keys=True, ensure_ascii=False).encode())
