"""What hooks return, and what an adapter is: the contract between the core, its plugins and the platforms.

Plain data and protocols; nothing here does anything. A vendor reads this package and `hookspecs.py`.
"""

from .asking import (
    Ask,
    Asked,
    CollectorContext,
    CollectorSpec,
    Delivering,
    Letter,
    Sender,
    Settling,
)
from .connecting import (
    AdapterContext,
    AdapterSpec,
    Browser,
    Capabilities,
    CarrierSpec,
    Dialogue,
    Hint,
    Support,
    WebhookRequest,
)
from .platforms import (
    Adapter,
    Asking,
    Carrier,
    Delivered,
    Identity,
    Notice,
    Page,
    Published,
    RemoteAnswer,
    RemoteForm,
    RemoteLine,
    RemoteQuestion,
    RemoteResponse,
    WithSessions,
)
from .preparing import (
    HookContext,
    PreparedResponses,
    Refusal,
)
from .reading import (
    Judge,
    Reading,
    RuleSpec,
    ScorerSpec,
)

__all__ = [
    "Adapter",
    "AdapterContext",
    "AdapterSpec",
    "Ask",
    "Asked",
    "Asking",
    "Browser",
    "Capabilities",
    "Carrier",
    "CarrierSpec",
    "CollectorContext",
    "CollectorSpec",
    "Delivered",
    "Delivering",
    "Dialogue",
    "Hint",
    "HookContext",
    "Identity",
    "Judge",
    "Letter",
    "Notice",
    "Page",
    "PreparedResponses",
    "Published",
    "Reading",
    "Refusal",
    "RemoteAnswer",
    "RemoteForm",
    "RemoteLine",
    "RemoteQuestion",
    "RemoteResponse",
    "RuleSpec",
    "ScorerSpec",
    "Sender",
    "Settling",
    "Support",
    "WebhookRequest",
    "WithSessions",
]
