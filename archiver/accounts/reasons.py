"""Why a message could not be had: the words that every kind of account says it in."""

GONE = "no longer on the server"
WITHHELD = "the server lists it and does not give it"
EMPTY = "the server announces it and gives no body"
STAND_IN = "the server gave an error text in its place"
UNANSWERED = "the server never answered for it"
DROPPED = "the server drops the connection at this message"
