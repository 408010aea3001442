"""What reviewers send."""

from hashlib import sha256
from json import dumps
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field, StrictBool

from serving.api.text import Epoch, Name, Storable, Text
from serving.domain.opinions import BULK_AT_MOST, Passing, Verdict

Page = Annotated[Name, Field(max_length=64)] | None
Label = Annotated[Storable, Field(max_length=256)] | None


class LeaseBody(BaseModel):
    """The claim that somebody acts on."""

    epoch: Epoch


class AgreeBody(LeaseBody):
    """The model's answer as one's own. `final`: at once, without time to undo it.

    page: the revision of the page that shows the item, kept with the answer.
    """

    idempotency_key: Name | None = None
    final: StrictBool = False
    page: Page = None

    def one_key(self, *said: str | None) -> str:
        """The sender's, or one that is the same for the same said under the same claim."""
        return self.idempotency_key or f"{self.epoch}:{_digest(dumps(said))}"


class DecisionBody(AgreeBody):
    """A reviewer's answer; a label of null means none of these.

    revise: it corrects the reviewer's own answer, which can still be undone.
    """

    label: Label
    comment: Text = ""
    revise: StrictBool = False

    def verdict(self, item: str, reviewer: str) -> Verdict:
        """Without a key of the sender's own, the same answer to the same claim is the same."""
        how = "revised" if self.revise else "decided"
        said = (self.label, self.comment, self.one_key(how, self.label), self.revise, self.final)
        return Verdict(item, reviewer, self.epoch, *said, page=self.page)


class AdjudicationBody(BaseModel):
    """A lead's answer to an item that waits for one."""

    label: Label
    comment: Text = ""
    idempotency_key: Name
    final: StrictBool = False

    def verdict(self, item: str, reviewer: str) -> Verdict:
        """The answer, for a claim that is still to be made."""
        key = self.idempotency_key
        return Verdict(item, reviewer, 0, self.label, self.comment, key, final=self.final)


class PassingBody(LeaseBody):
    """Doing something else with an item than answering it."""

    idempotency_key: Name | None = None


class SkipBody(PassingBody):
    """Passing an item on."""

    reason: Text = ""

    def passing(self, item: str, reviewer: str) -> Passing:
        """Without a key of the sender's own, the same reason for the same claim is the same."""
        key = self.idempotency_key or _digest(self.reason)
        return Passing(item, reviewer, self.epoch, key, self.reason)


class SnoozeBody(PassingBody):
    """Putting an item aside."""

    until: AwareDatetime

    def passing(self, item: str, reviewer: str) -> Passing:
        """Without a key of the sender's own, the same end for the same claim is the same."""
        key = self.idempotency_key or self.until.isoformat()
        return Passing(item, reviewer, self.epoch, key)


class CommentBody(BaseModel):
    """Saying something about an item."""

    text: Annotated[Text, Field(min_length=1)]
    idempotency_key: Name | None = None

    def passing(self, item: str, reviewer: str) -> Passing:
        """Without a key of the sender's own, the same words about the same item are the same."""
        key = self.idempotency_key or _digest(self.text)
        return Passing(item, reviewer, 0, key, self.text)


class BulkItem(LeaseBody):
    """One of the items that are answered at one stroke."""

    item: Name


class BulkBody(BaseModel):
    """One answer to items that look alike; the key names them all."""

    items: Annotated[list[BulkItem], Field(min_length=1, max_length=BULK_AT_MOST)]
    label: Label
    comment: Text = ""
    idempotency_key: Name
    page: Page = None

    def verdicts(self, reviewer: str) -> tuple[Verdict, ...]:
        """The answer to each."""
        key, page = self.idempotency_key, self.page
        said = (self.label, self.comment, key)
        return tuple(
            Verdict(one.item, reviewer, one.epoch, *said, bulk=key, page=page) for one in self.items
        )


class BulkUndoBody(BaseModel):
    """The answers to take back."""

    idempotency_key: Name


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
