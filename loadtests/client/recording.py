"""An exchange becomes a record: the only place where clock readings turn into seconds of a run."""

from loadtests.client.exchange import Exchange
from loadtests.outcome import Outcome
from loadtests.prompt import Request
from loadtests.records import Record


def record_of(  # noqa: PLR0913, PLR0917 - the facts that an exchange does not know
    request: Request,
    exchange: Exchange,
    step: int,
    scheduled: float,
    began: float,
    worker: int = 0,
) -> Record:
    """Write down what an exchange showed.

    `scheduled` (in a closed loop the exchange's `sent`) and `began`, the start of the load, are
    `perf_counter` readings, as the exchange's times are.
    """

    def since_sent(moment: float | None) -> float | None:
        return None if moment is None else round(moment - exchange.sent, 6)

    prompt, usage = request.prompt, exchange.usage
    return Record(
        number=request.number,
        kind=prompt.kind,
        step=step,
        worker=worker,
        conversation=prompt.conversation,
        turn=prompt.turn,
        pictures=prompt.pictures,
        picture_count=prompt.picture_count,
        scheduled_seconds=round(scheduled - began, 6),
        sent_seconds=round(exchange.sent - began, 6),
        uploaded_seconds=since_sent(exchange.uploaded),
        headers_seconds=since_sent(exchange.headers),
        first_byte_seconds=since_sent(exchange.first_byte),
        first_token_seconds=since_sent(exchange.first_token),
        first_reasoning_seconds=since_sent(exchange.first_reasoning),
        first_answer_seconds=since_sent(exchange.first_answer),
        last_token_seconds=since_sent(exchange.last_token),
        done_seconds=since_sent(exchange.done) or 0.0,
        event_gaps_us=tuple(exchange.gaps_us),
        outcome=exchange.outcome,
        detail=exchange.detail,
        status=exchange.status,
        finish_reason=exchange.finish_reason,
        model=exchange.model,
        request_id=exchange.request_id,
        prompt_tokens=usage.prompt,
        completion_tokens=usage.completion,
        reasoning_tokens=usage.reasoning,
        cached_tokens=usage.cached,
        image_tokens=usage.image,
        video_tokens=usage.video,
        cost_usd=usage.cost_usd,
        fragments=exchange.fragments,
        body_bytes=exchange.body_bytes,
        right=_is_right(request, exchange),
    )


def _is_right(request: Request, exchange: Exchange) -> bool | None:
    right = request.prompt.right
    if right is None or exchange.outcome is not Outcome.ANSWERED:
        return None
    return right(exchange.answer, exchange.tool_calls)
