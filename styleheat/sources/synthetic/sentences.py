"""Sentences to say: a small grammar whose words together cover the sounds of English."""

import numpy as np

_WHO = (
    "my brother", "the young doctor", "our neighbour", "a good friend of mine", "the whole team", "everybody here",
    "the woman from the market", "my favourite teacher", "the boy with the blue bike", "an old fisherman",
    "the people upstairs", "his grandmother", "a famous painter", "the new mayor", "their father", "the captain",
)  # fmt: skip
_DID = (
    "brought back", "found", "made", "photographed", "painted", "bought", "forgot about", "talked about", "opened",
    "moved", "gave away", "fixed", "loved", "never saw", "paid for", "measured", "borrowed", "watched", "mapped",
)  # fmt: skip
_WHAT = (
    "a beautiful wooden boat", "five purple umbrellas", "the map of the harbour", "a box of fresh apples", "the movie",
    "a very old piano", "some warm bread and butter", "the big yellow house", "both of the puppies", "a bowl of soup",
    "the best part of the show", "a small paper lamp", "the piece of music you love", "a bag full of pebbles",
    "the window above the bathroom", "a wooden table", "the number of people in the room", "a bumpy road",
)  # fmt: skip
_WHERE = (
    "by the river", "on Monday morning", "in the middle of the summer", "before the meeting", "at the farm",
    "near the bus stop", "after the storm", "without a map", "for the first time", "just above the village",
    "during the long drive home", "while we were away", "in a few moments", "on a rainy afternoon",
)  # fmt: skip
_OPENING = (
    "Well,", "You know,", "To be honest,", "Believe me,", "Of course,", "By the way,", "I mean,", "Oh,", "Yesterday,",
    "As far as I know,", "People say that", "Maybe", "I am pretty sure that", "We all hope that",
)  # fmt: skip
_WHOLE = (
    "What a wonderful idea!", "How much would you pay for that?", "Could you please move over a bit?",
    "I feel much better now, thank you.", "Maybe we should wait for them outside.", "Both of us were amazed.",
    "Nobody ever told me about it.", "That is a very good point.", "Let me show you how it works.",
    "We might be home by five.", "Where have you been all afternoon?", "Please remember to water the plants.",
    "The weather may improve over the weekend.", "I have never been so happy in my life.", "Why not?",
)  # fmt: skip


def paragraph(rng: np.random.Generator, words: int) -> str:
    """Sentences of at least `words` words altogether."""
    sentences: list[str] = []
    while sum(len(sentence.split()) for sentence in sentences) < words:
        if rng.random() < 0.3:
            sentence = str(rng.choice(_WHOLE))
        else:
            parts = [str(rng.choice(choices)) for choices in (_WHO, _DID, _WHAT, _WHERE)]
            if rng.random() < 0.4:
                parts.insert(0, str(rng.choice(_OPENING)))
            sentence = " ".join(parts) + ("?" if rng.random() < 0.08 else ".")
            sentence = sentence[0].upper() + sentence[1:]
        if sentence not in sentences[-3:]:
            sentences.append(sentence)
    return " ".join(sentences)
