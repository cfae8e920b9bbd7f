"""Greets the service, blocks who says so, and signs the response.

The methods of `Hooks` are those of the interface `cairn:filter/hooks`, in snake case: see
wit/deps/cairn-filter/filter.wit. A case of a variant is a class (`HeadVerdict_Next`), and the error of a result is raised
as `Err`.
"""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports.exchanges import Exchange
from wit_world.imports.types import (
    Block,
    BodyInterest_None_,
    BodyVerdict,
    BodyVerdict_Pass,
    Edit,
    Edit_Set,
    Head,
    HeadVerdict,
    HeadVerdict_Next,
    HeadVerdict_Reply,
    Interest_Named,
    LocalReply,
    Subscriptions,
)


class Hooks(exports.Hooks):
    greeting = "hello"

    def configure(self, config: bytes, name: str) -> Subscriptions:
        try:
            wanted = json.loads(config)
        except ValueError as error:
            raise Err(f"the configuration is not JSON: {error}")
        if not isinstance(wanted, dict):
            raise Err("the configuration is not a JSON object")
        greeting = wanted.get("greeting", Hooks.greeting)
        if not isinstance(greeting, str):
            raise Err("greeting: this is not a string")
        # The waypoint's calls need not reach the same object: what lasts belongs to the class.
        Hooks.greeting = greeting
        # What is not asked for is not called and costs nothing.
        return Subscriptions(
            request_head=Interest_Named(["x-blocked"]),
            request_body=BodyInterest_None_(),
            request_trailers=False,
            response_head=Interest_Named([]),
            response_body=BodyInterest_None_(),
            response_trailers=False,
            done=False,
            tick=None,
        )

    def on_request_head(self, exchange: Exchange, head: Head) -> HeadVerdict:
        if field(head.fields, "x-blocked") is not None:
            return HeadVerdict_Reply(
                LocalReply(
                    status=403,
                    headers=[("content-type", b"text/plain")],
                    body=b"blocked\n",
                    grpc_status=None,
                    details="blocked",
                )
            )
        return HeadVerdict_Next([Edit_Set(("x-greeting", Hooks.greeting.encode()))])

    def on_response_head(self, exchange: Exchange, head: Head) -> HeadVerdict:
        return HeadVerdict_Next([Edit_Set(("x-filtered-by", b"python"))])

    # Hooks that `configure` does not ask for are never called, but the contract wants them to be there.

    def on_request_body(self, exchange: Exchange, part: bytes, end: bool) -> BodyVerdict:
        return BodyVerdict_Pass()

    def on_request_trailers(self, exchange: Exchange, trailers: Block) -> list[Edit]:
        return []

    def on_response_body(self, exchange: Exchange, part: bytes, end: bool) -> BodyVerdict:
        return BodyVerdict_Pass()

    def on_response_trailers(self, exchange: Exchange, trailers: Block) -> list[Edit]:
        return []

    def on_done(self, exchange: Exchange) -> None:
        pass


def field(block: Block, name: str) -> bytes | None:
    """The first value of a name in a head or in trailers: `bytes` is name, value, name, value and so on, and `ends` says
    where each of them ends."""
    begin = 0
    for middle, end in zip(block.ends[::2], block.ends[1::2]):
        if block.bytes[begin:middle] == name.encode():
            return block.bytes[middle:end]
        begin = end
    return None
