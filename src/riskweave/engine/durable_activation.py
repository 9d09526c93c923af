"""Going over to another policy: a copy is filled and catches up while the old policy decides."""

from __future__ import annotations

from riskweave.engine.durable_commands import Activated, ActivatePolicy, RollBack, encode_command
from riskweave.engine.durable_host import Host, entries, history, policy_of
from riskweave.engine.durable_policies import pack_policy
from riskweave.engine.durable_records import shape_of
from riskweave.engine.ports import PolicyRow, Stores, Tip
from riskweave.engine.snapshot import Snapshot
from riskweave.errors import PolicyError
from riskweave.policy.policy import Policy

# The engine stops for as long as the copy takes in so many positions.
STEP_MAX = 256
ROUNDS_MAX = 30


class Activation:
    """A copy of the engine on its way to a new policy; lives in a thread of its own until `finish`."""

    def __init__(
        self, stores: Stores, row: PolicyRow, policy: Policy, command: ActivatePolicy | RollBack
    ) -> None:
        self.stores = stores
        self.row = row
        self.policy = policy
        self.command = command
        self.host: Host | None = None
        self.position = 0
        self.rounds = 0

    @staticmethod
    def packed(stores: Stores, policy: Policy) -> bytes:
        """Store a policy's content and return its key."""
        return stores.journal.put_content(pack_policy(policy))

    def begin(self, old: PolicyRow, tip: Tip, state: Snapshot) -> None:
        """Restore a copy, and fill what is new from the past."""
        self.host = Host.restored(self.stores, old, state)
        self.host.activate(self.row, self.policy, history(self.stores, 1, tip.position))
        self.position = tip.position
        shape = self.stores.journal.put_content(shape_of(self.host.engine))
        self.row = PolicyRow(self.row.number, self.row.version, self.row.content, shape, 0)
        self.host.policy = self.row
        self.host.engine.warm_up()

    def behind(self, position: int) -> bool:
        """Return whether another round is worth while before the engine has to wait."""
        return position - self.position > STEP_MAX and self.rounds < ROUNDS_MAX

    def catch_up(self, position: int) -> None:
        """Take in what was decided meanwhile."""
        assert self.host is not None
        for entry in entries(self.stores, self.position + 1, position):
            if entry.position > self.position:
                self.host.follow(entry, self.stores)
                self.position = entry.last
        self.rounds += 1

    def finish(self, live: Host, position: int) -> tuple[Host, bytes, PolicyRow]:
        """Take in the last events; return the new host, and the command for the journal."""
        assert self.host is not None
        self.catch_up(position)
        self.host.engine.state.events = live.engine.state.events
        command = Activated(
            policy=self.row.number,
            version=self.row.version,
            content=self.row.content,
            rollback=isinstance(self.command, RollBack),
            by=self.command.by,
            why=self.command.why,
        )
        return self.host, encode_command(command), self.row


def activated_row(
    stores: Stores, current: PolicyRow, command: ActivatePolicy | RollBack
) -> tuple[PolicyRow, Policy]:
    """Return the row of the policy to go over to, and the policy as it is stored; raises PolicyError."""
    rows = stores.journal.policies()
    number = max(row.number for row in rows) + 1
    if isinstance(command, RollBack):
        before = [row for row in rows if row.number < current.number and row.version != current.version]
        if not before:
            raise PolicyError("there is no earlier policy to go back to")
        content, version = before[-1].content, before[-1].version
    else:
        content, version = Activation.packed(stores, command.policy), command.policy.version
    row = PolicyRow(number, version, content, b"", 0)
    return row, policy_of(stores, row)
