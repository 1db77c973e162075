import json, hashlib
from dataclasses import dataclass
from cryptodask.io.paths import write_text, read_text, exists
from cryptodask.errors import InputError
import attrs
@attrs.frozen
class FileRecord:
    name: str
    size: int
    sha256: str
def write_json(v, path): write_text(json.dumps(v, indent=1)+"\n", path)
def read_json(path):
    try: return json.loads(read_text(path))
    except (ValueError, RecursionError) as e: raise InputError(f"{path}: {e}")
def record_of(path):
    b=path.read_bytes(); return FileRecord(path.name,len(b),hashlib.sha256(b).hexdigest())
def damage(path, record):
    try: return None if record_of(path)==record else "other"
    except FileNotFoundError: return "missing"
