"""What the codes of the audit trail mean, in words: what is stored and what programs read stays a code."""

from __future__ import annotations

from ..words import Texts, mark

ACTIONS = Texts(
    {
        # A practice's clients and their forms.
        "client-enrolled": mark("Enrolled a client"),
        "client-asked": mark("Asked a client for a form"),
        "client-reminded": mark("Reminded a client of a form"),
        "client-paused": mark("Paused asking a client"),
        "client-resumed": mark("Took up a client again"),
        "client-opted-out": mark("Noted that a client opted out"),
        "client-ended": mark("Ended an enrolment"),
        "client-discharged": mark("Noted the end of a course"),
        "client-held": mark("Put a client on hold"),
        "hold-ended": mark("Ended a hold"),
        "clients-merged": mark("Merged the records of a client"),
        "clients-unmerged": mark("Took a merger of records apart"),
        "client-exported": mark("Exported everything about a client"),
        "client-erased": mark("Erased a client"),
        "client-readmitted": mark("Let an erased client in again"),
        "form-entered": mark("Typed in a form from paper, or took in a form that was sent"),
        "form-sent": mark("Sent a form"),
        "form-reassigned": mark("Moved a form to another client"),
        "note-added": mark("Wrote a note"),
        "note-taken-back": mark("Took a note back"),
        "remark-added": mark("Added a remark"),
        # Looks at what is kept.
        "caseload-viewed": mark("Looked at the list of clients"),
        "client-viewed": mark("Looked at a client"),
        "due-viewed": mark("Looked at who is due"),
        "flag-explained": mark("Looked at how a prompt was worked out"),
        "trail-viewed": mark("Looked at the audit trail"),
        "report-written": mark("Wrote a report to a file"),
        "hand-list-written": mark("Wrote the list to enter by hand to a file"),
        "own-link-made": mark("Made a link to a client's own page"),
        "own-page-opened": mark("Opened the client's own page"),
        "own-page-viewed": mark("Looked at the client's own page"),
        "own-answers-exported": mark("Exported their own answers"),
        "client-refused": mark("Asked for a client whom they may not see: refused"),
        "page-refused": mark("Asked for a page that they may not see: refused"),
        # Prompts and safety notices.
        "flag-acknowledged": mark("Marked a prompt as seen"),
        "safety-closed": mark("Closed a safety notice"),
        "flag-shown-on-platform": mark("Put a prompt on the platform"),
        "flag-closed-on-platform": mark("Closed a prompt on the platform"),
        "flag-retracted-on-platform": mark("Took a prompt back from the platform"),
        "card-shown": mark("Was shown a card in the record system"),
        "card-answered": mark("Answered a card in the record system"),
        # Therapists' self-checks.
        "selfcheck-begun": mark("Began with self-checks"),
        "selfcheck-filled": mark("Filled in a self-check"),
        "selfcheck-shared": mark("Shared a self-check"),
        "selfcheck-unshared": mark("Took the sharing of a self-check back"),
        "selfchecks-deleted": mark("Deleted self-checks"),
        # People, programs and how they come in.
        "signed-in": mark("Signed in"),
        "signed-out": mark("Signed out"),
        "signed-out-elsewhere": mark("Signed out everywhere else"),
        "sign-in-failed": mark("A sign-in failed"),
        "sign-in-shut": mark("A sign-in was shut for a while after too many tries"),
        "launched": mark("Opened a client from the record system"),
        "launch-failed": mark("A sign-in from the record system failed"),
        "launch-refused": mark("A sign-in from the record system was refused"),
        "provider-bound": mark("Bound an account to the identity provider"),
        "first-link-made": mark("Made the link for the first administrator"),
        "demo-link-made": mark("Made a link to the invented practice"),
        "password-link-made": mark("Made a link for a new password"),
        "link-withdrawn": mark("Made a link void"),
        "password-set": mark("Set a password"),
        "account-invited": mark("Invited somebody"),
        "account-opened": mark("Opened an account"),
        "account-changed": mark("Changed an account"),
        "account-closed": mark("Closed an account"),
        "tablet-begun": mark("Made a browser the practice's tablet"),
        "link-shown": mark("Had the link to a client's form shown"),
        "code-made": mark("Made a code for the tablet"),
        "token-made": mark("Made a token for a program"),
        "token-ended": mark("Made a program's token void"),
        "api-clients-read": mark("Read the list of clients by the JSON API"),
        "api-answers-read": mark("Read a client's answers by the JSON API"),
        "api-flags-read": mark("Read prompts by the JSON API"),
        "api-holds-read": mark("Read a client's holds by the JSON API"),
        "call-refused": mark("Asked the JSON API for what the token does not allow: refused"),
        "webhook-heard": mark("Announced something new"),
        "webhook-refused": mark("Sent an announcement that was refused"),
        # The store and its settings.
        "platform-connected": mark("Connected the platform"),
        "platform-disconnected": mark("Disconnected the platform"),
        "mapping-confirmed": mark("Confirmed a mapping"),
        "form-published": mark("Published a form on the platform"),
        "constants-stored": mark("Stored the practice's own constants"),
        "backup-written": mark("Wrote a backup"),
        "store-restored": mark("Restored the store from a backup"),
        "key-rotated": mark("Made a new key for the practice"),
        "master-key-rotated": mark("Made a new master key"),
        # The back office of a server with many practices.
        "host-prepared": mark("Prepared the server"),
        "practice-added": mark("Took in a practice"),
        "practice-paused": mark("Paused a practice"),
        "practice-resumed": mark("Resumed a practice"),
        "practice-erased": mark("Erased a practice"),
    }
)


def did(code: str) -> str:
    """What was done, in words; the code itself where a plugin or another version wrote it."""
    return ACTIONS[code] if code in ACTIONS.source else code
