"""Where a link's own URL may lead, when its request gives it a form: whoever is there gets the token."""

from shared.errors import FieldProblem
from shared.http.routes import KeyLimits
from shared.link_urls import page_of
from shared.redirects import RedirectPolicy, RedirectRefused


def template_problems(
    redirects: RedirectPolicy, limits: KeyLimits, template: str | None
) -> list[FieldProblem]:
    """Return why the app, or the key, does not allow a form: the part before its query, judged as a redirect."""
    if template is None:
        return []
    page = page_of(template)
    try:
        redirects.resolve(page)
    except RedirectRefused as refused:
        rule = refused.rule.replace("redirect_", "url_template_", 1)
        return [FieldProblem("url_template", rule, f"before its query, {refused}")]
    if limits.redirect_urls is None:
        return []
    try:
        RedirectPolicy(None, limits.redirect_urls, redirects.allow_http).resolve(page)
    except RedirectRefused:
        words = "before its query, matches no entry of this key's redirect_urls"
        return [FieldProblem("url_template", "url_template_not_allowed_for_key", words)]
    return []
