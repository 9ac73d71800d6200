"""Which lane a message takes: an app's interactive rate is capped, and the surplus is bulk (DESIGN §5)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from services.issuer.policy import App, Draft, Form
from shared.cache import Cache
from shared.errors import Refusal
from shared.limits import FailOpenBucket, Level


class Lanes:
    """Keeps one app's flood from delaying everybody's logins. Fails open: without Redis everything keeps the lane it asked for."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    async def assign(self, draft: Draft) -> Draft:
        """Return the draft, in the bulk lane when its app has used up its interactive rate."""
        if not _is_counted(draft):
            return draft
        app = draft.form.app
        return (
            draft
            if await self._of(app).take_up_to(str(app.id), 1)
            else draft._replace(form=_in_bulk(draft.form))
        )

    async def assign_all(self, items: Sequence[Draft | Refusal]) -> list[Draft | Refusal]:
        """Return the items of one request, with one look at each app's rate; those past it are in the bulk lane."""
        apps = {item.form.app.id: item.form.app for item in items if isinstance(item, Draft)}
        wanted = Counter(item.form.app.id for item in items if isinstance(item, Draft) and _is_counted(item))
        if not wanted:
            return [*items]
        left = {
            app_id: await self._of(apps[app_id]).take_up_to(str(app_id), count)
            for app_id, count in wanted.items()
        }
        # Links that share a form share the one in the bulk lane, too.
        bulk: dict[Form, Form] = {}
        assigned: list[Draft | Refusal] = []
        for item in items:
            if not isinstance(item, Draft) or not _is_counted(item):
                assigned.append(item)
                continue
            form = item.form
            if left[form.app.id] > 0:
                assigned.append(item)
            else:
                in_bulk = bulk.get(form) or bulk.setdefault(form, _in_bulk(form))
                assigned.append(item._replace(form=in_bulk))
            left[form.app.id] -= 1
        return assigned

    async def lane_for(self, app: App, lane: str) -> str:
        """Return the lane of one message that asked for `lane`."""
        if lane != "interactive" or await self._of(app).take_up_to(str(app.id), 1):
            return lane
        return "bulk"

    async def peek(self, app: App) -> Level | None:
        """Return what is left of the app's interactive rate; None when Redis is away."""
        return await self._of(app).peek(str(app.id))

    def _of(self, app: App) -> FailOpenBucket:
        return FailOpenBucket(self._cache, "interactive", app.interactive_per_minute)


def _is_counted(draft: Draft) -> bool:
    return draft.form.lane == "interactive" and draft.form.request.channel != "none"


def _in_bulk(form: Form) -> Form:
    return replace(form, lane="bulk")
