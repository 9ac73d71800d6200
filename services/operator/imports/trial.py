"""What a dry run would have made so far. It keeps nothing in the database, where a later record would meet it."""

from collections.abc import Mapping


class Trial:
    """Remembers people by hashes of what is theirs alone: a file may have millions."""

    def __init__(self) -> None:
        self._known: set[int] = set()

    def add(self, source_id: str | None, unique: Mapping[str, str | None]) -> None:
        """Remember somebody who would be made: their id in the file, and the values that nobody else of the app may have."""
        self._known.update(_hashes({"source_id": source_id, **unique}).values())

    def is_known(self, source_id: str | None) -> bool:
        """Say whether the file had this id before."""
        return not self._known.isdisjoint(_hashes({"source_id": source_id}).values())

    def taken(self, unique: Mapping[str, str | None]) -> list[str]:
        """Return the names of the values that somebody before has."""
        return [name for name, known_by in _hashes(unique).items() if known_by in self._known]


def _hashes(values: Mapping[str, str | None]) -> dict[str, int]:
    return {name: hash((name, value)) for name, value in values.items() if value is not None}
