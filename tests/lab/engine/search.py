# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's search language, as far as clients of a backup use it.

``field=value`` with ``=``, ``!=``, ``<``, ``>``, joined by ``and`` and ``or``, then ``sortby`` and
``page``. ``*`` in a value is a wildcard, also inside quotes, and nothing can be escaped: names with
``*`` or quotes cannot be searched for exactly. A text that is not a search silently finds nothing:
the engine logs it and answers 200 with an empty list (``SearchQuery.initQueryData``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from lab.engine.codec import query_fault

T = TypeVar("T")
Fields = Mapping[str, Callable[[T], "str | tuple[str, ...]"]]
_TOKEN = re.compile(r'"([^"]*)"|(!=|<=|>=|=|<|>)|([^\s=<>!"]+)')
# Columns that hold several values: the engine compares these as regular expressions.
SEVERAL = frozenset({"vm_names", "tag"})


class _Malformed(Exception):
    """A text that is no search."""


@dataclass(frozen=True)
class _Token:
    text: str
    quoted: bool = False
    operator: bool = False

    def word(self, *words: str) -> bool:
        """Tell whether this is one of the language's own words."""
        return not self.quoted and not self.operator and self.text.lower() in words


@dataclass(frozen=True)
class Query:
    """A search text with the parameters beside it."""

    text: str = ""
    case_sensitive: bool = False
    maximum: int | None = None


def _tokens(text: str) -> list[_Token]:
    if text.count('"') % 2:
        raise _Malformed
    if re.match(r"\s*[A-Za-z]+\s*:", text):
        # The API puts the name of the collection before what it is given: a second one is no search.
        raise _Malformed
    found = []
    for quoted, operator, word in _TOKEN.findall(text):
        if operator:
            found.append(_Token(operator, operator=True))
        elif word:
            found.append(_Token(word))
        else:
            found.append(_Token(quoted, quoted=True))
    return found


def like(value: str, wanted: str, case_sensitive: bool) -> bool:
    """Tell whether a value matches, ``*`` standing for anything."""
    pattern = ".*".join(re.escape(part) for part in wanted.split("*"))
    flags = re.DOTALL if case_sensitive else re.DOTALL | re.IGNORECASE
    return re.fullmatch(pattern, value, flags) is not None


def _compare(
    value: str | tuple[str, ...], operator: str, wanted: str, case_sensitive: bool
) -> bool:
    if isinstance(value, tuple):
        return any(_compare(one, operator, wanted, case_sensitive) for one in value)
    if operator in {"=", "!="}:
        return like(value, wanted, case_sensitive) == (operator == "=")
    try:
        left, right = float(value), float(wanted)
    except ValueError as problem:
        raise _Malformed from problem
    results = {"<": left < right, ">": left > right, "<=": left <= right, ">=": left >= right}
    return results[operator]


def search(items: Sequence[T], fields: Fields[T], query: Query) -> list[T]:
    """Return the items that a search finds; none for a text that is not a search.

    Raises:
        Answer: 400 for a page before the first, and for a negative maximum.
    """
    if query.maximum is not None and query.maximum < 0:
        raise query_fault(400, f"illegal max count value for query : {query.maximum}")
    try:
        return _search(items, fields, query)
    except _Malformed:
        return []


def _search(items: Sequence[T], fields: Fields[T], query: Query) -> list[T]:
    tokens = _tokens(query.text)
    tokens, page = _cut(tokens, "page")
    tokens, order = _cut(tokens, "sortby")
    found = [item for item in items if not tokens or _any(item, tokens, fields, query)]
    if order:
        get = _field(fields, order[0].text)
        found.sort(key=lambda item: str(get(item)), reverse=order[-1].word("desc"))
    if page:
        if order and not order[-1].word("asc", "desc"):
            # A page may follow a direction, not the name of a field.
            raise _Malformed
        return _page(found, page[0].text, query.maximum)
    return found if query.maximum is None else found[: query.maximum]


def _page(found: list[T], number: str, maximum: int | None) -> list[T]:
    """Return one page; it is as long as the maximum, and without a maximum all items are on the first page."""
    if not number.isdigit():
        raise _Malformed
    if int(number) == 0:
        raise query_fault(400, "statementcallback; error: offset must not be negative")
    size = len(found) if maximum is None else maximum
    first = (int(number) - 1) * size
    return found[first : first + size]


def _cut(tokens: list[_Token], word: str) -> tuple[list[_Token], list[_Token]]:
    for index, token in enumerate(tokens):
        if token.word(word) and index + 1 < len(tokens) and not tokens[index + 1].operator:
            return tokens[:index], tokens[index + 1 :]
    return tokens, []


def _any(item: T, tokens: Sequence[_Token], fields: Fields[T], query: Query) -> bool:
    parts = _split(tokens, "or")
    return any(_all(item, part, fields, query) for part in parts)


def _all(item: T, tokens: Sequence[_Token], fields: Fields[T], query: Query) -> bool:
    return all(_one(item, part, fields, query) for part in _split(tokens, "and"))


def _split(tokens: Sequence[_Token], word: str) -> list[list[_Token]]:
    parts: list[list[_Token]] = [[]]
    for token in tokens:
        if token.word(word):
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _field(fields: Fields[T], name: str) -> Callable[[T], str | tuple[str, ...]]:
    if name.lower() not in fields:
        raise _Malformed
    return fields[name.lower()]


def _one(item: T, tokens: Sequence[_Token], fields: Fields[T], query: Query) -> bool:
    if len(tokens) == 1 and not tokens[0].operator:
        wanted = f"*{tokens[0].text}*"
        return any(_compare(get(item), "=", wanted, False) for get in fields.values())
    if len(tokens) != 3 or not tokens[1].operator:
        raise _Malformed
    name, operator, wanted = (token.text for token in tokens)
    if name.lower() in SEVERAL:
        wanted = f"*{wanted}*"
    return _compare(_field(fields, name)(item), operator, wanted, query.case_sensitive)
