"""Sentences for the voices: a small grammar that covers the phonemes of English, and sentences in other languages."""

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


_ABROAD = {
    "de": (
        "Am Abend packt meine Mutter noch schnell die Koffer.", "Möchtest du ein bisschen Apfelkuchen probieren?",
        "Der Zug nach Hamburg fährt heute von Gleis fünf.", "Bitte vergiss nicht, die Blumen zu gießen.",
        "Wir haben im Sommer viele Pilze im Wald gefunden.", "Er spielt jeden Montag mit seinem Bruder Fußball.",
        "Das war wirklich eine wunderbare Überraschung.", "Vielleicht bleibt ihr über Nacht bei uns.",
        "Im Dorf gab es früher eine kleine Mühle am Bach.", "Ich habe den Brief erst gestern bekommen.",
    ),
    "fr": (
        "Ma petite sœur a peint un beau bateau bleu.", "Vous pouvez poser le panier sur la table.",
        "Je ne me souviens plus du nom de ce village.", "Il faut beaucoup de patience pour bien cuisiner.",
        "Nous partons demain matin avant huit heures.", "Avez-vous vu mon parapluie quelque part ?",
        "Le boulanger ouvre sa boutique très tôt.", "On m'a offert un joli bouquet de fleurs jaunes.",
        "Pourquoi ne viens-tu jamais au bord de la mer ?", "Les enfants jouaient près du vieux pont.",
    ),
    "es": (
        "Mi abuela prepara un buen café por la mañana.", "¿Puedes abrir la puerta, por favor?",
        "El pueblo tiene una plaza muy bonita.", "Vamos a viajar a la montaña en verano.",
        "Nunca había visto un pájaro tan pequeño.", "Me gusta caminar bajo la lluvia.",
        "Compramos pan, fruta y un poco de queso.", "El tren llega a las nueve y media.",
        "Todo el mundo hablaba de aquella película.", "Perdona, no sabía que estabas aquí.",
    ),
    "it": (
        "Il bambino ha perso il pallone nel bosco.", "Domani mattina andiamo al mercato insieme.",
        "Mi piace molto la musica di questo film.", "Potrebbe aprire la finestra, per piacere?",
        "La nonna prepara sempre una buona zuppa.", "Abbiamo camminato fino in cima alla montagna.",
        "Quel libro me lo ha prestato un amico.", "Non dimenticare di chiamare tuo fratello.",
        "Il treno per Roma parte fra dieci minuti.", "Che bella giornata per una passeggiata!",
    ),
    "pt": (
        "A minha mãe comprou um bolo para a festa.", "O barco pequeno voltou ao porto de manhã.",
        "Você pode me ajudar com esta mala?", "Nunca mais vi aquele homem simpático.",
        "Gosto muito de passear à beira do rio.", "Amanhã vamos almoçar com os nossos amigos.",
        "O filme começa às oito e meia da noite.", "Ela pintou a porta de azul e amarelo.",
        "Não me lembro do nome dessa rua.", "Que bom que você conseguiu vir!",
    ),
}  # fmt: skip
LANGUAGES = tuple(_ABROAD)
"""eSpeak's names of the languages that there are sentences in, beside English."""


def paragraph(rng: np.random.Generator, words: int, language: str = "en") -> str:
    """Sentences of at least `words` words altogether, in English or one of LANGUAGES."""
    sentences: list[str] = []
    while sum(len(sentence.split()) for sentence in sentences) < words:
        sentence = _english(rng) if language == "en" else str(rng.choice(_ABROAD[language]))
        if sentence not in sentences[-3:]:
            sentences.append(sentence)
    return " ".join(sentences)


def _english(rng: np.random.Generator) -> str:
    if rng.random() < 0.3:
        return str(rng.choice(_WHOLE))
    parts = [str(rng.choice(choices)) for choices in (_WHO, _DID, _WHAT, _WHERE)]
    if rng.random() < 0.4:
        parts.insert(0, str(rng.choice(_OPENING)))
    sentence = " ".join(parts) + ("?" if rng.random() < 0.08 else ".")
    return sentence[0].upper() + sentence[1:]
