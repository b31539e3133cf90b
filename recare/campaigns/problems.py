"""What keeps a plan, a launch or an offer from being used, all of it at once, for the person who can mend it."""

from __future__ import annotations


class ProblemsError(ValueError):
    """Something that may not be done as it is. ``problems`` are sentences that say what to do."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
