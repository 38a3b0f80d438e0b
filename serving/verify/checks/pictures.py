"""Right answers to the shipped pictures: each arrives whole, in its size and its colours."""

from serving.verify.answer import ask
from serving.verify.check import Check
from serving.verify.client import Endpoint
from serving.verify.judgement import ShippedPicture, shipped_pictures
from serving.verify.verdict import expect

BRIEFLY = {"role": "system", "content": "Answer briefly."}


def picture_check(picture: ShippedPicture) -> Check:
    """Return the check of one picture."""

    async def look(endpoint: Endpoint) -> str:
        content = [picture.part, {"type": "text", "text": picture.question}]
        answer = await ask(endpoint, None, messages=[BRIEFLY, {"role": "user", "content": content}])
        expect(picture.is_answered_by(answer.content), answer.content or "an empty answer")
        return answer.content

    words = ", ".join("/".join(group) for group in picture.accepted)
    return Check(f"picture: {picture.file}", words, look)


def picture_checks() -> tuple[Check, ...]:
    """Return a check for each shipped picture."""
    return tuple(picture_check(picture) for picture in shipped_pictures())
