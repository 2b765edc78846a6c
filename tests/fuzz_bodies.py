"""Bodies that a JSON schema cannot describe, for Schemathesis: tables, whole ones and broken ones.

Schemathesis makes up a text, as the schema says; the text decides which table is sent in its place, so that the same
seed sends the same tables. What is no text was made to break the schema and is sent as it is.
"""

import json
from pathlib import Path
from random import Random

import schemathesis

DATA = Path(__file__).parent / "data"
NAMES = ["area", "y", "grey_level", "a b", "", "ü", "a\0", "x" * 600]
FIELDS = ["0", "1", "", "NA", "yes", "1e999", "-0", '"a,b"', '"', "\0", "inf", "true", "3.5", "\ud800", "\u202e"]
SCALARS = [None, True, 0, 1, -1, 10**400, 0.5, float("nan"), "", "yes", "\0", [], {"a": 1}]


def given(value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


def is_made_up(value):
    """Examples of the document are sent as they are, too."""
    return isinstance(value, (str, bytes)) and not given(value).startswith((b"area,", b'{"area"'))


def good(chance):
    """A table that is accepted, so that later requests have a dataset to be about."""
    rows = "".join("%d,%d\n" % (chance.randrange(9), row % 2) for row in range(chance.randrange(2, 40)))
    return ("area,y\n" + rows).encode()


def bad(chance):
    names = [chance.choice(NAMES) for _ in range(chance.randrange(1, 5))]
    lines = [names] + [[chance.choice(FIELDS) for _ in names] for _ in range(chance.randrange(6))]
    end = chance.choice(["\n", "\r\n", ""])
    return given("".join(",".join(line) + end for line in lines))


@schemathesis.serializer("text/csv")
def csv(_, value):
    chance = Random(given(value))
    return chance.choice([given, lambda _: good(chance), lambda _: bad(chance)])(value) if is_made_up(value) else given(value)


@schemathesis.serializer("application/x-ndjson")
def ndjson(_, value):
    chance = Random(given(value))
    if not is_made_up(value) or chance.random() < 0.2:
        return given(value)
    names = NAMES[: chance.randrange(1, len(NAMES))]
    lines = [{name: chance.choice(SCALARS) for name in names} for _ in range(chance.randrange(6))]
    return given("".join(json.dumps(line) + "\n" for line in lines))


def damaged(path):
    """The file as it is, with some bytes changed, or cut short."""

    def serialize(_, value):
        chance = Random(given(value))
        if not is_made_up(value) or chance.random() < 0.1:
            return given(value)
        changed = bytearray((DATA / path).read_bytes())
        for _ in range(chance.randrange(5)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        return bytes(changed[: len(changed) if chance.random() < 0.8 else chance.randrange(len(changed))])

    return serialize


schemathesis.serializer("application/vnd.apache.parquet")(damaged("tiny.parquet"))
schemathesis.serializer("application/vnd.apache.arrow.stream")(damaged("tiny.arrows"))
