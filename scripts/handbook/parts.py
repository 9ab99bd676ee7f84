"""Parts of a configuration file, each put into a whole one, so that `fairlead check` can read it.

A table of the part goes into the one of the same name; an entry of a list into the one with its name, else behind the others.
"""

import json
import tomllib

#: By what an entry of a list is known.
NAMES = ("name", "pool", "address", "to")


def joined(whole: str, part: str) -> str:
    """The whole file with the part in it."""
    return written(_merged(tomllib.loads(whole), tomllib.loads(part)))


def _merged(whole: dict, part: dict) -> dict:
    result = dict(whole)
    for key, value in part.items():
        old = result.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            result[key] = _merged(old, value)
        elif _is_tables(value) and _is_tables(old):
            result[key] = _with_entries(old, value)
        else:
            result[key] = value
    return result


def _with_entries(old: list[dict], new: list[dict]) -> list[dict]:
    result = list(old)
    for entry in new:
        known = next((name for name in NAMES if name in entry), None)
        places = [at for at, each in enumerate(result) if known and each.get(known) == entry[known]]
        if places:
            result[places[0]] = _merged(result[places[0]], entry)
        else:
            result.append(entry)
    return result


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)


def written(tables: dict) -> str:
    """As TOML: a table each, what is in it in one line each."""
    lines = [f"{key} = {_inline(value)}\n" for key, value in tables.items() if not isinstance(value, dict) and not _is_tables(value)]
    for name, value in tables.items():
        if isinstance(value, dict):
            lines += [f"[{name}]\n", *_keys(value)]
        elif _is_tables(value):
            for entry in value:
                lines += [f"[[{name}]]\n", *_keys(entry)]
    return "".join(lines)


def _keys(table: dict) -> list[str]:
    return [f"{key} = {_inline(value)}\n" for key, value in table.items()]


def _inline(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_inline(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_inline(each) for each in value) + "]"
    return json.dumps(value)
