"""What a store holds on preference, as frames."""

from __future__ import annotations

from typing import Any

from harness.frames import Kind, RunFrames, made

VOTES = {
    "comparison": "string",
    "judge": "string",
    "kind": "string",
    "judge_id": "string",
    "prompts": "string",
    "question": "string",
    "turn": "int64",
    "first": "string",
    "second": "string",
    "first_id": "string",
    "second_id": "string",
    "repeat": "int64",
    "verdict": "string",
    "text": "string",
    "note": "string",
    "error": "string",
    "tokens_in": "int64",
    "tokens_out": "int64",
    "cost": "float64",
    "seconds": "float64",
    "created": "timestamp",
    "superseded": "timestamp",
}


class PreferenceFrames(RunFrames):
    """The runs and the comparisons of one store."""

    def _make_store(self) -> Any:
        from judges.store import Store

        return Store(self.db)

    def _counts(self) -> dict[str, int]:
        return {**super()._counts(), "answer sets": len(self._store.answer_sets())}

    def votes(self, superseded: bool = False, frame: Kind = "arrow") -> Any:
        """A row a verdict on two answers, by time: of models, of the reference judge and of people (`kind`).

        `superseded`: votes that were undone too."""
        with self._store.read():
            sets = {answers.id: answers for answers in self._store.answer_sets()}
            judges = {judge.id: judge for judge in self._store.judges()}
            prompts = {prompt_set.digest: prompt_set.name for prompt_set in self._store.prompt_sets()}
            comparisons = self._store.comparisons(superseded=superseded)
        rows = []
        for comparison in comparisons:
            first, second, judge = sets.get(comparison.first), sets.get(comparison.second), judges.get(comparison.judge)
            rows.append(
                {
                    **{name: getattr(comparison, name) for name in VOTES if hasattr(comparison, name)},
                    "comparison": comparison.id,
                    "judge": judge and judge.name,
                    "kind": judge and judge.kind,
                    "judge_id": comparison.judge,
                    "prompts": first and prompts.get(first.prompt_set),
                    "first": first and first.name,
                    "second": second and second.name,
                    "first_id": comparison.first,
                    "second_id": comparison.second,
                }
            )
        return made(rows, VOTES, frame)
