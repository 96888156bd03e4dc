# Copyright (c) 2026, ovirt_community.backup contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge: plan, execute, and end the module in one of two ways, whatever happens."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import pytest

from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.errors import (
    BackupError,
    EngineConflict,
    Refused,
    WaitTimeout,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.operation import (
    Operation,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.options import (
    MARK,
    option,
)
from ansible_collections.ovirt_community.backup.plugins.module_utils._core.common.plan import Plan
from ansible_collections.ovirt_community.backup.plugins.module_utils._module import edge

CHANGE: Plan[str] = Plan(
    steps=("attach",),
    result={"attached": ["disk"], "seen": "before"},
    before={"attached": {}},
    after={"attached": {"disk": "snapshot"}},
    warnings=("On one host.",),
)
DEED = {"seen": "after"}
NOTHING: Plan[str] = Plan(result={"attached": ["disk"]})
WAITS: Plan[str] = Plan(result={"attached": ["disk"]}, waits=True)


class Left(Exception):
    """The module has left, as AnsibleModule does by ending the process."""


@dataclass
class Module:
    """As much of AnsibleModule as the edge uses."""

    check_mode: bool = False
    params: dict[str, Any] = field(default_factory=lambda: {"vm": "appliance"})
    warnings: list[str] = field(default_factory=list)
    failed: bool | None = None
    result: dict[str, Any] = field(default_factory=dict)
    no_log_values: set[str] = field(default_factory=set)
    _name: str = "ovirt_community.backup.vm_snapshot"

    def warn(self, text: str) -> None:
        assert self.failed is None
        self.warnings.append(text)

    def exit_json(self, **result: object) -> NoReturn:
        self._leave(result, failed=False)

    def fail_json(self, **result: object) -> NoReturn:
        self._leave(result, failed=True)

    def _leave(self, result: dict[str, Any], *, failed: bool) -> NoReturn:
        assert self.failed is None, "a module leaves once"
        self.failed, self.result = failed, result
        raise Left


@dataclass
class Told(Operation[str]):
    """Does as it was told, and remembers what it was asked to do."""

    decision: Plan[str] | BaseException = CHANGE
    outcome: Mapping[str, Any] | BaseException = field(default_factory=lambda: DEED)
    log: list[str] = field(default_factory=list)

    def plan(self) -> Plan[str]:
        self.log.append("plan")
        if isinstance(self.decision, BaseException):
            raise self.decision
        return self.decision

    def execute(self, plan: Plan[str], /) -> Mapping[str, Any]:
        self.log.append("execute")
        assert plan is self.decision
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome

    def close(self) -> None:
        self.log.append("close")


def run(module: Module, build: Callable[[Mapping[str, Any]], Any]) -> Module:
    with pytest.raises(Left):
        edge.run(module, build)  # type: ignore[arg-type]
    return module


def performed(operation: Told, *, check_mode: bool = False) -> Module:
    return run(Module(check_mode), lambda _params: operation)


def test_a_change() -> None:
    operation = Told()
    module = performed(operation)
    assert operation.log == ["plan", "execute", "close"]
    assert not module.failed
    assert module.result["changed"] is True
    assert module.result["seen"] == "after", "what the deed tells is newer than the plan"
    assert module.result["attached"] == ["disk"]
    assert module.result["diff"] == {"before": dict(CHANGE.before), "after": dict(CHANGE.after)}
    assert module.warnings == ["On one host."]


@pytest.mark.parametrize("plan", [CHANGE, NOTHING, WAITS])
def test_check_mode_executes_nothing_and_tells_the_same(plan: Plan[str]) -> None:
    checked, real = Told(plan), Told(plan)
    said, done = performed(checked, check_mode=True), performed(real)
    assert checked.log == ["plan", "close"]
    assert said.result.keys() | set(DEED if plan.waits else ()) == done.result.keys()
    for key in ("changed", "diff", "attached"):
        assert said.result[key] == done.result[key]
    assert said.warnings == done.warnings


def test_nothing_to_do_is_not_executed() -> None:
    operation = Told(NOTHING)
    module = performed(operation)
    assert operation.log == ["plan", "close"]
    assert module.result["changed"] is False


def test_waiting_is_done_but_is_no_change() -> None:
    operation = Told(WAITS)
    module = performed(operation)
    assert operation.log == ["plan", "execute", "close"]
    assert module.result["changed"] is False
    assert module.result["seen"] == "after"


ERRORS = [
    (
        EngineConflict("VM is locked.", reason="vm_locked", retryable=True, hint="Wait."),
        {
            "msg": "VM is locked. Wait.",
            "error_code": "engine_conflict",
            "hint": "Wait.",
            "details": {"reason": "vm_locked"},
        },
    ),
    (
        WaitTimeout("Too long.", details={"waited_seconds": 3}),
        {
            "msg": "Too long.",
            "error_code": "timeout",
            "hint": "",
            "details": {"waited_seconds": 3},
        },
    ),
]


@pytest.mark.parametrize(("error", "keys"), ERRORS)
@pytest.mark.parametrize("half", ["plan", "execute"])
def test_an_error_has_its_keys_and_the_engine_is_left(
    error: BackupError, keys: dict[str, Any], half: str
) -> None:
    operation = Told(error) if half == "plan" else Told(CHANGE, error)
    module = performed(operation)
    assert module.failed
    assert module.result == {**keys, "invocation": {"module_args": {"vm": "appliance"}}}
    assert operation.log[-2:] == [half, "close"]
    assert module.warnings == []


@pytest.mark.parametrize("half", ["plan", "execute"])
def test_an_unexpected_error_is_told_with_its_traceback(half: str) -> None:
    error = KeyError("oops")
    operation = Told(error) if half == "plan" else Told(CHANGE, error)
    module = performed(operation)
    assert module.failed
    assert module.result["msg"] == "Unexpected error, please report it: KeyError('oops')"
    assert module.result["error_code"] == "internal"
    assert module.result["details"] == {}
    assert "Traceback" in module.result["exception"]
    assert "-vvv" in module.result["hint"]
    assert operation.log[-1] == "close"


def test_an_error_of_the_parameters_is_told_like_any_other() -> None:
    def build(params: Mapping[str, Any]) -> Told:
        assert params == {"vm": "appliance"}
        raise BackupError("No.", hint="Say yes.")

    module = run(Module(), build)
    assert module.failed
    assert module.result["msg"] == "No. Say yes."


def test_whoever_interrupts_is_not_answered_but_the_engine_is_left() -> None:
    operation = Told(CHANGE, KeyboardInterrupt())
    module = Module()
    with pytest.raises(KeyboardInterrupt):
        edge.run(module, lambda _params: operation)  # type: ignore[arg-type]
    assert module.failed is None
    assert operation.log == ["plan", "execute", "close"]


def test_an_operation_that_has_nothing_to_close() -> None:
    class Open(Operation[str]):
        def plan(self) -> Plan[str]:
            return NOTHING

        def execute(self, plan: Plan[str], /) -> Mapping[str, Any]:
            raise AssertionError(plan)

    result, warnings = edge.perform(Open(), check_mode=False)
    assert (result["changed"], warnings) == (False, ())


def test_what_is_for_people_is_masked_and_what_is_found_is_not() -> None:
    said: Plan[str] = Plan(result={"name": "ovirtmgmt"}, warnings=("The engine says ovirt.",))
    module = Module(params={"password": "ovirt"}, no_log_values={"ovirt"})
    run(module, lambda _params: Told(said))
    assert module.warnings == ["The engine says ********."]
    assert module.result["name"] == "ovirtmgmt"
    assert "ovirt" not in module.result["invocation"]["module_args"].values()
    assert module.no_log_values == set(), "else Ansible masks the rest"


def test_a_failure_is_masked_but_for_its_code() -> None:
    error = BackupError("ovirt said no.", hint="Ask ovirt.", details={"fault": "ovirt", "n": 1})
    error.code = "ovirt_error"
    module = Module(params={"password": "ovirt"}, no_log_values={"ovirt"})
    run(module, lambda _params: Told(error))
    assert module.result["error_code"] == "ovirt_error"
    rest = {key: value for key, value in module.result.items() if key != "error_code"}
    assert "ovirt" not in json.dumps(rest)
    assert module.result["msg"] == "******** said no. Ask ********."


def test_the_plan_itself_is_not_changed_and_results_are_plain() -> None:
    operation = Told()
    module = performed(operation)
    assert CHANGE.result == {"attached": ["disk"], "seen": "before"}
    json.dumps(module.result)


@dataclass
class Foreseeing(Told):
    """Knows, before it is done, what the engine would refuse."""

    refusal: BackupError | None = None

    def predict(self) -> Plan[str]:
        plan = super().predict()
        self.log.append("predict")
        if self.refusal:
            raise self.refusal
        return plan


def test_check_mode_asks_what_the_engine_would_refuse_and_a_real_run_asks_the_engine() -> None:
    checked, real, idle = Foreseeing(), Foreseeing(), Foreseeing(NOTHING)
    assert performed(checked, check_mode=True).result["changed"] is True
    assert checked.log == ["plan", "predict", "close"]
    performed(real)
    assert real.log == ["plan", "execute", "close"]
    assert performed(idle, check_mode=True).result["changed"] is False
    assert idle.log == ["plan", "predict", "close"]


def test_a_refusal_that_is_foreseen_fails_the_check() -> None:
    operation = Foreseeing(refusal=Refused("Not now.", hint="Later."))
    module = performed(operation, check_mode=True)
    assert module.failed
    assert module.result["error_code"] == "refused"
    assert operation.log == ["plan", "predict", "close"]


def test_who_reads_a_result_or_a_failure_can_set_what_it_names() -> None:
    """The option for who runs the module, the variable for who runs a role (_core/common/options.py)."""
    marked, told = (
        f"Raise {option('timeout')}.",
        "Raise timeout (variable vm_backup_snapshot_timeout).",
    )
    plan: Plan[str] = Plan(result={"problems": [marked], "size": 7}, warnings=(marked,))
    module = performed(Told(plan))
    assert module.result["problems"] == [told]
    assert module.result["size"] == 7
    assert module.warnings == [told]
    error = Refused("No.", hint=marked, details={"problems": [{"remedy": marked}]})
    failed = performed(Told(CHANGE, error))
    assert failed.result["msg"] == f"No. {told}"
    assert failed.result["hint"] == told
    assert failed.result["details"] == {"problems": [{"remedy": told}]}
    assert repr(MARK)[1:-1] not in repr([module.result, failed.result])
