"""What the notifiers would make of a request, as they reported it at their start (`delivery_options`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.issuer.policy import App
from shared.errors import FieldProblem
from shared.links import LinkRequest
from shared.locales import nearest


@dataclass(frozen=True, slots=True)
class DeliveryOptions:
    """Channels that are configured, and the locales of each template: `<name>`, or `<app id>/<name>` for an app's own."""

    channels: frozenset[str]
    templates: Mapping[str, Sequence[str]]

    def locales(self, app: App, name: str) -> list[str]:
        """Return the locales in which an app's messages by this name can be written: none, if there is no such template."""
        return [*self.templates.get(f"{app.id}/{name}", ()), *self.templates.get(name, ())]


@dataclass(frozen=True, slots=True)
class ChosenTemplate:
    """The template's name, and the locale in which the message would be written; None: nobody knows."""

    name: str
    locale: str | None


def chosen_template(options: DeliveryOptions | None, app: App, request: LinkRequest) -> ChosenTemplate:
    """Return the template of a request in the nearest language that has it."""
    name = request.template or request.type
    wanted = request.locale or app.locale
    known = {} if options is None else {one.lower(): one for one in options.locales(app, name)}
    locale = nearest(wanted, known)
    return ChosenTemplate(name, None if locale is None else known[locale])


def delivery_problems(options: DeliveryOptions | None, app: App, request: LinkRequest) -> list[FieldProblem]:
    """Return why a message could not be delivered though its link can be issued. Without a report nobody can say."""
    if options is None or request.channel == "none":
        return []
    problems = []
    if request.channel not in options.channels:
        words = "is configured in no notifier: its messages would wait until they expire"
        problems.append(FieldProblem("channel", "channel_not_configured", words))
    if not options.locales(app, request.template or request.type):
        words = "no notifier has a template of this name: the message would fail"
        problems.append(FieldProblem("template", "template_unknown", words))
    return problems
