"""What is wrong with a template, or could be better."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """`file` is a path, or `<name>/<locale>/<part>`. With an error no service starts; a warning is for `template lint`."""

    file: str
    rule: str
    message: str
    severity: Literal["error", "warning"] = "error"

    @property
    def line(self) -> str:
        return f"{self.file}: {self.message}"


class TemplateFault(Exception):  # noqa: N818 - states the fact
    """Files of a set are missing or broken."""

    def __init__(self, findings: list[Finding]) -> None:
        super().__init__("\n".join(finding.line for finding in findings))
        self.findings = findings
