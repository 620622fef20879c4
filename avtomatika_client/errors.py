"""Everything the client raises.

    AvtomatikaError
    ├── APIConnectionError            no reply; `sent` says whether the request may have been processed
    │   └── APITimeoutError           the deadline passed first
    ├── APIStatusError                a reply that is no success
    │   ├── AuthenticationError       401
    │   ├── PermissionDeniedError     403
    │   ├── NotFoundError             404
    │   ├── ConflictError             409
    │   ├── ValidationFailedError     400, 413, 422
    │   ├── RateLimitedError          429
    │   └── ServerError               5xx
    ├── NotSupportedByServerError     this server does not offer the call
    ├── JobFailed                     the job ended, but not well
    ├── WaitTimeout                   the wait ended before the job did
    ├── ClientBoundToOtherLoop        an AsyncClient used from a second event loop
    └── ForkedClientError             a client's open connections used after a fork

A class's docstring is its default message. Errors hold plain data, so they pickle and copy.
"""

from __future__ import annotations

from avtomatika_client.protocol.errors import AvtomatikaError

__all__ = ["AvtomatikaError"]
