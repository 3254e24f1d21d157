"""Refusals of a request, in the words of an `MmsentError`: what is wrong, and what to do."""

from fastapi import HTTPException


class Refusal(HTTPException):
    """A request that is not answered.

    Args:
        status: the HTTP status.
        message: what is wrong.
        hint: what to do.
        retry_s: seconds after which the client may try again.
    """

    def __init__(self, status: int, message: str, hint: str, retry_s: int | None = None) -> None:
        headers = {} if retry_s is None else {"Retry-After": str(retry_s)}
        super().__init__(status, {"error": message, "hint": hint}, headers)
