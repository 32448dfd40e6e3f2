"""Words that end or resume messages to a number when they are the whole reply, in the languages of our markets."""

from __future__ import annotations

import unicodedata

# Twilio's own English list (https://help.twilio.com/articles/223134027), the GSM practice elsewhere, each casefolded.
_STOP = """
stop stopall unsubscribe cancel end quit revoke optout
stopp abmelden abbestellen beenden kündigen
arret arrêt arrêter desabonner désabonner
parar baja alto cancelar detener
sair pare descadastrar
ferma annulla disiscrivi
afmelden uitschrijven
wypisz avsluta afmeld
"""
# No plain yes: it answers a question that a message asked.
_START = "start unstop subscribe optin anmelden aanmelden iniciar alta"
STOP = frozenset(_STOP.split())
START = frozenset(_START.split())


def word_of(text: str) -> str:
    """`stop`, `start` or nothing, for the whole text without case, punctuation and blanks."""
    folded = unicodedata.normalize("NFC", text).casefold()
    word = "".join(letter for letter in folded if letter.isalpha())
    if word in STOP:
        return "stop"
    return "start" if word in START else ""
