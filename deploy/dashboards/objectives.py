"""What the service promises; a test holds the alerts to the same figures."""

from typing import Final

UPTIME: Final = 0.999  # of what is answered or failed, in 30 days
FIRST_TOKEN_SECONDS: Final = 2
FIRST_ANSWER_SECONDS: Final = 30
SHARE_WITHIN: Final = 0.95  # of streams that keep the two times above
INTER_TOKEN_SECONDS: Final = 0.05
TRUNCATED_SHARE: Final = 0.05  # of answers that think, cut before they say anything
