"""docs/doctor.md lists every condition; `UPDATE_DOCS=1` writes the table."""

import os

from tests.support.agent import REPOSITORY
from tracestitch.doctor.conditions import CONDITIONS

PAGE = REPOSITORY / "docs" / "doctor.md"
BEGIN, END = "<!-- conditions:", "<!-- end of conditions -->"


def table() -> str:
    lines = ["| condition | what it means | what to do |", "|---|---|---|"]
    for condition in CONDITIONS:
        remedy = (
            condition.remedy.replace("{advice}", "depends; told with the finding")
            .replace("{", "")
            .replace("}", "")
            .replace("|", "\\|")
        )
        kind = " (note)" if condition.is_note else ""
        lines.append(f"| `{condition.name}`{kind} | {condition.meaning} | {remedy} |")
    return "\n".join(lines)


def test_the_page_lists_every_condition() -> None:
    page = PAGE.read_text()
    head, begin, rest = page.partition(BEGIN)
    mark, _, _ = rest.partition("\n")
    _, _, tail = rest.partition(END)
    wanted = f"{head}{begin}{mark}\n\n{table()}\n\n{END}{tail}"
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(wanted)
    assert PAGE.read_text() == wanted
