"""Every refusal that the vendor answers with, so that its spelling is chosen in one place.

The vendor writes its error types with and without the prefix ``api.`` (Nylas docs: API errors,
against the examples of the nylas v3 API description). A client must bear both, so the sandbox emits
both, always the same one for the same situation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class VendorError(Exception):
    """An answer other than 200, to be sent to the client as it stands."""

    def __init__(
        self,
        status: int,
        kind: str,
        message: str,
        *,
        provider_error: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.message = message
        self.provider_error = provider_error
        self.headers = dict(headers or {})

    def payload(self) -> dict[str, Any]:
        """The vendor's error envelope, without the request id."""
        error: dict[str, Any] = {"type": self.kind, "message": self.message}
        if self.provider_error is not None:
            error["provider_error"] = dict(self.provider_error)
        return {"error": error}


def invalid(message: str) -> VendorError:
    """A field, a parameter or a combination that the vendor does not take."""
    return VendorError(400, "invalid_request_error", message)


def unreadable(message: str) -> VendorError:
    """A body that the vendor cannot read at all."""
    return VendorError(400, "api.invalid_request_payload", message)


def unauthorized() -> VendorError:
    """A missing or wrong API key."""
    return VendorError(401, "unauthorized", "Unauthorized: the API key is missing or not known.")


def grant_rejected() -> VendorError:
    """A grant that has to be authenticated again: the same status as a wrong API key."""
    return VendorError(401, "api.authentication_error", "The grant has to be re-authenticated.")


def insufficient_scopes(message: str) -> VendorError:
    """A grant that lacks a scope."""
    return VendorError(403, "insufficient_scopes", message)


def grant_not_found() -> VendorError:
    """An unknown grant: the only 404 with a type of its own."""
    return VendorError(404, "grant.not_found", "No grant found with this id.")


def not_found(what: str) -> VendorError:
    """An unknown calendar, event or path."""
    return VendorError(404, "not_found_error", f"{what} not found.")


def rate_limited() -> VendorError:
    """The vendor's own rate limit: no ``provider_error`` and no ``Retry-After``."""
    return VendorError(429, "nylas_rate_limit_exceeded", "Too many requests.")


def provider_rate_limited(retry_after: int) -> VendorError:
    """The rate limit of the calendar's own platform, handed through."""
    return VendorError(
        429,
        "rate_limit_error",
        "The provider's rate limit was reached.",
        provider_error={"error": {"code": 429, "message": "Rate Limit Exceeded"}},
        headers={"retry-after": str(retry_after)},
    )


def provider_timeout() -> VendorError:
    """The vendor gave up on the platform, which says nothing about what the platform did."""
    return VendorError(504, "api.provider_error", "Provider request timed out.")


def internal() -> VendorError:
    """The vendor's own failure."""
    return VendorError(500, "api.internal_error", "Internal error.")


def unavailable(status: int) -> VendorError:
    """A vendor that is not there."""
    return VendorError(status, "api.internal_error", "The service is unavailable.")
