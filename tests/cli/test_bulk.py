"""`holdwater bulk` and `holdwater retention`: many runs at once, and the rule that says which are kept."""

from __future__ import annotations

import json

from tests.cli.conftest import Shell


def test_failed_runs_are_retried_and_forgotten(shell: Shell) -> None:
    for workflow in ("sums", "fails", "fails"):
        shell("run", f"flows:{workflow}")
    assert shell("bulk", "start", "retry").returncode == 2, "nothing selects runs"
    preview = shell("bulk", "start", "forget", "--status", "failed", "--preview")
    assert preview.stdout == "2 failed\n"
    asked = shell("bulk", "start", "forget", "--status", "failed", stdin="n\n")
    assert asked.returncode != 0
    retried = shell("bulk", "start", "retry", "--all", "--yes", "--reason", "again")
    assert "is completed: 2 runs of 3" in retried.stdout
    assert "there is nothing to retry" in retried.stdout or "it is completed" in retried.stdout
    cancelled = json.loads(shell("bulk", "start", "cancel", "--status", "running", "--json").stdout)
    assert (cancelled["done_count"], cancelled["state"]) == (2, "completed")
    key = ["bulk", "start", "forget", "--status", "cancelled", "--key", "once", "--json"]
    gone = json.loads(shell(*key).stdout)
    assert (gone["done_count"], gone["refused_count"]) == (2, 0)
    assert json.loads(shell("bulk", "show", gone["id"], "--json").stdout) == gone
    jobs = json.loads(shell("bulk", "list", "--json").stdout)
    assert [job["verb"] for job in jobs] == ["forget", "cancel", "retry"]
    assert "2 of 2" in shell("bulk", "list").stdout
    assert shell("bulk", "show", "nothing").returncode == 3
    assert shell("bulk", "stop", gone["id"]).returncode == 4
    assert "is completed" in shell("bulk", "resume", gone["id"]).stdout
    assert len(json.loads(shell("runs", "list", "--json").stdout)) == 1


def test_the_rule_of_a_database(shell: Shell) -> None:
    shell("run", "flows:sums")
    assert "there is no rule" in shell("retention", "show").stdout
    assert shell("retention", "set").returncode == 2
    assert shell("retention", "set", "--days", "3", "--off").returncode == 2
    assert shell("retention", "set", "--days", "3", "--logs-days", "4").returncode == 2
    said = shell("retention", "set", "--days", "30", "--days-failed", "90", "--keep-label", "audit").stdout
    assert "failed runs  are deleted after 90 days" in said
    assert "runs with audit" in said
    assert shell("retention", "preview").stdout == "no run; 0 bytes of journals and logs\n"
    found = json.loads(shell("retention", "preview", "--days", "0", "--json").stdout)
    assert found["counts"] == {"completed": {"count": 1, "more": False}}
    assert found["bytes"] > 0
    assert json.loads(shell("retention", "apply", "--json").stdout) == {"pruned": 0}
    assert shell("retention", "set", "--days", "0").returncode == 0
    assert shell("retention", "apply").stdout == "1 run pruned\n"
    assert json.loads(shell("retention", "set", "--off", "--json").stdout)["days"] is None
